# The table of README.md from the lines of table1.sh.   awk -v order="cholesky ... pcg" -f table1_table.awk results.jsonl
# Published: Legarra and Misztal (2008), table 1.
BEGIN {
  split("cholesky lhs_gs gs gsru pcg", all, " ")
  name["cholesky"] = "Cholesky"; name["lhs_gs"] = "LHS-GS"; name["gs"] = "matrix-free GS"; name["gsru"] = "GSRU"; name["pcg"] = "PCG"
  published["1e-10"] = "17 min / 119 min / 1|17 min / 71 min / 164|16 s / 97 h / 161|16 s / 46 s / 164|20 s / 10 s / 20"
  published["1e-14"] = "17 min / 119 min / 1|17 min / 170 min / 272|not tried|16 s / 74 s / 272|20 s / 12 s / 23"
}

function text(s) { return s == "null" ? "-" : (s += 0) < 1 ? sprintf("%.3g ms", 1000 * s) : s < 120 ? sprintf("%.3g s", s) : s < 7200 ? sprintf("%.3g min", s / 60) : sprintf("%.3g h", s / 3600) }

{
  line = $0
  gsub(/^\{|\}$/, "", line)
  n = split(line, part, /, "/)
  delete field
  for (i = 1; i <= n; i++) {
    at = index(part[i], "\": ")
    key = substr(part[i], 1, at - 1)
    gsub(/"/, "", key)
    value = substr(part[i], at + 3)
    gsub(/"/, "", value)
    field[key] = value
  }
  for (key in field) v[field["method"], key] = field[key]
  equations = field["equations"]
}

function row(label, criterion, level,   i) {
  printf "| %s |", label
  for (i = 1; i <= 5; i++) {
    m = all[i]
    if ((m, "set_up") in v)
      printf " %s / %s / %s |", text(v[m, "set_up"]), text(v[m, "seconds." criterion "." level]), v[m, "iterations." criterion "." level] == "null" ? "-" : v[m, "iterations." criterion "." level]
    else
      printf " |"
  }
  print ""
}

function paper(level,   i, cell) {
  split(published[level], cell, "|")
  printf "| published, %s |", level
  for (i = 1; i <= 5; i++) printf " %s |", cell[i]
  print ""
}

END {
  print "Time to set up / time for solving / iterations, " equations " equations, one core."
  print ""
  printf "| |"
  for (i = 1; i <= 5; i++) printf " %s |", name[all[i]]
  printf "\n|---|---|---|---|---|---|\n"
  paper("1e-10")
  row("change, 1e-10", "change_sq", "1e-10")
  row("residual, 1e-10", "residual_sq", "1e-10")
  paper("1e-14")
  row("change, 1e-14", "change_sq", "1e-14")
  row("residual, 1e-14", "residual_sq", "1e-14")
  printf "| true residual at the end |"
  for (i = 1; i <= 5; i++) printf " %s |", (all[i], "true_residual") in v ? sprintf("%.1e", v[all[i], "true_residual"]) : ""
  printf "\n| peak memory |"
  for (i = 1; i <= 5; i++) printf " %s |", (all[i], "peak_memory") in v ? sprintf("%.0f MB", v[all[i], "peak_memory"] / 1e6) : ""
  print ""
}

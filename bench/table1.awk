# summary.json and convergence.tsv of a run, or of its parts one after another, as one line of JSON.
#   awk -v method=gsru -f table1.awk summary.json convergence.tsv [summary.json convergence.tsv ...]
# Set-up is all before the first iteration; of cholesky without the factor, which is its solving. Of several parts only the first set-up counts.
# Times are processor seconds: on one core the same as the clock's, if it has nothing else to do. The clock of iterations is scaled to them.
BEGIN { n_levels = split("1e-10 1e-14", level, " ") }

FNR == 1 { file++; part = int((file + 1) / 2); table = file % 2 == 0; delete column }

!table && match($0, /^\t+"[^"]*":/) {
  depth = index($0, "\"") - 1
  key = substr($0, depth + 2, RLENGTH - depth - 3)
  value = substr($0, RLENGTH + 1)
  gsub(/^[ \t]+|,?[ \t\r]*$/, "", value)
  path[depth] = key
  if (depth == 1 && key == "equations") equations = value
  if (depth == 2 && path[1] == "solve" && key == "true_residual") true = value
  if (depth == 2 && path[1] == "cpu_seconds" && part == 1) seconds[key] = value
  if (depth == 2 && path[1] == "cpu_seconds" && key == "solve") busy = value
  if (depth == 2 && path[1] == "seconds" && key == "solve") clock = value
  if (depth == 2 && path[1] == "peak_memory_per_rank" && value > peak) peak = value
}

table && FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
table && FNR == 2 { before = spent; begin = part > 1 && $1 == 0 ? $(column["seconds"]) : 0 }
table && FNR > 1 && $1 > 0 {
  iterations++
  spent = before + ($(column["seconds"]) - begin) * (clock > 0 && busy < clock ? busy / clock : 1)
  for (i = 1; i <= n_levels; i++) {
    note("change_sq", level[i])
    note("residual_sq", level[i])
  }
}

function note(criterion, bound) {
  if ((criterion, bound) in at || !($(column[criterion]) <= bound + 0) || $(column[criterion]) == "NA") return
  at[criterion, bound] = iterations
  after[criterion, bound] = spent
}

END {
  set_up = seconds["read"] + seconds["set-up"] + seconds["operator"] + seconds["solve.preconditioner"]
  if (method == "cholesky") { set_up -= seconds["solve.preconditioner"] - seconds["solve.form"]; factor = seconds["solve.preconditioner"] - seconds["solve.form"] }
  printf "{\"method\": \"%s\", \"equations\": %s, \"set_up\": %.4g, \"iterations\": %d, \"solve\": %.4g, \"true_residual\": %s, \"peak_memory\": %s",
    method, equations, set_up, iterations, factor + spent, true, peak + 0
  for (c = 1; c <= 2; c++)
    for (i = 1; i <= n_levels; i++) {
      name = c == 1 ? "change_sq" : "residual_sq"
      if (method == "cholesky") { at[name, level[i]] = 1; after[name, level[i]] = spent }
      reached = (name, level[i]) in at
      printf ", \"iterations.%s.%s\": %s, \"seconds.%s.%s\": %s", name, level[i], reached ? at[name, level[i]] : "null", name, level[i],
        reached ? sprintf("%.4g", factor + after[name, level[i]]) : "null"
    }
  print "}"
}

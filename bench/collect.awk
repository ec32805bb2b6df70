# summary.json and convergence.tsv of one run as one line of JSON.   awk -v head='"program": "merit", ...' -f collect.awk summary.json convergence.tsv
# Only what the tables use is kept, with dotted keys; iterations are the first to reach each tolerance.
BEGIN { n_levels = split("1e-5 1e-8 1e-10", level, " "); line = head }

function add(key, value) { line = line (line == "" ? "" : ", ") "\"" key "\": " value }

FNR == 1 { file++ }

# keys at the top, one and two levels down, as cJSON prints them: one tab a level
file == 1 && match($0, /^\t+"[^"]*":/) {
  depth = index($0, "\"") - 1
  key = substr($0, depth + 2, RLENGTH - depth - 3)
  value = substr($0, RLENGTH + 1)
  gsub(/^[ \t]+|,?[ \t\r]*$/, "", value)
  path[depth] = key
  if (value ~ /^[{\[]/) next
  if (depth == 1 && key ~ /^(ranks|threads|equations|exit)$/) add(key, value)
  if (depth == 2 && path[1] ~ /^(seconds|cpu_seconds|memory_by_phase|peak_memory_per_rank)$/) add(path[1] "." key, value)
  if (depth == 2 && path[1] == "solve" && key ~ /^(preconditioner|iterations|true_residual|state)$/) add(key, value)
  if (depth == 3 && path[1] == "layout") add("layout." path[2] "." key, value)
}

file == 2 && FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
file == 2 && FNR > 1 {
  for (i = 1; i <= n_levels; i++)
    if (!(i in reached) && $(column["residual"]) <= level[i] + 0) reached[i] = $1
  at = $(column["seconds"])
  if (FNR == 2) first = at
  last = at
  steps = $1
}

END {
  for (i = 1; i <= n_levels; i++) add("iterations." level[i], i in reached ? reached[i] : "null")
  if (steps > 0) add("iteration_seconds", sprintf("%.6g", (last - first) / steps))
  print "{" line "}"
}

# The tables of README.md from the lines of pedigree.sh; of a case measured twice the last counts.   awk -f tables.awk results.jsonl
function number(x, digits) { return x == "" || x == "null" ? "-" : sprintf("%." digits "f", x) }
function count(x) { return x == "" || x == "null" ? "-" : x }
function millions(x) { return x / 1000000 " M" }
function model(run) {
  return (v[run, "case"] == "three" ? "3 traits" : "h2 " v[run, "case"]) (v[run, "bulls"] == 60 ? "" : ", " v[run, "bulls"] " bulls")
}
function ratio(a, b, digits) { return a > 0 && b > 0 ? sprintf("%." digits "f", a / b) : "-" }
function counts(run) { return count(v[run, "iterations.1e-5"]) " / " count(v[run, "iterations.1e-8"]) " / " count(v[run, "iterations.1e-10"]) }
function state(run) { return v[run, "state"] == "converged" ? "" : " (" v[run, "state"] ")" }
function row(run) { return "| " millions(v[run, "animals"]) " | " model(run) " | " }

# remember an item in the order of its first coming
function once(list, item) {
  if ((list, item) in seen) return
  seen[list, item] = 1
  n_items[list]++
  items[list, n_items[list]] = item
}

{
  line = $0
  gsub(/^\{|\}$/, "", line)
  delete field
  n = split(line, part, /, "/)
  for (i = 1; i <= n; i++) {
    at = index(part[i], "\": ")
    key = substr(part[i], 1, at - 1)
    gsub(/"/, "", key)
    value = substr(part[i], at + 3)
    gsub(/"/, "", value)
    field[key] = value
  }
  if (field["program"] == "machine") { machine = line; for (key in field) about[key] = field[key]; next }
  data = field["animals"] " " field["case"] " " field["bulls"]
  run = field["program"] " " data " " field["ranks"] " " field["preconditioner"]
  for (key in field) v[run, key] = field[key]
  if (field["program"] == "cholmod") { once("cholmod", run); next }
  once("data", data)
  once("ranks", field["ranks"])
  once("runs", run)
  if (field["preconditioner"] == "merit_ped" && field["ranks"] + 0 <= 2) once("full", run)
}

function of(data, ranks, pc) { return "merit " data " " ranks " " pc }

function phases(   i, run, total) {
  print "Seconds by phase, iterations to a true residual of 1e-5 / 1e-8 / 1e-10, and memory (GB, 10^9 bytes, peaks of all ranks added up).\n"
  print "| animals | model | ranks | read | of it inbreeding | set-up | operator | preconditioner | iterate | write | whole run | iterations | memory |"
  print "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["full"]; i++) {
    run = items["full", i]
    total = v[run, "peak_memory_per_rank.max"] + (v[run, "ranks"] == 2 ? v[run, "peak_memory_per_rank.min"] : 0)
    print row(run) v[run, "ranks"] " | " number(v[run, "seconds.read"], 2) " | " number(v[run, "seconds.read.inbreeding"], 2) " | " \
      number(v[run, "seconds.set-up"], 2) " | " number(v[run, "seconds.operator"], 2) " | " \
      number(v[run, "seconds.solve.preconditioner"], 2) " | " \
      number(v[run, "seconds.solve"] - v[run, "seconds.solve.preconditioner"], 2) " | " number(v[run, "seconds.write"], 2) " | " \
      number(v[run, "wall"], 1) " | " counts(run) state(run) " | " number(total / 1e9, 2) " |"
  }
}

function iterations(   i, j, k, data, text, one, eight, d) {
  print "\nIterations to a true residual of 1e-5 / 1e-8 / 1e-10 by ranks, pedigree preconditioner and diagonal; the ratio is that of the"
  print "iterations to 1e-8, the diagonal's over the pedigree's at the same ranks.\n"
  print "| animals | model | preconditioner | ranks | iterations | ratio | ghosts, most of a rank |"
  print "|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["data"]; i++)
    for (k = 1; k <= 2; k++)
      for (j = 1; j <= n_items["ranks"]; j++) {
        data = items["data", i]
        one = of(data, items["ranks", j], k == 1 ? "merit_ped" : "jacobi")
        if (!((one, "animals") in v)) continue
        eight = of(data, items["ranks", j], "merit_ped")
        print row(one) (k == 1 ? "pedigree" : "diagonal") " | " v[one, "ranks"] " | " counts(one) state(one) " | " \
          (k == 1 ? "" : ratio(v[one, "iterations.1e-8"], v[eight, "iterations.1e-8"], 1)) " | " count(v[one, "layout.ghosts.max"]) " |"
      }
}

function yardstick(   i, run, t, bytes, model_ms, wall, cpu) {
  print "\nAn iteration on one core against the time in which the triad, run just before, moves 16 + 128 t bytes an animal and 8 + 24 t a"
  print "record (t traits). Processor time: that of the solve without the preconditioner's set-up, over the iterations and two more"
  print "for the residuals at begin and end.\n"
  print "| animals | model | triad GB/s | triad moves it in | iteration, wall | ratio | iteration, processor | ratio |"
  print "|---|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["full"]; i++) {
    run = items["full", i]
    if (v[run, "ranks"] != 1 || v[run, "triad"] == "") continue
    t = v[run, "case"] == "three" ? 3 : 1
    bytes = v[run, "animals"] * (16 + 128 * t) + v[run, "records"] * (8 + 24 * t)
    model_ms = 1000 * bytes / v[run, "triad"]
    wall = 1000 * v[run, "iteration_seconds"]
    cpu = 1000 * (v[run, "cpu_seconds.solve"] - v[run, "cpu_seconds.solve.preconditioner"]) / (v[run, "iterations"] + 2)
    print row(run) number(v[run, "triad"] / 1e9, 1) " | " number(model_ms, 1) " ms | " number(wall, 1) " ms | " ratio(wall, model_ms, 2) \
      " | " (cpu > 0 ? number(cpu, 1) " ms" : "-") " | " ratio(cpu, model_ms, 2) " |"
  }
}

function speedup(   i, k, n, phase, data, a, b, text) {
  n = split("read read.records read.pedigree read.inbreeding set-up set-up.levels set-up.placement set-up.design set-up.redundant operator solve write", phase, " ")
  print "\nSeconds on 1 rank over seconds on 2 ranks, by phase.\n"
  text = "| animals | model |"
  for (k = 1; k <= n; k++) text = text " " phase[k] " |"
  print text
  gsub(/[^|]+/, "---", text)
  print text
  for (i = 1; i <= n_items["data"]; i++) {
    data = items["data", i]
    a = of(data, 1, "merit_ped")
    b = of(data, 2, "merit_ped")
    if (!((a, "animals") in v) || !((b, "animals") in v)) continue
    text = row(a)
    for (k = 1; k <= n; k++) text = text ratio(v[a, "seconds." phase[k]], v[b, "seconds." phase[k]], 2) " | "
    sub(/ $/, "", text)
    print text
  }
}

function direct(   i, run) {
  if (!n_items["cholmod"]) return
  print "\nThe same equations assembled and factored by CHOLMOD on one rank (seconds; memory in GB).\n"
  print "| animals | model | entries | of the factor | read | assemble | order | factor | solve | residual | memory | |"
  print "|---|---|---|---|---|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["cholmod"]; i++) {
    run = items["cholmod", i]
    print row(run) count(v[run, "entries"]) " | " count(v[run, "factor_entries"]) " | " number(v[run, "seconds.read"], 2) " | " \
      number(v[run, "seconds.assembly"], 2) " | " number(v[run, "seconds.ordering"], 2) " | " \
      (v[run, "state"] == "done" ? number(v[run, "seconds.factor"], 2) " | " number(v[run, "seconds.solve"], 2) " | " \
      v[run, "residual"] " | " number(v[run, "memory"] / 1e9, 2) " | |" : \
      "- | - | - | " (v[run, "memory_needed"] > 0 ? number(v[run, "memory_needed"] / 1e9, 1) " at least" : "-") " | " v[run, "state"] " |")
  }
}

END {
  if (machine != "")
    print "Measured on " about["date"] ": " about["processor"] ", " about["cores"] " cores, " number(about["memory"] / 1e9, 0) " GB; " about["version"] ".\n"
  phases()
  iterations()
  yardstick()
  speedup()
  direct()
}

# The tables of scaling.sh from its lines, medians of repeats; with -v plot=PREFIX also what gnuplot draws.   awk -f scaling.awk results.jsonl
function number(x, digits) { return x == "" || x == "null" ? "-" : sprintf("%." digits "f", x) }
function short(x) { return x == "" || x == "null" ? "-" : sprintf("%.3g", x) }
function megabytes(x) { return sprintf("%.0f", x / 1e6) }
function percent(x) { return x == "" ? "-" : sprintf("%.0f %%", 100 * x) }
function ratio(a, b) { return a > 0 && b > 0 ? a / b : "" }

# median of what was noted under a name
function median(name,   n, i, j, x, v) {
  n = count[name]
  for (i = 1; i <= n; i++) {
    x = note[name, i]
    for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]
    v[j + 1] = x
  }
  return n ? v[int((n + 1) / 2)] : ""
}
function add(name, value) { if (value != "" && value != "null") note[name, ++count[name]] = value + 0 }
function once(list, item) {
  if ((list, item) in seen) return
  seen[list, item] = 1
  items[list, ++n_items[list]] = item
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
  program = field["program"]
  run = field["problem"] " " field["shares"] " " field["ranks"] " " field["threads"]
}
program == "machine" { for (key in field) about[key] = field[key] }
program == "rates" { once("rates", field["ranks"]); for (key in field) add("rate " key " " field["ranks"], field[key]) }
program == "scaling" { once("problems", field["problem"]); once("runs", run); for (key in field) add(run " " key, field[key]) }
program == "counted" { once("counted", field["problem"] " " field["shares"] " " field["ranks"]); sent[field["problem"], field["ranks"]] = field["sent"] }
program == "foreseen" && field["paper"] == 0 { once("foreseen", run); for (key in field) seen_ahead[run, key] = field[key] }
program == "foreseen" && field["paper"] == 1 { once("paper", run); for (key in field) paper[run, key] = field[key] }

# a value of a run: problem, shares, ranks, threads, key
function of(problem, shares, ranks, threads, key) { return median(problem " " shares " " ranks " " threads " " key) }

# what 2 cores can do more than one, where a problem is bound: bytes for the pedigree, arithmetic for SNPs
function ceiling(problem, n,   name) {
  name = problem == "pedigree" ? "memory" : "multiply_adds"
  return ratio(n * median("rate " name " " n), median("rate " name " 1"))
}

function rates(   i, r) {
  print "What each of so many ranks does when all do it at once.\n"
  print "| ranks | triad, GB/s | genotypes through both products, 1e9/s | multiply-adds, 1e9/s | message of 8 bytes, us | in messages of 1 MB, GB/s | reduction, us |"
  print "|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["rates"]; i++) {
    r = items["rates", i]
    print "| " r " | " number(median("rate memory " r) / 1e9, 2) " | " number(median("rate genotypes " r) / 1e9, 2) " | " number(median("rate multiply_adds " r) / 1e9, 1) " | " \
      (r > 1 ? number(1e6 * median("rate latency " r), 2) " | " number(median("rate network " r) / 1e9, 2) " | " number(1e6 * median("rate reduction " r), 2) : "- | - | -") " |"
  }
}

# a row of a run by phases; seconds of an iteration are those of the run, not of its start
function phases(problem, shares, ranks, threads, last,   p, seconds) {
  p = problem " " shares " " ranks " " threads
  seconds = median(p " iteration_seconds")
  printf "| %s | %s | %s x %s | %s (%s) | %s | %s | %s (%s) | %s | %s | %s | %s |\n", problem, shares, ranks, threads, number(median(p " seconds.read"), 2),
    number(ratio(median(p " in"), 1e6 * median(p " seconds.read")), 0), number(median(p " seconds.set-up") + median(p " seconds.operator") + median(p " seconds.solve.preconditioner"), 2),
    short(seconds), number(median(p " seconds.write"), 2), number(ratio(median(p " out"), 1e6 * median(p " seconds.write")), 0),
    number(ratio(seen_ahead[p, "bytes"] * ranks, 1e9 * seconds), 1), percent(ratio(median(p " mpi.solve"), median(p " seconds.solve"))),
    megabytes(median(p " peak_memory_per_rank.max")), last
}

function strong(   i, k, p, part, base) {
  print "Strong scaling: the same data (two shares). Speed-up is that of an iteration; behind it, as a share of what the ceilings of the ranks' cores allow.\n"
  print "| problem | shares | ranks x threads | read, s (MB/s) | set-up, s | iteration, s | write, s (MB/s) | memory streamed, GB/s | in MPI while solving | MB of the largest rank | speed-up |"
  print "|---|---|---|---|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["problems"]; i++)
    for (k = 1; k <= n_items["runs"]; k++) {
      p = items["problems", i]
      split(items["runs", k], part, " ")
      if (part[1] != p || part[2] != 2) continue
      base = ratio(of(p, 2, 1, 1, "iteration_seconds"), of(p, 2, part[3], part[4], "iteration_seconds"))
      phases(p, 2, part[3], part[4], number(base, 2) (part[3] * part[4] > 1 && part[3] * part[4] <= about["cores"] ? " (" percent(ratio(base, ceiling(p, part[3] * part[4]))) ")" : ""))
      if (plot && part[4] == 1) print p, part[3], base > (plot ".strong")
    }
}

function weak(   i, k, p, part, base) {
  print "\nWeak scaling: as many shares of data as ranks. Efficiency is that of an iteration, against one rank with one share.\n"
  print "| problem | shares | ranks x threads | read, s (MB/s) | set-up, s | iteration, s | write, s (MB/s) | memory streamed, GB/s | in MPI while solving | MB of the largest rank | efficiency |"
  print "|---|---|---|---|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["problems"]; i++)
    for (k = 1; k <= n_items["runs"]; k++) {
      p = items["problems", i]
      split(items["runs", k], part, " ")
      if (part[1] != p || part[2] != part[3] || part[4] != 1) continue
      base = ratio(of(p, 1, 1, 1, "iteration_seconds"), of(p, part[2], part[3], 1, "iteration_seconds"))
      phases(p, part[2], part[3], 1, number(base, 2))
      if (plot) print p, part[3], base > (plot ".weak")
    }
}

function messages(   i, part) {
  print "\nWhat a rank sends in an iteration, counted inside MPI, and as the cost model has it from the data.\n"
  print "| problem | ranks | counted, kB | foreseen, kB | foreseen / counted |"
  print "|---|---|---|---|---|"
  for (i = 1; i <= n_items["counted"]; i++) {
    split(items["counted", i], part, " ")
    run = part[1] " " part[2] " " part[3] " 1"
    print "| " part[1] " | " part[3] " | " number(sent[part[1], part[3]] / 1e3, 2) " | " number(seen_ahead[run, "sent"] / 1e3, 2) " | " number(ratio(seen_ahead[run, "sent"], sent[part[1], part[3]]), 3) " |"
  }
}

function ahead(   i, measured) {
  print "\nAn iteration as the cost model foresees it from the rates above, none of which was taken from a run of a problem, and as measured.\n"
  print "| problem | shares | ranks x threads | foreseen, s | measured, s | error |"
  print "|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["foreseen"]; i++) {
    run = items["foreseen", i]
    measured = median(run " iteration_seconds")
    if (measured == "") continue
    split(run, part, " ")
    print "| " part[1] " | " part[2] " | " part[3] " x " part[4] " | " short(seen_ahead[run, "seconds"]) " | " short(measured) " | " sprintf("%+.0f %%", 100 * (seen_ahead[run, "seconds"] / measured - 1)) " |"
  }
}

function on_paper(   i, first) {
  print "\nOn paper: nothing below was measured. The largest data above on more cores, one rank each, with the rates of a full machine above, " \
    about["latency"] * 1e6 " us a message and " about["network"] / 1e9 " GB/s a rank.\n"
  print "| problem | cores | iteration, s | memory | genotypes | network | speed-up |"
  print "|---|---|---|---|---|---|---|"
  for (i = 1; i <= n_items["paper"]; i++) {
    run = items["paper", i]
    split(run, part, " ")
    if (part[3] == 1) first = paper[run, "seconds"]
    print "| " part[1] " | " part[3] " | " short(paper[run, "seconds"]) " | " short(paper[run, "memory"]) " | " short(paper[run, "seconds"] - paper[run, "memory"] - paper[run, "network"]) " | " \
      short(paper[run, "network"]) " | " number(ratio(first, paper[run, "seconds"]), 0) " |"
    if (plot) print part[1], part[3], paper[run, "seconds"] > (plot ".paper")
  }
}

END {
  rates()
  print ""
  strong()
  weak()
  messages()
  ahead()
  on_paper()
  print "\nMeasured on " about["date"] " on " about["processor"] ", " about["cores"] " cores, " about["iterations"] " iterations, medians; a share is " \
    about["animals"] " animals of the pedigree problem, " about["genotyped"] " genotyped animals x " about["snps"] " SNPs of the others."
}

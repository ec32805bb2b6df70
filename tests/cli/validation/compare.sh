#!/bin/sh
# compare.sh FOLDER [JOB...]: the results in FOLDER/out against the reference answers, by the lines of FOLDER/checks.txt and estimates.txt
# (all jobs, or those named). FOLDER is made by prepare.sh. Prints job, number of values and the largest difference, relative to the largest reference value
# of the line (absolute for inbreeding); ends with 1 if one is above its tolerance.
set -eu
folder=$1
shift
exec awk -v folder="$folder" -v jobs="$*" '
  # fields of a line of a .csv table, quotes taken off
  function fields(line, out,   n, c, i, quoted) {
    sub(/\r$/, "", line); n = 1; out[1] = ""
    for (i = 1; i <= length(line); i++) {
      c = substr(line, i, 1)
      if (c == "\"") quoted = !quoted
      else if (c == "," && !quoted) out[++n] = ""
      else out[n] = out[n] c
    }
    return n
  }
  # tables of a run, once: value[job, place]
  function load(job,   line, f, name, n, i) {
    if (job in loaded) return loaded[job]
    loaded[job] = 0
    file = folder "/out/" job "/solutions.tsv"
    while ((getline line < file) > 0) { split(line, f, "\t"); place = f[1] "/" f[2] "/" f[3] "/" f[4]; value[job, place] = f[6]; value[job, "se:" place] = f[7]; loaded[job] = 1 }
    close(file)
    file = folder "/out/" job "/animals.tsv"
    n = 0
    while ((getline line < file) > 0) {
      if (!n) n = split(line, name, "\t")
      else { split(line, f, "\t"); for (i = 2; i <= n; i++) value[job, "animals:" f[1] "/" name[i]] = f[i] }
    }
    close(file)
    table(job, "varcomp", 3)
    table(job, "anova", 1)
    file = folder "/out/" job "/summary.json"
    while ((getline line < file) > 0)
      if (split(line, f, /":[ \t]*/) == 2 && f[2] + 0) { sub(/^[ \t]*"/, "", f[1]); value[job, "summary:" f[1]] = f[2] + 0 }
    close(file)
    return loaded[job]
  }
  # NAME.tsv: cells by the first keys of their row and the name of their column
  function table(job, name, keys,   file, line, f, column, n, i, place) {
    file = folder "/out/" job "/" name ".tsv"
    while ((getline line < file) > 0) {
      if (!n) { n = split(line, column, "\t"); continue }
      loaded[job] = 1; split(line, f, "\t"); place = name ":" f[1]
      for (i = 2; i <= keys; i++) place = place "/" f[i]
      for (i = keys + 1; i <= n; i++) value[job, place "/" column[i]] = f[i]
    }
    close(file)
  }
  # the part of a text that the star of a pattern stands for, or NONE
  function match_star(text, pattern,   at, head, tail) {
    at = index(pattern, "*")
    if (!at) return text == pattern ? "" : "NONE"
    head = substr(pattern, 1, at - 1); tail = substr(pattern, at + 1)
    if (length(text) < length(head) + length(tail) || substr(text, 1, length(head)) != head ||
        substr(text, length(text) - length(tail) + 1) != tail) return "NONE"
    return substr(text, length(head) + 1, length(text) - length(head) - length(tail))
  }
  # sum of [coefficient*]place and numbers
  function evaluate(job, text,   sum, item, n, i, sign, c) {
    gsub(/ - /, " + -", text); n = split(text, item, / \+ /); sum = 0
    for (i = 1; i <= n; i++) {
      sign = 1; c = 1
      if (item[i] ~ /^-/) { sign = -1; item[i] = substr(item[i], 2) }
      if (item[i] ~ /^[0-9.]+$/) { sum += sign * item[i]; continue }
      if (match(item[i], /^[0-9.]+\*/)) { c = substr(item[i], 1, RLENGTH - 1); item[i] = substr(item[i], RLENGTH + 1) }
      if (!((job SUBSEP item[i]) in value) || value[job, item[i]] == "NA") return "none"
      sum += sign * c * value[job, item[i]]
    }
    return sum
  }
  function fill(text, part,   i, at) {
    for (i = 1; i <= width; i++) while ((at = index(text, "{" column[i] "}")))
      text = substr(text, 1, at - 1) cell[i] substr(text, at + length(column[i]) + 2)
    while ((at = index(text, "{*}"))) text = substr(text, 1, at - 1) part substr(text, at + 3)
    return text
  }
  # one line of the list: its rows of the reference file
  function check(job, file, filter, wanted, tolerance, expression,   line, condition, n, i, k, all, part, p, got, most, worst, d, rows) {
    path = file ~ /^\.\// ? folder "/" file : folder "/data/" file
    n = split(filter, condition, "; "); worst = 0; most = 0; rows = 0; width = 0
    while ((getline line < path) > 0) {
      if (!width) { width = fields(line, column); continue }
      fields(line, cell); all = 1; part = ""
      for (i = 1; i <= n && all; i++) for (k = 1; k <= width; k++)
        if (index(condition[i], column[k] "=") == 1) {
          p = match_star(cell[k], substr(condition[i], length(column[k]) + 2))
          if (p == "NONE") all = 0
          else if (index(condition[i], "*")) part = p
        }
      if (!all) continue
      for (k = 1; k <= width; k++) if (column[k] == wanted) want[++rows] = cell[k] + 0
      got = evaluate(job, fill(expression, part))
      have[rows] = got
      d = want[rows] < 0 ? -want[rows] : want[rows]
      if (d > most) most = d
    }
    close(path)
    if (!(most > 0) || tolerance < 1e-10) most = 1
    for (i = 1; i <= rows; i++) {
      d = have[i] - want[i]; d = (d < 0 ? -d : d) / most
      if (have[i] == "none") d = 1e300
      if (d > worst) worst = d
    }
    if (!rows) worst = 1e300
    values[job] += rows
    if (tolerance > 1e-6 && job !~ /^estimate_/) printed[job] += rows # rounded in print
    else if (worst > largest[job]) largest[job] = worst
    if (!(worst <= tolerance)) wrong[job] = wrong[job] "  " expression ": " worst "\n"
  }
  BEGIN {
    n_asked = split(jobs, name, " ")
    for (i = 1; i <= n_asked; i++) asked[name[i]] = 1
    for (l = split("checks estimates", lists, " "); l >= 1; l--) {
      list = folder "/" lists[l] ".txt"
      while ((getline line < list) > 0) {
        if (line ~ /^#/ || line == "") continue
        split(line, part_of, / \| /)
        job = part_of[1]
        if (n_asked && !(job in asked)) continue
        if (!(job in seen)) { seen[job] = 1; order[++n_jobs] = job }
        if (load(job)) check(job, part_of[2], part_of[3], part_of[4], part_of[5] + 0, part_of[6])
        else wrong[job] = "  no result in " folder "/out/" job "\n"
      }
    }
    if (!n_jobs) { print "no such job in the lists of " folder; exit 1 }
    for (i = 1; i <= n_jobs; i++) {
      job = order[i]
      printf "%-34s %6d values  largest difference %8.1e  %s\n", job, values[job], largest[job], job in wrong ? "WRONG" : \
        printed[job] ? "ok, and the printed digits of " printed[job] : "ok"
      if (job in wrong) { printf "%s", wrong[job]; bad = 1 }
    }
    exit bad
  }'

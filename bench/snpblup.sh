#!/usr/bin/env bash
# SNP-BLUP of many animals and SNPs: simulates the data, solves by every preconditioner, writes one JSON line for each run and a table of them.
# bench/README.md says what is measured. Options:
#   --build DIR       build folder with merit (build)
#   --scratch DIR     where data and results of runs go; data found there are used again (a fresh folder, removed at the end)
#   --results FILE    JSON lines, appended to; of a case measured twice the table shows the last (SCRATCH/snpblup.jsonl)
#   --into FILE       replace the table in this markdown file (default: print it)
#   --sizes "LIST"    animals (10000 50000); --snps N (50000)
#   --layouts "LIST"  RANKSxTHREADS (1x1 2x1 1x2)
#   --cases "LIST"    of default diagonal nosnp blocks multiplicative (all)
#   --beside SIZE     largest size for BOLT-LMM and GEMMA, where they are installed (10000; 0: neither); --seconds S: their limit (1200)
#   --small           400 animals, 1500 SNPs: a test of the runner, not a measurement
#   --tables          only make the table from --results
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../jobs/packages.sh
. "$here/../jobs/packages.sh"
# shellcheck source=shared.sh
. "$here/shared.sh"
small_machine

build=build scratch="" results="" into="" sizes="10000 50000" snps=50000 layouts="1x1 2x1 1x2" beside=10000 seconds=1200 only_tables=""
cases="diagonal nosnp default blocks multiplicative" failures=0
on_small() { sizes=400 snps=1500 layouts="1x1 1x2" beside=400 seconds=60; }
on_tables() { only_tables=yes; }
take_options "build scratch results into sizes snps layouts cases beside seconds" "small tables" "$@"
make_scratch
results=${results:-$scratch/snpblup.jsonl}
merit=$(merit_in "$build")

# ANIMALS into $scratch/ANIMALS-SNPS/data unless the same is there: the 4 youngest generations of 5 genotyped, 25 to 50 bulls in each
simulate() {
  local folder=$scratch/$1-$snps bulls=$(($1 / 400 < 50 ? ($1 / 400 < 2 ? 2 : $1 / 400) : 50))
  mkdir -p "$folder"
  cat >"$folder/wanted.yaml" <<SPEC
seed: 11
output: data
population: {generations: 5, per_generation: $(($1 / 4)), males: 0.05, sires: $bulls}
herds: {number: $(($1 / 200))}
traits: {names: milk, means: 30, G: 50, R: 50}
effects: {herd_year: 5}
records: {per_cow: 1}
chip: {snps: $snps, genotyped: $1, qtl: $((snps / 50)), share: 1}
SPEC
  if [ -s "$folder/data/summary.json" ] && cmp -s "$folder/wanted.yaml" "$folder/spec.yaml"; then return; fi
  say "simulating $1 animals"
  cp "$folder/wanted.yaml" "$folder/spec.yaml"
  mpirun -n 2 "$merit" simulate "$folder/spec.yaml" --overwrite yes >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
}

# options of a case
options() {
  case $1 in
  default) ;;
  diagonal) echo "--solver.preconditioner jacobi" ;;
  nosnp) echo "--solver.snp diagonal" ;;
  multiplicative) echo "--solver.snp nystrom --solver.combine multiplicative" ;;
  *) echo "--solver.snp $1" ;;
  esac
}

# solve ANIMALS LAYOUT CASE: one run and its line
solve() {
  local folder=$scratch/$1-$snps ranks=${2%x*} threads=${2#*x} status=0 said
  say "$1 animals, $2, $3"
  # shellcheck disable=SC2046 # words
  OMP_NUM_THREADS=$threads mpirun -n "$ranks" "$merit" solve "$folder/data/job_snp.yaml" --output "$folder/solved" --overwrite yes \
    --output.solutions none --solver.rtol 1e-10 $(options "$3") >"$folder/log" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    cat "$folder/log" >&2
    failures=$((failures + 1))
    return
  fi
  said=$(sed -n 's/.*Nystrom approximation of rank \([0-9]*\).*/\1/p' "$folder/log" | head -n 1)
  awk -F'\t' -v head="\"program\": \"merit\", \"animals\": $1, \"snps\": $snps, \"layout\": \"$2\", \"case\": \"$3\", \"rank\": ${said:-0}" \
    -f "$here/collect.awk" "$folder/solved/summary.json" "$folder/solved/convergence.tsv" >>"$results"
  rm -rf "$folder/solved"
}

# timed ANIMALS PROGRAM COMMAND...: another program within the limit of time, on one thread
timed() {
  local folder=$scratch/$1-$snps name=$2 animals=$1 begin state="done" memory=0 pid status=0
  shift 2
  say "$animals animals, $name"
  begin=$(now)
  (cd "$folder/beside" && OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 exec "$@" >log 2>&1) &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    memory=$(awk -v most="$memory" '/^VmHWM/ && $2 > most { most = $2 } END { print most }' "/proc/$pid/status" 2>/dev/null || true)
    awk -v from="$begin" -v to="$(now)" -v most="$seconds" 'BEGIN { exit !(to - from > most) }' && kill "$pid"
    sleep 0.5
  done
  wait "$pid" || status=$?
  [ "$status" -eq 0 ] || state="not done within $seconds s"
  [ "$status" -eq 0 ] || [ "$status" -eq 143 ] || { state="failed"; tail -n 5 "$folder/beside/log" >&2; }
  awk -v head="\"program\": \"$name\", \"animals\": $animals, \"snps\": $snps, \"state\": \"$state\"" -v memory="$memory" -v from="$begin" \
    -v to="$(now)" 'BEGIN { printf "{%s, \"wall\": %.2f, \"memory\": %.0f}\n", head, to - from, 1024 * memory }' >>"$results"
}

# BOLT-LMM and GEMMA on the same genotypes and phenotypes
others() {
  local folder=$scratch/$1-$snps
  plink_beside "$folder"
  if command -v bolt >/dev/null; then
    timed "$1" "BOLT-LMM" bolt --bfile=chip --phenoUseFam --Nautosomes=30 --lmmInfOnly --LDscoresUseChip --numThreads=1 \
      --statsFile=stats --predBetasFile=betas --verboseStats
  else say "no bolt here (Debian package bolt-lmm): left out"; fi
  if command -v gemma >/dev/null; then
    timed "$1" "GEMMA" gemma -bfile chip -bslmm 2 -maf 0 -o gemma
  else say "no gemma here (Debian package gemma): left out"; fi
  rm -rf "$folder/beside"
}

table() {
  awk '
  function value(key,   at) {
    if (!match($0, "\"" key "\": *[^,}]*")) return ""
    at = substr($0, RSTART, RLENGTH)
    sub(/^[^:]*: */, "", at)
    gsub(/"/, "", at)
    return at
  }
  {
    id = value("program") " " value("animals") " " value("snps") " " value("layout") " " value("case")
    if (!(id in line)) order[++n] = id
    line[id] = $0
  }
  END {
    name["default"] = "default (Nystrom)"; name["nosnp"] = "merit_fixed, SNPs by their diagonal"; name["diagonal"] = "diagonal"
    name["blocks"] = "merit_fixed, blocks of 64 SNPs"; name["multiplicative"] = "Nystrom, multiplicative"
    print "| animals x SNPs | ranks x threads | preconditioner | rank | iterations | set-up s | solve s | of the diagonal | peak memory, all ranks, MB |"
    print "|---|---|---|---|---|---|---|---|---|"
    for (i = 1; i <= n; i++) {
      $0 = line[order[i]]
      if (value("program") != "merit") continue
      base = "merit " value("animals") " " value("snps") " " value("layout") " diagonal"
      seconds = value("seconds.solve"); ranks = value("ranks"); setup = value("seconds.solve.preconditioner"); share = "-"
      memory = ranks * value("peak_memory_per_rank.max")
      text = value("animals") " x " value("snps") " | " value("layout") " | " name[value("case")] " | " value("rank") " | " value("iterations")
      if (base in line) { $0 = line[base]; share = sprintf("%.2f", seconds / value("seconds.solve")) }
      printf "| %s | %.2f | %.2f | %s | %.0f |\n", text, setup, seconds, share, memory / 1e6
    }
    for (i = 1; i <= n; i++) {
      $0 = line[order[i]]
      if (value("program") == "merit") continue
      if (!others++) print "\n| animals x SNPs | program, 1 thread | wall s | peak memory MB | |\n|---|---|---|---|---|"
      printf "| %s x %s | %s | %.1f | %.0f | %s |\n", value("animals"), value("snps"), value("program"), value("wall"), value("memory") / 1e6, value("state")
    }
  }' "$results"
}

if [ -z "$only_tables" ]; then
  [ -n "$merit" ] || { echo "no merit in $build: build it first, or name its folder by --build" >&2; exit 2; }
  for animals in $sizes; do
    simulate "$animals"
    for layout in $layouts; do
      for case in $cases; do solve "$animals" "$layout" "$case"; done
    done
    if [ "$animals" -le "$beside" ]; then others "$animals"; fi
  done
fi
table >"$scratch/snpblup.md"
put snpblup "$scratch/snpblup.md" "$into"
[ "$failures" -eq 0 ]

#!/usr/bin/env bash
# The benchmark of national pedigrees: simulates the data, runs every case, writes one JSON line for each and the tables from them.
# bench/README.md says what is measured. Options:
#   --build DIR       build folder with merit and the programs of bench/ (build)
#   --scratch DIR     where data and results of runs go; data found there are used again (a fresh folder, removed at the end)
#   --results FILE    JSON lines, appended to; of a case measured twice the tables show the last (SCRATCH/results.jsonl)
#   --into FILE       replace the tables in this markdown file (default: print them)
#   --sizes, --h2, --ranks, --many, --jacobi "LIST"   animals; heritabilities; ranks of the full runs; ranks for iterations only;
#                     ranks of the runs with the diagonal
#   --three SIZE      animals of the 3-trait model (0: none)
#   --bulls N         bulls used in each generation (60); --more-bulls N: once more at the last of --h2 with so many (833; 0: not),
#                     at the size of --three
#   --beside SIZE     largest size for the diagonal and for CHOLMOD (1000000; 0: neither)
#   --seconds S, --gib G   limits of CHOLMOD (1200, 20)
#   --small           everything once at a size that takes seconds: a test of the runner, not a measurement
#   --tables          only make the tables from --results
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../jobs/packages.sh
. "$here/../jobs/packages.sh"
# shellcheck source=shared.sh
. "$here/shared.sh"
small_machine

build=build scratch="" results="" into="" sizes="100000 1000000 10000000" h2="0.05 0.3" ranks="1 2" many="4 8 16" jacobi="1 8"
three=1000000 bulls=60 more_bulls=833 beside=1000000 seconds=1200 gib=20 only_tables="" failures=0
on_small() { sizes=2000 three=2000 h2=0.3 many=4 jacobi=1 more_bulls=0; }
on_tables() { only_tables=yes; }
take_options "build scratch results into sizes ranks many jacobi three bulls beside seconds gib h2 more-bulls" "small tables" "$@"

make_scratch
results=${results:-$scratch/results.jsonl}
merit=$(merit_in "$build")
triad=$build/bench/merit_triad


# the specification of a case: ANIMALS H2, or ANIMALS three
specify() {
  local animals=$1 case=$2 herds=$(($1 / 500)) traits
  if [ "$case" = three ]; then
    traits="names: [milk, fat, protein], means: [30, 4, 3], G: [[30, 12, 10], [12, 20, 8], [10, 8, 5]], R: [[70, 20, 20], [20, 80, 15], [20, 15, 95]]"
  else
    traits="names: milk, means: 30, G: $(awk "BEGIN { print 100 * $case }"), R: $(awk "BEGIN { print 100 * (1 - $case) }")"
  fi
  echo "seed: 7"
  echo "output: data"
  echo "population: {animals: $animals, generations: 12, sires: $bulls}"
  echo "herds: {number: $((herds > 0 ? herds : 1)), moved: 0.05}"
  echo "traits: {$traits}"
  if [ "$case" = three ]; then echo "effects: {herd_year: [5, 5, 5]}"; else echo "effects: {herd_year: 5}"; fi
  echo "records: {per_cow: 2}"
}

# simulate a case into $scratch/ANIMALS-CASE-BULLS/data unless the same is there
simulate() {
  local folder=$scratch/$1-$2-$bulls
  mkdir -p "$folder"
  specify "$1" "$2" >"$folder/wanted.yaml"
  if [ -s "$folder/data/summary.json" ] && cmp -s "$folder/wanted.yaml" "$folder/spec.yaml"; then return; fi
  say "simulating $1 animals, $2"
  cp "$folder/wanted.yaml" "$folder/spec.yaml"
  mpirun -n 2 "$merit" simulate "$folder/spec.yaml" --overwrite yes >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
}

# solve ANIMALS CASE RANKS PRECONDITIONER: one run and its line
solve() {
  local folder=$scratch/$1-$2-$bulls head moved begin wall status=0
  say "$1 animals, $2, $bulls bulls, $3 ranks, $4"
  moved=$("$triad" | sed 's/.*"bytes_per_second": \([^,]*\),.*/\1/')
  begin=$(now)
  mpirun -n "$3" "$merit" solve "$folder/data/job.yaml" --output "$folder/solved" --overwrite yes --solver.rtol 1e-10 \
    --solver.max_it 10000 --solver.preconditioner "$4" >"$folder/log" 2>&1 || status=$?
  wall=$(since "$begin")
  head="\"program\": \"merit\", \"animals\": $1, \"case\": \"$2\", \"bulls\": $bulls, \"records\": $(($(wc -l <"$folder/data/records.csv") - 1))"
  if [ "$status" -ne 0 ] && [ "$status" -ne 4 ]; then # 4: not converged, and so the table will say
    cat "$folder/log" >&2
    echo "{$head, \"ranks\": $3, \"preconditioner\": \"$4\", \"state\": \"exit status $status\", \"wall\": $wall}" >>"$results"
    failures=$((failures + 1))
    return
  fi
  awk -F'\t' -v head="$head, \"wall\": $wall, \"triad\": $moved" -f "$here/collect.awk" "$folder/solved/summary.json" \
    "$folder/solved/convergence.tsv" >>"$results"
  rm -rf "$folder/solved"
}

# the same equations by CHOLMOD, within limits of time and memory
cholmod() {
  local folder=$scratch/$1-$2-$bulls line
  say "$1 animals, $2, CHOLMOD"
  line=$(timeout "$seconds" "$build/bench/merit_cholmod" "$folder/data/job.yaml" "$gib" 2>"$folder/log") ||
    line="{\"program\": \"cholmod\", \"state\": \"not done within $seconds s or $gib GiB\"}"
  echo "{\"animals\": $1, \"case\": \"$2\", \"bulls\": $bulls, ${line#?}" >>"$results"
}

# all runs on one set of data
measure() {
  local n
  simulate "$1" "$2"
  for n in $ranks $many; do solve "$1" "$2" "$n" merit_ped; done
  [ "$1" -le "$beside" ] || return 0
  for n in $jacobi; do solve "$1" "$2" "$n" jacobi; done
}

machine() {
  local model
  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  echo "{\"program\": \"machine\", \"date\": \"$(date -u +%F)\", \"version\": \"$("$merit" --version | head -n 1)\"," \
    "\"processor\": \"${model:-unknown}\", \"cores\": $(getconf _NPROCESSORS_ONLN)," \
    "\"memory\": $(awk '/^MemTotal/ { print $2 * 1024 }' /proc/meminfo)}"
}

if [ -z "$only_tables" ]; then
  if [ -z "$merit" ] || [ ! -x "$triad" ]; then
    echo "no merit and merit_triad in $build: build Merit first, or name its folder by --build" >&2
    exit 2
  fi
  machine >>"$results"
  for animals in $sizes; do
    for share in $h2; do measure "$animals" "$share"; done
    if [ "$animals" -le "$beside" ]; then cholmod "$animals" "$share"; fi
  done
  if [ "$three" -gt 0 ]; then measure "$three" three; fi
  if [ "$three" -gt 0 ] && [ "$more_bulls" -gt 0 ]; then
    bulls=$more_bulls
    measure "$three" "${h2##* }"
  fi
fi

awk -f "$here/tables.awk" "$results" >"$scratch/tables.md"
put tables "$scratch/tables.md" "$into"
[ "$failures" -eq 0 ]

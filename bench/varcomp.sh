#!/usr/bin/env bash
# The benchmark of variance components: exact and sampled REML of animal models, REML on genotypes, and lme4, BOLT-REML and GEMMA beside it;
# makes a table of one row a run. bench/README.md says what is measured. Options:
#   --build DIR       build folder with merit (build)
#   --scratch DIR     where data and results of runs go; data found there are used again (a fresh folder, removed at the end)
#   --results FILE    rows, appended to; of a run measured twice the table shows the last (SCRATCH/varcomp.rows)
#   --into FILE       replace the table in this markdown file (default: print it)
#   --exact "LIST"    animals of the exact runs (10000 50000 200000); --bivariate N (50000; 0: none)
#   --sampled "LIST"  animals of the runs with sampled traces (1000000)
#   --genomic "LIST"  animals with 50,000 SNPs (10000 50000); --snps N (50000)
#   --ranks "LIST"    ranks of 1 thread (1 2)
#   --iid "LIST"      animals as independent effects, lme4 beside it (10000 50000)
#   --beside "LIST"   animals with SNPs and no herd-years, BOLT-REML and GEMMA beside it (5000 10000)
#   --seconds S       the most that another program may take (600)
#   --small           everything once at a size that takes seconds
#   --tables          only make the table from --results
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../jobs/packages.sh
. "$here/../jobs/packages.sh"
# shellcheck source=shared.sh
. "$here/shared.sh"
small_machine

build=build scratch="" results="" into="" exact="10000 50000 200000" bivariate=50000 sampled=1000000 genomic="10000 50000" snps=50000 ranks="1 2"
iid="10000 50000" beside="5000 10000" seconds=600 only_tables="" failures=0
on_small() { exact=2000 bivariate=2000 sampled=2000 genomic=1000 snps=2000 iid=2000 beside=1000 seconds=60; }
on_tables() { only_tables=yes; }
take_options "build scratch results into exact bivariate sampled genomic snps ranks iid beside seconds" "small tables" "$@"
make_scratch
results=${results:-$scratch/varcomp.rows}

# what to simulate: the populations of pedigree.sh with one or two traits, that of snpblup.sh. KIND ANIMALS
specify() {
  local herds=$(($2 / 500)) bulls=$(($2 / 400 < 50 ? ($2 / 400 < 2 ? 2 : $2 / 400) : 50))
  echo "output: data"
  case $1 in
  genomic)
    echo "seed: 11"
    echo "population: {generations: 5, per_generation: $(($2 / 4)), males: 0.05, sires: $bulls}"
    echo "herds: {number: $(($2 / 200))}"
    echo "traits: {names: milk, means: 30, G: 50, R: 50}"
    echo "effects: {herd_year: 5}"
    echo "records: {per_cow: 1}"
    echo "chip: {snps: $snps, genotyped: $2, qtl: $((snps / 50)), share: 1}"
    return ;;
  bivariate)
    echo "traits: {names: [milk, fat], means: [30, 4], G: [[30, 12], [12, 20]], R: [[70, 20], [20, 80]]}"
    echo "effects: {herd_year: [5, 5]}" ;;
  *)
    echo "traits: {names: milk, means: 30, G: 30, R: 70}"
    echo "effects: {herd_year: 5}" ;;
  esac
  echo "seed: 7"
  echo "population: {animals: $2, generations: 12, sires: 60}"
  echo "herds: {number: $((herds > 0 ? herds : 1)), moved: 0.05}"
  echo "records: {per_cow: 2}"
}

# the ratio of variances to estimate as well. KIND
functions() {
  case $1 in
  genomic) echo "functions: {ratio: genomic.genetic / (genomic.genetic + residual)}" ;;
  bivariate) echo "functions: {correlation: \"cor(animal, milk, fat)\"}" ;;
  *) echo "functions: {ratio: animal / (animal + residual)}" ;;
  esac
}

# simulate KIND ANIMALS: into $scratch/KIND-ANIMALS/data unless the same is there; its job without variances is vc.yaml
simulate() {
  local folder=$scratch/$1-$2 job=job.yaml
  mkdir -p "$folder"
  specify "$1" "$2" >"$folder/wanted.yaml"
  if ! { [ -s "$folder/data/summary.json" ] && cmp -s "$folder/wanted.yaml" "$folder/spec.yaml"; }; then
    say "simulating $1, $2 animals"
    cp "$folder/wanted.yaml" "$folder/spec.yaml"
    mpirun -n 2 "$merit" simulate "$folder/spec.yaml" --overwrite yes >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
  fi
  [ "$1" != genomic ] || job=job_snp.yaml
  { awk '/^variances:/ { skip = 1; next } /^[^ ]/ { skip = 0 } !skip' "$folder/data/$job"; functions "$1"; } >"$folder/data/vc.yaml"
}

# processor seconds of this machine so far
busy() { awk '/^cpu / { print ($2 + $3 + $4) / 100 }' /proc/stat; }

# run LOG COMMAND...: sets wall, its seconds, and others, the cores that other work kept busy meanwhile
run() {
  local log=$1 before status=0 TIMEFORMAT="%R %U %S"
  shift
  before=$(busy)
  { time "$@" >"$log" 2>&1 </dev/null; } 2>"$scratch/time" || status=$?
  read -r wall others < <(awk -v busy="$(busy)" -v before="$before" '
    { rest = busy - before - $2 - $3; printf "%.1f %.1f\n", $1, (rest > 0 ? rest / $1 : 0) }' "$scratch/time")
  return "$status"
}

row() { tee -a "$results" >&2; }

# estimate CASE FOLDER RANKS ARGUMENTS...: a run of merit varcomp
estimate() {
  local case=$1 folder=$scratch/$2 n=$3 out
  out=$folder/out
  shift 3
  if ! run "$folder/log" mpirun -n "$n" "$merit" varcomp "$folder/data/vc.yaml" --output "$out" --overwrite yes "$@"; then
    cat "$folder/log" >&2
    failures=$((failures + 1))
    return
  fi
  awk -F'\t' -v data="$case" -v ranks="$n" -v wall="$wall" -v others="$others" -f "$here/varcomp.awk" \
    "$out/summary.json" "$out/convergence.tsv" "$out/varcomp.tsv" "$out/functions.tsv" | row
}

# measure KIND ENGINE ANIMALS...: on every number of ranks
measure() {
  local kind=$1 engine=$2 animals n
  shift 2
  for animals in "$@"; do
    simulate "$kind" "$animals"
    for n in $ranks; do estimate "$kind-$animals" "$kind-$animals" "$n" --varcomp.engine "$engine"; done
  done
}

# is there PROGRAM PACKAGE
is_there() { command -v "$1" >/dev/null || { say "no $1 here (Debian package $2): left out"; return 1; }; }

# other CASE FOLDER PROGRAM COMMAND...: another program in FOLDER within the limit of time
other() {
  local case=$1 folder=$2 program=$3 status=0 told
  shift 3
  run "$folder/log" env -C "$folder" "$(type -P time)" -q -o memory -f %M timeout "$seconds" "$@" || status=$?
  case $status in
  0) told=$(awk -f "$here/peers.awk" "$folder/log") ;;
  124) told="- | not done within $seconds s" ;;
  *) told="- | failed" && tail -n 5 "$folder/log" >&2 ;;
  esac
  awk -v head="| $case | $program | 1 | - | - | - | - | ${told% | *} | $wall |" -v tail="${told#* | } | - | $others |" '
    { printf "%s %.0f | %s\n", head, $1 * 1.024e-3, tail }' "$folder/memory" | row
}

# independent animals and herd-years: merit and lme4. ANIMALS
independent() {
  local folder=$scratch/animals-$1 case="animals-$1, independent"
  simulate animals "$1"
  estimate "$case" "animals-$1" 1 --model "milk ~ 1 + herd_year = iid(herd:year) + animal = iid(id)"
  is_there Rscript r-cran-lme4 && is_there time time || return 0
  mkdir -p "$folder/beside"
  other "$case" "$folder/beside" lme4 Rscript "$here/lme4.R" ../data/records.csv
}

# a mean and SNPs of variance 1 each: merit, BOLT-REML and GEMMA. ANIMALS
markers() {
  local folder=$scratch/genomic-$1 case="genomic-$1, mean only"
  simulate genomic "$1"
  estimate "$case" "genomic-$1" 1 --model "milk ~ 1 + genomic = snp(id)" --genotypes.scale standardised
  is_there time time || return 0
  plink_beside "$folder"
  sed -n '1s/[^\t]*\t\([^\t]*\).*/\1/p' "$folder/data/chip.bim" >"$folder/beside/first"
  ! is_there bolt bolt-lmm ||
    other "$case" "$folder/beside" BOLT-REML bolt --reml --bfile=chip --phenoUseFam --Nautosomes=30 --numThreads=1
  ! is_there gemma gemma ||
    other "$case" "$folder/beside" GEMMA sh -c "gemma -bfile chip -maf 0 -gk 2 -o k &&
      gemma -bfile chip -maf 0 -k output/k.sXX.txt -snps first -lmm 1 -o gemma && cat output/gemma.log.txt"
}

table() {
  echo "| data | program | ranks | engine | rounds | samples | a round, s | estimation, s | whole run, s | largest rank, MB | estimates (se) | Monte Carlo, % | others |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
  awk -F'|' '{ id = $2 $3 $4 $5; if (!(id in row)) order[++n] = id; row[id] = $0 } END { for (i = 1; i <= n; i++) print row[order[i]] }' "$results"
}

# shellcheck disable=SC2086 # lists of numbers
if [ -z "$only_tables" ]; then
  need_merit
  measure animals factor $exact
  [ "$bivariate" -eq 0 ] || measure bivariate factor "$bivariate"
  measure genomic lanczos $genomic
  for animals in $iid; do independent "$animals"; done
  for animals in $beside; do markers "$animals"; done
  measure animals sampled $sampled
fi
table >"$scratch/varcomp.md"
put varcomp "$scratch/varcomp.md" "$into"
[ "$failures" -eq 0 ]

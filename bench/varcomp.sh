#!/usr/bin/env bash
# The benchmark of variance components: exact and sampled REML of animal models, REML on genotypes; prints a table of one line a run.
# bench/README.md says what is measured. Options:
#   --build DIR       build folder with merit (build)
#   --scratch DIR     where data and results go; data found there are used again (a fresh folder, removed at the end)
#   --exact "LIST"    animals of the exact runs (10000 50000 200000); --bivariate N (50000; 0: none)
#   --sampled "LIST"  animals of the runs with sampled traces (1000000)
#   --genomic "LIST"  animals with 50,000 SNPs (10000 50000); --snps N (50000)
#   --ranks "LIST"    ranks of 1 thread (1 2)
#   --small           everything once at a size that takes seconds
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../jobs/packages.sh
. "$here/../jobs/packages.sh"
# shellcheck source=shared.sh
. "$here/shared.sh"
small_machine

build=build scratch="" exact="10000 50000 200000" bivariate=50000 sampled=1000000 genomic="10000 50000" snps=50000 ranks="1 2"
on_small() { exact=2000 bivariate=2000 sampled=2000 genomic=1000 snps=2000; }
take_options "build scratch exact bivariate sampled genomic snps ranks" "small" "$@"
make_scratch
need_merit


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

# simulate KIND ANIMALS: into $scratch/KIND-ANIMALS/data unless the same is there; its job without variances is vc.yaml
simulate() {
  local folder=$scratch/$1-$2 job=job.yaml
  mkdir -p "$folder"
  specify "$1" "$2" >"$folder/wanted.yaml"
  if ! { [ -s "$folder/data/summary.json" ] && cmp -s "$folder/wanted.yaml" "$folder/spec.yaml"; }; then
    cp "$folder/wanted.yaml" "$folder/spec.yaml"
    mpirun -n 2 "$merit" simulate "$folder/spec.yaml" --overwrite yes >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
  fi
  [ "$1" != genomic ] || job=job_snp.yaml
  awk '/^variances:/ { skip = 1; next } /^[^ ]/ { skip = 0 } !skip' "$folder/data/$job" >"$folder/data/vc.yaml"
}

# estimate NAME RANKS ARGUMENTS...: one run and its line
estimate() {
  local folder=$scratch/$1 begin wall n=$2
  begin=$(now)
  shift 2
  mpirun -n "$n" "$merit" varcomp "$folder/data/vc.yaml" --output "$folder/out" --overwrite yes "$@" >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; return; }
  wall=$(since "$begin")
  awk -v name="${folder##*/}" -v ranks="$n" -v wall="$wall" '
    function value(s) { sub(/^[^:]*:[ \t]*/, "", s); gsub(/[",]/, "", s); return s }
    /"engine":/ { engine = value($0) }
    /"rounds":/ { rounds = value($0) }
    /"n_samples":/ { samples = value($0) }
    /"varcomp":[ \t]*[0-9]/ && !seconds { seconds = value($0) }
    END { printf "| %s | %s | %s | %s | %s | %.1f | %.1f |\n", name, ranks, engine, rounds, samples, seconds, wall }' "$folder/out/summary.json"
}

echo "| case | ranks | engine | rounds | samples | estimation, s | whole run, s |"
echo "|---|---|---|---|---|---|---|"
# measure KIND ENGINE ANIMALS...: on every number of ranks
measure() {
  local kind=$1 engine=$2 animals n
  shift 2
  for animals in "$@"; do
    simulate "$kind" "$animals"
    for n in $ranks; do estimate "$kind-$animals" "$n" --varcomp.engine "$engine"; done
  done
}
# shellcheck disable=SC2086 # lists of numbers
{
  measure animals factor $exact
  [ "$bivariate" -eq 0 ] || measure bivariate factor "$bivariate"
  measure animals sampled $sampled
  measure genomic lanczos $genomic
}

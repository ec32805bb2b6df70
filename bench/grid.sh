#!/usr/bin/env bash
# The process grid of genotypes on 2 ranks: cut by animals, or by SNPs; bench/README.md has the table. One line of JSON for each run.
#   --build DIR     build folder with merit (build)
#   --scratch DIR   where data go; found there, they are used again (a fresh folder, removed at the end)
#   --shapes "LIST" animals x SNPs ("2048x200000 16384x60000")
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../jobs/packages.sh
. "$here/../jobs/packages.sh"
# shellcheck source=shared.sh
. "$here/shared.sh"
small_machine

build=build scratch="" shapes="2048x200000 16384x60000"
take_options "build scratch shapes" "" "$@"
make_scratch
need_merit

for shape in $shapes; do
  animals=${shape%x*} snps=${shape#*x} data=$scratch/$shape
  if ! [ -s "$data/summary.json" ]; then
    mkdir -p "$scratch"
    cat >"$scratch/$shape.yaml" <<SPEC
seed: 5
output: $shape
population: {per_generation: $animals, generations: 3}
traits: {names: y, means: 20, G: 50, R: 50}
chip: {snps: $snps, chromosomes: 20, genotyped: $animals, recorded: yes, qtl: 200, share: 1}
SPEC
    mpirun -n 2 "$merit" simulate "$scratch/$shape.yaml" --overwrite yes >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
  fi
  for grid in 1x1 2x1 1x2 2x1 1x2; do
    ranks=$((${grid%x*} * ${grid#*x})) status=0
    OMP_NUM_THREADS=1 mpirun -n "$ranks" "$merit" solve "$data/job_snp.yaml" --genotypes.grid "${grid%x*}" --solver.max_it 30 --solver.rtol 1e-30 \
      --output "$scratch/out" --overwrite yes >"$scratch/log" 2>&1 || status=$?
    [ $status -eq 0 ] || [ $status -eq 4 ] || { cat "$scratch/log" >&2; exit 1; }
    awk -v head="\"animals\": $animals, \"snps\": $snps, \"grid\": \"$grid\"" '
      NR == 3 { first = $NF } { last = $NF; n = $1 }
      END { printf "{%s, \"iteration_seconds\": %.5f}\n", head, (last - first) / (n - 1) }' "$scratch/out/convergence.tsv"
  done
done

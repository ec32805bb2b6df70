#!/usr/bin/env bash
# The table of Legarra and Misztal (2008): five methods on 2,000 records and 11,000 SNPs, one core. bench/README.md says what is measured.
#   --build DIR       build folder with merit (build)
#   --scratch DIR     where data and results of runs go; what is found there is not measured again, so a run that was ended goes on, matrix-free
#                     Gauss-Seidel with its last 10 sweeps (a fresh folder, removed at the end)
#   --into FILE       replace the table in this markdown file (default: print it)
#   --methods "LIST"  cholesky lhs_gs gs gsru pcg
#   --h2 H            heritability (0.5)
#   --sweeps N        sweeps of gs between two savings (10)
#   --small           300 records, 800 SNPs: a test of the runner, not a measurement
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../jobs/packages.sh
. "$here/../jobs/packages.sh"
# shellcheck source=shared.sh
. "$here/shared.sh"
small_machine

build=build scratch="" into="" methods="cholesky lhs_gs gs gsru pcg" h2=0.5 records=2000 snps=12340 sweeps=10
on_small() { records=300 snps=900 sweeps=7; }
take_options "build scratch into methods h2 sweeps" "small" "$@"
make_scratch
need_merit

# families of full sibs from 8 ancestral haplotypes, 50 generations; a tenth of the SNPs have lost their variation
simulate() {
  cat >"$scratch/wanted.yaml" <<SPEC
seed: 2008
output: data
population: {per_generation: $((records / 2)), generations: 50, sires: $((records * 9 / 400)), dams: $((records * 9 / 200))}
traits: {names: weight, means: 20, G: $(awk "BEGIN { print 100 * $h2 }"), R: $(awk "BEGIN { print 100 * (1 - $h2) }")}
chip: {snps: $snps, chromosomes: 20, ancestors: 8, age: 1, genotyped: $records, recorded: yes, qtl: 200, share: 1}
SPEC
  cmp -s "$scratch/wanted.yaml" "$scratch/spec.yaml" && [ -s "$scratch/data/summary.json" ] && return
  say "simulating"
  rm -rf "$scratch"/run.* "$scratch/results.jsonl"
  cp "$scratch/wanted.yaml" "$scratch/spec.yaml"
  mpirun -n 1 "$merit" simulate "$scratch/spec.yaml" --overwrite yes >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
}

# solve METHOD FOLDER OPTION...: one run; not converged after max_it is no failure
solve() {
  local method=$1 folder=$2 status=0
  shift 2
  OMP_NUM_THREADS=1 mpirun -n 1 "$merit" solve "$scratch/data/job_snp.yaml" --solver.type "$method" --solver.criterion change_sq \
    --solver.rtol 1e-14 --output.se no --output "$folder" --overwrite yes "$@" >"$scratch/log" 2>&1 || status=$?
  [ $status -eq 0 ] || [ $status -eq 4 ] || { cat "$scratch/log" >&2; exit 1; }
  state=$status
}

# gauss_seidel: in parts of a few sweeps, each from the solutions of the one before, so that nothing is lost
gauss_seidel() {
  local part=1 start=()
  state=4
  while [ -s "$scratch/run.gs.$part/summary.json" ]; do part=$((part + 1)); done
  [ $part -eq 1 ] || grep -q '"converged"' "$scratch/run.gs.$((part - 1))/summary.json" && [ $part -gt 1 ] && state=0
  while [ $state -eq 4 ]; do
    say "gs, part $part"
    [ $part -eq 1 ] || start=(--solver.start "$scratch/run.gs.$((part - 1))")
    solve gs "$scratch/run.gs.$part" --solver.max_it "$sweeps" "${start[@]}"
    part=$((part + 1))
  done
}

simulate
for method in $methods; do
  if grep -qs "\"method\": \"$method\"" "$scratch/results.jsonl"; then continue; fi
  if [ "$method" = gs ]; then gauss_seidel; else say "$method"; solve "$method" "$scratch/run.$method.1" --solver.max_it 5000; fi
  parts=()
  for folder in $(printf '%s\n' "$scratch/run.$method".* | sort -V); do parts+=("$folder/summary.json" "$folder/convergence.tsv"); done
  awk -v method="$method" -f "$here/table1.awk" "${parts[@]}" >>"$scratch/results.jsonl"
done

awk -v order="$methods" -f "$here/table1_table.awk" "$scratch/results.jsonl" >"$scratch/table1.md"
put table1 "$scratch/table1.md" "$into"

#!/usr/bin/env bash
# merit simulate as a user runs it: files written, exit states, the nearest key.   test_command.sh MERIT
set -u
merit=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-sim.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failures=0

run() { # expected status, words expected on the terminal, arguments
  local status expected=$1 words=$2
  shift 2
  "$merit" simulate "$@" >"$folder/said" 2>&1
  status=$?
  [ $status -eq "$expected" ] || { echo "FAILED: status $status, not $expected: $*"; failures=$((failures + 1)); }
  grep -qF -- "$words" "$folder/said" || { echo "FAILED: no '$words' in:"; cat "$folder/said"; failures=$((failures + 1)); }
}

cat >"$folder/spec.yaml" <<'SPEC'
output: made
population: {animals: 200, generations: 2, sires: 3}
traits: {names: y, G: 1, R: 2}
chip: {snps: 100, chromosomes: 2, genotyped: 50}
SPEC
run 0 "200 animals by 3 sires" "$folder/spec.yaml"
for file in records.csv pedigree.csv truth.tsv truth_fixed.tsv chip.bed chip.bim chip.fam job.yaml job_snp.yaml summary.json; do
  [ -s "$folder/made/$file" ] || { echo "FAILED: no $file"; failures=$((failures + 1)); }
done
run 2 "--overwrite" "$folder/spec.yaml"
run 0 "written to" "$folder/spec.yaml" --overwrite --seed 2
run 2 "population.sires" "$folder/spec.yaml" --population.sirs 4
run 2 "spec.yaml" "$folder/not-there/spec.yaml"
run 2 "traits.G" "$folder/spec.yaml" --traits.G -1 --overwrite
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

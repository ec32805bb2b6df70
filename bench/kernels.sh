#!/usr/bin/env bash
# kernels.sh [--build FOLDER] [--scratch FOLDER] [--seconds S] [--missing RATE] [--widest K] [--into PAGE] [--small]: products with packed genotypes, with all
# instructions, in double and mixed precision, on 1 and 2 threads, as JSON lines and as a table; beside them plink2 --score on the same kind of
# data where plink2 is installed. --into replaces the table between <!-- kernels begin --> and <!-- kernels end --> of a page.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=shared.sh
. "$here/shared.sh"
build=build scratch=kernels-scratch seconds=0.2 missing=0 into= small= widest=64
on_small() { small=-c; }
take_options "build scratch seconds missing widest into" "small" "$@"
mkdir -p "$scratch"
lines=$scratch/kernels.jsonl
: >"$lines"
export OMP_WAIT_POLICY=passive
for level in avx512 avx2 portable; do
  only=$small
  [ $level = portable ] && only=-c
  for precision in '' -f; do
    [ $level$precision = portable-f ] && continue
    "$build/bench/merit_kernels_bench" -s "$seconds" -m "$missing" -t 2 -w "$widest" -i $level $only $precision >"$scratch/part"
    # a processor without the instructions measures those below them: once is enough
    grep -q "\"ceiling\".*\"instructions\": \"$level\"" "$scratch/part" && cat "$scratch/part" >>"$lines"
  done
done

# plink2 --score of a text of effects on a .bed of 2,000 animals and 10,976 SNPs, its whole run; one column of effects and ten
if command -v plink2 >/dev/null; then
  {
    echo 'seed: 1'
    echo 'output: pop'
    echo 'overwrite: yes'
    echo 'population: {animals: 8000, generations: 4, sires: 40}'
    echo 'herds: {number: 10}'
    echo 'traits: {names: y, means: 0, G: 1, R: 2}'
    echo 'chip: {snps: 10976, chromosomes: 20, genotyped: 2000}'
  } >"$scratch/spec.yaml"
  "$(merit_in "$build")" simulate "$scratch/spec.yaml" >"$scratch/simulate.log" 2>&1 || { cat "$scratch/simulate.log" >&2; exit 1; }
  awk '{ printf "%s %s", $2, $5; for (i = 1; i <= 10; i++) printf " %.6f", sin(NR * i); print "" }' "$scratch/pop/chip.bim" >"$scratch/effects"
  for columns in 3 3-12; do
    for threads in 1 2; do
      begin=$(now)
      plink2 --bfile "$scratch/pop/chip" --threads $threads --score "$scratch/effects" 1 2 no-mean-imputation cols=scoresums \
        --score-col-nums $columns --out "$scratch/score" >"$scratch/plink2.log" 2>&1 || { cat "$scratch/plink2.log" >&2; break 2; }
      end=$(now)
      awk -v b="$begin" -v e="$end" -v c=$columns -v t=$threads 'BEGIN { w = c == 3 ? 1 : 10
        printf "{\"program\": \"plink2 --score\", \"rows\": 2000, \"columns\": 10976, \"width\": %d, \"threads\": %d, \"seconds\": %.4g, \"genotypes_per_second_per_core\": %.4g}\n", w, t, e - b, 2000 * 10976 / (e - b) / t }' >>"$lines"
    done
  done
else
  echo "kernels.sh: plink2 is not installed (Debian package plink2); its --score is left out" >&2
fi

awk -f "$here/kernels.awk" "$lines" >"$scratch/table.md"
put kernels "$scratch/table.md" "$into"

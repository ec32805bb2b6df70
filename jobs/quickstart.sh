#!/usr/bin/env bash
# From a bare Debian to breeding values, in minutes: installs what is lacking, builds, simulates a dairy population, solves the
# pedigree model on all records and the SNP model on the genotyped animals' with 2 ranks each, and shows how well it went.
#   bash jobs/quickstart.sh [FOLDER]     results (default: build/quickstart)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/jobs/packages.sh"

# shellcheck disable=SC2086 # a list of words
install_packages $packages_build libcmocka-dev
small_machine
folder=${1:-$root/build/quickstart}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
merit=$root/build/release/bin/merit
population=$folder/population

step() { printf '\n== %s\n' "$*"; }

# correlation of the sum of the EBV columns of animals.tsv with the true values, for animals that `test` accepts
correlate() { # animals.tsv, what, test on n_records, n_offspring
  awk -F'\t' -v what="$2" '
    NR == FNR { if (FNR == 1) { for (c = 1; c <= NF; c++) if ($c == "milk.tbv") t = c } else tbv[$1] = $t; next }
    FNR == 1 { for (c = 1; c <= NF; c++) { if ($c ~ /\.ebv$/) ebv[c]; if ($c == "n_records") r = c; if ($c == "n_offspring") o = c } next }
    { records = $r; offspring = $o; u = 0; good = 1
      for (c in ebv) { if ($c == "NA") good = 0; u += $c }
      if (good && ('"$3"')) { v = tbv[$1]; n++; su += u; sv += v; suu += u * u; svv += v * v; suv += u * v } }
    END { printf "%-44s %7d animals   %.3f\n", what, n, (suv - su * sv / n) / sqrt((suu - su * su / n) * (svv - sv * sv / n)) }' \
    "$population/truth.tsv" "$1"
}

best_sires() { # animals.tsv
  printf '%-14s %12s %12s %12s\n' sire offspring "EBV, kg" "true, kg"
  awk -F'\t' '
    NR == FNR { if (FNR == 1) { for (c = 1; c <= NF; c++) if ($c == "milk.tbv") t = c } else tbv[$1] = $t; next }
    FNR == 1 { for (c = 1; c <= NF; c++) { if ($c ~ /\.ebv$/) e = c; if ($c == "n_offspring") o = c } next }
    /^BULL/ && $o > 0 { printf "%-14s %12d %12.1f %12.1f\n", $1, $o, $e, tbv[$1] }' "$population/truth.tsv" "$1" |
    sort -k3,3nr | awk 'NR <= 10'
}

step "build"
cmake --preset release -S "$root" >"$folder/build.log" 2>&1 || { tail -n 20 "$folder/build.log"; exit 1; }
cmake --build "$root/build/release" --target merit_cli >>"$folder/build.log" 2>&1 || { tail -n 40 "$folder/build.log"; exit 1; }
"$merit" --version

step "simulate (jobs/quickstart.yaml)"
mpirun -n 2 "$merit" simulate "$root/jobs/quickstart.yaml" --output "$population" --overwrite

step "solve the pedigree model: 50,000 animals, 30,000 records"
mpirun -n 2 "$merit" solve "$population/job.yaml" --output "$folder/pedigree" --overwrite

step "solve the SNP model: 5,000 SNPs, and the pedigree for the variance that they do not explain"
mpirun -n 2 "$merit" solve "$population/job_snp.yaml" --output "$folder/snp" --overwrite

step "the ten best sires"
best_sires "$folder/pedigree/animals.tsv"

step "correlation of estimated and true breeding values"
correlate "$folder/pedigree/animals.tsv" "pedigree model, cows with a record" "records > 0"
correlate "$folder/pedigree/animals.tsv" "pedigree model, sires" "offspring > 0 && \$1 ~ /^BULL/"
correlate "$folder/snp/animals.tsv" "SNP model, genotyped cows with a record" "records > 0"
printf '\nresults: %s\n' "$folder"

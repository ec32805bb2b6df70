#!/usr/bin/env bash
# How many rounds REML takes from its own start: 50 simulated sets of random intercepts and slopes, of several traits, and of direct and maternal
# effects, which rounds.awk makes; a table of one row a kind. bench/README.md says what is measured. Options:
#   --build DIR       build folder with merit (build)
#   --scratch DIR     where data and results go (a fresh folder, removed at the end)
#   --into FILE       replace the table in this markdown file (default: print it)
#   --sets "LIST"     sets of growth, traits and maternal (20 15 15)
#   --small           two sets of each
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=shared.sh
. "$here/shared.sh"
build=build scratch="" into="" sets="20 15 15"
on_small() { sets="2 2 2"; }
take_options "build scratch into sets" "small" "$@"
make_scratch
need_merit
export OMP_NUM_THREADS=1
merit=$(realpath "$merit")

# estimate FOLDER JOB: rounds, log-likelihood, "-" where it did not converge
estimate() {
  (cd "$1" && "$merit" varcomp "$2.yaml" --overwrite yes >"$2.log" 2>&1) || { echo "- -"; return; }
  awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "log_likelihood") at = i } { v = $1 " " $at } END { print v }' \
    "$1/$(awk '/^output:/ { print $2 }' "$1/$2.yaml")/convergence.tsv"
}

# one row a set: kind, set, rounds and log-likelihood from its own start, and from the variances that the data were made with
rows=$scratch/rounds.rows
: >"$rows"
for kind in growth traits maternal; do
  for ((set = 1; set <= ${sets%% *}; set++)); do
    folder=$scratch/$kind-$set
    mkdir -p "$folder"
    awk -v kind="$kind" -v set="$set" -v folder="$folder" -f "$here/rounds.awk"
    echo "$kind $set $(estimate "$folder" job) $(if [ -f "$folder/truth.yaml" ]; then estimate "$folder" truth; else echo "- -"; fi)" >>"$rows"
  done
  sets=${sets#* }
done

sort -s -k1,1 -k3,3n "$rows" | awk '
  BEGIN {
    print "| data | sets | rounds: median | most | above 15 | not converged | a higher likelihood from the true variances |"
    print "|---|---|---|---|---|---|---|"
  }
  function row() { if (n) printf "| %s | %d | %s | %s | %d | %d | %d |\n", kind, all, r[int((n + 1) / 2)], r[n], above, all - n, higher }
  $1 != kind { row(); kind = $1; n = all = above = higher = 0 }
  { all++; if ($3 != "-") { r[++n] = $3; above += $3 > 15 } higher += $6 != "-" && ($4 == "-" || $6 > $4 + 1e-4) }
  END { row() }' >"$scratch/table"
put rounds "$scratch/table" "$into"

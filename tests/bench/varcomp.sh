#!/usr/bin/env bash
# varcomp.sh BENCH BUILD: every case of bench/varcomp.sh runs, agrees over ranks, and reaches the table; other programs do, or are said to be left out.
set -u
runner=$1/varcomp.sh
folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failures=0

check() { # what, a command
  local what=$1
  shift
  "$@" || { echo "FAILED: $what"; failures=$((failures + 1)); }
}
# DATA ENGINE COLUMN: of the rows of Merit with these, on one line
cells() { awk -F' *[|] *' -v d="$1" -v e="$2" -v c="$3" '$2 == d && $3 == "Merit" && $5 == e { printf "%s%s", sep, $c; sep = "; " }' "$folder/page.md"; }
# WHAT DATA ENGINE: 2 ranks estimate as 1 does
agree() {
  local two
  two=$(cells "$2" "$3" 12)
  check "$1: the same on 1 and 2 ranks, $two" [ "$two" = "${two#*; }; ${two#*; }" ]
}

printf '%s\n' 'before' '<!-- varcomp begin -->' 'old' '<!-- varcomp end -->' 'behind' >"$folder/page.md"
bash "$runner" --small --build "$2" --scratch "$folder" --into "$folder/page.md" >"$folder/said" 2>&1 ||
  { cat "$folder/said"; exit 1; }

check "10 runs of Merit" [ "$(grep -c '| Merit |' "$folder/page.md")" -eq 10 ]
agree "exact" animals-2000 factor
agree "two traits" bivariate-2000 factor
agree "sampled" animals-2000 sampled
agree "genotypes" genomic-1000 lanczos
check "the sampled runs tell their samples" [ "$(cells animals-2000 sampled 7)" = "17; 17" ]
for program in Rscript:lme4 bolt:BOLT-REML gemma:GEMMA; do
  check "${program#*:} in the page or left out" grep -q -e "| ${program#*:} | 1 " -e "no ${program%:*} here" -e "no time here" "$folder/page.md" "$folder/said"
done
for word in before behind; do check "'$word' in the page" grep -q "$word" "$folder/page.md"; done
check "the old table is gone" [ "$(grep -c '^old$' "$folder/page.md")" -eq 0 ]
check "all rows of the table have its columns" awk -F'|' '/^\|/ && NF != 15 { bad = 1; print } END { exit bad }' "$folder/page.md"

# a second call measures nothing anew
bash "$runner" --tables --scratch "$folder" >"$folder/again.md" 2>&1
check "--tables prints the same" cmp "$folder/again.md" <(sed '/^|/!d' "$folder/page.md")
bash "$runner" --exat 3 >"$folder/said" 2>&1
check "an unknown option is a usage error" [ $? -eq 2 ]
[ $failures -eq 0 ] && echo "all well" || cat "$folder/page.md"
exit $((failures > 0))

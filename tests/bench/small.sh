#!/usr/bin/env bash
# small.sh BENCH BUILD: every case of bench/pedigree.sh runs, converges, agrees over ranks, and reaches the tables.
set -u
runner=$1/pedigree.sh
folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failures=0

check() { # what, a command
  local what=$1
  shift
  "$@" || { echo "FAILED: $what"; failures=$((failures + 1)); }
}
lines() { grep -c "$1" "$folder/results.jsonl"; }
# iterations to 1e-8 of all lines with these words, ascending
iterations() { grep "$1" "$folder/results.jsonl" | sed 's/.*"iterations.1e-8": \([0-9]*\).*/\1/' | sort -n; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && b - a <= 1) }'; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 < b + 0) }'; }

printf '%s\n' 'before' '<!-- tables begin -->' 'old' '<!-- tables end -->' 'behind' >"$folder/page.md"
bash "$runner" --small --build "$2" --scratch "$folder" --into "$folder/page.md" >"$folder/said" 2>&1 ||
  { cat "$folder/said"; exit 1; }

check "8 runs converged" [ "$(lines '"state": "converged"')" -eq 8 ]
for case in 0.3 three; do
  set -- $(iterations "\"case\": \"$case\".*merit_ped")
  check "$case: 3 rank counts" [ $# -eq 3 ]
  check "$case: the same iterations at any ranks, $*" near "$1" "$3"
done
residual=$(sed -n 's/.*"cholmod".*"residual": \([^,]*\),.*/\1/p' "$folder/results.jsonl")
check "the assembled equations are those of the operator: $residual" below "$residual" 1e-8
for word in before behind 'Seconds by phase' 'by ranks' triad 'on 2 ranks' CHOLMOD; do
  check "'$word' in the page" grep -q "$word" "$folder/page.md"
done
check "old tables are gone" [ "$(grep -c '^old$' "$folder/page.md")" -eq 0 ]
check "all rows of a table have its columns" awk -F'|' '/^\|---/ { n = NF } /^\| [0-9]/ && NF != n { bad = 1; print } END { exit bad }' "$folder/page.md"

# a second call measures nothing anew
bash "$runner" --tables --results "$folder/results.jsonl" >"$folder/again.md" 2>&1
sed '/^<!-- tables begin/,/^<!-- tables end/!d; /^<!--/d' "$folder/page.md" >"$folder/tables.md"
check "--tables prints the same" cmp "$folder/again.md" "$folder/tables.md"
bash "$runner" --sizs 3 >"$folder/said" 2>&1
check "an unknown option is a usage error" [ $? -eq 2 ]
[ $failures -eq 0 ] && echo "all well" || cat "$folder/page.md"
exit $((failures > 0))

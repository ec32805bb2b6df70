#!/usr/bin/env bash
# table1.sh BENCH BUILD: all five methods of bench/table1.sh run, converge, agree on their iterations, go on where they were ended, and reach the table.
set -u
runner=$1/table1.sh
folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failures=0

check() { # what, a command
  local what=$1
  shift
  "$@" || { echo "FAILED: $what"; failures=$((failures + 1)); }
}
run() { bash "$runner" --small --build "$2" --scratch "$folder" --into "$folder/page.md" >"$folder/said" 2>&1 || { cat "$folder/said"; exit 1; }; }
# METHOD KEY: a value of its line
value() { sed -n "s/.*\"method\": \"$1\".*\"$2\": \([^,}]*\)[,}].*/\1/p" "$folder/results.jsonl"; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 < b + 0) }'; }

printf '%s\n' 'before' '<!-- table1 begin -->' 'old' '<!-- table1 end -->' 'behind' >"$folder/page.md"
run "$@"
check "5 methods" [ "$(grep -c '"method"' "$folder/results.jsonl")" -eq 5 ]
for level in change_sq.1e-10 change_sq.1e-14 residual_sq.1e-10 residual_sq.1e-14; do
  sweeps=$(value gsru "iterations.$level")
  check "$level: gs as gsru" [ "$(value gs "iterations.$level")" = "$sweeps" ]
  check "$level: lhs_gs as gsru" [ "$(value lhs_gs "iterations.$level")" = "$sweeps" ]
  check "$level: pcg takes fewer" below "$(value pcg "iterations.$level")" "$sweeps"
done
for method in cholesky lhs_gs gs gsru pcg; do
  check "$method: solved" below "$(value $method true_residual)" 1e-7
  check "$method: takes time" below 0 "$(value $method seconds.change_sq.1e-14)"
done
for word in before behind published matrix-free; do check "'$word' in the page" grep -q "$word" "$folder/page.md"; done
check "the old table is gone" [ "$(grep -c '^old$' "$folder/page.md")" -eq 0 ]
check "all rows of the table have its columns" awk -F'|' '/^\|/ && NF != 8 { bad = 1; print } END { exit bad }' "$folder/page.md"

# ended in its last part, gs goes on there: the same sweeps; the others are not run again
sweeps=$(value gs iterations)
last=$(printf '%s\n' "$folder"/run.gs.* | sort -V | tail -n 1)
rm -r "$last"
sed -i '/"gs"/d' "$folder/results.jsonl"
run "$@"
check "gs goes on to $sweeps sweeps" [ "$(value gs iterations)" = "$sweeps" ]
check "only what is missing is run" [ "$(grep -c ' gs, part' "$folder/said") $(wc -l <"$folder/said")" = "1 1" ]
[ $failures -eq 0 ] && echo "all well" || cat "$folder/page.md" "$folder/results.jsonl" "$folder/said"
exit $((failures > 0))

#!/usr/bin/env bash
# scaling.sh BENCH BUILD VOLUMES: every step of bench/scaling.sh goes, and what so many ranks (a list)
# send in an iteration is what the cost model says, within 10 %.
set -u
folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-scaling.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failures=0

check() { # what, a command
  local what=$1
  shift
  "$@" || { echo "FAILED: $what"; failures=$((failures + 1)); }
}

printf '%s\n' 'before' '<!-- scaling begin -->' 'old' '<!-- scaling end -->' 'behind' >"$folder/page.md"
bash "$1/scaling.sh" --small --volumes "$3" --build "$2" --scratch "$folder" --into "$folder/page.md" >"$folder/said" 2>&1 || { cat "$folder/said"; exit 1; }

# rows of the table of messages: problem, ranks, counted, foreseen, ratio
sent() { awk -F' *[|] *' '/foreseen \/ counted/ { on = 1 } on && NF == 7 && $3 + 0 > 0 { print $2, $3, $6 } on && /^$/ { exit }' "$folder/page.md"; }
check "a count for each problem" [ "$(sent | wc -l)" -eq $((3 * $(wc -w <<<"$3"))) ]
check "sent as foreseen" awk '!($3 >= 0.9 && $3 <= 1.1) { print; bad = 1 } END { exit bad }' <(sent)
for word in before behind 'Strong scaling' 'Weak scaling' 'as the cost model foresees' 'On paper'; do
  check "'$word' in the page" grep -q "$word" "$folder/page.md"
done
check "the old table is gone" [ "$(grep -c '^old$' "$folder/page.md")" -eq 0 ]
check "all rows of a table have its columns" awk -F'|' '/^\|---/ { n = NF } /^\| / && n && NF != n { bad = 1; print } /^$/ { n = 0 } END { exit bad }' "$folder/page.md"
check "no value is lacking that was measured" awk '/^\| (pedigree|snp|polygenic)/ && /\| - \|/ { bad = 1; print } END { exit bad }' "$folder/page.md"
if command -v gnuplot >/dev/null; then
  for file in scaling.svg scaling.png; do check "$file" [ -s "$folder/$file" ]; done
fi
[ $failures -eq 0 ] && echo "all well" || cat "$folder/page.md"
exit $((failures > 0))

#!/usr/bin/env bash
# rounds.sh BENCH BUILD: every kind of bench/rounds.sh runs and reaches the table, and none of these sets takes more than 15 rounds.
set -u
folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-rounds.XXXXXX")
trap 'rm -rf "$folder"' EXIT
printf '%s\n' 'before' '<!-- rounds begin -->' 'old' '<!-- rounds end -->' 'behind' >"$folder/page.md"
bash "$1/rounds.sh" --small --build "$2" --scratch "$folder" --into "$folder/page.md" >"$folder/said" 2>&1 || { cat "$folder/said"; exit 1; }
awk -F ' *[|] *' '/^before$|^behind$/ { words++ } /^old$/ { bad = 1 } $2 ~ /^(growth|traits|maternal)$/ { kinds++; if ($3 != 2 || $6 || $7 || $8 || NF != 9) bad = 1 }
  END { exit bad || words != 2 || kinds != 3 }' "$folder/page.md" || { cat "$folder/page.md"; exit 1; }

#!/usr/bin/env bash
# links.sh ROOT: every relative link of README.md and docs/, and every file they name in backticks with a folder, is there.
cd "$1" || exit 2
failed=0
for page in README.md docs/*.md; do
  folder=$(dirname "$page")
  for link in $(grep -oE '\]\([^)#: ]+[)#]' "$page" | sed 's/^](//; s/[)#]$//' | sort -u); do
    [ -e "$folder/$link" ] || { echo "$page: no file $link"; failed=1; }
  done
  for name in $(grep -oE '`(src|include|tests|jobs|docs|bench|cmake)/[A-Za-z0-9_./-]*`' "$page" | tr -d '`' | sort -u); do
    [ -e "$name" ] || { echo "$page: no file $name"; failed=1; }
  done
done
exit $failed

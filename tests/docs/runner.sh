#!/usr/bin/env bash
# runner.sh RUN: the runner of pages lets a right page pass and sees a wrong one.
run=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
tab=$(printf '\t')

# the program of these pages copies its argument's rows
printf '#!/bin/sh\nmkdir -p out && cp "$1" out/solutions.tsv\n' >program && chmod +x program

page() { # rows of the answer, command
  printf '%s\n' 'A page.' '```tsv file=made.tsv' "term${tab}level${tab}solution${tab}status" "a${tab}1${tab}1000${tab}ok" \
    "a${tab}2${tab}0.123456789${tab}ok" "b${tab}1${tab}0${tab}aliased" '```' '```sh' "$2" '```' '```bash' 'exit 1' '```' \
    '```tsv answers=out/solutions.tsv' "term${tab}level${tab}solution${tab}status" "$1" '```' >page.md
}
right() { page "$1" "$2"; bash "$run" "$work/program" true page.md >out 2>&1 || { echo "FAILED: a right page: $1"; cat out; failed=1; }; }
wrong() { page "$1" "$2"; bash "$run" "$work/program" true page.md >out 2>&1 && { echo "FAILED: a wrong page passes: $1 ($2)"; failed=1; }; }

right "a${tab}1${tab}1000.000001${tab}ok" 'merit made.tsv'
right "b${tab}1${tab}0${tab}aliased" 'merit made.tsv'
wrong "a${tab}1${tab}1000.0001${tab}ok" 'merit made.tsv'
wrong "a${tab}2${tab}0.1234568${tab}ok" 'merit made.tsv'
wrong "b${tab}1${tab}0${tab}ok" 'merit made.tsv'
wrong "a${tab}3${tab}1000${tab}ok" 'merit made.tsv'
wrong "a${tab}1${tab}1000${tab}ok" 'merit other.tsv'
wrong "a${tab}1${tab}1000${tab}ok" 'true'

# a page that reads the reference data
mkdir -p tree/docs tree/tests data && echo here >data/is && echo kept >tree/tests/are
printf '%s\n' '```sh' 'grep here ../shared/data/is && grep kept tests/are' '```' >tree/docs/page.md
MERIT_SHARED_DATA=$work/data bash "$run" "$work/program" true tree/docs/page.md || { echo "FAILED: a page with data"; failed=1; }
MERIT_SHARED_DATA=$work/none bash "$run" "$work/program" true tree/docs/page.md
[ $? = 77 ] || { echo "FAILED: a page without its data is not skipped"; failed=1; }
exit $failed

#!/usr/bin/env bash
# run.sh PROGRAM MPIEXEC PAGE [NUMPROC_FLAG SERVE]: does what a page of the documents tells its reader to do, in a fresh folder with the program on PATH.
#   ```csv file=NAME, ```yaml file=NAME, ... are files; they are written as they stand
#   ```sh blocks are run, in order, each in a shell that stops at the first error
#   ```tsv answers=FILE lists rows of a result: the columns named in its header pick and check them; numbers agree to 1e-8 of
#     the largest in the column, words exactly
# Blocks of other kinds (```yaml without a name, ```bash) are for reading only; tests/cluster/test_page.sh runs those of docs/cluster.md.
# With SERVE, tests/cli/serve.c runs what is plainly `mpirun -n N merit ...`, so that a page of many short runs starts MPI a few times.
# A page whose commands read ../shared/data works beside the tests of this source tree, and is skipped (77) without MERIT_SHARED_DATA.
set -u
# shellcheck source=blocks.sh
. "$(dirname "${BASH_SOURCE[0]}")/blocks.sh"
program=$1 mpiexec=$(command -v "$2") page=$(realpath "$3") serving=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../cli")
work=$(mktemp -d) || exit 1
trap 'serve_close; rm -rf "$work"' EXIT
# shellcheck source=../cli/serve.sh
. "$serving/serve.sh"
servers=$work/servers
serve_open
mkdir "$work/bin" "$work/page"
ln -s "$program" "$work/bin/merit"
cat >"$work/bin/mpirun" <<END
#!/bin/sh
if [ -n "${5:-}" ] && [ "\$1 \$3" = "-n merit" ] && [ "\$2" -le 4 ] && [ "\$PWD" = "$work/page" ] && [ "\${OMP_NUM_THREADS:-1}" = 1 ]; then
  . "$serving/serve.sh"
  servers="$work/servers" serve="${5:-}" mpiexec="$mpiexec" np="${4:-}" ranks=\$2
  shift 3
  serve_run "\$ranks" "\$@"
  cat stdout
  cat stderr >&2
  exit "\$status"
fi
exec "$mpiexec" "\$@"
END
chmod +x "$work/bin/mpirun"
export PATH=$work/bin:$PATH
if grep -q '\.\./shared/data' "$page"; then
  [ -d "${MERIT_SHARED_DATA:-}" ] || exit 77
  root=$(dirname "$page")
  [ -d "$root/tests" ] || root=$(dirname "$root")
  mkdir "$work/shared"
  ln -s "$MERIT_SHARED_DATA" "$work/shared/data"
  ln -s "$root/tests" "$work/page/tests"
fi
cd "$work/page" || exit 1
failed=0

page_blocks "$page" "$work" || exit 1

answers() { # expected, file
  [ -f "$2" ] || { echo "FAILED: there is no $2"; return 1; }
  awk -F'\t' -v file="$2" '
    function number(s) { return s ~ /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/ }
    FNR == 1 && NR == 1 { columns = NF; for (c = 1; c <= NF; c++) name[c] = $c; next }
    NR == FNR { rows++; for (c = 1; c <= columns; c++) { want[rows, c] = $c
        if (number($c) && $c + 0 > scale[c]) scale[c] = $c + 0
        if (number($c) && -$c > scale[c]) scale[c] = -$c }
      next }
    FNR == 1 { for (c = 1; c <= NF; c++) at[$c] = c
      for (c = 1; c <= columns; c++) if (!(name[c] in at)) { print "FAILED: " file " has no column " name[c]; bad = 1; exit } ; next }
    { for (r = 1; r <= rows; r++) {
        hit = 1
        for (c = 1; c <= columns && hit; c++) {
          w = want[r, c]; v = $(at[name[c]])
          if (name[c] ~ /^(trait|term|component|level|id|snp|status|kind|reason)$/ || !number(w) || !number(v)) hit = (w "" == v "")
          else { d = w - v; if (d < 0) d = -d; hit = d <= 1e-8 * scale[c] }
        }
        if (hit) found[r] = 1 } }
    END { for (r = 1; r <= rows && !bad; r++) if (!found[r]) {
        line = want[r, 1]; for (c = 2; c <= columns; c++) line = line "\t" want[r, c]
        print "FAILED: " file " has no row: " line; wrong = 1 }
      if (!bad && !rows) { print "FAILED: no rows to compare with " file; wrong = 1 }
      exit bad || wrong }' "$1" "$2"
}

for kind in "$work"/[0-9]*.kind; do
  [ -e "$kind" ] || break
  block=${kind%.kind}.text words=$(cat "$kind")
  case $words in
  *" file="*) cp "$block" "${words##* file=}" ;;
  *" answers="*) answers "$block" "${words##* answers=}" || { cat "${words##* answers=}" 2>/dev/null; failed=1; } ;;
  sh)
    if ! bash -eu "$block" >"$work/out" 2>&1; then
      echo "FAILED: $(cat "$block")"
      tail -n 20 "$work/out"
      exit 1 # what follows would only fail for want of it
    fi ;;
  esac
done
exit $failed

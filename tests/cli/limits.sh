#!/bin/sh
# More than a rank can hold (MERIT_MAX_LOCAL makes that little): one error that names the rank, from all ranks, and no abort.
# Usage: limits.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

awk 'BEGIN {
  print "id,sire,dam" >"pedigree.csv"
  print "id,herd,y,z" >"records.csv"
  for (i = 1; i <= 400; i++) {
    print i "," (i > 40 ? 2 * (i * 7919 % int(i / 2)) + 1 : 0) "," (i > 40 ? 2 * (i * 104729 % int((i - 1) / 2)) + 2 : 0) >"pedigree.csv"
    print i ",h" i % 10 "," i * 31 % 17 "," i * 57 % 23 >"records.csv"
  }
}'
cat >job.yaml <<DATA
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: ["y ~ herd + ped(id)", "z ~ herd + ped(id)"]
variances: {ped(id): [[1, 0.1], [0.1, 1]], residual: [[2, 0.1], [0.1, 2]]}
output: out
DATA

# ends LIMIT WORDS
ends()
{
  export MERIT_MAX_LOCAL="$1"
  start 3 1 solve job.yaml
  unset MERIT_MAX_LOCAL
  grep -q "^merit: .*$2.*: use more ranks" stderr || fail "a limit of $1: no error '$2'"
  grep -q 'MPI_ABORT' stdout stderr && fail "a limit of $1: the ranks did not agree"
  [ -e out/summary.json ] && fail "a limit of $1 left a result"
}
ends 20 'records.csv: too many different words for rank 0, which can hold 20'
ends 200 'pedigree.csv: too many different words for rank'
ends 400 'rank [012] would hold [0-9]* equations'
ends 600 'rank [012] would hold [0-9]* items to send, and can hold 600'
run 3 0 solve job.yaml

exit $failed

#!/usr/bin/env bash
# jobs/solve.sbatch on a real SLURM of virtual nodes: a tiny model solved by srun and by mpirun, and the exit status of a wrong job.
#   test_solve_sbatch.sh MERIT SOLVE.SBATCH
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MERIT=$1
sbatch_file=$2
. "$here/slurm.sh"

folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-slurm.XXXXXX")
chmod 755 "$folder" # munge wants its socket within reach of all
trap 'slurm_stop; rm -rf "$folder"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

submit() { # environment for the job, then sbatch's arguments
  local environment=$1
  shift
  (cd "$folder" && sbatch --parsable --export="ALL$environment" --output=job.out "$@")
}

expect() { # what, state and status that are right, those found
  [ "$2" = "$3" ] || { fail "$1: $3, not $2"; sed 's/^/  | /' "$folder/job.out"; }
}

# Yields of four animals in two herds. By hand: daughters of B exceed those of A by 4 in each herd; that mean difference has variance
# 0.5 from the sires and (2 x 0.75 + 2 x 1) / 2 besides, so the sires differ by 4 x 1 / 2.25 and B is at 8/9.
data() {
  printf 'id,herd,y\nc1,h1,10\nc2,h1,14\nc3,h2,11\nc4,h2,15\n' >"$folder/records.csv"
  printf 'id,sire,dam\nA,0,0\nB,0,0\nc1,A,0\nc2,B,0\nc3,A,0\nc4,B,0\n' >"$folder/pedigree.csv"
  cat >"$folder/job.yaml" <<'JOB'
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: "y ~ herd + ped(id)"
variances:
  ped(id): 1
  residual: 1
output: out
JOB
}

solve() { # launcher, further arguments of sbatch
  local launch=$1 job state
  shift
  rm -rf "$folder/out"
  job=$(submit ",JOB=$folder/job.yaml,LAUNCH=$launch" "$@" "$sbatch_file") || { fail "sbatch"; return; }
  state=$(slurm_wait "$job" 60)
  expect "solve by $launch" "COMPLETED 0" "$state"
  [ -z "${SHOW:-}" ] || cat "$folder/job.out"
  grep -q "merit: exit status 0" "$folder/job.out" || fail "$launch: the job's output does not end well"
  awk -F'\t' '$1 == "A" { a = $5 } $1 == "B" { b = $5 } END { exit !((b - 8 / 9) ^ 2 + (a + 8 / 9) ^ 2 < 1e-12) }' \
    "$folder/out/animals.tsv" || { fail "$launch: the sires' values"; cat "$folder/out/animals.tsv"; }
}

wrong_job() {
  local job state
  job=$(submit "" "$sbatch_file" "$folder/not-there.yaml") || { fail "sbatch"; return; }
  state=$(slurm_wait "$job" 60)
  expect "a job file that is not there" "FAILED 2" "$state"
  job=$(submit "" "$sbatch_file") || { fail "sbatch"; return; }
  state=$(slurm_wait "$job" 60)
  expect "no job file" "FAILED 2" "$state"
}

slurm_start "$folder/slurm" 2 2
status=$?
[ $status -eq 0 ] || exit $status
data
solve srun --nodes=2 --ntasks=4
solve srun --nodes=2 --ntasks=2 --cpus-per-task=2
solve mpirun --nodes=2 --ntasks=4
wrong_job
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

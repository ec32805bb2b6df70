#!/usr/bin/env bash
# The script of merit plan --sbatch on a real SLURM of virtual nodes. (jobs/scaling.sbatch is in the page that test_page.sh runs.)
#   test_plan_sbatch.sh MERIT JOBS
# shellcheck source=cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# nodes, ranks and threads chosen from the cores, and the answer of a run of as many threads without SLURM
planned() { # command, job
  local job state
  "$MERIT" plan "$2" --sbatch "$folder/$1.sh" --cores-per-node 2 --memory-per-node 2G >"$folder/$1.plan" 2>&1 || { cat "$folder/$1.plan"; fail "plan"; return; }
  grep -q '^#SBATCH --nodes=1$' "$folder/$1.sh" && grep -q '^#SBATCH --ntasks=1$' "$folder/$1.sh" || { fail "$1: not one node with one rank, which is enough for so little"; head -n 12 "$folder/$1.sh"; }
  job=$(cd / && sbatch --parsable --chdir="$folder" "$folder/$1.sh" --output "$folder/$1")
  state=$(slurm_wait "$job" 120)
  expect "the planned script, $1" "COMPLETED 0" "$state"
  [ -s "$folder/$1/solutions.tsv" ] || { fail "$1: no solutions"; show; }
  OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 mpirun -n 1 "$MERIT" "$1" "$2" --output "$folder/$1-reference" >/dev/null 2>&1
  same "the planned script, $1" "$folder/$1" "$folder/$1-reference"
}

slurm_start "$folder/slurm" 2 2
status=$?
[ $status -eq 0 ] || exit $status
population 600
# the same job without its variances
awk '/^[a-z]/ { skip = /^variances:/ } !skip; END { print "varcomp: {engine: factor}" }' "$folder/data/job.yaml" >"$folder/data/open.yaml"
together "planned solve $folder/data/job.yaml" "planned varcomp $folder/data/open.yaml"
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

#!/usr/bin/env bash
# jobs/solve.sbatch and jobs/varcomp.sbatch, unchanged, on a real SLURM of four virtual nodes: a time limit and a dead node are survived with the
# answer of a run that nothing happened to; a job array; a chain of varcomp and solve; a job that cannot go on is FAILED.
#   test_attempts.sh MERIT JOBS
# shellcheck source=cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# enough sweeps for a minute or more on whatever machine this is
slow=(--solver.type gs --solver.rtol 1e-30)

# sweeps that take about so many seconds on two ranks
pace() {
  local begin=$EPOCHREALTIME sweeps=500
  (cd "$folder/data" && mpirun --oversubscribe --bind-to none -n 2 "$MERIT" solve job.yaml --output pace "${slow[@]}" --solver.max_it $sweeps >pace.out 2>&1)
  slow+=(--solver.max_it "$(awk -v a="${begin/,/.}" -v b="${EPOCHREALTIME/,/.}" -v n=$sweeps -v s="$1" 'BEGIN { print int(n * s / (b - a)) }')")
}

# the answer of the same sweeps without an accident
reference() {
  local job state
  job=$(submit "" --nodes=2 --ntasks=2 "$jobs/solve.sbatch" data/job.yaml --output "$folder/reference" "${slow[@]}")
  state=$(slurm_wait "$job" 900)
  expect "the sweeps end at their number" "FAILED 4" "$state" # not converged: 1e-30 is out of reach
}

restarts() { scontrol -o show job "$1" | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p'; }

time_limit() {
  local job state
  job=$(submit ",LAUNCH=$1" --nodes=2 --ntasks=2 --time=1 --signal=B:USR1@45 "$jobs/solve.sbatch" data/job.yaml --output "$folder/limit-$1" "${slow[@]}")
  state=$(slurm_wait "$job" 900)
  expect "a time limit, by $1" "FAILED 4" "$state"
  [ "$(restarts "$job")" -ge 1 ] || { fail "time limit, $1: the job was not requeued"; show; }
  grep -q "goes on from the checkpoint" "$folder/merit-$job".[1-9].log || { fail "time limit, $1: no restart from a checkpoint"; show; }
  same "time limit, $1" "$folder/limit-$1" "$folder/reference"
}

dead_node() {
  local job state node k
  job=$(submit "" --nodes=2 --ntasks=2 "$jobs/solve.sbatch" data/job.yaml --output "$folder/dead" "${slow[@]}" --checkpoint.minutes 0.02)
  for ((k = 0; k < 600; k++)); do
    [ -e "$folder/dead/checkpoint/previous" ] && break
    sleep 0.1
  done
  # the batch script runs on the first node: the second dies
  node=$(scontrol show hostnames "$(squeue -h -j "$job" -o %N)" | tail -n 1)
  slurm_kill_node "$node"
  case $? in
  77)
    echo "not run: nodes have no names of their own here, so one cannot be killed alone"
    scancel "$job"
    return ;;
  esac
  sleep 3
  slurm_revive_node "$node"
  state=$(slurm_wait "$job" 900)
  expect "a dead node" "FAILED 4" "$state"
  [ "$(restarts "$job")" -ge 1 ] || { fail "dead node: the job was not requeued"; show; }
  grep -q "goes on from the checkpoint" "$folder/merit-$job".[1-9].log || { fail "dead node: no restart from a checkpoint"; show; }
  same "dead node" "$folder/dead" "$folder/reference"
}

array() {
  local job state trait
  for trait in 1 2; do sed "s/model:/#/; s/  - \"milk.*/model: \"$([ $trait = 1 ] && echo milk || echo fat) ~ herd:year + ped(id)\"/; /  - \"fat/d; s/animal: .*/ped(id): 30/; s/residual: .*/residual: 70/" "$folder/data/job.yaml" >"$folder/data/trait$trait.yaml"; done
  job=$(submit "" --ntasks=2 --array=1-2 "$jobs/solve.sbatch" data/trait%a.yaml --output "$folder/array%a")
  for trait in 1 2; do
    state=$(slurm_wait "${job}_$trait" 300)
    expect "array, $trait" "COMPLETED 0" "$state"
    grep -q "exit status 0" "$folder/merit-"*.out || fail "array: no exit status"
    [ -s "$folder/array$trait/solutions.tsv" ] || { fail "array, trait $trait: no solutions"; show; }
  done
  ! cmp -s "$folder/array1/solutions.tsv" "$folder/array2/solutions.tsv" || fail "array: both traits have one answer"
}

chain() {
  local first second state
  first=$(submit "" --ntasks=2 "$jobs/varcomp.sbatch" data/trait1.yaml --output "$folder/components" --solver.type cholesky)
  second=$(submit ",VARIANCES=$folder/components/variances.yaml" --ntasks=2 --dependency=afterok:"$first" "$jobs/solve.sbatch" data/trait1.yaml \
    --output "$folder/blup" --solver.type cholesky)
  state=$(slurm_wait "$second" 300)
  expect "solve behind varcomp" "COMPLETED 0" "$state"
  paste "$folder/components/solutions.tsv" "$folder/blup/solutions.tsv" | awk -F '\t' '
    NR > 1 { d = $6 - $14; if ($1 $2 $3 $4 != $9 $10 $11 $12 || d * d > 1e-16) exit 1 } END { exit NR < 100 }' ||
    { fail "chain: solve has not the answer of varcomp"; show; }
}

failing() {
  local job state
  printf 'records: {file: nowhere.csv}\nmodel: "y ~ 1 + iid(a)"\nvariances: {iid(a): 1, residual: 1}\noutput: out\n' >"$folder/wrong.yaml"
  job=$(submit "" "$jobs/varcomp.sbatch" wrong.yaml)
  state=$(slurm_wait "$job" 60)
  expect "a file that is not there" "FAILED 3" "$state"
}

slurm_start "$folder/slurm" 4 2
status=$?
[ $status -eq 0 ] || exit $status
population 3000
pace 60
failing
array
chain
reference
time_limit srun
time_limit mpirun
dead_node
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

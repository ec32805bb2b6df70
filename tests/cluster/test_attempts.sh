#!/usr/bin/env bash
# jobs/solve.sbatch and jobs/varcomp.sbatch, unchanged, on a real SLURM of eight virtual nodes: a time limit and a dead node, by either launcher, are
# survived with the answer of a run that nothing happened to; a job array; a chain of varcomp and solve; a job that
# cannot go on is FAILED. What SLURM sends before a time limit is sent at once; with `long` a time limit is waited for, too.
#   test_attempts.sh MERIT JOBS [long]
# shellcheck source=cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# a run of a number of sweeps, however near the solution: 1e-30 is out of reach
slow=(--solver.type gs --solver.rtol 1e-30 --solver.max_it)

# one such run by SLURM on two nodes, from its submission to its end
sweeps() { # environment, sweeps, output, arguments of sbatch...
  local environment=$1 n=$2 output=$3
  shift 3
  submit "$environment" --nodes=2 --ntasks=2 --exclusive "$@" "$jobs/solve.sbatch" data/job.yaml --output "$folder/$output" --checkpoint.minutes 0.02 "${slow[@]}" "$n"
}

# the answer of so many sweeps without an accident
reference() { # sweeps, output
  local job state
  job=$(sweeps "" "$1" "$2")
  state=$(slurm_wait "$job" 900)
  expect "the sweeps end at their number" "FAILED 4" "$state"
}

# sweeps that take about so many seconds, by the quickest of three measurements: other work on the machine must not make them too few
pace() {
  local k best=1e9 seconds
  for k in 1 2 3; do
    reference 200 "pace$k"
    seconds=$(awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "seconds") at = i } END { print $at }' "$folder/pace$k/convergence.tsv")
    best=$(awk -v a="$best" -v b="$seconds" 'BEGIN { print a < b ? a : b }')
  done
  awk -v t="$best" -v s="$1" 'BEGIN { print int(200 * s / t) }'
}

restarts() { scontrol -o show job "$1" | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p'; }

# the job went back into the queue and on from a checkpoint, to the answer. what, job, output, reference
went_on() {
  local state
  state=$(slurm_wait "$2" 900)
  expect "$1" "FAILED 4" "$state"
  [ "$(restarts "$2")" -ge 1 ] || { fail "$1: the job was not requeued"; show; }
  grep -q "continues from the checkpoint" "$folder/merit-$2".[1-9].log || { fail "$1: no restart from a checkpoint"; show; }
  same "$1" "$folder/$3" "$folder/$4"
}

# SLURM looks at limits every 30 s, and the shortest is a minute
time_limit() {
  went_on "a time limit" "$(sweeps "" "$1" limit --time=1 --signal=B:USR1@50)" limit whole
}

# what SLURM does before a time limit, at once. sweeps, launcher, where to
request() {
  local job
  job=$(sweeps "$2" "$1" "$3")
  under_way "$3"
  scancel -b -s USR1 "$job"
  went_on "a request, $3" "$job" "$3" whole
}

# the node of a run that dies: the batch script runs on the first, it is the last. job
node_to_kill() { scontrol show hostnames "$(squeue -h -j "$1" -o %N)" | tail -n 1; }

cannot_kill() { # job
  echo "not run: nodes have no names of their own here, so one cannot be killed alone"
  [ "${MERIT_REQUIRE_ALL:-0}" != 1 ] || fail "a dead node cannot be tried here"
  scancel "$1"
}

dead_node() {
  local job node
  job=$(sweeps "" "$1" dead)
  under_way dead
  node=$(node_to_kill "$job")
  [ -n "$node" ] || { fail "a dead node: the run was over before"; return; }
  slurm_kill_node "$node"
  if [ $? -eq 77 ]; then cannot_kill "$job"; return; fi
  sleep 3
  slurm_revive_node "$node"
  went_on "a dead node" "$job" dead whole
}

# mpirun misses a node long before SLURM does
lost_host() {
  local job node k
  job=$(sweeps ",LAUNCH=mpirun" "$1" lost)
  under_way lost
  node=$(node_to_kill "$job")
  [ -n "$node" ] || { fail "a host that mpirun lost: the run was over before"; return; }
  slurm_kill_node "$node" quietly
  if [ $? -eq 77 ]; then cannot_kill "$job"; return; fi
  for ((k = 0; k < 300 && $(restarts "$job") == 0; k++)); do sleep 0.1; done
  slurm_revive_node "$node"
  went_on "a host that mpirun lost" "$job" lost whole
  grep -q "merit: requeued at checkpoint" "$folder/merit-$job.out" || { fail "a host that mpirun lost: not the script put the job back"; show; }
}

# an mpirun that does not see that its ranks have ended
stuck() {
  local state
  mkdir "$folder/fake"
  printf '#!/bin/sh\nexec perl -e '"'fork or exit 1; sleep 600'"'\n' >"$folder/fake/mpirun"
  chmod +x "$folder/fake/mpirun"
  state=$(slurm_wait "$(submit ",LAUNCH=mpirun,PATH=$folder/fake:$PATH" "$jobs/solve.sbatch" data/job.yaml)" 60)
  expect "an mpirun that does not end" "FAILED 137" "$state"
}

# an srun that ends ranks of a run that stopped on request before they have
ended_by_srun() {
  local job state
  mkdir "$folder/early"
  cat >"$folder/early/srun" <<END
#!/bin/sh
[ "\${SLURM_RESTART_COUNT:-0}" = 0 ] || exit 4
echo progress 1 >"$folder/early/RESUME"
echo "merit: $folder/early/RESUME: stopped on request at 1; --restart continues from there"
exit 143
END
  chmod +x "$folder/early/srun"
  job=$(submit ",LAUNCH=srun,PATH=$folder/early:$PATH" "$jobs/solve.sbatch" data/job.yaml)
  state=$(slurm_wait "$job" 90)
  expect "ranks ended by srun" "FAILED 4" "$state"
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

slurm_start "$folder/slurm" 8 2
status=$?
[ $status -eq 0 ] || exit $status
population 3000
together failing stuck ended_by_srun array chain
n=$(pace "$([ "${3:-}" = long ] && echo 60 || echo 15)")
reference "$n" whole
[ "${3:-}" != long ] || time_limit "$n"
together "request $n ,A=b asked" "request $n ,LAUNCH=mpirun asked_by_mpirun" "dead_node $n" "lost_host $n" # a node is killed after about 3 s
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

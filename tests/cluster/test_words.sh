#!/usr/bin/env bash
# What jobs/attempt.sh makes of file names, job names and the files beside it, without SLURM: programs of their names stand in.
#   test_words.sh MERIT JOBS
merit=$1 jobs=$2 failures=0
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/work" && cd "$folder/work" || exit 1
export PATH=$folder/bin:$PATH LAUNCH=mpirun MERIT=merit

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# mpirun says its words, a line each, and ends with STATUS; requeues are counted
printf '#!/bin/bash\nwhile [ "$1" != merit ]; do shift; done\nprintf "<%%s>\\n" "$@" >"$SEEN"\necho "merit: $PWD/out/checkpoint/RESUME: stopped on request"\nexit "${STATUS:-0}"\n' >"$folder/bin/mpirun"
printf '#!/bin/bash\n[ "$1" != requeue ] || echo x >>"$SEEN.requeued"\necho JobState=RUNNING\n' >"$folder/bin/scontrol"
printf '#!/bin/bash\n' >"$folder/bin/sleep"
chmod +x "$folder"/bin/*
export SEEN=$folder/seen

# attempt WORDS...: in the environment given before it
attempt() { bash -c '. "$0/attempt.sh"; attempt "$@"' "$jobs" "$@" >said 2>&1; }
# gave WORD...: what merit got
gave() { [ "$(cat "$SEEN")" = "$(printf '<%s>\n' merit "$@" --restart auto)" ] || fail "merit got $(tr '\n' ' ' <"$SEEN") and not $*"; }

SLURM_ARRAY_TASK_ID=12 attempt solve 'trait%a.yaml' --output 'out%a/100%%a/%b/5%' 'a&b %a'
gave solve trait12.yaml --output out12/100%a/%b/5% 'a&b 12'
attempt solve 'trait%a.yaml' '%%'
gave solve 'trait%a.yaml' %

# a planned script of a job with such a name
cat >records.csv <<DATA
sex,y
m,1
f,2
m,3
DATA
printf 'records: {file: records.csv}\nmodel: "y ~ 1 + iid(sex)"\nvariances: {iid(sex): 1, residual: 2}\noutput: out\n' >"it's %a %%b.yaml"
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$merit" plan "it's %a %%b.yaml" --sbatch script >said 2>&1 || fail "plan: $(cat said)"
SLURM_ARRAY_TASK_ID=3 bash script >said 2>&1
gave solve "$(realpath "it's %a %%b.yaml")"

# names of jobs
for name in -n ../x 'a/b' .. $'new\nline' 'a job'; do
  rm -rf "$folder/work" && mkdir "$folder/work" && cd "$folder/work" || exit 1
  SLURM_JOB_NAME=$name SLURM_JOB_ID=7 attempt solve job.yaml
  grep -q 'exit status 0' said || fail "job name $name: $(cat said)"
  [ "$(find . -name '*-7.0.log' | wc -l)" = 1 ] && [ "$(find .. -name '*.log' | wc -l)" = 1 ] || fail "job name $name: $(ls -A . ..)"
done

# the count of requeues runs nothing and follows no link; three in a row without progress are the most
mkdir -p out/checkpoint && echo 'progress 5' >out/checkpoint/RESUME
echo precious >"$folder/precious"
for n in 'x[$(touch pwned)0]' 'a[0$(touch pwned)]' '08' '-1' '' 99999999999999999999; do
  printf '%s\nprogress 5\n' "$n" >merit-7.requeued
  STATUS=75 SLURM_JOB_ID=7 attempt solve job.yaml
  [ ! -e pwned ] || fail "a count of $n ran a command"
  grep -q 'requeued at progress 5' said || fail "a count of $n: $(cat said)"
done
rm merit-7.requeued && ln -s "$folder/precious" merit-7.requeued && rm -f merit-7.0.log && ln -s "$folder/precious" merit-7.0.log
STATUS=75 SLURM_JOB_ID=7 attempt solve job.yaml
[ "$(cat "$folder/precious")" = precious ] || fail "a link was followed"
rm -f "$SEEN.requeued" merit-7.requeued
for n in 1 2 3 4 5 6; do STATUS=75 SLURM_JOB_ID=7 attempt solve job.yaml; done
[ "$(wc -l <"$SEEN.requeued")" = 4 ] || fail "requeued $(wc -l <"$SEEN.requeued") times, not 4"

# jobs/scaling.sbatch: where it looks for the programs, and where results go
mkdir -p "$folder/tree/jobs" "$folder/tree/bench" && cp "$jobs/attempt.sh" "$folder/tree/jobs" && rm -rf "$folder/work" && mkdir "$folder/work" && cd "$folder/work"
printf '#!/bin/bash\nprintf "<%%s>" "$@"\n' >"$folder/tree/bench/scaling.sh"
scaling() { # environment
  env MERIT_JOBS="$folder/tree/jobs" SLURM_SUBMIT_DIR="$PWD" SLURM_JOB_NAME=scaling SLURM_JOB_ID=4 SLURM_JOB_NUM_NODES=2 SLURM_NTASKS=6 "$@" bash "$jobs/scaling.sbatch" --small >said 2>&1
}
scaling A=b
grep -qF "<--ranks><1 3 6><--volumes><1 3 6><--threads><1><--build><$PWD/build/release><--scratch><$PWD/scaling-4><--plots><$PWD/scaling-4><--small>" said || fail "scaling.sbatch: $(cat said)"
scaling BUILD=elsewhere "SCRATCH=$PWD/room" SLURM_CPUS_PER_TASK=2
grep -qF "<--threads><2><--build><elsewhere><--scratch><$PWD/room>" said || fail "scaling.sbatch with BUILD and SCRATCH: $(cat said)"
exit $((failures > 0))

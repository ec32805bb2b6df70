#!/usr/bin/env bash
# frame.sh PROBE RANKS MPIEXEC NP-FLAG: exit statuses and messages of the command line's frame
probe=$1 ranks=$2 mpiexec=$3 flag=$4
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# run ARGUMENTS: fills status, out (stdout), said (our lines on stderr; mpiexec adds some of its own)
run() {
  if [ "$ranks" = 1 ]; then
    "$probe" "$@" >out 2>err
  else
    "$mpiexec" "$flag" "$ranks" "$probe" "$@" >out 2>err
  fi
  status=$?
  out=$(cat out)
  said=$(grep '^merit:' err)
}

fail() {
  echo "FAILED: $1"
  echo "  status $status, stdout: $out"
  sed 's/^/  stderr: /' err
  failed=1
}

# error STATUS MESSAGE ARGUMENTS: ends with the status, and says exactly this, once
error() {
  local want=$1 text=$2
  shift 2
  run "$@"
  [ "$status" = "$want" ] && [ "$said" = "merit: $text" ] || fail "merit $*: wanted status $want and \"merit: $text\""
}

# prints TEXT ARGUMENTS: ends well, says nothing else, and stdout has the text once
prints() {
  local text=$1
  shift
  run "$@"
  [ "$status" = 0 ] && [ -z "$said" ] && [ "$(grep -cF -- "$text" <<<"$out")" = 1 ] || fail "merit $*: wanted \"$text\""
}

cat >job.yaml <<'END'
what: print
number: 3
deep:
  rtol: 1.0e-8
output: results
variances:
  ped(cow): 30
END

# what all ranks must agree on
prints 'usage: merit COMMAND FILE' --help
prints '(PETSc ' --version
prints 'number: 4.5' probe job.yaml --number 4.5
error 2 'unknown command prob; did you mean probe?' prob job.yaml
error 2 'job.yml: cannot be opened: No such file or directory' probe job.yml
error 2 'unknown flag --deep.rtoll; did you mean --deep.rtol?' probe job.yaml --deep.rtoll 1
printf 'what: print\nnumber: 1\nnumber: 2\n' >twice.yaml
error 2 'twice.yaml:3:1: duplicate key number (first value in line 2)' probe twice.yaml
error 2 'unknown PETSc option -ksp_rtoll; did you mean -ksp_rtol?' probe job.yaml -ksp_rtoll 0.5

# the ways a run ends
error 3 'r.csv:7: cow1: is its own mother' probe job.yaml --what fault
error 75 'stopped on request' probe job.yaml --what stopped
error 4 'not converged' probe job.yaml --what output
[ ! -e results ] || fail 'a failed run must leave no folder behind'
mkdir kept && echo mine >kept/mine.txt
error 2 'kept: the output folder is not empty (mine.txt); --overwrite allows this, --output FOLDER names another' \
  probe job.yaml --what output --output kept
error 4 'not converged' probe job.yaml --what output --output kept --overwrite
[ "$(ls -A kept)" = mine.txt ] || fail 'a failed run must leave the folder as it was'
run probe job.yaml --what all
[ $status = 1 ] && [[ $said == 'merit: error 77 on rank 0: a defect (Fail, probe.c:'* ]] && [ "$(wc -l <<<"$said")" = 1 ] ||
  fail 'a defect on all ranks'
run probe job.yaml --what one
[ $status = 1 ] && [[ $said == "merit: error 77 on rank $((ranks - 1)): a lonely defect (Fail, probe.c:"* ]] || fail 'a defect on one rank'
MERIT_DEBUG=1 run probe job.yaml --what all
grep -q 'PETSC ERROR' err || fail 'MERIT_DEBUG lets PETSc talk'

if [ "$ranks" = 1 ]; then
  run probe job.yaml --what walk
  [ $status = 0 ] && [[ $(grep -cE '^walking: [4-9][0-9]%, 0:0[0-9] left$' err) = [12] ]] && ! grep -q running err ||
    fail 'progress in a log comes every five seconds, with the time left'
  grep -qE '^round 2, factoring: [1-4]%, (0:5|1:[0-4])[0-9] left$' err || fail 'the time left counts from the begin of the phase; its task is named'
  for command in probe plain; do
    env --default-signal=INT "$probe" $command job.yaml --what wait >out 2>err & # a shell lets its background jobs ignore INT
    pid=$!
    for _ in $(seq 100); do grep -q waiting err && break; sleep 0.1; done
    kill -INT $pid
    sleep 0.5
    cp err early
    wait $pid
    status=$?
    if [ $command = probe ]; then
      { grep -q '^merit: stopping as soon as the state of the run is saved$' early && grep -q 'Ctrl-C again' early && [ $status = 0 ]; } ||
        fail 'the first Ctrl-C is answered at once'
    else
      { [ $status = 130 ] && ! grep -q stopping err; } || fail 'a command without a state ends at the first Ctrl-C'
    fi
  done
fi

# arguments and the job file: the same code on every rank, so one rank is enough
if [ "$ranks" = 1 ]; then
  # what needs no job file
  prints 'usage: merit COMMAND FILE' -h
  prints 'usage: merit probe JOB' probe --help
  prints '  deep.rtol         NUMBER' probe --help
  prints '(PETSc ' probe job.yaml --version
  prints '(PETSc ' version
  error 2 'unknown command hlep; did you mean help?' hlep
  prints '(PETSc ' -V
  prints 'usage: merit COMMAND FILE' help
  prints 'usage: merit probe JOB' help probe
  prints '  merit probe job.yaml' help probe
  error 2 'unknown command prob; did you mean probe?' help prob
  error 2 'the first word must be a command; `merit --help` lists them'
  error 2 'unknown command zzzzzz; `merit --help` lists them' zzzzzz
  error 2 'merit later is not available yet' later job.yaml
  error 2 'merit probe needs a job file, right after the command: merit probe JOB' probe
  error 2 '.: is a folder, not a file' probe .
  error 2 'extra is one word too many; the JOB is job.yaml' probe job.yaml extra

  # flags
  error 2 'unknown flag --rtol; did you mean --deep.rtol?' probe job.yaml --rtol=1
  error 2 'unknown flag --hlep; did you mean --help?' probe job.yaml --hlep
  error 2 '--number is given twice' probe job.yaml --number 1 --number=2
  error 2 '--output.folder is given twice' probe job.yaml --output a --output.folder b
  error 2 '--number needs a value' probe job.yaml --number
  error 2 '--number needs a value' probe job.yaml --number --overwrite
  error 2 'command line: number: '"'x'"' is not a number' probe job.yaml --number x
  error 2 'command line: number: -1 is outside the range from 0 to 10' probe job.yaml --number -1
  prints 'number: 4.5' probe job.yaml --number=4.5
  prints 'rtol: 1e-12' probe job.yaml --deep.rtol 1e-12
  prints 'folder: results' probe job.yaml
  prints 'folder: elsewhere' probe job.yaml --output elsewhere
  prints 'folder: results' probe job.yaml --output.solutions fixed
  prints 'solutions: fixed' probe job.yaml --output.solutions fixed
  prints 'overwrite: yes' probe job.yaml --overwrite --number 1
  prints 'overwrite: no' probe job.yaml --overwrite no --number 1
  prints 'overwrite: yes' probe --overwrite job.yaml
  prints 'ped(cow): 40' probe job.yaml --variances.ped\(cow\) 40
  prints 'list: [a, b]' probe job.yaml --list '[a, b]'

  # the job file
  printf 'deep:\n  rtol: 1\n  rtl: 2\n' >unknown.yaml
  error 2 'unknown.yaml:3:3: unknown key deep.rtl; did you mean deep.rtol?' probe unknown.yaml
  printf 'deep:\n\trtol: 1\n' >tab.yaml
  error 2 'tab.yaml:2:1: a tab in the indentation; indent with blanks' probe tab.yaml

  # PETSc's options
  prints 'option: 0.5' probe job.yaml -ksp_rtol 0.5
  prints 'option: -0.5' probe job.yaml -ksp_rtol -0.5 --number 1
  prints 'option: 0' probe job.yaml -options_left no
  prints 'number: 3' probe -ksp_rtol 0.5 job.yaml
  error 2 'PETSc option -zzzzzzzz 5 is not known or not used by this run' probe job.yaml -zzzzzzzz 5
  error 2 'PETSc option -ksp_rtol 0.5 is not known or not used by this run' plain job.yaml -ksp_rtol 0.5
  printf -- '-zzzzzzzz 5\n' >.petscrc
  prints 'number: 3' probe job.yaml
  error 2 'PETSc option -zzzzzzzz 5 is not known or not used by this run' probe job.yaml -skip_petscrc no
  rm .petscrc
fi

# messages
run probe job.yaml --what progress
[ $status = 0 ] && [ "$said" = 'merit: warning: mind the gap' ] && [ "$(grep -c hello err)" = 1 ] && ! grep -q walking err ||
  fail 'messages come once, and a short run shows no progress'
[ $failed = 0 ] && echo "all as it should be"
exit $failed

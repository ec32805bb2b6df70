# Sourced by the job scripts: one attempt of a run under SLURM, which goes on from its checkpoint and asks to be started again.
#   attempt COMMAND JOB [flags of merit]   ends with merit's exit status; in a job array %a in JOB and the flags is its number, and %% is always %
# MERIT    the program (default: merit in PATH, else build/release/bin/merit of the folder submitted from)
# LAUNCH   srun or mpirun (default: srun where SLURM speaks PMIx, which Debian's Open MPI needs, else mpirun)
# REQUEUE  no: a run that stopped on request or lost a host is not requeued
# One MPI rank per task, one OpenMP thread per CPU of a task. What merit says is in NAME-JOB.ATTEMPT.log.

# What both launchers and Merit read
attempt_environment() {
  export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} OMP_PLACES=cores OMP_PROC_BIND=close OPENBLAS_NUM_THREADS=1
  # a dead network link ends the run in seconds, where it would hang
  export OMPI_MCA_oob_tcp_keepalive_time=5 OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=3
  [ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# LAUNCH, where it is not said
attempt_launch() {
  [ -z "${LAUNCH:-}" ] || return 0
  if srun --mpi=list 2>&1 | grep -qw pmix; then LAUNCH=srun; else LAUNCH=mpirun; fi
}

# The command line before `merit`, in the array `launch`
attempt_launcher() {
  local ranks=${SLURM_NTASKS:-1} threads=${SLURM_CPUS_PER_TASK:-1}
  attempt_launch
  case $LAUNCH in
  srun) # it does not take over --cpus-per-task from sbatch (since 22.05)
    launch=(srun --mpi=pmix --ntasks="$ranks" --cpus-per-task="$threads" --kill-on-bad-exit=1)
    # task/none binds nothing
    scontrol show config 2>/dev/null | grep -q '^TaskPlugin  *= *task/none' || launch+=(--cpu-bind=cores) ;;
  mpirun) # it reads hosts and slots from SLURM; PE gives each rank its threads' cores
    launch=(mpirun -n "$ranks" --map-by "slot:PE=$threads" --bind-to core:overload-allowed) ;;
  *)
    echo "LAUNCH=$LAUNCH: srun or mpirun" >&2
    exit 2 ;;
  esac
}

# Have all ranks of an mpirun on this machine ended, and it has not? (A rank killed as it connects to PMIx 4.2 can leave mpirun waiting for a lock.)
attempt_stuck() { # its process
  ps -o stat= --ppid "$1" | awk '{ n++; ended += /^Z/ } END { exit !(n && n == ended) }'
}

# Ends an mpirun that was stuck at three looks in a row
attempt_guard() { # its process
  local looks=0
  while sleep 5 && kill -0 "$1" 2>/dev/null; do
    if attempt_stuck "$1"; then looks=$((looks + 1)); else looks=0; fi
    [ $looks -lt 3 ] || kill -9 "$1"
  done
}

# Was anything done since the last requeue? At most three in a row may have done nothing. how far it got, file of the count
attempt_progress() {
  local now=$1 before=none idle=0
  [ ! -s "$2" ] || { IFS= read -r idle && IFS= read -r before; } <"$2"
  case $idle in [0-9]) ;; *) idle=0 ;; esac # bash runs commands that it finds in a number
  if [ "$now" = "$before" ]; then idle=$((idle + 1)); else idle=0; fi
  rm -f -- "$2" # a link would be followed
  printf '%s\n%s\n' "$idle" "$now" >"$2"
  [ "$idle" -le 3 ]
}

# The marker of a run that stopped on request, if its log tells of one. log
attempt_marker() {
  local marker
  marker=$(sed -n 's/^merit: \(.*RESUME\): stopped on request.*/\1/p' "$1" | tail -n 1)
  [ ! -s "$marker" ] || echo "$marker"
}

# How far a run got that is worth another attempt: the marker of one that stopped on request (75), the last checkpoint of one whose host mpirun
# lost (205). log, status
attempt_reached() {
  local marker
  case $2 in
  75)
    marker=$(attempt_marker "$1")
    [ -z "$marker" ] || cat "$marker" ;;
  205)
    [ "$LAUNCH" != mpirun ] || { echo "no checkpoint" && sed -n 's/.*\(checkpoint at [0-9]*\).*/\1/p' "$1"; } | tail -n 1 ;;
  esac
}

# Back into the queue, if another attempt is wanted, nobody cancelled the job, and it gets somewhere. log, status, file of the count
attempt_requeue() {
  local reached
  reached=$(attempt_reached "$1" "$2")
  [ "${REQUEUE:-yes}" != no ] && [ -n "$reached" ] || return 0
  scontrol -o show job "$SLURM_JOB_ID" | grep -q 'JobState=RUNNING' || return 0
  if ! attempt_progress "$reached" "$3"; then
    echo "merit: requeued three times without progress; not again"
    return 0
  fi
  echo "merit: requeued at $reached"
  scontrol requeue "$SLURM_JOB_ID" && sleep 60 # SLURM ends this script
}

# An argument with %a as the number in a job array and %% as %, in the variable `word`
attempt_word() {
  local rest=$1
  word=
  while [[ $rest == *%* ]]; do
    word+=${rest%%\%*}
    rest=${rest#*%}
    case $rest in
    a*) word+=${SLURM_ARRAY_TASK_ID:-%a} rest=${rest#a} ;;
    %*) word+=% rest=${rest#%} ;;
    *) word+=% ;;
    esac
  done
  word+=$rest
}

# The job's name as it can begin the name of a file here
attempt_name() {
  local name=${SLURM_JOB_NAME:-merit}
  name=${name//[\/[:cntrl:]]/_}
  case $name in [-.]*) name=_$name ;; esac
  printf '%s' "$name"
}

attempt() {
  local command=$1 job=${2:-${JOB:-}} name pid guard status merit log word
  local -a launch words=()
  shift $(($# < 2 ? 1 : 2))
  if [ -z "$job" ]; then
    echo "no job file: sbatch $command.sbatch JOB, or JOB=... in the environment" >&2
    exit 2
  fi
  set -- "$job" "$@"
  for word; do attempt_word "$word" && words+=("$word"); done
  set -- "${words[@]}"
  merit=${MERIT:-$(command -v merit || echo "${SLURM_SUBMIT_DIR:-.}/build/release/bin/merit")}
  name=$(attempt_name)-${SLURM_JOB_ID:-0}
  log=$name.${SLURM_RESTART_COUNT:-0}.log
  rm -f -- "$log"
  attempt_environment
  attempt_launcher
  echo "merit: attempt ${SLURM_RESTART_COUNT:-0}: ${SLURM_NTASKS:-1} ranks x $OMP_NUM_THREADS threads on ${SLURM_JOB_NODELIST:-this machine}, by $LAUNCH, job $1, log $log"
  "${launch[@]}" "$merit" "$command" "$@" --restart auto >"$log" 2>&1 &
  pid=$!
  attempt_guard $pid &
  guard=$!
  trap 'kill -USR1 $pid 2>/dev/null' USR1 TERM # the time limit is near: save, and end with 75
  wait $pid
  status=$?
  while kill -0 $pid 2>/dev/null; do # a trap interrupts wait
    wait $pid
    status=$?
  done
  kill $guard 2>/dev/null
  # when the first rank has ended with 75, srun ends the others, some of which may not have ended yet
  [ $status -ne 143 ] || [ -z "$(attempt_marker "$log")" ] || status=75
  tail -n 5 "$log"
  echo "merit: exit status $status"
  attempt_requeue "$log" $status "$name.requeued"
  exit $status
}

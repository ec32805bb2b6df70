# What the tests of a command from the outside share; read by them with the arguments MERIT MPIEXEC NUMPROC_FLAG SERVE. Leaves the
# caller in a fresh folder that goes with it, and sets merit, mpiexec, np and failed.
# Runs of the program are those of serve.c: on each number of ranks it is started once, at the first run.
merit=$1 mpiexec=$2 np=$3 serve=$4
failed=0
work=$(mktemp -d) || exit 1
trap 'end_servers; rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir .serve
mkfifo .serve/reply .serve/1 .serve/2 .serve/3 .serve/4
exec 4<>.serve/reply 5<>.serve/1 6<>.serve/2 7<>.serve/3 8<>.serve/4
serving=""

# fail TEXT: note a failure, with what the last run said
fail()
{
  echo "FAILED: $*"
  tail -n 8 stdout stderr 2>/dev/null
  failed=1
}

# serve RANKS: start a server; when it is gone, which a reply does not come from, its status is the reply
serve()
{
  (
    "$mpiexec" "$np" "$1" "$serve" ".serve/$1" .serve/reply </dev/null >".serve/said$1" 2>&1 4>&- 5>&- 6>&- 7>&- 8>&-
    echo "gone $?" >.serve/reply
  ) &
  serving="$serving $1"
}

# end_servers: with the input that they wait for, an empty line
end_servers()
{
  for ranks in $serving; do echo >&$((ranks + 4)); done
  wait
}

# checked EXPECTED ARGS...: the exit status of the last run
checked()
{
  expected=$1
  shift
  [ "$status" -eq "$expected" ] || fail "merit $* on $ranks ranks: exit $status, not $expected"
}

# start RANKS EXPECTED ARGS...: as run, in processes of its own, with the environment as it is now
start()
{
  ranks=$1 expected=$2
  shift 2
  "$mpiexec" "$np" "$ranks" "$merit" "$@" >stdout 2>stderr
  status=$?
  checked "$expected" "$@"
}

# run RANKS EXPECTED ARGS...: run merit and check its exit status
run()
{
  ranks=$1 expected=$2
  shift 2
  case " $serving " in *" $ranks "*) ;; *) serve "$ranks" ;; esac
  printf '%s\0' "$@" >.serve/arguments
  : >stdout
  : >stderr
  echo .serve/arguments >&$((ranks + 4))
  read -r status gone <&4
  if [ "$status" = gone ]; then
    status=$gone
    cat ".serve/said$ranks" >>stderr
    serving=$(echo " $serving " | sed "s/ $ranks / /")
  fi
  checked "$expected" "$@"
}

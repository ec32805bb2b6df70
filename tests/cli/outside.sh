# What the tests of a command from the outside share; read by them with the arguments MERIT MPIEXEC NUMPROC_FLAG SERVE. Leaves the
# caller in a fresh folder that goes with it, and sets merit, mpiexec, np and failed.
# shellcheck source=serve.sh
. "$(dirname "$0")/serve.sh"
merit=$1 mpiexec=$2 np=$3 serve=$4
failed=0
work=$(mktemp -d) || exit 1
trap 'serve_close; rm -rf "$work"' EXIT
cd "$work" || exit 1
servers=$work/.servers
serve_open

# fail TEXT: note a failure, with what the last run said
fail()
{
  echo "FAILED: $*"
  tail -n 8 stdout stderr 2>/dev/null
  failed=1
}

# checked RANKS EXPECTED ARGS...: the exit status of the last run
checked()
{
  ranks=$1 expected=$2
  shift 2
  [ "$status" -eq "$expected" ] || fail "merit $* on $ranks ranks: exit $status, not $expected"
}

# run RANKS EXPECTED ARGS...: run merit and check its exit status
run()
{
  ranks=$1 expected=$2
  shift 2
  serve_run "$ranks" "$@"
  checked "$ranks" "$expected" "$@"
}

# start RANKS EXPECTED ARGS...: the same in processes of its own, with the environment as it is now
start()
{
  ranks=$1 expected=$2
  shift 2
  "$mpiexec" "$np" "$ranks" "$merit" "$@" >stdout 2>stderr
  status=$?
  checked "$ranks" "$expected" "$@"
}

# What the tests of a command from the outside share; read by them with the arguments MERIT MPIEXEC NUMPROC_FLAG. Leaves the
# caller in a fresh folder that goes with it, and sets merit, mpiexec, np and failed.
merit=$1 mpiexec=$2 np=$3
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# fail TEXT: note a failure, with what the last run said
fail()
{
  echo "FAILED: $*"
  tail -n 8 stdout stderr 2>/dev/null
  failed=1
}

# run RANKS EXPECTED ARGS...: run merit and check its exit status
run()
{
  ranks=$1 expected=$2
  shift 2
  "$mpiexec" "$np" "$ranks" "$merit" "$@" >stdout 2>stderr
  status=$?
  [ $status -eq "$expected" ] || fail "merit $* on $ranks ranks: exit $status, not $expected"
}

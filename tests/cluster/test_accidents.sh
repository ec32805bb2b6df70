#!/usr/bin/env bash
# A rank that runs out of memory, and an input that vanishes: the run ends in seconds and not with 0, says why in one line, leaves the earlier
# results as they were, and can be done again.
#   test_accidents.sh MERIT JOBS MPIEXEC NP-FLAG
# shellcheck source=cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
mpiexec=$3 flag=$4
export OMP_NUM_THREADS=1
cd "$folder" || exit 1

# three ranks of merit: $status and $seconds; what they say is in the file last.log
run() { # words before merit, then its arguments
  local begin=$SECONDS before
  read -ra before <<<"$1"
  timeout 120 "$mpiexec" "$flag" 3 "${before[@]}" "$MERIT" solve data/job.yaml --output out "${@:2}" >last.log 2>&1
  status=$?
  seconds=$((SECONDS - begin))
}

results() { (cd out && sha256sum ./*.tsv summary.json); }

# what, status, extended pattern of the one line, earlier results
ended() {
  expect "$1" "$2" "$status"
  [ "$seconds" -le 60 ] || fail "$1: $seconds s until the end"
  if [ "$(grep -c '^merit: ' last.log)" != 1 ] || ! grep -qE "^merit: ($3)" last.log; then
    fail "$1: not one line with '$3'"
    show
  fi
  [ "$(results)" = "$4" ] || fail "$1: the earlier results are not what they were"
}

# from memory that Open MPI cannot begin with to enough: up to the 128 MiB of BLAS it is refused its work array; from there tables are read, the
# model is set up, the equations are solved and factored.
# The status is Merit's 1, unless Open MPI has no memory either and says otherwise.
memory() {
  local before kib died=0
  before=$(results)
  for kib in 40000 100000 $(seq 136000 12000 500000); do
    run "bash $here/starve.sh $kib 1" --overwrite
    [ "$status" != 0 ] || break
    [ $died -gt 0 ] || grep -q '^merit: ' last.log || continue
    died=$((died + 1))
    ended "$kib KiB for one rank" "$status" 'out of memory on rank 1: |not enough memory for the factor ' "$before"
  done
  [ $died -ge 3 ] && [ "$status" = 0 ] || { fail "$died runs without memory, the last ended with $status"; show; }
}

# an input that goes while the run is under way is noticed by the restart, which names it
vanished() {
  local before slow="--overwrite --solver.type gs --solver.rtol 1e-30 --checkpoint.iterations 5" pid
  before=$(results)
  # shellcheck disable=SC2086 # words
  "$mpiexec" "$flag" 3 "$MERIT" solve data/job.yaml --output out $slow >first.log 2>&1 &
  pid=$!
  under_way out
  mv data/pedigree.csv away
  kill -USR1 $pid
  wait $pid
  expect "a run whose input goes, asked to stop" 75 $?
  # shellcheck disable=SC2086 # words
  run "" $slow --restart
  ended "a restart without the pedigree" 3 '.*pedigree.csv: cannot be opened: No such file or directory' "$before"
  mv away data/pedigree.csv
  # shellcheck disable=SC2086 # words
  run "" --overwrite --solver.max_it 20 ${slow#--overwrite} --restart
  grep -q "continues from the checkpoint" last.log || { fail "no restart when the pedigree is back"; show; }
}

# one that goes before the end of a run costs its checksum in summary.json, not the results
vanished_late() {
  local pid
  "$mpiexec" "$flag" 3 "$MERIT" solve data/job.yaml --output late --solver.type gs --solver.rtol 1e-30 --checkpoint.iterations 5 --solver.max_it 100 >last.log 2>&1 &
  pid=$!
  under_way late
  mv data/pedigree.csv away
  wait $pid
  expect "a run whose input goes" 4 $?
  mv away data/pedigree.csv
  [ -s late/solutions.tsv ] || { fail "the results are lost with the input"; show; }
  grep -q 'pedigree.csv went away' last.log || { fail "nothing said of the input"; show; }
}

population 60000
run ""
expect "the earlier result" 0 "$status"
memory
vanished
vanished_late
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

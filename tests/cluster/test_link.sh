#!/usr/bin/env bash
# A run over three hosts with the settings of the job scripts, whose network link to one of them dies: it ends within half a minute and not with
# 0, leaves no process and the earlier results as they were, and goes on with the hosts that are left to the answer of a run that nothing happened
# to. And a host that does not see the data.
#   test_link.sh MERIT JOBS MPIEXEC
# shellcheck source=hosts.sh
. "$(dirname "${BASH_SOURCE[0]}")/hosts.sh"
hosts_alone "$0" "$@"
# shellcheck source=cluster.sh
. "$hosts_here/cluster.sh"
# shellcheck source=../../jobs/attempt.sh
. "$jobs/attempt.sh"
mpiexec=$3
export TMPDIR=$folder DATA=$folder/data # Open MPI's own files go there, too
attempt_environment
unset OMP_PLACES OMP_PROC_BIND # more ranks than cores
slow=(--solver.type gs --solver.rtol 1e-30 --solver.max_it 400 --checkpoint.iterations 10)

# begin a run with three ranks in the background: $pid. hosts with slots, output, further flags
begin() {
  hosts_mpirun "$mpiexec" --host "$1" -n 3 "$MERIT" solve "$folder/data/job.yaml" --output "$folder/$2" "${@:3}" >"$folder/$2.log" 2>&1 &
  pid=$!
}

# its end: $status, and $seconds that it took; hung: it took more than a minute
end() {
  local begin=$SECONDS
  while kill -0 $pid 2>/dev/null && [ $((SECONDS - begin)) -lt "${1:-60}" ]; do sleep 0.2; done
  if kill -9 $pid 2>/dev/null; then status=hung; else wait $pid; status=$?; fi
  seconds=$((SECONDS - begin))
}

nothing_left() {
  local k
  for ((k = 0; k < 100; k++)); do
    pgrep -x "$(basename "$MERIT")|orted" >/dev/null || return 0
    sleep 0.1
  done
  fail "$1: left behind are $(pgrep -lx "$(basename "$MERIT")|orted" | tr '\n' ' ')"
}

results() { (cd "$folder/out" && sha256sum ./*.tsv summary.json); }

dead_link() {
  local before
  begin h1:1,h2:1,h3:1 out --solver.type cholesky
  end
  expect "the earlier result" 0 "$status"
  before=$(results)
  begin h1:1,h2:1,h3:1 out "${slow[@]}" --overwrite
  under_way out
  hosts_link h3 down
  end
  echo "a dead link: status $status after $seconds s"
  case $status in
  0 | 4) fail "a dead link: the run ended with $status as if nothing had happened" ;;
  hung) fail "a dead link: the run hangs" ;;
  esac
  [ "$seconds" -le 30 ] || fail "a dead link: it took $seconds s to see it"
  nothing_left "a dead link"
  [ "$(results)" = "$before" ] || fail "a dead link: the earlier results are not what they were"
}

restart() {
  begin h1:2,h2:1 out "${slow[@]}" --overwrite --restart
  end 300
  expect "restart without the dead host" 4 "$status"
  grep -q "continues from the checkpoint" "$folder/out.log" || { fail "no restart from a checkpoint"; show; }
  begin h1:1,h2:1,h3:1 whole "${slow[@]}"
  end 300
  expect "the run that nothing happens to" 4 "$status"
  same "a dead link" "$folder/out" "$folder/whole"
}

no_data() {
  NO_DATA_ON=h2 begin h1:1,h2:1,h3:1 blind
  end
  expect "a host without the data" 3 "$status"
  [ "$(grep -c '^merit: .*records.csv: cannot be opened: No such file' "$folder/blind.log")" = 1 ] || { fail "a host without the data: not said once"; show; }
  nothing_left "a host without the data"
}

hosts_up 3 || exit 1
population 1200
no_data
dead_link
hosts_link h3 up
restart
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

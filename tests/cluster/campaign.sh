#!/usr/bin/env bash
# Accidents at random moments: a rank killed, TERM, a full disk, a damaged checkpoint. A run ends at once and not with 0, leaves no half of a
# result, and goes on from its checkpoint, on the same or another number of ranks, to the answer of a run that nothing happened to.
#   campaign.sh MERIT MPIEXEC NP-FLAG [--kills N] [--terms N] [--full N] [--damaged N] [--seed N]
# The seed is printed; the same seed makes the same choices. Without numbers: the short form that the tests run.
set -u
# shellcheck source=../../jobs/attempt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../jobs/attempt.sh"
merit=$1 mpiexec=$2 flag=$3 kills=4 terms=1 full=1 damaged=2 seed=$((EPOCHSECONDS % 32768))
shift 3
while [ $# -gt 1 ]; do
  case $1 in
  --kills | --terms | --full | --damaged | --seed) printf -v "${1#--}" %s "$2" ;;
  *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
export OMP_NUM_THREADS=1
RANDOM=$seed
echo "seed $seed"
folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-campaign.XXXXXX")
trap 'umount "$folder/small" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0 stuck=0

fail() {
  echo "FAILED ($what): $*"
  tail -n 12 log last 2>/dev/null | sed 's/^/  | /'
  failures=$((failures + 1))
}

cat >spec.yaml <<'END'
seed: 5
population: {animals: 1200, generations: 5, sires: 20}
herds: {number: 20}
traits: {names: [milk, fat], means: [30, 4], G: [[30, 6], [6, 10]], R: [[70, 5], [5, 20]]}
effects: {herd_year: [5, 2]}
records: {per_cow: 2}
output: data
END
"$merit" simulate spec.yaml >log 2>&1 || { cat log; exit 1; }

# the flags of a kind of run
flags() {
  case $1 in
  gsru) echo "solve data/job.yaml --solver.type gsru --solver.rtol 1e-7 --solver.max_it 100000 --checkpoint.iterations 7" ;;
  gs) echo "solve data/job.yaml --solver.type gs --solver.rtol 1e-5 --solver.max_it 100000 --checkpoint.iterations 7" ;;
  pcg) echo "solve data/job.yaml --solver.preconditioner none --solver.rtol 1e-13 --checkpoint.iterations 3" ;;
  factor) echo "varcomp data/job.yaml --varcomp.engine factor --varcomp.algorithm em --varcomp.max_rounds 2000 --varcomp.tolerance 1e-3 --checkpoint.iterations 1" ;;
  sampled) echo "varcomp data/job.yaml --varcomp.engine sampled --checkpoint.iterations 1" ;;
  esac
}
kinds=(gsru gs pcg factor sampled)

# the answer without an accident, and how long it took: once for each kind and number of ranks
reference() { # kind ranks
  local begin=$EPOCHREALTIME
  [ -e "reference-$1-$2/seconds" ] && return
  # shellcheck disable=SC2046 # words
  $mpiexec "$flag" "$2" "$merit" $(flags "$1") --output "reference-$1-$2" >log 2>&1 || fail "the reference of $1 on $2 ranks"
  awk -v a="${begin/,/.}" -v b="${EPOCHREALTIME/,/.}" 'BEGIN { print b - a }' >"reference-$1-$2/seconds"
}

choose() {
  kind=${kinds[RANDOM % ${#kinds[@]}]} ranks=$((1 + RANDOM % 4))
  reference "$kind" $ranks
  what="$kind on $ranks ranks"
  delay=$(awk -v s="$(cat "reference-$kind-$ranks/seconds")" -v r=$RANDOM 'BEGIN { print s * r / 32768 }')
}

# begin the run in the background: $pid
begin() { # output
  # shellcheck disable=SC2046 # words
  $mpiexec "$flag" $ranks "$merit" $(flags "$kind") --output "$1" --restart auto >last 2>&1 &
  pid=$!
}

# its end: $status. A minute in which it says nothing is a hang; an mpirun that stays behind when all ranks have ended is ended as the job
# scripts do.
end() {
  local k=0 size=0 now
  while kill -0 $pid 2>/dev/null; do
    now=$(stat -c %s last)
    [ "$now" = "$size" ] || k=0 size=$now
    [ $((k % 100)) -lt 99 ] || ! attempt_stuck $pid || { stuck=$((stuck + 1)) && kill -9 $pid; }
    [ $k -lt 600 ] || { fail "it hangs"; kill -9 $pid; break; }
    k=$((k + 1))
    sleep 0.1
  done
  wait $pid
  status=$?
}

# a result is there as a whole or not at all
whole() {
  [ -e "$1/solutions.tsv" ] || return 0
  [ -e "$1/summary.json" ] || fail "a result without its end"
}

# on to the end, and the answer: to the bit on as many ranks
finish() { # output
  if [ ! -e "$1/summary.json" ]; then
    [ $((RANDOM % 3)) -gt 0 ] || ranks=$((1 + RANDOM % 4))
    begin "$1"
    end
    [ $status = 0 ] || fail "the restart on $ranks ranks ends with $status"
  fi
  if [ $ranks = $first ]; then cmp "$1/solutions.tsv" "reference-$kind-$first/solutions.tsv" || fail "another answer"
  else near "$1"; fi
  [ ! -d "$1/checkpoint" ] || fail "the checkpoint is still there"
  rm -rf "$1"
}

# to the solver's tolerance
near() {
  paste "reference-$kind-$first/solutions.tsv" "$1/solutions.tsv" | awk -F '\t' '
    NR > 1 { d = $6 - $14; if (d < 0) d = -d; a = $6 < 0 ? -$6 : $6; if (a > m[$1 $2]) m[$1 $2] = a; if (d > w[$1 $2]) w[$1 $2] = d }
    END { for (t in m) if (!(w[t] <= 1e-3 * m[t])) { print t, w[t], m[t]; bad = 1 } exit NR < 100 || bad }' || fail "another answer after the restart on $ranks ranks"
}

victims() { pgrep -P $pid -x merit || { [ "$(cat /proc/$pid/comm 2>/dev/null)" = merit ] && echo $pid; }; }

for ((i = 0; i < kills; i++)); do
  choose
  first=$ranks what="kill $i of $what after $delay s"
  begin out
  sleep "$delay"
  mapfile -t victim < <(victims)
  [ ${#victim[@]} -eq 0 ] || kill -9 "${victim[RANDOM % ${#victim[@]}]}" 2>/dev/null
  end
  [ $status != 0 ] || [ -e out/summary.json ] || fail "status 0 without a result"
  whole out
  finish out
done
for ((i = 0; i < terms; i++)); do
  choose
  first=$ranks what="TERM $i to $what after $delay s"
  begin out
  sleep "$delay"
  kill -TERM $pid 2>/dev/null
  end
  [ $status != 0 ] || [ -e out/summary.json ] || fail "status 0 without a result"
  whole out
  finish out
done
for ((i = 0; i < damaged; i++)); do
  choose
  first=$ranks what="damage $i of $what"
  begin out
  for ((k = 0; k < 300; k++)); do
    [ -e out/checkpoint/previous ] && break
    sleep 0.02
  done
  kill -9 "$(victims | head -n 1)" 2>/dev/null
  end
  hurt=no
  if [ -e out/checkpoint/newest ] && [ ! -e out/summary.json ]; then
    hurt=yes
    size=$(stat -c %s out/checkpoint/newest)
    if [ $((RANDOM % 2)) = 0 ]; then truncate -s $(((RANDOM * 32768 + RANDOM) % size)) out/checkpoint/newest
    else printf '\xa5\x5a\xa5\x5a\xa5\x5a\xa5\x5a' | dd of=out/checkpoint/newest bs=1 seek=$(((RANDOM * 32768 + RANDOM) % (size - 8))) conv=notrunc 2>/dev/null; fi
  fi
  finish out
  [ $hurt = no ] || grep -q "the checkpoint is damaged" last || fail "nothing said of the damage"
done
mkdir -p small
if [ "$full" -gt 0 ] && ! mount -t tmpfs -o size=16k tmpfs small 2>/dev/null; then
  echo "not run: no small disk can be mounted here, so none can be full"
  full=0
  [ "${MERIT_REQUIRE_ALL:-0}" != 1 ] || { what="full disks" && fail "they cannot be tried here"; }
fi
for ((i = 0; i < full; i++)); do
  choose
  first=$ranks what="full disk $i of $what"
  mount -o remount,size=$((16 + RANDOM % 100))k small
  begin small/out
  end
  [ $status != 0 ] || [ -e small/out/summary.json ] || fail "status 0 without a result"
  [ $status = 0 ] || grep -q '^merit: .*No space left' last || fail "no word of the disk"
  whole small/out
  mount -o remount,size=64m small
  finish small/out
  rm -rf small/out
done
[ $stuck -eq 0 ] || echo "mpirun was ended $stuck times: its ranks had ended, and it had not"
[ $failures -eq 0 ] && echo "all well: $kills kills, $terms TERMs, $damaged damaged checkpoints, $full full disks"
exit $((failures > 0))

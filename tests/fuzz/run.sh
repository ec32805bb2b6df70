#!/usr/bin/env bash
# run.sh SECONDS [TARGET[:RUNS]...]: build the fuzz targets with clang and run each that long, or until it has had so many inputs;
# inputs that fail are kept and named. Ends with 77 where clang has no libFuzzer.
# FUZZ_BUILD: folder of the build and the corpora (default: build/fuzz).
# FUZZ_SEED: start from the seeds alone and let this number alone choose the mutations: the same sources meet the same inputs again.
set -u
seconds=$1
shift
[ $# -gt 0 ] || set -- fuzz_table fuzz_config fuzz_formula fuzz_expression fuzz_pedigree fuzz_plink fuzz_genotext
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${FUZZ_BUILD:-$root/build/fuzz}
failed=0

mkdir -p "$build" && cd "$build" || exit 1
echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n); int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }' >probe.c
if ! clang -fsanitize=fuzzer,address,undefined probe.c -o probe >probe.log 2>&1; then
  echo "clang with libFuzzer is not there: skipped"
  exit 77
fi
cmake -S "$root" -B . -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DMERIT_FUZZ=ON -DMERIT_SANITIZE=ON >cmake.log 2>&1 &&
  ninja -j "${FUZZ_JOBS:-1}" "${@%:*}" >build.log 2>&1 || {
  tail -20 cmake.log build.log
  exit 1
}

export OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
for target in "$@"; do
  runs=-1
  [ "${target%:*}" = "$target" ] || runs=${target#*:} target=${target%:*}
  work=$(mktemp -d) || exit 1
  corpus=corpus/$target
  [ -z "${FUZZ_SEED:-}" ] || corpus=$work/corpus
  mkdir -p "$corpus" "found/$target"
  TMPDIR=$work tests/fuzz/$target --seeds "$corpus" >/dev/null 2>&1
  # what was compared holds addresses and names of temporary files, and a folder has no order: neither may choose
  inputs=("$corpus")
  [ -z "${FUZZ_SEED:-}" ] || inputs=(-seed="$FUZZ_SEED" -use_cmp=0 -seed_inputs="$(printf '%s\n' "$corpus"/* | paste -sd,)")
  # readers leave what they hold to the end of the process when they refuse a file: processes are renewed
  begin=$SECONDS end=$((SECONDS + seconds)) executions=0 status=0
  while [ $SECONDS -lt $end ] && [ $status = 0 ] && [ $executions != "$runs" ]; do
    left=$((end - SECONDS))
    TMPDIR=$work tests/fuzz/$target -max_total_time=$((left < 120 ? left : 120)) -max_len=2048 -timeout=60 -rss_limit_mb=3000 \
      -runs="$runs" -artifact_prefix="found/$target/" "${inputs[@]}" >"$target.log" 2>&1
    status=$?
    done=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$target.log")
    executions=$((executions + ${done:-0}))
    [ -z "${FUZZ_SEED:-}" ] || break # again would be the same again
  done
  echo "$target: $executions executions in $((SECONDS - begin)) seconds, $(ls "$corpus" | wc -l) inputs in the corpus, $(ls "found/$target" | wc -l) found"
  if [ $status != 0 ]; then
    failed=1
    grep -E 'ERROR|runtime error|^fuzz:|libFuzzer' "$target.log" | head -5
  fi
  rm -rf "$work"
done
exit $failed

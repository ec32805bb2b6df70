#!/usr/bin/env bash
# run.sh SECONDS [TARGET...]: build the fuzz targets with clang and run each that long; inputs that fail are kept and named.
# FUZZ_BUILD: folder of the build and the corpora (default: build/fuzz). Ends with 77 where clang has no libFuzzer.
set -u
seconds=$1
shift
[ $# -gt 0 ] || set -- fuzz_table fuzz_config fuzz_formula fuzz_pedigree fuzz_plink fuzz_genotext
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
  ninja -j "${FUZZ_JOBS:-1}" "$@" >build.log 2>&1 || {
  tail -20 cmake.log build.log
  exit 1
}

export OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
for target in "$@"; do
  work=$(mktemp -d) || exit 1
  mkdir -p "corpus/$target" "found/$target"
  TMPDIR=$work tests/fuzz/$target --seeds "corpus/$target" >/dev/null 2>&1
  # readers leave what they hold to the end of the process when they refuse a file: processes are renewed
  end=$((SECONDS + seconds)) executions=0 status=0
  while [ $SECONDS -lt $end ] && [ $status = 0 ]; do
    left=$((end - SECONDS))
    TMPDIR=$work tests/fuzz/$target -max_total_time=$((left < 120 ? left : 120)) -max_len=2048 -timeout=20 -rss_limit_mb=3000 \
      -artifact_prefix="found/$target/" "corpus/$target" >"$target.log" 2>&1
    status=$?
    done=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$target.log")
    executions=$((executions + ${done:-0}))
  done
  echo "$target: $executions executions in $seconds seconds, $(ls "corpus/$target" | wc -l) inputs in the corpus, $(ls "found/$target" | wc -l) found"
  if [ $status != 0 ]; then
    failed=1
    grep -E 'ERROR|runtime error|^fuzz:|libFuzzer' "$target.log" | head -5
  fi
  rm -rf "$work"
done
exit $failed

#!/usr/bin/env bash
# Build Merit with the preset `ci` and run every test. Installs what is lacking from Debian; all is quiet where nothing is.
#   bash tests/run.sh                      before that, a quarter of the tests with the sanitizers and another with 64-bit PETSc
#   bash tests/run.sh ARGUMENTS FOR CTEST  the preset `ci` alone, e.g. -R sys/
# MERIT_SHARED_DATA: folder of the reference data; tests that need them are skipped where it is not there.
# MERIT_REQUIRE_ALL: 1 makes a test that is skipped a failure (default: 1 where the reference data stand beside this tree, else 0).
# MERIT_TIME_FACTOR: on a slow or busy machine, how many times longer the time limits are (1).
# MERIT_JOBS: compilers at once (as many as there are cores).
# ctest's summary of the preset `ci` ends the output; the exit status is 0 if all builds and all tests did well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. jobs/packages.sh
status=0

# A run that is stopped on request leaves its work arrays, as errors of PETSc do, so that solve/test_checkpoint is no test for the sanitizers.
# part PRESET TARGETS TESTS: build so much of the preset, run the tests that this expression names
part() {
  echo "== preset $1: $3"
  # shellcheck disable=SC2086 # a list of words
  cmake --preset "$1" "${settings[@]}" && cmake --build --preset "$1" --parallel "$jobs" --target $2 && ctest --preset "$1" -R "$3" && return
  echo "== preset $1: FAILED"
  status=1
}

# shellcheck disable=SC2086 # lists of words
install_packages $packages_build $packages_test
jobs=${MERIT_JOBS:-$(getconf _NPROCESSORS_ONLN)}
if [ -d ../shared/data ]; then
  : "${MERIT_SHARED_DATA:=$(cd ../shared/data && pwd)}" "${MERIT_REQUIRE_ALL:=1}"
fi
export MERIT_SHARED_DATA=${MERIT_SHARED_DATA:-}
settings=(-D MERIT_REQUIRE_ALL="${MERIT_REQUIRE_ALL:-0}" -D MERIT_TIME_FACTOR="${MERIT_TIME_FACTOR:-1}")
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2086 # a list of words
  install_packages $packages_petsc64
  modules="tests_sys tests_io tests_kernels tests_model tests_op tests_pc tests_factor tests_solve tests_varcomp tests_report"
  part asan "$modules tests_faults fuzz_table fuzz_config fuzz_formula fuzz_expression fuzz_pedigree fuzz_plink fuzz_genotext" \
    '^(sys|io|model|op|pc|factor|report|faults)/test_.*np3|^(kernels|model)/.*np1|^solve/test_(gsru|breakdown)\.np3|^(pc|solve)/test_(joint|direct|block_cg)\.np[24]|^sys/test_links\.np2|^varcomp/test_(likelihood\.np3|spectral\.np1)|^fuzz/fuzz_'
  part petsc64 "$modules tests_sim merit_cli merit_serve" \
    '^(sys|io|model|op|pc|factor|solve|varcomp|report)/test_.*np(2|4)|^(solve|varcomp)/test_(breakdown|spectral|likelihood)\.np[13]|^(kernels|io|sys)/test_(records|pedigree|dict|exchange|file)\.np1|^(model|report|sim)/test_(levels|tables|same_bytes)\.np3|^cli/(solve|predict|varcomp_engines|redundant)$'
fi
cmake --preset ci "${settings[@]}"
cmake --build --preset ci --parallel "$jobs"
ctest --preset ci "$@" || status=$?
exit $status

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
  part asan "tests_sys tests_io tests_kernels tests_model tests_op tests_pc tests_factor tests_solve tests_report tests_faults" \
    '^(sys|io|model|op|pc|factor|report|faults)/test_.*np3|^(kernels|model)/.*np1|^solve/test_(gsru|direct|checkpoint|breakdown)\.np3|^sys/test_links.np2'
  part petsc64 "tests_sys tests_io tests_model tests_op tests_pc tests_factor tests_solve tests_varcomp tests_report" \
    '^(sys|io|model|op|pc|factor|solve|varcomp|report)/test_.*np2|^(solve|varcomp)/test_(breakdown|repeat|spectral|moments|unbiased)\.np(1|3)'
fi
cmake --preset ci "${settings[@]}"
cmake --build --preset ci --parallel "$jobs"
ctest --preset ci "$@" || status=$?
exit $status

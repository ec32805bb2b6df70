#!/usr/bin/env bash
# Build Merit with the preset `ci` and run every test. Installs what is lacking from Debian; all is quiet where nothing is.
#   bash tests/run.sh [arguments for ctest, e.g. -R sys/]
# MERIT_SHARED_DATA: folder of the reference data; tests that need them are skipped where it is not there.
# The exit status is that of the first step that failed, ctest's otherwise; ctest's summary ends the output.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. jobs/packages.sh

# shellcheck disable=SC2086 # lists of words
install_packages $packages_build $packages_test
if [ -z "${MERIT_SHARED_DATA:-}" ] && [ -d ../shared/data ]; then MERIT_SHARED_DATA=$(cd ../shared/data && pwd); fi
export MERIT_SHARED_DATA=${MERIT_SHARED_DATA:-}
cmake --preset ci
cmake --build --preset ci --parallel "${MERIT_JOBS:-$(nproc)}"
exec ctest --preset ci "$@"

#!/usr/bin/env bash
# install.sh BUILD NAME LIBDIR CC CFLAGS: installs a build into a fresh folder and uses the copy as a stranger would: runs the program, and
# builds a program of our own against it, by find_package and by pkg-config.
set -eu
build=$1 name=$2 lib=$3 cc=$4 cflags=${5:-}
consumer=$(cd "$(dirname "$0")/consumer" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/moved # it must not matter where the copy ends up

fail() { echo "FAILED: $*"; exit 1; }
quiet() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$*"; }; }

quiet cmake --install "$build" --prefix "$work/copy"
mv "$work/copy" "$prefix"
cd "$work"

"$prefix/bin/$name" --version | grep -q '^merit ' || fail "the installed program does not run"
for file in "share/$name/jobs/solve.sbatch" share/doc/merit/LICENSE share/doc/merit/docs/models.md; do
  [ -f "$prefix/$file" ] || fail "$file is not installed"
done
# a program that is built is no use if its headers name this machine's folders
grep -rlF "$build" "$prefix/include" "$prefix/$lib/cmake" "$prefix/$lib/pkgconfig" && fail "the copy names the build folder"

# Mrode (2014), example 3.1: the sexes' estimates are 4.3585 and 3.4044
printf '%s\n' calf,sex,wwg 4,Male,4.5 5,Female,2.9 6,Female,3.9 7,Male,3.5 8,Male,5.0 >records.csv
printf '%s\n' calf,sire,dam 4,1,0 5,3,2 6,1,2 7,4,5 8,3,6 >pedigree.csv
cat >job.yaml <<'YAML'
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: "wwg ~ 0 + sex + ped(calf)"
variances: {ped(calf): 20, residual: 40}
YAML
want=': 3.4044 4.3585$'

quiet cmake -S "$consumer" -B cmake -DCMAKE_PREFIX_PATH="$prefix" -DMERIT_NAME="$name" -DCMAKE_C_COMPILER="$cc" \
  -DCMAKE_C_FLAGS="$cflags" -DCMAKE_BUILD_TYPE=Debug
quiet cmake --build cmake
./cmake/consumer job.yaml >out 2>&1 || { cat out; fail "the program built by find_package"; }
grep -q "$want" out || { cat out; fail "answer of the program built by find_package"; }

export PKG_CONFIG_PATH=$prefix/$lib/pkgconfig
# shellcheck disable=SC2046,SC2086 # lists of words
quiet "$cc" $cflags -o by-pkg-config "$consumer/consumer.c" $(pkg-config --cflags --libs "$name") -Wl,-rpath,"$prefix/$lib"
./by-pkg-config job.yaml >out 2>&1 || { cat out; fail "the program built by pkg-config"; }
grep -q "$want" out || { cat out; fail "answer of the program built by pkg-config"; }
echo "all as it should be"

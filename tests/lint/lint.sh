#!/usr/bin/env bash
# lint.sh RULE ROOT: checks one rule of docs/developing.md over a source tree; prints each breach as file:line: what, and fails.
# Rules: layers private quiet registered commented comments words paths length keys limits literals trains sums inverses kinds scripts headers format
# `headers` compiles: CC, CXX (empty: not there) and CFLAGS come from the environment.
set -u
rule=$1
cd "$2" || exit 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

sources() { find src include tests -name '*.[ch]' 2>/dev/null | sort; }

texts() {
  find CMakeLists.txt CMakePresets.json src include tests jobs bench docs ./*.md -type f \
    ! -path 'tests/lint/*' ! -name '*.bed' ! -name '*.gz' 2>/dev/null | sort
}

# the file's code: comments and the insides of strings blanked, line by line
code() {
  awk '
    { line = $0; out = ""
      while (line != "") {
        if (comment) {
          at = index(line, "*/")
          if (!at) { line = ""; break }
          comment = 0; line = substr(line, at + 2); continue
        }
        if (!match(line, /\/\*|\/\/|"|\047/)) { out = out line; break }
        out = out substr(line, 1, RSTART - 1)
        token = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH)
        if (token == "//") break
        if (token == "/*") { comment = 1; continue }
        out = out token
        while (line != "" && substr(line, 1, 1) != token) line = substr(line, substr(line, 1, 1) == "\\" ? 3 : 2)
        out = out token; line = substr(line, 2)
      }
      print out }' "$1"
}

# a module includes only public headers of its own and of modules to its right
lint_layers() {
  local module file header
  # the map itself must know every module and every header
  for module in $(cd src && find . -mindepth 2 -name '*.[ch]' | cut -d/ -f2 | sort -u); do
    grep -q "^$module:" "$here/layers.txt" || echo "src/$module: not in tests/lint/layers.txt"
  done
  for file in include/merit/*.h include/merit/*.h.in; do
    [ -e "$file" ] || continue
    header=${file##*/} header=${header%.in} header=${header%.h}
    [ "$header" = merit ] && continue
    awk -F'|' -v h="$header" '{ n = split($2, w, " "); for (i = 1; i <= n; i++) if (w[i] == h) found = 1 } END { exit !found }' \
      "$here/layers.txt" || echo "$file: not in tests/lint/layers.txt"
  done
  # a module's sources may include its own headers, a public header those of its module
  awk -v map="$here/layers.txt" -v headers="$(find src -mindepth 3 -name '*.h' | tr '\n' ' ')" '
    BEGIN {
      n = split(headers, w, " "); for (i = 1; i <= n; i++) { split(w[i], part, "/"); home[part[2] "/" part[4]] = part[3] }
      while ((getline line < map) > 0) {
        if (line ~ /^#/ || line !~ /:/) continue
        split(line, half, "|"); split(half[1], side, ":"); m = side[1]
        n = split(half[2], w, " "); for (i = 1; i <= n; i++) owner[w[i]] = m
        may[m, m] = 1; n = split(side[2], w, " "); for (i = 1; i <= n; i++) { may[m, w[i]] = 1; if (m ~ /\/$/) order[m w[i]] = i }
      }
    }
    FNR == 1 {
      n = split(FILENAME, part, "/")
      module = part[1] == "src" ? part[2] : owner[substr(part[n], 1, length(part[n]) - 2)]
      if (FILENAME == "include/merit/merit.h") nextfile
    }
    /^[ \t]*#[ \t]*include[ \t]*</ {
      if (!match($0, /<merit\/[^>]*\.h>/)) next
      h = substr($0, RSTART + 7, RLENGTH - 10)
      if (!((module, owner[h]) in may)) printf "%s:%d: %s must not see <merit/%s.h>\n", FILENAME, FNR, module, h
    }
    /^[ \t]*#[ \t]*include[ \t]*"[^"\/]*"/ && n == 4 {
      match($0, /"[^"]*"/); h = substr($0, RSTART + 1, RLENGTH - 2); own = part[2] "/" part[3]
      if (!((part[2] "/" h) in home)) next
      to = part[2] "/" home[part[2] "/" h]
      if (to != own && !(order[own] && order[to] > order[own])) printf "%s:%d: %s must not see %s\n", FILENAME, FNR, own, h
    }
    /^[ \t]*#[ \t]*include[ \t]*"[^"]*\// { printf "%s:%d: a private header of another folder\n", FILENAME, FNR }' \
    $(find src include/merit -name '*.[ch]' | sort)
}

# public interfaces of PETSc only
lint_private() { sources | xargs grep -nE 'include[[:space:]]*[<"]petsc/private' /dev/null; }

# below the command line nothing prints, ends the process, or knows the world
lint_quiet() {
  local file
  for file in $(find src -name '*.[ch]' ! -path 'src/cli/*' | sort) $(find include -name '*.h'); do
    code "$file" | awk -v file="$file" '
      /(^|[^A-Za-z0-9_])(PETSC_COMM_WORLD|MPI_COMM_WORLD|stdout|stderr)([^A-Za-z0-9_]|$)/ ||
      /(^|[^A-Za-z0-9_])(printf|vprintf|puts|putchar|perror|exit|_exit|quick_exit|abort|assert|MPI_Abort|PetscPrintf)[ \t]*\(/ {
        printf "%s:%d: %s\n", file, FNR, $0 }'
  done
}

# a test that no CMakeLists.txt names does not run
lint_registered() {
  local file folder name
  for file in $(find tests -mindepth 2 \( -name 'test_*.c' -o -name 'fuzz_*.c' -o -name '*.sh' \) | sort); do
    folder=$(dirname "$file") name=$(basename "$file") name=${name%.*}
    grep -qE "(^|[^A-Za-z0-9_])$name([^A-Za-z0-9_]|\$)" "$folder/CMakeLists.txt" "$folder/../CMakeLists.txt" 2>/dev/null ||
      grep -qE "(^|[^A-Za-z0-9_])$name\.sh" "$folder"/*.sh 2>/dev/null || echo "$file:1: no CMakeLists.txt names it"
  done
}

# every prototype has a comment above it (or behind it): in public headers, and in private ones
lint_commented() {
  awk '
    FNR == 1 { told = 0 }
    /^MERIT_EXTERN/ { if (!told && $0 !~ /\/\*/) printf "%s:%d: no comment above %s\n", FILENAME, FNR, $0; told = 0; next }
    /\*\/[ \t]*$/ { told = 1; next }
    { told = 0 }' $(find include/merit -name '*.h' | sort)
  find src -name '*.h' | sort | xargs -r awk '
    FNR == 1 { commented = 0 }
    /^[A-Za-z_][A-Za-z_0-9 *]*[ *][A-Za-z_][A-Za-z_0-9]*\(/ && !/^(typedef|return|else)[ \t]| = / {
      if (!commented && $0 !~ /\/\*/) printf "%s:%d: no comment above %s\n", FILENAME, FNR, $0
      commented = 0; next }
    { commented = /\*\/[ \t]*$/ }'
}

# lines of comments by lines of code in the .c files of each module: between 0.2 and 0.35. A line that has both is code.
lint_comments() {
  local module
  for module in $(cd src && ls -d ./*/ | tr -d ./); do
    find "src/$module" -name '*.c' | sort | xargs -r cat | awk -v module="$module" '
      { line = $0; is_code = is_comment = 0
        while (line != "") {
          if (comment) {
            is_comment = 1; at = index(line, "*/")
            if (!at) break
            comment = 0; line = substr(line, at + 2); continue
          }
          if (!match(line, /\/\*|\/\/|"|\047/)) { if (line ~ /[^ \t]/) is_code = 1; break }
          if (substr(line, 1, RSTART - 1) ~ /[^ \t]/) is_code = 1
          token = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH)
          if (token == "//") { is_comment = 1; break }
          if (token == "/*") { comment = is_comment = 1; continue }
          is_code = 1
          while (line != "" && substr(line, 1, 1) != token) line = substr(line, substr(line, 1, 1) == "\\" ? 3 : 2)
          line = substr(line, 2)
        }
        if (is_code) n_code++; else if (is_comment) n_comment++ }
      END { if (n_code && (n_comment < 0.2 * n_code || n_comment > 0.35 * n_code))
              printf "src/%s: %d lines of comments and %d of code, %.3f: not between 0.2 and 0.35\n", module, n_comment, n_code, n_comment / n_code }'
  done
}

# work left over, and folders of one machine
lint_words() { texts | xargs grep -nwE 'TODO|FIXME|XXX|HACK' /dev/null; }
lint_paths() { texts | xargs grep -nE '(^|[^A-Za-z0-9_.$}*-])/(work|home|root|tmp/[a-z])[A-Za-z0-9_]*/' /dev/null; }

# files of at most 600 lines, functions of at most 60 (from the line of the name to the closing brace)
lint_length() {
  awk '
    FNR == 1 { if (last > 600) printf "%s:%d: more than 600 lines\n", name, last; head = 0; open = 0 }
    /^[A-Za-z_].*[(]/ && !/^(typedef|static const|#)/ { head = FNR }
    /^[{]/ { if (head) open = head }
    /^[}]/ { if (open && FNR - open >= 60) printf "%s:%d: a function of %d lines\n", FILENAME, open, FNR - open + 1; open = 0; head = 0 }
    { name = FILENAME; last = FNR }
    END { if (last > 600) printf "%s:%d: more than 600 lines\n", name, last }' $(sources)
}

# every key of a job file or specification stands in the page of file formats: `a.b.c`, or in the row of `a.b`
lint_keys() {
  local file line key page=docs/file-formats.md
  for file in $(grep -rlE '^static const MeritKey [a-z_]+\[\] = ' src --include='*.c' | sort); do
    awk '/^static const MeritKey .* = / { open = 1 } /^};/ { open = 0 }
         open && match($0, /^ *\{"[^"]*"/) { key = substr($0, RSTART, RLENGTH); gsub(/[ {"]/, "", key); sub(/\.\*+$/, "", key); print FNR, key }' "$file" |
      while read -r line key; do
        grep -qF "\`$key\`" $page || grep -F "| \`${key%.*}\` |" $page | grep -qw -- "${key##*.}" || echo "$file:$line: $key is not in $page"
      done
  done
}

# what is too much for one rank ends on all ranks, else the others wait for it: MeritFitsRank, or a fault that is agreed
lint_limits() {
  find src -name '*.[ch]' | sort | xargs grep -nE 'PETSC_COMM_SELF,[[:space:]]*(PETSC_ERR_SUP|PETSC_ERR_USER|PETSC_ERR_FILE)' /dev/null
}

# the most traits and components by name (merit/limits.h): an array of 32 or 64 numbers, or a comparison of a count with these, means one of
# them. What it cannot see: a constant of another name, a length of the heap.
lint_literals() {
  local file
  for file in $(find src include -name '*.[ch]' ! -path 'src/kernels/packed*' | sort); do
    code "$file" | sed -E 's/char [A-Za-z_]*\[(32|64)\]/char/g' | awk -v file="$file" '
      /(^|[^A-Za-z0-9_])(double|int|bool|uint8_t|int32_t|int64_t|float)[ \t*].*\[(2 \* )?(32|64)( \* [0-9]+)?\]/ ||
      /n_(comp|components|eq|traits)[ \t]*(<|>|<=|>=|==)[ \t]*(32|64)([^0-9]|$)/ {
        printf "%s:%d: a literal for MERIT_MAX_TRAITS or MERIT_MAX_COMPONENTS: %s\n", file, FNR, $0 }'
  done
}

# three outputs that nobody wants: a view with fields says what is wanted
lint_trains() {
  find src bench tests -name '*.[ch]' | sort |
    xargs grep -nE '(^|[^A-Za-z0-9_])Merit[A-Za-z]*\(([^()]|\([^()]*\))*NULL, *NULL, *NULL' /dev/null
}

# threads add in the order in which they end: sums of numbers are those of src/kernels/sums.c, or parts added in order
lint_sums() {
  find src -name '*.[ch]' | sort | xargs grep -nE '#pragma omp .*reduction *\( *[-+*] *:|#pragma omp atomic *(update *)?$' /dev/null | grep -v 'omp simd'
}

# scripts that the shell can read
lint_scripts() {
  local file
  for file in $(find jobs tests bench \( -name '*.sh' -o -name '*.sbatch' \) 2>/dev/null | sort); do
    bash -n "$file" 2>&1 || echo "$file:1: bash -n fails"
  done
}

# C files are as clang-format and .clang-format would have them
lint_format() {
  command -v clang-format >/dev/null || { echo "no clang-format here"; return; }
  sources | xargs clang-format --style=file:"$here/../../.clang-format" --dry-run 2>&1 | sed -n 's/^\([^ ]*\): warning: .*/\1: not as clang-format has it/p' | sort -u
}

# R^-1 of a record is found and applied by merit/residual.h alone: nobody else goes from a record to the inverse of its pattern
lint_inverses() {
  find src include -name '*.[ch]' ! -path include/merit/residual.h | sort | xargs grep -nE 'pattern\[[^]]*\][[:space:]]*\*' /dev/null
}

# questions after the kind of a covariance outside src/structure and the parser of formulas: by name, or by what one kind alone is today
lint_kinds() {
  local file limit=10 found
  found=$(for file in $(find src include -name '*.[ch]' ! -path 'src/structure/*' ! -path 'src/model/formula*.c' \
    ! -path include/merit/structure.h ! -path include/merit/formula.h | sort); do
    code "$file" | awk -v file="$file" '
      /(^|[^A-Za-z0-9_])(MERIT_TERM_[A-Z]+|MeritStructure(Fed|Linked|Pedigree)[ \t]*\()/ || /(\.|->)scaled([^A-Za-z0-9_]|$)/ ||
      /(FactorJoins\(|(t|term|view|rows|factor)(\.|->)sire([^A-Za-z0-9_]|$))/ && file !~ /^src\/kernels/ {
        if (file !~ /^include/) printf "%s:%d: a kind is asked for: %s\n", file, FNR, $0 }'
  done)
  [ "$(grep -c . <<<"$found")" -le "$limit" ] || printf '%s\n' "$found"
}

# every public header compiles alone, as C11 and as C++17; what it includes it includes as either, so that C++ may have all of them at once
compiles() { # compiler and language, headers
  # shellcheck disable=SC2086 # lists of words
  printf '#include <merit/%s>\n' "${@:2}" | $1 -Wall -Wextra -Werror -fsyntax-only ${CFLAGS:-} -Iinclude - 2>&1
}
lint_headers() {
  local file c="${CC:-cc} -x c -std=c11" cxx="${CXX:-} -x c++ -std=c++17"
  for file in include/merit/*.h; do compiles "$c" "${file##*/}" || echo "$file:1: does not compile alone as C11"; done
  [ -n "${CXX:-}" ] || { echo "no C++ compiler: headers are tried as C11 only" >&2; return; }
  # shellcheck disable=SC2046 # names without blanks
  compiles "$cxx" $(cd include/merit && ls ./*.h) >/dev/null && return
  for file in include/merit/*.h; do compiles "$cxx" "${file##*/}" || echo "$file:1: does not compile alone as C++17"; done
}

"lint_$rule" >"$breaches"
if [ -s "$breaches" ]; then
  cat "$breaches"
  exit 1
fi
exit 0

# What the benchmarks share; sourced by them.

# the program in a build folder, nothing if there is none
merit_in() { ls "$1/bin/merit" "$1/bin/merit64" 2>/dev/null | head -n 1 || true; }

# put MARK TABLE PAGE: the table between <!-- MARK begin --> and <!-- MARK end --> of a page; to the terminal if no page is named
put() {
  if [ -z "$3" ]; then
    cat "$2"
    return
  fi
  awk -v begin="<!-- $1 begin -->" -v end="<!-- $1 end -->" -v table="$2" '
    index($0, end) == 1 { skip = 0 }
    !skip
    index($0, begin) == 1 { while ((getline line < table) > 0) print line; skip = 1 }' "$3" >"$2.page"
  cat "$2.page" >"$3"
}

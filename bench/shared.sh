# What the benchmarks share; sourced by them.
# shellcheck shell=bash disable=SC2154 # build and scratch are those of the script

# the program in a build folder, nothing if there is none
merit_in() { ls "$1/bin/merit" "$1/bin/merit64" 2>/dev/null | head -n 1 || true; }

# take_options "NAMES" "SWITCHES" ARGUMENT...: --NAME VALUE sets the variable of that name, - read as _; --SWITCH calls the function on_SWITCH
take_options() {
  local names=" $1 " switches=" $2 " name
  shift 2
  while [ $# -gt 0 ]; do
    name=${1#--}
    if [ "--$name" = "$1" ] && [[ $names = *" $name "* ]]; then
      [ $# -gt 1 ] || { echo "$1 needs a value" >&2; exit 2; }
      printf -v "${name//-/_}" %s "$2"
      shift
    elif [ "--$name" = "$1" ] && [[ $switches = *" $name "* ]]; then
      "on_$name"
    else
      echo "unknown option $1; the head of $0 lists them" >&2
      exit 2
    fi
    shift
  done
}

# the folder $scratch, a fresh one that is removed at the end where none is named
make_scratch() {
  if [ -z "$scratch" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
  fi
  mkdir -p "$scratch"
}

# $merit, the program in $build, without which nothing goes
need_merit() {
  merit=$(merit_in "$build")
  [ -n "$merit" ] || { echo "no merit in $build: build Merit first, or name its folder by --build" >&2; exit 2; }
}

say() { echo "$(date +%T) $*" >&2; }
now() { echo "${EPOCHREALTIME/,/.}"; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.3f", to - from }'; }

# plink_beside FOLDER: into FOLDER/beside the genotypes of FOLDER/data as links, and their .fam with the trait of records.csv, for programs that read these
plink_beside() {
  rm -rf "$1/beside"
  mkdir -p "$1/beside"
  ln -s ../data/chip.bed ../data/chip.bim "$1/beside"
  awk 'FNR == NR { split($0, v, ","); y[v[1]] = v[6]; next } { print $1, $2, $3, $4, $5, ($2 in y) ? y[$2] : -9 }' "$1/data/records.csv" \
    "$1/data/chip.fam" >"$1/beside/chip.fam"
}

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

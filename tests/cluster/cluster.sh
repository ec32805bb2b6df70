# Sourced by the tests of the job scripts: a private SLURM in a folder of its own, a model that takes a while, and what to compare.
#   test_X.sh MERIT JOBS
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MERIT=$1
jobs=$2
. "$here/slurm.sh"

folder=$(mktemp -d "${TMPDIR:-/tmp}/merit-slurm.XXXXXX")
chmod 755 "$folder" # munge wants its socket within reach of all
trap 'slurm_stop; rm -rf "$folder"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# functions with their arguments at once, each in a shell of its own; what they say comes one after the other, and their failures count
together() { # "FUNCTION ARGUMENTS"...
  local call k=0 pids=()
  for call; do
    # shellcheck disable=SC2086 # words
    (failures=0; $call; exit $((failures > 0))) >"$folder/together.${#pids[@]}" 2>&1 &
    pids+=($!)
  done
  for call; do
    wait "${pids[k]}" || failures=$((failures + 1))
    cat "$folder/together.$k"
    k=$((k + 1))
  done
}

# everything the job said
show() { sed 's/^/  | /' "$folder"/*.out "$folder"/*.log 2>/dev/null | tail -n 60; }

submit() { # environment for the job, then sbatch's arguments
  local environment=$1
  shift
  (cd "$folder" && sbatch --parsable --export="ALL$environment" "$@")
}

expect() { # what, state and status that are right, those found
  [ "$2" = "$3" ] || { fail "$1: $3, not $2"; show; }
}

# a small simulated population: pedigree.csv, records.csv, job.yaml in $folder/data
population() { # animals
  printf 'seed: 5\npopulation: {animals: %s, generations: 6, sires: 20}\nherds: {number: 20}\ntraits: {names: [milk, fat], means: [30, 4], G: [[30, 6], [6, 10]], R: [[70, 5], [5, 20]]}\neffects: {herd_year: [5, 2]}\nrecords: {per_cow: 2}\noutput: data\n' "$1" >"$folder/spec.yaml"
  (cd "$folder" && "$MERIT" simulate spec.yaml >simulate.out 2>&1) || { cat "$folder/simulate.out"; exit 1; }
}

# waits for the first checkpoints of a run. output in $folder
under_way() {
  local k
  for ((k = 0; k < 1200; k++)); do
    [ ! -e "$folder/$1/checkpoint/previous" ] || return 0
    sleep 0.05
  done
}

same() { # what, folder of the result, folder of the reference
  cmp "$2/solutions.tsv" "$3/solutions.tsv" || fail "$1: the answer is not that of the run that was not interrupted"
}

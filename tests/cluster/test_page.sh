#!/usr/bin/env bash
# The commands of a page, as they stand: every ```bash block is run on a real SLURM of four virtual nodes that claim 32 CPUs each, in a folder of
# its own with jobs/, build/release, a small job.yaml, trait1.yaml to trait4.yaml, and long.yaml, whose end is out of reach. A block does
# well if it ends with 0, so does each job that it submits, and the results that it names are there. A command in the text must be in a
# block, too.
#   test_page.sh MERIT JOBS PAGE
# shellcheck source=cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
# shellcheck source=../docs/blocks.sh
. "$here/../docs/blocks.sh"
page=$(realpath "$3")

# a job file: name, model, variances, more lines
job() {
  printf 'records: {file: records.csv}\npedigree: {file: pedigree.csv}\nmodel: "%s"\nvariances: {%s}\noutput: out\n%s' "${@:2}" >"$folder/data/$1.yaml"
}

inputs() {
  local name
  population 300
  for name in job trait1 trait3; do job $name "milk ~ herd:year + ped(id)" "ped(id): 30, residual: 70"; done
  for name in trait2 trait4; do job $name "fat ~ herd:year + ped(id)" "ped(id): 10, residual: 20"; done
  # herds that are nearly fixed, twice in the model: below a residual of 1e-6 Gauss-Seidel hardly gets on
  job long "milk ~ herd:year + ped(id) + iid(herd)" "ped(id): 30, iid(herd): 1.0e+5, residual: 70" \
    "solver: {type: gs, rtol: 1.0e-30, max_it: 100000000}"
}

# the page's `merit` is the one in PATH
program() {
  mkdir "$folder/bin"
  ln -s "$MERIT" "$folder/bin/merit"
  export PATH=$folder/bin:$PATH
  export -n MERIT
}

# the lines of a block, those that end in \ joined
lines() { sed -e ':more' -e '/\\$/{N;s/\\\n//;b more' -e '}' "$1"; }

# what SLURM knows of the jobs of the current folder: a line for each
jobs_here() { scontrol -o show job | grep -F " WorkDir=$(pwd -P) "; }

# every job of a block has ended, and well. block
submitted() {
  local end=$((SECONDS + 300)) n
  while [ -n "$(squeue -h)" ] && [ $SECONDS -lt $end ]; do sleep 0.3; done
  n=$(lines "$1" | grep -c '\(^\|[ (]\)sbatch ')
  [ "$(jobs_here | wc -l)" -ge "$n" ] || fail "fewer than $n jobs"
  if jobs_here | grep -v 'JobState=COMPLETED .*ExitCode=0:0'; then
    fail "not all jobs are COMPLETED with status 0"
    scancel --user="$(id -un)"
  fi
}

# the folders of results that the commands of a block name, `out` of the job file where they name none. block
folders() {
  lines "$1" | awk '/(solve|varcomp)\.sbatch|merit (solve|varcomp)|sbatch [^ ]*\.sh/ {
    folder = "out"; first = last = 1
    for (i = 1; i <= NF; i++) {
      if ($i == "--output") folder = $(i + 1)
      if (split($i, range, /[=-]+/) == 4 && range[2] == "array") { first = range[3] + 0; last = range[4] + 0 }
    }
    for (k = first; k <= last; k++) { name = folder; gsub(/%a/, k, name); sub(/\)$/, "", name); print name } }' | sort -u
}

results() { # block
  local name
  for name in $(folders "$1"); do
    [ -s "$name/solutions.tsv" ] || fail "no $name/solutions.tsv"
    grep -q '"exit":[[:space:]]*0' "$name/summary.json" || fail "$name/summary.json does not end well"
  done
  ! grep -q 'scaling\.sbatch' "$1" || grep -q 'Weak scaling' merit-scaling-*/tables.md || fail "no tables of the scaling"
}

run_block() { # block
  local before=$failures begin=$SECONDS
  mkdir "$folder/${1##*/}.run"
  cd "$folder/${1##*/}.run" || exit 1
  cp "$folder"/data/*.{yaml,csv} .
  ln -s "$jobs" jobs
  mkdir build
  ln -s "${MERIT%/bin/*}" build/release
  timeout 120 bash -eu -o pipefail "$1" >said 2>&1 || fail "status $?"
  submitted "$1"
  results "$1"
  ! grep -q -- --restart "$1" || grep -q "continues from the checkpoint" said || fail "no restart from a checkpoint"
  echo "${1##*/}: $((SECONDS - begin)) s"
  if [ $failures -ne $before ]; then
    cat "$1" said
    tail -n 20 ./*.out ./*.log 2>/dev/null
  fi
}

# a command with arguments in the text is a piece of a line of a block
text() {
  local command
  awk '/^```/ { inside = !inside; next } !inside' "$page" | tr '\n' ' ' | tr -s ' ' |
    grep -oE '`(merit [a-z]+|mpirun|sbatch|srun|scancel|scontrol|kill|cmake|ctest) [^`]+`' | tr -d '`' | sort -u >"$folder/text"
  while read -r command; do
    lines <(cat "$folder"/blocks/*.bash) | grep -qF -- "$command" || fail "no block runs $command"
  done <"$folder/text"
}

slurm_start "$folder/slurm" 4 32
status=$?
[ $status -eq 0 ] || exit $status
inputs
program
mkdir "$folder/blocks"
page_blocks "$page" "$folder/blocks" || fail "$page"
kind=""
for kind in $(grep -lx bash "$folder"/blocks/*.kind); do
  mv "${kind%.kind}.text" "${kind%.kind}.bash"
  run_block "${kind%.kind}.bash"
done
[ -e "$kind" ] || fail "no block to run"
text
[ $failures -eq 0 ] && echo "all well"
exit $((failures > 0))

#!/usr/bin/env bash
# Strong and weak scaling of three problems, the cost model of `merit plan` beside what is measured, and its word on machines that are not here;
# bench/README.md says what is measured. Options:
#   --build DIR       build folder with merit and the programs of bench/ (build)
#   --scratch DIR     where data and results of runs go; data found there are used again (a fresh folder, removed at the end)
#   --results FILE    JSON lines, appended to (SCRATCH/results.jsonl)
#   --into FILE       replace the tables between <!-- scaling begin --> and <!-- scaling end --> of a page (default: print them)
#   --plots FOLDER    where scaling.svg and scaling.png go, with gnuplot (SCRATCH)
#   --launch L        mpirun or srun (mpirun)
#   --ranks, --volumes, --paper "LIST"   ranks of the timed runs; of the counted messages; cores to foresee
#   --threads T       one more run of each problem, on one rank of so many threads (2; 0: not)
#   --animals N, --genotyped N, --snps N   of the problems on one rank; strong scaling takes twice as many animals
#   --repeats N, --iterations N   of every timed run: medians count
#   --latency S, --network B   of the machine on paper: seconds of a message, bytes a second of a rank (2e-6, 1e9)
#   --small           everything once at a size that takes seconds: a test of the runner, not a measurement
#   --tables          only make the tables from --results
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../jobs/packages.sh
. "$here/../jobs/packages.sh"
# shellcheck source=shared.sh
. "$here/shared.sh"

build=build scratch="" results="" into="" plots="" launch=mpirun ranks="1 2 4" volumes="2 4 8 16" paper="100 1000 10000" threads=2 repeats=3
animals=500000 genotyped=5000 snps=50000 iterations=40 latency=2e-6 network=1e9 only_tables=""
on_small() { ranks="1 2" animals=3000 genotyped=512 snps=2000 repeats=1 iterations=6 paper=100; }
on_tables() { only_tables=yes; }
take_options "build scratch results into plots launch ranks volumes paper threads animals genotyped snps repeats iterations latency network" "small tables" "$@"

[ "$launch" = srun ] || small_machine
make_scratch
results=${results:-$scratch/results.jsonl}
plots=${plots:-$scratch}
problems="pedigree snp polygenic"

# a program on so many ranks and threads; what is sent is counted into $scratch/messages where COUNT is set
run() { # ranks threads command...
  local n=$1 t=$2
  shift 2
  [ -z "${COUNT:-}" ] || set -- env LD_PRELOAD="$build/bench/libmerit_messages.so" MERIT_MESSAGES="$scratch/messages" "$@"
  case $launch in
  mpirun) OMP_NUM_THREADS=$t mpirun -n "$n" "$@" ;;
  srun) OMP_NUM_THREADS=$t srun --mpi=pmix --nodes=$(((n + SLURM_NTASKS_PER_NODE - 1) / SLURM_NTASKS_PER_NODE)) --ntasks="$n" --cpus-per-task="$t" --kill-on-bad-exit=1 "$@" ;;
  esac
}

# the job of a problem with so many ranks' share of data, which are simulated if they are not there
job() { # problem shares
  local folder=$scratch/$1-$2
  [ "$1" = pedigree ] || folder=$scratch/genomic-$2
  mkdir -p "$folder"
  if [ "$1" = pedigree ]; then pedigree $((animals * $2)); else genomic $((genotyped * $2)); fi >"$folder/wanted.yaml"
  if ! { [ -s "$folder/data/summary.json" ] && cmp -s "$folder/wanted.yaml" "$folder/spec.yaml"; }; then
    say "simulating $folder"
    cp "$folder/wanted.yaml" "$folder/spec.yaml"
    run 2 1 "$merit" simulate "$folder/spec.yaml" --overwrite yes >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
    [ "$1" = pedigree ] || polygenic >"$folder/data/job_polygenic.yaml"
  fi
  case $1 in
  pedigree) echo "$folder/data/job.yaml" ;;
  snp) echo "$folder/data/job_snp.yaml" ;;
  polygenic) echo "$folder/data/job_polygenic.yaml" ;;
  esac
}

pedigree() { # animals
  local herds=$(($1 / 500))
  cat <<END
seed: 7
output: data
population: {animals: $1, generations: 12, sires: 60}
herds: {number: $((herds > 0 ? herds : 1)), moved: 0.05}
traits: {names: milk, means: 30, G: 30, R: 70}
effects: {herd_year: 5}
records: {per_cow: 2}
END
}

genomic() { # genotyped animals
  cat <<END
seed: 5
output: data
population: {per_generation: $1, generations: 3}
traits: {names: y, means: 20, G: 50, R: 50}
chip: {snps: $snps, chromosomes: 20, genotyped: $1, recorded: yes, qtl: 200, share: 1}
END
}

polygenic() {
  cat <<'END'
records: {file: records.csv, missing: [NA]}
pedigree: {file: pedigree.csv}
genotypes: {bfile: chip, scale: vanraden}
model: "y ~ 1 + animal = ped(id) + genomic = snp(id)"
variances: {animal: 20, genomic: 30, residual: 50}
output: solved
END
}

# a run of so many iterations into $scratch/out; no end before, products in double
iterate() { # job ranks threads iterations
  rm -rf "$scratch/out"
  # the status is 4: not converged
  run "$2" "$3" "$merit" solve "$1" --solver.precision double --solver.max_it "$4" --solver.rtol 1e-30 --checkpoint.minutes 0 --output "$scratch/out" \
    >"$scratch/log" 2>&1 || true
  [ -s "$scratch/out/summary.json" ] || { cat "$scratch/log" >&2; exit 1; }
}

# of the files that are there
bytes() { { stat -c %s "$@" 2>/dev/null || true; } | awk '{ s += $1 } END { print s + 0 }'; }

# seconds in MPI by phase, as fields of a line
waiting() { awk -F'[:,]' '{ gsub(/[" ]/, "", $2); sub(/\..*/, "", $2); gsub(/[ }]/, "", $NF); s[$2] += $NF } END { for (p in s) printf ", \"mpi.%s\": %.6f", p, s[p] }' "$scratch/messages"; }

timed() { # problem shares ranks threads
  local file head
  file=$(job "$1" "$2")
  say "$1, $2 shares, $3 ranks x $4 threads"
  COUNT=yes iterate "$file" "$3" "$4" "$iterations"
  head="\"program\": \"scaling\", \"problem\": \"$1\", \"shares\": $2, \"in\": $(bytes "$(dirname "$file")"/{records.csv,pedigree.csv,chip.bed})"
  head="$head, \"out\": $(bytes "$scratch"/out/*.tsv)$(waiting)"
  awk -F'\t' -v head="$head" -f "$here/collect.awk" "$scratch/out/summary.json" "$scratch/out/convergence.tsv" >>"$results"
}

# bytes that all ranks send in the iterations of a run so long
sent() { # job ranks iterations
  COUNT=yes iterate "$1" "$2" 1 "$3"
  awk -F'[:,]' '{ gsub(/[" ]/, "", $2) } $2 ~ /^solve/ { s += $6 + $10 } END { printf "%.0f", s }' "$scratch/messages"
}

counted() { # problem shares ranks
  local file few many
  file=$(job "$1" "$2")
  say "$1, messages of $3 ranks"
  few=$(sent "$file" "$3" 4)
  many=$(sent "$file" "$3" 10)
  awk -v p="$1" -v s="$2" -v n="$3" -v a="$few" -v b="$many" 'BEGIN { printf "{\"program\": \"counted\", \"problem\": \"%s\", \"shares\": %d, \"ranks\": %d, \"sent\": %.1f}\n", p, s, n, (b - a) / 6 / n }' >>"$results"
}

# median of a rate over the lines of so many ranks
rate() { # name ranks
  sed -n "s/.*\"rates\", \"ranks\": $2,.*\"$1\": \([0-9.e+-]*\)[,}].*/\1/p" "$results" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# what the cost model says, from the rates of as many ranks at once, where they were measured, else of the most that have a core each
foreseen() { # problem shares ranks threads latency network
  local file busy=$(($3 * $4))
  [ -n "$(rate memory $busy)" ] || busy=$full
  file=$(job "$1" "$2")
  "$merit" plan "$file" --ranks "$3" --plan.threads "$4" --plan.rates.memory "$(rate memory "$busy")" --plan.rates.genotypes "$(rate genotypes "$busy")" \
    --plan.rates.latency "$5" --plan.rates.network "$6" 2>"$scratch/log" | awk -v head="\"program\": \"foreseen\", \"problem\": \"$1\", \"shares\": $2, \"ranks\": $3, \"threads\": $4, \"paper\": ${PAPER:-0}" '
      function bytes(x, unit) { return x * (unit == "KiB" ? 1024 : unit == "MiB" ? 1024 ^ 2 : unit == "GiB" ? 1024 ^ 3 : 1) }
      /^an iteration/ { on = 1 }
      on && /memory moved/ { moved = bytes($3, $4); memory = $5 }
      on && /genotypes/ { genotypes = $3 }
      on && /sent to others/ { sent = bytes($4, $5); net = $6; messages = $9 }
      on && /in all/ { printf "{%s, \"bytes\": %.0f, \"memory\": %s, \"genotypes\": %s, \"sent\": %.1f, \"messages\": %s, \"network\": %s, \"seconds\": %s}\n", head, moved, memory, genotypes, sent, messages, net, $3; exit }' >>"$results"
}

rates() { # ranks
  say "rates of $1 ranks"
  run "$1" 1 "$build/bench/merit_rates" >>"$results"
}

# numbers but 0, each once, ascending
list() { echo "$*" | tr ' ' '\n' | sort -n | uniq | sed '/^0*$/d'; }

measure() {
  local r p n
  for ((r = 0; r < repeats; r++)); do
    for n in $(list 1 $full $threads $ranks); do rates "$n"; done
    for p in $problems; do
      for n in $ranks; do
        timed "$p" 2 "$n" 1
        [ "$n" = 2 ] || timed "$p" "$n" "$n" 1 # two shares on two ranks are both scalings' run
      done
      [ "$threads" -eq 0 ] || timed "$p" 2 1 "$threads"
    done
  done
  for p in $problems; do
    for n in $volumes; do counted "$p" 2 "$n"; done
  done
}

foresee() {
  local p n
  for p in $problems; do
    for n in $ranks; do
      foreseen "$p" 2 "$n" 1 "$(rate latency "$full")" "$(rate network "$full")"
      [ "$n" = 2 ] || foreseen "$p" "$n" "$n" 1 "$(rate latency "$full")" "$(rate network "$full")"
    done
    [ "$threads" -eq 0 ] || foreseen "$p" 2 1 "$threads" 0 1
    for n in $volumes; do foreseen "$p" 2 "$n" 1 "$(rate latency "$full")" "$(rate network "$full")"; done
    for n in 1 $paper; do PAPER=1 foreseen "$p" "$most" "$n" 1 "$latency" "$network"; done
  done
}

if [ -z "$only_tables" ]; then
  need_merit
  [ -x "$build/bench/merit_rates" ] || { echo "no merit_rates in $build: it is built with the tests" >&2; exit 2; }
  build=$(cd "$build" && pwd)
  ranks=$(list $ranks)
  most=$(tail -n 1 <<<"$ranks")
  full=$(list $ranks | awk -v c="$([ "$launch" = srun ] && echo "$most" || getconf _NPROCESSORS_ONLN)" '$1 <= c' | tail -n 1)
  echo "{\"program\": \"machine\", \"date\": \"$(date -u +%F)\", \"processor\": \"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)\", \"cores\": $(getconf _NPROCESSORS_ONLN), \"full\": $full, \"iterations\": $iterations, \"animals\": $animals, \"genotyped\": $genotyped, \"snps\": $snps, \"latency\": $latency, \"network\": $network}" >>"$results"
  measure
  foresee
fi
awk -v plot="$scratch/plot" -f "$here/scaling.awk" "$results" >"$scratch/tables.md"
put scaling "$scratch/tables.md" "$into"
if command -v gnuplot >/dev/null; then gnuplot -e "data='$scratch/plot'; folder='$plots'" "$here/scaling.gp"
else echo "scaling.sh: gnuplot is not installed (Debian package gnuplot-nox); no plots" >&2; fi

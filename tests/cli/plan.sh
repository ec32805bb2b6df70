#!/bin/sh
# merit plan from the outside. Usage: plan.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -Eq -- "$1" || fail "no line with '$1'"; }
silent() { cat stdout stderr | grep -Eq -- "$1" && fail "a line with '$1'"; }

cat >records.csv <<DATA
calf,sex,wwg,score
4,Male,4.5,NA
5,Female,2.9,3
6,Female,3.9,-99
7,Male,3.5,4
8,Male,5.0,-99
9,NA,5.0,5
DATA
cat >pedigree.csv <<DATA
calf,sire,dam
4,1,0
5,3,2
6,1,2
7,4,5
8,3,6
9,0,0
DATA
cat >job.yaml <<DATA
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: ["wwg ~ sex + ped(calf)", "score ~ sex + ped(calf)"]
variances:
  ped(calf): [[20, 1], [1, 2]]
  residual: [[40, 3], [3, 4]]
output: out
DATA

for n in 1 3; do
  run $n 0 plan job.yaml
  says '^  wwg +5 +1 +3\.96 '             # five of the six lines count, their mean
  says '^  sex +fixed +2 +4 +2 +wwg, score'
  says '^  ped\(calf\) +ped +9 +18 +0 +wwg, score'
  says '9 animals, 4 of them founders, 3 without a line'
  says 'calf +id \(text\)'
  says 'record'                           # the record without a sex
  says 'solver vectors'
  says 'score has the value -99 in 2 of 4'
  silent 'wwg has the value'
  [ -e out ] && fail "plan left an output folder"
done

# a class of many whole numbers that the trait follows may be a covariate; herds, years and few levels are left alone
awk 'BEGIN { print "days,herd,year,parity,y"
  for (i = 0; i < 240; i++) { d = i % 12; h = int(i / 12) % 20; print d "," (h * 7 + 3) % 20 + 1 "," 2001 + d "," d % 6 "," 250 + 10 * d + (i * i * 37) % 101 / 5 + (h * h * 13) % 17 } }' >days.csv
printf 'records: {file: days.csv}\nmodel: y ~ days + herd\nvariances: {residual: 900}\noutput: out\n' >days.yaml
for n in 1 3; do
  run $n 0 plan days.yaml
  says '^hint: days is a class of 12 levels, all whole numbers, and the means of y follow them \(correlation (0\.9[0-9]|1\.00)\).*write cov\(days\)$'
  silent 'hint: herd'
done
run 2 0 plan days.yaml --model 'y ~ year + parity + herd'
silent 'hint:'

# every code for a missing value that nobody declared
for code in 0 -9 -999; do
  sed "s/-99/$code/" records.csv >codes.csv
  run 2 0 plan job.yaml --records.file codes.csv
  says "score has the value $code in 2 of 4"
  run 1 0 plan job.yaml --records.file codes.csv --records.missing "[NA, $code]"
  silent 'has the value'
done
run 2 0 plan job.yaml --ranks 64
says 'on 64 ranks'
run 2 0 plan job.yaml --quick
says 'records.csv'
silent 'solver vectors'
run 2 2 plan job.yaml --quick --sbatch quick.sbatch
says '^merit: sbatch: a job script needs memory and time, which --quick does not find; leave it out$'
[ ! -e quick.sbatch ] || fail "a job script without ranks and memory"
# what solve refuses before data are read, plan refuses too
sed 's/\[\[20, 1\], \[1, 2\]\]/[[20, 0], [0, 0]]/' job.yaml >singular.yaml
run 2 0 plan singular.yaml
run 2 2 plan singular.yaml --solver.preconditioner merit_ped
says 'merit_ped needs covariance matrices that are not singular'
run 2 2 plan job.yaml --plan.memory 1K
says 'plan.memory'
run 2 0 plan job.yaml --plan.memory 64G
run 2 0 plan job.yaml --ranks 6 --sbatch job.sbatch
grep -q '^#SBATCH --ntasks=6$' job.sbatch || fail "the job script does not ask for 6 tasks"
bash -n job.sbatch || fail "the job script is no script"
run 2 2 plan job.yaml --sbatch job.sbatch
says overwrite
[ ! -s stdout ] || fail "the data are analysed for a job script that cannot be written"
run 2 0 plan job.yaml --ranks 6 --sbatch other.sbatch
says 'wrote other.sbatch: submit it with `sbatch other.sbatch`'
asks() { grep -q "^#SBATCH --$1\$" job.sbatch || fail "the job script does not ask for --$1"; }
run 2 0 plan job.yaml --cores-per-node 4 --memory-per-node 1G --sbatch job.sbatch --overwrite
asks nodes=1
asks ntasks-per-node=1                    # of four: more do not pay for so few equations
asks ntasks=1
asks cpus-per-task=1
asks time=10
asks signal=B:USR1@120
run 2 0 plan job.yaml --cores-per-node 4 --memory-per-node 1G --ranks 6 --sbatch job.sbatch --overwrite
asks nodes=2
run 2 0 plan job.yaml --cores-per-node 4 --plan.threads 2 --sbatch job.sbatch --overwrite
asks ntasks-per-node=1
asks cpus-per-task=2
# 10,000 million iterations are worth as many ranks as the model of cost says, and no more
run 1 0 plan job.yaml --cores-per-node 64 --plan.iterations 1000000000 --sbatch job.sbatch --overwrite
asks ntasks=1
run 1 0 plan job.yaml --cores-per-node 64 --plan.iterations 1000000000 --plan.rates.latency 0 --plan.rates.memory 10 --plan.rates.network 1e18 \
  --sbatch job.sbatch --overwrite
asks ntasks=64

# an estimation of variances: the engine, what it takes, and a script that asks for it
sed '/^variances/,/residual/d' job.yaml >open.yaml
echo 'varcomp: {engine: auto}' >>open.yaml
for n in 1 3; do
  run $n 0 plan open.yaml --ranks 2
  says 'variances on 2 ranks x 1 thread, estimated'
  says '^  engine +factor$'
  says '^  memory +[0-9.]+ (MiB|KiB) for each rank'
  says '^  a round +[0-9.e-]+ s$'
  says '^  in all +[0-9.e-]+ s for 7 rounds'
  says '^  the next +sampled '
done
run 1 0 plan open.yaml --varcomp.engine sampled
says '^  engine +sampled$'
run 1 0 plan open.yaml --cores-per-node 4 --memory-per-node 1G --sbatch job.sbatch --overwrite
asks time=10
asks 'mem-per-cpu=[0-9]*M'
asks ntasks=1
run 2 2 plan open.yaml --solver.memory 100
says '^  engine +none  no engine fits'
says 'no engine for the variances fits'
run 2 2 plan job.yaml --cores-per-node 4 --memory-per-node 1M --sbatch job.sbatch --overwrite
says 'on any number of nodes'
run 2 2 plan job.yaml --memory-per-node 1G
says cores-per-node
run 2 2 plan job.yaml --cores-per-node 0
says cores-per-node
run 3 0 plan job.yaml --ranks 5 --plan.threads 3 --plan.iterations 7
says 'on 5 ranks x 3 threads'
says 'a run of 7 iterations'
run 1 2 plan job.yaml --plan.rates.memory 0
says plan.rates.memory
sed 's/sex + ped/sexx + ped/g' job.yaml >wrong.yaml
run 2 2 plan wrong.yaml --quick
says sexx
run 2 2 plan wrong.yaml
says sexx

exit $failed

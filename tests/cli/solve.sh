#!/bin/sh
# merit solve and merit plan from the outside: answers of a textbook, exit codes, warm starts, overwriting, nothing left behind,
# and the same files on any number of ranks. Usage: solve.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

# near FILE KEYS COLUMN VALUE TOLERANCE: the row that begins with the tab-separated KEYS has VALUE in COLUMN
near()
{
  awk -F '\t' -v key="$2" -v c="$3" -v v="$4" -v tol="$5" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) col = i }
    index($0, key "\t") == 1 { found = 1; d = $col - v; if (d < 0) d = -d; if (d > tol || $col == "") bad = $col }
    END { exit !(found && col && bad == "") }' "$1" || fail "$1: row '$2', column $3 is not $4"
}

# same A B TOLERANCE: two tables with the same words and numbers that differ by at most TOLERANCE, standard errors left out
same()
{
  [ "$(wc -l <"$1")" = "$(wc -l <"$2")" ] || fail "$1 and $2 have not the same number of lines"
  paste "$1" "$2" | awk -F '\t' -v tol="$3" '
    NR == 1 { for (i = 1; i <= NF / 2; i++) skip[i] = $i == "se" }
    { n = NF / 2; for (i = 1; i <= n; i++) { a = $i; b = $(i + n); if (a == b || skip[i]) continue
      d = a - b; if (d < 0) d = -d; if (a + 0 == 0 && a != "0" || d > tol) { bad = 1 } } }
    END { exit bad }' || fail "$1 and $2 differ"
}

tab=$(printf '\t')
cat >records.csv <<DATA
calf,sex,wwg
4,Male,4.5
5,Female,2.9
6,Female,3.9
7,Male,3.5
8,Male,5.0
DATA
cat >pedigree.csv <<DATA
calf,sire,dam
1,0,0
2,0,0
3,0,0
4,1,0
5,3,2
6,1,2
7,4,5
8,3,6
DATA
cat >job.yaml <<DATA
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: "wwg ~ 0 + sex + ped(calf)"
variances:
  ped(calf): 20
  residual: 40
solver: {rtol: 1.0e-12}
output: out
DATA

# Mrode (2014), example 3.1
start 1 0 solve job.yaml
near out/solutions.tsv "wwg${tab}sex${tab}1${tab}Male" solution 4.358 0.0006
near out/solutions.tsv "wwg${tab}sex${tab}1${tab}Female" solution 3.404 0.0006
near out/animals.tsv 1 "wwg.ped(calf).ebv" 0.098 0.0006
near out/animals.tsv 5 "wwg.ped(calf).ebv" -0.186 0.0006
near out/animals.tsv 8 "wwg.ped(calf).ebv" 0.183 0.0006
near out/animals.tsv 1 n_offspring 2 0
near out/animals.tsv 7 n_records 1 0
[ -f out/summary.json ] || fail "no summary.json"
[ -d out/.staging ] && fail "the staging folder is still there"
says "standard errors and reliabilities: exact"
says "results in out"
near out/animals.tsv 1 "wwg.ped(calf).reliability" 0.058 0.0006 # pcg found the solutions

# the same by every solver; standard errors and reliabilities of the example (printed ones come from a rounded inverse) by the direct one
for type in gsru gs lhs_gs cholesky; do
  run 3 0 solve job.yaml --solver.type $type --output "out-$type"
  same out/solutions.tsv "out-$type/solutions.tsv" 1e-8
done
near out-cholesky/solutions.tsv "wwg${tab}ped(calf)${tab}1${tab}1" se 4.341 0.0006
near out-cholesky/solutions.tsv "wwg${tab}ped(calf)${tab}1${tab}8" se 4.108 0.003
near out-cholesky/animals.tsv 1 "wwg.ped(calf).reliability" 0.058 0.0006
near out-cholesky/animals.tsv 2 "wwg.ped(calf).reliability" 0.016 0.0006
near out-cholesky/animals.tsv 4 "wwg.ped(calf).reliability" 0.144 0.0015
near out-cholesky/animals.tsv 8 "wwg.ped(calf).reliability" 0.156 0.0015
for n in 1 3; do
  run $n 0 solve job.yaml --output.se no --output out-no-se --overwrite
  near out-no-se/animals.tsv 1 "wwg.ped(calf).reliability" NA 0
  run $n 0 solve job.yaml --output.se yes --output out-se --overwrite
  same out-cholesky/solutions.tsv out-se/solutions.tsv 1e-8
  near out-se/animals.tsv 1 "wwg.ped(calf).reliability" 0.058 0.0006
done
run 1 0 solve job.yaml --solver.memory 1K --output out-tight
says "output.se: yes computes them"
near out-tight/animals.tsv 1 "wwg.ped(calf).reliability" NA 0
run 1 2 solve job.yaml --solver.memory 1K --output.se yes --output out-tight --overwrite
says "KiB per rank, more than 1.00 KiB"
run 1 0 solve job.yaml --solver.type cholesky --output.se no --output out-no-se --overwrite
same out/solutions.tsv out-no-se/solutions.tsv 1e-8
for type in lhs_gs cholesky; do
  run 2 2 solve job.yaml --solver.type $type --solver.memory 1K --output out-small
  says "KiB per rank, more than 1.00 KiB"
  [ -e out-small/solutions.tsv ] && fail "a refused run left results"
done
run 1 2 solve job.yaml --solver.type cholesky --solver.memory much --output out-small
says "solver.memory: 'much' is not a size such as 4G"
grep -q '"exit":[[:space:]]*0' out/summary.json || fail "summary.json does not say exit 0"
lines=$(wc -l <out/convergence.tsv)
[ "$lines" -gt 1 ] || fail "convergence.tsv has no iterations"

# the same on more ranks than some terms have levels
for n in 2 3 4; do
  run $n 0 solve job.yaml --output "out$n"
  same out/solutions.tsv "out$n/solutions.tsv" 1e-8
  same out/animals.tsv "out$n/animals.tsv" 1e-8
  cmp -s out/excluded.tsv "out$n/excluded.tsv" || fail "excluded.tsv differs on $n ranks"
done

# a warm start has nothing left to do
run 3 0 solve job.yaml --output warm --solver.start out/solutions.tsv --solver.rtol 1e-8
grep -Eq '"iterations":[[:space:]]*[01],' warm/summary.json || fail "the warm start took iterations"
same out/solutions.tsv warm/solutions.tsv 1e-8

run 2 0 solve job.yaml --output warm --overwrite --solver.start out --solver.rtol 1e-8
grep -Eq '"iterations":[[:space:]]*[01],' warm/summary.json || fail "the warm start from a folder took iterations"
run 2 3 solve job.yaml --output bad --solver.start records.csv
says 'solver.start'
[ -e bad/summary.json ] && fail "a wrong start left a result"
awk -F '\t' -v OFS='\t' 'NR == 6 { $6 = NR % 2 ? "NA" : "" } { print }' out/solutions.tsv >gap.tsv
for n in 1 3; do
  run $n 3 solve job.yaml --output bad --solver.start gap.tsv
  says 'gap.tsv:6: solution: solver.start: the solution is missing'
done

# a start too large to compute with: exit 4, and no "residual nan"
awk -F '\t' -v OFS='\t' 'NR == 6 { $6 = "1e300" } { print }' out/solutions.tsv >large.tsv
for type in pcg ksp gsru gs; do
  run 2 4 solve job.yaml --output nan --overwrite yes --solver.type $type --solver.start large.tsv
  says 'the solution is not a number'
  grep -q '"exit":[[:space:]]*4' nan/summary.json || fail "$type: summary.json does not say exit 4"
done

# tables that were cut short or changed, rows that stand twice
mkdir cut
cp out/summary.json cut
head -c -3 out/solutions.tsv >cut/solutions.tsv
head -c -3 out/solutions.tsv >cut.tsv
sed '3p' out/solutions.tsv >twice.tsv
for n in 1 3; do
  run $n 3 solve job.yaml --output bad --solver.start cut
  says 'cut/solutions.tsv: has .* by the summary.json beside it: it was cut short or changed'
  run $n 3 solve job.yaml --output bad --solver.start cut.tsv
  says 'cut.tsv: the last line has no line end: the file was cut short'
  run $n 3 solve job.yaml --output bad --solver.start twice.tsv
  says 'twice.tsv:4: solver.start: trait, term, component and level are those of line 3'
done

# a missing code that is a number, in a trait and in a class
printf 'calf,sex,wwg\n4,1,4.5\n5,2,2.9\n6,2,3.9\n7,1,3.5\n8,1,5.0\n4,2,0.00\n5,0.0,9\n' >coded.csv
sed 's/Male/1/; s/Female/2/; s/Fe1/2/' records.csv >plain.csv
run 1 0 solve job.yaml --records.file plain.csv --output plain
run 3 0 solve job.yaml --records.file coded.csv --records.missing '[0]' --output coded
same plain/solutions.tsv coded/solutions.tsv 1e-8
[ "$(wc -l <coded/excluded.tsv)" = 3 ] || fail "the coded records are not left out"

# an existing result is kept unless asked otherwise
cp out/solutions.tsv before.tsv
run 2 2 solve job.yaml
cmp -s out/solutions.tsv before.tsv || fail "the refused run changed the result"
run 2 0 solve job.yaml --overwrite
cp out/solutions.tsv before.tsv

# done is done: a run that was killed when its result was in place, with what it had not yet cleared away; not another job, nor other data
for n in 1 3; do
  mkdir -p out/checkpoint out/.previous && echo x >out/checkpoint/newest && echo x >out/.previous/animals.tsv && echo x >out/.lock
  run $n 0 solve job.yaml --restart auto
  says 'holds the result of this job already: done'
  [ "$(ls -A out | tr '\n' ' ')" = ".files animals.tsv convergence.tsv excluded.tsv solutions.tsv summary.json " ] || fail "left: $(ls -A out)"
done
cmp -s out/solutions.tsv before.tsv || fail "a run that was done was done again"
run 2 2 solve job.yaml --restart auto --solver.rtol 1e-13
says 'holds an earlier result'
run 2 2 solve job.yaml --restart auto --output.fitted yes
sed 's/4.5/4.6/' records.csv >other.csv && cp records.csv kept.csv && mv other.csv records.csv
run 2 2 solve job.yaml --restart auto
mv kept.csv records.csv
run 2 4 solve job.yaml --output unfinished --solver.max_it 1
run 2 4 solve job.yaml --output unfinished --solver.max_it 1 --restart auto
says 'which has not converged'

# an input is never replaced, whatever is asked for
mkdir own && cp pedigree.csv own/animals.tsv && cp job.yaml own/job.yaml && cp out/solutions.tsv own/snps.tsv
for n in 1 3; do
  run $n 2 solve job.yaml --output own --overwrite --pedigree.file own/animals.tsv
  says 'animals.tsv in this folder is an input of this run (pedigree.file)'
  run $n 2 solve job.yaml --output out --overwrite --solver.start out
  says 'solutions.tsv in this folder is an input of this run (solver.start)'
done
cmp -s pedigree.csv own/animals.tsv || fail "an input was replaced"
[ "$(ls -A own)" = "animals.tsv
job.yaml
snps.tsv" ] || fail "a refused run left files in the folder of its input"
cp records.csv kept.csv
run 2 2 plan job.yaml --sbatch records.csv --overwrite
says 'records.csv: is an input of this job (records.file)'
[ ! -s stdout ] || fail "the data are analysed before the file of the job script is refused"
cmp -s records.csv kept.csv || fail "plan --sbatch replaced the records"

# what is wrong is told, with the status for its kind, and leaves nothing behind
run 2 2 solve job.yaml --output bad --solver.rtool 1e-3
says rtol
[ -e bad ] && fail "a wrong key left an output folder"
run 2 2 solve job.yaml --output bad --ebv '{total: "ped(calf) + snp(calf)"}'
says 'snp(calf)'
[ -e bad/summary.json ] && fail "an unknown label left a result"
sed 's/^5,Female,2.9/5,Female,2.9x/' records.csv >broken.csv
start 3 3 solve job.yaml --output bad --records.file broken.csv
says 'broken.csv:3'
[ -n "$(ls -A bad 2>/dev/null)" ] && fail "bad input left $(ls -A bad)"
run 1 3 solve job.yaml --output bad --records.file nowhere.csv
says nowhere.csv

start 2 2 solve job.yaml --output bad -ksp_tipe cg
says 'ksp_type'
[ -e bad ] && fail "a misspelt PETSc option left an output folder"

# PETSc options stand above the job file, and the summary says what was in force
start 2 0 solve job.yaml --output ksp -solver_type ksp -ksp_type minres
grep -q '"solver":[[:space:]]*"ksp"' ksp/summary.json || fail "summary.json does not name the solver in force"
same out/solutions.tsv ksp/solutions.tsv 1e-8

# more digits than there are: a message, and success
run 1 0 solve job.yaml --output floor --solver.rtol 1e-17
says 'rounding floor'
same out/solutions.tsv floor/solutions.tsv 1e-8

# too few iterations: exit 4, the last iterate is written all the same
start 2 4 solve job.yaml --output few --solver.max_it 1
[ -f few/solutions.tsv ] && [ -f few/summary.json ] || fail "not converged, and nothing is written"
grep -q '"exit":[[:space:]]*4' few/summary.json || fail "summary.json does not say exit 4"

# only what was asked for
run 1 0 solve job.yaml --output only --output.solutions fixed --output.fitted yes
grep -q 'ped(calf)' only/solutions.tsv && fail "output.solutions fixed wrote random effects"
[ "$(wc -l <only/fitted.tsv)" = 6 ] || fail "fitted.tsv does not have a row per observation"

# words of pedigree.unknown stand for an unknown parent beside 0 . NA, in records as in the pedigree
printf 'id,sire,dam\ns,0,0\nd,0,0\nc1,s,d\nc2,s,X\n' >unknown.csv
printf 'calf,dam,y\nc1,d,3\nc2,0,4\nd,X,5\n' >dams.csv
cat >dams.yaml <<DATA
records: {file: dams.csv}
pedigree: {file: unknown.csv, unknown: [X]}
model: "y ~ 1 + ped(calf + dam)"
variances: {ped(calf + dam): [[2, 0.5], [0.5, 1]], residual: 3}
output: dams
DATA
for ranks in 1 3; do
  run $ranks 0 solve dams.yaml --overwrite
  [ "$(wc -l <dams/excluded.tsv)" = 1 ] || fail "a record with an unknown dam is left out"
done

exit $failed

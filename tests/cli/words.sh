#!/bin/sh
# What a user may write and what the program says back. Usage: words.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -Fq -- "$1" || fail "no line with '$1'"; }
silent() { cat stdout stderr | grep -Fq -- "$1" && fail "a line with '$1'"; }

cat >records.csv <<DATA
cow,herd,milk
a,1,10.1
b,1,11.2
c,2,12.5
d,2,9.8
e,2,11.9
DATA
cat >job.yaml <<DATA
records: {file: records.csv}
model: milk ~ herd + iid(cow)
output: out
DATA

# a job without variances: solve and plan name the command that estimates them
run 2 2 solve job.yaml
says 'job.yaml:1:1: the job file has no `variances`: solve needs iid(cow): a number; residual: a number. `merit varcomp` estimates them'
run 1 0 plan job.yaml
says 'it is planned as a run of `merit varcomp`'
says 'iid(cow): to be estimated'

# variances of an earlier result: its folder, its file, from a flag and from the job file
mkdir earlier
echo '{"iid(cow)": 2.5, residual: 1.25}' >earlier/variances.yaml
run 2 0 solve job.yaml --variances earlier
grep -q '"iid(cow)":[[:space:]]*2.5' out/summary.json || fail 'summary.json does not have the variances'
cp out/solutions.tsv folder.tsv
run 1 0 solve job.yaml --variances earlier/variances.yaml --overwrite
cmp -s out/solutions.tsv folder.tsv || fail 'a folder and its file give other solutions'
run 1 0 solve job.yaml --variances '{iid(cow): 2.5, residual: 1.25}' --overwrite
cmp -s out/solutions.tsv folder.tsv || fail 'a folder and its values give other solutions'
mkdir below
sed 's/records.csv/..\/&/' job.yaml >below/job.yaml
echo 'variances: ../earlier' >>below/job.yaml
run 2 0 solve below/job.yaml
cmp -s below/out/solutions.tsv folder.tsv || fail 'variances of the job file do not start from its folder'
run 1 0 solve job.yaml --variances earlier --variances.residual 9 --overwrite
grep -q '"residual":[[:space:]]*9' out/summary.json || fail 'a flag for one variance does not come on top of the folder'
# results never replace the variances that they were computed with
run 2 2 solve job.yaml --variances earlier --output earlier --overwrite
[ -s earlier/variances.yaml ] || fail 'the file of variances was replaced'
echo '{"iid(cwo)": 2.5, residual: 1.25}' >wrong.yaml
run 2 2 solve job.yaml --variances wrong.yaml --overwrite
says 'wrong.yaml:1:2: variances: no random term is called `iid(cwo)`; did you mean `iid(cow)`?'
run 2 2 solve job.yaml --variances nowhere --overwrite
says 'variances: there is no file or folder nowhere (No such file or directory); give lines'

# an id with an escape sequence does not reach the terminal as it is; tables keep its bytes
esc=$(printf '\033')
sed "s/^a,/${esc}[31ma,/" records.csv >colour.csv
printf 'id,sire,dam\nb,0,0\nc,0,0\nd,b,c\ne,b,c\n' >pedigree.csv
printf 'records: {file: colour.csv}\npedigree: {file: pedigree.csv}\nmodel: milk ~ ped(cow)\nvariances: {ped(cow): 2, residual: 3}\noutput: out\n' >colour.yaml
run 2 3 solve colour.yaml --overwrite
says 'colour.csv:2: \x1b[31ma: the animal in column cow is not in the pedigree'
silent "$esc"
run 1 0 solve colour.yaml --overwrite --pedigree.absent founder
grep -Fq "${esc}[31ma" out/solutions.tsv || fail 'solutions.tsv does not keep the bytes of an id'

# ebv: weights, backticks, an index over traits; values are the weighted sums of the columns they come from
cat >two.csv <<DATA
cow,herd,milk,fat
a,1,10.1,4.1
b,1,11.2,3.9
c,2,12.5,4.4
d,2,9.8,3.5
e,2,11.9,NA
DATA
cat >two.yaml <<'DATA'
records: {file: two.csv}
pedigree: {file: pedigree.csv, absent: founder}
model: ["milk ~ herd + `the animal` = ped(cow)", "fat ~ herd + `the animal` = ped(cow)"]
variances: {the animal: [[2, 0.5], [0.5, 1]], residual: [[3, 0.2], [0.2, 1]]}
ebv: {half: "0.5*`the animal`", index: "2 * `the animal`[milk] - the animal[fat]/4", same: "1*`the animal`[milk]"}
solver: {type: cholesky}
output: two
DATA
run 2 0 solve two.yaml
awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
  function near(a, b) { return a - b < 1e-9 && b - a < 1e-9 }
  { m = $c["milk.the animal.ebv"]; f = $c["fat.the animal.ebv"]; r = $c["milk.the animal.reliability"]; n++
    if (!near($c["milk.half.ebv"], m / 2) || !near($c["fat.half.ebv"], f / 2) || !near($c["index.ebv"], 2 * m - f / 4)) bad = 1
    if (!near($c["milk.half.reliability"], r) || !near($c["same.reliability"], r) || r == "NA" || $c["index.reliability"] == "NA") bad = 1 }
  END { exit bad || n != 5 }' two/animals.tsv || fail "sums with weights: $(cat two/animals.tsv)"

# residual variances 1.5 times the genetic ones, all traits observed: any index is as reliable as a trait, covariances of the term included; and
# the reliability is 1 - se^2 / ((1 + F) variance), f being of full sibs
sed 's/NA/4.2/; $a f,1,10.3,3.7' two.csv >full.csv
sed '$a f,d,e' pedigree.csv >inbred.csv
sed 's/two.csv/full.csv/; s/pedigree.csv/inbred.csv/; s/residual: .*/residual: [[3, 0.75], [0.75, 1.5]]}/; s/output: two/output: full/' two.yaml >full.yaml
run 3 0 solve full.yaml
awk -F'\t' 'function near(a, b) { return a - b < 1e-8 && b - a < 1e-8 }
  FNR == 1 { delete c; for (i = 1; i <= NF; i++) c[$i] = i; next }
  FILENAME ~ /solutions/ { if ($c["trait"] == "milk" && $c["term"] == "the animal") se[$c["level"]] = $c["se"]; next }
  { r = $c["milk.the animal.reliability"]; n++; inbred += $c["inbreeding"] == 0.25
    if (!near($c["index.reliability"], r) || !near(1 - se[$c["id"]] ^ 2 / (2 * (1 + $c["inbreeding"])), r)) { print; bad = 1 } }
  END { exit bad || n != 6 || inbred != 1 }' full/solutions.tsv full/animals.tsv >why || fail "the reliability of an index, or of an inbred animal: $(cat why)"

# the prefix of genotypes may have an ending, unless there are files of that very name
touch chip.bed chip.bim chip.fam
run 2 0 plan job.yaml --quick --genotypes.bfile chip.bed
says ' chip.bim'
silent 'chip.bed.b'
run 1 0 plan job.yaml --quick --genotypes.bfile ./chip.fam
says ' ./chip.bim'
touch chip.bed.bed chip.bed.bim chip.bed.fam
run 2 0 plan job.yaml --quick --genotypes.bfile chip.bed
says ' chip.bed.bim'

exit $failed

#!/bin/sh
# The engines of merit varcomp from the outside: which one auto takes, that they agree with each other, and what is refused.
# Usage: varcomp_engines.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

said() { cat stdout stderr | grep -q -- "$1"; }
says() { said "$1" || fail "no message with '$1'"; }

# estimate TERM [FILE]: of a term of one component
estimate() { awk -F '\t' -v term="$1" '$1 == term { print $4 }' "${2:-out/varcomp.tsv}"; }
# is WHAT A B TOLERANCE: relative
is() { awk -v a="$2" -v b="$3" -v tol="$4" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a != "" && b != "" && d <= tol * (b < 0 ? -b : b)) }' || fail "$1 is $2, not $3"; }
json() { sed -n "s/.*\"$1\":[[:space:]]*\([-0-9.e+]*\),*\$/\1/p" out/summary.json | head -n 1; }

# 90 animals with two records each in herds and pens; 61 SNPs, and each of these a hundred times, so that M M' is a hundred times as large
awk 'BEGIN {
  seed = 7
  for (i = 0; i < 90; i++) {
    line = ""; many = ""; g[i] = 0
    for (j = 0; j < 61; j++) {
      seed = (seed * 1103515245 + 12345) % 2147483648; u = seed / 2147483648
      seed = (seed * 1103515245 + 12345) % 2147483648; w = seed / 2147483648
      c = (u < 0.4) + (w < 0.5); line = line c; g[i] += (j % 3 - 1) * c
      for (r = 0; r < 100; r++) many = many c
    }
    print "a" i, line >"few.txt"
    print "a" i, many >"many.txt"
  }
  print "id,herd,pen,w,y" >"records.csv"
  for (k = 0; k < 180; k++) {
    e = 0
    for (r = 0; r < 6; r++) { seed = (seed * 1103515245 + 12345) % 2147483648; e += seed / 2147483648 }
    pen = int(k / 7) % 12
    printf "a%d,h%d,p%d,%g,%.6f\n", k % 90, k % 4, pen, 1 + k % 3 / 2, 20 + k % 4 + (pen * 7 % 5) + 0.6 * g[k % 90] + 4 * (e - 3) >"records.csv"
  }
}'
cat >job.yaml <<DATA
records: {file: records.csv, weight: w}
genotypes: {text: few.txt}
model: "y ~ herd + iid(pen) + snp(id)"
varcomp: {tolerance: 1.0e-9}
output: out
overwrite: yes
DATA

# V itself where a factor of the SNPs' equations would be too large and observations are few
for method in reml ml; do
  run 1 0 varcomp job.yaml --varcomp.method $method
  says "engine factor"
  cp out/varcomp.tsv few.tsv
  likelihood=$(json log_likelihood)
  for n in 1 3; do
    run $n 0 varcomp job.yaml --varcomp.method $method --genotypes.text many.txt --output.solutions fixed
    says "engine dense"
    is "iid(pen)" "$(estimate 'iid(pen)')" "$(estimate 'iid(pen)' few.tsv)" 1e-6
    is "a hundred times snp(id)" "$(awk -v x="$(estimate 'snp(id)')" 'BEGIN { printf "%.12g", 100 * x }')" "$(estimate 'snp(id)' few.tsv)" 1e-6
    is "the log-likelihood" "$(json log_likelihood)" "$likelihood" 1e-8
  done
done
# the cheapest by what is foreseen, whatever the ranks: one genomic variance by its eigenvalues, a model of factors by its factor
for n in 1 3; do
  run $n 0 varcomp job.yaml --model "y ~ herd + snp(id)" --output.solutions fixed
  says "engine eigen: expected are .* s of a core for 7 rounds, engine "
  run $n 0 varcomp job.yaml --model "y ~ herd + iid(pen)" --output.solutions fixed
  says "engine factor: expected are "
done
# what does not fit is refused with the figure, before it is begun; auto takes what fits
for n in 1 3; do
  for engine in factor dense sampled; do
    run $n 2 varcomp job.yaml --varcomp.engine $engine --solver.memory 1K
    says "solver.memory: engine $engine needs [0-9.]* [KM]iB per rank, more than 1.00 KiB"
    said "start " && fail "$engine began work that does not fit"
  done
  for engine in eigen lanczos; do
    run $n 2 varcomp job.yaml --model "y ~ herd + snp(id)" --varcomp.engine $engine --solver.memory 1K
    says "solver.memory: engine $engine needs [0-9.]* [KM]iB per rank, more than 1.00 KiB"
  done
  run $n 2 varcomp job.yaml --solver.memory 1K
  says "engine [a-z]* needs"
done
# more observations than V has room for
awk 'NR == 1 { print; next } { line[NR] = $0 } END { for (r = 0; r < 28; r++) for (i = 2; i <= NR; i++) print line[i] r % 7 }' records.csv >long.csv
run 1 4 varcomp job.yaml --genotypes.text many.txt --records.file long.csv --varcomp.max_rounds 1 --varcomp.samples 2 --output.solutions fixed \
  --solver.memory 100M
says "engine sampled"
# no likelihood, no test of a term: said before the work, where the job names the engine before data are read
run 2 2 varcomp job.yaml --varcomp.engine sampled --varcomp.test 'iid(pen)'
says "engine sampled computes none"
said " equations" && fail "data are read before varcomp.test is refused"
run 2 2 varcomp job.yaml --genotypes.text many.txt --records.file long.csv --varcomp.test 'iid(pen)' --solver.memory 100M
says "solver.memory: no engine fits into the memory: engine [a-z]* needs"
said "traces from" && fail "work is done before varcomp.test is refused"

# close FILE: the estimates of out are within 4 Monte Carlo standard errors of those of FILE, which are known for all but fixed ones and variances of 0
close()
{
  awk -F '\t' 'FNR == NR { if (FNR > 1) exact[$1, $2, $3] = $4; next }
    FNR > 1 && $7 != "fixed" && $4 != 0 { d = $4 - exact[$1, $2, $3]; if (d < 0) d = -d; n++; if (!($6 > 0 && d < 4 * $6)) bad = 1 }
    END { exit bad || !n }' "$1" out/varcomp.tsv || { fail "sampled estimates are far from those of $1"; paste "$1" out/varcomp.tsv; }
}
# same FILE: the estimates of out are those of FILE
same()
{
  awk -F '\t' 'FNR == NR { other[FNR] = $4; next }
    FNR > 1 { d = $4 - other[FNR]; if (d < 0) d = -d; if (!(d <= 1e-6 * ($4 < 0 ? -$4 : $4))) bad = 1 } END { exit bad || FNR < 2 }' "$1" out/varcomp.tsv ||
    fail "estimates differ from those of $1"
}

# maximum likelihood with sampled traces: 15 fixed effects make residual variances of the two likelihoods differ by a tenth
set -- --model "y ~ herd + pen + snp(id) + iid(id)" --varcomp.method ml --output.solutions fixed
run 1 0 varcomp job.yaml "$@"
says "engine factor"
cp out/varcomp.tsv exact.tsv
for n in 1 3; do
  run $n 0 varcomp job.yaml "$@" --varcomp.engine sampled --varcomp.samples 400 --solver.rtol 1e-12
  close exact.tsv
  [ $n = 1 ] && cp out/varcomp.tsv one.tsv
  same one.tsv
done

# starts by moments: fewer rounds to the same estimates, which those of a random vector do not change
cat >spec.yaml <<DATA
seed: 5
output: pop
population: {animals: 3000, generations: 5, sires: 30}
herds: {number: 6, years: 2}
traits: {names: milk, means: 100, G: 30, R: 70}
DATA
cat >animals.yaml <<DATA
records: {file: pop/records.csv}
pedigree: {file: pop/pedigree.csv}
model: "milk ~ herd:year + ped(id)"
output: {folder: out, solutions: none}
overwrite: yes
DATA
run 1 0 simulate spec.yaml
run 1 0 varcomp animals.yaml --varcomp.start share
says "start from .variances"
cp out/varcomp.tsv exact.tsv
shares=$(json rounds)
for n in 1 3; do
  run $n 0 varcomp animals.yaml
  says "start by Haseman-Elston regression"
  same exact.tsv
  awk -v a="$(json rounds)" -v b="$shares" 'BEGIN { exit !(a <= b) }' || fail "$(json rounds) rounds from moments, $shares from shares"
  tail -n +2 out/convergence.tsv | head -n 1 | cut -f 2,3 >first.$n
done
awk 'NR == 1 { a = $1; b = $2 } NR == 2 { exit !(($1 / a - 1) ^ 2 < 1e-16 && ($2 / b - 1) ^ 2 < 1e-16) }' first.1 first.3 || fail "starts differ by ranks"
# a start is near the end: within four of its standard errors, which shares of the phenotypic variance are not
awk -F '\t' 'FNR == NR { if (FNR > 1) { e[FNR - 1] = $4; s[FNR - 1] = $5 } next } { for (i = 1; i <= 2; i++) { d = $i - e[i]; if (d < 0) d = -d; if (d > 4 * s[i]) bad = 1 } } END { exit bad }' \
  exact.tsv first.1 || fail "the start is far: $(cat first.1)"
# what comes out negative is raised, and does not keep the maximum from 0
printf 'g,y\na,1\na,2\na,6\nb,2\nb,3\nb,5.5\nc,1.5\nc,4\nc,3\n' >alike.csv
run 2 0 varcomp animals.yaml --records.file alike.csv --model 'y ~ iid(g)' --varcomp.start he
says "small variances raised"
[ "$(estimate 'iid(g)')" = 0 ] || fail "iid(g) is $(estimate 'iid(g)'), not 0"
is residual "$(estimate residual)" 3.048611111 1e-6
run 2 2 varcomp animals.yaml --variances.residual 70 --varcomp.start he
says "no start by Haseman-Elston"
run 1 0 varcomp animals.yaml --variances.residual 70
says "start from .variances"
run 1 2 varcomp animals.yaml --varcomp.method minque1 --varcomp.start he
says "varcomp.start goes with reml and ml"

# at the boundary, a matrix of rank 1 or a variance of 0, sampled traces end where exact ones do
cat >spec.yaml <<DATA
seed: 2
output: pop
population: {animals: 300, generations: 4, sires: 10}
herds: {number: 3, years: 2}
traits: {names: [milk, fat], means: [100, 10], G: [[40, 19.99], [19.99, 10]], R: [[60, 10], [10, 15]], missing: 0.1}
DATA
cat >two.yaml <<DATA
records: {file: pop/records.csv}
pedigree: {file: pop/pedigree.csv}
model: ["milk ~ herd:year + a = ped(id)", "fat ~ herd:year + a = ped(id)"]
output: {folder: out, solutions: none}
overwrite: yes
DATA
run 1 0 simulate spec.yaml --overwrite yes
run 2 0 varcomp two.yaml
says "the matrix of .a. is at the boundary"
cp out/varcomp.tsv exact.tsv
for n in 1 3; do
  run $n 0 varcomp two.yaml --varcomp.engine sampled --varcomp.samples 200 --solver.rtol 1e-10
  says "the matrix of .a. is at the boundary"
  close exact.tsv
done
run 2 0 varcomp animals.yaml --records.file alike.csv --model 'y ~ iid(g)' --varcomp.engine sampled
[ "$(estimate 'iid(g)')" = 0 ] || fail "iid(g) is $(estimate 'iid(g)'), not 0"
is residual "$(estimate residual)" 3.048611111 1e-4

exit $failed

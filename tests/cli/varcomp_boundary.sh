#!/bin/sh
# merit varcomp at the boundary of the parameter space: a residual variance of 0 has a closed form, whatever the engine and the ranks; estimates at the
# boundary have the same standard errors on any ranks, and are written where nothing can be solved at them. Usage: varcomp_boundary.sh MERIT MPIEXEC NUMPROC_FLAG SERVE.
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }
json() { sed -n "s/.*\"$1\":[[:space:]]*\([-0-9.e+]*\),*\$/\1/p" out/summary.json | head -n 1; }
# is WHAT A B TOLERANCE: absolute
is() { awk -v a="$2" -v b="$3" -v tol="$4" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a != "" && a != "NA" && d <= tol) }' || fail "$1 is $2, not $3"; }
cell() { awk -F '\t' -v key="$1" -v c="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) col = i } $1 == key { print $col; exit }' out/varcomp.tsv; }

# Four families of four full sibs that differ more than additive genes let them. With A = 1/2 (I + J) in each, of eigenvalues 1/2 and 5/2, and no residual,
# 15 s = 2 SS within + 2/5 SS between.
awk 'BEGIN {
  print "id,sire,dam" >"ped.csv"; print "id,y,c" >"rec.csv"
  for (f = 0; f < 4; f++) print "s" f ",0,0\nd" f ",0,0" >"ped.csv"
  split("10 11.5 9 10.5 21 19 20.5 20 14 15 16.5 13.5 30 28.5 29 31", y, " ")
  for (i = 0; i < 16; i++) {
    f = int(i / 4); print "o" i ",s" f ",d" f >"ped.csv"; print "o" i "," y[i + 1] "," i % 2 >"rec.csv"
    mean[f] += y[i + 1] / 4; all += y[i + 1] / 16
  }
  for (i = 0; i < 16; i++) within += (y[i + 1] - mean[int(i / 4)]) ^ 2
  for (f = 0; f < 4; f++) between += 4 * (mean[f] - all) ^ 2
  q = 2 * within + 0.4 * between; logs = 12 * log(0.5) + 3 * log(2.5) + log(16); two_pi = log(8 * atan2(1, 1))
  printf "%.10g %.10g %.10g ", q / 15, q / 15 * sqrt(2 / 15), -0.5 * (15 * (two_pi + log(q / 15) + 1) + logs) >"reml"
  printf "%.10g %.10g %.10g ", q / 16, q / 16 * sqrt(2 / 16), -0.5 * (16 * (two_pi + log(q / 16) + 1) + logs - log(16) + log(2.5)) >"ml"
}'
cat >job.yaml <<DATA
records: {file: rec.csv}
pedigree: {file: ped.csv}
model: "y ~ ped(id)"
output: out
overwrite: yes
DATA
for method in reml ml; do
  read -r s se likelihood <$method
  for n in 1 2 3 4; do
    engines=factor
    [ $n = 2 ] || engines="factor eigen dense lanczos"
    for engine in $engines; do
      run $n 0 varcomp job.yaml --varcomp.engine $engine --varcomp.method $method
      is "$engine, $method: ped(id)" "$(cell 'ped(id)' estimate)" "$s" 1e-6
      is "$engine, $method: its standard error" "$(cell 'ped(id)' se)" "$se" 1e-5
      [ "$(cell residual estimate) $(cell residual se) $(cell residual status)" = "0 NA boundary" ] || fail "$engine: the residual is $(cell residual estimate)"
      [ $engine = lanczos ] || is "$engine, $method: log-likelihood" "$(json log_likelihood)" "$likelihood" 1e-6
      says "the residual is at the boundary: 0"
      [ -s out/solutions.tsv ] || fail "$engine: no solutions"
    done
  done
  run 3 0 varcomp job.yaml --varcomp.engine sampled --varcomp.method $method --varcomp.samples 400
  is "sampled: ped(id)" "$(cell 'ped(id)' estimate)" "$s" "$(awk -v mc="$(cell 'ped(id)' se_mc)" 'BEGIN { print 4 * mc }')"
  [ "$(cell residual status)" = boundary ] || fail "sampled: the residual is $(cell residual status)"
done
# from a start that is next to 0, and by classes, of which both go there
read -r s se likelihood <reml
run 2 0 varcomp job.yaml --variances '{ped(id): 30, residual: 1.0e-9}'
is "from next to 0: ped(id)" "$(cell 'ped(id)' estimate)" "$s" 1e-6
run 3 0 varcomp job.yaml --variances '{residual: {by: c, value: {0: 2, 1: 3}}}'
is "by classes: ped(id)" "$(cell 'ped(id)' estimate)" "$s" 1e-5
says "residual of class .1. is at the boundary: 0"
[ "$(cell residual.0 status) $(cell residual.1 estimate)" = "boundary 0" ] || fail "residual classes are not at the boundary"

# A second trait, of other records, whose likelihood is highest without genetic variance; no covariance stays, so that each variance goes to 0 by itself. The
# closed form is that of the first trait beside a sample variance. The same on one line, with a diagonal residual matrix; and the test of both genetic variances.
awk 'BEGIN {
  print "id,y,z" >"apart.csv"; print "id,y,z" >"lines.csv"
  split("10 11.5 9 10.5 21 19 20.5 20 14 15 16.5 13.5 30 28.5 29 31", y, " "); split("3 9 5 2 8 6 4 11 5 2 9 7 3 8 10 12", z, " ")
  for (i = 1; i <= 16; i++) {
    print "o" i - 1 "," y[i] ",NA\no" i - 1 ",NA," z[i] >"apart.csv"; print "o" i - 1 "," y[i] "," z[i] >"lines.csv"
    my += y[i] / 16; mz += z[i] / 16
  }
  for (i = 1; i <= 16; i++) { sy += (y[i] - my) ^ 2; sz += (z[i] - mz) ^ 2 }
  for (ml = 0; ml < 2; ml++) {
    n = 15 + ml; c = n * (log(8 * atan2(1, 1)) + 1) + (ml ? 0 : log(16)); file = ml ? "ml" : "reml"; getline line <file; split(line, first, " "); file = "z." file
    printf "%.10g %.10g %.10g %.10g ", sz / n, sz / n * sqrt(2 / n), first[3] - 0.5 * (c + n * log(sz / n)), 2 * first[3] + c + n * log(sy / n) >file
  }
}'
cat >diag.yaml <<DATA
records: {file: apart.csv}
pedigree: {file: ped.csv}
model: ["y ~ ped(id)", "z ~ ped(id)"]
variances: {ped(id): {structure: diag, value: [50, 5]}, residual: {structure: diag, value: [1, 5]}}
output: out
overwrite: yes
DATA
# trait TERM TRAIT COLUMN
trait() { awk -F '\t' -v t="$1" -v v="$2" -v c="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) col = i } $1 == t && $2 == v && $3 == v { print $col }' out/varcomp.tsv; }
diagonal()
{
  run "$@"
  is "$*: ped(id) of y" "$(trait 'ped(id)' y estimate)" "$s" 1e-6
  is "$*: its standard error" "$(trait 'ped(id)' y se)" "$se" 1e-5
  is "$*: residual of z" "$(trait residual z estimate)" "$sz" 1e-6
  is "$*: its standard error" "$(trait residual z se)" "$sez" 1e-5
  is "$*: log-likelihood" "$(json log_likelihood)" "$both" 1e-6
  [ "$(trait residual y estimate) $(trait residual y se) $(trait residual y status)" = "0 NA boundary" ] || fail "$*: the residual of y is $(trait residual y estimate)"
  [ "$(trait 'ped(id)' z estimate) $(trait 'ped(id)' z se) $(trait 'ped(id)' z status)" = "0 NA boundary" ] || fail "$*: ped(id) of z is $(trait 'ped(id)' z estimate)"
  says "the matrix of the residual is at the boundary: singular"
  says "the variance of y is 0"
}
for method in reml ml; do
  read -r s se likelihood <$method
  read -r sz sez both statistic <z.$method
  for n in 1 3; do
    diagonal $n 0 varcomp diag.yaml --varcomp.method $method
  done
  diagonal 3 0 varcomp diag.yaml --records '{file: lines.csv}' --varcomp.method $method
  diagonal 2 0 varcomp diag.yaml --varcomp.method $method --varcomp.test 'ped(id)'
  is "$method: the test" "$(awk -F '\t' 'NR == 2 { print $2 }' out/tests.tsv)" "$statistic" 1e-5
done
read -r s se likelihood <reml
run 3 0 varcomp diag.yaml --varcomp.engine sampled --varcomp.samples 400
is "sampled: ped(id) of y" "$(trait 'ped(id)' y estimate)" "$s" "$(awk -v mc="$(trait 'ped(id)' y se_mc)" 'BEGIN { print 4 * mc }')"
[ "$(trait residual y status) $(trait 'ped(id)' z status)" = "boundary boundary" ] || fail "sampled: not at the boundary"

# the variances can be estimated in that memory, but the equations of animals without records are too many; what is estimated is written;
# conjugate gradients in place of a factor where the job leaves it open
{ cat ped.csv; awk 'BEGIN { for (i = 0; i < 3000; i++) print "x" i ",s" i % 4 ",d" i % 4 }'; } >many.csv
run 2 4 varcomp job.yaml --pedigree '{file: many.csv}' --varcomp.engine eigen --solver.type cholesky --solver.memory 200000
says "the variances are estimated and written, but there are no solutions at them"
is "without solutions: ped(id)" "$(cell 'ped(id)' estimate)" "$s" 1e-6
[ ! -f out/solutions.tsv ] || fail "solutions of no solver"

# two traits of groups whose means are all but proportional: G is singular, R free; the same on any ranks, to what the estimates are known
cat >two.csv <<DATA
g,a,b
1,14,6.4
1,11.8,5.2
1,12.6,5.3
2,7.3,3.7
2,7.7,2.6
2,7.1,3.5
3,7.5,3.8
3,9.4,3.7
3,6.8,4.7
4,11.3,4.8
4,10.6,6.2
4,11.1,5.3
5,8.3,4
5,8.6,4.1
5,8.9,3.9
6,11.1,4.1
6,10,4.7
6,12.4,5.1
DATA
printf 'records: {file: two.csv}\nmodel: ["a ~ t = iid(g)", "b ~ t = iid(g)"]\noutput: out\noverwrite: yes\n' >two.yaml
for n in 1 2 3 4; do
  run $n 0 varcomp two.yaml
  says "the correlation of a and b is 1"
  [ $n = 1 ] && cp out/varcomp.tsv one.tsv
  awk -F '\t' 'NR == FNR { e[FNR] = $4; s[FNR] = $5; next } FNR > 1 { d = $5 / s[FNR] - 1; if (d < 0) d = -d; if (d > 1e-6) print $1, $2, $3, $5, s[FNR] }' \
    one.tsv out/varcomp.tsv >off
  [ -s off ] && fail "standard errors on $n ranks: $(cat off)"
done

exit $failed

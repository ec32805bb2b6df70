#!/bin/sh
# merit varcomp from the outside: its tables, functions and tests, solutions at the estimates, what plan says of such jobs, what is refused, and the
# same on any number of ranks. Published answers are the matter of varcomp.sh. Usage: varcomp_tables.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

# near FILE KEYS COLUMN VALUE TOLERANCE: the row that begins with the tab-separated KEYS has VALUE in COLUMN
near()
{
  awk -F '\t' -v key="$2" -v c="$3" -v v="$4" -v tol="$5" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) col = i }
    index($0, key "\t") == 1 { found = 1; if (v !~ /^[-0-9.]/ || $col !~ /^[-0-9.]/) { if ($col != v) bad = 1 } else { d = $col - v; if (d < 0) d = -d; if (d > tol) bad = 1 } }
    END { exit !(found && col && !bad) }' "$1" || fail "$1: row '$2', column $3 is not $4"
}

# component FILE TERM ESTIMATE SE STATUS: of one trait and component; a relative difference of 1e-6 is rounding
component()
{
  near "$1" "$2" estimate "$3" "$(awk -v x="$3" 'BEGIN { print (x < 0 ? -x : x) * 1e-6 }')"
  near "$1" "$2" se "$4" "$(awk -v x="$4" 'BEGIN { print x * 1e-6 }')"
  near "$1" "$2" status "$5" 0
}

# json KEY: number of summary.json of out
json() { sed -n "s/.*\"$1\":[[:space:]]*\([-0-9.e+]*\),*\$/\1/p" out/summary.json | head -n 1; }
is() { awk -v a="$2" -v b="$3" -v tol="$4" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a != "" && d <= tol) }' || fail "$1 is $2, not $3"; }
header() { [ "$(head -n 1 "$1")" = "$(printf '%b' "$2")" ] || fail "header of $1: $(head -n 1 "$1")"; }
# value NAME: of functions.tsv
value() { awk -F '\t' -v name="$1" '$1 == name { print $2 }' out/functions.tsv; }

tab=$(printf '\t')
# Dyestuff (Davies & Goldsmith 1972): mean squares 11271.5 of 5 and 2451.25 of 24 degrees, so that the variance of batches is 1764.05
{
  echo Batch,Yield
  for row in A:1545,1440,1440,1520,1580 B:1540,1555,1490,1560,1495 C:1595,1550,1605,1510,1560 D:1445,1440,1595,1465,1545 \
    E:1595,1630,1515,1635,1625 F:1520,1455,1450,1480,1445; do
    for y in $(echo "${row#*:}" | tr , ' '); do echo "${row%%:*},$y"; done
  done
} >dyestuff.csv
cat >dye.yaml <<DATA
records: {file: dyestuff.csv}
model: "Yield ~ iid(Batch)"
varcomp: {tolerance: 1.0e-9}
functions:
  icc: "iid(Batch) / (iid(Batch) + residual)"
  sd: sqrt(residual)
output: out
overwrite: yes
DATA

# REML of balanced data is the analysis of variance; its information gives se^2 = 2/k^2 (MS1^2/5 + MS0^2/24) and 2 MS0^2/24
for n in 1 2 3; do
  run $n 0 varcomp dye.yaml --varcomp.test 'iid(Batch)'
  component out/varcomp.tsv 'iid(Batch)' 1764.05 1432.7512523 ok
  component out/varcomp.tsv residual 2451.25 707.6149236 ok
done
near out/varcomp.tsv 'iid(Batch)' share 0.418487416 1e-8
near out/varcomp.tsv residual share_se 0.216204990 1e-8
says '^iid(Batch) .* 1764.05  *1432.75  0.418 (0.216)$'
says '^icc  *0.418487  *0.216205$'
says 'results in out$'
header out/varcomp.tsv 'term\trow\tcolumn\testimate\tse\tse_mc\tstatus\tshare\tshare_se'
header out/functions.tsv 'name\testimate\tse'
header out/tests.tsv 'term\tstatistic\tdf\tp_value\tdistribution'
header out/convergence.tsv 'round\tiid(Batch)[Yield,Yield]\tresidual[Yield,Yield]\tlog_likelihood\tgradient\tchange\tstep\tseconds'
near out/varcomp.tsv residual se_mc 0 0
near out/functions.tsv icc estimate 0.41848743 1e-7
near out/functions.tsv icc se 0.216204990 1e-7
near out/functions.tsv sd se 7.1461674 1e-6
# lme4 1.1: REML criterion 319.6542768; without batches 326.0232322
is log_likelihood "$(json log_likelihood)" -159.82713842 1e-7
is log_likelihood_kernel "$(json log_likelihood_kernel)" -133.17792096 1e-7
is aic "$(json aic)" 323.65427684 1e-7
is n_fixed "$(json n_fixed)" 1 0
near out/tests.tsv 'iid(Batch)' statistic 6.3689553 1e-6
near out/tests.tsv 'iid(Batch)' p_value 0.0058066972 1e-9
# solutions at the estimates: k s / (k s + e) of a batch's difference from the mean of 1527.5, with standard errors from the direct solver
near out/solutions.tsv "Yield${tab}1" solution 1527.5 1e-6
near out/solutions.tsv "Yield${tab}1" se 19.3834121 1e-5
near out/solutions.tsv "Yield${tab}iid(Batch)${tab}1${tab}E" solution 56.7331877 1e-5
grep -q '"solver":[[:space:]]*"cholesky"' out/summary.json || fail "small equations were not solved directly"
[ "$(sed -n 's/.*"exit":[[:space:]]*//p' out/summary.json)" = 0 ] || fail "summary.json does not say exit 0"

run 2 0 varcomp dye.yaml --varcomp.method ml
component out/varcomp.tsv 'iid(Batch)' 1388.33333 1093.794863 ok
is log_likelihood "$(json log_likelihood)" -163.66352994 1e-7
is aic "$(json aic)" 333.32705988 1e-7
for method in minque minque1 minque2 mivque0; do
  run 2 0 varcomp dye.yaml --varcomp.method $method
  component out/varcomp.tsv 'iid(Batch)' 1764.05 1432.7512523 ok
done
for method in minque3 he anova; do
  run 3 0 varcomp dye.yaml --varcomp.method $method
  component out/varcomp.tsv 'iid(Batch)' 1764.05 NA ok
  near out/functions.tsv icc se NA 0
done
header out/anova.tsv 'source\tdf\tss\tms\tE.iid(Batch)\tE.residual'
near out/anova.tsv 'iid(Batch)' ms 11271.5 1e-6
near out/anova.tsv 'iid(Batch)' 'E.iid(Batch)' 5 1e-9
near out/anova.tsv residual df 24 0
near out/anova.tsv residual 'E.iid(Batch)' 0 1e-9
[ -f out/tests.tsv ] && fail "a table of the run before is still there"

# batches alike: a negative variance has no solutions, unless it is made 0; REML makes it 0
printf 'g,y\na,1\na,2\na,6\nb,2\nb,3\nb,5.5\nc,1.5\nc,4\nc,3\n' >alike.csv
set -- dye.yaml --records.file alike.csv --model 'y ~ iid(g)' --functions '{sum: iid(g) + residual}'
run 2 0 varcomp "$@" --varcomp.method anova
says 'estimated below 0'
component out/varcomp.tsv 'iid(g)' -1.19444444 NA negative
[ -f out/solutions.tsv ] && fail "solutions with a negative variance"
[ -f out/functions.tsv ] && [ -f out/summary.json ] || fail "a negative variance, and nothing is written"
run 2 0 varcomp "$@" --varcomp.method anova --varcomp.nonnegative yes
component out/varcomp.tsv 'iid(g)' 0 NA boundary
near out/solutions.tsv "y${tab}iid(g)${tab}1${tab}b" solution 0 0
# pens of a herd alike: without their negative variance that of herds is estimated again, (MS_herd - MS_residual) / 6, by hand
printf 'herd,pen,y\na,1,5\na,1,9\na,1,7\na,2,6\na,2,7.5\na,2,8\nb,3,1\nb,3,4\nb,3,2\nb,4,2.5\nb,4,1.5\nb,4,3.5\n' >pens.csv
run 2 0 varcomp dye.yaml --records.file pens.csv --model 'y ~ iid(herd) + iid(herd:pen)' --functions '{sum: iid(herd) + residual}' --varcomp.method anova
component out/varcomp.tsv 'iid(herd:pen)' -0.6875 NA negative
component out/varcomp.tsv 'iid(herd)' 10.8819444 NA ok
run 2 0 varcomp dye.yaml --records.file pens.csv --model 'y ~ iid(herd) + iid(herd:pen)' --functions '{sum: iid(herd) + residual}' --varcomp.method anova \
  --varcomp.nonnegative yes
component out/varcomp.tsv 'iid(herd:pen)' 0 NA boundary
component out/varcomp.tsv 'iid(herd)' 10.5381944 NA ok
for solver in pcg cholesky gsru; do
  run 2 0 varcomp "$@" --solver.type $solver --varcomp.test 'iid(g)'
  says 'at the boundary'
  component out/varcomp.tsv 'iid(g)' 0 NA boundary
  component out/varcomp.tsv residual 3.048611111 1.5243055 ok
  near out/solutions.tsv "y${tab}1" solution 3.1111111 1e-6
  near out/solutions.tsv "y${tab}iid(g)${tab}1${tab}b" solution 0 0
  near out/tests.tsv 'iid(g)' statistic 0 0
  near out/tests.tsv 'iid(g)' p_value 1 0
done

# two traits and a pedigree: the same on any number of ranks, functions of elements, and what solve finds at the estimates
cat >spec.yaml <<DATA
seed: 3
output: pop
population: {animals: 400, generations: 4, sires: 10}
traits: {names: [milk, fat], means: [100, 10], G: [[40, 10], [10, 9]], R: [[60, 10], [10, 15]], missing: 0.1}
DATA
cat >two.yaml <<DATA
records: {file: pop/records.csv}
pedigree: {file: pop/pedigree.csv}
model: ["milk ~ ped(id)", "fat ~ ped(id)"]
varcomp: {method: reml}
functions:
  rg: cor(ped(id), milk, fat)
  again: "ped(id)[fat, milk] / sqrt(ped(id)[milk] * ped(id)[2])"
  h2: "ped(id)[milk] / (ped(id)[milk] + residual[milk])"
output: out
overwrite: yes
DATA
run 1 0 simulate spec.yaml
run 1 0 varcomp two.yaml
cp -r out one
for n in 2 3; do
  run $n 0 varcomp two.yaml
  for table in varcomp functions solutions animals; do
    paste "out/$table.tsv" "one/$table.tsv" | awk -F '\t' '
      { for (i = 1; i <= NF / 2; i++) { a = $i; b = $(i + NF / 2); d = a - b; if (d < 0) d = -d; if (a != b && !(d <= 1e-5 * (a < 0 ? 1 - a : 1 + a))) bad = 1 } }
      END { exit bad || !NR }' || fail "$table.tsv differs on $n ranks"
  done
done
[ "$(cut -f 1-3 out/varcomp.tsv | tail -n +2 | tr '\t\n' ', ')" = 'ped(id),milk,milk ped(id),fat,milk ped(id),fat,fat residual,milk,milk residual,fat,milk residual,fat,fat ' ] ||
  fail "rows of varcomp.tsv"
is 'cor()' "$(value rg)" "$(value again)" 1e-12
is rg "$(value rg)" "$(awk -F '\t' '$1 == "ped(id)" { v[$2 $3] = $4 } END { printf "%.12g", v["fatmilk"] / sqrt(v["milkmilk"] * v["fatfat"]) }' out/varcomp.tsv)" 1e-9
is h2 "$(value h2)" "$(awk -F '\t' '$2 == "milk" && $3 == "milk" { v[$1] = $4 } END { printf "%.12g", v["ped(id)"] / (v["ped(id)"] + v["residual"]) }' out/varcomp.tsv)" 1e-9
variances=$(awk -F '\t' 'NR > 1 { v[$1 $2 $3] = $4 }
  END { printf "{ped(id): [[%s], [%s, %s]], residual: [[%s], [%s, %s]]}", v["ped(id)milkmilk"], v["ped(id)fatmilk"], v["ped(id)fatfat"],
    v["residualmilkmilk"], v["residualfatmilk"], v["residualfatfat"] }' out/varcomp.tsv)
run 2 2 solve two.yaml --output known
says variances
run 2 0 solve two.yaml --output known --variances "$variances" --solver.rtol 1e-12
for table in solutions animals; do
  paste "out/$table.tsv" "known/$table.tsv" | awk -F '\t' '
    NR == 1 { for (i = 1; i <= NF / 2; i++) if ($i == "solution" || $i ~ /ebv$/) use[i] = 1 }
    NR > 1 { for (i in use) { d = $i - $(i + NF / 2); n++; if (!(d < 1e-8 && d > -1e-8)) bad = 1 } } END { exit bad || !n }' ||
    fail "$table.tsv: solve finds others at the estimates"
done

# a genetic variance that is kept at 0: no preconditioner with the pedigree; what is left is the mean and its variance
for solver in pcg ksp gsru cholesky; do
  run 2 0 varcomp two.yaml --solver.type $solver --model 'milk ~ ped(id)' --variances '{ped(id): {value: 0, fix: yes}}' --functions '{e: residual}'
  near out/varcomp.tsv 'ped(id)' status fixed 0
  near out/solutions.tsv "milk${tab}ped(id)${tab}1${tab}COW0000001" solution 0 0
done
mean=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "milk") c = i } NR > 1 && $c + 0 > 0 { n++; s += $c; ss += $c * $c } END { printf "%.12g %.12g", s / n, (ss - s * s / n) / (n - 1) }' pop/records.csv)
near out/solutions.tsv "milk${tab}1" solution "${mean% *}" 1e-8
near out/varcomp.tsv residual estimate "${mean#* }" 1e-4

# plan takes a job that leaves variances open for varcomp, and checks it as such
run 2 0 plan two.yaml
says 'ped(id): to be estimated'
run 1 2 plan two.yaml --functions.h2 'ped(ix)'
says 'did you mean `ped(id)`'
run 1 2 plan two.yaml --varcomp.method he
says 'method he is for one trait'
for engine in lanczos eigen dense; do
  run 2 2 plan two.yaml --varcomp.engine $engine
  says "engine $engine is for one trait"
done
run 1 0 plan two.yaml --variances "$variances"
cat stdout stderr | grep -q 'to be estimated' && fail "plan says that given variances are estimated"

# too few rounds: exit 4, the best point is written with its solutions
run 2 4 varcomp dye.yaml --varcomp.max_rounds 1
says 'not converged after 1 round'
near out/varcomp.tsv residual status not_converged 0
[ -f out/solutions.tsv ] || fail "not converged, and nothing is written"
[ "$(json exit)" = 4 ] || grep -q '"exit":[[:space:]]*4' out/summary.json || fail "summary.json does not say exit 4"
run 2 4 varcomp two.yaml --solver.type pcg --solver.max_it 1
says 'the solutions at them have not converged'

# what is wrong is told before data are read, with its place, and leaves nothing behind
rm -rf out
refused() # WORDS ARGS...
{
  words=$1
  shift
  run 2 2 varcomp "$@" --records.file nowhere.csv
  says "$words"
  [ -e out ] && fail "a refused job left an output folder"
}
sed 's/icc: .*/icc: "1 + iid(Bach)"/' dye.yaml >wrong.yaml
refused 'wrong.yaml:5:13: .*did you mean `iid(Batch)`' wrong.yaml
refused 'no row `2`' dye.yaml --functions.x 'iid(Batch)[2]'
refused 'did you mean `iid(Batch)`' dye.yaml --varcomp.test 'iid(Bach)'
refused 'varcomp.engine goes with reml and ml' dye.yaml --varcomp.method he --varcomp.engine factor
refused 'varcomp.algorithm goes with reml and ml' dye.yaml --varcomp.method minque --varcomp.algorithm em
refused 'varcomp.iterate goes with minque' dye.yaml --varcomp.iterate yes
refused 'varcomp.nonnegative goes with' dye.yaml --varcomp.method ml --varcomp.nonnegative yes
refused 'anova.order goes with anova' dye.yaml --varcomp.method mivque0 --anova.order last
refused 'and method anova computes none' dye.yaml --varcomp.method anova --varcomp.test 'iid(Batch)'
refused 'there is nothing to test' dye.yaml --varcomp.test 'iid(Batch)' --variances '{iid(Batch): {value: 3, fix: yes}, residual: 1}'
refused 'varcomp.method' dye.yaml --varcomp.methid reml
refused 'reml' dye.yaml --varcomp.method rmel
refused 'method he is for one trait' two.yaml --varcomp.method he
refused 'is for method minque only' dye.yaml --varcomp.prior 1
refused 'ksp_type' dye.yaml -ksp_tipe cg
run 2 3 varcomp dye.yaml --records.file nowhere.csv
says nowhere.csv
run 2 3 varcomp dye.yaml --model 'Yield ~ Batch + iid(Batch)'
says 'Batch'
[ -e out/summary.json ] && fail "bad input left a result"

# a correlation of 1: the maximum over matrices of rank 1, as a search over their factor with dense algebra finds it, on any ranks, and
# effects that have one direction, by every solver
{
  echo g,a,b
  for row in 1,14,6.4 1,11.8,5.2 1,12.6,5.3 2,7.3,3.7 2,7.7,2.6 2,7.1,3.5 3,7.5,3.8 3,9.4,3.7 3,6.8,4.7 4,11.3,4.8 4,10.6,6.2 4,11.1,5.3 \
    5,8.3,4 5,8.6,4.1 5,8.9,3.9 6,11.1,4.1 6,10,4.7 6,12.4,5.1; do echo $row; done
} >one.csv
cat >one.yaml <<DATA
records: {file: one.csv}
model: ["a ~ t = iid(g)", "b ~ t = iid(g)"]
functions: {r: "cor(t, a, b)"}
output: out
overwrite: yes
DATA
for n in 1 2 3; do
  run $n 0 varcomp one.yaml --varcomp.test t
  says 'the matrix of `t` is at the boundary'
  near out/varcomp.tsv "t${tab}a${tab}a" estimate 4.408909406 4e-6
  near out/varcomp.tsv "t${tab}b${tab}a" estimate 1.807477602 2e-6
  near out/varcomp.tsv "t${tab}b${tab}b" estimate 0.740993969 7e-7
  near out/varcomp.tsv "t${tab}b${tab}b" status boundary 0
  near out/varcomp.tsv "residual${tab}b${tab}a" estimate 0.013369485 1e-7
  near out/varcomp.tsv "residual${tab}b${tab}b" estimate 0.293796212 3e-7
  is log_likelihood "$(json log_likelihood)" -46.671321127 1e-6
  near out/tests.tsv t statistic 19.313699439 1e-5
  near out/functions.tsv r estimate 1 1e-9
  near out/functions.tsv r se NA 0
done
run 2 0 varcomp one.yaml --varcomp.tolerance 1e-6
cp out/solutions.tsv exact.tsv
awk -F'\t' '$2 == "t" { u[$1 $4] = $6 } END { for (g = 1; g <= 6; g++) { d = u["b" g] - u["a" g] * 0.409960248; if (d * d > 1e-12) bad = 1 }
  exit bad || !u["a1"] }' exact.tsv || fail "effects of a matrix of rank 1 have more than one direction"
for solver in pcg gsru lhs_gs; do
  run 2 0 varcomp one.yaml --varcomp.tolerance 1e-6 --solver.type $solver --solver.rtol 1e-12
  paste exact.tsv out/solutions.tsv | awk -F'\t' 'NR > 1 { d = $6 - $14; if (d * d > 1e-12) bad = 1 } END { exit bad || NR < 10 }' ||
    fail "$solver and cholesky differ for a matrix of rank 1"
done
# a singular matrix of the user's that stays; the likelihood by dense algebra
for n in 1 2; do
  run $n 0 varcomp one.yaml --variances '{t: {value: [[4, 2], [2, 1]], fix: yes}, residual: {value: [[1, 0], [0, 1]], fix: yes}}'
  is log_likelihood "$(json log_likelihood)" -51.227229387 1e-7
done
rm -rf out

# an existing result is kept unless asked otherwise
run 1 0 varcomp dye.yaml --overwrite no
run 1 2 varcomp dye.yaml --overwrite no
says overwrite

exit $failed

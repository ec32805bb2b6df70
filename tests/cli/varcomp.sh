#!/bin/sh
# merit varcomp from the outside: published answers of every method, the same on any number of ranks, tables, exit codes.
# Usage: varcomp.sh MERIT MPIEXEC NUMPROC_FLAG SERVE. Reference data are looked for in MERIT_SHARED_DATA; what needs them is left out without.
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

# near FILE KEY COLUMN VALUE TOLERANCE: the row whose first field is KEY has VALUE in COLUMN, to a relative tolerance
near()
{
  awk -F '\t' -v key="$2" -v c="$3" -v v="$4" -v tol="$5" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) col = i }
    $1 == key && !found { found = 1; d = $col - v; s = v < 0 ? -v : v; if (d < 0) d = -d; if (s < 1e-9) s = 1; if (d > tol * s || $col == "" || $col == "NA") bad = 1; got = $col }
    END { if (!found || !col || bad) { print key, got, v; exit 1 } }' "$1" >&2 || fail "$1: row '$2', column $3 is not $4"
}

likelihood() { awk -v v="$1" '/"log_likelihood":/ { gsub(/[",]/, ""); d = $2 - v; if (d < 0) d = -d; ok = d < 1e-6 } END { exit !ok }' out/summary.json || fail "log-likelihood is not $1"; }

# Hemmerle and Hartley's unbalanced layout; ANOVA is printed in the manual of SAS VARCOMP
cat >hh.csv <<DATA
a,b,y
1,1,237
1,1,254
1,1,246
1,2,178
1,2,179
2,1,208
2,1,178
2,1,187
2,2,146
2,2,145
2,2,141
3,1,186
3,1,183
3,2,142
3,2,125
3,2,136
DATA
cat >hh.yaml <<DATA
records: {file: hh.csv}
model: "y ~ a + iid(b) + iid(a:b)"
functions: {ratio: "iid(b) / (iid(b) + iid(a:b) + residual)"}
output: out
DATA
job="varcomp hh.yaml --overwrite"

check() { # b, a:b, residual
  near out/varcomp.tsv "iid(b)" estimate "$1" 1e-6
  near out/varcomp.tsv "iid(a:b)" estimate "$2" 1e-6
  near out/varcomp.tsv residual estimate "$3" 1e-6
}

for ranks in 1 3; do
  run $ranks 0 $job --varcomp.method anova
  check 1448.3768315018576 27.426587301575193 78.633333333309224
  near out/anova.tsv a ss 11736.437499999911 1e-6
  near out/anova.tsv "iid(b)" ss 11448.125641025777 1e-6
  near out/anova.tsv residual df 10 1e-12
  run $ranks 0 $job --varcomp.method minque1
  check 1466.1230158730173 -35.491702741702504 105.73659673659587
  says "below 0"
  [ ! -e out/solutions.tsv ] || fail "solutions from a negative variance"
  run $ranks 0 $job --varcomp.method minque --varcomp.prior 0 --varcomp.nonnegative
  near out/varcomp.tsv "iid(a:b)" estimate 0 1e-12
  [ -e out/solutions.tsv ] || fail "no solutions"
  run $ranks 0 $job --varcomp.method minque2
  check 1473.6055041694071 23.354074712047275 79.267899463264968
  run $ranks 0 $job --varcomp.method minque3
  near out/varcomp.tsv residual estimate 78.633333333309224 1e-6
  run $ranks 0 $job --varcomp.method minque --varcomp.iterate
  check 1464.3672751389436 26.958852722458285 78.842389818328783
  run $ranks 4 $job --varcomp.method minque --varcomp.iterate --varcomp.max_rounds 2
  for engine in factor dense; do
    run $ranks 0 $job --varcomp.engine $engine
    check 1464.3672751389436 26.958852722458285 78.842389818328783
    near out/varcomp.tsv "iid(b)" se 2098.0388525077556 1e-4
    near out/varcomp.tsv residual se 35.302053666833622 1e-4
    likelihood -52.467081835082375
  done
  near out/functions.tsv ratio estimate 0.93261791 1e-6
  for engine in factor dense; do
    run $ranks 0 $job --varcomp.method ml --varcomp.engine $engine
    check 723.66582160319763 0 77.530492912663405
    likelihood -61.834790088884517
    grep -q "^iid(a:b).*boundary" out/varcomp.tsv || fail "no boundary"
  done
  run $ranks 0 $job --varcomp.algorithm em --varcomp.max_rounds 1000 --varcomp.tolerance 1e-6
  near out/varcomp.tsv residual estimate 78.842389818328783 1e-5
done
# a mean of many standard deviations takes no digits
awk -F , -v OFS=, 'NR > 1 { $3 += 1e7 } 1' OFMT=%.0f CONVFMT=%.0f hh.csv >far.csv
for method in reml minque3; do
  run 2 0 $job --varcomp.method $method
  cp out/varcomp.tsv near.tsv
  run 2 0 $job --varcomp.method $method --records.file far.csv
  awk -F '\t' 'NR == FNR { v[FNR] = $4; next } FNR > 1 && ($4 / v[FNR] - 1) ^ 2 > 1e-14 { exit 1 }' near.tsv out/varcomp.tsv || fail "$method: a mean of 1e7 changes the estimates"
done
run 2 0 $job --variances "{iid(b): 1464.3672751389436, iid(a:b): 26.958852722458285, residual: 78.842389818328783}" --varcomp.method mivque
check 1464.3672751388889 26.958852722458275 78.842389818328527
run 1 0 $job --varcomp.test "[iid(b), iid(a:b)]"
near out/tests.tsv "iid(b)" p_value 0.00960202 1e-5

# what can be wrong
run 2 2 $job --varcomp.method mivque
says "mivque requires"
run 2 2 $job --functions.bad "iid(c) + 1"
says "expected a number"
run 2 2 $job --varcomp.test "iid(q)"
says "no random term"
run 2 2 $job --varcomp.prior 1
says "is for method minque only"
run 3 4 $job --varcomp.max_rounds 2
says "not converged after 2 rounds"
[ -e out/varcomp.tsv ] || fail "the best point is not kept"
awk -F, 'NR == 1 { print $0 ",id,c"; next } { print $0 "," NR "," $2 }' hh.csv >ids.csv
other="$job --functions.ratio residual --records.file ids.csv"
run 2 3 $other --model "y ~ a + iid(b) + iid(c)"
says "iid(b).*iid(c).*cannot be distinguished\|iid(c).*iid(b).*cannot be distinguished"
run 2 3 $other --model "y ~ a + iid(b) + iid(c)" --varcomp.method minque2
says "cannot be distinguished"
run 2 3 $other --model "y ~ a + iid(id)"
says "cannot be distinguished"
run 2 3 $other --model "y ~ id + iid(b)"
says "no degrees of freedom remain"
run 2 3 $other --model "y ~ a + iid(id)" --varcomp.method anova
says "saturates the model"
# more columns than observations need not: these twenty, functions of b, reach what b does
awk -F, 'NR == 1 { printf "%s", $0; for (j = 1; j <= 20; j++) printf ",x%d", j; print ""; next }
  { printf "%s", $0; for (j = 1; j <= 20; j++) printf ",%d", $2 == 1 ? j : 3 - j * j; print "" }' hh.csv >wide.csv
run 2 0 $job --records.file wide.csv --functions.ratio residual --varcomp.method anova \
  --model "y ~ a + ridge($(seq -s ' + ' -f 'x%g' 20))"
near out/anova.tsv "ridge($(seq -s + -f 'x%g' 20))" df 1 0
near out/anova.tsv "ridge($(seq -s + -f 'x%g' 20))" ss 11448.125641025777 1e-6
near out/anova.tsv residual df 12 0
sed 's/,[0-9]*$/,5/; 1s/.*/a,b,y/' hh.csv >flat.csv
run 2 3 $job --records.file flat.csv
says "no variation"
awk -F, 'NR == 1 { print "a,b,y,z"; next } { print $1 "," $2 "," 1.5 + 0.1 * $1 "," 3 - 0.7 * $1 }' hh.csv >explained.csv
for with in reml "reml --varcomp.engine factor" "reml --varcomp.engine eigen" "reml --varcomp.engine dense" "reml --varcomp.engine sampled" \
  "reml --varcomp.engine lanczos" ml anova minque1 minque2 minque3 he; do
  run 1 3 $job --records.file explained.csv --functions.ratio residual --model "y ~ a + iid(b)" --varcomp.method $with
  says "fixed effects explain the observations"
done
run 2 3 $job --records.file explained.csv --model '["y ~ a + iid(b)", "z ~ a + iid(b)"]' --functions.ratio "residual[y]"
says "fixed effects explain the observations"
awk -F, 'NR == 1 { print; next } { print $1 "," $2 "," 1.5 + 0.1 * $2 * $2 }' hh.csv >equal.csv
run 2 3 $job --records.file equal.csv --model "y ~ iid(b)" --functions.ratio residual
says "the residual and .iid(b). cannot be distinguished: levels have one observation each, or equal ones"

[ -d "${MERIT_SHARED_DATA:-}" ] || [ "${MERIT_REQUIRE_ALL:-0}" != 1 ] || fail 'the reference data are lacking'
[ $failed -eq 0 ] && [ -d "${MERIT_SHARED_DATA:-}" ] || exit $failed
data=$MERIT_SHARED_DATA
cat >lme4.yaml <<DATA
records: {file: $data/classical/sleepstudy.csv}
model: "Reaction ~ cov(Days) + s = iid(Subject + Subject:cov(Days))"
functions: {r: "cor(s, 1, 2)"}
output: out
DATA
run 2 0 varcomp lme4.yaml --overwrite
near out/varcomp.tsv s estimate 612.08987022239307 1e-6
near out/varcomp.tsv residual estimate 654.9410327999675 1e-6
likelihood -871.81413597924529
run 2 0 varcomp lme4.yaml --overwrite --varcomp.method ml
near out/varcomp.tsv s estimate 565.51545 1e-5
likelihood -875.96967223159902
cat >gryphon.yaml <<DATA
records: {file: $data/gryphon/gryphon.csv}
pedigree: {file: $data/gryphon/gryphon_ped.csv}
model: "BWT ~ SEX + ped(ANIMAL) + iid(BYEAR) + iid(MOTHER)"
output: out
DATA
for ranks in 1 2 4; do
  run $ranks 0 varcomp gryphon.yaml --overwrite
  near out/varcomp.tsv "ped(ANIMAL)" estimate 2.2985330782272833 1e-6
  near out/varcomp.tsv "ped(ANIMAL)" se 0.4962669631849807 1e-4
  near out/varcomp.tsv "iid(MOTHER)" estimate 1.1184666727443597 1e-6
  likelihood -1877.7502094540932
done
run 3 0 varcomp gryphon.yaml --overwrite --varcomp.method ml
near out/varcomp.tsv "ped(ANIMAL)" estimate 2.2897960866553317 1e-6
near out/varcomp.tsv "ped(ANIMAL)" se 0.49483264135042221 1e-4
likelihood -1876.1382973982545

# Monte Carlo traces: the same on any ranks, and near the exact estimates
run 1 0 varcomp gryphon.yaml --overwrite --varcomp.engine sampled --varcomp.samples 40 --solver.rtol 1e-12
cp out/varcomp.tsv one.tsv
run 3 0 varcomp gryphon.yaml --overwrite --varcomp.engine sampled --varcomp.samples 40 --solver.rtol 1e-12
near out/varcomp.tsv "ped(ANIMAL)" estimate "$(awk -F'\t' '$1 == "ped(ANIMAL)" { print $4 }' one.tsv)" 1e-6
awk -F'\t' '$1 == "ped(ANIMAL)" { d = ($4 - 2.2985330782272833) / $6; if (d < 0) d = -d; ok = $6 > 0 && d < 4 } END { exit !ok }' one.tsv ||
  fail "sampled estimates are far from exact ones"
exit $failed

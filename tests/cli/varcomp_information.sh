#!/bin/sh
# merit varcomp where the data have little or nothing to say: models without random terms, components without information, variances too far apart.
# Usage: varcomp_information.sh MERIT MPIEXEC NUMPROC_FLAG SERVE.
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

# near KEY COLUMN VALUE TOLERANCE: the row of out/varcomp.tsv
near()
{
  awk -F '\t' -v key="$1" -v c="$2" -v v="$3" -v tol="$4" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == c) col = i }
    $1 == key { found = 1; d = $col - v; if (d < 0) d = -d; if (d > tol * v || $col == "NA") print key, $col, v }
    END { exit !found }' out/varcomp.tsv >off && [ ! -s off ] || fail "varcomp.tsv: '$1', column $2 is not $3: $(cat off)"
}

# no random term: least squares. Sums of squares within classes 2 + 26 + 6 = 34 of 5 degrees of freedom; |X'X| = 2 * 3 * 3
printf 'g,y\na,1\na,3\nb,2\nb,4\nb,9\nc,5\nc,5\nc,8\n' >plain.csv
printf 'records: {file: plain.csv}\nmodel: "y ~ g"\noutput: out\n' >plain.yaml
job="varcomp plain.yaml --overwrite"
for ranks in 1 3; do
  if [ $ranks = 1 ]; then engines="factor dense"; else engines="auto sampled"; fi
  for engine in $engines; do
    run $ranks 0 $job --varcomp.engine $engine
    near residual estimate 6.8 1e-5
    near residual se 4.30069761783 1e-5
    [ $engine = sampled ] || says "log-likelihood -13.332185"
    run $ranks 0 $job --varcomp.engine $engine --varcomp.method ml
    near residual estimate 4.25 1e-5
    near residual se 2.125 1e-5
    [ $engine = sampled ] || says "log-likelihood -17.139184"
  done
  run $ranks 0 $job --varcomp.algorithm em
  near residual estimate 6.8 1e-5
done
for method in he minque1 minque2 mivque0 anova; do
  run 3 0 $job --varcomp.method $method
  near residual estimate 6.8 1e-9
done
run 1 2 $job --varcomp.start he
says "no random term"
run 1 2 $job --varcomp.engine eigen
says "with a random term"
# more records than matrices of them are formed for: deviations of +-1 and +-2 about the classes' means, in equal numbers
awk 'BEGIN { print "g,y"; for (i = 0; i < 24000; i++) print i % 3 "," i % 3 + (i % 4 < 2 ? 1 : -1) * (1 + i % 2) }' >many.csv
for method in reml minque1 mivque0; do
  run 2 0 $job --records.file many.csv --varcomp.method $method
  near residual estimate "$(awk 'BEGIN { print 2.5 * 24000 / 23997 }')" 1e-5
done

# a trait that is twice another one and 3 more
awk 'BEGIN { print "g,y,y2"; for (i = 0; i < 30; i++) { y = (i * 7) % 11 + (i % 6); print i % 6 "," y "," 2 * y + 3 } }' >twice.csv
printf 'records: {file: twice.csv}\nmodel: ["y ~ a = iid(g)", "y2 ~ a = iid(g)"]\noutput: out\n' >twice.yaml
run 2 3 varcomp twice.yaml --overwrite
says 'the observations of y2 are a multiple of those of y: y2 = 2 \* y + 3 in all 30 records with both'

# refused JOB COMPONENT ARGS...: the component is named, on 1, 2 and 3 ranks
refused()
{
  job=$1 component=$2
  shift 2
  for ranks in 1 2 3; do
    run $ranks 3 varcomp $job --overwrite "$@"
    says "no information on the variance of .$component.: the fixed effects explain all"
  done
}

# random classes within fixed ones, one random class of one level: with all engines and methods, from all starts
awk 'BEGIN { print "herd,region,all,cow,y"
  for (i = 0; i < 60; i++) { h = i * 7 % 12; print "h" h ",r" h % 3 ",x,c" i % 20 "," 1000 + h + (i * i * 13) % 29 / 3 + (i * 5) % 20 } }' >within.csv
printf 'records: {file: within.csv}\nmodel: "y ~ region + iid(region) + iid(herd)"\noutput: out\n' >within.yaml
sed 's/region + iid(region)/iid(all)/' within.yaml >one.yaml
refused within.yaml "iid(region)"
refused one.yaml "iid(all)" --varcomp.start share
for option in "--varcomp.engine dense" "--varcomp.engine sampled --varcomp.start share" "--varcomp.method ml" "--varcomp.method he" "--varcomp.method minque1"; do
  run 2 3 varcomp within.yaml --overwrite $option
  says 'no information on the variance of .iid(region).'
done

# a residual class whose only record has a fixed effect of its own
awk 'BEGIN { print "env,cow,y"; for (i = 0; i < 40; i++) print "E" i % 2 ",c" i % 9 "," (i * i * 13) % 29 + i % 9; print "E9,c1,12" }' >class.csv
printf 'records: {file: class.csv}\nmodel: "y ~ env + iid(cow)"\nvariances: {residual: {by: env, value: {E0: 3, E1: 3, E9: 3}}}\noutput: out\n' >class.yaml
refused class.yaml residual.E9
refused class.yaml residual.E9 --varcomp.engine sampled

# little information is not none: a variance that starts far too small, animals without records
printf 'records: {file: within.csv}\nmodel: "y ~ region + iid(herd) + iid(cow)"\nvariances: {iid(herd): 1e-6, iid(cow): 1, residual: 10}\noutput: out\n' >small.yaml
run 1 0 varcomp small.yaml --overwrite
cp out/varcomp.tsv small.tsv
run 3 0 varcomp small.yaml --overwrite --variances.iid\(herd\) 1
awk -F '\t' 'NR > 1 { d = $4 - was[$1]; if (d < 0) d = -d; if (NR != FNR && d > 1e-4 * was[$1] + 1e-6) exit 1; was[$1] = $4 }' small.tsv out/varcomp.tsv ||
  fail "another estimate from a small start"

# why there is no factor: variances too far apart are no fault of fixed effects, and those that nearly depend on each other are
printf 'records: {file: within.csv}\nmodel: "y ~ region + iid(herd)"\nvariances: {iid(herd): 1e16, residual: 1}\noutput: out\n' >apart.yaml
awk 'BEGIN { print "x1,x2,x3,y"; for (i = 0; i < 40; i++) { a = i - 20; s = ((i * 17) % 40 - 20) * 1e-4
  printf "%.12g,%.12g,%.12g,%d\n", a, a - s, s * 1e4 + ((i * i * 7) % 41 - 20) * 1e-4, i % 7 } }' >near.csv
printf 'records: {file: near.csv}\nmodel: "y ~ cov(x1) + cov(x2) + cov(x3)"\nvariances: {residual: 1}\noutput: out\n' >near.yaml
for ranks in 1 3; do
  run $ranks 3 solve apart.yaml --overwrite --solver.type cholesky
  says 'the variance of .iid(herd)., 1e+16, is 1e+16 times that of the residual'
  ! grep -q 'fixed effects' stderr || fail "fixed effects are blamed"
  run $ranks 3 solve near.yaml --overwrite --solver.type cholesky
  says 'of the diagonal of .cov(x[123]).; fixed effects of the model depend on each other, or nearly so'
done
run 2 0 solve apart.yaml --overwrite --solver.type pcg
says 'no standard errors and reliabilities: the equations are singular to rounding'

exit $failed

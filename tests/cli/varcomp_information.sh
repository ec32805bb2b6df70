#!/bin/sh
# merit varcomp where the data have little or nothing to say: models without random terms, components without information, variances too far apart.
# Usage: varcomp_information.sh MERIT MPIEXEC NUMPROC_FLAG.
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

exit $failed

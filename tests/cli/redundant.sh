#!/bin/sh
# Fixed effects that nearly or wholly depend on each other, from the outside: what is estimated, and what is set to 0 and said.
# Usage: redundant.sh MERIT MPIEXEC NUMPROC_FLAG SERVE.
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

# near FILE TERM COLUMN VALUE TOLERANCE: the first row of the term
near()
{
  awk -F '\t' -v file="$1" -v key="$2" -v c="$3" -v v="$4" -v tol="$5" '
    NR == 1 { for (i = 1; i <= NF; i++) { if ($i == c) col = i; if ($i == "term") term = i } }
    $term == key && !found { found = 1; d = $col - v; if (d < 0) d = -d; if (d > tol * (v < 0 ? -v : v)) print key, $col, v }
    END { exit !found }' "$1" >off && [ ! -s off ] || fail "$1: '$2', column $3 is not $4: $(cat off)"
}

# y = 3 + 2 t - t^2 / 4 + t^3 / 100 of t = year - 2000, by powers of the year itself: the slope of the cube stays 1 / 100, and that of the
# square becomes -1 / 4 - 3 * 2000 / 100. Standard errors are those of the inverse in fractions. The cube keeps 2e-11 of its squared length after year and square. `twice` depends on year.
awk 'BEGIN { print "year,year2,year3,twice,y"
  for (i = 0; i < 80; i++) { x = 1985 + i * 7 % 36; t = x - 2000
    printf "%d,%d,%.0f,%d,%.6f\n", x, x * x, x * x * x, 2 * x, 3 + 2 * t - t * t / 4 + t * t * t / 100 } }' >year.csv
cat >year.yaml <<DATA
records: {file: year.csv}
model: "y ~ cov(year) + cov(year2) + cov(twice) + cov(year3)"
variances: {residual: 2}
solver: {rtol: 1e-13}
output: out
DATA
for ranks in 1 3; do
  for solver in pcg cholesky; do
    run $ranks 0 solve year.yaml --overwrite --solver.type $solver
    near out/solutions.tsv "cov(year3)" solution 0.01 1e-5
    near out/solutions.tsv "cov(year2)" solution -60.25 1e-5
    near out/solutions.tsv "cov(year3)" se 1.735649335e-4 1e-5
    says '`cov(twice)` .* set to 0'
  done
done
grep -q '`cov(twice)`' out/summary.json || fail "no warning in summary.json"
grep -c aliased out/solutions.tsv | grep -qx 1 || fail "more than one slope is set to 0"

# two classes of 2,400 levels that share no level between three parts; records in pairs about their means, so that the residual sum of
# squares is known: 12,000 of 12,000 - (4,800 - 3) degrees of freedom
awk 'BEGIN { print "a,b,y"
  for (i = 0; i < 6000; i++) { a = i % 2400; b = (a + 3 * int(i / 2400) * (a % 37 + 1)) % 2400; m = a % 11 + b % 7
    print "a" a ",b" b "," m - 1; print "a" a ",b" b "," m + 1 } }' >large.csv
cat >large.yaml <<DATA
records: {file: large.csv}
model: "y ~ a + b"
variances: {residual: 1}
output: out
DATA
for ranks in 1 3; do
  run $ranks 0 varcomp large.yaml --overwrite
  near out/varcomp.tsv residual estimate "$(awk 'BEGIN { printf "%.12g", 12000 / (12000 - 4797) }')" 1e-6
  says 'set to 0: a 1 (a999), b 3 ('
done
run 2 0 solve large.yaml --overwrite --solver.type cholesky

exit $failed

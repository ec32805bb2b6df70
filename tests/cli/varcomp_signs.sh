#!/bin/sh
# merit varcomp beyond the observations that matrices are formed of: balanced one-way data, where the answer of MINQUE(0) by random signs is that
# of the analysis of variance and the error of the signs is known, on any number of ranks.
# Usage: varcomp_signs.sh MERIT MPIEXEC NUMPROC_FLAG SERVE.
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

# draw GROUPS SIZE BETWEEN WITHIN SEED: y = group + rest, each uniform with that standard deviation
draw()
{
  awk -v groups="$1" -v size="$2" -v between="$3" -v within="$4" -v x="$5" '
    function uniform() { x = (16807 * x) % 2147483647; return (x / 2147483647 - 0.5) * sqrt(12) }
    BEGIN { print "g,y"; for (g = 1; g <= groups; g++) { u = between * uniform(); for (i = 0; i < size; i++) printf "g%d,%.9f\n", g, 50 + u + within * uniform() } }'
}

# closed FILE SAMPLES: estimates of the analysis of variance, and standard errors that random signs add to them. With A = Z Z` less its
# mean and x = z`A z, E x = tr A = k (a - 1), E z`A A z = k tr A, Var x = 2 (|A|^2 - its diagonal^2) = 2 (k^2 (a - 1) - n (1 - k / n)^2); the
# equations of a sample differ from the mean by (x - E x) (k s + e, s), which S^-1 takes to the estimates.
closed()
{
  awk -F, -v R="$2" 'NR > 1 { n++; sum[$1] += $2; all += $2; square += $2 * $2 }
    END {
      for (g in sum) { a++; between += sum[g] ^ 2 }
      k = n / a; ms0 = (square - between / k) / (n - a); ms1 = (between / k - all ^ 2 / n) / (a - 1); s = (ms1 - ms0) / k; e = ms0
      S11 = k * k * (a - 1); S12 = k * (a - 1); S22 = n - 1; det = S11 * S22 - S12 ^ 2
      r1 = k * s + e; r2 = s; sd = sqrt(2 * (k * k * (a - 1) - n * (1 - k / n) ^ 2) / R)
      d1 = sd * (S22 * r1 - S12 * r2) / det; d2 = sd * (S11 * r2 - S12 * r1) / det
      printf "%.12g %.12g %.12g %.12g\n", s, e, d1 < 0 ? -d1 : d1, d2 < 0 ? -d2 : d2
    }' "$1"
}

# agrees TERM ESTIMATE ERROR: within 4 se_mc of the closed form, and se_mc is what the closed form says, as far as its samples can tell
agrees()
{
  awk -F '\t' -v key="$1" -v v="$2" -v se="$3" '$1 == key { found = 1; d = $4 - v; if (d < 0) d = -d
      if (!($6 > 0.6 * se && $6 < 1.6 * se && d < 4 * $6) || $5 != "NA") { bad = 1; print key, $4, v, "se_mc", $6, se } }
    END { exit bad || !found }' out/varcomp.tsv >&2 || fail "$1: not the closed form"
}

samples() { grep -q "\"n_samples\":[[:space:]]*$1\b" out/summary.json || fail "summary.json does not tell of $1 samples"; }

draw 420 12 2 3 20250611 >balanced.csv
cat >signs.yaml <<DATA
records: {file: balanced.csv}
model: "y ~ iid(g)"
varcomp: {method: minque1}
output: out
overwrite: yes
DATA
set -- $(closed balanced.csv 64)
for n in 1 3; do
  run $n 0 varcomp signs.yaml
  agrees 'iid(g)' "$1" "$3"
  agrees residual "$2" "$4"
  samples 64
  [ -f one.tsv ] || cp out/varcomp.tsv one.tsv
done
paste one.tsv out/varcomp.tsv | awk -F '\t' 'NR > 1 { for (i = 4; i <= 6; i += 2) { n++; d = $i - $(i + 9); if (d < 0) d = -d; if (!(d <= 1e-9 * $i)) bad = 1 } }
  END { exit bad || n != 4 }' || fail "three ranks have other estimates than one"

# other samples, and more of them
set -- $(closed balanced.csv 300)
run 2 0 varcomp signs.yaml --varcomp.method mivque0 --varcomp.samples 300 --varcomp.seed 7
agrees 'iid(g)' "$1" "$3"
agrees residual "$2" "$4"
samples 300
# one sample has no spread
run 1 0 varcomp signs.yaml --varcomp.samples 1
awk -F '\t' '$1 == "residual" && $6 == "NA" { found = 1 } END { exit !found }' out/varcomp.tsv || fail "se_mc from one sample"

# groups alike: what is made 0 has no error, and the others come from equations without it: all is residual, which is exact
draw 420 12 0 3 11 >alike.csv
awk -F, 'NR > 1 { i++; print $1 "," $2 - (i % 12 < 6 ? 1 : -1) * int((i - 1) / 12) / 50 } NR == 1' alike.csv >less.csv
run 2 0 varcomp signs.yaml --records.file less.csv
grep -q '^iid(g).*negative[[:space:]]' out/varcomp.tsv || fail "groups alike, and no negative variance"
run 2 0 varcomp signs.yaml --records.file less.csv --varcomp.nonnegative yes
mean=$(awk -F, 'NR > 1 { n++; s += $2; ss += $2 * $2 } END { printf "%.12g", (ss - s * s / n) / (n - 1) }' less.csv)
awk -F '\t' -v v="$mean" '$1 == "iid(g)" && $4 == 0 && $6 == "NA" && $7 == "boundary" { n++ }
  $1 == "residual" { d = $4 / v - 1; if ($6 == 0 && d < 1e-9 && d > -1e-9) n++ } END { exit n != 2 }' out/varcomp.tsv || fail "a variance made 0"

# more observations than any matrix of them is for: those methods say so, and the analysis of variance, which needs none, is the closed form
draw 2100 12 2 3 20251126 >many.csv
for method in he minque2; do
  run 2 2 varcomp signs.yaml --records.file many.csv --varcomp.method $method
  says 'forms matrices of 25200 x 25200 observations'
done
# what dense matrices would take is refused with the figure before it is begun
for n in 1 3; do
  for engine in eigen dense; do
    run $n 2 varcomp signs.yaml --varcomp.method reml --varcomp.engine $engine --solver.memory 100M
    says "engine $engine .*, more than 100"
  done
  run $n 2 varcomp signs.yaml --varcomp.method anova --solver.memory 1K
  says "anova factors .* per rank, more than 1.00 KiB"
done
set -- $(closed many.csv 1)
for n in 1 3; do
  run $n 0 varcomp signs.yaml --records.file many.csv --varcomp.method anova
  awk -F '\t' -v s="$1" -v e="$2" '{ v = $1 == "iid(g)" ? s : e; d = $4 / v - 1; if (NR > 1 && d < 1e-8 && d > -1e-8) n++ } END { exit n != 2 }' \
    out/varcomp.tsv || fail "analysis of variance: not the closed form"
  awk -F '\t' '$1 == "iid(g)" && $2 == 2099 { n++ } $1 == "residual" && $2 == 23100 { n++ } END { exit n != 2 }' out/anova.tsv ||
    fail "analysis of variance: degrees of freedom"
done
exit $failed

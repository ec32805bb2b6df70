#!/bin/sh
# The engines of merit varcomp from the outside: which one auto takes, that they agree with each other, and what is refused.
# Usage: varcomp_engines.sh MERIT MPIEXEC NUMPROC_FLAG
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

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
# more observations than that
awk 'NR == 1 { print; next } { line[NR] = $0 } END { for (r = 0; r < 28; r++) for (i = 2; i <= NR; i++) print line[i] r % 7 }' records.csv >long.csv
run 1 4 varcomp job.yaml --genotypes.text many.txt --records.file long.csv --varcomp.max_rounds 1 --varcomp.samples 2 --output.solutions fixed
says "engine sampled"

# close FILE: the estimates of out are within 4 Monte Carlo standard errors of those of FILE, and these are known
close()
{
  awk -F '\t' 'FNR == NR { if (FNR > 1) exact[$1, $2, $3] = $4; next }
    FNR > 1 && $7 == "ok" { d = $4 - exact[$1, $2, $3]; if (d < 0) d = -d; n++; if (!($6 > 0 && d < 4 * $6)) bad = 1 }
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

exit $failed

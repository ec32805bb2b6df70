#!/bin/sh
# merit varcomp from the outside: the share of each component in the phenotypic variance, against sums by hand at variances that are fixed; and the
# table for people. Usage: varcomp_shares.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

# share KEY VALUE: of the row of out/varcomp.tsv that begins with the tab-separated KEY
share()
{
  awk -F '\t' -v key="$1" -v v="$2" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "share") c = i }
    index($0, key "\t") == 1 { d = $c - v; found = d < 1e-9 && d > -1e-9; is = $c } END { if (!found) print is; exit !found }' out/varcomp.tsv >off ||
    fail "share of '$1' is $(cat off), not $2"
}

tab=$(printf '\t')
# eight calves, six of known dams; weights of mean reciprocal (2 + 1 + 1/2 + 1/4) / 4 = 0.9375
cat >calves.csv <<DATA
calf,dam,y,w
c1,d1,10.5,0.5
c2,d1,12,1
c3,d2,11,2
c4,d2,9.5,4
c5,c1,13,0.5
c6,c2,12.5,1
c7,,10,2
c8,,11.5,4
DATA
{
  echo animal,sire,dam
  printf '%s\n' d1,, d2,, s1,,
  sed -n '2,$s/\(c[0-9]\),\([cd]*[0-9]*\),.*/\1,s1,\2/p' calves.csv
} >pedigree.csv
cat >calves.yaml <<DATA
records: {file: calves.csv, weight: w}
pedigree: {file: pedigree.csv}
model: "y ~ animal = ped(calf + dam)"
variances:
  animal: {value: [[4], [1, 2]], fix: yes}
  residual: {value: 3, fix: yes}
output: out
overwrite: yes
DATA
# Willham (1963): an animal and its dam are related by 1/2, so that a record with a dam has 4 + 2 + 2 * 1/2 * 1, and the mean of the residual is
# 3 * 0.9375: 4 + 3/4 * (2 + 1) + 2.8125 = 9.0625
for n in 1 3; do
  run $n 0 varcomp calves.yaml
  share "animal${tab}y.calf${tab}y.calf" "$(awk 'BEGIN { printf "%.15g", 4 / 9.0625 }')"
  share "animal${tab}y.dam${tab}y.dam" "$(awk 'BEGIN { printf "%.15g", 1.5 / 9.0625 }')"
  share residual "$(awk 'BEGIN { printf "%.15g", 2.8125 / 9.0625 }')"
done

# two columns of x, each a level of its own: mean squares of the columns, (1 + 4 + 9 + 16) / 4 and 1, times the variance
cat >columns.csv <<DATA
y,x_first_of_two_columns_of_long_names,x_second_of_two_columns_of_long_names
3,1,1
5,2,-1
4,3,-1
8,4,1
DATA
cat >columns.yaml <<DATA
records: {file: columns.csv}
model: "y ~ ridge(x_first_of_two_columns_of_long_names + x_second_of_two_columns_of_long_names)"
variances:
  "ridge(x_first_of_two_columns_of_long_names+x_second_of_two_columns_of_long_names)": {value: 2, fix: yes}
  residual: {value: 17, fix: yes}
output: out
overwrite: yes
DATA
for n in 1 2; do
  run $n 0 varcomp columns.yaml
  share 'ridge(x_first_of_two_columns_of_long_names+x_second_of_two_columns_of_long_names)' "$(awk 'BEGIN { printf "%.15g", 17 / 34 }')"
done
# people see a long label cut, the file has all of it
cat stdout stderr | awk '/^ridge/ { found = length($0) <= 100 && /^ridge\(x_first_of_two_columns_of_l\.\.\. +2 / } END { exit !found }' ||
  fail "a long label is not cut"

exit $failed

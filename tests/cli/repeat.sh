#!/bin/sh
# The same ranks and threads give the same bytes: every method and engine of merit varcomp, five runs on four threads.
# Usage: repeat.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

# 700 records of 350 animals with 300 SNPs, in 40 herds
awk 'BEGIN {
  seed = 11
  print "id,herd,y" >"records.csv"; print "id,sire,dam" >"pedigree.csv"
  for (i = 1; i <= 350; i++) {
    s = d = 0; if (i > 40) { s = 1 + i % 20; d = 21 + i % 20 }
    print "a" i ",a" s ",a" d >"pedigree.csv"
    line = ""
    for (j = 0; j < 300; j++) { seed = (seed * 1103515245 + 12345) % 2147483648; line = line int(3 * seed / 2147483648) }
    print "a" i, line >"chip.txt"
    for (k = 0; k < 2; k++) { seed = (seed * 1103515245 + 12345) % 2147483648
      print "a" i ",h" (i * 7 + k) % 40 "," 10 * seed / 2147483648 + (i % 20) / 10 + (i * 7 + k) % 40 / 20 >"records.csv" }
  }
}'
sed -i 's/,a0/,0/g' pedigree.csv
cat >job.yaml <<DATA
records: {file: records.csv}
pedigree: {file: pedigree.csv, sexes: free}
model: "y ~ 1 + iid(herd) + ped(id)"
varcomp: {max_rounds: 3, samples: 20}
output: {folder: out, solutions: fixed}
DATA
sed 's/ped(id)/snp(id)/' job.yaml >snp.yaml
echo 'genotypes: {text: chip.txt}' >>snp.yaml

# repeats NAME ARGS...: five runs say the same, but for seconds
repeats()
{
  name=$1
  shift
  for n in 1 2 3 4 5; do
    OMP_NUM_THREADS=4 OMP_WAIT_POLICY=passive "$merit" varcomp "$@" --output.folder out --overwrite >stdout 2>stderr
    status=$?
    [ $status = 0 ] || [ $status = 4 ] || fail "$name: exit $status"
    cut -f 1-7 out/varcomp.tsv >"$n.tsv"
    awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) skip = $i == "seconds" ? i : skip } { $skip = ""; print }' out/convergence.tsv >>"$n.tsv"
    cmp -s 1.tsv $n.tsv || fail "$name: run $n differs from the first: $(diff 1.tsv $n.tsv | head -n 4)"
  done
}

for engine in factor sampled; do repeats "ped, $engine" job.yaml --varcomp.engine $engine; done
for engine in factor sampled dense; do repeats "snp, $engine" snp.yaml --varcomp.engine $engine; done
sed 's/iid(herd) + //' snp.yaml >one.yaml
repeats "one term, eigen" one.yaml --varcomp.engine eigen
for method in minque mivque he; do repeats "$method" snp.yaml --varcomp.method $method --varcomp '{}' ; done
sed 's/ + ped(id)//' job.yaml >herd.yaml
repeats anova herd.yaml --varcomp.method anova
exit $failed

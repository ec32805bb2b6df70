#!/usr/bin/env bash
# rules.sh MERIT MPIEXEC NP-FLAG: the rules of the data that are no faults. What is counted, left out, and taken for what.
merit=$1 mpiexec=$2 flag=$3
tab=$'\t' failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

fail() {
  echo "FAILED: $1"
  tail -n 8 said 2>/dev/null
  failed=1
}

# run RANKS COMMAND JOB: must end well
run() { timeout 60 "$mpiexec" "$flag" "$1" "$merit" "$2" "$3" --overwrite --output.se no >said 2>&1 || fail "$2 $3 on $1 ranks: status $?"; }

# row WHAT FILE PATTERN: the file has a line that begins so; blanks of the pattern are tabs, points stand for blanks too
row() { grep -qE "^${3// /$'\t'}" "$2" || fail "$1: $2 has no line ${3}"; }
says() { grep -qF -- "$2" said || fail "$1: nothing said of '$2'"; }

cat >records.csv <<'END'
id,herd,y,z
1,1,2,NA
01,1.0,4,NA
2,2,7,NA
3,,9,NA
4,3,NA,5
1,3,NA,8
4,2,NA,.
END
cat >pedigree.csv <<'END'
id,sire,dam
1,0,.
01,NA,
2,1,01
2,1,01
3,1,01
4,1,2
9,3,2
END
cat >job.yaml <<'END'
records: {file: records.csv}
pedigree: {file: pedigree.csv}
model: [y ~ 0 + herd, z ~ 0 + herd + ped(id)]
variances: {ped(id): 1, residual: [[40, 10], [10, 40]]}
solver: {rtol: 1e-12}
output: out
END

for n in 1 3; do
  run $n solve job.yaml
  row 'whole numbers with a point are one class' out/solutions.tsv 'y herd 1 1 2 3 NA ok'
  row 'a missing class makes the observation missing' out/solutions.tsv 'y herd 1 2 1 7 NA ok'
  row 'and is listed' out/excluded.tsv 'record 5 3 y:.herd.is.missing'
  row 'a line without a trait is listed' out/excluded.tsv 'record 8 4 no.trait.is.observed'
  # z: 8 of animal 1, 5 of animal 4, V = [41 .75; .75 41.25], by hand
  row 'one trait alone' out/solutions.tsv 'z herd 1 3 2 6\.50464396'
  says 'a pair of traits never on one line' 'no record has both y and z'
  [ "$(grep -c "^[yz]${tab}herd" out/solutions.tsv)" = "$(grep -c herd out/solutions.tsv)" ] || fail 'odd rows of herd'
  [ "$(grep -c herd out/solutions.tsv)" = 3 ] || fail 'a level without an observation of the trait has no equation'
  row 'ids are byte strings: 1' out/animals.tsv '1 0 2 3 0\.00928792'
  row 'ids are byte strings: 01' out/animals.tsv '01 0 1 2 -0\.00928792'
  row 'a dropped record leaves its animal' out/animals.tsv '3 0 0 1 '
  row 'inbreeding of 4, offspring of 1 and 2' out/animals.tsv '4 0\.25 1 0 -0\.0185758'
  row 'an animal without records has its value from relatives' out/animals.tsv '9 0\.25 0 0 -0\.00464396'
  [ "$(wc -l <out/animals.tsv)" = 7 ] || fail 'a line that stands twice alike is one animal'
  run $n plan job.yaml
  says 'unknown parents' '2 of them founders'
done

# one line of many has both traits: on whatever rank it is, the pair is observed
awk 'BEGIN { print "id,y,z"; for (i = 1; i <= 30; i++) print (i % 2 ? "1," i ",NA" : "4,NA," i); print "2,3,4" }' >pairs.csv
for n in 1 3; do
  sed 's/records.csv/pairs.csv/; s/0 + herd/1/g' job.yaml >pairs.yaml
  run $n solve pairs.yaml
  ! grep -q 'no record has both' said || fail 'a pair of traits on one line, of one rank'
done

cat >classes.csv <<'END'
y,herd,x,nought
2,1.0,7,0
4,1,7.0,0
9,2,7,0
END
cat >classes.yaml <<'END'
records: {file: classes.csv}
model: y ~ herd + cov(x) + cov(nought)
variances: {residual: {by: herd, value: {1: 1, 2.0: 1}}}
output: out
END
for n in 1 3; do
  run $n solve classes.yaml
  row 'residual classes are whole numbers too' out/solutions.tsv 'y 1 1 1 3 9 NA ok'
  row 'the last class depends on the intercept' out/solutions.tsv 'y herd 1 2 1 0 NA aliased'
  row 'a constant covariate does' out/solutions.tsv 'y cov.x. 1 1 3 0 NA aliased'
  row 'a covariate of zeros too' out/solutions.tsv 'y cov.nought. 1 1 3 0 NA aliased'
done

# herds 1, 2 and years 1, 2 share no record with the others: two dependencies, beside that of the herds on the intercept
cat >apart.csv <<'END'
id,herd,year,x,y
a,1,1,1000000,1
b,1,2,1000001,3
a,2,1,1000002,5
b,2,2,1000003,7
a,3,3,1000001,2
b,3,4,1000002,4
a,4,3,1000003,9
0,4,4,1000004,NA
a,4,4,NA,8
NA,4,4,1000004,8
b,4,4,1000005,8
END
cat >apart.yaml <<'END'
records: {file: apart.csv}
model: y ~ herd + year + iid(id)
variances: {iid(id): 1, residual: 1}
output: out
END
cat >line.yaml <<'END'
records: {file: line.csv}
model: y ~ cov(x)
variances: {residual: 1}
solver: {rtol: 1e-13}
output: out
END
head -n 5 apart.csv >line.csv
printf 'a,1,1,NA,70\n' >>line.csv
for n in 1 3; do
  run $n solve apart.yaml
  row 'a missing id makes the observation missing' out/excluded.tsv 'record 11 .* y:.id.is.missing'
  row 'the last herd depends on the intercept' out/solutions.tsv 'y herd 1 4 3 0 NA aliased'
  row 'the last year of the first part' out/solutions.tsv 'y year 1 2 2 0 NA aliased'
  row 'the last year of the other part' out/solutions.tsv 'y year 1 4 3 0 NA aliased'
  [ "$(grep -c aliased out/solutions.tsv)" = 3 ] || fail 'as many redundant equations as there are parts, and one'
  run $n solve line.yaml
  row 'a missing covariate makes the observation missing' out/excluded.tsv 'record 6 .* y:.x.is.missing'
  # 1, 3, 5, 7 at 1000000 and the next: by hand; centred and scaled inside, a few iterations reach it
  row 'the slope on a covariate of a large mean' out/solutions.tsv 'y cov.x. 1 1 4 2(\.0000000|) NA ok'
  row 'and the intercept' out/solutions.tsv 'y 1 1 1 4 -1999999(\.000|) NA ok'
  [ "$(wc -l <out/convergence.tsv)" -lt 8 ] || fail 'a covariate of a large mean takes many iterations'
done

printf '1 s1 0 100 A C\n23 s2 0.5 200 G T\nX s3 0 100 A G\n2 s4 0 1 A C\n' >chip.bim
printf 'f 1 0 0 1 -9\nf 01 0 0 2 -9\nf 2 0 0 2 -9\nf 4 0 0 1 -9\nf q 0 0 1 -9\n' >chip.fam
# s1: 2 0 2 1 0 copies of A1; s2: one missing; s4: none
printf '\x6c\x1b\x01\x8c\x03\xb2\x01\x2f\x02\xff\x03' >chip.bed
cat >geno.yaml <<'END'
records: {file: records.csv}
genotypes: {bfile: chip}
model: y ~ snp(id)
variances: {snp(id): 1, residual: 40}
output: out
END
for n in 1 3; do
  run $n solve geno.yaml
  row 'the first allele is counted, over all genotyped animals' out/snps.tsv 's1 1 100 A C 0\.5 0 1 '
  row 'a missing genotype is left out of the frequency' out/snps.tsv 's2 23 200 G T 0\.5 1 1 '
  row 'a monomorphic SNP is not used' out/snps.tsv 's4 2 1 A C 0 0 0 NA'
  row 'and is listed' out/excluded.tsv 'snp NA s4 monomorphic'
  says 'sex chromosomes' '1 SNPs on chromosome X, Y, XY or MT (chrX, chrM...) are treated as if they were on autosomes'
  row 'records of animals without genotypes are listed' out/excluded.tsv 'record 5 3 y:.the.animal.has.no.genotype'
  row 'the second word of a .fam line is the id' out/animals.tsv '01 NA 1 NA '
  row 'a genotyped animal without a record has its value' out/animals.tsv 'q NA 0 NA -?[0-9.]+'
done

[ $failed = 0 ] && echo "all as it should be"
exit $failed

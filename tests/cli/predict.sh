#!/bin/sh
# merit predict from the outside: training animals get the breeding values they have, whatever the order of the SNPs and the allele
# counted; SNPs left out; values by hand; bad input. Usage: predict.sh MERIT MPIEXEC NUMPROC_FLAG SERVE
# shellcheck source=outside.sh
. "$(dirname "$0")/outside.sh"

says() { cat stdout stderr | grep -q -- "$1" || fail "no message with '$1'"; }

# same A B: the columns that B's header names have the same values in A, by id; numbers agree to 1e-10 of the largest
same()
{
  awk -F '\t' '
    NR == FNR && FNR == 1 { for (c = 1; c <= NF; c++) in_a[$c] = c; next }
    NR == FNR { id[$1] = $0; next }
    FNR == 1 { n = NF; for (c = 1; c <= n; c++) { at[c] = in_a[$c]; if (!at[c]) bad = "column " $c } next }
    { rows++; if (!($1 in id)) { bad = "id " $1; next }
      split(id[$1], v, "\t")
      for (c = 2; c <= n; c++) { a = v[at[c]]; b = $c; if (a == "NA" || b == "NA") bad = "NA of " $1
        d = a - b; if (d < 0) d = -d; if (d > worst) worst = d; if (b > most) most = b; if (-b > most) most = -b } }
    END { if (bad == "" && worst > 1e-10 * most) bad = "difference " worst " of " most
      if (!rows || !most) bad = "nothing to compare"
      if (bad != "") print "  " bad; exit bad != "" }' "$1" "$2" || fail "$1 and $2 differ ($3)"
}

# bytes OCTALS: a binary file from words as \0154
bytes() { printf '%b' "$(cat)"; }

counts() { # file, key, value
  grep -Eq "\"$2\":[[:space:]]*$3,?\$" "$1" || fail "$1: $2 is not $3: $(grep "\"$2\"" "$1")"
}

# 300 genotyped animals, so that the third and fourth rank have none; two traits
cat >spec.yaml <<DATA
seed: 3
output: pop
population: {animals: 400, generations: 3, sires: 10}
herds: {number: 4, years: 2}
traits: {names: [milk, fat], means: [100, 10], G: [[30, 3], [3, 2]], R: [[70, 5], [5, 6]]}
chip: {snps: 60, chromosomes: 3, genotyped: 300, qtl: 10, share: 0.9, missing: 0.02}
DATA
run 1 0 simulate spec.yaml
cat >job.yaml <<DATA
records: {file: pop/records.csv}
pedigree: {file: pop/pedigree.csv}
genotypes: {bfile: pop/chip}
model: ["milk ~ herd:year + g = snp(id) + ped(id)", "fat ~ herd:year + g = snp(id) + ped(id)"]
variances:
  g: [[0.5, 0.05], [0.05, 0.03]]
  ped(id): [[20, 2], [2, 1.5]]
  residual: [[70, 5], [5, 6]]
solver: {rtol: 1.0e-6}
output: out
DATA
cat >predict.yaml <<DATA
genotypes: {bfile: pop/chip}
predict: {snps: out/snps.tsv}
output: new
DATA
awk 'NR % 2 { print $2, 0.3 } !(NR % 2) { print $2, 0.6 }' pop/chip.bim >frequencies

# the animals of the training run, however it centred and scaled
for options in '' '--genotypes.scale vanraden' '--genotypes.scale standardised --genotypes.centre frequencies' '--genotypes.centre none'; do
  run 2 0 solve job.yaml --overwrite $options
  for n in 1 4; do
    run $n 0 predict predict.yaml --output "new$n" --overwrite
    same out/animals.tsv "new$n/animals.tsv" "$n ranks, $options"
  done
done
# a restart sees another file of frequencies
frequent="solve job.yaml --genotypes.centre frequencies --output frequent --restart auto"
run 2 0 $frequent
cp frequencies kept && sed 's/0\.3$/0.31/' kept >frequencies
run 2 2 $frequent
says 'holds an earlier result'
mv kept frequencies
run 2 0 $frequent
says 'holds the result of this job already: done'
run 2 0 solve job.yaml --overwrite
run 1 0 predict predict.yaml --output new1 --overwrite --predict.snps out
for n in 2 3 4; do
  run $n 0 predict predict.yaml --output "new$n" --overwrite
  for file in animals excluded; do cmp -s new1/$file.tsv "new$n/$file.tsv" || fail "$file.tsv differs on $n ranks"; done
done
[ "$(wc -l <new1/animals.tsv)" = 301 ] || fail "not a row for each animal"
[ "$(wc -l <new1/excluded.tsv)" = 1 ] || fail "something was left out"
counts new1/summary.json as_is 60
counts new1/summary.json swapped 0
counts new1/summary.json exit 0
[ -d new1/.staging ] && fail "the staging folder is still there"
run 1 2 predict predict.yaml --output new1
says 'overwrite'

# a table cut in its last number
head -c -3 out/snps.tsv >cut.tsv
run 2 3 predict predict.yaml --output bad --predict.snps cut.tsv
says 'cut.tsv: the last line has no line end: the file was cut short'
mkdir cut && cp out/summary.json cut && cp cut.tsv cut/snps.tsv
run 2 3 predict predict.yaml --output bad --predict.snps cut
says 'cut/snps.tsv: has .* by the summary.json beside it'

# SNPs in reverse order, the alleles of every third turned: codes 00 and 11 change places
stride=75
awk '{ line[NR] = $0 } END { for (i = NR; i; i--) { split(line[i], f, " ")
  if (i % 3) print f[1], f[2], f[3], f[4], f[5], f[6]; else print f[1], f[2], f[3], f[4], f[6], f[5] } }' pop/chip.bim >turned.bim
cp pop/chip.fam turned.fam
od -An -v -tu1 -w1 pop/chip.bed | awk -v stride=$stride '
  NR <= 3 { printf "\\0%o", $1; next }
  { b[NR - 3] = $1 + 0 }
  END { n = (NR - 3) / stride
    for (i = n; i; i--) for (j = 1; j <= stride; j++) { v = b[(i - 1) * stride + j]; w = v
      if (i % 3 == 0) { w = 0; for (k = 1; k < 256; k *= 4) { g = int(v / k) % 4; w += k * (g == 0 ? 3 : g == 3 ? 0 : g) } }
      printf "\\0%o", w } }' | bytes >turned.bed
cmp -s pop/chip.bed turned.bed && fail "nothing was turned"
for n in 1 3; do
  run $n 0 predict predict.yaml --genotypes.bfile turned --output turned --overwrite
  same out/animals.tsv turned/animals.tsv "turned, $n ranks"
  counts turned/summary.json as_is 40
  counts turned/summary.json swapped 20
done

# by hand: means 2p = 1, 0.5, 1.2, 1; the file has b as it is, a turned, c with other alleles, not d, and e without an effect
tab=$(printf '\t')
tr ' ' '\t' >effects.tsv <<DATA
snp counted other frequency y.g.effect z.g.effect
a A C 0.5 2 1
b G T 0.25 -4 0
c A G 0.6 100 100
d A G 0.5 100 100
e A G 0.5 NA NA
DATA
cat >hand.bim <<DATA
1 e 0 1 A G
1 c 0 2 A T
1 a 0 3 C A
1 b 0 4 G T
1 x 0 5 G T
DATA
printf '0 first 0 0 0 -9\n0 second 0 0 0 -9\n0 third 0 0 0 -9\n' >hand.fam
# codes two A1 0, missing 1, one 2, none 3; first animal lowest: a: 2, 1, 0 copies of C; b: 0, missing, 1 of G
printf '%b' '\0154\0033\0001\0054\0054\0070\0047\0054' >hand.bed
for n in 1 2; do
  run $n 0 predict predict.yaml --genotypes.bfile hand --predict.snps effects.tsv --output hand --overwrite
  # a has 0, 1, 2 copies of A: -1, 0, 1 times 2 and 1; b has 0, its mean, 1: -0.5, 0, 0.5 times -4 and 0
  printf 'id\ty.g.ebv\tz.g.ebv\nfirst\t0\t-1\nsecond\t0\t0\nthird\t0\t1\n' | cmp -s - hand/animals.tsv ||
    fail "not the values worked out by hand: $(cat hand/animals.tsv)"
  printf 'kind\tline\tid\treason\nsnp\t4\tc\tother alleles in the genotypes\nsnp\t5\td\tnot in the genotypes\n' |
    cmp -s - hand/excluded.tsv || fail "not what was left out: $(cat hand/excluded.tsv)"
  says '1 of 4 SNPs with effects are not in'
  says '1 of 4 SNPs with effects have other alleles'
done
counts hand/summary.json without_effect 2
counts hand/summary.json absent 1
counts hand/summary.json other_alleles 1

# all animals have two copies of the allele that is counted in the effects; its other allele is unknown on both sides, and they are written in
# the other order: 2 - 1 times 8 and 4 for all
{ cat effects.tsv; printf 'f\tA\t0\t0.5\t8\t4\n'; } >unknown.tsv
{ cat hand.bim; echo '1 f 0 6 0 A'; } >unknown.bim
{ cat hand.bed; printf '\077'; } >unknown.bed
cp hand.fam unknown.fam
run 1 0 predict predict.yaml --genotypes.bfile unknown --predict.snps unknown.tsv --output unknown
printf 'id\ty.g.ebv\tz.g.ebv\nfirst\t8\t3\nsecond\t8\t4\nthird\t8\t5\n' | cmp -s - unknown/animals.tsv ||
  fail "alleles known on one side only: $(cat unknown/animals.tsv)"

# an SNP that does not vary among the new animals counts, its lacking allele being 0; uncentred effects keep the means of lacking SNPs
tr ' ' '\t' >plain.tsv <<DATA
snp counted other frequency centre mean y.g.effect
a A C 0.5 0 1 2
b G T 0.25 0 0.5 8
c A G 0.6 0 1.2 10
DATA
printf '1 a 0 1 0 A\n1 b 0 1 G T\n' >mono.bim
printf '0 only 0 0 0 -9\n' >mono.fam
printf '%b' '\0154\0033\0001\0077\0075' >mono.bed
run 1 0 predict predict.yaml --genotypes.bfile mono --predict.snps plain.tsv --output mono
printf 'id\ty.g.ebv\nonly\t20\n' | cmp -s - mono/animals.tsv || fail "an SNP that does not vary: $(cat mono/animals.tsv)"

# text genotypes: by position
printf 'u 0 1 2\nv 2 2 5\n' >train.txt
printf 'id,y\nu,1\nv,2\n' >train.csv
cat >text.yaml <<DATA
records: {file: train.csv}
genotypes: {text: train.txt}
model: "y ~ snp(id)"
variances: {snp(id): 1, residual: 2}
output: text
DATA
cat >textnew.yaml <<DATA
genotypes: {text: train.txt}
predict: {snps: text}
output: textnew
DATA
run 1 0 solve text.yaml
run 2 0 predict textnew.yaml
same text/animals.tsv textnew/animals.tsv text
says 'by name only'
printf 'w 0 1\n' >short.txt
run 2 3 predict textnew.yaml --genotypes.text short.txt --overwrite
says 'identified by position only'
run 1 3 predict textnew.yaml --predict.snps effects.tsv --overwrite
says 'SNP1, SNP2, ... by position'

# bad input
refused() # status message arguments...: with nothing left behind, on 1 rank and on 3 by turns
{
  status_wanted=$1 message=$2
  shift 2
  turn=$((4 - turn))
  run $turn "$status_wanted" predict "$@" --output bad
  says "$message"
  [ -e bad/summary.json ] && fail "a refused run left a result"
}
turn=1
refused 3 'cannot be opened' predict.yaml --predict.snps none.tsv
refused 3 'cannot be opened' predict.yaml --genotypes.bfile none
refused 3 "no column 'snp'; a snps.tsv is needed" predict.yaml --predict.snps pop/records.csv
cut -f 1-4 effects.tsv >lacks.tsv
refused 3 "no column 'TRAIT.TERM.effect'" predict.yaml --predict.snps lacks.tsv
cut -f 1-3,5 effects.tsv >lacks.tsv
refused 3 "no column 'frequency'" predict.yaml --predict.snps lacks.tsv
sed 's/0\.25/1.25/' effects.tsv >odd.tsv
refused 3 "odd.tsv:3: b: the line has an effect, but no frequency" predict.yaml --genotypes.bfile hand --predict.snps odd.tsv
sed 's/0\.25/NA/' effects.tsv >odd.tsv
refused 3 "odd.tsv:3: b: the line has an effect, but no frequency" predict.yaml --genotypes.bfile hand --predict.snps odd.tsv
sed 's/-4/-4,5/' effects.tsv >odd.tsv
refused 3 'odd.tsv:3' predict.yaml --genotypes.bfile hand --predict.snps odd.tsv
sed 's/^c/b/' effects.tsv >twice.tsv
refused 3 'twice.tsv:4: b: this SNP is on line 3 already' predict.yaml --genotypes.bfile hand --predict.snps twice.tsv
for suffix in bed fam; do cp hand.$suffix double.$suffix; done
sed 's/ x / b /' hand.bim >double.bim
refused 3 'effects.tsv:3: b: two SNPs of .*double have this name' predict.yaml --genotypes.bfile double --predict.snps effects.tsv
refused 3 'has none of the 4 SNPs with an effect' predict.yaml --predict.snps effects.tsv
sed '/^[abd]/d' effects.tsv >other.tsv
refused 3 'none of its SNPs can be used' predict.yaml --genotypes.bfile hand --predict.snps other.tsv
sed 's/^\([^e].*\)\t[-0-9]*\t[-0-9]*$/\1\tNA\tNA/' effects.tsv | grep -v y.g >tail.tsv
head -n 1 effects.tsv | cat - tail.tsv >noeffect.tsv
refused 3 'no SNP has an effect' predict.yaml --genotypes.bfile hand --predict.snps noeffect.tsv
head -c 6 hand.bed >cut.bed
for suffix in bim fam; do cp hand.$suffix cut.$suffix; done
refused 3 'truncated' predict.yaml --genotypes.bfile cut --predict.snps effects.tsv
run 2 2 predict predict.yaml --output out --overwrite
says 'this folder has the file predict.snps'
run 1 2 predict predict.yaml --output ./out/ --overwrite --predict.snps out
[ -f out/solutions.tsv ] || fail 'the result that the effects come from is gone'
refused 2 'bfile or text, not both' predict.yaml --genotypes.text train.txt
refused 2 'unknown' predict.yaml --solver.rtol 1e-3
printf 'genotypes: {bfile: hand}\n' >lacking.yaml
refused 2 'no predict: snps' lacking.yaml
printf 'predict: {snps: effects.tsv}\n' >lacking.yaml
refused 2 'no genotypes: bfile or text' lacking.yaml
printf 'predict: {snps: effects.tsv}\ngenotypes: {bfile: hand}\n' >lacking.yaml
run 1 2 predict lacking.yaml
says 'no output: folder'

exit $failed

/*
  PLINK files under arbitrary bytes: .bim, a line "%%", .fam, a line "%%", .bed. The frequencies of what is loaded must be those of the
  bytes, decoded here once more.
*/
#include "fuzz.h"
#include <merit/genotypes.h>
#include <math.h>
#include <string.h>

/* Copies and missing ones of a SNP, straight from the .bed */
static void CheckSnp(FuzzBytes bed, int64_t n_animals, int32_t j, const MeritSnp *snp)
{
  static const int     copies[4] = {2, 3, 1, 0};
  const unsigned char *at        = (const unsigned char *)bed.at + 3 + (size_t)j * (size_t)((n_animals + 3) / 4);
  int64_t              sum = 0, missing = 0;

  for (int64_t i = 0; i < n_animals; i++) {
    const int c = copies[at[i / 4] >> (2 * (i % 4)) & 3];

    if (c == 3) missing++;
    else sum += c;
  }
  FuzzDemand(snp->n_missing == missing, "another number of missing genotypes");
  if (missing == n_animals) FuzzDemand(isnan(snp->frequency), "a frequency of nothing");
  else FuzzDemand(fabs(snp->frequency - 0.5 * (double)sum / (double)(n_animals - missing)) < 1e-12, "another frequency");
  FuzzDemand(memchr(snp->name, 0, 4096) != NULL && snp->name[0] && snp->chromosome[0] && snp->counted[0] && snp->other[0], "a name that is empty");
}

void FuzzOne(const uint8_t *data, size_t n)
{
  FuzzBytes       bim = FuzzPart(&data, &n), fam = FuzzPart(&data, &n), bed = {(const char *)data, n};
  MeritGenotypes  geno;
  const MeritSnp *snp;
  char            prefix[256];
  int64_t         n_animals;
  int32_t         n_snps, n_used;

  (void)FuzzFile("chip.fam", fam);
  (void)FuzzFile("chip.bed", bed);
  strcpy(prefix, FuzzFile("chip.bim", bim));
  prefix[strlen(prefix) - 4] = 0;
  FuzzDemand(!MeritGenotypesCreate(PETSC_COMM_SELF, &geno) && !MeritGenotypesSetFile(geno, "genotypes.bfile", prefix), "create");
  if (FuzzCheck(MeritGenotypesLoad(geno))) {
    FuzzDemand(!MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used) && n_used > 0 && n_used <= n_snps && n_animals > 0, "sizes");
    FuzzDemand(bed.n == 3 + (size_t)n_snps * (size_t)((n_animals + 3) / 4), "a .bed of another size");
    FuzzDemand(!MeritGenotypesSnps(geno, &snp), "no table");
    for (int32_t j = 0; j < n_snps; j++) CheckSnp(bed, n_animals, j, snp + j);
  }
  FuzzDemand(!MeritGenotypesDestroy(&geno), "free");
}

#define BIM "1 s1 0 100 A C\nX\ts2\t0.5\t200\tG T\n2 s3 0 -1 A G\n%%\n"
#define FAM "f a 0 0 1 -9\nf b 0 0 2 -9\nf c 0 0 2 -9\nf e 0 0 1 -9\nf g 0 0 1 -9\n%%\n"

static const FuzzBytes seeds[] = {
    FUZZ_SEED(BIM FAM "\x6c\x1b\x01\x8c\x03\xb2\x01\x2f\x02"),
    FUZZ_SEED(BIM FAM "\x6c\x1b\x01\xff\x03\xff\x03\x55\x01"),
    FUZZ_SEED("1 s 0 1 A C\r\n%%\n1 x 0 0 0 0\r\n%%\n\x6c\x1b\x01\x02"),
    FUZZ_SEED("1 s 0 1 A C\n%%\n1 x 0 0 0 0\n1 x 0 0 0 0\n%%\n\x6c\x1b\x01\x0e"),
    FUZZ_SEED("1 s 0 1 A C\n1 t 0 1e3 A C\n%%\n1 x 0 0 0 0\n1 y 0 0 0 0\n1 z 0 0 0 0\n1 w 0 0 0 0\n%%\n\x6c\x1b\x01\xe0\x1b"),
    FUZZ_SEED(BIM FAM "\x6c\x1b\x00\x8c\x03\xb2\x01\x2f\x02"),
    FUZZ_SEED("%%\n%%\n"),
};

FUZZ_TARGET(seeds, 2000);

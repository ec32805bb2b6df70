/* Text genotypes under arbitrary bytes, then perhaps a line "%%" and a file of frequencies. The first byte chooses the scale. */
#include "fuzz.h"
#include <merit/genotypes.h>
#include <math.h>
#include <string.h>

void FuzzOne(const uint8_t *data, size_t n)
{
  const uint8_t   choice = n ? *data : 0;
  MeritGenotypes  geno;
  const MeritSnp *snp;
  FuzzBytes       text, frequencies;
  char            path[256];
  int64_t         n_animals;
  int32_t         n_snps, n_used, column = 0;

  if (!n) return;
  data++, n--;
  text        = FuzzPart(&data, &n);
  frequencies = (FuzzBytes){(const char *)data, n};
  strcpy(path, FuzzFile("geno.txt", text));
  FuzzDemand(!MeritGenotypesCreate(PETSC_COMM_SELF, &geno) && !MeritGenotypesSetFile(geno, "genotypes.text", path), "create");
  FuzzDemand(!MeritGenotypesSetScale(geno, (MeritScale)(choice % 5)), "scale");
  FuzzDemand(!MeritGenotypesSetCentre(geno, true, frequencies.n ? FuzzFile("freq.txt", frequencies) : NULL), "centre");
  if (FuzzCheck(MeritGenotypesLoad(geno))) {
    FuzzDemand(!MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used) && n_used > 0 && n_used <= n_snps && n_animals > 0, "sizes");
    FuzzDemand((size_t)n_animals * (size_t)n_snps <= text.n, "more genotypes than bytes");
    FuzzDemand(!MeritGenotypesSnps(geno, &snp), "no table");
    for (int32_t j = 0; j < n_snps; j++) {
      FuzzDemand(isnan(snp[j].frequency) || (snp[j].frequency >= 0 && snp[j].frequency <= 1), "a frequency out of range");
      if (snp[j].column >= 0) FuzzDemand(snp[j].column == column++, "columns that are not in order");
    }
    FuzzDemand(column == n_used, "another number of columns");
  }
  FuzzDemand(!MeritGenotypesDestroy(&geno), "free");
}

static const FuzzBytes seeds[] = {
    FUZZ_SEED("0a 0 1 2\nb 1 5 1\nc 0 NA 0\ne\t.\t2\t2\n"),
    FUZZ_SEED("1a 012\nb 115\n\nc 010\r\n"),
    FUZZ_SEED("2a 0\nb 2\n"),
    FUZZ_SEED("3\xef\xbb\xbf"
              "a 0 1 2\nb 1 1 1\n%%\nSNP1 0.5\nSNP2 0.25\nSNP3 1e-1\n"),
    FUZZ_SEED("4a 0 5\nb 0 5\n"),
    FUZZ_SEED("0id S1 S2\na 0 1\n"),
    FUZZ_SEED("2a 01\nb 12\na 01\n"),
    FUZZ_SEED("2a 01\nb 12\n%%\nSNP1 0\nSNP2 1\n"),
};

FUZZ_TARGET(seeds, 2000);

/* Memory of genotypes, foreseen. */
#include <merit/cost.h>
#include <merit/dict.h>
#include <merit/genotypes.h>

/* Bytes of 256 animals at one SNP; of an SNP in the table of all, with its name and alleles; of one
   that is used: scale, frequency, column. Every rank has all of both. */
enum { TILE_BYTES = 64, SNP_BYTES = 128, USED_BYTES = 24 };
/* The list of missing genotypes: bytes of one, and of 32 SNPs of 256 animals; no list is kept of
   more than one in SPARSE */
enum { MISSING_BYTES = 2, INDEX_BYTES = 8, SPARSE = 32 };

/* On a grid of one column each rank has the missing genotypes of its animals. No list is
   kept where more than one genotype in SPARSE is missing, so that its memory is bounded. */
static PetscErrorCode Missing(MeritGenotypes geno, int64_t n_animals, int32_t n_used, MeritBytes *b)
{
  const MeritSnp *snps;
  int64_t         n_missing = 0;
  int32_t         n_snps;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(geno, NULL, &n_snps, NULL));
  PetscCall(MeritGenotypesSnps(geno, &snps));
  for (int32_t i = 0; i < n_snps; i++)
    if (snps[i].column >= 0) n_missing += snps[i].n_missing;
  if (SPARSE * n_missing > n_animals * n_used) PetscFunctionReturn(PETSC_SUCCESS);
  b->genotypes += MeritFullestBlock(MISSING_BYTES * n_missing, b->ranks) +
                  (MeritFullestBlock(n_animals, b->ranks) / 256 + 1) * ((n_used + 31) / 32) * INDEX_BYTES;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesAddBytes - See the header. Collective. */
PetscErrorCode MeritGenotypesAddBytes(MeritGenotypes geno, MeritBytes *b)
{
  int64_t n_animals, n_rows;
  int32_t n_snps, n_used;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(geno, &n_animals, &n_snps, &n_used));
  n_rows = MeritFullestBlock(n_animals, b->ranks);
  b->genotypes += (n_rows / 256 + 1) * TILE_BYTES * (int64_t)n_used + (int64_t)n_snps * SNP_BYTES + (int64_t)n_used * USED_BYTES;
  b->genotypes += n_rows * MERIT_LABEL_BYTES;
  PetscCall(Missing(geno, n_animals, n_used, b));
  PetscFunctionReturn(PETSC_SUCCESS);
}

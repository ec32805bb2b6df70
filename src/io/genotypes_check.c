/* Genotypes that are well formed and yet not what was meant: warnings, or errors where
   there is no doubt. Three checks: the last bytes of the .bed against the number of
   animals, animals without any genotype, SNPs with the same name. */
#include "genotypes_private.h"
#include <merit/log.h>
#include <string.h>

/* SNPs from which on an animal that has two counted alleles in each is beyond chance.
   Padding of a .bed is 0, the code of two counted alleles (A1). */
enum { TELLING_SNPS = 32 };

/* Id of one row of the file, on every rank; cut to size. Collective. */
static PetscErrorCode IdOf(MeritGenotypes geno, int64_t row, size_t size, char id[])
{
  int64_t *start;
  char    *label;

  PetscFunctionBegin;
  PetscCall(MeritDictLabels(geno->dict, 1, &row, &label, &start));
  PetscCall(PetscSNPrintf(id, size, "%.*s", (int)PetscMin(start[1] - start[0], 100), label));
  PetscCall(PetscFree(label));
  PetscCall(PetscFree(start));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Number of animals at the end of the .bed that have two counted alleles in every SNP;
   `any` is the OR of the last bytes of all SNPs. The first animal of a last byte is not
   counted: without it the byte would not be there, so its bits cannot be padding. At most
   3. */
static int64_t EndAnimals(MeritGenotypes geno, unsigned any)
{
  int64_t n = 0, last = (geno->n_animals - 1) % 4;

  while (n < last && !(any >> (2 * (last - n)) & 3)) n++;
  return n;
}

/*
  GenoCheckEnd - Whether the last bytes of the SNPs fit the number of animals.

  Collective. A .bed and a .fam that differ by up to three animals may have the same length. Bits
  behind the last animal are 0 (PLINK 1 format): where they are others, and not alike in all SNPs,
  they are genotypes of animals that the .fam does not have, an INPUT error. Bits that are alike may
  be some program's padding; and the last animals may truly have what padding looks like: both are
  warnings.
*/
PetscErrorCode GenoCheckEnd(MeritGenotypes geno, const char bed[], const BedEnd *end)
{
  int     span[2] = {end->most, -end->least};
  int64_t n;
  uint8_t any = end->any;
  char    id[128];

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, span, 2, MPI_INT, MPI_MAX, geno->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_UINT8_T, MPI_BOR, geno->comm));
  if (span[0] > 0 && span[0] != -span[1])
    PetscCall(MeritRaise(
        MERIT_ERROR_INPUT, bed, 0, NULL,
        "there are genotypes of more animals than the %lld of the .fam: the .bed was not written with this .fam; use files that belong together",
        (long long)geno->n_animals));
  if (span[0] > 0)
    MeritLog(MERIT_LOG_WARNING, "%s: the bits after the last of the %lld animals are not 0; check that the .bed was written with this .fam", bed,
             (long long)geno->n_animals);
  n = geno->n_snps < TELLING_SNPS ? 0 : EndAnimals(geno, any);
  if (!n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(IdOf(geno, geno->n_animals - n, sizeof(id), id));
  MeritLog(MERIT_LOG_WARNING,
           "%s: the last %lld of the %lld animals (from %s on) have two counted alleles in every SNP, as if the .bed had fewer animals than the "
           ".fam; check that both were written together",
           bed, (long long)n, (long long)geno->n_animals, id);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* word [8] = AND of the codes of all columns of a strip of this tile. A row with both of
   its bits 1 has code 3 (missing) in every column. The search ends early once no such row
   is left. Not collective. */
static void UncalledStrip(MeritGenotypes geno, int64_t strip, uint64_t word[MERIT_LINE])
{
  const uint64_t *line = geno->code + (size_t)strip * (size_t)geno->tile.n_cols * MERIT_LINE;
  uint64_t        some = 1;

  memset(word, 0xff, MERIT_LINE * sizeof(*word));
  for (int32_t c = 0; c < geno->tile.n_cols && some; c++, line += MERIT_LINE) {
    some = 0;
    for (int q = 0; q < MERIT_LINE; q++) {
      word[q] &= line[q];
      some |= word[q] & word[q] >> 1 & 0x5555555555555555u;
    }
  }
}

/* Combine the words of the ranks that have the same animals and other SNPs (a row of the
   grid): bits that are 1 in all of them remain. Collective. */
static PetscErrorCode JoinColumns(MeritGenotypes geno, int64_t n, uint64_t word[])
{
  MPI_Comm row;

  PetscFunctionBegin;
  if (geno->tile.grid_cols == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_split(geno->comm, geno->grid_row, geno->grid_col, &row));
  for (int64_t done = 0; done < n; done += 1 << 20)
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, word + done, (int)PetscMin(n - done, 1 << 20), MPI_UINT64_T, MPI_BAND, row));
  PetscCallMPI(MPI_Comm_free(&row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoCheckAnimals - Warn of animals without any genotype called. Rows beyond the last one
   have code 3 too, so only n_rows are looked at, by the first column of the grid, and from
   the last to the first so that the first one is named. Collective, once the tile is
   complete. */
PetscErrorCode GenoCheckAnimals(MeritGenotypes geno)
{
  const int64_t strips = MeritPackedStrips(geno->tile.n_rows);
  int64_t       first = INT64_MAX, n = 0;
  uint64_t     *word;
  char          id[128];

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(strips * MERIT_LINE, &word));
  for (int64_t s = 0; s < strips; s++) UncalledStrip(geno, s, word + s * MERIT_LINE);
  PetscCall(JoinColumns(geno, strips * MERIT_LINE, word));
  for (int64_t i = geno->tile.n_rows - 1; i >= 0 && !geno->grid_col; i--) {
    if ((word[i / 32] >> (2 * (i % 32)) & 3) != 3) continue;
    first = geno->tile.row_first + i;
    n++;
  }
  PetscCall(PetscFree(word));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n, 1, MPI_INT64_T, MPI_SUM, geno->comm));
  if (!n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT64_T, MPI_MIN, geno->comm));
  PetscCall(IdOf(geno, first, sizeof(id), id));
  MeritLog(MERIT_LOG_WARNING, "%s: %lld of %lld animals have no called genotype (first: %s): the mean of all animals is used for them",
           geno->options.path, (long long)n, (long long)geno->n_animals, id);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoCheckNames - Warn of names that several SNPs have. A new name has the next code of
   the pool, so a code below j minus the repeats so far is that of an earlier SNP. Not
   collective: rank 0 has all names and does it alone. */
PetscErrorCode GenoCheckNames(MeritGenotypes geno)
{
  MeritStrings names;
  int32_t      n     = 0, code;
  const char  *first = NULL;

  PetscFunctionBegin;
  if (geno->rank || !geno->options.reader->names) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritStringsCreate(&names));
  for (int32_t j = 0; j < geno->n_snps; j++) {
    PetscCall(MeritStringsIntern(names, geno->snps[j].name, strlen(geno->snps[j].name), &code));
    if (code == j - n) continue;
    if (!n++) first = geno->snps[j].name;
  }
  if (n)
    MeritLog(MERIT_LOG_WARNING,
             "%s%s: %d SNPs have the name of an earlier one (first: %s): results have one name for both, and `merit predict` and solver.start cannot "
             "distinguish them; rename them",
             geno->options.path, geno->options.reader->names, (int)n, first);
  PetscCall(MeritStringsDestroy(&names));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Packed genotypes of chosen animals on every rank. */
#include "genotypes_private.h"
#include <merit/exchange.h>

/* Rows of the tile among the n, and their positions there; returns how many */
static int32_t Here(MeritGenotypes geno, int32_t n, const int64_t row[], int32_t here[], int32_t position[])
{
  int32_t count = 0;

  for (int32_t i = 0; i < n; i++) {
    if (row[i] < geno->tile.row_first || row[i] >= geno->tile.row_first + geno->tile.n_rows) continue;
    here[count]       = (int32_t)(row[i] - geno->tile.row_first);
    position[count++] = i;
  }
  return count;
}

/*@
  MeritGenotypesAnimals - Packed genotypes of chosen animals, brought into their order, on every
  rank.

  Collective. word[n * n_words]; columns beyond the last are 0. Each tile fills in what it has: no
  two have the same bits.
@*/
PetscErrorCode MeritGenotypesAnimals(MeritGenotypes geno, int32_t first, int32_t n_words, int32_t n, const int64_t row[], uint64_t word[])
{
  const size_t      size = (size_t)n * (size_t)n_words, most = (size_t)(MeritMaxMessage() / 8);
  const MeritPacked tile = {.n_rows = geno->tile.n_rows, .n_cols = geno->tile.n_cols, .stride = geno->tile.n_cols, .code = geno->code};
  int32_t          *here, *position;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &here, n, &position));
  PetscCall(PetscArrayzero(word, size));
  MeritPackedRows(&tile, first - geno->tile.col_first, n_words, Here(geno, n, row, here, position), here, position, n, word);
  for (size_t from = 0; from < size && geno->size > 1; from += most)
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, word + from, (PetscMPIInt)PetscMin(most, size - from), MPI_UINT64_T, MPI_BOR, geno->comm));
  PetscCall(PetscFree2(here, position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

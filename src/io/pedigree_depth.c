/*
  A pedigree cut to certain animals (with records or genotypes) and their ancestors up to
  a number of generations back. It is cut right after reading: parents that are not kept
  become unknown, and all that follows sees a smaller pedigree.

  Steps of PedigreeCut(): mark the animals to keep (MarkKept), number them anew
  (Renumber), make lines of the file and a dictionary with these numbers (MakeRows,
  MakeDict), and deal the lines out to the new blocks, as after reading.
*/
#include "pedigree_load.h"
#include <math.h>

/* MeritPedigreeSetDepth - Generations of ancestors kept behind the animals of
   MeritPedigreeAddFocal; 0: all animals. Logically collective. */
PetscErrorCode MeritPedigreeSetDepth(MeritPedigree ped, int32_t depth)
{
  PetscFunctionBegin;
  ped->options.depth = depth;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPedigreeAddFocal - Animals that are kept whatever the depth, such as those with records; ids
  that the pedigree does not have are passed over.

  Not collective; each rank adds its own before `MeritPedigreeLoad()`. Copied.
@*/
PetscErrorCode MeritPedigreeAddFocal(MeritPedigree ped, MeritStrings pool)
{
  PetscFunctionBegin;
  for (int32_t c = 0; c < MeritStringsCount(pool); c++) {
    size_t      length;
    const char *at = MeritStringsGet(pool, c, &length);
    int32_t     code;

    PetscCall(MeritStringsIntern(ped->focal, at, length, &code));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mark n animals by number (-1: none) on the ranks that hold them; fresh [*n_fresh] = newly
   marked ones as indices in the block. Collective. fresh has room for n_local: an animal is
   fresh once. A parent of several animals arrives several times and is marked once. */
static PetscErrorCode Mark(MeritPedigree ped, int64_t n, const int64_t number[], bool kept[], int64_t *n_fresh, int64_t fresh[])
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  int64_t      *come;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &dest));
  for (int64_t i = 0; i < n; i++) dest[i] = number[i] < 0 ? -1 : MeritBlockOwner(ped->n, ped->size, number[i]);
  PetscCall(MeritExchangeCreate(ped->comm, n, dest, &ex));
  PetscCall(PetscMalloc1(MeritExchangeArriving(ex), &come));
  PetscCall(MeritExchangeForward(ex, sizeof(*number), number, come));
  *n_fresh = 0;
  for (int64_t k = 0; k < MeritExchangeArriving(ex); k++) {
    const int64_t i = come[k] - ped->block.first;

    if (!kept[i]) fresh[(*n_fresh)++] = i;
    kept[i] = true;
  }
  PetscCall(PetscFree(come));
  PetscCall(PetscFree(dest));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* kept [n_local] = focal animals, and then one generation of parents after the other:
   breadth first, so that an ancestor is found by its shortest path. Collective. Round g
   marks the parents of the animals that round g - 1 marked first; it ends early where none
   was new. */
static PetscErrorCode MarkKept(MeritPedigree ped, bool kept[])
{
  const PedigreeBlock *block   = &ped->block;
  const int32_t        n_focal = MeritStringsCount(ped->focal);
  int64_t             *number, *fresh, n_fresh, n_all;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(block->n_local, &fresh));
  PetscCall(PetscMalloc1(PetscMax(n_focal, 2 * block->n_local), &number));
  PetscCall(MeritDictFind(ped->dict, ped->focal, number));
  PetscCall(Mark(ped, n_focal, number, kept, &n_fresh, fresh));
  for (int32_t g = 0; g < ped->options.depth; g++) {
    PetscCallMPI(MPI_Allreduce(&n_fresh, &n_all, 1, MPI_INT64_T, MPI_SUM, ped->comm));
    if (!n_all) break;
    for (int64_t k = 0; k < n_fresh; k++) {
      number[2 * k]     = block->sire[fresh[k]];
      number[2 * k + 1] = block->dam[fresh[k]];
    }
    PetscCall(Mark(ped, 2 * n_fresh, number, kept, &n_fresh, fresh));
  }
  PetscCall(PetscFree(number));
  PetscCall(PetscFree(fresh));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* number [n_local] = new numbers of the kept animals in their old order, -1 for others; *n
   of them over all ranks. Collective. Animals stay in their old order, so new numbers
   follow from a prefix sum of the counts. */
static PetscErrorCode Renumber(MeritPedigree ped, const bool kept[], int32_t number[], int64_t *n)
{
  int64_t here = 0, next = 0;

  PetscFunctionBegin;
  for (int64_t i = 0; i < ped->block.n_local; i++) here += kept[i];
  PetscCallMPI(MPI_Exscan(&here, &next, 1, MPI_INT64_T, MPI_SUM, ped->comm));
  if (!ped->rank) next = 0;
  PetscCallMPI(MPI_Allreduce(&here, n, 1, MPI_INT64_T, MPI_SUM, ped->comm));
  for (int64_t i = 0; i < ped->block.n_local; i++) number[i] = kept[i] ? (int32_t)next++ : -1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The kept animals of this rank as rows with new numbers, as if read from a smaller file.
   Collective; *rows are owned by the caller. New numbers of parents come from the ranks
   that hold them; a parent that is not kept has number -1, which is unknown. */
static PetscErrorCode MakeRows(MeritPedigree ped, const int32_t number[], int64_t *n, PedigreeRow **rows)
{
  const PedigreeBlock *block = &ped->block;
  int32_t             *sire, *dam;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(block->n_local, &sire, block->n_local, &dam));
  for (int64_t i = 0; i < block->n_local; i++) sire[i] = dam[i] = -1;
  PetscCall(PedigreeAskParents(ped, block->sire, sizeof(*number), number, sire));
  PetscCall(PedigreeAskParents(ped, block->dam, sizeof(*number), number, dam));
  PetscCall(PetscMalloc1(block->n_local, rows));
  *n = 0;
  for (int64_t i = 0; i < block->n_local; i++)
    if (number[i] >= 0)
      (*rows)[(*n)++] = (PedigreeRow){.line = block->line[i],
                                      .id   = number[i],
                                      .sire = sire[i],
                                      .dam  = dam[i],
                                      .year = block->year ? block->year[i] : NAN,
                                      .sex  = block->sex ? block->sex[i] : PED_SEX_UNKNOWN};
  PetscCall(PetscFree2(sire, dam));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Dictionary of the labels of the kept animals. Collective; owned by the caller. */
static PetscErrorCode MakeDict(MeritPedigree ped, const int32_t number[], MeritDict *dict)
{
  const PedigreeBlock *block = &ped->block;
  MeritStrings         pool;
  int64_t             *order, n = 0;

  PetscFunctionBegin;
  PetscCall(MeritStringsCreate(&pool));
  PetscCall(PetscMalloc1(block->n_local, &order));
  for (int64_t i = 0; i < block->n_local; i++) {
    size_t      length;
    const char *label = MeritDictLocal(ped->dict, block->first + i, &length);
    int32_t     code;

    if (number[i] < 0) continue;
    PetscCall(MeritStringsIntern(pool, label, length, &code));
    order[n++] = number[i];
  }
  PetscCall(MeritDictCreate(ped->comm, pool, order, dict));
  PetscCall(PetscFree(order));
  PetscCall(MeritStringsDestroy(&pool));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeCut - See the header. Duplicate lines were counted before the cut, so that count is
   restored. Collective. */
PetscErrorCode PedigreeCut(MeritPedigree ped)
{
  MeritDict    dict;
  PedigreeRow *rows;
  bool        *kept;
  int32_t     *number;
  int64_t      n, n_rows = 0, n_duplicates = ped->n_duplicates;

  PetscFunctionBegin;
  if (!ped->options.depth) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1(ped->block.n_local, &kept));
  PetscCall(PetscMalloc1(ped->block.n_local, &number));
  PetscCall(MarkKept(ped, kept));
  PetscCall(Renumber(ped, kept, number, &n));
  if (!n) PetscCall(MeritRaise(MERIT_ERROR_INPUT, ped->options.path, 0, NULL, "pedigree.depth: none of its animals has a record or a genotype"));
  PetscCall(MakeRows(ped, number, &n_rows, &rows));
  PetscCall(MakeDict(ped, number, &dict));
  MeritLog(MERIT_LOG_INFO, "pedigree.depth %d: %lld of %lld animals kept", (int)ped->options.depth, (long long)n, (long long)ped->n);
  PetscCall(MeritDictDestroy(&ped->dict));
  ped->dict = dict;
  ped->n    = n;
  PetscCall(PedigreeBlockFree(&ped->block));
  PetscCall(PedigreeDealRows(ped, n_rows, &rows));
  ped->n_duplicates = n_duplicates;
  PetscCall(PetscFree(kept));
  PetscCall(PetscFree(number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

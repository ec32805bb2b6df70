/*
  Flags in the herd book: sires that were used, genotyped animals, and ancestors of genotyped
  animals.

  Each node has its own copy of the book and computes the flags for it, its ranks dividing the
  animals; so no message between nodes is needed. Ancestors are marked from the youngest generation
  back, since the mark may come from any offspring.
*/
#include "sim.h"

/* This rank's part of animals [first, first + n), when the ranks of a node divide all of them */
static void NodeShare(const SimBook *book, int64_t first, int64_t n, int64_t *begin, int64_t *end)
{
  *begin = first + MeritBlockFirst(n, book->memory.size, book->memory.rank);
  *end   = first + MeritBlockFirst(n, book->memory.size, book->memory.rank + 1);
}

/* Several ranks of a node may set the same byte at once, all to 1 */
static void Set(uint8_t *flag) { __atomic_store_n(flag, (uint8_t)1, __ATOMIC_RELAXED); }

/* Sires that have offspring */
static PetscErrorCode MarkSires(MeritSimulation sim)
{
  SimBook *book = &sim->book;
  int64_t  begin, end, n = 0;

  PetscFunctionBegin;
  NodeShare(book, 0, book->n, &begin, &end);
  for (int64_t i = begin; i < end; i++)
    if (book->animal[i].sire != SIM_UNKNOWN) Set(&book->animal[book->animal[i].sire].used);
  PetscCall(SimBookWait(book));
  for (int64_t i = begin; i < end; i++) n += book->animal[i].used;
  PetscCallMPI(MPI_Allreduce(&n, &sim->made.n_sires, 1, MPI_INT64_T, MPI_SUM, book->memory.node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Genotyped animals: the sires used (the youngest, if there are too many), then the youngest of the
   others; or (chip.recorded) the youngest with records */
static PetscErrorCode MarkChosen(MeritSimulation sim)
{
  SimBook *book   = &sim->book;
  int64_t  sires  = sim->spec.recorded ? 0 : PetscMin(sim->made.n_sires, sim->spec.genotyped);
  int64_t  others = PetscMin(sim->spec.genotyped, book->n) - sires, n = 0;

  PetscFunctionBegin;
  /* From the youngest animal back, by the first rank of the node; left: how many of its group are
     still to be chosen */
  for (int64_t i = book->n - 1; book->memory.rank == 0 && i >= 0 && sires + others > 0; i--) {
    /* with chip.recorded all animals are in the second group (sires = 0) */
    int64_t *left = book->animal[i].used ? &sires : &others;

    if (*left == 0 || (sim->spec.recorded && !SimHasRecords(sim, i))) continue;
    book->animal[i].genotyped = book->animal[i].ancestor = 1;
    (*left)--;
    n++;
  }
  PetscCall(SimBookWait(book));
  PetscCallMPI(MPI_Allreduce(&n, &sim->made.n_genotyped, 1, MPI_INT64_T, MPI_SUM, book->memory.node));
  if (!sim->made.n_genotyped) PetscCall(MeritNodeError(MeritNodeFind(sim->spec.tree, "chip.recorded"), "no animal has records: none is genotyped"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Ancestors of genotyped animals, youngest generation first */
static PetscErrorCode MarkAncestors(MeritSimulation sim)
{
  SimBook *book = &sim->book;

  PetscFunctionBegin;
  for (int g = sim->spec.generations - 1; g > 0; g--) {
    int64_t first = SimGenerationFirst(&sim->spec, g), begin, end;

    NodeShare(book, first, SimGenerationFirst(&sim->spec, g + 1) - first, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
      if (!book->animal[i].ancestor) continue;
      if (book->animal[i].sire != SIM_UNKNOWN) Set(&book->animal[book->animal[i].sire].ancestor);
      if (book->animal[i].dam != SIM_UNKNOWN) Set(&book->animal[book->animal[i].dam].ancestor);
    }
    PetscCall(SimBookWait(book));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimMarkGenotyped - See the header. Collective. */
PetscErrorCode SimMarkGenotyped(MeritSimulation sim)
{
  PetscFunctionBegin;
  PetscCall(MarkSires(sim));
  if (!sim->spec.has_chip) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MarkChosen(sim));
  PetscCall(MarkAncestors(sim));
  sim->made.n_snps = sim->spec.snps;
  sim->made.n_qtl  = sim->spec.n_qtl;
  PetscFunctionReturn(PETSC_SUCCESS);
}

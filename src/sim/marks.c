#include "sim.h"

/* This rank's part of a generation when every node goes through all of it. */
static void NodeShare(const SimBook *book, int64_t first, int64_t n, int64_t *begin, int64_t *end)
{
  *begin = first + MeritBlockFirst(n, book->memory.size, book->memory.rank);
  *end   = first + MeritBlockFirst(n, book->memory.size, book->memory.rank + 1);
}

/* Several ranks of a node may set the same byte: all of them to 1. */
static void Set(uint8_t *flag) { __atomic_store_n(flag, (uint8_t)1, __ATOMIC_RELAXED); }

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

/* Genotyped are the sires used (the youngest of them, if there are too many), then the youngest of the
   others; or the youngest with records. */
static PetscErrorCode MarkChosen(MeritSimulation sim)
{
  SimBook *book   = &sim->book;
  int64_t  sires  = sim->spec.recorded ? 0 : PetscMin(sim->made.n_sires, sim->spec.genotyped);
  int64_t  others = PetscMin(sim->spec.genotyped, book->n) - sires, n = 0;

  PetscFunctionBegin;
  for (int64_t i = book->n - 1; book->memory.rank == 0 && i >= 0 && sires + others > 0; i--) {
    int64_t *left = book->animal[i].used ? &sires : &others;

    if (*left == 0 || (sim->spec.recorded && !SimHasRecords(sim, i))) continue;
    book->animal[i].genotyped = book->animal[i].ancestor = 1;
    (*left)--;
    n++;
  }
  PetscCall(SimBookWait(book));
  PetscCallMPI(MPI_Allreduce(&n, &sim->made.n_genotyped, 1, MPI_INT64_T, MPI_SUM, book->memory.node));
  if (!sim->made.n_genotyped)
    PetscCall(MeritNodeError(MeritNodeFind(sim->spec.tree, "chip.recorded"), "no animal has records: none is genotyped"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

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

/*
  Mark in the herd book the sires used, and with a chip who is genotyped and whose genes must be followed (the
  genotyped and their ancestors). Every node does it for itself. Collective.
*/
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

/* Arrays over all animals, one copy on each node in memory shared by its ranks, and their exchange
   between nodes. */
#include "pedigree_private.h"

/* Unite what the nodes wrote. Each entry was written on at most one node and has the lowest
   possible value elsewhere, so the maximum over the nodes has all entries. Collective.
   Ranks of a node write to the same memory, so only one rank of each node takes part.
   Fences make writes of others visible before and after. After PedigreeGenerations() has
   used the window, all nodes have the same values and the maximum changes nothing. */
static PetscErrorCode Unite(PedigreeWindow *w, void *at, int64_t n, size_t unit, MPI_Datatype type)
{
  const int64_t at_once = MeritMaxMessage() / (int64_t)unit;
  PetscMPIInt   n_nodes = 1;

  PetscFunctionBegin;
  PetscCall(MeritSharedFence(&w->memory));
  if (w->memory.leaders != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_size(w->memory.leaders, &n_nodes));
  for (int64_t done = 0; n_nodes > 1 && done < n; done += at_once)
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, (char *)at + (size_t)done * unit, (int)PetscMin(at_once, n - done), type, MPI_MAX, w->memory.leaders));
  PetscCall(MeritSharedFence(&w->memory));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeWindowCreate - See the header. Inbreeding comes first in memory, for its alignment.
   Collective. */
PetscErrorCode PedigreeWindowCreate(MPI_Comm comm, int64_t n, PedigreeWindow *w)
{
  int64_t last;

  PetscFunctionBegin;
  w->n = n;
  PetscCall(MeritSharedCreate(comm, n * (int64_t)(sizeof(double) + 2 * sizeof(int32_t)), "pedigree", &w->memory));
  w->inbreeding = (double *)w->memory.at;
  w->parents    = (int32_t *)(void *)(w->inbreeding + n);
  last          = MeritBlockFirst(n, w->memory.size, w->memory.rank + 1);
  for (int64_t i = MeritBlockFirst(n, w->memory.size, w->memory.rank); i < last; i++) {
    w->inbreeding[i]  = 0;
    w->parents[2 * i] = w->parents[2 * i + 1] = -1;
  }
  PetscCall(MeritSharedFence(&w->memory));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeWindowShareParents - See the header. Collective. */
PetscErrorCode PedigreeWindowShareParents(PedigreeWindow *w)
{
  PetscFunctionBegin;
  PetscCall(Unite(w, w->parents, 2 * w->n, sizeof(*w->parents), MPI_INT32_T));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeWindowShareInbreeding - See the header. Collective. */
PetscErrorCode PedigreeWindowShareInbreeding(PedigreeWindow *w, int64_t first, int64_t last)
{
  PetscFunctionBegin;
  PetscCall(Unite(w, w->inbreeding + first, last - first, sizeof(*w->inbreeding), MPI_DOUBLE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PedigreeWindowDestroy - See the header. Collective. */
PetscErrorCode PedigreeWindowDestroy(PedigreeWindow *w)
{
  PetscFunctionBegin;
  PetscCall(MeritSharedDestroy(&w->memory));
  PetscFunctionReturn(PETSC_SUCCESS);
}

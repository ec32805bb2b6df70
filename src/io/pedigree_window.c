#include "pedigree_private.h"
#include <stdlib.h>

/* Ranks that share memory; tests set MERIT_NODE_RANKS to play several nodes on one machine */
static PetscErrorCode SplitNodes(MPI_Comm comm, MPI_Comm *node, MPI_Comm *leaders)
{
  const char *text = getenv("MERIT_NODE_RANKS");
  const int   most = text ? atoi(text) : 0;
  PetscMPIInt rank, node_rank;
  MPI_Comm    machine;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine));
  PetscCallMPI(MPI_Comm_rank(machine, &node_rank));
  PetscCallMPI(MPI_Comm_split(machine, most > 0 ? node_rank / most : 0, node_rank, node));
  PetscCallMPI(MPI_Comm_free(&machine));
  PetscCallMPI(MPI_Comm_rank(*node, &node_rank));
  PetscCallMPI(MPI_Comm_split(comm, node_rank == 0 ? 0 : MPI_UNDEFINED, rank, leaders));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The memory: inbreeding first, parents after it; from malloc when no other rank needs it */
static PetscErrorCode Allocate(MPI_Comm comm, PedigreeWindow *w)
{
  const MPI_Aint bytes = (MPI_Aint)w->n * (MPI_Aint)(sizeof(double) + 2 * sizeof(int32_t));
  PetscMPIInt    rank, size, code = MPI_SUCCESS;
  MeritFault     fault = {0};
  char          *base  = NULL;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(w->node, &rank));
  PetscCallMPI(MPI_Comm_size(w->node, &size));
  w->window = MPI_WIN_NULL;
  if (size == 1) {
    base = malloc((size_t)bytes + 1);
  } else {
    PetscCallMPI(MPI_Comm_set_errhandler(w->node, MPI_ERRORS_RETURN));
    code = MPI_Win_allocate_shared(rank == 0 ? bytes : 0, 1, MPI_INFO_NULL, w->node, &base, &w->window);
  }
  if (size == 1 ? !base : code != MPI_SUCCESS)
    MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                  "no memory for the %lld bytes of pedigree that the ranks of a node share",
                  (long long)bytes);
  PetscCall(MeritFaultAgree(comm, &fault));
  if (size > 1) {
    MPI_Aint all;
    int      unit;

    PetscCallMPI(MPI_Win_shared_query(w->window, 0, &all, &unit, &base));
    PetscCallMPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, w->window));
  }
  w->inbreeding = (double *)(void *)base;
  w->parents    = (int32_t *)(void *)(base + (size_t)w->n * sizeof(double));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Writes before are seen by the node's ranks after */
static PetscErrorCode Fence(PedigreeWindow *w)
{
  PetscFunctionBegin;
  if (w->window == MPI_WIN_NULL) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Win_sync(w->window));
  PetscCallMPI(MPI_Barrier(w->node));
  PetscCallMPI(MPI_Win_sync(w->window));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every entry was written on one node at most and is least elsewhere: the nodes' maximum has them all */
static PetscErrorCode Unite(PedigreeWindow *w, void *at, int64_t n, size_t unit, MPI_Datatype type)
{
  const int64_t share   = MeritMaxMessage() / (int64_t)unit;
  PetscMPIInt   n_nodes = 1;

  PetscFunctionBegin;
  PetscCall(Fence(w));
  if (w->leaders != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_size(w->leaders, &n_nodes));
  for (int64_t done = 0; n_nodes > 1 && done < n; done += share)
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, (char *)at + (size_t)done * unit, (int)PetscMin(share, n - done),
                               type, MPI_MAX, w->leaders));
  PetscCall(Fence(w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  PedigreeWindowCreate - Arrays over all animals, one copy per node (16 bytes an animal): parents -1,
  inbreeding 0. Collective on comm; a SYSTEM error when the node has no such memory.
*/
PetscErrorCode PedigreeWindowCreate(MPI_Comm comm, int64_t n, PedigreeWindow *w)
{
  PetscMPIInt rank, size;
  int64_t     last;

  PetscFunctionBegin;
  w->n = n;
  PetscCall(SplitNodes(comm, &w->node, &w->leaders));
  PetscCall(Allocate(comm, w));
  PetscCallMPI(MPI_Comm_rank(w->node, &rank));
  PetscCallMPI(MPI_Comm_size(w->node, &size));
  last = MeritBlockFirst(n, size, rank + 1);
  for (int64_t i = MeritBlockFirst(n, size, rank); i < last; i++) {
    w->inbreeding[i]  = 0;
    w->parents[2 * i] = w->parents[2 * i + 1] = -1;
  }
  PetscCall(Fence(w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PedigreeWindowShareParents(PedigreeWindow *w)
{
  PetscFunctionBegin;
  PetscCall(Unite(w, w->parents, 2 * w->n, sizeof(*w->parents), MPI_INT32_T));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PedigreeWindowShareInbreeding(PedigreeWindow *w, int64_t first, int64_t last)
{
  PetscFunctionBegin;
  PetscCall(Unite(w, w->inbreeding + first, last - first, sizeof(*w->inbreeding), MPI_DOUBLE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PedigreeWindowDestroy(PedigreeWindow *w)
{
  PetscFunctionBegin;
  if (w->window == MPI_WIN_NULL) {
    free(w->inbreeding);
  } else {
    PetscCallMPI(MPI_Win_unlock_all(w->window));
    PetscCallMPI(MPI_Win_free(&w->window));
  }
  if (w->leaders != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&w->leaders));
  PetscCallMPI(MPI_Comm_free(&w->node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

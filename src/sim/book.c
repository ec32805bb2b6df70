#include "sim.h"
#include <stdlib.h>

/* Ranks that share memory; MERIT_NODE_RANKS plays several nodes on one machine (tests). */
static PetscErrorCode SplitNodes(SimBook *book)
{
  const char *text  = getenv("MERIT_NODE_RANKS");
  int         ranks = text ? atoi(text) : 0, place = 0;
  PetscMPIInt rank, shared_rank;
  MPI_Comm    shared;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(book->comm, &rank));
  PetscCallMPI(MPI_Comm_size(book->comm, &book->size));
  PetscCallMPI(MPI_Comm_split_type(book->comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &shared));
  PetscCallMPI(MPI_Comm_rank(shared, &shared_rank));
  PetscCallMPI(MPI_Comm_split(shared, ranks > 0 ? shared_rank / ranks : 0, shared_rank, &book->node));
  PetscCallMPI(MPI_Comm_free(&shared));
  PetscCallMPI(MPI_Comm_rank(book->node, &book->node_rank));
  PetscCallMPI(MPI_Comm_size(book->node, &book->node_size));
  PetscCallMPI(MPI_Comm_split(book->comm, book->node_rank == 0 ? 0 : MPI_UNDEFINED, rank, &book->leaders));
  if (book->node_rank == 0) PetscCallMPI(MPI_Comm_rank(book->leaders, &place));
  PetscCallMPI(MPI_Bcast(&place, 1, MPI_INT, 0, book->node));
  PetscCall(PetscMalloc1(book->size, &book->node_of));
  PetscCallMPI(MPI_Allgather(&place, 1, MPI_INT, book->node_of, 1, MPI_INT, book->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Lay the herd book of n animals in one shared window per node. Collective. */
PetscErrorCode SimBookCreate(MPI_Comm comm, int64_t n, SimBook *book)
{
  MPI_Aint    bytes;
  PetscMPIInt unit, code;
  MeritFault  fault = {0};
  void       *own;

  PetscFunctionBegin;
  book->comm = comm;
  book->n    = n;
  PetscCall(SplitNodes(book));
  bytes = book->node_rank == 0 ? (MPI_Aint)n * (MPI_Aint)sizeof(SimAnimal) : 0;
  PetscCallMPI(MPI_Comm_set_errhandler(book->node, MPI_ERRORS_RETURN));
  code = MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, book->node, &own, &book->win);
  if (code != MPI_SUCCESS)
    MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                  "no memory for a shared herd book of %lld animals, %lld bytes a node", (long long)n,
                  (long long)n * (long long)sizeof(SimAnimal));
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscCallMPI(MPI_Win_shared_query(book->win, 0, &bytes, &unit, (void *)&book->animal));
  PetscCallMPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, book->win));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All ranks of a node have written, all may read. Collective on the node. */
PetscErrorCode SimBookWait(SimBook *book)
{
  PetscFunctionBegin;
  PetscCallMPI(MPI_Win_sync(book->win));
  PetscCallMPI(MPI_Barrier(book->node));
  PetscCallMPI(MPI_Win_sync(book->win));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Animals [first, first + n) are written, each rank its block: copy them to the other nodes. Collective. */
PetscErrorCode SimBookShare(SimBook *book, int64_t first, int64_t n)
{
  const int64_t limit = MeritMaxMessage() / (int64_t)sizeof(SimAnimal);
  PetscMPIInt   nodes = 1;

  PetscFunctionBegin;
  PetscCall(SimBookWait(book));
  if (book->leaders != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_size(book->leaders, &nodes));
  for (PetscMPIInt r = 0; nodes > 1 && r < book->size; r++) {
    int64_t begin = first + MeritBlockFirst(n, book->size, r),
            end   = first + MeritBlockFirst(n, book->size, r + 1);

    for (; begin < end; begin += limit)
      PetscCallMPI(MPI_Bcast(book->animal + begin,
                             (int)(PetscMin(limit, end - begin) * (int64_t)sizeof(SimAnimal)), MPI_BYTE,
                             book->node_of[r], book->leaders));
  }
  PetscCall(SimBookWait(book));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the herd book; safe when it was never made. Collective. */
PetscErrorCode SimBookDestroy(SimBook *book)
{
  PetscFunctionBegin;
  if (!book->animal) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Win_unlock_all(book->win));
  PetscCallMPI(MPI_Win_free(&book->win));
  if (book->leaders != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&book->leaders));
  PetscCallMPI(MPI_Comm_free(&book->node));
  PetscCall(PetscFree(book->node_of));
  book->animal = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

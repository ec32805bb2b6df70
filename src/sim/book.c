/*
  The herd book: sire, dam, inbreeding and flags of all animals, 16 bytes each.

  Mating and inbreeding need ancestors of any rank, in an order that cannot be foreseen. So every
  node holds the whole book once, in memory that its ranks share. Each rank writes the animals it
  makes; SimBookShare() brings them to the other nodes.
*/
#include "sim.h"

/* SimBookCreate - See the header. 16 bytes an animal on each node. Collective. */
PetscErrorCode SimBookCreate(MPI_Comm comm, int64_t n, SimBook *book)
{
  PetscMPIInt number = 0;

  PetscFunctionBegin;
  book->comm = comm;
  book->n    = n;
  PetscCallMPI(MPI_Comm_size(comm, &book->size));
  /* new memory is 0: no flag is set */
  PetscCall(MeritSharedCreate(comm, n * (int64_t)sizeof(SimAnimal), "the herd book", &book->memory));
  book->animal = (SimAnimal *)book->memory.at;
  /* Number of each rank's node: the source of broadcasts between nodes */
  if (book->memory.rank == 0) PetscCallMPI(MPI_Comm_rank(book->memory.leaders, &number));
  PetscCallMPI(MPI_Bcast(&number, 1, MPI_INT, 0, book->memory.node));
  PetscCall(PetscMalloc1(book->size, &book->node_of));
  PetscCallMPI(MPI_Allgather(&number, 1, MPI_INT, book->node_of, 1, MPI_INT, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimBookWait - See the header. Collective on the node. */
PetscErrorCode SimBookWait(SimBook *book)
{
  PetscFunctionBegin;
  PetscCall(MeritSharedFence(&book->memory));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  SimBookShare - See the header. Collective.
  Within a node the memory is shared, so only the first ranks of the nodes communicate: block by
  block, the node whose rank wrote the block broadcasts it. One node needs no message.
*/
PetscErrorCode SimBookShare(SimBook *book, int64_t first, int64_t n)
{
  const int64_t limit = MeritMaxMessage() / (int64_t)sizeof(SimAnimal);
  PetscMPIInt   nodes = 1;

  PetscFunctionBegin;
  PetscCall(SimBookWait(book));
  if (book->memory.leaders != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_size(book->memory.leaders, &nodes));
  for (PetscMPIInt r = 0; nodes > 1 && r < book->size; r++) {
    int64_t begin = first + MeritBlockFirst(n, book->size, r), end = first + MeritBlockFirst(n, book->size, r + 1);

    for (; begin < end; begin += limit)
      PetscCallMPI(MPI_Bcast(book->animal + begin, (int)(PetscMin(limit, end - begin) * (int64_t)sizeof(SimAnimal)), MPI_BYTE, book->node_of[r],
                             book->memory.leaders));
  }
  PetscCall(SimBookWait(book));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimBookDestroy - See the header. Collective. */
PetscErrorCode SimBookDestroy(SimBook *book)
{
  PetscFunctionBegin;
  if (!book->animal) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritSharedDestroy(&book->memory));
  PetscCall(PetscFree(book->node_of));
  book->animal = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

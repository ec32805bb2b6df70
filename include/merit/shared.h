#pragma once
#include <merit/sys.h>

/*
  One block of memory on each node, which all its ranks read and write. If the ranks of a node cannot share memory, each rank counts as a
  node and has a block of its own.
*/
typedef struct {
  MPI_Comm    node, leaders; /* ranks that share; first ranks of all nodes, MPI_COMM_NULL on the others; owned */
  PetscMPIInt rank, size;    /* in node */
  int64_t     bytes;
  void       *at; /* [bytes], 0 at first; owned */
} MeritShared;

/* Make the block on every node. Collective. Errors: SYSTEM that names `what` if the memory cannot be had. */
MERIT_EXTERN PetscErrorCode MeritSharedCreate(MPI_Comm comm, int64_t bytes, const char what[], MeritShared *shared);
/* Barrier on memory: what any rank of the node wrote before is seen by all of them afterwards. Collective on the node. */
MERIT_EXTERN PetscErrorCode MeritSharedFence(const MeritShared *shared);
/* Free the block and the communicators. Collective. */
MERIT_EXTERN PetscErrorCode MeritSharedDestroy(MeritShared *shared);

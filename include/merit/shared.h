#pragma once
#include <merit/sys.h>

/*
  One block of memory on each node, which all its ranks read and write. A node whose ranks cannot share memory counts as a node for each
  rank: then each has a block of its own.
*/
typedef struct {
  MPI_Comm    node, leaders; /* ranks that share; first ranks of all nodes, MPI_COMM_NULL on the others; owned */
  PetscMPIInt rank, size;    /* in node */
  int64_t     bytes;
  void       *at;            /* [bytes], 0 at first; owned */
} MeritShared;

/* Make the block on every node. Where there is no such memory it is a SYSTEM error that names `what`. Collective. */
MERIT_EXTERN PetscErrorCode MeritSharedCreate(MPI_Comm comm, int64_t bytes, const char what[], MeritShared *shared);
/* What the ranks of a node wrote before is seen by all of them after. Collective on the node. */
MERIT_EXTERN PetscErrorCode MeritSharedFence(const MeritShared *shared);
/* Free the block and the communicators. Collective. */
MERIT_EXTERN PetscErrorCode MeritSharedDestroy(MeritShared *shared);

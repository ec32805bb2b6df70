#pragma once
#include <merit/sys.h>

/* Collectives on arrays of any length, in pieces of at most `MeritMaxMessage()` bytes; n is the same on all ranks. In place. */

/* x[n] = its sum over the ranks, on all of them. Collective. */
MERIT_EXTERN PetscErrorCode MeritSumAll(MPI_Comm comm, int64_t n, double x[]);
/* x[n] = its sum over the ranks, on rank 0; undefined on the others. Collective. */
MERIT_EXTERN PetscErrorCode MeritSumFirst(MPI_Comm comm, int64_t n, double x[]);
/* x[n] = that of rank 0, on all ranks. Collective. */
MERIT_EXTERN PetscErrorCode MeritBroadcastFirst(MPI_Comm comm, int64_t n, double x[]);

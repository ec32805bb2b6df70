#pragma once
#include <merit/sys.h>

/* Collectives on arrays of any length, in pieces of at most `MeritMaxMessage()` bytes; n is the same on all ranks. In place. */

/* x[n] = its sum over the ranks, on all of them. Collective. */
MERIT_EXTERN PetscErrorCode MeritSumAll(MPI_Comm comm, int64_t n, double x[]);
/* x[n] = its sum over the ranks, on the first; what the others have then is of no use. Collective. */
MERIT_EXTERN PetscErrorCode MeritSumFirst(MPI_Comm comm, int64_t n, double x[]);
/* x[n] = that of the first rank. Collective. */
MERIT_EXTERN PetscErrorCode MeritShareFirst(MPI_Comm comm, int64_t n, double x[]);

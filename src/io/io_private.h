#pragma once
#include <merit/sys.h>

/* Broadcast n bytes from rank 0 to all ranks, in messages of at most MeritMaxMessage().
   Collective. */
PETSC_INTERN PetscErrorCode IoBroadcast(MPI_Comm comm, int64_t n, void *at);

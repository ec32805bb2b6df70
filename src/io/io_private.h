#pragma once
#include <merit/sys.h>

/* Bytes of rank 0 to all ranks in bounded messages. Collective. */
PETSC_INTERN PetscErrorCode IoBroadcast(MPI_Comm comm, int64_t n, void *at);

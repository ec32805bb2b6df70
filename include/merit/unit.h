#pragma once
#include <merit/sys.h>

/* MPI type of n_doubles doubles, for PetscSF on blocks of right-hand sides. Not collective. Free with `MeritUnitFree()`. */
MERIT_EXTERN PetscErrorCode MeritUnitCreate(int64_t n_doubles, MPI_Datatype *unit);
/* Free what MeritUnitCreate made. Not collective. */
MERIT_EXTERN PetscErrorCode MeritUnitFree(MPI_Datatype *unit);

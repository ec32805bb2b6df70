#pragma once
/* What every public header needs: PETSc's basics, fixed-width integers, visibility. The only file that looks at PETSc's version. */
#include <petscsys.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
#define MERIT_EXTERN extern "C" __attribute__((visibility("default")))
#else
#define MERIT_EXTERN extern __attribute__((visibility("default")))
#endif

#if PETSC_VERSION_LT(3, 19, 0)
#define PETSC_SUCCESS ((PetscErrorCode)0)
#endif

/* Integers by meaning: int64_t counts of the whole problem and bytes, int32_t what one rank holds, PetscInt at PETSc calls. */

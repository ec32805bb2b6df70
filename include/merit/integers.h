#pragma once
#include <merit/sys.h>

/* A pool of distinct 64-bit integers of one rank, numbered 0, 1, ... in order of first appearance. Not collective. */
typedef struct _p_MeritIntegers *MeritIntegers;

/* Make an empty pool; `expect` is a guess of how many there will be. */
MERIT_EXTERN PetscErrorCode MeritIntegersCreate(int64_t expect, MeritIntegers *pool);
/* Code of a value, added if new. */
MERIT_EXTERN PetscErrorCode MeritIntegersIntern(MeritIntegers pool, int64_t value, int32_t *code);
/* Code of a value, or -1. */
MERIT_EXTERN int32_t MeritIntegersFind(MeritIntegers pool, int64_t value);
/* Number of values, and the values by code; borrowed until the next Intern. */
MERIT_EXTERN int32_t MeritIntegersCount(MeritIntegers pool);
/* The values by code. */
MERIT_EXTERN const int64_t *MeritIntegersValues(MeritIntegers pool);
/* Renumber so that codes follow ascending values. */
MERIT_EXTERN PetscErrorCode MeritIntegersSort(MeritIntegers pool);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritIntegersDestroy(MeritIntegers *pool);

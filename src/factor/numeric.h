#pragma once
/* What the passes over the tree share. */
#include "factor_impl.h"
#include <merit/error.h>

/* In rising order of weight */
typedef enum { FACTOR_FINE, FACTOR_INDEFINITE, FACTOR_MEMORY } FactorFault;

/* The heaviest fault of all ranks; SYSTEM error where memory lacks. Collective. */
PetscErrorCode FactorAgree(MeritFactor f, FactorFault mine, FactorFault *all);
/* Lower triangle [n * n] as one array, column by column, and back; returns how many */
int64_t FactorPack(int32_t n, const double *U, double *packed);
void    FactorUnpack(int32_t n, const double *packed, double *U);
/* progress.c: a pass begins; front j is done. Called by any thread; rank 0's first thread reports. Not collective. */
void FactorProgressBegin(MeritFactor f, const char what[]);
void FactorProgressAdd(MeritFactor f, int32_t j);

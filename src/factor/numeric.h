#pragma once
/* Shared by the passes over the tree: factorisation and inverse. */
#include "factor_impl.h"
#include <merit/error.h>

/* What went wrong, in rising order of severity */
typedef enum { FACTOR_FINE, FACTOR_INDEFINITE, FACTOR_MEMORY } FactorFault;

/* *all = the most severe fault of all ranks. Collective. Errors: SYSTEM without memory. */
PetscErrorCode FactorAgree(MeritFactor f, FactorFault mine, FactorFault *all);
/* Copy the lower triangle of U [n * n] to packed [n (n + 1) / 2], column by column; returns its length. Not collective. */
int64_t FactorPack(int32_t n, const double *U, double *packed);
/* The reverse; the upper triangle of U is unchanged. Not collective. */
void FactorUnpack(int32_t n, const double *packed, double *U);
/* progress.c: a pass begins; `what` (static) begins the messages. Not collective. */
void FactorProgressBegin(MeritFactor f, const char what[]);
/* Front j is done. Called by any thread; the first thread of rank 0 reports. Not collective. */
void FactorProgressAdd(MeritFactor f, int32_t j);

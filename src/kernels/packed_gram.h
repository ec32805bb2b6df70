#pragma once
#include "packed_tables.h"

/* gram[n * n] = inner products of columns [first, first + n) of M with weight[n_rows], if all weights are 0 or equal: exact
   sums of integers. *done is false, and gram unchanged, if they differ or the processor lacks the instructions. Not
   collective; threaded. Errors: PETSC_ERR_MEM. */
PetscErrorCode PackedGramEqual(const MeritPacked *m, int32_t first, int32_t n, const double weight[], double gram[], bool *done);

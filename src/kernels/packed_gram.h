#pragma once
#include "packed_tables.h"

/* Inner products of columns [first, first + n) where weights are 0 or all the same, gram[n * n]; *done: they are. */
PetscErrorCode PackedGramEqual(const MeritPacked *m, int32_t first, int32_t n, const double weight[], double gram[], bool *done);

#pragma once
#include <merit/dict.h>

/* Labels with their sort keys, as one block: label i is the bytes at[start[i] .. start[i + 1] - 1) and a 0
   behind them. */
typedef struct {
  int64_t     n;
  int64_t    *order; /* [n] first key, or NULL when all are alike */
  const char *at;
  int64_t    *start; /* [n + 1] */
} DictLabels;

/* index[n] of the labels in ascending (order, bytes); owned by the caller, PetscFree. Not collective. */
PETSC_INTERN PetscErrorCode DictLabelsSort(const DictLabels *labels, int64_t **index);
/* The labels of index[n] one after another: *at and *start as in DictLabels; both owned by the caller,
   PetscFree. Not collective. */
PETSC_INTERN PetscErrorCode DictLabelsPick(const DictLabels *labels, int64_t n, const int64_t index[],
                                           char **at, int64_t **start);
/* Rank (ascending with the sort keys) to which each label belongs in a nearly even distributed order;
   dest[n]. Collective. */
PETSC_INTERN PetscErrorCode DictLabelsSplit(MPI_Comm comm, const DictLabels *labels, PetscMPIInt dest[]);

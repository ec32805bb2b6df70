#pragma once
#include <merit/dict.h>

/* Labels with their sort keys in one block: label i is the bytes at[start[i] .. start[i + 1] - 1),
   followed by a 0 */
typedef struct {
  int64_t     n;
  int64_t    *order; /* [n] first sort key; NULL: labels are sorted by their bytes alone */
  const char *at;
  int64_t    *start; /* [n + 1] */
} DictLabels;

/* *index [n] = labels in ascending order of (order, bytes); owned by the caller, PetscFree. Not
   collective. */
PETSC_INTERN PetscErrorCode DictLabelsSort(const DictLabels *labels, int64_t **index);
/* Copy labels index[n] into one block: *at and *start as in DictLabels; both owned by the caller,
   PetscFree. Not collective. */
PETSC_INTERN PetscErrorCode DictLabelsPick(const DictLabels *labels, int64_t n, const int64_t index[], char **at, int64_t **start);
/* dest[n] = rank of each label when labels are divided over the ranks in sorted order and nearly
   evenly. Collective. */
PETSC_INTERN PetscErrorCode DictLabelsSplit(MPI_Comm comm, const DictLabels *labels, PetscMPIInt dest[]);

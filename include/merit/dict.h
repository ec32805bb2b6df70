#pragma once
#include <merit/error.h>
#include <merit/strings.h>

/* Bytes of a label, with its part of the tables, for those who foresee memory. */
enum { MERIT_LABEL_BYTES = 32 };

/*
  A dictionary of labels over all ranks with canonical numbers 0..N-1. The label of number i is on the rank whose block of
  numbers holds i (MeritBlockFirst over N); look-ups go by hash. No rank holds all of it. References are counted.
*/
typedef struct _p_MeritDict *MeritDict;

/*
  Number all distinct strings of all ranks' pools: by ascending `order[code]` (the lowest over ranks), ties by the bytes of
  the label; order NULL: by label alone. Collective; arguments are copied.
*/
MERIT_EXTERN PetscErrorCode MeritDictCreate(MPI_Comm comm, MeritStrings pool, const int64_t order[], MeritDict *dict);
/* The same, with the numbers of the pool's strings, number[strings of pool], so that MeritDictFind is not needed. Collective. */
MERIT_EXTERN PetscErrorCode MeritDictCreateNumbers(MPI_Comm comm, MeritStrings pool, const int64_t order[], MeritDict *dict, int64_t number[]);
/* Number of labels over all ranks. Not collective. */
MERIT_EXTERN int64_t MeritDictSize(MeritDict dict);
/* number[code] of every string of a pool, -1 if the dictionary does not have it. Collective. */
MERIT_EXTERN PetscErrorCode MeritDictFind(MeritDict dict, MeritStrings pool, int64_t number[]);
/* Labels of any numbers: label i is bytes (*at)[(*start)[i] .. (*start)[i + 1]); both PetscFree. Collective. */
MERIT_EXTERN PetscErrorCode MeritDictLabels(MeritDict dict, int64_t n, const int64_t number[], char **at, int64_t **start);
/* Label of a number of this rank's block; borrowed. Not collective. */
MERIT_EXTERN const char *MeritDictLocal(MeritDict dict, int64_t number, size_t *length);
/* Add a reference. Not collective. */
MERIT_EXTERN PetscErrorCode MeritDictReference(MeritDict dict);
/* Remove a reference; the last one frees. NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritDictDestroy(MeritDict *dict);

#pragma once
#include <merit/error.h>
#include <merit/strings.h>

/*
  A dictionary of labels over all ranks with canonical numbers 0..N-1. The label of number i lives on the rank whose block of
  numbers holds i (MeritBlockFirst over N); look-ups go by hash. No rank holds it whole. References are counted.
*/
typedef struct _p_MeritDict *MeritDict;

/*
  Numbers all distinct strings of all ranks' pools: by `order[code]` ascending (least over ranks counts), ties by the bytes of
  the label; order NULL means by label alone. Collective; nothing is kept of the arguments.
*/
MERIT_EXTERN PetscErrorCode MeritDictCreate(MPI_Comm comm, MeritStrings pool, const int64_t order[], MeritDict *dict);
/* The same, and the numbers of the pool's strings at once, number[strings of pool]: spares a MeritDictFind. */
MERIT_EXTERN PetscErrorCode MeritDictCreateNumbers(MPI_Comm comm, MeritStrings pool, const int64_t order[], MeritDict *dict,
                                                   int64_t number[]);
/* Number of labels in all. */
MERIT_EXTERN int64_t MeritDictSize(MeritDict dict);
/* number[code] of every string of a pool, -1 if the dictionary does not have it. Collective. */
MERIT_EXTERN PetscErrorCode MeritDictFind(MeritDict dict, MeritStrings pool, int64_t number[]);
/* Labels of any numbers: label i is bytes (*at)[(*start)[i] .. (*start)[i + 1]); both PetscFree. Collective. */
MERIT_EXTERN PetscErrorCode MeritDictLabels(MeritDict dict, int64_t n, const int64_t number[], char **at, int64_t **start);
/* Label of a number of this rank's block; borrowed. Not collective. */
MERIT_EXTERN const char *MeritDictLocal(MeritDict dict, int64_t number, size_t *length);
/* Count a reference more. Not collective. */
MERIT_EXTERN PetscErrorCode MeritDictReference(MeritDict dict);
/* Give a reference back; the last one frees. NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritDictDestroy(MeritDict *dict);

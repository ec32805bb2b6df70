#pragma once
#include <merit/sys.h>

/*
  A pool of distinct byte strings of one rank, numbered 0, 1, ... in order of first appearance: ids and class labels become
  int32 codes when they are read. Not collective.
*/
typedef struct _p_MeritStrings *MeritStrings;

/* Make an empty pool; owned by the caller. */
MERIT_EXTERN PetscErrorCode MeritStringsCreate(MeritStrings *pool);
/* Code of a string, added if new; bytes are copied and need not end in 0. */
MERIT_EXTERN PetscErrorCode MeritStringsIntern(MeritStrings pool, const char at[], size_t length, int32_t *code);
/* Code of a string, or -1 if it is not in the pool. */
MERIT_EXTERN int32_t MeritStringsFind(MeritStrings pool, const char at[], size_t length);
/* The same for n strings at once: much faster where the pool is large. */
MERIT_EXTERN PetscErrorCode MeritStringsInternMany(MeritStrings pool, int64_t n, const char *const at[], const size_t length[], int32_t code[]);
/* Codes of n strings at once, -1 for those not in the pool. */
MERIT_EXTERN void MeritStringsFindMany(MeritStrings pool, int64_t n, const char *const at[], const size_t length[], int32_t code[]);
/* Number of strings. */
MERIT_EXTERN int32_t MeritStringsCount(MeritStrings pool);
/* A string by code: 0-terminated, borrowed until the next Intern; its length if `length` is not NULL. In memory the strings follow
   one another by code, each with its 0: the whole pool is one block. */
MERIT_EXTERN const char *MeritStringsGet(MeritStrings pool, int32_t code, size_t *length);
/* Hash of a byte string, the same on every rank and machine; decides owners in distributed dictionaries. */
MERIT_EXTERN uint64_t MeritStringsHash(const char at[], size_t length);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritStringsDestroy(MeritStrings *pool);

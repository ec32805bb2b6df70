#pragma once
#include <merit/sys.h>

/*
  All-to-all exchange of items: the plan is made once from the destination of each local item; then any number of arrays (of any item
  size) can be sent forward, and arrays of answers sent back.
  Arrival order: by source rank, then by the sender's order. No message passes the chunk size of MeritMaxMessage().
*/
typedef struct _p_MeritExchange *MeritExchange;

/* Plan: item i of this rank goes to rank dest[i] (-1: to none). Collective; dest is not kept. */
MERIT_EXTERN PetscErrorCode MeritExchangeCreate(MPI_Comm comm, int64_t n, const PetscMPIInt dest[], MeritExchange *ex);
/* Number of items that arrive here. Not collective. */
MERIT_EXTERN int64_t MeritExchangeArriving(MeritExchange ex);
/* Rank that arriving item i came from. Not collective. */
MERIT_EXTERN PetscMPIInt MeritExchangeSource(MeritExchange ex, int64_t i);
/* Send in[n] forward into out[arriving]; `bytes` is the size of an item. Collective. */
MERIT_EXTERN PetscErrorCode MeritExchangeForward(MeritExchange ex, size_t bytes, const void *in, void *out);
/* Send answers[arriving] back into out[n]; items with destination -1 are unchanged. Collective. */
MERIT_EXTERN PetscErrorCode MeritExchangeBack(MeritExchange ex, size_t bytes, const void *answers, void *out);
/*
  Send strings forward: item i is bytes at[start[i] .. start[i+1]) of this rank. On return *out holds the arriving bytes and
  (*out_start)[arriving + 1] their bounds; both owned by the caller, PetscFree. Collective.
*/
MERIT_EXTERN PetscErrorCode MeritExchangeForwardBytes(MeritExchange ex, const char at[], const int64_t start[], char **out, int64_t **out_start);
/* The same backward: the answer of arriving item i goes to the rank that item i came from. Collective. */
MERIT_EXTERN PetscErrorCode MeritExchangeBackBytes(MeritExchange ex, const char at[], const int64_t start[], char **out, int64_t **out_start);
/* Free; NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritExchangeDestroy(MeritExchange *ex);

/* Blocks of a count over ranks: first item of `rank` when n items are cut into `size` nearly equal blocks. */
MERIT_EXTERN int64_t MeritBlockFirst(int64_t n, PetscMPIInt size, PetscMPIInt rank);
/* Rank whose block holds `item`. */
MERIT_EXTERN PetscMPIInt MeritBlockOwner(int64_t n, PetscMPIInt size, int64_t item);
/* Largest message or I/O request in bytes: 1 GiB, or what MERIT_MAX_MESSAGE in the environment says (tests). */
MERIT_EXTERN int64_t MeritMaxMessage(void);

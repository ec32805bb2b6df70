#pragma once
#include <merit/sys.h>
#include <petscsys.h>

/*
  Estimated bytes and work of a run, by the modules that own the arrays and loops: each adds its part to these sums. The sum is made by src/plan.
*/

/* Bytes that the fullest of `ranks` ranks holds, by what for. */
typedef struct {
  int     ranks;
  bool    here; /* these are the ranks of this run: counts are this rank's own */
  int64_t records, levels, genotypes, vectors;
  int64_t reading, writing; /* for a while, at the beginning and at the end; the larger one counts */
} MeritBytes;

/* An iteration on an average rank of `ranks`: bytes through memory, genotypes gone through (there and back), bytes and messages sent, reductions
   over all ranks. */
typedef struct {
  int    ranks;
  double bytes, genotypes, sent, messages, reductions;
} MeritWork;

/* Items of the fullest of `ranks` blocks of n. Not collective. */
MERIT_EXTERN int64_t MeritFullestBlock(int64_t n, int ranks);
/* Ranks that one of `ranks` sends to, if its items are spread evenly over the others; 0 for one rank. Not collective. */
MERIT_EXTERN double MeritPartners(double items, int ranks);
/* Stages of a reduction or broadcast over n ranks: log2, rounded up. Not collective. */
MERIT_EXTERN double MeritStages(double n);

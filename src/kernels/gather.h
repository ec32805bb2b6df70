#pragma once
#include <merit/kernels.h>

/* Loops that are to be compiled anew for the constants they are called with */
#define KERNEL inline __attribute__((always_inline))

/* How many animals ahead memory of a dam is asked for: sires are few and in the cache, dams are many, and some in another herd */
enum { AHEAD = 64 };

/* Ask for x[slot] ahead of its use; a slot below 0 does no harm */
static KERNEL void Prefetch(const double *x, int64_t slot)
{
  __builtin_prefetch((const char *)x + slot * (int64_t)sizeof(*x), 1);
}

/*
  Add the private places of shared levels to their slots, in thread order, and leave them 0 for the next use; called by all
  threads of a parallel region after a barrier.
*/
static inline void AddPrivate(const MeritScatter *s, int k, double *y)
{
#pragma omp for schedule(static)
  for (int32_t i = 0; i < s->n_shared; i++) {
    double       *to = y + (int64_t)s->shared[i] * k;
    const int64_t n  = (int64_t)s->width[i] * k;

    for (int32_t p = s->start[i]; p < s->start[i + 1]; p++) {
      double *from = y + (int64_t)s->place[p] * k;

      for (int64_t j = 0; j < n; j++) {
        to[j] += from[j];
        from[j] = 0.0;
      }
    }
  }
}

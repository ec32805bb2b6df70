#pragma once
#include <merit/kernels.h>

/* Functions that are inlined wherever they are called, so that constant arguments give loops of their own */
#define KERNEL inline __attribute__((always_inline))

/* Number of animals ahead for which a dam's values are prefetched: sires are few and stay in the cache, dams are many */
enum { AHEAD = 64 };

/* Load the cache line of x[slot] ahead of its use; harmless for a slot below 0 or beyond the end. Not collective. */
static KERNEL void Prefetch(const double *x, int64_t slot) { __builtin_prefetch((const char *)x + slot * (int64_t)sizeof(*x), 1); }

/*
  Add the private slots of shared levels to the levels, in thread order, and set them to 0 for the next call. Not collective;
  called by all threads of a parallel region after a barrier. k right-hand sides, y[y_length * k].
*/
static inline void AddPrivate(const MeritScatter *s, int k, double *y)
{
#pragma omp for schedule(static)
  for (int32_t i = 0; i < s->n_shared; i++) {
    double       *to = y + (int64_t)s->shared[i] * k;
    const int64_t n  = (int64_t)s->width[i] * k;

    for (int32_t p = s->start[i]; p < s->start[i + 1]; p++) {
      double *from = y + (int64_t)s->private_slot[p] * k;

      for (int64_t j = 0; j < n; j++) {
        to[j] += from[j];
        from[j] = 0.0;
      }
    }
  }
}

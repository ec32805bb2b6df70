#pragma once
#include <stddef.h>
#include <stdint.h>

/*
  R^-1 of one record of n traits: that of its residual class and pattern of observed traits, R0^-1 with zero rows and columns for missing
  traits, and its weights w: R^-1 = diag(sqrt w) R0^-1 diag(sqrt w). Every loop over records applies it through these functions, which are
  inlined with the number of traits a constant where that pays. Not collective, no errors, nothing is allocated.
*/
typedef struct {
  const double *R0;     /* [n * n] inverse of the pattern, row-major; borrowed */
  const double *sqrt_w; /* [n] square roots of the weights, NULL: 1; borrowed */
} MeritRecordInverse;

/* Numbers that one application can take: n traits times k right-hand sides */
enum { MERIT_RECORD_ROOM = 256 };

#if defined(__GNUC__)
#define MERIT_RECORD_INLINE static inline __attribute__((always_inline))
#else
#define MERIT_RECORD_INLINE static inline
#endif

/* R^-1 of a record: R_inverse[n_patterns * n * n], pattern[n_records] (NULL: all 0), sqrt_weight[n_records * n] (NULL: all 1). */
MERIT_RECORD_INLINE MeritRecordInverse MeritRecordInverseOf(const double *R_inverse, const int32_t *pattern, const double *sqrt_weight, int n,
                                                            int64_t record)
{
  MeritRecordInverse r;

  r.R0     = pattern ? R_inverse + (int64_t)pattern[record] * n * n : R_inverse;
  r.sqrt_w = sqrt_weight ? sqrt_weight + record * n : NULL;
  return r;
}

/* q = R^-1 w for k right-hand sides, fastest: w, q [n * k], not the same array, n * k <= MERIT_RECORD_ROOM. */
MERIT_RECORD_INLINE void MeritRecordInverseApply(MeritRecordInverse r, int n, int k, const double *w, double *q)
{
  double scaled[MERIT_RECORD_ROOM];

  if (r.sqrt_w) {
    for (int t = 0; t < n; t++)
      for (int j = 0; j < k; j++) scaled[t * k + j] = w[t * k + j] * r.sqrt_w[t];
    w = scaled;
  }
  for (int t = 0; t < n; t++)
    for (int j = 0; j < k; j++) {
      double sum = 0.0;

      for (int s = 0; s < n; s++) sum += r.R0[t * n + s] * w[s * k + j];
      q[t * k + j] = r.sqrt_w ? sum * r.sqrt_w[t] : sum;
    }
}

/* R^-1 of a record of one trait, a number. */
MERIT_RECORD_INLINE double MeritRecordInverseOne(MeritRecordInverse r)
{
  const double sqrt_w = r.sqrt_w ? *r.sqrt_w : 1.0;

  return *r.R0 * sqrt_w * sqrt_w;
}

/* Row t, column s of R^-1. */
MERIT_RECORD_INLINE double MeritRecordInverseElement(MeritRecordInverse r, int n, int t, int s)
{
  return r.R0[t * n + s] * (r.sqrt_w ? r.sqrt_w[t] * r.sqrt_w[s] : 1.0);
}

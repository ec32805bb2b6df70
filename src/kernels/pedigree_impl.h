#pragma once
#include "gather.h"

/* recursion_factor.c: MeritPedigreeFactorize for rows that are not those of two parents with coefficient 1/2 */
bool MeritRecursionFactorize(const MeritPedigreeFactor *f, int32_t first, int32_t last, double *W);
/* The same for the substitutions; down: forward substitution, last animal first. v[n_slots * k] */
void MeritRecursionSubstitute(const MeritPedigreeFactor *f, int32_t first, int32_t last, bool down, int k, double *v);

/* Entries of a lower triangle of order n. Not collective, as all functions here. */
static KERNEL int Packed(int n) { return n * (n + 1) / 2; }

/* y[n] = A x for a symmetric matrix given by its lower triangle, row after row */
static KERNEL void MultiplyPacked(int n, const double *A, const double *x, double *y)
{
  for (int a = 0; a < n; a++) {
    y[a] = 0.0;
    for (int b = 0; b < n; b++) y[a] += A[a >= b ? Packed(a) + b : Packed(b) + a] * x[b];
  }
}

/* y[n] = factor A x, A[n * n] */
static KERNEL void MultiplySquare(int n, const double *A, double factor, const double *x, double *y)
{
  for (int a = 0; a < n; a++) {
    y[a] = 0.0;
    for (int b = 0; b < n; b++) y[a] += A[a * n + b] * x[b];
    y[a] *= factor;
  }
}

/* Prefetch the first and the last cache line of a level of n equations and k right-hand sides */
static KERNEL void PrefetchLevel(const double *x, int32_t slot, int n, int k)
{
  const int64_t at = (int64_t)slot * k;

  if (slot < 0) return;
  Prefetch(x, at);
  if (n * k > 1) Prefetch(x, at + (int64_t)n * k - 1);
}

/* Dense algebra in long double. */
#include "real.h"
#include <math.h>

Real RealTrace(int n, const Real *X, const Real *Y)
{
  Real sum = 0.0L;

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) sum += X[i * n + j] * Y[j * n + i];
  return sum;
}

void RealProduct(int n, const Real *X, const Real *Y, Real *to)
{
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) to[i * n + j] = 0.0L;
    for (int k = 0; k < n; k++)
      for (int j = 0; j < n; j++) to[i * n + j] += X[i * n + k] * Y[k * n + j];
  }
}

bool RealSolve(int n, int k, Real *X, Real *to)
{
  for (int p = 0; p < n; p++) {
    int best = p;

    for (int i = p; i < n; i++)
      if (fabsl(X[i * n + p]) > fabsl(X[best * n + p])) best = i;
    if (X[best * n + p] == 0.0L) return false;
    for (int j = 0; j < n; j++) {
      const Real swap = X[p * n + j];

      X[p * n + j] = X[best * n + j], X[best * n + j] = swap;
    }
    for (int j = 0; j < k; j++) {
      const Real swap = to[p * k + j];

      to[p * k + j] = to[best * k + j], to[best * k + j] = swap;
    }
    for (int i = 0; i < n; i++) {
      const Real factor = i == p ? 0.0L : X[i * n + p] / X[p * n + p];

      for (int j = p; factor != 0.0L && j < n; j++) X[i * n + j] -= factor * X[p * n + j];
      for (int j = 0; factor != 0.0L && j < k; j++) to[i * k + j] -= factor * to[p * k + j];
    }
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < k; j++) to[i * k + j] /= X[i * n + i];
  return true;
}

int RealSpan(int n, int p, const Real *X, int rank_before, Real *Q)
{
  int r = rank_before;

  for (int j = 0; j < p && r < n; j++) {
    Real *q = Q + r * n, before = 0.0L, left = 0.0L;

    for (int i = 0; i < n; i++) q[i] = X[i * p + j], before += q[i] * q[i];
    for (int pass = 0; pass < 3; pass++)
      for (int l = 0; l < r; l++) {
        Real dot = 0.0L;

        for (int i = 0; i < n; i++) dot += Q[l * n + i] * q[i];
        for (int i = 0; i < n; i++) q[i] -= dot * Q[l * n + i];
      }
    for (int i = 0; i < n; i++) left += q[i] * q[i];
    if (!(left > 1e-24L * before)) continue;
    for (int i = 0; i < n; i++) q[i] /= sqrtl(left);
    r++;
  }
  return r;
}

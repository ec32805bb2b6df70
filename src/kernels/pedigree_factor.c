/* Zero-fill incomplete Cholesky of the pedigree part: factor and substitute, a range of animals at a time. */
#include "gather.h"
#include <string.h>

enum { MOST = 64 };

/* Inverse of a symmetric positive definite n x n matrix in place, Gauss-Jordan; false if it is not definite */
static bool Invert(int n, double *A)
{
  for (int p = 0; p < n; p++) {
    const double pivot = A[p * n + p];

    if (!(pivot > 0.0)) return false;
    A[p * n + p] = 1.0;
    for (int j = 0; j < n; j++) A[p * n + j] /= pivot;
    for (int i = 0; i < n; i++) {
      const double f = A[i * n + p];

      if (i == p) continue;
      A[i * n + p] = 0.0;
      for (int j = 0; j < n; j++) A[i * n + j] -= f * A[p * n + j];
    }
  }
  return true;
}

/* 1/4 (K - K pivot^-1 K) for a parent */
static void PassOn(int n, const double *K, const double *pass, double *rest)
{
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      double sum = 0.25 * K[a * n + b];

      for (int c = 0; c < n; c++) sum -= 0.5 * K[a * n + c] * pass[c * n + b];
      rest[a * n + b] = sum;
    }
}

static void AddBlock(int n, int32_t slot, const double *block, double *W)
{
  if (slot < 0) return;
  for (int i = 0; i < n * n; i++) W[(int64_t)slot * n + i] += block[i];
}

/* MeritPedigreeFactorize - Pivots of a range of animals; see the header. Not collective. */
bool MeritPedigreeFactorize(const MeritPedigreeFactor *f, int32_t first, int32_t last, const double *d, const double *G_inverse, double *W)
{
  const int n        = f->n;
  bool      definite = true;

  for (int32_t animal = last - 1; animal >= first; animal--) {
    double       *pivot  = f->pivot + (int64_t)animal * n * n, *pass = f->pass + (int64_t)animal * n * n;
    const double *own    = W + (int64_t)(f->own + animal * n) * n;
    double        K[MOST * MOST], rest[MOST * MOST];

    for (int i = 0; i < n * n; i++) K[i] = G_inverse[i] / d[animal];
    for (int i = 0; i < n * n; i++) pivot[i] = K[i] + own[i];
    definite = Invert(n, pivot) && definite;
    for (int a = 0; a < n; a++)
      for (int b = 0; b < n; b++) {
        pass[a * n + b] = 0.0;
        for (int c = 0; c < n; c++) pass[a * n + b] += 0.5 * pivot[a * n + c] * K[c * n + b];
      }
    PassOn(n, K, pass, rest);
    AddBlock(n, f->sire[animal], rest, W);
    AddBlock(n, f->dam[animal], rest, W);
  }
  return definite;
}

/* One trait and one right-hand side: a parent gets pass * v, the animal pivot^-1 v */
static KERNEL void Down(const MeritPedigreeFactor *f, int32_t animal, double *v)
{
  const int32_t sire = f->sire[animal], dam = f->dam[animal];
  const double  mine = v[f->own + animal], up = f->pass[animal] * mine;

  v[f->own + animal] = f->pivot[animal] * mine;
  if (sire >= 0) v[sire] += up;
  if (dam >= 0) v[dam] += up;
}

static void ForwardOne(const MeritPedigreeFactor *f, int32_t first, int32_t last, double *v)
{
  int32_t animal = last - 1;

  for (; animal >= first + AHEAD; animal--) {
    Prefetch(v, f->dam[animal - AHEAD]);
    Down(f, animal, v);
  }
  for (; animal >= first; animal--) Down(f, animal, v);
}

static KERNEL void Up(const MeritPedigreeFactor *f, int32_t animal, double *v)
{
  const int32_t sire = f->sire[animal], dam = f->dam[animal];
  double        above = 0.0;

  if (sire >= 0) above = v[sire];
  if (dam >= 0) above += v[dam];
  v[f->own + animal] += f->pass[animal] * above;
}

static void BackwardOne(const MeritPedigreeFactor *f, int32_t first, int32_t last, double *v)
{
  int32_t animal = first;

  for (; animal < last - AHEAD; animal++) {
    Prefetch(v, f->dam[animal + AHEAD]);
    Up(f, animal, v);
  }
  for (; animal < last; animal++) Up(f, animal, v);
}

/* n and k are constants after inlining where they are common */
static KERNEL void Forward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int n, int k, double *v)
{
  for (int32_t animal = last - 1; animal >= first; animal--) {
    const int32_t parent[2] = {f->sire[animal], f->dam[animal]};
    const double *pivot = f->pivot + (int64_t)animal * n * n, *pass = f->pass + (int64_t)animal * n * n;
    double       *own   = v + (int64_t)(f->own + animal * n) * k;

    for (int j = 0; j < k; j++) {
      double mine[MOST], up[MOST];

      for (int a = 0; a < n; a++) mine[a] = own[a * k + j];
      for (int a = 0; a < n; a++) {
        double sum = up[a] = 0.0;

        /* pass = pivot^-1 K / 2, so what goes up, K pivot^-1 v / 2, is its transpose times v */
        for (int b = 0; b < n; b++) {
          sum += pivot[a * n + b] * mine[b];
          up[a] += pass[b * n + a] * mine[b];
        }
        own[a * k + j] = sum;
      }
      for (int p = 0; p < 2; p++)
        for (int a = 0; parent[p] >= 0 && a < n; a++) v[(int64_t)(parent[p] + a) * k + j] += up[a];
    }
  }
}

/* MeritPedigreeForward - Forward substitution of a range, from its end. Not collective. */
void MeritPedigreeForward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int k, double *v)
{
  if (k == 1 && f->n == 1) ForwardOne(f, first, last, v);
  else if (k == 1 && f->n == 2) Forward(f, first, last, 2, 1, v);
  else if (k == 1 && f->n == 3) Forward(f, first, last, 3, 1, v);
  else Forward(f, first, last, f->n, k, v);
}

static KERNEL void Backward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int n, int k, double *v)
{
  for (int32_t animal = first; animal < last; animal++) {
    const int32_t parent[2] = {f->sire[animal], f->dam[animal]};
    const double *pass = f->pass + (int64_t)animal * n * n;
    double       *own  = v + (int64_t)(f->own + animal * n) * k;

    for (int j = 0; j < k; j++) {
      double above[MOST];

      for (int a = 0; a < n; a++) {
        above[a] = 0.0;
        for (int p = 0; p < 2; p++)
          if (parent[p] >= 0) above[a] += v[(int64_t)(parent[p] + a) * k + j];
      }
      for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++) own[a * k + j] += pass[a * n + b] * above[b];
    }
  }
}

/* MeritPedigreeBackward - Backward substitution of a range. Not collective. */
void MeritPedigreeBackward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int k, double *v)
{
  if (k == 1 && f->n == 1) BackwardOne(f, first, last, v);
  else if (k == 1 && f->n == 2) Backward(f, first, last, 2, 1, v);
  else if (k == 1 && f->n == 3) Backward(f, first, last, 3, 1, v);
  else Backward(f, first, last, f->n, k, v);
}

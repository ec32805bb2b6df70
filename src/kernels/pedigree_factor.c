/*
  Incomplete Cholesky factor of the pedigree part of C without fill, and substitutions with it.

  An animal is eliminated after its offspring. Its pivot is K + W with K = G^-1 / d and W the data
  block plus what its offspring passed on; each parent receives (K - K pivot^-1 K) / 4. The terms
  between the two parents, which complete elimination would create, are dropped. Functions take a
  range of animals, so that ranks can interleave generations.
*/
#include "pedigree_impl.h"

/* MeritPedigreeFactorOf - A factor without its arrays; see the header. Not collective. */
MeritPedigreeFactor MeritPedigreeFactorOf(const MeritRecursion *rows, const double *G_inverse)
{
  return (MeritPedigreeFactor){rows->n, rows->own, rows->sire, rows->dam, rows->d, G_inverse, NULL, NULL, rows};
}

/* MeritPedigreeFactorRatios - Length of `k_over_pivot`. Not collective. */
int64_t MeritPedigreeFactorRatios(const MeritPedigreeFactor *f) { return f->sire && f->n == 1 ? f->rows->n_levels : 0; }

/* MeritPedigreeFactorValues - Length of `inverse`. Not collective. */
int64_t MeritPedigreeFactorValues(const MeritPedigreeFactor *f) { return f->sire && f->n == 1 ? 0 : (int64_t)f->rows->n_levels * Packed(f->n); }

/* MeritPedigreeFactorJoins - Is there a fused pass? Not collective. */
bool MeritPedigreeFactorJoins(const MeritPedigreeFactor *f) { return f->sire != NULL; }

/* rest = (K - K pivot^-1 K) / 4, which a parent receives; `inverse` is pivot^-1 */
static void PassOn(int n, const double *K, const double *inverse, double *rest)
{
  double half[MERIT_MAX_COMPONENTS];

  for (int a = 0; a < n; a++) {
    for (int b = 0; b < n; b++) {
      half[b] = 0.0;
      for (int c = 0; c < n; c++) half[b] += K[a * n + c] * inverse[c * n + b];
    }
    for (int b = 0; b < n; b++) {
      double sum = K[a * n + b];

      for (int c = 0; c < n; c++) sum -= half[c] * K[c * n + b];
      rest[a * n + b] = 0.25 * sum;
    }
  }
}

/* W += block at a slot; unknown parents are skipped */
static void AddBlock(int n, int32_t slot, const double *block, double *W)
{
  if (slot < 0) return;
  for (int i = 0; i < n * n; i++) W[(int64_t)slot * n + i] += block[i];
}

/* Store the lower triangle of pivot^-1, made symmetric */
static void Store(const MeritPedigreeFactor *f, int32_t animal, const double *inverse)
{
  double *to = f->inverse + (int64_t)animal * Packed(f->n);

  for (int a = 0; a < f->n; a++)
    for (int b = 0; b <= a; b++) *to++ = 0.5 * (inverse[a * f->n + b] + inverse[b * f->n + a]);
}

/* MeritPedigreeFactorize - Pivots of a range of animals; see the header. Not collective. */
bool MeritPedigreeFactorize(const MeritPedigreeFactor *f, int32_t first, int32_t last, double *W)
{
  const int n        = f->n;
  bool      definite = true;

  if (!f->sire) return MeritRecursionFactorize(f, first, last, W);
  for (int32_t animal = last - 1; animal >= first; animal--) {
    const double *own = W + (int64_t)(f->own + animal * n) * n;
    double        K[MERIT_MAX_BLOCK], pivot[MERIT_MAX_BLOCK], rest[MERIT_MAX_BLOCK];

    for (int i = 0; i < n * n; i++) K[i] = f->G_inverse[i] / f->d[animal];
    for (int i = 0; i < n * n; i++) pivot[i] = K[i] + own[i];
    definite = MeritDenseSweep(n, NULL, pivot) == 0 && definite;
    if (n == 1) f->k_over_pivot[animal] = (float)(K[0] * pivot[0]);
    else Store(f, animal, pivot);
    PassOn(n, K, pivot, rest);
    AddBlock(n, f->sire[animal], rest, W);
    AddBlock(n, f->dam[animal], rest, W);
  }
  return definite;
}

/* Forward step of one equation a level: v <- K / pivot v, and half of that is added to v of each
   parent. The backward step divides by K. */
static KERNEL void Down(const MeritPedigreeFactor *f, int32_t animal, int k, double *v)
{
  const int32_t sire = f->sire[animal], dam = f->dam[animal];
  const double  k_over_pivot = f->k_over_pivot[animal];

  for (int j = 0; j < k; j++) {
    const double mine = k_over_pivot * v[(int64_t)(f->own + animal) * k + j], up = 0.5 * mine;

    v[(int64_t)(f->own + animal) * k + j] = mine;
    if (sire >= 0) v[(int64_t)sire * k + j] += up;
    if (dam >= 0) v[(int64_t)dam * k + j] += up;
  }
}

/* Forward substitution of a range, one equation a level; youngest first */
static KERNEL void ForwardOne(const MeritPedigreeFactor *f, int32_t first, int32_t last, int k, double *v)
{
  int32_t animal = last - 1;

  for (; animal >= first + AHEAD; animal--) {
    Prefetch(v, f->dam[animal - AHEAD] * (int64_t)k);
    Down(f, animal, k, v);
  }
  for (; animal >= first; animal--) Down(f, animal, k, v);
}

/* Backward step of one equation a level: v = v d / g + k_over_pivot (v_sire + v_dam) / 2 */
static KERNEL void Up(const MeritPedigreeFactor *f, int32_t animal, int k, double over_g, double *v)
{
  const int32_t sire = f->sire[animal], dam = f->dam[animal];
  const double  half = 0.5 * (double)f->k_over_pivot[animal], over_K = f->d[animal] * over_g;

  for (int j = 0; j < k; j++) {
    double above = 0.0, *own = v + (int64_t)(f->own + animal) * k + j;

    if (sire >= 0) above = v[(int64_t)sire * k + j];
    if (dam >= 0) above += v[(int64_t)dam * k + j];
    *own = over_K * *own + half * above;
  }
}

/* Backward substitution of a range, one equation a level; oldest first */
static KERNEL void BackwardOne(const MeritPedigreeFactor *f, int32_t first, int32_t last, int k, double *v)
{
  const double over_g = 1.0 / f->G_inverse[0];
  int32_t      animal = first;

  for (; animal < last - AHEAD; animal++) {
    Prefetch(v, f->dam[animal + AHEAD] * (int64_t)k);
    Up(f, animal, k, over_g, v);
  }
  for (; animal < last; animal++) Up(f, animal, k, over_g, v);
}

/* Forward substitution of a range, n equations a level: v <- pivot^-1 v, parents receive K / 2
   times that. Returns the sum of v'(L pivot L')^-1 v over all right-hand sides. n and k are
   constants after inlining in the common cases. */
static KERNEL double Forward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int n, int k, double *v)
{
  double total = 0.0;

  for (int32_t animal = last - 1; animal >= first; animal--) {
    const int32_t parent[2] = {f->sire[animal], f->dam[animal]};
    const double *inverse   = f->inverse + (int64_t)animal * Packed(n);
    const double  half      = 0.5 / f->d[animal];
    double       *own       = v + (int64_t)(f->own + animal * n) * k;

    if (animal >= first + AHEAD) PrefetchLevel(v, f->dam[animal - AHEAD], n, k);
    for (int j = 0; j < k; j++) {
      double mine[MERIT_MAX_COMPONENTS], below[MERIT_MAX_COMPONENTS], up[MERIT_MAX_COMPONENTS];

      for (int a = 0; a < n; a++) mine[a] = own[a * k + j];
      MultiplyPacked(n, inverse, mine, below);
      MultiplySquare(n, f->G_inverse, half, below, up);
      for (int a = 0; a < n; a++) {
        total += mine[a] * below[a];
        own[a * k + j] = below[a];
      }
      for (int p = 0; p < 2; p++)
        for (int a = 0; parent[p] >= 0 && a < n; a++) v[(int64_t)(parent[p] + a) * k + j] += up[a];
    }
  }
  return total;
}

/* The loop for n and k; one equation a level returns 0, see MeritPedigreeForwardSum */
static double ForwardAny(const MeritPedigreeFactor *f, int32_t first, int32_t last, int k, double *v)
{
  if (!f->sire) MeritRecursionSubstitute(f, first, last, true, k, v);
  else if (f->n == 1 && k == 1) ForwardOne(f, first, last, 1, v);
  else if (f->n == 1) ForwardOne(f, first, last, k, v);
  else if (k == 1 && f->n == 2) return Forward(f, first, last, 2, 1, v);
  else if (k == 1 && f->n == 3) return Forward(f, first, last, 3, 1, v);
  else return Forward(f, first, last, f->n, k, v);
  return 0.0;
}

/* MeritPedigreeForward - Forward substitution of a range, from its end. Not collective. */
void MeritPedigreeForward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int k, double *v) { ForwardAny(f, first, last, k, v); }

/* MeritPedigreeForwardSum - See the header. With one equation a level the backward substitution
   computes the sum, since it reads d anyway. Not collective. */
void MeritPedigreeForwardSum(const MeritPedigreeFactor *f, int32_t first, int32_t last, double *v, double sum[1])
{
  sum[0] += ForwardAny(f, first, last, 1, v);
}

/* Backward substitution of a range: v += pivot^-1 K / 2 (v_sire + v_dam) */
static KERNEL void Backward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int n, int k, double *v)
{
  for (int32_t animal = first; animal < last; animal++) {
    const int32_t parent[2] = {f->sire[animal], f->dam[animal]};
    const double *inverse   = f->inverse + (int64_t)animal * Packed(n);
    const double  half      = 0.5 / f->d[animal];
    double       *own       = v + (int64_t)(f->own + animal * n) * k;

    if (animal < last - AHEAD) PrefetchLevel(v, f->dam[animal + AHEAD], n, k);
    for (int j = 0; j < k; j++) {
      double above[MERIT_MAX_COMPONENTS], down[MERIT_MAX_COMPONENTS], change[MERIT_MAX_COMPONENTS];

      for (int a = 0; a < n; a++) {
        above[a] = 0.0;
        for (int p = 0; p < 2; p++)
          if (parent[p] >= 0) above[a] += v[(int64_t)(parent[p] + a) * k + j];
      }
      MultiplySquare(n, f->G_inverse, half, above, down);
      MultiplyPacked(n, inverse, down, change);
      for (int a = 0; a < n; a++) own[a * k + j] += change[a];
    }
  }
}

/* MeritPedigreeBackward - Backward substitution of a range. Not collective. */
void MeritPedigreeBackward(const MeritPedigreeFactor *f, int32_t first, int32_t last, int k, double *v)
{
  if (!f->sire) MeritRecursionSubstitute(f, first, last, false, k, v);
  else if (f->n == 1 && k == 1) BackwardOne(f, first, last, 1, v);
  else if (f->n == 1) BackwardOne(f, first, last, k, v);
  else if (k == 1 && f->n == 2) Backward(f, first, last, 2, 1, v);
  else if (k == 1 && f->n == 3) Backward(f, first, last, 3, 1, v);
  else Backward(f, first, last, f->n, k, v);
}

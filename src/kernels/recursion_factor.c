/*
  Incomplete Cholesky factor of a recursion with any number of parents and any coefficients, and its
  substitutions (MeritPedigreeFactor in merit/kernels.h). Levels are eliminated after their children.
  pedigree_factor.c has the faster code for two parents with coefficients 1/2.
*/
#include "pedigree_impl.h"

/* K = G^-1 / d of a row */
static void Own(const MeritPedigreeFactor *f, int32_t row, double *K)
{
  for (int i = 0; i < f->n * f->n; i++) K[i] = f->G_inverse[i] / MeritRecursionVariance(f->rows, row);
}

/* Inverse of the pivot of a row as a full matrix; it is stored as a lower triangle */
static void Unpack(const MeritPedigreeFactor *f, int32_t row, double *inverse)
{
  const double *from = f->inverse + (int64_t)row * Packed(f->n);

  for (int a = 0; a < f->n; a++)
    for (int b = 0; b <= a; b++) inverse[a * f->n + b] = inverse[b * f->n + a] = *from++;
}

/* C = A B, all n x n, row-major */
static void Multiply(int n, const double *A, const double *B, double *C)
{
  for (int i = 0; i < n * n; i++) {
    C[i] = 0.0;
    for (int c = 0; c < n; c++) C[i] += A[i / n * n + c] * B[c * n + i % n];
  }
}

/* Invert the pivot K + W of a level. rest = K - K pivot^-1 K; each parent receives it times the square
   of its coefficient. False if the pivot is not positive definite. */
static bool Pivot(const MeritPedigreeFactor *f, int32_t row, const double *K, const double *W, double *rest)
{
  const int     n   = f->n;
  const double *own = W + (int64_t)(f->own + row * n) * n;
  double        pivot[MERIT_MAX_BLOCK], half[MERIT_MAX_BLOCK];
  double       *to       = f->inverse + (int64_t)row * Packed(n);
  bool          definite = true;

  for (int i = 0; i < n * n; i++) pivot[i] = K[i] + own[i];
  definite = MeritDenseSweep(n, NULL, pivot) == 0;
  /* rounding makes the inverse slightly asymmetric */
  for (int a = 0; a < n; a++)
    for (int b = 0; b <= a; b++) *to++ = 0.5 * (pivot[a * n + b] + pivot[b * n + a]);
  Multiply(n, K, pivot, half);
  Multiply(n, half, K, rest);
  for (int i = 0; i < n * n; i++) rest[i] = K[i] - rest[i];
  return definite;
}

/* MeritRecursionFactorize - Pivots of rows [first, last), from the end; W as in MeritPedigreeFactorize. A row without a level gives its parents all
   of K. Not collective. */
bool MeritRecursionFactorize(const MeritPedigreeFactor *f, int32_t first, int32_t last, double *W)
{
  bool   definite = true;
  double K[MERIT_MAX_BLOCK], rest[MERIT_MAX_BLOCK], c;

  for (int32_t row = last - 1; row >= first; row--) {
    Own(f, row, K);
    if (row < f->rows->n_levels) definite = Pivot(f, row, K, W, rest) && definite;
    for (int64_t p = 1; p < MeritRecursionRowLength(f->rows, row); p++) {
      const int32_t at = MeritRecursionElement(f->rows, row, p, &c);

      /* the coupling of two parents is dropped: only diagonal blocks are updated */
      for (int i = 0; at >= 0 && i < f->n * f->n; i++) W[(int64_t)at * f->n + i] += c * c * (row < f->rows->n_levels ? rest[i] : K[i]);
    }
  }
  return definite;
}

/* One level of a substitution, right-hand side j. Forward (down): v = pivot^-1 v of the level, and
   c K v is added to each parent. Backward: v += pivot^-1 K sum c v of the parents. */
static void Step(const MeritPedigreeFactor *f, int32_t row, bool down, int k, int j, const double *K, const double *inverse, double *v)
{
  const int n   = f->n;
  double   *own = v + (int64_t)(f->own + row * n) * k + j, from[MERIT_MAX_COMPONENTS], to[MERIT_MAX_COMPONENTS], c;

  for (int a = 0; a < n; a++) from[a] = down ? own[a * k] : 0.0;
  for (int64_t p = 1; !down && p < MeritRecursionRowLength(f->rows, row); p++) {
    const int32_t at = MeritRecursionElement(f->rows, row, p, &c);

    for (int a = 0; at >= 0 && a < n; a++) from[a] -= c * v[(int64_t)(at + a) * k + j];
  }
  if (!down) {
    MultiplySquare(n, K, 1.0, from, to);
    MultiplySquare(n, inverse, 1.0, to, from);
    for (int a = 0; a < n; a++) own[a * k] += from[a];
    return;
  }
  MultiplySquare(n, inverse, 1.0, from, to);
  for (int a = 0; a < n; a++) own[a * k] = to[a];
  MultiplySquare(n, K, 1.0, to, from);
  for (int64_t p = 1; p < MeritRecursionRowLength(f->rows, row); p++) {
    const int32_t at = MeritRecursionElement(f->rows, row, p, &c);

    for (int a = 0; at >= 0 && a < n; a++) v[(int64_t)(at + a) * k + j] -= c * from[a];
  }
}

/* MeritRecursionSubstitute - See the header: forward (down) from the last row, or backward from the
   first one. Rows without a level have no pivot. Not collective. */
void MeritRecursionSubstitute(const MeritPedigreeFactor *f, int32_t first, int32_t last, bool down, int k, double *v)
{
  double K[MERIT_MAX_BLOCK], inverse[MERIT_MAX_BLOCK];

  for (int32_t i = first; i < last; i++) {
    const int32_t row = down ? last - 1 - (i - first) : i;

    if (row >= f->rows->n_levels) continue;
    Own(f, row, K);
    Unpack(f, row, inverse);
    for (int j = 0; j < k; j++) Step(f, row, down, k, j, K, inverse, v);
  }
}

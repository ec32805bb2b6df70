/* The incomplete factor of a recursion of any rows, youngest first, and its substitutions; merit/kernels.h has what it is. */
#include "pedigree_impl.h"

/* K = G^-1 / d of a row */
static void Own(const MeritPedigreeFactor *f, int32_t row, double *K)
{
  for (int i = 0; i < f->n * f->n; i++) K[i] = f->G_inverse[i] / MeritRecursionVariance(f->rows, row);
}

/* The pivot's inverse, kept as a lower triangle, on the whole */
static void Unpack(const MeritPedigreeFactor *f, int32_t row, double *inverse)
{
  const double *from = f->inverse + (int64_t)row * Packed(f->n);

  for (int a = 0; a < f->n; a++)
    for (int b = 0; b <= a; b++) inverse[a * f->n + b] = inverse[b * f->n + a] = *from++;
}

static void Multiply(int n, const double *A, const double *B, double *C)
{
  for (int i = 0; i < n * n; i++) {
    C[i] = 0.0;
    for (int c = 0; c < n; c++) C[i] += A[i / n * n + c] * B[c * n + i % n];
  }
}

/* The pivot of a level; rest = K - K pivot^-1 K is what its parents get, times the square of their coefficients */
static bool Pivot(const MeritPedigreeFactor *f, int32_t row, const double *K, const double *W, double *rest)
{
  const int     n   = f->n;
  const double *own = W + (int64_t)(f->own + row * n) * n;
  double        pivot[MOST * MOST], half[MOST * MOST];
  double       *to       = f->inverse + (int64_t)row * Packed(n);
  bool          definite = true;

  for (int i = 0; i < n * n; i++) pivot[i] = K[i] + own[i];
  definite = MeritDenseSweep(n, NULL, pivot) == 0;
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
  double K[MOST * MOST], rest[MOST * MOST], c;

  for (int32_t row = last - 1; row >= first; row--) {
    Own(f, row, K);
    if (row < f->rows->n_levels) definite = Pivot(f, row, K, W, rest) && definite;
    for (int64_t p = 1; p < MeritRecursionPlaces(f->rows, row); p++) {
      const int32_t at = MeritRecursionPlace(f->rows, row, p, &c);

      for (int i = 0; at >= 0 && i < f->n * f->n; i++) W[(int64_t)at * f->n + i] += c * c * (row < f->rows->n_levels ? rest[i] : K[i]);
    }
  }
  return definite;
}

/* One level of the substitutions, right-hand side j. Down: v <- pivot^-1 v, parents get c K of it; up: v += pivot^-1 K times c of the parents */
static void Step(const MeritPedigreeFactor *f, int32_t row, bool down, int k, int j, const double *K, const double *inverse, double *v)
{
  const int n = f->n;
  double   *own = v + (int64_t)(f->own + row * n) * k + j, from[MOST], to[MOST], c;

  for (int a = 0; a < n; a++) from[a] = down ? own[a * k] : 0.0;
  for (int64_t p = 1; !down && p < MeritRecursionPlaces(f->rows, row); p++) {
    const int32_t at = MeritRecursionPlace(f->rows, row, p, &c);

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
  for (int64_t p = 1; p < MeritRecursionPlaces(f->rows, row); p++) {
    const int32_t at = MeritRecursionPlace(f->rows, row, p, &c);

    for (int a = 0; at >= 0 && a < n; a++) v[(int64_t)(at + a) * k + j] -= c * from[a];
  }
}

/* MeritRecursionSubstitute - Substitution through rows [first, last): down from the end, or up from the beginning. Not collective. */
void MeritRecursionSubstitute(const MeritPedigreeFactor *f, int32_t first, int32_t last, bool down, int k, double *v)
{
  double K[MOST * MOST], inverse[MOST * MOST];

  for (int32_t i = first; i < last; i++) {
    const int32_t row = down ? last - 1 - (i - first) : i;

    if (row >= f->rows->n_levels) continue;
    Own(f, row, K);
    Unpack(f, row, inverse);
    for (int j = 0; j < k; j++) Step(f, row, down, k, j, K, inverse, v);
  }
}

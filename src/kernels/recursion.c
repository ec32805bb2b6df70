/*
  Operations with K^-1 = (I - P)' D^-1 (I - P) of a recursion (merit/recursion.h).

  K^-1 is the sum over rows i of 1/d_i times the outer product of row i of I - P with itself. So every
  function takes the rows one after another: entries and diagonal blocks of K^-1, the root
  B = (I - P)' D^-1/2 F with B B' = K^-1 x G^-1, log |K|, and the product with a vector in two
  passes (Forward, Backward). Flat rows have 1/d = 0 and add nothing.
*/
#include <merit/recursion.h>
#include <math.h>

/* MeritRecursionEntries - See the header. Not collective. */
void MeritRecursionEntries(const MeritRecursion *r, MeritRecursionEntry take, void *ctx)
{
  for (int32_t row = 0; row < r->n_rows; row++) {
    const int64_t n = MeritRecursionRowLength(r, row);
    const double  d = MeritRecursionVariance(r, row);

    if (isinf(d)) continue;
    for (int64_t p = 0; p < n; p++)
      for (int64_t q = 0; q < n; q++) {
        double        a, b;
        const int32_t from = MeritRecursionElement(r, row, p, &a), to = MeritRecursionElement(r, row, q, &b);

        if (from >= 0 && to >= 0) take(ctx, from, to, a * b, d);
      }
  }
}

/* Square of the element of a row at level `at`, whose first position in the row is p; 0 for a later
   position. A level that occurs twice, such as the parent of a selfed animal, has the sum of its
   elements as the element. */
static double Square(const MeritRecursion *r, int32_t row, int64_t p, int32_t at)
{
  double sum = 0.0, a;

  for (int64_t q = 0; q < p; q++)
    if (MeritRecursionElement(r, row, q, &a) == at) return 0.0; /* counted with that position */
  for (int64_t q = p; q < MeritRecursionRowLength(r, row); q++)
    if (MeritRecursionElement(r, row, q, &a) == at) sum += a;
  return sum * sum;
}

/* MeritRecursionDiagonal - Add the diagonal blocks of K^-1 x G^-1. Not collective. */
void MeritRecursionDiagonal(const MeritRecursion *r, const double *G_inverse, int stride, double *D)
{
  const int n = r->n;

  for (int32_t row = 0; row < r->n_rows; row++)
    for (int64_t p = 0; p < MeritRecursionRowLength(r, row); p++) {
      double        element;
      const double  d      = MeritRecursionVariance(r, row);
      const int32_t at     = MeritRecursionElement(r, row, p, &element);
      const double  square = at < 0 ? 0.0 : Square(r, row, p, at);

      for (int a = 0; square > 0.0 && a < n; a++)
        for (int b = 0; b < n; b++) D[(int64_t)(at + a) * stride + b] += square * G_inverse[a * n + b] / d;
    }
}

/* y += factor F z for one level, k right-hand sides; F is a lower triangle */
static void Put(int n, int k, const double *F, double factor, const double *z, double *y)
{
  for (int a = 0; a < n; a++)
    for (int b = 0; b <= a; b++)
      for (int j = 0; j < k; j++) y[a * k + j] += factor * F[a * n + b] * z[b * k + j];
}

/* z += factor F' x, likewise */
static void Take(int n, int k, const double *F, double factor, const double *x, double *z)
{
  for (int b = 0; b < n; b++)
    for (int a = b; a < n; a++)
      for (int j = 0; j < k; j++) z[b * k + j] += factor * F[a * n + b] * x[a * k + j];
}

/* MeritRecursionRoot - y += (I - P)' D^-1/2 z, each level by F. Not collective. */
void MeritRecursionRoot(const MeritRecursion *r, const double *F, int k, const double *z, double *y)
{
  for (int32_t row = 0; row < r->n_rows; row++) {
    const double  scale = 1.0 / sqrt(MeritRecursionVariance(r, row));
    const double *from  = z + (int64_t)row * r->n * k;

    for (int64_t p = 0; p < MeritRecursionRowLength(r, row); p++) {
      double        element;
      const int32_t at = MeritRecursionElement(r, row, p, &element);

      if (at >= 0) Put(r->n, k, F, element * scale, from, y + (int64_t)at * k);
    }
  }
}

/* MeritRecursionRootTransposed - z += D^-1/2 (I - P) x, each level by F'. Not collective. */
void MeritRecursionRootTransposed(const MeritRecursion *r, const double *F, int k, const double *x, double *z)
{
  for (int32_t row = 0; row < r->n_rows; row++) {
    const double scale = 1.0 / sqrt(MeritRecursionVariance(r, row));
    double      *to    = z + (int64_t)row * r->n * k;

    for (int64_t p = 0; p < MeritRecursionRowLength(r, row); p++) {
      double        element;
      const int32_t at = MeritRecursionElement(r, row, p, &element);

      if (at >= 0) Take(r->n, k, F, element * scale, x + (int64_t)at * k, to);
    }
  }
}

/* MeritRecursionLogDeterminant - Add log d of rows that are not flat. Not collective. */
void MeritRecursionLogDeterminant(const MeritRecursion *r, double times, double *sum)
{
  for (int32_t row = 0; row < r->n_rows && r->d; row++)
    if (!isinf(r->d[row])) *sum += times * log(r->d[row]);
}

/* MeritRecursionForward - m = D^-1 (I - P) x, each level by G^-1. Not collective, threaded. */
void MeritRecursionForward(const MeritRecursion *r, const double *G_inverse, int k, const double *x, double *m)
{
  const int n = r->n;

#pragma omp parallel for schedule(static)
  for (int32_t row = 0; row < r->n_rows; row++) {
    const double precision = 1.0 / MeritRecursionVariance(r, row);
    double      *to        = m + (int64_t)row * n * k;

    for (int e = 0; e < n * k; e++) to[e] = 0.0;
    for (int64_t p = 0; p < MeritRecursionRowLength(r, row); p++) {
      double        element;
      const int32_t at = MeritRecursionElement(r, row, p, &element);

      for (int a = 0; at >= 0 && a < n; a++)
        for (int b = 0; b < n; b++)
          for (int j = 0; j < k; j++) to[a * k + j] += element * precision * G_inverse[a * n + b] * x[(int64_t)(at + b) * k + j];
    }
  }
}

/* MeritRecursionBackward - y += (I - P)' m. Not collective, threaded. */
void MeritRecursionBackward(const MeritRecursion *r, const MeritRecursionColumns *columns, int k, const double *m, double *y)
{
  const int width = r->n * k;

  /* by level, not by row: each thread adds to levels of its own, in a fixed order of rows */
#pragma omp parallel for schedule(static)
  for (int32_t t = 0; t < columns->n_levels; t++)
    for (int64_t p = columns->start[t]; p < columns->start[t + 1]; p++)
      for (int e = 0; e < width; e++) y[(int64_t)columns->equation[t] * k + e] += columns->element[p] * m[(int64_t)columns->row[p] * width + e];
}

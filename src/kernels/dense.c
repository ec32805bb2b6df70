/* Small dense matrices, row-major: Cholesky factors, inverses, sweeps. They serve (co)variance
   matrices of up to 64 components and blocks of a level, so loops are plain. A failure is returned,
   not raised: the caller knows what the matrix means. */
#include <merit/kernels.h>
#include <float.h>
#include <math.h>

/* MeritDensePart - See the header. Not collective. */
int MeritDensePart(int n, uint32_t chosen, const double *A, int index[], double *part)
{
  int m = 0;

  for (int i = 0; i < n; i++)
    if (chosen >> i & 1) index[m++] = i;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) part[i * m + j] = A[index[i] * n + index[j]];
  return m;
}

/* MeritDenseCholesky - See the header. Not collective. */
bool MeritDenseCholesky(int n, const double *A, double *F)
{
  for (int j = 0; j < n; j++)
    for (int i = 0; i < n; i++) {
      double sum = A[i * n + j];

      if (i < j) {
        F[i * n + j] = 0.0;
        continue;
      }
      for (int k = 0; k < j; k++) sum -= F[i * n + k] * F[j * n + k];
      /* NaN and infinity fail as well */
      if (i == j && !(sum > 0.0 && sum <= DBL_MAX)) return false;
      F[i * n + j] = i == j ? sqrt(sum) : sum / F[j * n + j];
    }
  return true;
}

/* MeritDenseSolve - See the header: F y = x, then F'x = y, in place. Not collective. */
void MeritDenseSolve(int n, const double *F, double *x)
{
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < i; k++) x[i] -= F[i * n + k] * x[k];
    x[i] /= F[i * n + i];
  }
  for (int i = n - 1; i >= 0; i--) {
    for (int k = i + 1; k < n; k++) x[i] -= F[k * n + i] * x[k];
    x[i] /= F[i * n + i];
  }
}

/* MeritDenseInvert - See the header: B'B with B the inverse of the Cholesky factor. Not collective. */
bool MeritDenseInvert(int n, const double *A, double *inverse, double *log_determinant)
{
  double F[MERIT_MAX_BLOCK], B[MERIT_MAX_BLOCK];

  if (!MeritDenseCholesky(n, A, F)) return false;
  if (log_determinant) *log_determinant = 0.0;
  for (int i = 0; i < n && log_determinant; i++) *log_determinant += 2.0 * log(F[i * n + i]);
  /* B = F^-1, lower triangle, by forward substitution of the unit vectors */
  for (int j = 0; j < n && inverse; j++)
    for (int i = 0; i < n; i++) {
      double sum = i == j;

      for (int k = j; k < i; k++) sum -= F[i * n + k] * B[k * n + j];
      B[i * n + j] = i < j ? 0.0 : sum / F[i * n + i];
    }
  /* A^-1 = B'B; k starts at the larger index, since B is lower triangular */
  for (int i = 0; i < n && inverse; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0.0;

      for (int k = i > j ? i : j; k < n; k++) sum += B[k * n + i] * B[k * n + j];
      inverse[i * n + j] = sum;
    }
  return true;
}

/* MeritDenseSweep - See the header; the sweep operator (Goodnight 1979). Not collective. */
int MeritDenseSweep(int n, const double least[], double *A)
{
  int n_left = 0;

  for (int p = 0; p < n; p++) {
    const double pivot = A[p * n + p];

    /* A dependent row and column: both become 0 in the inverse, which is then a generalised one */
    if (!(pivot > (least ? least[p] : 0.0))) {
      for (int j = 0; j < n; j++) A[p * n + j] = A[j * n + p] = 0.0;
      n_left++;
      continue;
    }
    /* Pivot row divided by the pivot, then subtracted from the others; the column becomes that of the inverse */
    A[p * n + p] = 1.0;
    for (int j = 0; j < n; j++) A[p * n + j] /= pivot;
    for (int i = 0; i < n; i++) {
      const double factor = A[i * n + p];

      if (i == p) continue;
      A[i * n + p] = 0.0;
      for (int j = 0; j < n; j++) A[i * n + j] -= factor * A[p * n + j];
    }
  }
  return n_left;
}

/* MeritDenseEliminate - See the header; Gauss-Jordan. Not collective. */
int MeritDenseEliminate(int n, int k, double tolerance, double *A)
{
  const int width = n + k;
  double    least[MERIT_MAX_COMPONENTS];

  /* Without exchange of rows a pivot that has shrunk below `tolerance` of its diagonal means a
     dependent row */
  for (int i = 0; i < n; i++) least[i] = tolerance * fabs(A[i * width + i]);
  for (int p = 0; p < n; p++) {
    if (!(fabs(A[p * width + p]) > least[p])) return p;
    for (int i = 0; i < n; i++) {
      const double factor = i == p ? 0.0 : A[i * width + p] / A[p * width + p];

      for (int j = p; j < width && i != p; j++) A[i * width + j] -= factor * A[p * width + j];
    }
  }
  for (int i = 0; i < n; i++)
    for (int j = n; j < width; j++) A[i * width + j] /= A[i * width + i];
  return n;
}

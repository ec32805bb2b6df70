/* Small symmetric matrices of a term's or record's components. */
#include "mme.h"
#include <math.h>

/* VarcompCholesky - F lower with F F' = A. Not collective. */
bool VarcompCholesky(int n, const double *A, double *F)
{
  for (int j = 0; j < n; j++)
    for (int i = 0; i < n; i++) {
      double sum = A[i * n + j];

      if (i < j) {
        F[i * n + j] = 0.0;
        continue;
      }
      for (int k = 0; k < j; k++) sum -= F[i * n + k] * F[j * n + k];
      if (i == j && !(sum > 0.0)) return false;
      F[i * n + j] = i == j ? sqrt(sum) : sum / F[j * n + j];
    }
  return true;
}

/* VarcompInvert - A^-1 and log |A|; either output may be NULL. Not collective. */
bool VarcompInvert(int n, const double *A, double *inverse, double *log_determinant)
{
  double F[64 * 64], B[64 * 64];

  if (!VarcompCholesky(n, A, F)) return false;
  if (log_determinant) *log_determinant = 0.0;
  for (int i = 0; i < n && log_determinant; i++) *log_determinant += 2.0 * log(F[i * n + i]);
  for (int j = 0; j < n; j++)
    for (int i = 0; i < n; i++) {
      double sum = i == j;

      for (int k = j; k < i; k++) sum -= F[i * n + k] * B[k * n + j];
      B[i * n + j] = i < j ? 0.0 : sum / F[i * n + i];
    }
  for (int i = 0; i < n && inverse; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0.0;

      for (int k = i > j ? i : j; k < n; k++) sum += B[k * n + i] * B[k * n + j];
      inverse[i * n + j] = sum;
    }
  return true;
}

/*
  Numbers by trait and covariance matrices of the specification, and correlated normal draws.

  Genetic matrices may be semi-definite (a trait without genetic variance, a correlation of 1),
  residual ones may not, since the job files that are written need an inverse.
*/
#include "sim.h"
#include <math.h>

/* SimReadVector - See the header. Not collective. */
PetscErrorCode SimReadVector(MeritNode tree, const char key[], int n, bool spread, double least, double most, double v[])
{
  MeritNode node = MeritNodeFind(tree, key);
  bool      list = node && node->kind == MERIT_NODE_LIST;

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (list ? node->n != n : !(spread || n == 1)) PetscCall(MeritNodeError(node, "%s: give a list of %d numbers, one for each trait", key, n));
  for (int i = 0; i < n; i++) {
    MeritNode child = list ? node->child[i] : node;

    if (!MeritNodeReal(child, &v[i])) PetscCall(MeritNodeError(child, "%s: not a number", key));
    if (!(v[i] >= least && v[i] <= most)) PetscCall(MeritNodeError(child, "%s: the number must be from %g to %g", key, least, most));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimCholesky - See the header. A zero pivot must have a zero column. Not collective. */
bool SimCholesky(int n, const double A[], double L[])
{
  for (int i = 0; i < n * n; i++) L[i] = 0.0;
  for (int j = 0; j < n; j++) {
    /* a pivot within 1e-10 of the diagonal element is rounding error of 0 */
    double pivot = A[j * n + j], zero = 1e-10 * PetscAbsReal(A[j * n + j]);

    for (int k = 0; k < j; k++) pivot -= L[j * n + k] * L[j * n + k];
    if (pivot < -zero) return false;
    if (pivot > zero) L[j * n + j] = sqrt(pivot);
    for (int i = j + 1; i < n; i++) {
      double s = A[i * n + j];

      for (int k = 0; k < j; k++) s -= L[i * n + k] * L[j * n + k];
      if (L[j * n + j] > 0.0) L[i * n + j] = s / L[j * n + j];
      else if (PetscAbsReal(s) > 1e-8 * sqrt(PetscAbsReal(A[i * n + i] * A[j * n + j])) || A[j * n + j] < 0.0) return false;
    }
  }
  return true;
}

/* The n * n numbers of a matrix; USAGE error for any other shape */
static PetscErrorCode ReadEntries(MeritNode node, const char key[], int n, double A[])
{
  bool list = node->kind == MERIT_NODE_LIST;

  PetscFunctionBegin;
  if (!list && n == 1) {
    if (!MeritNodeReal(node, A)) PetscCall(MeritNodeError(node, "%s: not a number", key));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!list || node->n != n) PetscCall(MeritNodeError(node, "%s: give a list of %d rows, one for each trait", key, n));
  for (int i = 0; i < n; i++) {
    MeritNode row = node->child[i];

    if (row->kind != MERIT_NODE_LIST || row->n != n) PetscCall(MeritNodeError(row, "%s: give %d numbers in each row, one for each trait", key, n));
    for (int j = 0; j < n; j++)
      if (!MeritNodeReal(row->child[j], &A[i * n + j])) PetscCall(MeritNodeError(row->child[j], "%s: not a number", key));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimReadMatrix - See the header. Not collective. */
PetscErrorCode SimReadMatrix(MeritNode tree, const char key[], int n, bool definite, double **matrix, double **root)
{
  MeritNode node = MeritNodeFind(tree, key);
  double   *A, *L;

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)n * (size_t)n, matrix));
  PetscCall(PetscMalloc1((size_t)n * (size_t)n, root));
  A = *matrix;
  L = *root;
  PetscCall(ReadEntries(node, key, n, A));
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++)
      if (PetscAbsReal(A[i * n + j] - A[j * n + i]) > 1e-10 * (PetscAbsReal(A[i * n + j]) + PetscAbsReal(A[j * n + i])))
        PetscCall(MeritNodeError(node, "%s: not symmetric in row %d, column %d", key, i + 1, j + 1));
  if (!SimCholesky(n, A, L)) PetscCall(MeritNodeError(node, "%s: not a covariance matrix (it has a negative eigenvalue)", key));
  for (int i = 0; i < n; i++)
    if (definite && L[i * n + i] <= 0.0) PetscCall(MeritNodeError(node, "%s: a residual covariance matrix must be positive definite", key));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SimNormals - See the header. Not collective. */
void SimNormals(const MeritRandomKey *key, int n, const double root[], double scale, double v[])
{
  double z[MERIT_MAX_TRAITS];

  for (int i = 0; i < n; i++) z[i] = MeritRandomNormal(key, (uint32_t)i);
  for (int i = 0; i < n; i++) {
    double s = 0.0;

    /* v = L z has covariance L L' */
    for (int k = 0; k <= i; k++) s += root[i * n + k] * z[k];
    v[i] += scale * s;
  }
}

/* Checks of a covariance matrix: positive (semi-)definite, and within the range of double
   precision. The diagonal is looked at first, then each correlation, since these messages
   name components; then the smallest eigenvalue of the correlations (LAPACK syev). */
#include "variances_impl.h"
#include <math.h>
#include <petscblaslapack.h>

/* Eigenvalues of the correlations above minus this count as 0 */
static const double tolerance = 1e-10;

/* Smallest variance; with smaller ones, or larger than the reciprocal, numbers in the equations
   would leave the range of double precision */
static const double SMALLEST = 1e-60;

/* Smallest eigenvalue of a symmetric matrix [n * n], which is destroyed */
static PetscErrorCode SmallestEigenvalue(int n, double *a, double *smallest)
{
  PetscBLASInt size = (PetscBLASInt)n, room = 4 * size, info = 0;
  double      *values, *work;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)n, &values, (size_t)room, &work));
  PetscCallBLAS("LAPACKsyev", LAPACKsyev_("N", "L", &size, a, &size, values, work, &room, &info));
  PetscCheck(!info, PETSC_COMM_SELF, PETSC_ERR_LIB, "LAPACK syev: info %" PetscBLASInt_FMT, info);
  *smallest = values[0];
  PetscCall(PetscFree2(values, work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Diagonal elements: positive (or 0 where allowed) and of possible size; with a variance of 0 all
   covariances must be 0 */
static PetscErrorCode CheckDiagonal(MeritNode node, const VarianceShape *s, const double v[])
{
  const int n = s->n;

  PetscFunctionBegin;
  for (int i = 0; i < n; i++) {
    const double own = v[i * n + i];

    if (own < 0 || (s->definite && own <= 0)) {
      PetscCall(
          MeritNodeError(node, "the variance of %s in `%s` is %g: it must be %s", s->name[i], s->label, own, s->definite ? "positive" : "0 or more"));
    }
    if (own != 0 && !(own >= SMALLEST && own <= 1 / SMALLEST)) {
      PetscCall(MeritNodeError(node, "the variance of %s in `%s` is %g, not between %g and %g: choose another unit", s->name[i], s->label, own,
                               SMALLEST, 1 / SMALLEST));
    }
    for (int j = 0; j < n && own == 0; j++) {
      if (v[i * n + j] != 0) {
        PetscCall(MeritNodeError(node, "`%s`: %s has variance 0 but covariance %g with %s", s->label, s->name[i], v[i * n + j], s->name[j]));
      }
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarianceCheckDefinite - See the header. Not collective.
  The matrix is scaled to correlations first, so that traits of very different scale do not hide
  each other's errors.
*/
PetscErrorCode VarianceCheckDefinite(MeritNode node, const VarianceShape *s, const double v[])
{
  const int n = s->n;
  double   *a, smallest = 0.0;

  PetscFunctionBegin;
  PetscCall(CheckDiagonal(node, s, v));
  PetscCall(PetscMalloc1((size_t)n * (size_t)n, &a));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      const double scale = sqrt(v[i * n + i]) * sqrt(v[j * n + j]);

      a[i * n + j] = scale > 0 ? v[i * n + j] / scale : 0.0;
    }
  }
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      if (fabs(a[i * n + j]) <= 1 + tolerance) continue;
      PetscCall(PetscFree(a));
      PetscCall(MeritNodeError(node, "`%s`: the covariance %g of %s and %s is more than their variances allow (%g and %g)", s->label, v[i * n + j],
                               s->name[i], s->name[j], v[i * n + i], v[j * n + j]));
    }
  }
  PetscCall(SmallestEigenvalue(n, a, &smallest));
  PetscCall(PetscFree(a));
  if (smallest < -tolerance || (s->definite && smallest < tolerance)) {
    PetscCall(MeritNodeError(node, "the matrix of `%s` is not positive %s: the smallest eigenvalue of its correlations is %.3g", s->label,
                             s->definite ? "definite" : "semi-definite", smallest));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Extreme eigenvalues of M^-1 C from the coefficients of conjugate gradients. These are those of
  the Lanczos process (Golub and Van Loan 2013, 11.3), whose tridiagonal matrix has

    T_ii = 1 / alpha_i + beta_i / alpha_(i-1),   T_i,i+1 = sqrt(beta_(i+1)) / alpha_i.

  Its eigenvalues (Ritz values) lie between the extreme eigenvalues of M^-1 C, and approach
  these from inside.
*/
#include "solver_impl.h"
#include <math.h>
#include <petscblaslapack.h>

/*
  MeritExtremeRitz - Least and largest Ritz value after n steps.

  Not collective.

  Input Parameters:
+ alpha - [n] step lengths
- beta  - [n] beta[i] is the coefficient that joined direction i to i - 1 (beta[0] unused)
*/
PetscErrorCode MeritExtremeRitz(int n, const double alpha[], const double beta[], double *least, double *most)
{
  double      *d, *e, *work, unused = 0.0;
  PetscBLASInt size, info, one = 1;

  PetscFunctionBegin;
  *least = *most = NAN;
  if (n < 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc3(n, &d, n, &e, 4 * (size_t)n, &work));
  for (int i = 0; i < n; i++) {
    d[i] = 1.0 / alpha[i] + (i ? beta[i] / alpha[i - 1] : 0.0);
    if (i + 1 < n) e[i] = sqrt(beta[i + 1]) / alpha[i];
  }
  PetscCall(PetscBLASIntCast(n, &size));
  PetscCallBLAS("LAPACKREALsteqr", LAPACKREALsteqr_("N", &size, d, e, &unused, &one, work, &info));
  if (!info) {
    *least = d[0]; /* in ascending order */
    *most  = d[n - 1];
  }
  PetscCall(PetscFree3(d, e, work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

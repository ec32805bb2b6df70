/*
  Terms of several regressors, such as an intercept and a slope, are estimated with regressors
  that are orthogonal over the records, so that the scale and centre of a covariate change
  neither the rounds nor the digits.

  With effects u of the user's regressors and v of the orthogonal ones, u = B v. So the
  covariance matrix of u is G = B H B' for the H that is estimated. The map from H to G is
  linear: what it does to theta, applied to both sides of a covariance matrix of estimates,
  converts standard errors too.
*/
#include "equations.h"

/* VarcompInvert - See the header: [A I] is reduced to [I A^-1] by elimination. Not collective. */
bool VarcompInvert(int n, const double *A, double *B)
{
  double wide[2 * MERIT_MAX_BLOCK];

  for (int i = 0; i < n; i++)
    for (int j = 0; j < 2 * n; j++) wide[i * 2 * n + j] = j < n ? A[i * n + j] : i == j - n;
  if (MeritDenseEliminate(n, n, 0.0, wide) < n) return false;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) B[i * n + j] = wide[i * 2 * n + n + j];
  return true;
}

/* G <- B G B'; B [n * n] is the basis for the user's matrix, its inverse for that of the basis */
static void Transform(int n, const double *B, double *G)
{
  double BG[MERIT_MAX_BLOCK];

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      BG[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) BG[i * n + j] += B[i * n + k] * G[k * n + j];
    }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      G[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) G[i * n + j] += BG[i * n + k] * B[j * n + k];
    }
}

/* VarcompBasisFree - See the header. Not collective. */
PetscErrorCode VarcompBasisFree(MeritVarcomp v)
{
  PetscFunctionBegin;
  for (int k = 0; v->run.basis && k < v->formula->n_terms; k++) {
    PetscCall(PetscFree(v->run.basis[k]));
    PetscCall(PetscFree(v->run.back[k]));
  }
  PetscCall(PetscFree2(v->run.basis, v->run.back));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompBasisEnter - See the header. A matrix of which elements are fixed stays as it is: they
  are the user's. Collective.
*/
PetscErrorCode VarcompBasisEnter(MeritVarcomp v)
{
  const MeritFormula *f = v->formula;

  PetscFunctionBegin;
  PetscCall(PetscCalloc2(f->n_terms, &v->run.basis, f->n_terms, &v->run.back));
  for (int k = 0; k < f->n_terms; k++) {
    const int n = f->term[k].n_components;
    bool      mixes;

    /*
      Of one regressor, or of a diagonal matrix, nothing would change; fixed elements are the
      user's
    */
    if (v->first_of_term[k] < 0 || n < 2 || f->term[k].diagonal || f->term[k].fix) continue;
    PetscCall(PetscMalloc1((size_t)(n * n), &v->run.basis[k]));
    PetscCall(MeritModelOrthogonal(v->model, k, v->run.basis[k], &mixes));
    if (mixes) {
      PetscCall(PetscMalloc1((size_t)(n * n), &v->run.back[k]));
      PetscCheck(VarcompInvert(n, v->run.basis[k], v->run.back[k]), v->comm, PETSC_ERR_PLIB, "a triangular matrix with a diagonal of 1");
    } else PetscCall(PetscFree(v->run.basis[k]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompBasisMatrix - See the header: G becomes B^-1 G B^-T. Not collective. */
void VarcompBasisMatrix(MeritVarcomp v, int term, double *G)
{
  if (v->run.back && v->run.back[term]) Transform(v->formula->term[term].n_components, v->run.back[term], G);
}

/*
  VarcompBasisUser - See the header. Components of terms without a basis are copied. `to` may
  not be theta itself. Not collective.
*/
void VarcompBasisUser(MeritVarcomp v, const double theta[], double to[])
{
  for (int c = 0; c < v->n; c++) to[c] = theta[c];
  for (int k = 0; k < v->formula->n_terms; k++) {
    const int n = v->formula->term[k].n_components;
    double    G[MERIT_MAX_BLOCK];

    if (!v->run.basis || !v->run.basis[k]) continue;
    for (int i = 0, c = v->first_of_term[k]; i < n; i++)
      for (int j = 0; j <= i; j++, c++) G[i * n + j] = G[j * n + i] = theta[c];
    Transform(n, v->run.basis[k], G);
    for (int i = 0, c = v->first_of_term[k]; i < n; i++)
      for (int j = 0; j <= i; j++, c++) to[c] = G[i * n + j];
  }
}

/*
  C <- A C A', A being what VarcompBasisUser does to theta. Each pass writes A times column j of
  C to row j, which is (A C)'; the second pass, of the transposed matrix, completes the product.
  column [n] and half [n * n] are work.
*/
static void Covariance(MeritVarcomp v, double *column, double *half, double *C)
{
  const int n = v->n;

  for (int side = 0; side < 2; side++) { /* (A C)' */
    for (int j = 0; j < n; j++) {
      for (int i = 0; i < n; i++) column[i] = C[i * n + j];
      VarcompBasisUser(v, column, half + (size_t)j * (size_t)n);
    }
    for (int i = 0; i < n * n; i++) C[i] = half[i];
  }
}

/* VarcompBasisLeave - See the header. Not collective. */
PetscErrorCode VarcompBasisLeave(MeritVarcomp v)
{
  const size_t n = (size_t)v->n;
  double      *column, *half;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &column, n * n, &half));
  PetscCall(PetscArraycpy(column, v->run.theta, v->n));
  VarcompBasisUser(v, column, v->run.theta);
  PetscCall(PetscArraycpy(column, v->run.solvable, v->n));
  VarcompBasisUser(v, column, v->run.solvable);
  Covariance(v, column, half, v->results.covariance);
  Covariance(v, column, half, v->results.monte_carlo);
  PetscCall(PetscFree2(column, half));
  PetscCall(MeritModelOriginal(v->model));
  PetscCall(VarcompBasisFree(v));
  PetscFunctionReturn(PETSC_SUCCESS);
}

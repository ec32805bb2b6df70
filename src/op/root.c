/*
  A factor B of the penalties, B B' = blockdiag(K^-1 x G^-1): edge by edge for pedigrees, (I - P)' D^-1/2, level by level for others, with
  the lower Cholesky factor of each G^-1. For draws whose covariance is C, and for what is left of them.
*/
#include "op_impl.h"
#include <math.h>

/* y[slot] += factor F z of one level, k right-hand sides */
static void Put(int n, int k, const double *F, double factor, const double *z, double *y)
{
  for (int a = 0; a < n; a++)
    for (int b = 0; b <= a; b++)
      for (int j = 0; j < k; j++) y[a * k + j] += factor * F[a * n + b] * z[b * k + j];
}

/* t += factor F' x */
static void Take(int n, int k, const double *F, double factor, const double *x, double *t)
{
  for (int b = 0; b < n; b++)
    for (int a = b; a < n; a++)
      for (int j = 0; j < k; j++) t[b * k + j] += factor * F[a * n + b] * x[a * k + j];
}

static void PutTerm(const MeritTermView *t, int k, const double *F, const double *z, double *y)
{
  for (int32_t i = 0; i < t->n_owned; i++) {
    const double  scale = t->kind == MERIT_TERM_PED ? 1.0 / sqrt(t->d[i]) : 1.0;
    const int64_t own   = (int64_t)(t->eq_owned + i * t->n_eq) * k;

    Put(t->n_eq, k, F, scale, z + own, y + own);
    if (t->kind != MERIT_TERM_PED) continue;
    if (t->sire[i] >= 0) Put(t->n_eq, k, F, -0.5 * scale, z + own, y + (int64_t)t->sire[i] * k);
    if (t->dam[i] >= 0) Put(t->n_eq, k, F, -0.5 * scale, z + own, y + (int64_t)t->dam[i] * k);
  }
}

static void TakeTerm(const MeritTermView *t, int k, const double *F, const double *x, double *to)
{
  for (int32_t i = 0; i < t->n_owned; i++) {
    const double  scale = t->kind == MERIT_TERM_PED ? 1.0 / sqrt(t->d[i]) : 1.0;
    const int64_t own   = (int64_t)(t->eq_owned + i * t->n_eq) * k;

    Take(t->n_eq, k, F, scale, x + own, to + own);
    if (t->kind != MERIT_TERM_PED) continue;
    if (t->sire[i] >= 0) Take(t->n_eq, k, F, -0.5 * scale, x + (int64_t)t->sire[i] * k, to + own);
    if (t->dam[i] >= 0) Take(t->n_eq, k, F, -0.5 * scale, x + (int64_t)t->dam[i] * k, to + own);
  }
}

/* MeritMMEPenaltyRoot - y += B z, see the header. Collective. */
PetscErrorCode MeritMMEPenaltyRoot(Mat C, int k, const double z[], double y[])
{
  MeritMME *mme;
  double    F[64 * 64], *local;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  PetscCall(MeritMMEWork(mme, k));
  PetscCall(PetscCalloc1((size_t)mme->n_local * (size_t)k + 1, &local));
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *t = &mme->term[i];

    if (t->kind == MERIT_TERM_FIXED) continue;
    PetscCheck(!t->L, mme->comm, PETSC_ERR_ARG_WRONGSTATE, "a covariance matrix is singular");
    PetscCheck(MeritDenseCholesky(t->n_eq, t->G_inverse, F), mme->comm, PETSC_ERR_PLIB, "a penalty is not definite");
    PutTerm(t, k, F, z, local);
  }
  PetscCall(PetscSFReduceBegin(mme->halo, mme->unit, local + (int64_t)mme->n_owned * k, local, MPI_SUM));
  PetscCall(PetscSFReduceEnd(mme->halo, mme->unit, local + (int64_t)mme->n_owned * k, local, MPI_SUM));
  for (int64_t i = 0; i < (int64_t)mme->n_owned * k; i++) y[i] += local[i];
  PetscCall(PetscFree(local));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEPenaltyRootTransposed - t = B' x, see the header. Collective. */
PetscErrorCode MeritMMEPenaltyRootTransposed(Mat C, int k, const double x[], double t[])
{
  MeritMME *mme;
  double    F[64 * 64], *local;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  PetscCall(MeritMMEWork(mme, k));
  PetscCall(PetscMalloc1((size_t)mme->n_local * (size_t)k + 1, &local));
  PetscCall(PetscArraycpy(local, x, (size_t)mme->n_owned * (size_t)k));
  PetscCall(PetscSFBcastBegin(mme->halo, mme->unit, local, local + (int64_t)mme->n_owned * k, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(mme->halo, mme->unit, local, local + (int64_t)mme->n_owned * k, MPI_REPLACE));
  PetscCall(PetscArrayzero(t, (size_t)mme->n_owned * (size_t)k));
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *term = &mme->term[i];

    if (term->kind == MERIT_TERM_FIXED) continue;
    PetscCheck(!term->L, mme->comm, PETSC_ERR_ARG_WRONGSTATE, "a covariance matrix is singular");
    PetscCheck(MeritDenseCholesky(term->n_eq, term->G_inverse, F), mme->comm, PETSC_ERR_PLIB, "a penalty is not definite");
    TakeTerm(term, k, F, local, t);
  }
  PetscCall(PetscFree(local));
  PetscFunctionReturn(PETSC_SUCCESS);
}

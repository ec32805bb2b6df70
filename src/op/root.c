/*
  A factor B of the penalties, B B' = blockdiag(K^-1 x G^-1), and its transpose: K^-1 = (I - P)'
  D^-1 (I - P), so B = (I - P)' D^-1/2 x F with F the lower Cholesky factor of G^-1. With z
  standard normal, B z has the penalties as covariance: it is used for draws whose covariance is
  C.

  Rows of I - P of owned levels may write to parents that are ghosts here: B z is made in a
  local vector and ghosts are added to their owners. The transpose reads parents, so their
  values are fetched first.
*/
#include "op_impl.h"

/* MeritMMEPenaltyRoot - y += B z, see the header. Collective. */
PetscErrorCode MeritMMEPenaltyRoot(Mat C, int k, const double z[], double y[])
{
  MeritMME *mme;
  double    F[MERIT_MAX_BLOCK], *local;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  PetscCall(MeritMMEWork(mme, k));
  PetscCall(PetscCalloc1((size_t)mme->n_local * (size_t)k + 1, &local));
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *t = &mme->term[i];

    if (t->fixed) continue;
    PetscCheck(!t->L, mme->comm, PETSC_ERR_ARG_WRONGSTATE, "a covariance matrix is singular");
    PetscCheck(MeritDenseCholesky(t->n_eq, t->G_inverse, F), mme->comm, PETSC_ERR_PLIB, "a penalty is not definite");
    MeritRecursionRoot(MeritStructurePenalty(t->structure), F, k, z + (int64_t)t->eq_owned * k, local);
  }
  PetscCall(PetscSFReduceBegin(mme->halo, mme->work.unit, local + (int64_t)mme->n_owned * k, local, MPI_SUM));
  PetscCall(PetscSFReduceEnd(mme->halo, mme->work.unit, local + (int64_t)mme->n_owned * k, local, MPI_SUM));
  for (int64_t i = 0; i < (int64_t)mme->n_owned * k; i++) y[i] += local[i];
  PetscCall(PetscFree(local));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEPenaltyRootTransposed - t = B' x, see the header. Collective. */
PetscErrorCode MeritMMEPenaltyRootTransposed(Mat C, int k, const double x[], double t[])
{
  MeritMME *mme;
  double    F[MERIT_MAX_BLOCK], *local;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  PetscCall(MeritMMEWork(mme, k));
  PetscCall(PetscMalloc1((size_t)mme->n_local * (size_t)k + 1, &local));
  PetscCall(PetscArraycpy(local, x, (size_t)mme->n_owned * (size_t)k));
  PetscCall(PetscSFBcastBegin(mme->halo, mme->work.unit, local, local + (int64_t)mme->n_owned * k, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(mme->halo, mme->work.unit, local, local + (int64_t)mme->n_owned * k, MPI_REPLACE));
  PetscCall(PetscArrayzero(t, (size_t)mme->n_owned * (size_t)k));
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *term = &mme->term[i];

    if (term->fixed) continue;
    PetscCheck(!term->L, mme->comm, PETSC_ERR_ARG_WRONGSTATE, "a covariance matrix is singular");
    PetscCheck(MeritDenseCholesky(term->n_eq, term->G_inverse, F), mme->comm, PETSC_ERR_PLIB, "a penalty is not definite");
    MeritRecursionRootTransposed(MeritStructurePenalty(term->structure), F, k, local, t + (int64_t)term->eq_owned * k);
  }
  PetscCall(PetscFree(local));
  PetscFunctionReturn(PETSC_SUCCESS);
}

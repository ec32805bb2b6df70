/*
  Equations that are rows and columns of the identity ("constrained"): aliased or absent ones of the
  model, and those of the fixed effects where C is to be without them (MeritMMEDropFixed). An
  application sets them to 0 in its input, and copies them to its output.
*/
#include "op_impl.h"

/* MeritMMEListConstrained - See the header. Not collective. */
PetscErrorCode MeritMMEListConstrained(MeritMME *mme)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(mme->constrained));
  mme->n_constrained = 0;
  for (int32_t i = 0; i < mme->n_owned; i++) mme->n_constrained += mme->eq_state[i] != MERIT_EQ_OK;
  PetscCall(PetscMalloc1(mme->n_constrained, &mme->constrained));
  mme->n_constrained = 0;
  for (int32_t i = 0; i < mme->n_owned; i++)
    if (mme->eq_state[i] != MERIT_EQ_OK) mme->constrained[mme->n_constrained++] = i;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEDropFixed - Let C be without its fixed effects, as maximum likelihood wants it, or with them again.

  Collective on C. Its state is bumped, so that preconditioners are set up anew.

  Notes:
  Without them C is that of the random effects, Z' R^-1 Z + blockdiag(P), and the identity over the fixed ones, whose right-hand sides are 0.
  Preconditioners, sweeps and solvers know of it by MeritMMEState() and MeritMMEEquationState().
@*/
PetscErrorCode MeritMMEDropFixed(Mat C, bool random)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  if (random == (mme->masked != NULL)) PetscFunctionReturn(PETSC_SUCCESS);
  mme->eq_state = MeritModelEquationState(mme->model);
  if (random) {
    PetscCall(PetscMalloc1(mme->n_owned + 1, &mme->masked));
    PetscCall(PetscArraycpy(mme->masked, mme->eq_state, mme->n_owned));
    for (int k = 0; k < mme->n_terms; k++)
      for (int32_t i = 0; mme->term[k].fixed && i < mme->term[k].n_owned * mme->term[k].n_eq; i++)
        mme->masked[mme->term[k].eq_owned + i] = MERIT_EQ_ABSENT;
    mme->eq_state = mme->masked;
  } else PetscCall(PetscFree(mme->masked));
  PetscCall(MeritMMEListConstrained(mme));
  PetscCall(MeritMMEChanged(C, mme));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEEquationState - See the header. Not collective. */
PetscErrorCode MeritMMEEquationState(Mat C, const uint8_t **state)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  *state = mme->eq_state;
  PetscFunctionReturn(PETSC_SUCCESS);
}

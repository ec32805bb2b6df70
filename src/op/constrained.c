/*
  Equations that are rows and columns of the identity ("constrained"): aliased or absent ones of the
  model, and those of the fixed effects where C is to be without them (MeritMMEDropFixed). An
  application sets them to 0 in its input, and copies them to its output.
*/
#include "op_impl.h"

/* MeritConstrainedList - See the header. Not collective. */
PetscErrorCode MeritConstrainedList(int32_t n_owned, MeritConstrained *constrained)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(constrained->equation));
  constrained->n = 0;
  for (int32_t i = 0; i < n_owned; i++) constrained->n += constrained->state[i] != MERIT_EQ_OK;
  PetscCall(PetscMalloc1(constrained->n, &constrained->equation));
  constrained->n = 0;
  for (int32_t i = 0; i < n_owned; i++)
    if (constrained->state[i] != MERIT_EQ_OK) constrained->equation[constrained->n++] = i;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEDropFixed - Drop the fixed effects from C, as maximum likelihood needs, or include them again.

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
  if (random == (mme->constrained.masked != NULL)) PetscFunctionReturn(PETSC_SUCCESS);
  mme->constrained.state = MeritModelEquationState(mme->model);
  if (random) {
    PetscCall(PetscMalloc1(mme->n_owned + 1, &mme->constrained.masked));
    PetscCall(PetscArraycpy(mme->constrained.masked, mme->constrained.state, mme->n_owned));
    for (int k = 0; k < mme->n_terms; k++)
      for (int32_t i = 0; mme->term[k].fixed && i < mme->term[k].n_owned * mme->term[k].n_eq; i++)
        mme->constrained.masked[mme->term[k].eq_owned + i] = MERIT_EQ_ABSENT;
    mme->constrained.state = mme->constrained.masked;
  } else PetscCall(PetscFree(mme->constrained.masked));
  PetscCall(MeritConstrainedList(mme->n_owned, &mme->constrained));
  PetscCall(MeritMMEChanged(C, mme));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEEquationState - See the header. Not collective. */
PetscErrorCode MeritMMEEquationState(Mat C, const uint8_t **state)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  *state = mme->constrained.state;
  PetscFunctionReturn(PETSC_SUCCESS);
}

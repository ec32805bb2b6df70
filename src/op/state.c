/*
  The operator follows the variances of its model. A model counts up its state when its
  variances change; the operator remembers the state that it has taken over. Everything that
  reads G^-1, L or R^-1 begins with MeritMMECurrent(), which compares the two. R^-1 is read
  through the model's own array, so only penalties have to be given their G^-1 anew.
*/
#include "op_impl.h"

/* MeritMMEExpanded - See the header. Not collective. */
bool MeritMMEExpanded(const MeritMME *mme)
{
  for (int i = 0; i < mme->n_terms; i++)
    if (mme->term[i].L) return true;
  return false;
}

/* MeritMMEChanged - See the header. Collective. */
PetscErrorCode MeritMMEChanged(Mat C, MeritMME *mme)
{
  PetscFunctionBegin;
  mme->n_changes++;
  PetscCall(MatAssemblyBegin(C, MAT_FINAL_ASSEMBLY));
  PetscCall(MatAssemblyEnd(C, MAT_FINAL_ASSEMBLY));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEState - See the header. Collective. */
PetscErrorCode MeritMMEState(Mat C, uint64_t *state)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  *state = mme->n_changes + 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMERefresh - Take over new variances: bumps the state of C if the model's has changed. Collective. */
PetscErrorCode MeritMMERefresh(Mat C)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  if (mme->state == MeritModelState(mme->model)) PetscFunctionReturn(PETSC_SUCCESS);
  mme->state = MeritModelState(mme->model);
  for (int i = 0; i < mme->n_terms; i++) MeritPenaltySetInverse(mme->penalty[i], mme->term[i].G_inverse);
  /* work arrays of component slots are needed now, or no longer; all are made anew at the next
     use */
  if (mme->expand != MeritMMEExpanded(mme)) {
    mme->expand = !mme->expand;
    PetscCall(MeritMMEWork(mme, 0));
  }
  PetscCall(MeritMMEChanged(C, mme));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMECurrent - See the header. Collective. */
PetscErrorCode MeritMMECurrent(Mat C, MeritMME **mme)
{
  PetscFunctionBegin;
  PetscCall(MeritMMERefresh(C));
  PetscCall(MeritMMEGet(C, mme));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Work arrays for k right-hand sides, kept from call to call until k changes: x_local and
  y_local by equations, x_slots and y_slots by components where some G is singular. y arrays
  have private slots of threads behind them, which are 0 between calls.
*/
#include "op_impl.h"

/* MeritMMEWork - Make room for k right-hand sides; private slots are 0. Not collective. */
PetscErrorCode MeritMMEWork(MeritMME *mme, int k)
{
  PetscFunctionBegin;
  if (mme->work.k == k) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(mme->work.x_local));
  PetscCall(PetscFree(mme->work.y_local));
  PetscCall(PetscFree(mme->work.x_slots));
  PetscCall(PetscFree(mme->work.y_slots));
  if (mme->work.k) PetscCall(MeritUnitFree(&mme->work.unit));
  mme->work.k = k;
  if (!k) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritUnitCreate(k, &mme->work.unit));
  PetscCall(PetscCalloc1((size_t)mme->n_local * (size_t)k + 1, &mme->work.x_local));
  PetscCall(PetscCalloc1((size_t)mme->work.length_local * (size_t)k + 1, &mme->work.y_local));
  if (mme->expand) {
    PetscCall(PetscCalloc1((size_t)mme->n_slots * (size_t)k + 1, &mme->work.x_slots));
    PetscCall(PetscCalloc1((size_t)mme->work.length_slots * (size_t)k + 1, &mme->work.y_slots));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

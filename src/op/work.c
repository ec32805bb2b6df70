/* Work arrays for k right-hand sides, kept from call to call. */
#include "op_impl.h"

/* MeritUnitCreate - MPI type of n doubles. Not collective; free with `MeritUnitFree()`. PetscSF cannot sum a contiguous type of one. */
PetscErrorCode MeritUnitCreate(int64_t n_doubles, MPI_Datatype *unit)
{
  PetscMPIInt n;

  PetscFunctionBegin;
  *unit = MPI_DOUBLE;
  if (n_doubles == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMPIIntCast((PetscInt)n_doubles, &n));
  PetscCallMPI(MPI_Type_contiguous(n, MPI_DOUBLE, unit));
  PetscCallMPI(MPI_Type_commit(unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritUnitFree - Free what MeritUnitCreate made. Not collective. */
PetscErrorCode MeritUnitFree(MPI_Datatype *unit)
{
  PetscFunctionBegin;
  if (*unit != MPI_DOUBLE) PetscCallMPI(MPI_Type_free(unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEWork - Make room for k right-hand sides; private places are 0. Not collective. */
PetscErrorCode MeritMMEWork(MeritMME *mme, int k)
{
  PetscFunctionBegin;
  if (mme->k == k) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(mme->x_local));
  PetscCall(PetscFree(mme->y_local));
  PetscCall(PetscFree(mme->x_slots));
  PetscCall(PetscFree(mme->y_slots));
  if (mme->k) PetscCall(MeritUnitFree(&mme->unit));
  mme->k = k;
  if (!k) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritUnitCreate(k, &mme->unit));
  PetscCall(PetscCalloc1((size_t)mme->n_local * (size_t)k + 1, &mme->x_local));
  PetscCall(PetscCalloc1((size_t)mme->places_local * (size_t)k + 1, &mme->y_local));
  if (mme->expand) {
    PetscCall(PetscCalloc1((size_t)mme->n_slots * (size_t)k + 1, &mme->x_slots));
    PetscCall(PetscCalloc1((size_t)mme->places_slots * (size_t)k + 1, &mme->y_slots));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

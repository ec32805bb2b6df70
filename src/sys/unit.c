/* Units of PetscSF exchanges. */
#include <merit/unit.h>

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

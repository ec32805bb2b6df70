/* MPI types for blocks of right-hand sides in PetscSF exchanges. */
#include <merit/unit.h>

/* MeritUnitCreate - See the header. One double keeps the basic type, since PetscSF cannot sum a
   contiguous type of one. Not collective. */
PetscErrorCode MeritUnitCreate(int64_t n_doubles, MPI_Datatype *unit)
{
  PetscFunctionBegin;
  *unit = MPI_DOUBLE;
  if (n_doubles == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCheck(n_doubles > 0 && n_doubles <= INT32_MAX, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "a unit of %lld doubles", (long long)n_doubles);
  PetscCallMPI(MPI_Type_contiguous((int)n_doubles, MPI_DOUBLE, unit));
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

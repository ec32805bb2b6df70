#include "varcomp_impl.h"

static PetscErrorCode SetUp_Lanczos(MeritVarcomp v)
{
  (void)v;
  PetscFunctionBegin;
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine lanczos is not available"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Lanczos = {"lanczos", SetUp_Lanczos, NULL, NULL};

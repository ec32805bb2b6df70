#include "varcomp_impl.h"

static PetscErrorCode SetUp_Eigen(MeritVarcomp v)
{
  (void)v;
  PetscFunctionBegin;
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine eigen is not available"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Eigen = {"eigen", SetUp_Eigen, NULL, NULL};

#include "varcomp_impl.h"

static PetscErrorCode SetUp_Dense(MeritVarcomp v)
{
  (void)v;
  PetscFunctionBegin;
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine dense is not available"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Dense = {"dense", SetUp_Dense, NULL, NULL};

#include "varcomp_impl.h"

PetscErrorCode VarcompAnova(MeritVarcomp v)
{
  (void)v;
  PetscFunctionBegin;
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.method", "this method is not available"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ridge: K = M M' with M columns of the records; levels are the columns, and the records themselves have M. */
#include "structure_impl.h"

static PetscErrorCode Levels(MeritStructure s, int64_t *n)
{
  PetscFunctionBegin;
  *n = s->sources.n_columns;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Names(MeritStructure s, const char ***names)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->sources.n_columns + 1, names));
  for (int i = 0; i < s->sources.n_columns; i++) (*names)[i] = s->sources.column[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritStructureOps MeritStructure_Columns = {.name = "ridge", .form = MERIT_FORM_FACTOR, .levels = Levels, .names = Names};

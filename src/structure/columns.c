/*
  ridge: K = M M', with M some columns of the records.

  The equations are in the effects of these columns, one level for each column. The records
  themselves have M, so nothing is fed: records name no level, and rows of M are the records.
*/
#include "structure_impl.h"

/* One level for each column that the formula names */
static PetscErrorCode Levels(MeritStructure s, int64_t *n)
{
  PetscFunctionBegin;
  *n = s->sources.n_columns;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Labels of the levels are the names of the columns; the strings are borrowed */
static PetscErrorCode Names(MeritStructure s, const char ***names)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->sources.n_columns + 1, names));
  for (int i = 0; i < s->sources.n_columns; i++) (*names)[i] = s->sources.column[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritStructureOps MeritStructure_Columns = {.name = "ridge", .form = MERIT_FORM_FACTOR, .levels = Levels, .names = Names};

/* What a run leaves out, with the reason: rows of excluded.tsv. Notes are kept on the
   rank that makes them; ids and reasons are codes into one pool, since reasons repeat. */
#include "model_impl.h"
#include <string.h>

/* MeritExclude - Note that a record, animal or SNP is left out; `kind` must be a literal. Not
   collective. */
PetscErrorCode MeritExclude(MeritExclusions *excluded, const char kind[], int64_t line, const char id[], const char reason[])
{
  MeritExclusionNote *note;

  PetscFunctionBegin;
  if (!excluded->text) PetscCall(MeritStringsCreate(&excluded->text));
  if (excluded->n == excluded->room) {
    excluded->room = 2 * excluded->room + 64;
    PetscCall(PetscRealloc((size_t)excluded->room * sizeof(*excluded->note), &excluded->note));
  }
  note       = &excluded->note[excluded->n++];
  note->kind = kind;
  note->line = line;
  PetscCall(MeritStringsIntern(excluded->text, id, strlen(id), &note->id));
  PetscCall(MeritStringsIntern(excluded->text, reason, strlen(reason), &note->reason));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelExclusions - What this rank found to be left out of the analysis.

  Not collective. Valid after SetUp.

  Output Parameter:
. list - [count] kind, line, id, reason; borrowed until Destroy

  Returns the count.
@*/
int64_t MeritModelExclusions(MeritModel model, const MeritExclusion **list)
{
  MeritExclusions *excluded = &model->excluded;

  if (!excluded->list && excluded->n) {
    if (PetscMalloc1(excluded->n, &excluded->list)) return 0;
    for (int64_t i = 0; i < excluded->n; i++) {
      const MeritExclusionNote *note = &excluded->note[i];

      excluded->list[i] = (MeritExclusion){note->kind, note->line, MeritStringsGet(excluded->text, note->id, NULL),
                                           MeritStringsGet(excluded->text, note->reason, NULL)};
    }
  }
  *list = excluded->list;
  return excluded->n;
}

/* MeritExclusionsFree - Free notes, texts and list. Not collective. */
PetscErrorCode MeritExclusionsFree(MeritExclusions *excluded)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(excluded->note));
  PetscCall(MeritStringsDestroy(&excluded->text));
  PetscCall(PetscFree(excluded->list));
  PetscFunctionReturn(PETSC_SUCCESS);
}

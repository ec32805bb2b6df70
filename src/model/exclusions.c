/* What a run leaves out, with the reason: rows of excluded.tsv. Notes are kept on the
   rank that makes them; ids and reasons are codes into one pool, since reasons repeat. */
#include "model_impl.h"
#include <string.h>

/* MeritModelExclude - Note that a record, animal or SNP is left out; `kind` must be a literal. Not
   collective. */
PetscErrorCode MeritModelExclude(MeritModel model, const char kind[], int64_t line, const char id[], const char reason[])
{
  MeritExclusionNote *note;

  PetscFunctionBegin;
  if (!model->exclusion_text) PetscCall(MeritStringsCreate(&model->exclusion_text));
  if (model->n_exclusions == model->room_exclusions) {
    model->room_exclusions = 2 * model->room_exclusions + 64;
    PetscCall(PetscRealloc((size_t)model->room_exclusions * sizeof(*model->exclusion), &model->exclusion));
  }
  note       = &model->exclusion[model->n_exclusions++];
  note->kind = kind;
  note->line = line;
  PetscCall(MeritStringsIntern(model->exclusion_text, id, strlen(id), &note->id));
  PetscCall(MeritStringsIntern(model->exclusion_text, reason, strlen(reason), &note->reason));
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
  if (!model->exclusion_list && model->n_exclusions) {
    if (PetscMalloc1(model->n_exclusions, &model->exclusion_list)) return 0;
    for (int64_t i = 0; i < model->n_exclusions; i++) {
      const MeritExclusionNote *note = &model->exclusion[i];

      model->exclusion_list[i] = (MeritExclusion){note->kind, note->line, MeritStringsGet(model->exclusion_text, note->id, NULL),
                                                  MeritStringsGet(model->exclusion_text, note->reason, NULL)};
    }
  }
  *list = model->exclusion_list;
  return model->n_exclusions;
}

/* Read-only access to a model: views, labels, positions of levels. */
#include "model_impl.h"
#include <string.h>

/* MeritModelComm - The ranks of a model. Not collective. */
MPI_Comm MeritModelComm(MeritModel model) { return model->comm; }

/* MeritModelVariancesFree - Are its variances to be estimated? Not collective. */
bool MeritModelVariancesFree(MeritModel model) { return model->mode.estimated; }

/* MeritModelState - Counts up at every change of variances. Not collective. */
uint64_t MeritModelState(MeritModel model) { return model->state; }

/* MeritModelFormula - What the job file says of the model; borrowed. Not collective. */
const MeritFormula *MeritModelFormula(MeritModel model) { return model->formula; }

/* MeritModelTerms - The terms on this rank, in formula order; borrowed until Destroy. Not
   collective. */
int MeritModelTerms(MeritModel model, const MeritTermView **terms)
{
  *terms = model->view;
  return model->formula->n_terms;
}

/* MeritModelRecords - The records on this rank; borrowed until Destroy. Not collective. */
const MeritRecordsView *MeritModelRecords(MeritModel model) { return &model->records; }

/* MeritModelLayout - Sizes of this rank's equations and slots; borrowed until Destroy. Not
   collective. */
const MeritLayout *MeritModelLayout(MeritModel model) { return &model->equations.layout; }

/* MeritModelEquationState - [n_owned] MeritEquationState of each owned equation; borrowed. Not
   collective. */
const uint8_t *MeritModelEquationState(MeritModel model) { return model->counts.state; }

/* MeritModelObservations - Observations of each owned level and component, in the order of
   ToComponents; borrowed. Not collective. */
const int64_t *MeritModelObservations(MeritModel model) { return model->counts.observations; }

/* MeritModelHalo - Owned equations (roots) to ghost equations (leaves); borrowed. Not
   collective. */
PetscSF MeritModelHalo(MeritModel model) { return model->equations.halo; }

/* MeritModelGenotypedLink - Genotype rows (roots) to the genotyped levels of an SNP term (leaves), units are
   levels; borrowed. Not collective. */
PetscSF MeritModelGenotypedLink(MeritModel model, int term) { return model->term[term].genotyped; }

/* MeritModelGenotypes - The genotypes, or NULL; borrowed. Not collective. */
MeritGenotypes MeritModelGenotypes(MeritModel model) { return model->genotypes; }

/* MeritModelPedigree - The pedigree, or NULL; borrowed. Not collective. */
MeritPedigree MeritModelPedigree(MeritModel model) { return model->pedigree; }

/* MeritModelRecordLines - Line in the records file of each local record, [n_records]; borrowed. Not
   collective. */
PetscErrorCode MeritModelRecordLines(MeritModel model, const int64_t **line)
{
  PetscFunctionBegin;
  *line = model->rows.line;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelRecordCounts - Records in the file, and how many of them were dropped; over all ranks.
   Not collective. */
PetscErrorCode MeritModelRecordCounts(MeritModel model, int64_t *n_lines, int64_t *n_dropped)
{
  PetscFunctionBegin;
  if (n_lines) *n_lines = model->n_lines;
  if (n_dropped) *n_dropped = model->n_dropped;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Labels of a term's levels: a dictionary, or a list of names that is the caller's; without classes
   there is the one level "1" */
static PetscErrorCode Labels(MeritModel model, int k, MeritDict *dict, const char ***name)
{
  PetscFunctionBegin;
  PetscCall(MeritStructureLabels(model->term[k].structure, dict, name));
  if (!*dict && !*name) *dict = model->term[k].dict;
  if (*dict || *name) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(1, name));
  (*name)[0] = "1";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelLabels - Labels of a term's levels.

  Collective.

  Input Parameters:
+ term   - position in the formula
- number - [n] canonical numbers

  Output Parameters:
+ at    - the bytes of all labels; owned by the caller, PetscFree
- start - [n + 1] label i is at[start[i] .. start[i + 1]); owned by the caller, PetscFree
@*/
PetscErrorCode MeritModelLabels(MeritModel model, int term, int64_t n, const int64_t number[], char **at, int64_t **start)
{
  MeritDict    dict;
  const char **name;

  PetscFunctionBegin;
  PetscCall(Labels(model, term, &dict, &name));
  if (dict) {
    PetscCall(MeritDictLabels(dict, n, number, at, start));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(n + 1, start));
  (*start)[0] = 0;
  for (int64_t i = 0; i < n; i++) (*start)[i + 1] = (*start)[i] + (int64_t)strlen(name[number[i]]);
  PetscCall(PetscMalloc1((*start)[n] + 1, at));
  for (int64_t i = 0; i < n; i++) PetscCall(PetscArraycpy(*at + (*start)[i], name[number[i]], (*start)[i + 1] - (*start)[i]));
  PetscCall(PetscFree(name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelFindLabels - Canonical number of every string of a pool, -1 where the term has no such
   level. Collective. */
PetscErrorCode MeritModelFindLabels(MeritModel model, int term, MeritStrings pool, int64_t number[])
{
  MeritDict    dict;
  const char **name;

  PetscFunctionBegin;
  PetscCall(Labels(model, term, &dict, &name));
  if (dict) {
    PetscCall(MeritDictFind(dict, pool, number));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  for (int32_t c = 0; c < MeritStringsCount(pool); c++) number[c] = -1;
  for (int64_t i = 0; i < model->term[term].view.n_levels; i++) {
    int32_t code = MeritStringsFind(pool, name[i], strlen(name[i]));

    if (code >= 0) number[code] = i;
  }
  PetscCall(PetscFree(name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelLocate - Global number of the first equation of each level, -1 for numbers out of
   range. Collective. */
PetscErrorCode MeritModelLocate(MeritModel model, int term, int64_t n, const int64_t level[], int64_t equation[])
{
  const int    n_terms = model->formula->n_terms;
  PetscMPIInt *owner;
  int32_t     *position;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &owner, n, &position));
  PetscCall(MeritLevelsLocate(&model->term[term].levels, n, level, owner, position));
  for (int64_t i = 0; i < n; i++)
    equation[i] = owner[i] < 0 ? -1
                               : model->equations.rank_first[owner[i]] + model->equations.rank_term_first[owner[i] * n_terms + term] +
                                     (int64_t)position[i] * model->term[term].view.n_eq;
  PetscCall(PetscFree2(owner, position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

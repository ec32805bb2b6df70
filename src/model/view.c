/* What others may look at: views, labels, places of levels. */
#include "model_impl.h"
#include <string.h>

/* MeritModelComm - The ranks of a model. Not collective. */
MPI_Comm MeritModelComm(MeritModel model)
{
  return model->comm;
}

/* MeritModelEstimated - Are its variances to be estimated? Not collective. */
bool MeritModelEstimated(MeritModel model)
{
  return model->estimated;
}

/* MeritModelState - Counts up at every change of variances. Not collective. */
uint64_t MeritModelState(MeritModel model)
{
  return model->state;
}

/* MeritModelFormula - What the job file says of the model; borrowed. Not collective. */
const MeritFormula *MeritModelFormula(MeritModel model)
{
  return model->formula;
}

/* MeritModelTerms - The terms on this rank, in formula order; borrowed until Destroy. Not collective. */
int MeritModelTerms(MeritModel model, const MeritTermView **terms)
{
  *terms = model->view;
  return model->formula->n_terms;
}

/* MeritModelRecords - The records on this rank; borrowed until Destroy. Not collective. */
const MeritRecordsView *MeritModelRecords(MeritModel model)
{
  return &model->records;
}

/* MeritModelLayout - Sizes of this rank's equations and slots; borrowed until Destroy. Not collective. */
const MeritLayout *MeritModelLayout(MeritModel model)
{
  return &model->layout;
}

/* MeritModelEquationState - [n_owned] MeritEquationState of each owned equation; borrowed. Not collective. */
const uint8_t *MeritModelEquationState(MeritModel model)
{
  return model->eq_state;
}

/* MeritModelObservations - Observations of each owned level and component, in the order of ToComponents; borrowed. Not collective. */
const int64_t *MeritModelObservations(MeritModel model)
{
  return model->observations;
}

/* MeritModelHalo - Owned equations (roots) to ghost equations (leaves); borrowed. Not collective. */
PetscSF MeritModelHalo(MeritModel model)
{
  return model->halo;
}

/* MeritModelCarriers - Genotype rows (roots) to the carriers of an SNP term (leaves), units are levels; borrowed. Not collective. */
PetscSF MeritModelCarriers(MeritModel model, int term)
{
  return model->term[term].carriers;
}

/* MeritModelGenotypes - The genotypes, or NULL; borrowed. Not collective. */
MeritGenotypes MeritModelGenotypes(MeritModel model)
{
  return model->genotypes;
}

/* MeritModelPedigree - The pedigree, or NULL; borrowed. Not collective. */
MeritPedigree MeritModelPedigree(MeritModel model)
{
  return model->pedigree;
}

/* MeritModelRecordLines - Line in the records file of each local record, [n_records]; borrowed. Not collective. */
PetscErrorCode MeritModelRecordLines(MeritModel model, const int64_t **line)
{
  PetscFunctionBegin;
  *line = model->rows.line;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelRecordCounts - Records in the file, and how many of them were dropped; over all ranks. Not collective. */
PetscErrorCode MeritModelRecordCounts(MeritModel model, int64_t *n_lines, int64_t *n_dropped)
{
  PetscFunctionBegin;
  if (n_lines) *n_lines = model->n_lines;
  if (n_dropped) *n_dropped = model->n_dropped;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static MeritDict TermDict(MeritModel model, int k)
{
  MeritDict dict = model->term[k].dict;

  if (model->formula->term[k].kind == MERIT_TERM_PED && MeritPedigreeDict(model->pedigree, &dict)) return NULL;
  return dict;
}

/* Names of the SNPs in use by column of M; [n_used], owned by the caller */
static PetscErrorCode SnpNames(MeritModel model, const char ***name)
{
  const MeritSnp *snp;
  int32_t         n, used;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(model->genotypes, NULL, &n, &used));
  PetscCall(MeritGenotypesSnps(model->genotypes, &snp));
  PetscCall(PetscMalloc1(used + 1, name));
  for (int32_t i = 0; i < n; i++)
    if (snp[i].column >= 0) (*name)[snp[i].column] = snp[i].name;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the levels of a term without a dictionary (SNPs, ridge columns, "1"); [n_levels], owned by the caller */
static PetscErrorCode FewNames(MeritModel model, int k, const char ***name)
{
  const MeritTermSpec *spec = &model->formula->term[k];

  PetscFunctionBegin;
  if (spec->kind == MERIT_TERM_SNP) {
    PetscCall(SnpNames(model, name));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(spec->n_regressors + 1, name));
  for (int r = 0; r < spec->n_regressors; r++) (*name)[r] = spec->kind == MERIT_TERM_RIDGE ? spec->regressor[r].column : "1";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelLabels - Labels of a term's levels.

  Collective.

  Input Parameters:
+ term   - place in the formula
- number - [n] canonical numbers

  Output Parameters:
+ at    - the bytes of all labels; owned by the caller, PetscFree
- start - [n + 1] label i is at[start[i] .. start[i + 1]); owned by the caller, PetscFree
@*/
PetscErrorCode MeritModelLabels(MeritModel model, int term, int64_t n, const int64_t number[], char **at, int64_t **start)
{
  MeritDict    dict = TermDict(model, term);
  const char **name;

  PetscFunctionBegin;
  if (dict) {
    PetscCall(MeritDictLabels(dict, n, number, at, start));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(FewNames(model, term, &name));
  PetscCall(PetscMalloc1(n + 1, start));
  (*start)[0] = 0;
  for (int64_t i = 0; i < n; i++) (*start)[i + 1] = (*start)[i] + (int64_t)strlen(name[number[i]]);
  PetscCall(PetscMalloc1((*start)[n] + 1, at));
  for (int64_t i = 0; i < n; i++) PetscCall(PetscArraycpy(*at + (*start)[i], name[number[i]], (*start)[i + 1] - (*start)[i]));
  PetscCall(PetscFree(name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelFindLabels - Canonical number of every string of a pool, -1 where the term has no such level. Collective. */
PetscErrorCode MeritModelFindLabels(MeritModel model, int term, MeritStrings pool, int64_t number[])
{
  MeritDict    dict = TermDict(model, term);
  const char **name;

  PetscFunctionBegin;
  if (dict) {
    PetscCall(MeritDictFind(dict, pool, number));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  for (int32_t c = 0; c < MeritStringsCount(pool); c++) number[c] = -1;
  PetscCall(FewNames(model, term, &name));
  for (int64_t i = 0; i < model->term[term].view.n_levels; i++) {
    int32_t code = MeritStringsFind(pool, name[i], strlen(name[i]));

    if (code >= 0) number[code] = i;
  }
  PetscCall(PetscFree(name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelLocate - Global number of the first equation of each level, -1 for numbers out of range. Collective. */
PetscErrorCode MeritModelLocate(MeritModel model, int term, int64_t n, const int64_t level[], int64_t equation[])
{
  const int    n_terms = model->formula->n_terms;
  PetscMPIInt *owner;
  int32_t     *place;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &owner, n, &place));
  PetscCall(MeritLevelsLocate(&model->term[term].levels, n, level, owner, place));
  for (int64_t i = 0; i < n; i++)
    equation[i] = owner[i] < 0 ? -1
                : model->rank_first[owner[i]] + model->rank_term_first[owner[i] * n_terms + term] +
                    (int64_t)place[i] * model->term[term].view.n_eq;
  PetscCall(PetscFree2(owner, place));
  PetscFunctionReturn(PETSC_SUCCESS);
}

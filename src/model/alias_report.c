/* Report of redundant equations: a warning for each covariate without levels, whose
   estimate the user expects; one message with a few levels of each class term, where such
   equations are usual (classes and an intercept always have some). */
#include "alias.h"

/* Levels that are named for each term */
enum { NAMED = 3 };

/* *n = aliased equations of a term over all ranks; level [NAMED] its first levels that
   have one, INT64_MAX if there are fewer. Collective. In each round the smallest level
   above the one before is found, over all ranks. A level with several aliased equations
   is named once. */
static PetscErrorCode Count(MeritModel model, int k, int64_t *n, int64_t level[])
{
  const MeritTermView *view  = &model->term[k].view;
  const uint8_t       *state = model->counts.state + view->eq_owned;

  PetscFunctionBegin;
  *n = 0;
  for (int32_t i = 0; i < view->n_owned * view->n_eq; i++) *n += state[i] == MERIT_EQ_ALIASED;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, n, 1, MPI_INT64_T, MPI_SUM, model->comm));
  for (int m = 0; m < NAMED; m++) level[m] = INT64_MAX;
  for (int m = 0; m < PetscMin(NAMED, *n); m++) {
    for (int32_t i = 0; i < view->n_owned * view->n_eq; i++) {
      const int64_t canonical = view->canonical[i / view->n_eq];

      if (state[i] == MERIT_EQ_ALIASED && (!m || canonical > level[m - 1]) && canonical < level[m]) level[m] = canonical;
    }
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &level[m], 1, MPI_INT64_T, MPI_MIN, model->comm));
    if (level[m] == INT64_MAX) break;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Append "herd 3 (1, 7, 9)" or "herd 12 (1, 7, 9, ...)" to text: label of the term,
   number of equations, and labels of levels. Labels come from the ranks that hold them;
   rank 0, which logs, alone asks. Collective. */
static PetscErrorCode Describe(MeritModel model, int k, int64_t n, const int64_t level[], size_t size, char text[])
{
  int64_t n_named = 0, *start;
  size_t  at;
  char   *labels;

  PetscFunctionBegin;
  while (n_named < NAMED && level[n_named] < INT64_MAX) n_named++;
  if (model->rank) n_named = 0;
  PetscCall(MeritModelLabels(model, k, n_named, level, &labels, &start));
  at = strlen(text);
  snprintf(text + at, size - at, "%s%s %lld (", at ? ", " : "", model->formula->term[k].label, (long long)n);
  for (int64_t m = 0; m < n_named; m++) {
    at = strlen(text);
    snprintf(text + at, size - at, "%s%.*s", m ? ", " : "", (int)(start[m + 1] - start[m]), labels + start[m]);
  }
  at = strlen(text);
  snprintf(text + at, size - at, "%s)", n > n_named ? ", ..." : "");
  PetscCall(PetscFree(labels));
  PetscCall(PetscFree(start));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A warning for every covariate without levels (a term of one level) whose equation is
   aliased; one rank owns it. Collective. */
static PetscErrorCode WarnCovariates(MeritModel model, int k)
{
  const MeritTermSpec *spec                         = &model->formula->term[k];
  const MeritTermView *view                         = &model->term[k].view;
  uint8_t              marked[MERIT_MAX_COMPONENTS] = {0};

  PetscFunctionBegin;
  for (int c = 0; view->n_owned && c < view->n_eq; c++) marked[c] = model->counts.state[view->eq_owned + c] == MERIT_EQ_ALIASED;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, marked, view->n_eq, MPI_UINT8_T, MPI_MAX, model->comm));
  for (int c = 0; c < view->n_eq; c++) {
    char *name;

    if (!marked[c]) continue;
    PetscCall(MeritFormulaComponentName(model->formula, k, c, &name));
    MeritLog(MERIT_LOG_WARNING, "`%s` (%s) is a combination of the fixed effects before it to 13 digits: its solution is set to 0 (aliased)",
             spec->label, name);
    PetscCall(PetscFree(name));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAliasReport - See the header. Collective on the model. */
PetscErrorCode MeritAliasReport(MeritModel model)
{
  char text[2000] = "";

  PetscFunctionBegin;
  for (int k = 0; k < model->formula->n_terms; k++) {
    int64_t n, level[NAMED];

    if (!model->formula->term[k].fixed) continue;
    PetscCall(Count(model, k, &n, level));
    if (!n) continue;
    if (model->term[k].view.n_levels == 1) PetscCall(WarnCovariates(model, k));
    else PetscCall(Describe(model, k, n, level, sizeof(text), text));
  }
  if (*text) MeritLog(MERIT_LOG_INFO, "redundant equations set to 0: %s", text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

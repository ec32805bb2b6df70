/*
  Redundant fixed equations. An equation that depends on those before it, in formula order and
  canonical level order, is set to 0 and marked aliased. Each trait is examined by itself, since
  dependencies among columns of X do not depend on R.

  The search depends on size. If all classes but the largest have few columns, these are examined
  as a dense matrix (alias_dense.c). Otherwise pairs of classes are examined by their graphs
  (alias_parts.c), then the remaining ones by random null vectors (alias_null.c). A column that depends
  on columns before it does so whatever is found later, so the searches may follow each other.
*/
#include "alias.h"
#include <math.h>
#include <stdlib.h>

/* Most small columns for the dense search; MERIT_ALIAS_DENSE overrides it, so that the others can
   be tested on small data */
static int64_t MostSmall(void)
{
  const char *text = getenv("MERIT_ALIAS_DENSE");

  return text ? atoll(text) : 2000;
}

/* MeritAliasHasTrait - See the header. Not collective. */
bool MeritAliasHasTrait(const MeritTermSpec *spec, int trait, int *width)
{
  *width = 0;
  for (int c = 0; c < spec->n_components; c++) *width += spec->component[c].trait == trait;
  return spec->fixed && *width > 0;
}

/* The class term of the trait with most levels, -1 if there is none */
static int FindBig(MeritModel model, int trait)
{
  int     big    = -1, width;
  int64_t levels = 1;

  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermSpec *spec = &model->formula->term[k];

    if (!MeritAliasHasTrait(spec, trait, &width)) continue;
    if (spec->n_regressors != 1 || spec->regressor[0].covariate != MERIT_COVARIATE_NONE) continue;
    if (model->term[k].view.n_levels > levels) {
      big    = k;
      levels = model->term[k].view.n_levels;
    }
  }
  return big;
}

/* Number the columns of X. The intercept comes before the other terms of its trait, wherever it is
   in the list of terms. */
static PetscErrorCode Lay(MeritModel model, int trait, MeritAliasWork *work)
{
  const MeritFormula *formula = model->formula;

  PetscFunctionBegin;
  *work = (MeritAliasWork){.trait = trait, .n_terms = formula->n_terms, .big = FindBig(model, trait)};
  PetscCall(PetscMalloc3(formula->n_terms, &work->first, formula->n_terms, &work->width, formula->n_terms, &work->value));
  for (int k = 0; k < formula->n_terms; k++) {
    work->first[k] = -1;
    PetscCall(PetscCalloc1(formula->term[k].n_regressors, &work->value[k]));
    for (int r = 0; r < formula->term[k].n_regressors; r++) work->value[k][r] = model->term[k].value[r];
  }
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < formula->n_terms; k++) {
      const MeritTermSpec *spec = &formula->term[k];

      if (spec->intercept != (pass == 0) || !MeritAliasHasTrait(spec, trait, &work->width[k])) continue;
      work->first[k] = work->n_columns;
      work->n_columns += model->term[k].view.n_levels * work->width[k];
    }
  work->n_small = work->n_columns - (work->big < 0 ? 0 : model->term[work->big].view.n_levels);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the work space; values that were changed are copies. Arrays of the dense search
   are freed there. */
static PetscErrorCode Free(MeritModel model, MeritAliasWork *work)
{
  PetscFunctionBegin;
  for (int k = 0; k < work->n_terms; k++) {
    for (int r = 0; r < model->formula->term[k].n_regressors; r++)
      if (work->value[k][r] != model->term[k].value[r]) PetscCall(PetscFree(work->value[k][r]));
    PetscCall(PetscFree(work->value[k]));
  }
  PetscCall(PetscFree3(work->first, work->width, work->value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAliasMark - See the header. Not collective. */
void MeritAliasMark(MeritModel model, int k, int trait, int64_t level, int at)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  const MeritTermView *view = &model->term[k].view;
  int32_t              slot;
  int                  component = 0;

  for (int seen = -1; component < spec->n_components; component++) {
    seen += spec->component[component].trait == trait;
    if (seen == at) break;
  }
  slot = MeritModelOwnedPosition(&model->term[k], level);
  if (slot < 0) return;
  slot = view->eq_owned + slot * view->n_eq + component;
  if (model->counts.state[slot] == MERIT_EQ_OK) model->counts.state[slot] = MERIT_EQ_ALIASED;
}

/* All searches for one trait. Collective. */
static PetscErrorCode FindForTrait(MeritModel model, int trait)
{
  MeritAliasWork work;
  bool           complete = false;

  PetscFunctionBegin;
  PetscCall(Lay(model, trait, &work));
  PetscCall(MeritAliasCovariates(model, &work));
  if (work.n_small <= MostSmall()) PetscCall(MeritAliasDense(model, &work));
  else {
    PetscCall(MeritAliasParts(model, &work, &complete));
    if (!complete) PetscCall(MeritAliasNull(model, &work));
  }
  PetscCall(Free(model, &work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelFindAliased - Mark redundant fixed equations in eq_state and report them. Collective;
   before the rows are freed. */
PetscErrorCode MeritModelFindAliased(MeritModel model)
{
  PetscFunctionBegin;
  for (int t = 0; t < model->formula->n_traits; t++) PetscCall(FindForTrait(model, t));
  PetscCall(MeritAliasReport(model));
  PetscFunctionReturn(PETSC_SUCCESS);
}

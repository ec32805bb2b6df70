/*
  Redundant fixed equations: one that depends on those before it, in formula order and canonical level order, is set to 0 and
  marked aliased, for each trait by itself (dependencies among columns of X do not depend on R). The largest class term is taken
  out first, since its X'X is diagonal; what is left is small and dense.
*/
#include "alias.h"
#include <math.h>

/* Small columns beyond this many are not searched: their redundancies stay, harmless to every solver but undetected */
static const int MOST_SMALL = 2000;

static bool HasTrait(const MeritTermSpec *spec, int trait, int *width)
{
  *width = 0;
  for (int c = 0; c < spec->n_components; c++) *width += spec->component[c].trait == trait;
  return *width > 0;
}

/* The largest term of pure classes with the trait */
static int FindBig(MeritModel model, int trait)
{
  int     big    = -1, width;
  int64_t levels = 1;

  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermSpec *spec = &model->formula->term[k];

    if (spec->kind != MERIT_TERM_FIXED || !HasTrait(spec, trait, &width)) continue;
    if (spec->n_regressors != 1 || spec->regressor[0].covariate != MERIT_COVARIATE_NONE) continue;
    if (model->term[k].view.n_levels > levels) {
      big    = k;
      levels = model->term[k].view.n_levels;
    }
  }
  return big;
}

/* Number the small columns; a term that would make them too many is left out with a message */
static PetscErrorCode Lay(MeritModel model, int trait, MeritAliasWork *work)
{
  const MeritFormula *formula = model->formula;

  PetscFunctionBegin;
  *work         = (MeritAliasWork){0};
  work->trait   = trait;
  work->n_terms = formula->n_terms;
  work->big     = FindBig(model, trait);
  PetscCall(PetscMalloc2(formula->n_terms, &work->offset, formula->n_terms, &work->width));
  for (int k = 0; k < formula->n_terms; k++) work->offset[k] = -1;
  /* the intercept of a trait stands before its other terms, wherever another trait's formula put it in the list */
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < formula->n_terms; k++) {
      const MeritTermSpec *spec = &formula->term[k];
      int64_t              columns;

      if (spec->intercept != (pass == 0)) continue;
      if (k == work->big) work->n_before = work->n_small;
      if (spec->kind != MERIT_TERM_FIXED || k == work->big || !HasTrait(spec, trait, &work->width[k])) continue;
      columns = model->term[k].view.n_levels * work->width[k];
      if (work->n_small + columns > MOST_SMALL) {
        MeritLog(MERIT_LOG_INFO, "%s: redundant equations of %s (%lld levels) are not searched for; only estimable functions of it compare",
                 formula->trait[trait], spec->label, (long long)model->term[k].view.n_levels);
        continue;
      }
      work->offset[k] = work->n_small;
      work->n_small += (int)columns;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mark the equation of (term, canonical level, component of the trait number `at`) if this rank owns it */
static void Mark(MeritModel model, int k, int trait, int64_t level, int at)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  const MeritTermView *view = &model->term[k].view;
  int32_t              slot;
  int                  component = 0;

  for (int seen = -1; component < spec->n_components; component++) {
    seen += spec->component[component].trait == trait;
    if (seen == at) break;
  }
  slot = MeritModelOwnedPlace(&model->term[k], level);
  if (slot < 0) return;
  slot = view->eq_owned + slot * view->n_eq + component;
  if (model->eq_state[slot] == MERIT_EQ_OK) model->eq_state[slot] = MERIT_EQ_ALIASED;
}

static void MarkSmall(MeritModel model, const MeritAliasWork *work, int column)
{
  int k = -1;

  for (int i = 0; i < work->n_terms; i++)
    if (work->offset[i] >= 0 && work->offset[i] <= column && (k < 0 || work->offset[i] > work->offset[k])) k = i;
  Mark(model, k, work->trait, (column - work->offset[k]) / work->width[k], (column - work->offset[k]) % work->width[k]);
}

/*
  Levels of the big term that depend on the columns before it and on earlier levels: each null vector of [B A] marks the last level
  where it is not 0, after elimination from the back so that no two mark the same.
*/
static PetscErrorCode MarkBig(MeritModel model, const MeritAliasWork *work, int n_null, const double *null_vectors)
{
  const int64_t n_levels = model->term[work->big].view.n_levels;
  double       *d; /* [n_null * n_rows] part of each null vector in the big term */
  bool         *used;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)n_null * (size_t)work->n_rows + 1, &d));
  PetscCall(PetscCalloc1(n_null + 1, &used));
  for (int v = 0; v < n_null; v++)
    for (int32_t row = 0; row < work->n_rows; row++)
      for (int32_t i = work->start[row]; i < work->start[row + 1]; i++)
        d[(size_t)v * (size_t)work->n_rows + (size_t)row] -=
          work->value[i] * null_vectors[(size_t)v * (size_t)work->n_small + (size_t)work->column[i]] / work->count[row];
  for (int step = 0; step < n_null; step++) {
    int64_t last = -1, all;
    int32_t row  = -1;
    double *at;
    int     best = -1;

    for (int v = 0; v < n_null; v++)
      for (int32_t i = 0; i < work->n_rows && !used[v]; i++)
        if (fabs(d[(size_t)v * (size_t)work->n_rows + (size_t)i]) > 1e-7 && work->level[i] > last) last = work->level[i];
    PetscCallMPI(MPI_Allreduce(&last, &all, 1, MPI_INT64_T, MPI_MAX, model->comm));
    if (all < 0) break;
    PetscCall(PetscCalloc1(n_null, &at));
    for (int32_t i = 0; i < work->n_rows; i++)
      if (work->level[i] == all) row = i;
    for (int v = 0; v < n_null && row >= 0; v++) at[v] = d[(size_t)v * (size_t)work->n_rows + (size_t)row];
    PetscCallMPI(MPI_Bcast(at, n_null, MPI_DOUBLE, MeritBlockOwner(n_levels, model->size, all), model->comm));
    for (int v = 0; v < n_null; v++)
      if (!used[v] && (best < 0 || fabs(at[v]) > fabs(at[best]))) best = v;
    used[best] = true;
    for (int v = 0; v < n_null; v++)
      for (int32_t i = 0; i < work->n_rows && !used[v]; i++)
        d[(size_t)v * (size_t)work->n_rows + (size_t)i] -= at[v] / at[best] * d[(size_t)best * (size_t)work->n_rows + (size_t)i];
    Mark(model, work->big, work->trait, all, 0);
    PetscCall(PetscFree(at));
  }
  PetscCall(PetscFree(d));
  PetscCall(PetscFree(used));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns before the big term, by themselves: the dependent ones are marked, the others kept in order[] */
static PetscErrorCode Before(MeritModel model, const MeritAliasWork *work, int *n_kept, int order[], uint8_t dependent[])
{
  int n_null;

  PetscFunctionBegin;
  for (int j = 0; j < work->n_before; j++) order[j] = j;
  PetscCall(MeritAliasEliminate(work->n_small, work->gram, work->norm, work->n_before, order, dependent, &n_null, NULL));
  *n_kept = 0;
  for (int j = 0; j < work->n_before; j++) {
    if (dependent[j]) MarkSmall(model, work, j);
    else if (work->norm[j] > 0.0) order[(*n_kept)++] = j;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode FindForTrait(MeritModel model, int trait)
{
  MeritAliasWork work;
  int           *order, n_kept, n_null, n;
  uint8_t       *dependent;
  double        *null_vectors = NULL;

  PetscFunctionBegin;
  PetscCall(Lay(model, trait, &work));
  PetscCall(MeritAliasGather(model, &work));
  PetscCall(PetscMalloc2(work.n_small + 1, &order, work.n_small + 1, &dependent));
  PetscCall(Before(model, &work, &n_kept, order, dependent));
  PetscCall(MeritAliasSchur(model, &work));
  if (work.big >= 0) {
    PetscCall(MeritAliasEliminate(work.n_small, work.gram, work.norm, n_kept, order, dependent, &n_null, &null_vectors));
    if (n_null) PetscCall(MarkBig(model, &work, n_null, null_vectors));
  }
  for (int j = 0; j < work.n_small; j++)
    if (work.norm[j] <= 0.0) MarkSmall(model, &work, j); /* a covariate of zeros; levels without observations are marked as such */
  n = n_kept;
  for (int j = work.n_before; j < work.n_small; j++) order[n++] = j;
  PetscCall(MeritAliasEliminate(work.n_small, work.gram, work.norm, n, order, dependent, &n_null, NULL));
  for (int j = n_kept; j < n; j++)
    if (dependent[j]) MarkSmall(model, &work, order[j]);
  PetscCall(PetscFree(null_vectors));
  PetscCall(PetscFree2(order, dependent));
  PetscCall(PetscFree2(work.offset, work.width));
  PetscCall(PetscFree(work.gram));
  PetscCall(PetscFree(work.norm));
  PetscCall(PetscFree(work.level));
  PetscCall(PetscFree(work.count));
  PetscCall(PetscFree(work.start));
  PetscCall(PetscFree(work.column));
  PetscCall(PetscFree(work.value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelFindAliased - Mark redundant fixed equations in eq_state. Collective; before the rows are freed. */
PetscErrorCode MeritModelFindAliased(MeritModel model)
{
  PetscFunctionBegin;
  for (int t = 0; t < model->formula->n_traits; t++) PetscCall(FindForTrait(model, t));
  PetscFunctionReturn(PETSC_SUCCESS);
}

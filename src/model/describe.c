/* What an equation is, in words, for messages of solvers: term, label of the level, and
   component. */
#include "model_impl.h"

/* Term, canonical level and equation of the level, from the rank that owns the equation; the same
   on all */
static PetscErrorCode Find(MeritModel model, int64_t equation, int64_t at[3])
{
  const int64_t own = equation - model->equations.layout.first;

  PetscFunctionBegin;
  for (int i = 0; i < 3; i++) at[i] = -1;
  for (int k = 0; k < model->formula->n_terms && own >= 0 && own < model->equations.layout.n_owned; k++) {
    const MeritTermView *view = &model->term[k].view;
    const int64_t        in   = own - view->eq_owned;

    if (in < 0 || in >= (int64_t)view->n_owned * view->n_eq) continue;
    at[0] = k;
    at[1] = view->canonical ? view->canonical[in / view->n_eq] : in / view->n_eq;
    at[2] = in % view->n_eq;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, at, 3, MPI_INT64_T, MPI_MAX, model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelDescribe - "level `17` of `herd`", "the intercept", "`cov(age)`", with the component's
  name where a level has several.

  Collective.

  Input Parameters:
+ equation - global number
- size     - room in text

  Output Parameters:
+ text - the same on all ranks
- term - its term
@*/
PetscErrorCode MeritModelDescribe(MeritModel model, int64_t equation, size_t size, char text[], int *term)
{
  const MeritTermSpec *spec;
  int64_t              at[3], *start;
  char                *label, *component;
  size_t               n;

  PetscFunctionBegin;
  PetscCall(Find(model, equation, at));
  PetscCheck(at[0] >= 0, model->comm, PETSC_ERR_ARG_OUTOFRANGE, "no equation %lld", (long long)equation);
  *term = (int)at[0];
  spec  = &model->formula->term[*term];
  PetscCall(MeritModelLabels(model, *term, 1, &at[1], &label, &start));
  if (spec->intercept) n = (size_t)snprintf(text, size, "the intercept");
  else if (model->term[*term].view.n_levels == 1) n = (size_t)snprintf(text, size, "`%s`", spec->label);
  else n = (size_t)snprintf(text, size, "level `%.*s` of `%s`", (int)start[1], label, spec->label);
  if (spec->n_components > 1 && !model->term[*term].view.L && n < size) {
    PetscCall(MeritFormulaComponentName(model->formula, *term, (int)at[2], &component));
    snprintf(text + n, size - n, " (%s)", component);
    PetscCall(PetscFree(component));
  }
  PetscCall(PetscFree(label));
  PetscCall(PetscFree(start));
  PetscFunctionReturn(PETSC_SUCCESS);
}

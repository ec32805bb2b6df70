/* From equations to what outputs show, and back: u = L v, fixed covariates on their own scale,
   their means in the intercept. */
#include "model_impl.h"
#include <merit/kernels.h>
#include <math.h>

/* What the means of centred covariates add to the intercept of each trait, over all ranks: sum of
   coefficient (own scale) x centre */
static PetscErrorCode Shifts(MeritModel model, const double u[], double shift[])
{
  const MeritFormula *formula = model->formula;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(shift, formula->n_traits));
  for (int k = 0; k < formula->n_terms; k++) {
    const MeritTermSpec  *spec = &formula->term[k];
    const MeritModelTerm *term = &model->term[k];

    if (!spec->fixed || spec->regressor[0].n_class) continue;
    for (int c = 0; c < spec->n_components && term->view.n_owned; c++)
      shift[spec->component[c].trait] += u[term->first_component + c] * term->centre[spec->component[c].regressor];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, shift, formula->n_traits, MPI_DOUBLE, MPI_SUM, model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Add sign * shift [n_traits] to the intercepts that this rank owns */
static void ShiftIntercepts(MeritModel model, double sign, const double shift[], double u[])
{
  const MeritFormula *formula = model->formula;

  for (int k = 0; k < formula->n_terms; k++) {
    const MeritTermSpec *spec = &formula->term[k];

    for (int c = 0; spec->intercept && c < spec->n_components && model->term[k].view.n_owned; c++)
      u[model->term[k].first_component + c] += sign * shift[spec->component[c].trait];
  }
}

/* Multiply (back: divide) the coefficients of fixed covariates by 1 / scale */
static void Rescale(MeritModel model, bool back, double u[])
{
  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermSpec  *spec = &model->formula->term[k];
    const MeritModelTerm *term = &model->term[k];

    if (!spec->fixed) continue;
    for (int64_t i = 0; i < (int64_t)term->view.n_owned * spec->n_components; i++) {
      double scale = term->scale[spec->component[i % spec->n_components].regressor];

      u[term->first_component + i] *= back ? scale : 1.0 / scale;
    }
  }
}

/*@
  MeritModelFixedScale - What the scale of fixed covariates makes of log |X'V^-1 X|.

  Collective.

  Output Parameter:
. log_scale - to be added to the value of the equations, whose covariates are centred and divided by
              their standard deviation, for that of X as the user has it. Centring is a combination
              with the intercept and changes nothing.
@*/
PetscErrorCode MeritModelFixedScale(MeritModel model, double *log_scale)
{
  PetscFunctionBegin;
  *log_scale = 0.0;
  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermSpec  *spec = &model->formula->term[k];
    const MeritModelTerm *term = &model->term[k];

    for (int64_t i = 0; spec->fixed && i < (int64_t)term->view.n_owned * spec->n_components; i++)
      if (model->counts.state[term->view.eq_owned + i] == MERIT_EQ_OK)
        *log_scale += 2.0 * log(fabs(term->scale[spec->component[i % spec->n_components].regressor]));
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, log_scale, 1, MPI_DOUBLE, MPI_SUM, model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelToComponents - Turn equations into the form that outputs have.

  Collective.

  Input Parameter:
. x - [n_owned] equations

  Output Parameter:
. u - [sum over terms of n_owned levels x n_comp] components: u = L v, fixed covariates per unit of
      the covariate
@*/
PetscErrorCode MeritModelToComponents(MeritModel model, const double x[], double u[])
{
  double shift[MERIT_MAX_TRAITS];

  PetscFunctionBegin;
  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermView *view = &model->term[k].view;

    for (int32_t i = 0; i < view->n_owned; i++) {
      const double *v  = x + view->eq_owned + (int64_t)i * view->n_eq;
      double       *to = u + model->term[k].first_component + (int64_t)i * view->n_comp;

      for (int c = 0; c < view->n_comp; c++) {
        to[c] = view->L ? 0.0 : v[c];
        for (int e = 0; view->L && e < view->n_eq; e++) to[c] += view->L[c * view->n_eq + e] * v[e];
      }
    }
  }
  Rescale(model, false, u);
  PetscCall(Shifts(model, u, shift));
  ShiftIntercepts(model, -1.0, shift, u);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* v = (L'L)^-1 L'u */
static PetscErrorCode SolveL(const MeritTermView *view, const double *u, double *v)
{
  double    LL[MERIT_MAX_BLOCK] = {0.0}, inverse[MERIT_MAX_BLOCK], Lu[MERIT_MAX_COMPONENTS] = {0.0};
  const int n = view->n_eq;

  PetscFunctionBegin;
  for (int a = 0; a < n; a++) {
    for (int b = 0; b < n; b++) {
      LL[a * n + b] = 0.0;
      for (int c = 0; c < view->n_comp; c++) LL[a * n + b] += view->L[c * n + a] * view->L[c * n + b];
    }
    for (int c = 0; c < view->n_comp; c++) Lu[a] += view->L[c * n + a] * u[c];
  }
  PetscCheck(MeritDenseInvert(n, LL, inverse, NULL), PETSC_COMM_SELF, PETSC_ERR_PLIB, "L does not have full column rank");
  for (int a = 0; a < n; a++) {
    v[a] = 0.0;
    for (int b = 0; b < n; b++) v[a] += inverse[a * n + b] * Lu[b];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelFromComponents - The inverse of `MeritModelToComponents()`, for warm starts; least
  squares where G is singular.

  Collective. u as there, read only; x [n_owned].
@*/
PetscErrorCode MeritModelFromComponents(MeritModel model, const double u[], double x[])
{
  double *own, shift[MERIT_MAX_TRAITS];

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(model->equations.n_components + 1, &own));
  PetscCall(PetscArraycpy(own, u, model->equations.n_components));
  PetscCall(Shifts(model, own, shift));
  ShiftIntercepts(model, 1.0, shift, own);
  Rescale(model, true, own);
  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermView *view = &model->term[k].view;

    for (int32_t i = 0; i < view->n_owned; i++) {
      const double *from = own + model->term[k].first_component + (int64_t)i * view->n_comp;
      double       *to   = x + view->eq_owned + (int64_t)i * view->n_eq;

      if (view->L) PetscCall(SolveL(view, from, to));
      else PetscCall(PetscArraycpy(to, from, view->n_eq));
    }
  }
  for (int32_t i = 0; i < model->equations.layout.n_owned; i++)
    if (model->counts.state[i] != MERIT_EQ_OK) x[i] = 0.0;
  PetscCall(PetscFree(own));
  PetscFunctionReturn(PETSC_SUCCESS);
}

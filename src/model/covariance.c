/* G of a term: its inverse, or, where it is singular, G = L L' so that u = L v with Var(v) = I. */
#include "model_impl.h"
#include <math.h>
#include <merit/kernels.h>

/* Components whose variance is this much below what the others leave are linear functions of them;
   next to that they are below the other */
static const double PIVOT_RATIO_SINGULAR = 1e-10, PIVOT_RATIO_NEAR_SINGULAR = 1e-4;

/*
  Pivoted Cholesky of the correlation matrix of G: F [n x n] with G = S F F' S in the given order;
  returns the rank. The columns beyond the rank are 0, or, where a component is to keep its position,
  those of the components that depend on others: then F is diagonal if G is. Scaling first makes the
  test of singularity free of the traits' units.
*/
static int Factor(int n, const double *G, bool keep, double *F, double *least)
{
  double work[MERIT_MAX_BLOCK], s[MERIT_MAX_COMPONENTS];
  bool   used[MERIT_MAX_COMPONENTS] = {false};
  int    rank                       = 0;

  *least = 1.0;
  for (int i = 0; i < n * n; i++) F[i] = 0.0;
  for (int i = 0; i < n; i++) s[i] = G[i * n + i] > 0.0 ? sqrt(G[i * n + i]) : 0.0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) work[i * n + j] = s[i] > 0.0 && s[j] > 0.0 ? G[i * n + j] / (s[i] * s[j]) : 0.0;
  for (; rank < n; rank++) {
    int    pivot = -1, at;
    double pivot_root;

    for (int i = 0; i < n; i++)
      if (!used[i] && (pivot < 0 || work[i * n + i] > work[pivot * n + pivot])) pivot = i;
    if (pivot < 0 || work[pivot * n + pivot] <= PIVOT_RATIO_SINGULAR) break;
    used[pivot] = true;
    at          = keep ? pivot : rank;
    *least      = work[pivot * n + pivot];
    pivot_root  = sqrt(*least);
    for (int i = 0; i < n; i++) F[i * n + at] = i == pivot ? pivot_root : used[i] ? 0.0 : work[i * n + pivot] / pivot_root;
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++)
        if (!used[i] && !used[j]) work[i * n + j] -= F[i * n + at] * F[j * n + at];
  }
  for (int i = 0; i < n; i++)
    for (int r = 0; r < n; r++) F[i * n + r] *= s[i];
  return rank;
}

/* Set L, the penalty of a level and the equations per level from G: as many as its rank, or, where
   that may change (keep), as it has components, some meeting no record. L also where G is next to
   singular, if that is asked for (cholesky). */
static PetscErrorCode SetTerm(MeritModelTerm *term, int n, const double *G, bool keep, bool cholesky, int *n_eq)
{
  double F[MERIT_MAX_BLOCK], least;
  int    rank;

  PetscFunctionBegin;
  PetscCheck(n <= MERIT_MAX_COMPONENTS, PETSC_COMM_SELF, PETSC_ERR_PLIB, "more than %d components in a term", MERIT_MAX_COMPONENTS);
  rank = Factor(n, G, keep, F, &least);
  PetscCall(PetscFree(term->L));
  PetscCall(PetscFree(term->G_inverse));
  PetscCall(PetscCalloc1((size_t)(n * n) + 1, &term->G_inverse));
  *n_eq = keep ? n : rank;
  if (rank < n || (cholesky && least < PIVOT_RATIO_NEAR_SINGULAR)) {
    PetscCall(PetscCalloc1((size_t)(n * *n_eq) + 1, &term->L));
    for (int i = 0; i < n; i++)
      for (int r = 0; r < *n_eq; r++) term->L[i * *n_eq + r] = F[i * n + r];
    for (int r = 0; r < *n_eq; r++) term->G_inverse[r * *n_eq + r] = 1.0;
  } else {
    PetscCheck(MeritDenseInvert(n, G, term->G_inverse, NULL), PETSC_COMM_SELF, PETSC_ERR_PLIB, "full rank, but not definite");
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelSingularTerm - See the header. Not collective. */
int MeritModelSingularTerm(MeritModel model)
{
  double F[MERIT_MAX_BLOCK], least;

  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermSpec *spec = &model->formula->term[k];

    if (!spec->fixed && spec->G && spec->n_components <= MERIT_MAX_COMPONENTS &&
        Factor(spec->n_components, spec->G, false, F, &least) < spec->n_components)
      return k;
  }
  return -1;
}

/* MeritModelUseCholeskyCoefficients - See the header. Logically collective. */
PetscErrorCode MeritModelUseCholeskyCoefficients(MeritModel model, bool cholesky)
{
  PetscFunctionBegin;
  PetscCheck(model->mode.estimated, model->comm, PETSC_ERR_ARG_WRONGSTATE, "the model's variances are known");
  model->mode.cholesky = cholesky;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTermMixes - See the header. Not collective. */
bool MeritTermMixes(const MeritTermView *term)
{
  for (int i = 0; term->L && i < term->n_comp; i++)
    for (int j = 0; j < term->n_eq; j++)
      if (i != j && term->L[i * term->n_eq + j] != 0.0) return true;
  return false;
}

/* MeritModelCovariances - Prepare every term's covariance from the formula's G. Not collective. */
PetscErrorCode MeritModelCovariances(MeritModel model)
{
  PetscFunctionBegin;
  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermSpec *spec = &model->formula->term[k];
    MeritModelTerm      *term = &model->term[k];

    term->view.n_comp = term->view.n_eq = spec->n_components;
    if (!spec->fixed) PetscCall(SetTerm(term, spec->n_components, spec->G, model->mode.estimated, model->mode.cholesky, &term->view.n_eq));
    term->view.L         = term->L;
    term->view.G_inverse = term->G_inverse;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritModelSetVariances - Give new variances to a model that is set up.

  Logically collective.

  Input Parameters:
+ G - per term the matrix [n_comp^2] in component order, NULL for fixed terms
- R - per residual class the matrix [n_traits^2]

  Notes:
  The equations stay: a G of another rank than before is refused, but after
  MeritModelSetVariancesFree(). Operators and preconditioners see the change by MeritModelState().
@*/
PetscErrorCode MeritModelSetVariances(MeritModel model, const double *const G[], const double *const R[])
{
  const MeritFormula *formula = model->formula;
  const size_t        n       = (size_t)formula->n_traits * (size_t)formula->n_traits;

  PetscFunctionBegin;
  for (int k = 0; k < formula->n_terms; k++) {
    MeritModelTerm *term = &model->term[k];
    int             n_eq;

    if (formula->term[k].fixed) continue;
    PetscCall(SetTerm(term, term->view.n_comp, G[k], model->mode.estimated, model->mode.cholesky, &n_eq));
    PetscCheck(n_eq == term->view.n_eq, model->comm, PETSC_ERR_SUP, "term %s: the rank of G changed from %d to %d", formula->term[k].label,
               term->view.n_eq, n_eq);
    PetscCall(PetscArraycpy(formula->term[k].G, G[k], term->view.n_comp * term->view.n_comp));
    model->view[k].L = term->view.L = term->L;
    model->view[k].G_inverse = term->view.G_inverse = term->G_inverse;
  }
  for (int c = 0; c < formula->n_residuals; c++) PetscCall(PetscArraycpy(formula->residual[c].R, R[c], n));
  PetscCall(MeritPatternsInvert(model->comm, formula, &model->patterns));
  model->state++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

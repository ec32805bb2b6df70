/*
  Do the data distinguish the components?

  Three checks, all at the starting values. The fixed effects must not explain the observations
  completely (VarcompCheckLeft). No component may be without information (Empty). The
  information matrix of the components must not be singular (VarcompCheckInformation); if it is,
  the error names two components.
*/
#include "blocks.h"
#include <math.h>
#include <stdio.h>

/*
  What the data say of a component beside what its effects themselves would say, if these were
  known: below this fraction it is rounding. The score grows like the variance itself, the
  information like its square.
*/
static const double NO_SCORE = 1e-9, NO_INFORMATION = 1e-9, NO_INFORMATION_ML = 1e-16;

/*
  A component is confounded with others if these leave less than this fraction of its
  information
*/
static const double CONFOUNDED = 1e-10;

/*
  Fixed effects explain the observations if they leave less than this fraction of their mean
  square
*/
static const double LEFT_IS_ROUNDING = 1e-24;
/*
  y'P y for each degree of freedom at starts that add up to the variance of the observations,
  where fixed effects leave rounding
*/
static const double EXPLAINED = 1e-20;

/*
  VarcompCheckLeft - See the header. `left` and `all` are mean squares or sums of squares, both
  of the same kind. Logically collective.
*/
PetscErrorCode VarcompCheckLeft(double left, double all)
{
  PetscFunctionBegin;
  if (!(left > LEFT_IS_ROUNDING * all))
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                         "the fixed effects explain the observations to rounding: they leave no residual variation to estimate variances from"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  y'P y must not be rounding. With V = sum_i theta_i V_i and P V P = P, the average information
  I_ij = y'P V_i P V_j P y / 2 gives y'P y = 2 theta' I theta. Starting values add up to the
  phenotypic variance, so that for sound data y'P y per degree of freedom is of the order of 1.
  Not for starts of the job, which may have any size, nor with fixed components, which have no
  coordinates.
*/
static PetscErrorCode CheckExplained(MeritVarcomp v, const Coordinates *c)
{
  const MeritFormula *f     = v->formula;
  double              sum   = 0.0;
  bool                given = c->m < c->n;

  PetscFunctionBegin;
  for (int k = 0; k < f->n_terms; k++) given = given || (v->first_of_term[k] >= 0 && f->term[k].given);
  for (int r = 0; r < f->n_residuals; r++) given = given || f->residual[r].given;
  if (given) PetscFunctionReturn(PETSC_SUCCESS);
  for (int i = 0; i < c->n; i++)
    for (int j = 0; j < c->n; j++) sum += 2.0 * v->run.theta[i] * c->H[i * c->m + j] * v->run.theta[j];
  PetscCall(VarcompCheckLeft(sum / (double)(v->run.n_observations - v->run.n_fixed), EXPLAINED / LEFT_IS_ROUNDING));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Name of a component for errors, in text [size]: "`ped(cow)`", "`ped(cow)` (milk, fat)", "the
  residual", "`residual.east`"
*/
static PetscErrorCode ComponentName(MeritVarcomp v, int c, size_t size, char text[])
{
  const MeritComponent *p = &v->component[c];
  char                 *row, *column;

  PetscFunctionBegin;
  if (p->term < 0) {
    const char  *a = v->formula->trait[p->row], *b = v->formula->trait[p->column];
    const size_t n = v->formula->n_residuals == 1 ? (size_t)snprintf(text, size, "the residual")
                                                  : (size_t)snprintf(text, size, "`residual.%s`", v->formula->residual[p->residual].label);

    if (v->formula->n_traits > 1 && n < size) snprintf(text + n, size - n, " (%s, %s)", a, b);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritFormulaComponentName(v->formula, p->term, p->row, &row));
  PetscCall(MeritFormulaComponentName(v->formula, p->term, p->column, &column));
  if (v->formula->term[p->term].n_components == 1) snprintf(text, size, "`%s`", v->formula->term[p->term].label);
  else snprintf(text, size, "`%s` (%s, %s)", v->formula->term[p->term].label, row, column);
  PetscCall(PetscFree(row));
  PetscCall(PetscFree(column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Element i, j of the information, divided by the roots of both diagonal elements; 0 where one
  of these is not positive
*/
static double Correlation(const Coordinates *c, int i, int j)
{
  const double a = c->H[i * c->m + i], b = c->H[j * c->m + j];

  return a > 0.0 && b > 0.0 ? c->H[i * c->m + j] / sqrt(a * b) : 0.0;
}

/* The component that coordinate x changes most: its own one where the matrix is free */
static int Component(const Coordinates *c, int x)
{
  int most = 0;

  for (int i = 1; i < c->n; i++)
    if (fabs(c->J[i * c->n + x]) > fabs(c->J[most * c->n + x])) most = i;
  return most;
}

/*
  Does coordinate i have neither information nor a score? Both then vanish for all data, tr(P
  V_i) = 0: the fixed effects explain whatever the component could have done. Both are compared
  with what they would be if the effects of the term were known: c->em, and for the score the
  square root of count / 2 times it, count being the levels of the term or the records of the class.
  For a single variance theta the first is count / (2 theta^2), the second count / (2 theta).
  Maximum likelihood has no P in its score.
*/
static bool Empty(MeritVarcomp v, const Coordinates *c, int i)
{
  const int             x    = Component(c, i);
  const MeritComponent *p    = &v->component[x];
  const double          full = c->em[x * c->n + x];
  const Block          *b    = c->block;

  while (b->term != p->term || b->residual != p->residual) b++;
  if (!(full > 0.0)) return !(c->H[i * c->m + i] > 0.0);
  if (v->settings.method == MERIT_VARCOMP_ML) return !(c->H[i * c->m + i] > NO_INFORMATION_ML * full);
  return !(c->H[i * c->m + i] > NO_INFORMATION * full) && !(fabs(c->g[i]) > NO_SCORE * sqrt(0.5 * b->count * full));
}

/* VarcompRaiseEmpty - See the header. Logically collective. */
PetscErrorCode VarcompRaiseEmpty(MeritVarcomp v, int component)
{
  const bool residual = v->component[component].term < 0;
  char       name[300];

  PetscFunctionBegin;
  PetscCall(ComponentName(v, component, sizeof(name), name));
  PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                       "the data contain no information on the variance of %s: the fixed effects explain all its %s; %s", name,
                       residual ? "records" : "levels", residual ? "join the class with another" : "leave the term out"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompCheckInformation - Look for a coordinate that the others explain. Logically collective.

  The correlations of the information are factored row by row (Cholesky): `left` is the fraction
  of coordinate i's information that those before it do not explain. If it is rounding, the
  error names i and the earlier coordinate with the highest correlation. Traits that are
  multiples of each other have an error of their own, which says more.
*/
PetscErrorCode VarcompCheckInformation(MeritVarcomp v, const Coordinates *c)
{
  double *F = c->factor;
  char    name[2][300];
  bool    residual;

  PetscFunctionBegin;
  PetscCall(CheckExplained(v, c));
  for (int i = 0; i < c->m; i++) {
    double left = 1.0;
    int    near = 0;

    if (Empty(v, c, i)) PetscCall(VarcompRaiseEmpty(v, Component(c, i)));
    PetscCall(ComponentName(v, Component(c, i), sizeof(name[0]), name[0]));
    for (int j = 0; j < i; j++) {
      F[i * c->m + j] = Correlation(c, i, j);
      for (int k = 0; k < j; k++) F[i * c->m + j] -= F[i * c->m + k] * F[j * c->m + k];
      F[i * c->m + j] /= F[j * c->m + j];
      left -= F[i * c->m + j] * F[i * c->m + j];
      if (fabs(Correlation(c, i, j)) > fabs(Correlation(c, i, near))) near = j;
    }
    if (left > CONFOUNDED) {
      F[i * c->m + i] = sqrt(left);
      continue;
    }
    PetscCall(VarcompCheckMultiples(v));
    PetscCall(ComponentName(v, Component(c, near), sizeof(name[1]), name[1]));
    residual = v->component[Component(c, i)].term < 0 || v->component[Component(c, near)].term < 0;
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL, "the variances of %s and %s cannot be distinguished: %s", name[0], name[1],
                         residual ? "levels have one observation each, or equal ones, or a combination of terms explains all"
                                  : "their terms have the same design, or a combination of terms has"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

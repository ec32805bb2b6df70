/* Can the data tell the components apart? */
#include "blocks.h"
#include <math.h>
#include <stdio.h>

/* A component whose information beside the others' is below this share of its own */
static const double CONFOUNDED = 1e-10;

/* "ped(cow)", "ped(cow) [milk, fat]", "residual" */
static PetscErrorCode Name(MeritVarcomp v, int c, size_t size, char text[])
{
  const MeritComponent *p = &v->component[c];
  char                 *row, *column;

  PetscFunctionBegin;
  if (p->term < 0) {
    snprintf(text, size, "the residual");
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

/* Correlations of the coordinates' information */
static double Correlation(const Coordinates *c, int i, int j)
{
  const double a = c->H[i * c->m + i], b = c->H[j * c->m + j];

  return a > 0.0 && b > 0.0 ? c->H[i * c->m + j] / sqrt(a * b) : 0.0;
}

/* Component that a coordinate is */
static int Component(const Coordinates *c, int x)
{
  int most = 0;

  for (int i = 1; i < c->n; i++)
    if (fabs(c->J[i * c->n + x]) > fabs(c->J[most * c->n + x])) most = i;
  return most;
}

/* VarcompCheckInformation - Look for a coordinate that the others explain, by Cholesky of the correlations. Logically collective. */
PetscErrorCode VarcompCheckInformation(MeritVarcomp v, const Coordinates *c)
{
  double *F = c->root;
  char    name[2][300];

  PetscFunctionBegin;
  for (int i = 0; i < c->m; i++) {
    double left = 1.0;
    int    near = 0;

    PetscCall(Name(v, Component(c, i), sizeof(name[0]), name[0]));
    if (!(c->H[i * c->m + i] > 0.0))
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL, "the data tell nothing about the variance of %s", name[0]));
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
    PetscCall(Name(v, Component(c, near), sizeof(name[1]), name[1]));
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                         "the variances of %s and %s cannot be told apart: their terms have the same design, or a combination of terms has",
                         name[0], name[1]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

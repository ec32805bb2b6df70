/*
  Why equations have no factor: a text that names the level and its term, what remains of the
  diagonal, and the likely cause. The causes are tried in this order: variances that are more
  than 1e10 times others, fixed effects that depend on each other, others.
*/
#include "direct_impl.h"
#include <math.h>
#include <stdio.h>

/* A variance this many times another leaves too few of 16 digits for what fixed effects and
   levels have in common. */
static const double VARIANCE_RATIO_TOO_LARGE = 1e10;

/* Extreme variances of the model, by name. */
typedef struct {
  double variance[2]; /* the least above 0, and the largest */
  char   name[2][200];
} Extremes;

/* Take a variance into the extremes: first as the least above 0, then as the largest. format has
   one %s, for the label. */
static void Meet(Extremes *e, double variance, const char format[], const char *label)
{
  for (int i = 0; i < 2; i++)
    if (variance > 0.0 && (i ? variance > e->variance[1] : variance < e->variance[0])) {
      e->variance[i] = variance;
      snprintf(e->name[i], sizeof(e->name[i]), format, label);
    }
}

/* Extremes of the variances on the diagonals of all G and R of a formula. Those that are 0 have
   no equations and do not count. */
static Extremes Variances(const MeritFormula *f)
{
  Extremes e = {.variance = {INFINITY, 0.0}};

  for (int k = 0; k < f->n_terms; k++)
    for (int c = 0; f->term[k].G && c < f->term[k].n_components; c++)
      Meet(&e, f->term[k].G[c * (f->term[k].n_components + 1)], "`%s`", f->term[k].label);
  for (int r = 0; r < f->n_residuals; r++)
    for (int t = 0; t < f->n_traits; t++)
      Meet(&e, f->residual[r].R[t * (f->n_traits + 1)], f->n_residuals > 1 ? "`residual.%s`" : "the residual%s", f->residual[r].label);
  return e;
}

/* SingularText - See the header. text [size] is written on all ranks alike. Collective on the
   model. */
PetscErrorCode SingularText(MeritModel model, int64_t equation, double pivot_ratio, size_t size, char text[])
{
  const MeritFormula *f = MeritModelFormula(model);
  const Extremes      e = Variances(f);
  char                what[400], left[64] = "nothing", why[700];
  int                 term;

  PetscFunctionBegin;
  PetscCall(MeritModelDescribe(model, equation, sizeof(what), what, &term));
  if (pivot_ratio > 0.0) snprintf(left, sizeof(left), "%.1e", pivot_ratio);
  if (e.variance[1] > VARIANCE_RATIO_TOO_LARGE * e.variance[0])
    snprintf(why, sizeof(why), "the variance of %s, %g, is %.0e times that of %s: too much for 16 digits", e.name[1], e.variance[1],
             e.variance[1] / e.variance[0], e.name[0]);
  else if (f->term[term].fixed)
    snprintf(why, sizeof(why),
             "fixed effects of the model depend on each other, or nearly so; leave one of them out, or choose values of another scale");
  else snprintf(why, sizeof(why), "other terms explain it, or its coefficients are very large");
  snprintf(text, size, "the equations are singular to rounding: the others leave %s of the diagonal of %s; %s", left, what, why);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverRaiseSingular - See the header. Collective on the model. */
PetscErrorCode MeritSolverRaiseSingular(MeritModel model, const char who[], int64_t equation, double pivot_ratio)
{
  char text[1300];

  PetscFunctionBegin;
  PetscCall(SingularText(model, equation, pivot_ratio, sizeof(text), text));
  PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL, "%s: %s", who, text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

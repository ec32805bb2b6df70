/*
  What it means that an estimate lies at the boundary of its parameter space, in a line for each
  matrix.

  A covariance matrix lies there when it is singular. There are three cases, and the message says
  which: all variances are 0; single variances are 0 or correlations are 1 or -1; or none of these,
  and only a combination of three or more components has no variance.
*/
#include "varcomp_impl.h"
#include <math.h>
#include <merit/log.h>
#include <stdio.h>

/* A correlation whose absolute value is larger than this counts as 1: the rest is rounding */
static const double ONE = 1.0 - 1e-9;

/* A matrix [n * n] of the result: its lower triangle, row by row, begins at component `first` */
typedef struct {
  const MeritVarcompResult *r;
  const MeritFormula       *f;
  int                       first, n;
  char                      of[300]; /* "`ped(cow)`", "the residual of class `2`" */
} Matrix;

/* Its element, row >= column */
static double Element(const Matrix *m, int row, int column) { return m->r->estimate[m->first + row * (row + 1) / 2 + column]; }

/* Name of a row into text [size]: the trait for a residual, else the name of the component */
static PetscErrorCode Name(const Matrix *m, int row, size_t size, char text[])
{
  const int term = m->r->component[m->first].term;
  char     *name;

  PetscFunctionBegin;
  if (term < 0) {
    snprintf(text, size, "%s", m->f->trait[row]);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritFormulaComponentName(m->f, term, row, &name));
  snprintf(text, size, "%s", name);
  PetscCall(PetscFree(name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Name the variances that are 0 and the pairs whose correlation is 1 or -1; *n counts them.
   Where a variance is 0 its covariances are 0 too: the correlation is 0/0, NaN, and the pair is
   not named. */
static PetscErrorCode Elements(const Matrix *m, int *n)
{
  char row[200], column[200];

  PetscFunctionBegin;
  *n = 0;
  for (int i = 0; i < m->n; i++) {
    PetscCall(Name(m, i, sizeof(row), row));
    if (!(Element(m, i, i) > 0.0)) {
      MeritLog(MERIT_LOG_INFO, "  the variance of %s is 0", row);
      ++*n;
    }
    for (int j = 0; j < i; j++) {
      const double correlation = Element(m, i, j) / sqrt(Element(m, i, i) * Element(m, j, j));

      if (!(fabs(correlation) > ONE)) continue;
      PetscCall(Name(m, j, sizeof(column), column));
      MeritLog(MERIT_LOG_INFO, "  the correlation of %s and %s is %d", column, row, correlation > 0.0 ? 1 : -1);
      ++*n;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The lines for one matrix. A residual variance of 0 is most often a sign of a wrong model or of
   wrong data, so that there is advice. */
static PetscErrorCode Say(const Matrix *m)
{
  const bool residual = m->r->component[m->first].term < 0;
  bool       zero = true, some = false;
  int        said;

  PetscFunctionBegin;
  for (int i = 0; i < m->n; i++) {
    const bool none = !(Element(m, i, i) > 0.0);

    zero = zero && none, some = some || none;
  }
  MeritLog(MERIT_LOG_INFO, "the %s of %s is at the boundary: %s", m->n > 1 ? "matrix" : "variance", m->of, zero ? "0" : "singular");
  if (!zero) PetscCall(Elements(m, &said));
  if (!zero && !said) MeritLog(MERIT_LOG_INFO, "  some combination of its components has no variance");
  if (residual && some)
    MeritLog(MERIT_LOG_INFO,
             "  the other terms explain the observations whole: look for an effect that relatives share and the model lacks (a common "
             "environment), or observations that are no measurements");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompBoundary - See the header. Not collective. Components stand matrix by matrix: terms in the
   order of the formula, then residual classes. Each matrix takes n (n + 1) / 2 of them. */
PetscErrorCode VarcompBoundary(const Varcomp *s)
{
  Matrix m = {.r = &s->result, .f = MeritModelFormula(s->run.model)};

  PetscFunctionBegin;
  for (; m.first < m.r->n; m.first += m.n * (m.n + 1) / 2) {
    const MeritComponent *c        = &m.r->component[m.first];
    bool                  boundary = false;

    m.n = c->term < 0 ? m.f->n_traits : m.f->term[c->term].n_components;
    for (int i = 0; i < m.n * (m.n + 1) / 2; i++) boundary = boundary || m.r->state[m.first + i] == MERIT_ESTIMATE_BOUNDARY;
    if (!boundary) continue;
    if (c->term >= 0) snprintf(m.of, sizeof(m.of), "`%s`", m.f->term[c->term].label);
    else if (m.f->n_residuals > 1) snprintf(m.of, sizeof(m.of), "the residual of class `%s`", m.f->residual[c->residual].label);
    else snprintf(m.of, sizeof(m.of), "the residual");
    PetscCall(Say(&m));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

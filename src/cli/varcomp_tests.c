/*
  Likelihood-ratio tests of terms, by a run without each.

  Where a term is nothing its d components lie at the corner of a cone, and the statistic is a mixture of chi-squares whose weights of even
  and of odd degrees sum to 1/2 each (Self & Liang 1987; Shapiro 1988). For one variance this is 1/2 chi2(0) + 1/2 chi2(1). For a matrix
  the weights depend on the information (Stram & Lee 1994); 1/2 chi2(d - 1) + 1/2 chi2(d), either half at its highest degree, is above every
  such mixture, so that the p-value may be too large, never too small.
*/
#include "varcomp_impl.h"
#include <math.h>
#include <merit/log.h>
#include <merit/random.h>
#include <stdio.h>
#include <string.h>

/* Number of the random term that a node of the job names, by its label with blanks left out, as in
   `variances`. Logically collective. Errors: USAGE with the nearest label. */
static PetscErrorCode Find(Varcomp *s, MeritNode node, int *term)
{
  const MeritFormula *f = MeritModelFormula(s->run.model);
  const char         *known[64], *near;
  int                 n = 0;

  PetscFunctionBegin;
  *term = -1;
  if (node->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(node, "varcomp.test must be the label of a random term, or a list of them"));
  for (int k = 0; k < f->n_terms; k++) {
    const char *a = node->text, *b = f->term[k].label;

    if (f->term[k].fixed) continue;
    if (n < 64) known[n++] = b;
    /* Both texts are read together, blanks skipped, until they differ or end */
    while (*a || *b) {
      while (*a == ' ') a++;
      while (*b == ' ') b++;
      if (*a != *b) break;
      if (*a) a++, b++;
    }
    if (!*a && !*b) *term = k;
  }
  near = MeritNearest(node->text, n, known);
  if (*term < 0)
    PetscCall(MeritNodeError(node, "varcomp.test: no random term is called `%s`%s%s%s", node->text, near ? "; did you mean `" : "", near ? near : "",
                             near ? "`?" : ""));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Components of a term that are estimated */
static PetscErrorCode Free(const MeritFormula *f, int term, int *n_free)
{
  MeritComponent *component;
  int             n;

  PetscFunctionBegin;
  *n_free = 0;
  PetscCall(MeritFormulaComponents(f, &n, &component));
  for (int i = 0; i < n; i++) *n_free += component[i].term == term && !component[i].fixed;
  PetscCall(PetscFree(component));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompTestsParse - See the header. Collective. */
PetscErrorCode VarcompTestsParse(Varcomp *s)
{
  const MeritFormula *f    = MeritModelFormula(s->run.model);
  MeritNode           node = MeritNodeFind(s->run.job, "varcomp.test");
  const char         *without;

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritVarcompHasLikelihood(s->varcomp, &without));
  if (without)
    PetscCall(
        MeritNodeError(node, "varcomp.test compares likelihoods, and %s computes none; use method reml or ml, with engine auto or factor", without));
  s->n_tests = node->kind == MERIT_NODE_LIST ? node->n : 1;
  PetscCall(PetscCalloc1(s->n_tests, &s->test));
  for (int i = 0; i < s->n_tests; i++) {
    MeritNode label = node->kind == MERIT_NODE_LIST ? node->child[i] : node;

    PetscCall(Find(s, label, &s->test[i].term));
    PetscCall(Free(f, s->test[i].term, &s->test[i].df));
    if (!s->test[i].df) PetscCall(MeritNodeError(label, "varcomp.test: `%s` is fixed, so there is nothing to test", f->term[s->test[i].term].label));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompTests - See the header. Collective. Each run estimates the model with the matrix of the
   term held at 0. A run that did not converge has no likelihood that could be compared: its test
   gets no p-value, and the others continue. */
PetscErrorCode VarcompTests(Varcomp *s)
{
  PetscFunctionBegin;
  s->testing = true;
  for (int i = 0; i < s->n_tests; i++) {
    const char *label = MeritModelFormula(s->run.model)->term[s->test[i].term].label;

    MeritLog(MERIT_LOG_INFO, "likelihood-ratio test of `%s`: the model without it", label);
    PetscCall(MeritVarcompLeaveOut(s->varcomp, s->test[i].term));
    PetscCall(MeritVarcompRun(s->varcomp, s->run.C, &s->result));
    s->test[i].log_likelihood = s->result.log_likelihood;
    if (!isfinite(s->result.log_likelihood))
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.test", "engine %s has no likelihood to test with; varcomp.engine: factor has",
                           s->result.engine));
    if (s->result.stop == MERIT_VARCOMP_CONVERGED) continue;
    s->test[i].log_likelihood = NAN;
    MeritLog(MERIT_LOG_WARNING, "varcomp.test: the model without `%s` did not converge, so there is no p-value", label);
  }
  PetscCall(MeritVarcompLeaveOut(s->varcomp, -1));
  s->testing = false;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* p-value: the mixture 1/2 chi2(df - 1) + 1/2 chi2(df). chi2(0) is 0 with certainty: nothing of it
   is above a positive statistic, all of it is at 0. */
static double Tail(double statistic, int df)
{
  const double below = df > 1 ? MeritChiSquareTail(statistic, df - 1) : statistic > 0.0 ? 0.0 : 1.0;

  return 0.5 * below + 0.5 * MeritChiSquareTail(statistic, df);
}

/* VarcompTestsWrite - See the header. Collective. The statistic is 2 (log L - log L without the
   term). */
PetscErrorCode VarcompTestsWrite(Varcomp *s)
{
  const MeritFormula *f = MeritModelFormula(s->run.model);
  MeritTestRow       *row;
  char(*mixture)[48];

  PetscFunctionBegin;
  if (!s->n_tests) PetscFunctionReturn(PETSC_SUCCESS);
  if (s->result.stop == MERIT_VARCOMP_CONVERGED && !isfinite(s->result.log_likelihood))
    MeritLog(MERIT_LOG_WARNING, "varcomp.test: engine %s has no likelihood of the whole model to test with; more varcomp.samples may help",
             s->result.engine);
  PetscCall(PetscMalloc2(s->n_tests, &row, s->n_tests, &mixture));
  for (int i = 0; i < s->n_tests; i++) {
    const VarcompTest *t         = &s->test[i];
    double             statistic = 2.0 * (s->result.log_likelihood - t->log_likelihood);
    const bool         known     = isfinite(statistic) && s->result.stop == MERIT_VARCOMP_CONVERGED;

    if (statistic < 1e-9 * (1.0 + fabs(t->log_likelihood))) statistic = 0.0; /* rounding */

    snprintf(mixture[i], sizeof(mixture[i]), "0.5 chi2(%d) + 0.5 chi2(%d)", t->df - 1, t->df);
    row[i] = (MeritTestRow){.term         = f->term[t->term].label,
                            .statistic    = known ? statistic : NAN,
                            .p_value      = known ? Tail(statistic, t->df) : NAN,
                            .df           = t->df,
                            .distribution = mixture[i]};
  }
  PetscCall(MeritReportTests(s->run.report, s->run.out, s->n_tests, row));
  PetscCall(PetscFree2(row, mixture));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompTestsFree - See the header. Not collective. */
PetscErrorCode VarcompTestsFree(Varcomp *s)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(s->test));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompAnovaWrite - See the header. Collective. */
PetscErrorCode VarcompAnovaWrite(Varcomp *s)
{
  const MeritVarcompResult *r = &s->result;
  MeritAnovaRow            *row;

  PetscFunctionBegin;
  if (!r->n_lines) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(r->n_lines, &row));
  for (int i = 0; i < r->n_lines; i++)
    row[i] = (MeritAnovaRow){r->line[i].source, r->line[i].df, r->line[i].ss, r->line[i].ms, r->line[i].coefficient};
  PetscCall(MeritReportAnova(s->run.report, s->run.out, r->n_lines, row, r->n, r->component));
  PetscCall(PetscFree(row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

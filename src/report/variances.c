/*
  varcomp.tsv: estimates with standard errors; and the rounds of an estimation for
  convergence.tsv.

  A component is one element of the lower triangle of a covariance matrix: G of a random term, or
  R, which may differ by class of residuals. All ranks have the estimates; rank 0 makes the text.
*/
#include "report_impl.h"
#include <math.h>
#include <string.h>

/* Words of the column `status`, by MeritEstimateState */
static const char *const states[] = {"ok", "fixed", "boundary", "negative"};

/* Status of component i; without convergence no estimate is "ok" */
static const char *State(const MeritVarianceTable *v, int i)
{
  return v->state[i] == MERIT_ESTIMATE_OK && !v->converged ? "not_converged" : states[v->state[i]];
}

/* ReportComponentTerm - See the header. Not collective. */
PetscErrorCode ReportComponentTerm(MeritReport report, const MeritComponent *c, char **name)
{
  char text[1100];

  PetscFunctionBegin;
  if (c->term >= 0) snprintf(text, sizeof(text), "%s", report->formula->term[c->term].label);
  else if (!report->formula->residual_by) snprintf(text, sizeof(text), "residual");
  else snprintf(text, sizeof(text), "residual.%s", report->formula->residual[c->residual].label);
  PetscCall(PetscStrallocpy(text, name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Name of a row or column of a component: TRAIT, or TRAIT.REGRESSOR; owned by the caller */
static PetscErrorCode Side(MeritReport report, const MeritComponent *c, int at, char **name)
{
  PetscFunctionBegin;
  if (c->term >= 0) PetscCall(MeritFormulaComponentName(report->formula, c->term, at, name));
  else PetscCall(PetscStrallocpy(report->formula->trait[at], name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A field and a tab */
static PetscErrorCode Field(MeritText *text, const char *at)
{
  PetscFunctionBegin;
  PetscCall(ReportAddField(text, at, strlen(at)));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One line for component i. suffix and scale are for values derived from a component: the
   genetic variance from the variance of SNP effects. Estimate and errors are multiplied by the
   scale; the fraction of the variance is the same for both. */
static PetscErrorCode Line(MeritReport report, const MeritVarianceTable *v, int i, const char *suffix, double scale, MeritText *text)
{
  const MeritComponent *c = &v->component[i];
  /* known: standard error from the information matrix; alone: only the Monte Carlo part is known */
  const bool   known = v->covariance && v->state[i] != MERIT_ESTIMATE_FIXED;
  const bool   alone = v->monte_carlo && (v->state[i] == MERIT_ESTIMATE_OK || v->state[i] == MERIT_ESTIMATE_NEGATIVE);
  const double own = known ? v->covariance[i * v->n + i] : NAN, noise = v->monte_carlo ? v->monte_carlo[i * v->n + i] : 0.0;
  char        *name[3], term[1200];

  PetscFunctionBegin;
  PetscCall(ReportComponentTerm(report, c, &name[0]));
  PetscCall(Side(report, c, c->row, &name[1]));
  PetscCall(Side(report, c, c->column, &name[2]));
  snprintf(term, sizeof(term), "%s%s", name[0], suffix);
  PetscCall(Field(text, term));
  PetscCall(Field(text, name[1]));
  PetscCall(Field(text, name[2]));
  PetscCall(MeritTextAddReal(text, scale * v->estimate[i]));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  /* variance of the estimate = sampling variance + that of the Monte Carlo method */
  PetscCall(MeritTextAddReal(text, own > 0.0 ? scale * sqrt(own + noise) : NAN));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(MeritTextAddReal(text, own > 0.0 || alone ? scale * sqrt(noise) : NAN));
  PetscCall(MeritTextAdd(text, "\t%s\t", State(v, i)));
  /* fraction of the phenotypic variance */
  PetscCall(MeritTextAddReal(text, v->share[i]));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(MeritTextAddReal(text, v->share_error[i]));
  PetscCall(MeritTextAddBytes(text, "\n", 1));
  for (int k = 0; k < 3; k++) PetscCall(PetscFree(name[k]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportVariances - Write varcomp.tsv: a row for each element of the lower triangle of every
  covariance matrix, the residual last.

  Collective. Columns: term, row, column, estimate, se, se_mc (the part of se due to Monte Carlo
  sampling; all that is known where se is NA), status, share and share_se (a variance as a fraction
  of the variance of an observation, on average over the records of its trait). An SNP term has
  further rows LABEL.genetic: its variances times the mean diagonal of M M', the genetic variance
  of the genotyped animals.
*/
PetscErrorCode MeritReportVariances(MeritReport report, MeritOutput out, const MeritVarianceTable *v)
{
  MeritText            text = {0};
  const MeritTermView *views;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &views);
  for (int i = 0; i < v->n && !report->rank; i++) {
    const int  term = v->component[i].term;
    const bool last = i + 1 == v->n || v->component[i + 1].term != term;

    PetscCall(Line(report, v, i, "", 1.0, &text));
    /* after the last component of an SNP term its genetic variances follow */
    if (term < 0 || !last || !report->formula->term[term].scaled) continue;
    for (int k = 0; k <= i; k++)
      if (v->component[k].term == term) PetscCall(Line(report, v, k, ".genetic", MeritStructureMeanDiagonal(views[term].structure), &text));
  }
  PetscCall(MeritOutputWrite(out, "varcomp.tsv", "term\trow\tcolumn\testimate\tse\tse_mc\tstatus\tshare\tshare_se\n", text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportRoundAdd - See the header. The first round turns convergence.tsv into a table of
   rounds. Not collective. */
PetscErrorCode MeritReportRoundAdd(MeritReport report, const MeritReportRound *r)
{
  MeritText *text = &report->steps;

  PetscFunctionBegin;
  report->rounds = true;
  if (report->rank) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritTextAdd(text, "%lld", (long long)r->round));
  for (int i = 0; i < r->n + 3; i++) {
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    /* estimates, then log-likelihood, gradient and change */
    PetscCall(MeritTextAddReal(text, i < r->n ? r->estimate[i] : i == r->n ? r->log_likelihood : i == r->n + 1 ? r->gradient : r->change));
  }
  PetscCall(MeritTextAdd(text, "\t%s\t%.6f\n", r->step, r->seconds));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportRoundsHeader - See the header. Not collective. */
PetscErrorCode ReportRoundsHeader(MeritReport report, MeritText *header)
{
  MeritComponent *list;
  int             n;

  PetscFunctionBegin;
  PetscCall(MeritFormulaComponents(report->formula, &n, &list));
  PetscCall(MeritTextAdd(header, "round"));
  for (int i = 0; i < n; i++) {
    char *name[3], text[2400];

    PetscCall(ReportComponentTerm(report, &list[i], &name[0]));
    PetscCall(Side(report, &list[i], list[i].row, &name[1]));
    PetscCall(Side(report, &list[i], list[i].column, &name[2]));
    snprintf(text, sizeof(text), "%s[%s,%s]", name[0], name[1], name[2]);
    PetscCall(MeritTextAddBytes(header, "\t", 1));
    PetscCall(ReportAddField(header, text, strlen(text)));
    for (int k = 0; k < 3; k++) PetscCall(PetscFree(name[k]));
  }
  PetscCall(MeritTextAdd(header, "\tlog_likelihood\tgradient\tchange\tstep\tseconds\n"));
  PetscCall(PetscFree(list));
  PetscFunctionReturn(PETSC_SUCCESS);
}

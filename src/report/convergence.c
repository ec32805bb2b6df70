/*
  convergence.tsv: a row for each iteration of a solve, or for each round of an estimation.

  Rank 0 keeps the text while the run goes on, about 100 bytes a row. Columns of a solve:
  iteration, residual and its square, change and its square, the residual in the norm of the
  inverse diagonal, the change of each term, seconds. Columns of an estimation are those of
  ReportRoundsHeader().
*/
#include "report_impl.h"
#include <math.h>
#include <string.h>

/* MeritReportStepAdd - Keep one iteration for convergence.tsv. Not collective; only rank 0 keeps
   it. */
PetscErrorCode MeritReportStepAdd(MeritReport report, const MeritReportStep *step)
{
  /* residual, its square (the criterion of BLUPF90), change, its square, and the residual in
     the norm of the inverse diagonal of C */
  const double criteria[] = {step->residual, step->residual * step->residual, step->change, step->change * step->change, step->residual_scaled};
  MeritText   *text       = &report->steps;

  PetscFunctionBegin;
  if (report->rank || report->rounds) PetscFunctionReturn(PETSC_SUCCESS); /* an estimation has rounds; its last solve adds no rows */
  PetscCall(MeritTextAdd(text, "%lld", (long long)step->iteration));
  for (int k = 0; k < 5; k++) {
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(MeritTextAddReal(text, criteria[k]));
  }
  for (int t = 0; t < report->formula->n_terms; t++) {
    PetscCall(MeritTextAddBytes(text, "\t", 1));
    PetscCall(MeritTextAddReal(text, step->term_change ? step->term_change[t] : NAN));
  }
  PetscCall(MeritTextAdd(text, "\t%.6f\n", step->seconds));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportConvergence - Write convergence.tsv from the iterations kept. Collective. */
PetscErrorCode MeritReportConvergence(MeritReport report, MeritOutput out)
{
  MeritText header = {0};

  PetscFunctionBegin;
  /* An estimation: rows are rounds (variances.c), and the header names the components */
  if (report->rounds) {
    PetscCall(ReportRoundsHeader(report, &header));
    PetscCall(MeritOutputWrite(out, "convergence.tsv", header.at, report->steps.at, (int64_t)report->steps.n));
    MeritTextFree(&header);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritTextAdd(&header, "iteration\tresidual\tresidual_sq\tchange\tchange_sq\tresidual_scaled"));
  for (int t = 0; t < report->formula->n_terms; t++) {
    char name[1100];

    /* one column for each term: its relative change */
    snprintf(name, sizeof(name), "change.%s", report->formula->term[t].label);
    PetscCall(MeritTextAddBytes(&header, "\t", 1));
    PetscCall(ReportAddField(&header, name, strlen(name)));
  }
  PetscCall(MeritTextAddBytes(&header, "\tseconds\n", 9));
  PetscCall(MeritOutputWrite(out, "convergence.tsv", header.at, report->steps.at, (int64_t)report->steps.n));
  MeritTextFree(&header);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The report object, the options of the job file, and small helpers of all tables.

  A report sees the model and arrays of results. The tables are made by the other files of this
  folder.
*/
#include "report_impl.h"
#include <string.h>

/* MeritReportCreate - Make a report on a model whose configuration is read. Not collective; the
   model must outlive it. */
PetscErrorCode MeritReportCreate(MeritModel model, MeritReport *report)
{
  MeritReport r;

  PetscFunctionBegin;
  PetscCall(PetscNew(&r));
  r->model   = model;
  r->comm    = MeritModelComm(model);
  r->formula = MeritModelFormula(model);
  PetscCallMPI(MPI_Comm_rank(r->comm, &r->rank));
  PetscCallMPI(MPI_Comm_size(r->comm, &r->size));
  *report = r;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportSetFromConfig - See the header. Keys: output.solutions (all, fixed, none),
   output.fitted, output.se, ebv (name: linear combination of genetic values). Not collective: the
   same on every rank. Errors: USAGE with line and column, before data are read. */
PetscErrorCode MeritReportSetFromConfig(MeritReport report, MeritNode job)
{
  const char *const words[]  = {"all", "fixed", "none"};
  const char *const errors[] = {"auto", "yes", "no", "true", "false"};
  int               choice = REPORT_ALL, wanted = MERIT_ERRORS_AUTO;
  MeritNode         ebv;

  PetscFunctionBegin;
  PetscCall(MeritConfigChoice(job, "output.solutions", 3, words, &choice));
  report->solutions = (ReportChoice)choice;
  PetscCall(MeritConfigBool(job, "output.fitted", &report->fitted));
  PetscCall(MeritConfigChoice(job, "output.se", 5, errors, &wanted));
  /* words 3 and 4, true and false, are yes and no again */
  report->errors = (MeritReportErrors)(wanted > MERIT_ERRORS_NO ? wanted - 2 : wanted);
  ebv            = MeritNodeFind(job, "ebv");
  if (ebv) PetscCall(ReportSumsParse(report, ebv));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportWantsFitted - Is fitted.tsv asked for? Not collective. */
bool MeritReportWantsFitted(MeritReport report) { return report->fitted; }

/* MeritReportWantsErrors - See the header. Not collective. */
MeritReportErrors MeritReportWantsErrors(MeritReport report) { return report->errors; }

/* MeritReportCrossesLevels - See the header. Not collective. */
bool MeritReportCrossesLevels(MeritReport report)
{
  const int *fed;
  bool       crosses = MeritModelFedTerms(report->model, &fed) > 0;

  /* sums over terms, and SNP effects summed over SNPs, need covariances between equations of
     different levels */
  for (int s = 0; s < report->n_sums; s++) crosses = crosses || ReportSumCrossesTerms(&report->sum[s]);
  return crosses;
}

/* ReportComponentName - See the header. Not collective. */
const char *ReportComponentName(const MeritTermSpec *term, int component) { return term->component[component].name; }

/* ReportAddField - See the header. Quotes within the field are doubled. Not collective. */
PetscErrorCode ReportAddField(MeritText *text, const char at[], size_t length)
{
  bool quote = length > 0 && (at[0] == ' ' || at[length - 1] == ' ');

  PetscFunctionBegin;
  for (size_t i = 0; i < length && !quote; i++) /* a field with a tab, quote or line end must be quoted */
    quote = at[i] == '\t' || at[i] == '"' || at[i] == '\n' || at[i] == '\r';
  if (!quote) {
    PetscCall(MeritTextAddBytes(text, at, length));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritTextAddBytes(text, "\"", 1));
  for (size_t i = 0; i < length; i++) PetscCall(MeritTextAddBytes(text, at[i] == '"' ? "\"\"" : at + i, at[i] == '"' ? 2 : 1));
  PetscCall(MeritTextAddBytes(text, "\"", 1));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportDestroy - Free a report; NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritReportDestroy(MeritReport *report)
{
  MeritReport r = *report;

  PetscFunctionBegin;
  if (!r) PetscFunctionReturn(PETSC_SUCCESS);
  for (int s = 0; s < r->n_sums; s++) PetscCall(PetscFree(r->sum[s].name));
  PetscCall(PetscFree(r->sum));
  PetscCall(PetscFree(r->traits));
  PetscCall(PetscFree(r->terms));
  PetscCall(PetscFree(r->counts));
  PetscCall(PetscFree(r->count_text));
  PetscCall(PetscFree(r->start));
  PetscCall(ReportInverseDestroy(&r->inverse));
  MeritTextFree(&r->steps);
  PetscCall(PetscFree(*report));
  PetscFunctionReturn(PETSC_SUCCESS);
}

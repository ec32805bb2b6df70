/*
  Tables of an estimation beside varcomp.tsv: functions of components (functions.tsv), tests of
  terms (tests.tsv), the analysis of variance (anova.tsv).

  The tables have few rows. All ranks have them; rank 0 makes the text, and the others write none.
*/
#include "report_impl.h"
#include <string.h>

/* A field of text */
static PetscErrorCode Name(MeritText *text, const char *name)
{
  PetscFunctionBegin;
  PetscCall(ReportAddField(text, name, strlen(name)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A tab and a number, NA for NaN */
static PetscErrorCode Real(MeritText *text, double value)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(MeritTextAddReal(text, value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportFunctions - Write functions.tsv: name, estimate, se. Collective. */
PetscErrorCode MeritReportFunctions(MeritReport report, MeritOutput out, int n, const MeritFunctionRow row[])
{
  MeritText text = {0};

  PetscFunctionBegin;
  for (int i = 0; i < n && !report->rank; i++) {
    PetscCall(Name(&text, row[i].name));
    PetscCall(Real(&text, row[i].estimate));
    PetscCall(Real(&text, row[i].se));
    PetscCall(MeritTextAddBytes(&text, "\n", 1));
  }
  PetscCall(MeritOutputWrite(out, "functions.tsv", "name\testimate\tse\n", text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportTests - Write tests.tsv: term, statistic, df, p_value, distribution. Collective. */
PetscErrorCode MeritReportTests(MeritReport report, MeritOutput out, int n, const MeritTestRow row[])
{
  MeritText text = {0};

  PetscFunctionBegin;
  for (int i = 0; i < n && !report->rank; i++) {
    PetscCall(Name(&text, row[i].term));
    PetscCall(Real(&text, row[i].statistic));
    PetscCall(MeritTextAdd(&text, "\t%d", row[i].df));
    PetscCall(Real(&text, row[i].p_value));
    PetscCall(MeritTextAdd(&text, "\t%s\n", row[i].distribution));
  }
  PetscCall(MeritOutputWrite(out, "tests.tsv", "term\tstatistic\tdf\tp_value\tdistribution\n", text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritReportAnova - Write anova.tsv: source, df, ss, ms, and E.LABEL, the coefficient of each
   component in the expected mean square. Collective. */
PetscErrorCode MeritReportAnova(MeritReport report, MeritOutput out, int n, const MeritAnovaRow row[], int n_components,
                                const MeritComponent component[])
{
  MeritText header = {0}, text = {0};

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(&header, "source\tdf\tss\tms"));
  for (int c = 0; c < n_components; c++) {
    char *term, name[1200];

    PetscCall(ReportComponentTerm(report, &component[c], &term));
    snprintf(name, sizeof(name), "E.%s", term);
    PetscCall(MeritTextAddBytes(&header, "\t", 1));
    PetscCall(Name(&header, name));
    PetscCall(PetscFree(term));
  }
  PetscCall(MeritTextAddBytes(&header, "\n", 1));
  for (int i = 0; i < n && !report->rank; i++) {
    PetscCall(Name(&text, row[i].source));
    PetscCall(Real(&text, row[i].df));
    PetscCall(Real(&text, row[i].ss));
    PetscCall(Real(&text, row[i].ms));
    /* E[ms] = sum over components of coefficient * component */
    for (int c = 0; c < n_components; c++) PetscCall(Real(&text, row[i].coefficient[c]));
    PetscCall(MeritTextAddBytes(&text, "\n", 1));
  }
  PetscCall(MeritOutputWrite(out, "anova.tsv", header.at, text.at, (int64_t)text.n));
  MeritTextFree(&header);
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

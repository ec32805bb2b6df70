/*
  variances.yaml: the estimates in the form of the key `variances` of a job file, for a later run
  (`--variances FOLDER`). Terms come in the order of the components, the residual last.
*/
#include "report_impl.h"
#include <math.h>

/* A word in double quotes, and the text that follows it */
static PetscErrorCode Quote(MeritText *text, const char *word, const char *behind)
{
  PetscFunctionBegin;
  PetscCall(MeritTextAddBytes(text, "\"", 1));
  for (const char *c = word; *c; c++) {
    if (*c == '"' || *c == '\\') PetscCall(MeritTextAddBytes(text, "\\", 1));
    PetscCall(MeritTextAddBytes(text, c, 1));
  }
  PetscCall(MeritTextAdd(text, "\"%s", behind));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The matrix whose lower triangle begins at component i, as [[a, b], [b, c]]; a number if it
   is 1 by 1. *next is the component behind it. */
static PetscErrorCode Matrix(MeritText *text, const MeritVarianceTable *v, int i, int *next)
{
  int n = 1;

  PetscFunctionBegin;
  /* components are lower triangles row by row; a row number of n at that position means that the
     matrix goes on */
  while (i + n * (n + 1) / 2 < v->n && v->component[i + n * (n + 1) / 2].row == n) n++;
  for (int a = 0; a < n; a++) {
    PetscCall(MeritTextAdd(text, n == 1 ? "" : a ? ", [" : "[["));
    for (int b = 0; b < n; b++) {
      const int row = PetscMax(a, b), column = PetscMin(a, b);

      PetscCall(MeritTextAdd(text, "%s%.17g", b ? ", " : "", v->estimate[i + row * (row + 1) / 2 + column]));
    }
    PetscCall(MeritTextAdd(text, n == 1 ? "" : a + 1 < n ? "]" : "]]"));
  }
  *next = i + n * (n + 1) / 2;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritReportVariancesYaml - Write variances.yaml: all estimates as one flow map, as `variances` of a job file or `--variances` takes it.

  Collective. To 17 digits, so that a later run has the very numbers.
@*/
PetscErrorCode MeritReportVariancesYaml(MeritReport report, MeritOutput out, const MeritVarianceTable *v)
{
  const MeritFormula *f     = report->formula;
  MeritText           text  = {0};
  bool                first = true;

  PetscFunctionBegin;
  for (int i = 0, next = 0; i < v->n && !report->rank; i = next) {
    const MeritComponent *c = &v->component[i];

    PetscCall(MeritTextAdd(&text, i ? ", " : "{"));
    if (c->term >= 0) PetscCall(Quote(&text, f->term[c->term].label, ": "));
    else if (!f->residual_by) PetscCall(Quote(&text, "residual", ": "));
    else {
      /* residual classes: {by: COLUMN, value: {CLASS: ...}} */
      if (first) PetscCall(MeritTextAdd(&text, "residual: {by: "));
      if (first) PetscCall(Quote(&text, f->residual_by, ", value: {"));
      first = false;
      PetscCall(Quote(&text, f->residual[c->residual].label, ": "));
    }
    PetscCall(Matrix(&text, v, i, &next));
  }
  if (!report->rank) PetscCall(MeritTextAdd(&text, "%s}\n", f->residual_by ? "}}" : ""));
  PetscCall(MeritOutputWrite(out, "variances.yaml", NULL, text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

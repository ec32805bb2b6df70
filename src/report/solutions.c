/*
  solutions.tsv: a row for each level and component of every term that is written, with its
  standard error if known.

  Terms are written one after another, each rank its block of canonical levels; memory for text is
  that of one term.
*/
#include "report_impl.h"
#include <math.h>
#include <string.h>

/* Columns of the table */
static const char *const header = "trait\tterm\tcomponent\tlevel\tn\tsolution\tse\tstatus\n";

/* A row. An aliased equation has solution 0 and no standard error; n < 0 is NA. */
static PetscErrorCode Row(MeritText *text, const char *trait, const char *term, const char *component, const char *level, size_t length, int64_t n,
                          double solution, double error, uint8_t state)
{
  bool aliased = state == MERIT_EQ_ALIASED;

  PetscFunctionBegin;
  PetscCall(ReportAddField(text, trait, strlen(trait)));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(ReportAddField(text, term, strlen(term)));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(ReportAddField(text, component, strlen(component)));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(ReportAddField(text, level, length));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  if (n >= 0) PetscCall(MeritTextAddInteger(text, n));
  else PetscCall(MeritTextAddBytes(text, "NA", 2));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(MeritTextAddReal(text, aliased ? 0 : solution));
  PetscCall(MeritTextAddBytes(text, "\t", 1));
  PetscCall(MeritTextAddReal(text, aliased ? NAN : error));
  PetscCall(MeritTextAddBytes(text, aliased ? "\taliased\n" : "\tok\n", aliased ? 9 : 4));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of one term; errors are of all components like u, NULL if they are not known. They go
   through the same blocks as u, with the scale of SNPs, whose sign does not matter for an
   error. Collective. */
static PetscErrorCode Term(MeritReport report, int t, const double u[], const double errors[], MeritText *text)
{
  const MeritTermSpec *spec = &report->formula->term[t];
  ReportBlock          block, se = {0};
  int64_t             *number, *start;
  char                *at;

  PetscFunctionBegin;
  PetscCall(ReportBlockCreate(report, t, u, &block));
  if (errors) PetscCall(ReportBlockCreate(report, t, errors, &se));
  PetscCall(PetscMalloc1(block.n, &number));
  for (int64_t i = 0; i < block.n; i++) number[i] = block.first + i;
  PetscCall(MeritModelLabels(report->model, t, block.n, number, &at, &start));
  for (int64_t i = 0; i < block.n; i++)
    for (int c = 0; c < block.n_comp; c++) {
      int64_t k = i * block.n_comp + c;

      /* a fixed level without observations has no equation and no row */
      if (block.state[k] == MERIT_EQ_ABSENT) continue;
      PetscCall(Row(text, report->formula->trait[spec->component[c].trait], spec->label, ReportComponentName(spec, c), at + start[i],
                    (size_t)(start[i + 1] - start[i]), block.observed[k], block.u[k], errors ? fabs(se.u[k]) : NAN, block.state[k]));
    }
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(start));
  PetscCall(PetscFree(number));
  PetscCall(ReportBlockDestroy(&block));
  if (errors) PetscCall(ReportBlockDestroy(&se));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportSolutions - Write solutions.tsv: terms in formula order, levels in canonical order,
  components with the regressor slowest and the trait fastest.

  Collective. x[n_owned] are the equations. Columns: trait, term, component, level, n
  (observations), solution, se, status. Fixed levels without an observation have no row; redundant
  ones have solution 0 and status `aliased`. Rows of SNP terms have the effect of one copy of the
  counted allele. Numbers have 12 significant digits.
*/
PetscErrorCode MeritReportSolutions(MeritReport report, MeritOutput out, const double x[])
{
  double *u, *errors;

  PetscFunctionBegin;
  if (report->solutions == REPORT_NONE) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(ReportComponents(report, x, &u));
  PetscCall(ReportErrors(report, &errors));
  /* the header first, then one term after another */
  PetscCall(MeritOutputWrite(out, "solutions.tsv", header, NULL, 0));
  for (int t = 0; t < report->formula->n_terms; t++) {
    MeritText text = {0};

    /* output.solutions: fixed writes the fixed terms only */
    if (report->solutions == REPORT_FIXED && !report->formula->term[t].fixed) continue;
    PetscCall(Term(report, t, u, errors, &text));
    PetscCall(MeritOutputWrite(out, "solutions.tsv", NULL, text.at, (int64_t)text.n));
    MeritTextFree(&text);
  }
  PetscCall(PetscFree(u));
  PetscCall(PetscFree(errors));
  PetscFunctionReturn(PETSC_SUCCESS);
}

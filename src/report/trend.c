/*
  Class effects that look like covariates.

  A column without cov() is a class whatever its values. If its levels are whole numbers and their
  means rise or fall with the number, a regression may have been meant: a model with thousands of
  classes is legal, but slow and with other results. Observations are summed by level, as
  solutions are stored, and go to the blocks of canonical levels; there numbers and means of the
  levels are correlated, weighted by observations.
*/
#include "report_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* Fewest levels of a class that is examined; the correlation of numbers and means must be at least
   LEAST, and TIMES its standard error */
enum { LEVELS = 10 };
static const double TIMES = 5.0, LEAST = 0.3;

/* A whole number as counts and measures are written; ids such as 007 are not numbers */
static bool Whole(const char *at, const char *end, double *value)
{
  const char *digits = at + (at < end && *at == '-');
  char        text[16];

  if (digits == end || end - digits > 9 || (*digits == '0' && end - digits > 1)) return false;
  for (const char *c = digits; c < end; c++)
    if (!isdigit((unsigned char)*c)) return false;
  snprintf(text, sizeof(text), "%.*s", (int)(end - at), at);
  *value = strtod(text, NULL);
  return true;
}

/* Is the term a fixed class of one column? */
static bool Plain(const MeritTermSpec *spec)
{
  return spec->fixed && spec->n_regressors == 1 && spec->regressor[0].n_class == 1 && spec->regressor[0].covariate == MERIT_COVARIATE_NONE;
}

/* Sums of the observations by level and component, at the owners of the levels: *u as for
   ReportBlockCreate(). Collective. */
static PetscErrorCode Sums(MeritReport report, int t, double **u)
{
  const MeritRecordsView *records = MeritModelRecords(report->model);
  const MeritTermSpec    *spec    = &report->formula->term[t];
  PetscSF                 halo    = MeritModelHalo(report->model);
  const MeritTermView    *view;
  const int32_t           n_owned = MeritModelLayout(report->model)->n_owned;
  int32_t                 equation, slot;
  double                 *at;

  PetscFunctionBegin;
  MeritModelTerms(report->model, &view);
  view += t;
  PetscCall(PetscCalloc1(MeritModelLayout(report->model)->n_local, &at));
  for (int32_t r = 0; r < records->n_records; r++)
    for (int c = 0; c < spec->n_components; c++) {
      const int     trait = spec->component[c].trait;
      const int32_t eq    = MeritTermEquationOfSlot(view, view->design[0].slot[r]);

      /* unobserved traits and levels without an equation here do not count */
      if (!(records->observed[records->pattern[r]] >> trait & 1u) || eq < 0) continue;
      at[eq + c] += records->y[(int64_t)r * records->n_traits + trait];
    }
  PetscCall(PetscSFReduceBegin(halo, MPIU_REAL, at + n_owned, at, MPI_SUM));
  PetscCall(PetscSFReduceEnd(halo, MPIU_REAL, at + n_owned, at, MPI_SUM));
  ReportTermFirst(report, report->formula->n_terms, &equation, &slot);
  PetscCall(PetscCalloc1(slot + 1, u));
  ReportTermFirst(report, t, &equation, &slot);
  for (int32_t i = 0; i < view->n_owned * view->n_comp; i++) (*u)[slot + i] = at[view->eq_owned + i];
  PetscCall(PetscFree(at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x [block->n] = numbers of the levels of this rank's block; *numbers: all levels of all ranks are
   whole numbers, and not all are years. Collective. */
static PetscErrorCode Values(MeritReport report, int t, const ReportBlock *block, double x[], bool *numbers)
{
  int64_t *number;
  char    *label;
  int64_t *start;
  int      all[2] = {1, 1}; /* whole numbers, years */

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(block->n, &number));
  for (int64_t i = 0; i < block->n; i++) number[i] = block->first + i;
  PetscCall(MeritModelLabels(report->model, t, block->n, number, &label, &start));
  for (int64_t i = 0; i < block->n; i++) {
    x[i] = 0.0;
    if (!Whole(label + start[i], label + start[i + 1], &x[i])) all[0] = 0;
    /* years are classes by habit */
    if (x[i] < 1900 || x[i] > 2100) all[1] = 0;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, all, 2, MPI_INT, MPI_MIN, report->comm));
  *numbers = all[0] && !all[1];
  PetscCall(PetscFree(number));
  PetscCall(PetscFree(label));
  PetscCall(PetscFree(start));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Correlation *r of numbers and means of the levels, weighted by observations; *n levels have
   observations. Collective. */
static PetscErrorCode Correlation(MeritReport report, const ReportBlock *block, int c, const double x[], double *n, double *r)
{
  double sum[4] = {0, 0, 0, 0}, square[3] = {0, 0, 0}; /* levels, observations, of x, of y; xx, xm, mm */

  PetscFunctionBegin;
  for (int64_t i = 0; i < block->n; i++) {
    const double observed = (double)block->observed[i * block->n_comp + c];

    sum[0] += observed > 0;
    sum[1] += observed;
    sum[2] += observed * x[i];
    sum[3] += block->u[i * block->n_comp + c];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sum, 4, MPI_DOUBLE, MPI_SUM, report->comm));
  for (int64_t i = 0; i < block->n; i++) {
    const double observed = (double)block->observed[i * block->n_comp + c], dx = x[i] - sum[2] / sum[1];
    /* dx, dm: number and mean of the level about their weighted means; u is the sum of the
       level */
    const double dm = observed > 0 ? block->u[i * block->n_comp + c] / observed - sum[3] / sum[1] : 0.0;

    square[0] += observed * dx * dx;
    square[1] += observed * dx * dm;
    square[2] += observed * dm * dm;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, square, 3, MPI_DOUBLE, MPI_SUM, report->comm));
  *n = sum[0];
  *r = square[0] > 0 && square[2] > 0 ? square[1] / sqrt(square[0] * square[2]) : 0.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Trends of one term, added to the list. Collective. */
static PetscErrorCode Term(MeritReport report, int t, int *n_trends, MeritClassTrend trends[])
{
  const MeritTermSpec *spec = &report->formula->term[t];
  ReportBlock          block;
  double              *u, *x, n, r;
  bool                 numbers = false;

  PetscFunctionBegin;
  PetscCall(Sums(report, t, &u));
  PetscCall(ReportBlockCreate(report, t, u, &block));
  PetscCall(PetscMalloc1(block.n, &x));
  PetscCall(Values(report, t, &block, x, &numbers));
  for (int c = 0; c < spec->n_components && numbers; c++) {
    PetscCall(Correlation(report, &block, c, x, &n, &r));
    /* standard error of a correlation: sqrt((1 - r^2) / (n - 2)) */
    if (n < LEVELS || fabs(r) < LEAST || r * r * (n - 2) < TIMES * TIMES * (1 - r * r)) continue;
    trends[(*n_trends)++] = (MeritClassTrend){.term = t, .trait = spec->component[c].trait, .n_levels = (int64_t)n, .correlation = r};
  }
  PetscCall(PetscFree(x));
  PetscCall(ReportBlockDestroy(&block));
  PetscCall(PetscFree(u));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportClassTrends - Fixed class effects of one column that may have been meant as
  covariates.

  Collective; after MeritModelSetUp. A class is reported for a trait if it has at least 10 levels,
  all of them whole numbers (not all years from 1900 to 2100), and the numbers and means of the
  levels are correlated: by at least 0.3, and by five times the standard error of the correlation.
  *trends [*n] is owned by the caller, PetscFree. The command line turns each into a warning.
*/
PetscErrorCode MeritReportClassTrends(MeritReport report, int *n, MeritClassTrend **trends)
{
  const MeritTermView *views;
  const int            n_terms = MeritModelTerms(report->model, &views);

  PetscFunctionBegin;
  *n = 0;
  PetscCall(PetscMalloc1((size_t)(n_terms * report->formula->n_traits), trends));
  for (int t = 0; t < n_terms; t++)
    if (Plain(&report->formula->term[t]) && views[t].n_levels >= LEVELS && views[t].n_eq == views[t].n_comp) PetscCall(Term(report, t, n, *trends));
  PetscFunctionReturn(PETSC_SUCCESS);
}

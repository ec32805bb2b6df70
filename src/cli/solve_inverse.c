/* The columns of the inverse of C, for standard errors and reliabilities. */
#include "solve_impl.h"
#include <merit/log.h>
#include <merit/op.h>

/* Columns solved for at once */
enum { COLUMNS = 32 };

PetscErrorCode SolveGenomicValues(MeritModel model, Mat C, const double x[], double ***genomic)
{
  const MeritFormula *formula = MeritModelFormula(model);
  const int          *fed, n = MeritModelFedTerms(model, &fed);
  int64_t             n_rows;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(formula->n_terms, genomic));
  for (int i = 0; i < n; i++) {
    const int t = fed[i];

    PetscCall(MeritGenotypesTile(MeritModelGenotypes(model), NULL, NULL, NULL, &n_rows, NULL, NULL));
    PetscCall(PetscMalloc1((size_t)n_rows * (size_t)formula->term[t].n_components, &(*genomic)[t]));
    PetscCall(MeritMMEGenomicValues(C, t, x, (*genomic)[t]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode SolveGenomicFree(MeritModel model, double ***genomic)
{
  PetscFunctionBegin;
  for (int t = 0; t < MeritModelFormula(model)->n_terms; t++) PetscCall(PetscFree((*genomic)[t]));
  PetscCall(PetscFree(*genomic));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Term of each equation first .. first + COLUMNS - 1 of all ranks, -1 where it is pinned or there is none;
   and unit vectors */
static PetscErrorCode Units(MeritModel model, int64_t first, int term[], double *unit)
{
  const uint8_t       *state = MeritModelEquationState(model);
  const MeritTermView *view;
  const int            n_terms = MeritModelTerms(model, &view);
  int32_t              n_owned;
  int64_t              own;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(model)->n_owned;
  own     = MeritModelLayout(model)->first;
  for (int j = 0; j < COLUMNS; j++) term[j] = -1;
  PetscCall(PetscArrayzero(unit, (size_t)n_owned * COLUMNS));
  for (int t = 0; t < n_terms; t++)
    for (int j = 0; j < COLUMNS; j++) {
      const int64_t i = first + j - own;

      if (i < view[t].eq_owned || i >= view[t].eq_owned + (int64_t)view[t].n_owned * view[t].n_eq ||
          state[i] != MERIT_EQ_OK)
        continue;
      term[j]               = t;
      unit[i * COLUMNS + j] = 1.0;
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, term, COLUMNS, MPI_INT, MPI_MAX, MeritModelComm(model)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Hand one column over, with the genomic values that it and its unit vector make where the term is genetic */
static PetscErrorCode Column(MeritModel model, Mat C, MeritReport report, int term, const double unit[],
                             const double column[])
{
  double **genomic[2] = {NULL, NULL};

  PetscFunctionBegin;
  if (MeritModelFormula(model)->term[term].genetic) {
    PetscCall(SolveGenomicValues(model, C, unit, &genomic[0]));
    PetscCall(SolveGenomicValues(model, C, column, &genomic[1]));
  }
  PetscCall(MeritReportInverseColumn(report, term, unit, column, (const double *const *)genomic[0],
                                     (const double *const *)genomic[1]));
  for (int i = 0; i < 2; i++)
    if (genomic[i]) PetscCall(SolveGenomicFree(model, &genomic[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns first .. first + COLUMNS - 1; one[2 * n_owned] is for one column and its unit vector */
static PetscErrorCode Block(MeritModel model, Mat C, MeritSolver solver, MeritReport report, int64_t first,
                            double *unit, double *inverse, double *one)
{
  MeritSolveResult result;
  int32_t          n_owned;
  int              term[COLUMNS];
  char             residual[256];

  PetscFunctionBegin;
  n_owned = MeritModelLayout(model)->n_owned;
  PetscCall(Units(model, first, term, unit));
  PetscCall(MeritSolverSolve(solver, COLUMNS, unit, inverse, &result));
  if (result.stop != MERIT_STOP_CONVERGED && result.stop != MERIT_STOP_ROUNDING_FLOOR)
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, "output.se",
                         "the factor is not accurate enough for standard errors (%s); leave them "
                         "out with output.se: no",
                         MeritResidualText(result.true_residual, sizeof(residual), residual)));
  for (int j = 0; j < COLUMNS; j++) {
    if (term[j] < 0) continue;
    for (int64_t i = 0; i < n_owned; i++) {
      one[i]           = unit[i * COLUMNS + j];
      one[n_owned + i] = inverse[i * COLUMNS + j];
    }
    PetscCall(Column(model, C, report, term[j], one, one + n_owned));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every column of the inverse */
static PetscErrorCode AllColumns(MeritModel model, Mat C, MeritSolver solver, MeritReport report)
{
  int32_t n_owned;
  int64_t n_all;
  double *unit, *inverse, *one;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(model)->n_owned;
  n_all   = MeritModelLayout(model)->n_all;
  PetscCall(PetscMalloc3((size_t)n_owned * COLUMNS + 1, &unit, (size_t)n_owned * COLUMNS + 1, &inverse,
                         2 * (size_t)n_owned + 1, &one));
  for (int64_t first = 0; first < n_all; first += COLUMNS) {
    PetscCall(Block(model, C, solver, report, first, unit, inverse, one));
    MeritLogProgress((double)PetscMin(first + COLUMNS, n_all) / (double)n_all,
                     "standard errors: %lld of %lld equations", (long long)PetscMin(first + COLUMNS, n_all),
                     (long long)n_all);
  }
  PetscCall(PetscFree3(unit, inverse, one));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is every level of a term mapped to the tables for itself? Centred covariates also change the intercept. */
static bool LevelByLevel(MeritModel model, int term)
{
  const MeritTermSpec *spec = &MeritModelFormula(model)->term[term];

  return !spec->fixed || spec->regressor[0].n_class > 0;
}

/* All levels of a term at once, component by component, from the diagonal blocks of the inverse; one[2 * n_owned] */
static PetscErrorCode Levels(MeritModel model, MeritReport report, Mat S, int term, double *one)
{
  const uint8_t       *state = MeritModelEquationState(model);
  const MeritTermView *view;
  int32_t              n_owned;
  int64_t              first;

  PetscFunctionBegin;
  MeritModelTerms(model, &view);
  view += term;
  n_owned = MeritModelLayout(model)->n_owned;
  first   = MeritModelLayout(model)->first;
  for (int e = 0; e < view->n_eq; e++) {
    PetscCall(PetscArrayzero(one, 2 * (size_t)n_owned));
    for (int32_t i = 0; i < view->n_owned; i++) {
      const int32_t own = view->eq_owned + i * view->n_eq;
      const PetscInt row = (PetscInt)(first + own + e);

      if (state[own + e] != MERIT_EQ_OK) continue;
      one[own + e] = 1.0;
      for (int b = 0; b < view->n_eq; b++) {
        const PetscInt column = (PetscInt)(first + own + b);

        if (state[own + b] == MERIT_EQ_OK) PetscCall(MatGetValues(S, 1, &row, 1, &column, &one[n_owned + own + b]));
      }
    }
    PetscCall(MeritReportInverseColumn(report, term, one, one + n_owned, NULL, NULL));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every column of one term's single level, by solves */
static PetscErrorCode SingleLevel(MeritModel model, Mat C, MeritSolver solver, MeritReport report, int term, double *one)
{
  const uint8_t       *state = MeritModelEquationState(model);
  const MeritTermView *view;
  MeritSolveResult     result;
  int32_t              n_owned;

  PetscFunctionBegin;
  MeritModelTerms(model, &view);
  view += term;
  n_owned = MeritModelLayout(model)->n_owned;
  for (int e = 0; e < view->n_eq; e++) {
    int ok = view->n_owned && state[view->eq_owned + e] == MERIT_EQ_OK;

    PetscCall(PetscArrayzero(one, 2 * (size_t)n_owned));
    if (ok) one[view->eq_owned + e] = 1.0;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPI_INT, MPI_MAX, MeritModelComm(model)));
    if (!ok) continue;
    PetscCall(MeritSolverSolve(solver, 1, one, one + n_owned, &result));
    PetscCall(Column(model, C, report, term, one, one + n_owned));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Where each level stands for itself: the entries of the inverse that the factor gives */
static PetscErrorCode FromEntries(MeritModel model, Mat C, MeritSolver solver, MeritReport report, Mat S)
{
  const int n_terms = MeritModelFormula(model)->n_terms;
  int32_t   n_owned;
  double   *one;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(model)->n_owned;
  PetscCall(PetscMalloc1(2 * (size_t)n_owned + 1, &one));
  for (int k = 0; k < n_terms; k++) {
    if (LevelByLevel(model, k)) PetscCall(Levels(model, report, S, k, one));
    else PetscCall(SingleLevel(model, C, solver, report, k, one));
  }
  PetscCall(PetscFree(one));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SolveInverse - See the header. Collective. */
PetscErrorCode SolveInverse(MeritModel model, Mat C, MeritSolver solver, MeritReport report)
{
  Mat S = NULL;

  PetscFunctionBegin;
  PetscCall(MeritReportInverseBegin(report));
  PetscCall(MeritSolverSetMonitor(solver, NULL, NULL));
  if (!MeritReportCrossesLevels(report)) PetscCall(MeritSolverInverse(solver, &S));
  if (S) PetscCall(FromEntries(model, C, solver, report, S));
  else PetscCall(AllColumns(model, C, solver, report));
  PetscCall(MatDestroy(&S));
  PetscFunctionReturn(PETSC_SUCCESS);
}

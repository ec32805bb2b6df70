/* The columns of the inverse of C, for standard errors and reliabilities. */
#include "solve_impl.h"
#include <merit/log.h>
#include <merit/op.h>

/* Columns solved for at once */
enum { COLUMNS = 32 };

PetscErrorCode SolveGenomicValues(MeritModel model, Mat C, const double x[], double ***genomic)
{
  const MeritFormula *formula = MeritModelFormula(model);
  int64_t             n_rows;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(formula->n_terms, genomic));
  for (int t = 0; t < formula->n_terms; t++) {
    if (formula->term[t].kind != MERIT_TERM_SNP) continue;
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
  PetscCall(MeritModelLayout(model, &n_owned, NULL, &own, NULL, NULL));
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
  const MeritTermKind kind       = MeritModelFormula(model)->term[term].kind;
  double            **genomic[2] = {NULL, NULL};

  PetscFunctionBegin;
  if (kind == MERIT_TERM_PED || kind == MERIT_TERM_SNP) {
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

  PetscFunctionBegin;
  PetscCall(MeritModelLayout(model, &n_owned, NULL, NULL, NULL, NULL));
  PetscCall(Units(model, first, term, unit));
  PetscCall(MeritSolverSolve(solver, COLUMNS, unit, inverse, &result));
  if (result.stop != MERIT_STOP_CONVERGED && result.stop != MERIT_STOP_ROUNDING_FLOOR)
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, "output.se",
                         "the factor is not accurate enough for standard errors (residual %.1e); leave them "
                         "out with output.se: no",
                         result.true_residual));
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

/* SolveInverse - See the header. Collective. */
PetscErrorCode SolveInverse(MeritModel model, Mat C, MeritSolver solver, MeritReport report)
{
  int32_t n_owned;
  int64_t n_all;
  double *unit, *inverse, *one;

  PetscFunctionBegin;
  PetscCall(MeritModelLayout(model, &n_owned, NULL, NULL, &n_all, NULL));
  PetscCall(MeritReportInverseBegin(report));
  PetscCall(MeritSolverSetMonitor(solver, NULL, NULL));
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

/* The columns of the inverse of C, for standard errors and reliabilities. */
#include "solver_impl.h"
#include <merit/op.h>

/* Columns solved for at once */
enum { COLUMNS = 32 };

/* A walk through the columns, and who takes them */
typedef struct {
  MeritSolver      solver;
  MeritModel       model; /* borrowed from the operator */
  MeritInverseTake take;
  void            *ctx;
} Columns;

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
static PetscErrorCode Column(const Columns *v, int term, const double unit[], const double column[])
{
  double **genomic[2] = {NULL, NULL};

  PetscFunctionBegin;
  if (MeritModelFormula(v->model)->term[term].genetic) {
    PetscCall(MeritMMEGenomicTerms(v->solver->C, unit, &genomic[0]));
    PetscCall(MeritMMEGenomicTerms(v->solver->C, column, &genomic[1]));
  }
  PetscCall((*v->take)(v->ctx, term, unit, column, (const double *const *)genomic[0], (const double *const *)genomic[1]));
  for (int i = 0; i < 2; i++) PetscCall(MeritMMEGenomicTermsFree(v->solver->C, &genomic[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns first .. first + COLUMNS - 1; one[2 * n_owned] is for one column and its unit vector */
static PetscErrorCode Block(const Columns *v, int64_t first, double *unit, double *inverse, double *one)
{
  MeritSolveResult result;
  int32_t          n_owned;
  int              term[COLUMNS];
  char             residual[256];

  PetscFunctionBegin;
  n_owned = MeritModelLayout(v->model)->n_owned;
  PetscCall(Units(v->model, first, term, unit));
  PetscCall(MeritSolverSolve(v->solver, COLUMNS, unit, inverse, &result));
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
    PetscCall(Column(v, term[j], one, one + n_owned));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every column of the inverse */
static PetscErrorCode AllColumns(const Columns *v)
{
  int32_t n_owned;
  int64_t n_all;
  double *unit, *inverse, *one;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(v->model)->n_owned;
  n_all   = MeritModelLayout(v->model)->n_all;
  PetscCall(PetscMalloc3((size_t)n_owned * COLUMNS + 1, &unit, (size_t)n_owned * COLUMNS + 1, &inverse,
                         2 * (size_t)n_owned + 1, &one));
  for (int64_t first = 0; first < n_all; first += COLUMNS) {
    PetscCall(Block(v, first, unit, inverse, one));
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
static PetscErrorCode Levels(const Columns *v, Mat S, int term, double *one)
{
  const uint8_t       *state = MeritModelEquationState(v->model);
  const MeritTermView *view;
  int32_t              n_owned;
  int64_t              first;

  PetscFunctionBegin;
  MeritModelTerms(v->model, &view);
  view += term;
  n_owned = MeritModelLayout(v->model)->n_owned;
  first   = MeritModelLayout(v->model)->first;
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
    PetscCall((*v->take)(v->ctx, term, one, one + n_owned, NULL, NULL));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every column of one term's single level, by solves */
static PetscErrorCode SingleLevel(const Columns *v, int term, double *one)
{
  const uint8_t       *state = MeritModelEquationState(v->model);
  const MeritTermView *view;
  MeritSolveResult     result;
  int32_t              n_owned;

  PetscFunctionBegin;
  MeritModelTerms(v->model, &view);
  view += term;
  n_owned = MeritModelLayout(v->model)->n_owned;
  for (int e = 0; e < view->n_eq; e++) {
    int ok = view->n_owned && state[view->eq_owned + e] == MERIT_EQ_OK;

    PetscCall(PetscArrayzero(one, 2 * (size_t)n_owned));
    if (ok) one[view->eq_owned + e] = 1.0;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPI_INT, MPI_MAX, MeritModelComm(v->model)));
    if (!ok) continue;
    PetscCall(MeritSolverSolve(v->solver, 1, one, one + n_owned, &result));
    PetscCall(Column(v, term, one, one + n_owned));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Where each level stands for itself: the entries of the inverse that the factor gives */
static PetscErrorCode FromEntries(const Columns *v, Mat S)
{
  const int n_terms = MeritModelFormula(v->model)->n_terms;
  int32_t   n_owned;
  double   *one;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(v->model)->n_owned;
  PetscCall(PetscMalloc1(2 * (size_t)n_owned + 1, &one));
  for (int k = 0; k < n_terms; k++) {
    if (LevelByLevel(v->model, k)) PetscCall(Levels(v, S, k, one));
    else PetscCall(SingleLevel(v, k, one));
  }
  PetscCall(PetscFree(one));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverInverseColumns - See the header. Collective. */
PetscErrorCode MeritSolverInverseColumns(MeritSolver s, bool between_levels, MeritInverseTake take, void *ctx)
{
  Columns v = {.solver = s, .take = take, .ctx = ctx};
  Mat     S = NULL;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(s->C, &v.model));
  PetscCall(MeritSolverSetMonitor(s, NULL, NULL));
  if (!between_levels) PetscCall(MeritSolverInverse(s, &S));
  if (S) PetscCall(FromEntries(&v, S));
  else PetscCall(AllColumns(&v));
  PetscCall(MatDestroy(&S));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The columns of the inverse of C, for standard errors and reliabilities (docs/methods.md): each
  goes to a function of the caller, with its unit vector, and with the genomic values of both.

  - All columns: substitution with COLUMNS unit vectors at a time, in the order of global
    equation numbers.
  - If covariances between levels do not count, and the factor is sparse: the entries of the
    inverse within levels come from the selected inverse, and one column per component carries
    all levels of a term. Terms whose levels do not go to the tables one by one (fixed
    covariates, which also change the intercept) are solved for.
*/
#include "solver_impl.h"
#include <merit/op.h>

/* Columns solved for at once */
enum { COLUMNS = 32 };
/* The largest relative error of an entry of the inverse */
#define ENTRY 1e-4

/* A walk through the columns, and the function that takes them. */
typedef struct {
  MeritSolver      solver;
  MeritModel       model; /* borrowed from the operator */
  MeritInverseTake take;
  void            *ctx;
} Columns;

/* term[COLUMNS]: term of each equation first .. first + COLUMNS - 1 of all ranks, -1 where it is
   constrained or there is none; unit [n_owned * COLUMNS]: their unit vectors. Collective. */
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
  /* an equation is owned by one rank, so the maximum over ranks is its term */
  for (int t = 0; t < n_terms; t++)
    for (int j = 0; j < COLUMNS; j++) {
      const int64_t i = first + j - own;

      if (i < view[t].eq_owned || i >= view[t].eq_owned + (int64_t)view[t].n_owned * view[t].n_eq || state[i] != MERIT_EQ_OK) continue;
      term[j]               = t;
      unit[i * COLUMNS + j] = 1.0;
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, term, COLUMNS, MPI_INT, MPI_MAX, MeritModelComm(model)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Give one column to the caller, with the genomic values that it and its unit vector make where
   the term is genetic. Collective. */
static PetscErrorCode Column(const Columns *v, int term, const double unit[], const double column[])
{
  double **genomic[2] = {NULL, NULL};

  PetscFunctionBegin;
  if (MeritModelFormula(v->model)->term[term].genetic) {
    /* values of all SNP terms: a table may be a sum of terms */
    PetscCall(MeritMMEGenomicTerms(v->solver->C, unit, &genomic[0]));
    PetscCall(MeritMMEGenomicTerms(v->solver->C, column, &genomic[1]));
  }
  PetscCall((*v->take)(v->ctx, term, unit, column, (const double *const *)genomic[0], (const double *const *)genomic[1]));
  for (int i = 0; i < 2; i++) PetscCall(MeritMMEGenomicTermsFree(v->solver->C, &genomic[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Check that the solve gave k columns of the inverse, unit and inverse [n_owned * k]. Where it did
   not converge, their residuals show: with x = C^-1 u + e and r = u - C x, the entry u'x has the
   error x'r to first order. That is below the fraction ENTRY of it also for covariates that all but
   depend on each other, where |r| / |u| cannot be small as |x| is so large. It tells nothing of
   conjugate gradients, whose x and r are orthogonal: these must converge. Errors: NOT_CONVERGED.
   Collective. */
static PetscErrorCode CheckAccuracy(const Columns *v, const MeritSolveResult *result, int k, const double unit[], const double inverse[])
{
  char    text[256];
  double *r, *sums, relative;
  bool    well;

  PetscFunctionBegin;
  if (result->stop == MERIT_STOP_CONVERGED || result->stop == MERIT_STOP_ROUNDING_FLOOR) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)v->solver->n * (size_t)k + 1, &r));
  PetscCall(PetscCalloc1(2 * (size_t)k, &sums));
  PetscCall(MeritSolverTrueResidual(v->solver, k, unit, inverse, r, &relative));
  for (int64_t i = 0; i < (int64_t)v->solver->n * k; i++) {
    sums[i % k] += inverse[i] * unit[i];
    sums[k + i % k] += inverse[i] * r[i];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2 * k, MPI_DOUBLE, MPI_SUM, v->solver->comm));
  well = v->solver->ops->can.factors;
  for (int j = 0; j < k; j++) well = well && fabs(sums[k + j]) <= ENTRY * sums[j];
  PetscCall(PetscFree(r));
  PetscCall(PetscFree(sums));
  if (!well)
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, "output.se",
                         "the factor is not accurate enough for standard errors (%s); leave them "
                         "out with output.se: no",
                         MeritResidualText(relative, sizeof(text), text)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns first .. first + COLUMNS - 1; unit and inverse [n_owned * COLUMNS], one [2 * n_owned]
   for one unit vector and its column. For a constrained equation the vector is 0 and nothing is
   given. Collective. */
static PetscErrorCode Block(const Columns *v, int64_t first, double *unit, double *inverse, double *one)
{
  MeritSolveResult result;
  int32_t          n_owned;
  int              term[COLUMNS];

  PetscFunctionBegin;
  n_owned = MeritModelLayout(v->model)->n_owned;
  PetscCall(Units(v->model, first, term, unit));
  PetscCall(MeritSolverSolve(v->solver, COLUMNS, unit, inverse, &result));
  PetscCall(CheckAccuracy(v, &result, COLUMNS, unit, inverse));
  for (int j = 0; j < COLUMNS; j++) {
    /* constrained, or behind the last equation of all */
    if (term[j] < 0) continue;
    for (int64_t i = 0; i < n_owned; i++) {
      one[i]           = unit[i * COLUMNS + j];
      one[n_owned + i] = inverse[i * COLUMNS + j];
    }
    PetscCall(Column(v, term[j], one, one + n_owned));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every column of the inverse, with progress in the log. Collective. */
static PetscErrorCode AllColumns(const Columns *v)
{
  int32_t n_owned;
  int64_t n_all;
  double *unit, *inverse, *one;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(v->model)->n_owned;
  n_all   = MeritModelLayout(v->model)->n_all;
  PetscCall(PetscMalloc3((size_t)n_owned * COLUMNS + 1, &unit, (size_t)n_owned * COLUMNS + 1, &inverse, 2 * (size_t)n_owned + 1, &one));
  for (int64_t first = 0; first < n_all; first += COLUMNS) {
    PetscCall(Block(v, first, unit, inverse, one));
    MeritLogProgress((double)PetscMin(first + COLUMNS, n_all) / (double)n_all, "standard errors: %lld of %lld equations",
                     (long long)PetscMin(first + COLUMNS, n_all), (long long)n_all);
  }
  PetscCall(PetscFree3(unit, inverse, one));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Has every level of a term its own row in the tables? Covariates have not: centred ones also
   change the intercept. */
static bool LevelByLevel(MeritModel model, int term)
{
  const MeritTermSpec *spec = &MeritModelFormula(model)->term[term];

  return !spec->fixed || spec->regressor[0].n_class > 0;
}

/* All levels of a term at once, equation by equation: a unit vector with 1 at equation e of
   every level, and a column with each level's own entries of S, 0 elsewhere. one [2 * n_owned].
   Collective as the caller's function is. */
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
      const int32_t  own = view->eq_owned + i * view->n_eq;
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

/* The columns of a term with one level (a fixed covariate), by solves. Only the rank that owns
   it knows whether an equation is constrained, so ranks agree first. Collective. */
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
    PetscCall(CheckAccuracy(v, &result, 1, one, one + n_owned));
    PetscCall(Column(v, term, one, one + n_owned));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The columns from S, the selected inverse, term by term. Collective. */
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

/* MeritSolverInverseColumns - See the header. The monitor would see an iteration for each block
   of columns, so it is removed. Collective. */
PetscErrorCode MeritSolverInverseColumns(MeritSolver s, bool between_levels, MeritInverseTake take, void *ctx)
{
  Columns v = {.solver = s, .take = take, .ctx = ctx};
  Mat     S = NULL;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(s->C, &v.model));
  PetscCall(MeritSolverSetMonitor(s, NULL, NULL));
  /* S remains NULL where the factor is dense */
  if (!between_levels) PetscCall(MeritSolverInverse(s, &S));
  if (S) PetscCall(FromEntries(&v, S));
  else PetscCall(AllColumns(&v));
  PetscCall(MatDestroy(&S));
  PetscFunctionReturn(PETSC_SUCCESS);
}

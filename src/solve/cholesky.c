/*
  C formed and factored, sparse and distributed over the ranks (merit/factor.h), or as a dense matrix where most of it is one. One step of
  refinement with the operator's own residual.
*/
#include "direct_impl.h"
#include <math.h>
#include <merit/factor.h>

/* A residual above this is no solution */
static const double ROUNDING = 1e-6;

typedef struct {
  Mat            A;      /* owned */
  MeritFactor    factor; /* owned */
  uint64_t       state;  /* of the model, for which they are */
  CholeskyDense *dense;  /* in place of both, or NULL; owned */
} Cholesky;

static PetscErrorCode Drop(Cholesky *c)
{
  PetscFunctionBegin;
  PetscCall(CholeskyDenseDestroy(&c->dense));
  PetscCall(MatDestroy(&c->A));
  PetscCall(MeritFactorDestroy(&c->factor));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Singular(void)
{
  PetscFunctionBegin;
  PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                       "the equations are singular to rounding, so solver cholesky cannot factor them: fixed "
                       "effects of the model depend on each other"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Form and factor; the analysis comes first and tells what the factor will take */
static PetscErrorCode Factor(MeritSolver s, Cholesky *c)
{
  MeritModel model;
  double     bytes;
  bool       dense, equations, definite;

  PetscFunctionBegin;
  PetscCall(MeritMatIsMME(s->C, &equations));
  PetscCheck(equations, s->comm, PETSC_ERR_ARG_WRONG, "cholesky needs the mixed model equations of a model");
  PetscCall(Drop(c));
  PetscCall(MeritMMEGetModel(s->C, &model));
  c->state = MeritModelState(model);
  PetscCall(CholeskyDenseFits(s, &dense));
  if (dense) {
    PetscCall(CholeskyDenseFactor(s, &c->dense, &definite));
    if (!definite) PetscCall(Singular());
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(DirectAssemble(s, false, &c->A));
  PetscCall(MeritFactorCreate(c->A, &c->factor));
  PetscCall(MeritFactorSize(c->factor, &bytes, NULL, NULL, NULL));
  PetscCall(DirectRefuse(s, "the factor", bytes));
  PetscCall(MeritFactorNumeric(c->factor, c->A, &definite));
  if (!definite) PetscCall(Singular());
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SetUp_Cholesky(MeritSolver s)
{
  Cholesky *c;

  PetscFunctionBegin;
  PetscCall(PetscNew(&c));
  s->data = c;
  PetscCall(Factor(s, c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Reset_Cholesky(MeritSolver s)
{
  Cholesky *c = (Cholesky *)s->data;

  PetscFunctionBegin;
  if (!c) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Drop(c));
  PetscCall(PetscFree(c));
  s->data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x += C^-1 q by the factor */
static PetscErrorCode Substitute(MeritSolver s, Cholesky *c, int k, const double *q, double *x)
{
  const size_t n = (size_t)s->n * (size_t)k;
  double      *y;

  PetscFunctionBegin;
  if (c->dense) {
    PetscCall(CholeskyDenseSubstitute(s, c->dense, k, q, x));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(n + 1, &y));
  PetscCall(MeritFactorSolve(c->factor, k, q, y));
  for (size_t i = 0; i < n; i++) x[i] += y[i];
  PetscCall(PetscFree(y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverInverse - See the header. Collective. */
PetscErrorCode MeritSolverInverse(MeritSolver s, Mat *S)
{
  Cholesky *c = (Cholesky *)s->data;

  PetscFunctionBegin;
  *S = NULL;
  if (s->ops != &MeritSolver_Cholesky || !c || !c->factor) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MatDuplicate(c->A, MAT_COPY_VALUES, S));
  PetscCall(MeritFactorInverse(c->factor, *S));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* From 0, whatever the start: the factor needs none. Refined once, and kept only where that lowers the
   residual */
static PetscErrorCode Solve_Cholesky(MeritSolver s, int k, const double r[], double x[],
                                     MeritSolveResult *result)
{
  Cholesky      *c  = (Cholesky *)s->data;
  MeritIteration it = {1, NAN, NAN, NAN, NULL, 0.0};
  const size_t   n  = (size_t)s->n * (size_t)k;
  MeritModel     model;
  double        *q, *better, again;

  PetscFunctionBegin;
  PetscCall(MeritMMERefresh(s->C));
  PetscCall(MeritMMEGetModel(s->C, &model));
  if (c->state != MeritModelState(model)) PetscCall(Factor(s, c));
  PetscCall(PetscMalloc2(n, &q, n, &better));
  PetscCall(PetscArrayzero(x, n));
  PetscCall(Substitute(s, c, k, r, x));
  PetscCall(MeritSolverTrueResidual(s, k, r, x, q, &result->true_residual));
  PetscCall(PetscArraycpy(better, x, n));
  PetscCall(Substitute(s, c, k, q, better));
  PetscCall(MeritSolverTrueResidual(s, k, r, better, q, &again));
  if (again < result->true_residual || !isfinite(result->true_residual)) {
    PetscCall(PetscArraycpy(x, better, n));
    result->true_residual = again;
  }
  PetscCall(PetscFree2(q, better));
  for (int i = 0; i < s->n_terms; i++) s->term_change[i] = NAN;
  it.residual        = result->true_residual;
  result->iterations = 1;
  if (it.residual <= MeritSolverResidualGoal(s) ||
      (MeritSolverResidualGoal(s) <= 0.0 && it.residual < ROUNDING))
    result->stop = MERIT_STOP_CONVERGED;
  else
    result->stop = it.residual < ROUNDING ? MERIT_STOP_ROUNDING_FLOOR : MERIT_STOP_BREAKDOWN;
  PetscCall(MeritSolverReport(s, &it));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode View_Cholesky(MeritSolver s, PetscViewer viewer)
{
  const Cholesky *c = (const Cholesky *)s->data;
  double          bytes, entries;

  PetscFunctionBegin;
  if (c->factor) {
    PetscCall(MeritFactorSize(c->factor, &bytes, NULL, &entries, NULL));
    PetscCall(PetscViewerASCIIPrintf(viewer, "  a factor of %.0f entries, %.0f bytes on the fullest rank\n", entries, bytes));
  } else
    PetscCall(PetscViewerASCIIPrintf(viewer, "  a dense factor on one rank\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_Cholesky = {"cholesky", SetUp_Cholesky, Solve_Cholesky, View_Cholesky,
                                             Reset_Cholesky};

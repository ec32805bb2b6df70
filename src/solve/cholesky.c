/*
  C formed and factored by MUMPS (Amestoy et al. 2001), distributed over the ranks; or as a dense matrix where most
  of it is one. One step of refinement with the operator's own residual.
*/
#include "direct_impl.h"
#include <math.h>

/* A residual above this is no solution */
static const double ROUNDING = 1e-6;

typedef struct {
  Mat            A, F;  /* owned */
  uint64_t       state; /* of the model, for which they are */
  CholeskyDense *dense; /* in place of A and F, or NULL; owned */
  Mat            B, X;  /* right-hand sides and solutions, for k of them; owned */
  int            k;
} Cholesky;

static PetscErrorCode Drop(Cholesky *c)
{
  PetscFunctionBegin;
  PetscCall(CholeskyDenseDestroy(&c->dense));
  PetscCall(MatDestroy(&c->A));
  PetscCall(MatDestroy(&c->F));
  PetscCall(MatDestroy(&c->B));
  PetscCall(MatDestroy(&c->X));
  c->k = 0;
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

/* What the factorisation says of itself */
static PetscErrorCode Judge(const Cholesky *c)
{
  MatFactorError error;
  PetscInt       negative, code;

  PetscFunctionBegin;
  PetscCall(MatFactorGetError(c->F, &error));
  PetscCall(MatMumpsGetInfog(c->F, 12, &negative));
  PetscCall(MatMumpsGetInfog(c->F, 1, &code));
  if (error == MAT_FACTOR_OUTMEMORY)
    PetscCall(
        MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                   "not enough memory for the factor of solver cholesky; use more nodes, or solver pcg"));
  if (error == MAT_FACTOR_NUMERIC_ZEROPIVOT || (!error && negative > 0)) PetscCall(Singular());
  if (error)
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                         "MUMPS could not factor the equations: its code is %" PetscInt_FMT, code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Form and factor; the analysis comes first and tells what the factor will take */
static PetscErrorCode Factor(MeritSolver s, Cholesky *c)
{
  MeritModel    model;
  MatFactorInfo info;
  PetscInt      megabytes;
  bool          dense, equations, definite;

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
  PetscCall(MatGetFactor(c->A, MATSOLVERMUMPS, MAT_FACTOR_CHOLESKY, &c->F));
  PetscCall(MatFactorInfoInitialize(&info));
  PetscCall(MatCholeskyFactorSymbolic(c->F, c->A, NULL, &info));
  PetscCall(MatMumpsGetInfog(c->F, 16, &megabytes));
  PetscCall(DirectRefuse(s, "the factor", (double)megabytes * 1e6));
  PetscCall(MatCholeskyFactorNumeric(c->F, c->A, &info));
  PetscCall(Judge(c));
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

/* Room for k right-hand sides */
static PetscErrorCode Room(MeritSolver s, Cholesky *c, int k)
{
  PetscFunctionBegin;
  if (c->k == k) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MatDestroy(&c->B));
  PetscCall(MatDestroy(&c->X));
  PetscCall(MatCreateDense(s->comm, s->n, PETSC_DECIDE, PETSC_DETERMINE, k, NULL, &c->B));
  PetscCall(MatDuplicate(c->B, MAT_DO_NOT_COPY_VALUES, &c->X));
  PetscCall(MatAssemblyBegin(c->X, MAT_FINAL_ASSEMBLY));
  PetscCall(MatAssemblyEnd(c->X, MAT_FINAL_ASSEMBLY));
  c->k = k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x += C^-1 q by the factor */
static PetscErrorCode Substitute(MeritSolver s, Cholesky *c, int k, const double *q, double *x)
{
  PetscInt      lda;
  double       *b;
  const double *y;

  PetscFunctionBegin;
  if (c->dense) {
    PetscCall(CholeskyDenseSubstitute(s, c->dense, k, q, x));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(Room(s, c, k));
  PetscCall(MatDenseGetLDA(c->B, &lda));
  PetscCall(MatDenseGetArrayWrite(c->B, &b));
  for (int64_t i = 0; i < s->n; i++)
    for (int j = 0; j < k; j++) b[j * (int64_t)lda + i] = q[i * k + j];
  PetscCall(MatDenseRestoreArrayWrite(c->B, &b));
  PetscCall(MatAssemblyBegin(c->B, MAT_FINAL_ASSEMBLY));
  PetscCall(MatAssemblyEnd(c->B, MAT_FINAL_ASSEMBLY));
  PetscCall(MatMatSolve(c->F, c->B, c->X));
  PetscCall(MatDenseGetLDA(c->X, &lda));
  PetscCall(MatDenseGetArrayRead(c->X, &y));
  for (int64_t i = 0; i < s->n; i++)
    for (int j = 0; j < k; j++) x[i * k + j] += y[j * (int64_t)lda + i];
  PetscCall(MatDenseRestoreArrayRead(c->X, &y));
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

  PetscFunctionBegin;
  if (c->F)
    PetscCall(MatView(c->F, viewer));
  else
    PetscCall(PetscViewerASCIIPrintf(viewer, "  a dense factor on one rank\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_Cholesky = {"cholesky", SetUp_Cholesky, Solve_Cholesky, View_Cholesky,
                                             Reset_Cholesky};

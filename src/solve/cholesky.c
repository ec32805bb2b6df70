/*
  Solver cholesky: C formed and factored, sparse and distributed over the ranks
  (merit/factor.h), or as a dense matrix on rank 0 where most of it is dense (cholesky_dense.c).
  Then a solution is a substitution, refined once with the residual of the operator itself.

  In order: decide on dense or sparse; form C (refused if it does not fit); order and analyse
  its pattern, which gives the size of the factor; refuse the factor if it does not fit; factor.
  Each step is kept with the state of the operator for which it was made, and is made again only
  if the variances have changed.
*/
#include "direct_impl.h"
#include <math.h>
#include <merit/factor.h>

/* A relative residual above this is no solution: breakdown, not rounding. */
static const double RESIDUAL_IS_ROUNDING = 1e-6;
/* Operations: of factor and selected inverse, for each of the factor's; and for each column of
   the inverse and each entry of the factor, two substitutions (one for refinement) of two passes
   of a multiplication and an addition. */
static const double INVERSE = 3.0, COLUMN = 8.0;

/* What is kept between solves. There is either a dense factor, or a matrix with its factor. */
typedef struct {
  Mat            A;      /* owned */
  MeritFactor    factor; /* owned */
  uint64_t       formed; /* state of the operator (MeritSolverState) for which A is; 0: there is none */
  uint64_t       state;  /* the same of the numbers of the factor */
  CholeskyDense *dense;  /* in place of both, or NULL; owned */
} Cholesky;

/* Free matrix and factors; no state is valid then. */
static PetscErrorCode Drop(Cholesky *c)
{
  PetscFunctionBegin;
  PetscCall(CholeskyDenseDestroy(&c->dense));
  PetscCall(MatDestroy(&c->A));
  PetscCall(MeritFactorDestroy(&c->factor));
  c->formed = c->state = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Form C and analyse its factor, unless that is done for the variances that the model has.
   Refused before allocation if C does not fit. Collective. */
static PetscErrorCode Analyse(MeritSolver s, Cholesky *c, uint64_t state)
{
  PetscFunctionBegin;
  if (c->formed == state) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Drop(c));
  PetscCall(DirectAssemble(s, false, &c->A));
  PetscCall(MeritFactorCreate(c->A, &c->factor));
  c->formed = state;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The work space, made at the first call, and the state of the operator. It must be the mixed
   model equations: only these can be formed. Collective. */
static PetscErrorCode Begin(MeritSolver s, Cholesky **c, uint64_t *state)
{
  bool equations;

  PetscFunctionBegin;
  PetscCall(MeritMatIsMME(s->C, &equations));
  PetscCheck(equations, s->comm, PETSC_ERR_ARG_WRONG, "cholesky needs the mixed model equations of a model");
  PetscCall(MeritSolverState(s, state));
  if (!s->data) {
    PetscCall(PetscNew(c));
    s->data = *c;
  }
  *c = (Cholesky *)s->data;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Form and factor, unless that is done for this state. The analysis comes first and says what
   the factor will take, so it can be refused. *lost: the first equation without a pivot, and
   *pivot_ratio: what is left of its diagonal, relative; -1: none. Without a factor the state is not
   set. Collective. */
static PetscErrorCode Try(MeritSolver s, int64_t *lost, double *pivot_ratio)
{
  Cholesky *c;
  uint64_t  state;
  double    bytes;
  bool      dense, definite;

  PetscFunctionBegin;
  *lost = -1;
  PetscCall(Begin(s, &c, &state));
  if (c->state == state) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(CholeskyDenseFits(s, &dense));
  if (dense) {
    PetscCall(Drop(c));
    PetscCall(CholeskyDenseFactor(s, &c->dense, lost, pivot_ratio));
  } else {
    PetscCall(Analyse(s, c, state));
    bytes = MeritFactorSize(c->factor)->bytes;
    PetscCall(DirectRefuse(s, "the factor", bytes));
    PetscCall(MeritFactorNumeric(c->factor, c->A, &definite));
    if (!definite) PetscCall(MeritFactorSingular(c->factor, lost, pivot_ratio));
  }
  if (*lost < 0) c->state = state;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Factor, or an error that names the equation without a pivot. Collective. */
static PetscErrorCode Factor(MeritSolver s)
{
  MeritModel model;
  int64_t    lost;
  double     pivot_ratio;

  PetscFunctionBegin;
  PetscCall(Try(s, &lost, &pivot_ratio));
  PetscCall(MeritMMEGetModel(s->C, &model));
  if (lost >= 0) PetscCall(MeritSolverRaiseSingular(model, "solver cholesky", lost, pivot_ratio));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverTryFactor - See the header. For callers to whom singular equations are an answer,
   not an error. Collective. */
PetscErrorCode MeritSolverTryFactor(MeritSolver s, size_t size, char why[])
{
  MeritModel model;
  int64_t    lost;
  double     pivot_ratio;

  PetscFunctionBegin;
  PetscCheck(s->ops->can.factors, s->comm, PETSC_ERR_ARG_WRONG, "only solver cholesky has a factor");
  *why = 0;
  PetscCall(MeritSolverPrepare(s));
  PetscCall(Try(s, &lost, &pivot_ratio));
  PetscCall(MeritMMEGetModel(s->C, &model));
  if (lost >= 0) PetscCall(SingularText(model, lost, pivot_ratio, size, why));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Set-up is the factor: memory and singular equations are found before the solve. */
static PetscErrorCode SetUp_Cholesky(MeritSolver s)
{
  PetscFunctionBegin;
  PetscCall(Factor(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritSolverInverseCost - See the header. Collective.

  Dense: a factor takes n^3 / 3 operations, and n columns 2 n^2 each. Sparse: the analysis gives
  the exact numbers, so it is made, unless C itself is too large. The set-up after it uses that
  analysis.
*/
PetscErrorCode MeritSolverInverseCost(MeritSolver s, bool columns, int64_t most, double *bytes, double *operations)
{
  Cholesky *c;
  uint64_t  state;
  int64_t   n_entries, fullest, n_bytes;
  double    entries, flops, n, room;
  PetscInt  n_all;
  bool      dense;

  PetscFunctionBegin;
  PetscCheck(s->ops->can.factors, s->comm, PETSC_ERR_ARG_WRONG, "the inverse comes from solver cholesky");
  PetscCall(MeritSolverPrepare(s));
  PetscCall(Begin(s, &c, &state));
  PetscCall(DirectRoom(s, &room));
  PetscCall(MatGetSize(s->C, &n_all, NULL));
  n = (double)n_all;
  PetscCall(CholeskyDenseFits(s, &dense));
  if (dense) {
    *bytes      = 8.0 * n * n;
    *operations = n * n * n / 3.0 + 2.0 * n * n * n;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritMMEAssembledSize(s->C, &n_entries, &fullest, &n_bytes));
  *bytes = *operations = INFINITY;
  /* too large to form: the costs remain infinite */
  if (n_entries > most || (room >= 0.0 && (double)n_bytes > room)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Analyse(s, c, state));
  *bytes  = MeritFactorSize(c->factor)->bytes_inverse;
  entries = MeritFactorSize(c->factor)->entries;
  flops   = MeritFactorSize(c->factor)->flops;
  if (room < 0.0 || *bytes <= room) *operations = INVERSE * flops + (columns ? COLUMN * entries * n : 0.0);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free all; called also after a set-up that failed. */
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

/* x += C^-1 q by the factor; q, x [n * k]. Collective. */
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

/* MeritSolverInverse - See the header. The inverse has the pattern of C, as a factor with more
   non-zeros determines its entries there (Takahashi et al. 1973; Erisman and Tinney 1975).
   Collective. */
PetscErrorCode MeritSolverInverse(MeritSolver s, Mat *S)
{
  Cholesky *c = (Cholesky *)s->data;

  PetscFunctionBegin;
  *S = NULL;
  if (!s->ops->can.factors || !c || !c->factor) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MatDuplicate(c->A, MAT_COPY_VALUES, S));
  PetscCall(MeritFactorInverse(c->factor, *S));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* From 0, whatever the start: a factor needs none. Refined once, x + C^-1 (r - C x), and that is
   kept only if it lowers the residual (or the first residual is not finite). One "iteration".
   Below RESIDUAL_IS_ROUNDING the answer is as good as the factor gives, even if the criterion asks for more. */
static PetscErrorCode Solve_Cholesky(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  Cholesky      *c;
  MeritIteration it = {1, NAN, NAN, NAN, NULL, 0.0};
  const size_t   n  = (size_t)s->n * (size_t)k;
  uint64_t       state;
  double        *q, *better, again;

  PetscFunctionBegin;
  PetscCall(Begin(s, &c, &state));
  /* variances may be others since set-up */
  if (c->state != state) PetscCall(Factor(s));
  PetscCall(PetscMalloc2(n, &q, n, &better));
  PetscCall(PetscArrayzero(x, n));
  PetscCall(Substitute(s, c, k, r, x));
  PetscCall(MeritSolverTrueResidual(s, k, r, x, q, &result->true_residual));
  /* one step of refinement */
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
  if (it.residual <= MeritSolverResidualGoal(s) || (MeritSolverResidualGoal(s) <= 0.0 && it.residual < RESIDUAL_IS_ROUNDING))
    result->stop = MERIT_STOP_CONVERGED;
  else result->stop = it.residual < RESIDUAL_IS_ROUNDING ? MERIT_STOP_ROUNDING_FLOOR : MERIT_STOP_BREAKDOWN;
  PetscCall(MeritSolverReport(s, &it));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Print the size of the factor. */
static PetscErrorCode View_Cholesky(MeritSolver s, PetscViewer viewer)
{
  const Cholesky *c = (const Cholesky *)s->data;
  double          bytes, entries;

  PetscFunctionBegin;
  if (c->factor) {
    bytes   = MeritFactorSize(c->factor)->bytes;
    entries = MeritFactorSize(c->factor)->entries;
    PetscCall(PetscViewerASCIIPrintf(viewer, "  a factor of %.0f entries, %.0f bytes on the fullest rank\n", entries, bytes));
  } else PetscCall(PetscViewerASCIIPrintf(viewer, "  a dense factor on one rank\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_Cholesky = {"cholesky", SetUp_Cholesky, Solve_Cholesky, View_Cholesky, Reset_Cholesky, .can.factors = true};

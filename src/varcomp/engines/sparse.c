/*
  Engine `factor`, exact: C by a sparse Cholesky factor, traces from the entries of C^-1 on its
  pattern.

  With -2 log L = log |C| + log |R| + log |K x G| + y'P y + constants, tr(P V_j) is the
  derivative of the first three by theta_j. That of log |C| is tr(C^-1 dC/dtheta_j), and both
  matrices have C's pattern, so the trace is a sum of products of their entries. dC/dtheta_j is
  assembled like C itself, with the derivative of R^-1 or of the penalty in place of these.
  Maximum likelihood has the random effects' part of C in its place (Harville 1977): C with 1 on
  the diagonal of fixed equations and 0 beside it.

  An evaluation goes in this order: variances to the model and to C; log |R|, log |G| and their
  traces; C and its factor; the selected inverse and the traces of C; the solution for the data,
  and with it the quadratic forms and the average information (equations.c).

  Matrices next to singular have their own traces (TraceRoot, TracePattern): the derivatives of
  log |C| and of log |G| or log |R| are large there and nearly cancel, so the difference is
  formed in a basis where it keeps its digits.
*/
#include "equations.h"
#include <math.h>
#include <merit/factor.h>
#include <merit/solver.h>

/* A residual matrix whose least pivot is below this fraction of a variance is next to singular */
static const double PIVOT_RATIO_NEAR_SINGULAR = 1e-3;

typedef struct {
  VarcompEquations e;
  Mat              A, S;    /* C, then its derivatives in turn; entries of its inverse: one pattern; owned */
  MeritFactor      factor;  /* owned */
  int64_t          n_free;  /* equations that are not constrained (maximum likelihood: of random effects) */
  const double   **penalty; /* [n_terms]; owned */
  double          *small;   /* [MERIT_MAX_BLOCK] a term's derivative; owned */
  bool            *mixes;   /* [n_terms] MeritTermMixes when the pattern was made; owned */
  double          *R;       /* [n_patterns * n_traits^2]; owned */
  bool            *near;    /* [n_patterns] R of its traits is next to singular; owned */
} Factor;

/* Free the engine's data; the model has its equations in u again. Collective. */
static PetscErrorCode Destroy_Sparse(MeritVarcomp v)
{
  Factor *f = v->run.engine_data;

  PetscFunctionBegin;
  PetscCall(MeritModelUseCholeskyCoefficients(v->model, false));
  PetscCall(VarcompEquationsFree(v, &f->e));
  PetscCall(MatDestroy(&f->A));
  PetscCall(MatDestroy(&f->S));
  PetscCall(MeritFactorDestroy(&f->factor));
  PetscCall(PetscFree5(f->penalty, f->small, f->R, f->mixes, f->near));
  PetscCall(PetscFree(v->run.engine_data));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  f->n_free: equations that are neither constrained nor dependent; of random terms alone for ml.
  Collective.
*/
static PetscErrorCode CountFree(MeritVarcomp v, Factor *f)
{
  const uint8_t       *state = MeritModelEquationState(v->model);
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++)
    for (int32_t i = 0; i < term[k].n_owned * term[k].n_eq; i++)
      f->n_free += state[term[k].eq_owned + i] == MERIT_EQ_OK && (v->settings.method == MERIT_VARCOMP_REML || !term[k].fixed);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &f->n_free, 1, MPI_INT64_T, MPI_SUM, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Pattern, order and tree of the current C, once; again when a matrix comes next to singular, so
  that its components mix in the equations and the pattern changes, or is so no more. An
  analysis that the choice of the engine made is used if it is for the same pattern. Memory for
  the inverse is asked for. Collective.
*/
static PetscErrorCode Analyse(MeritVarcomp v, Factor *f)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);
  bool                 same    = f->factor != NULL;
  double               bytes;

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++) {
    same        = same && f->mixes[k] == MeritTermMixes(&term[k]);
    f->mixes[k] = MeritTermMixes(&term[k]);
  }
  if (same) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MatDestroy(&f->A));
  PetscCall(MatDestroy(&f->S));
  PetscCall(MeritFactorDestroy(&f->factor));
  PetscCall(MeritPhaseBegin("varcomp.analyse"));
  PetscCall(VarcompTakeAnalysis(v, &f->A, &f->factor));
  if (f->factor) PetscCall(MeritFactorComplete(f->factor, f->A));
  else {
    PetscCall(MeritMMEAssemble(v->run.C, &f->A));
    PetscCall(MeritFactorCreate(f->A, &f->factor));
  }
  bytes = MeritFactorSize(f->factor)->bytes_inverse;
  PetscCall(VarcompRefuseEngine(v, &VarcompEngine_Sparse, bytes));
  PetscCall(MatDuplicate(f->A, MAT_COPY_VALUES, &f->S));
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Equations in v = B u where G is next to singular (MeritModelUseCholeskyCoefficients): u itself would have a
  penalty that does not exist. Collective.
*/
static PetscErrorCode SetUp_Sparse(MeritVarcomp v)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  Factor                 *f;

  PetscFunctionBegin;
  PetscCall(PetscNew(&f));
  v->run.engine_data = f;
  PetscCall(VarcompEquationsCreate(v, &f->e));
  PetscCall(PetscCalloc5(v->formula->n_terms, &f->penalty, MERIT_MAX_BLOCK, &f->small,
                         (size_t)records->n_patterns * (size_t)(records->n_traits * records->n_traits) + 1, &f->R, v->formula->n_terms, &f->mixes,
                         records->n_patterns + 1, &f->near));
  PetscCall(CountFree(v, f));
  PetscCall(MeritModelUseCholeskyCoefficients(v->model, true));
  PetscCall(Analyse(v, f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The values of this rank: a sequential matrix is one array, a parallel one two, columns of this
  rank and others. A matrix that was duplicated has its values in the same order.
*/
static PetscErrorCode Parts(Mat A, Mat part[2])
{
  PetscBool sequential;

  PetscFunctionBegin;
  part[0] = A, part[1] = NULL;
  PetscCall(PetscObjectTypeCompare((PetscObject)A, MATSEQAIJ, &sequential));
  if (!sequential) PetscCall(MatMPIAIJGetSeqAIJ(A, &part[0], &part[1], NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sum over all entries of A_ij B_ij, tr(A B) of symmetric matrices of one pattern. Collective. */
static PetscErrorCode SumOfProducts(MPI_Comm comm, Mat A, Mat B, double *sum)
{
  Mat a[2], b[2];

  PetscFunctionBegin;
  PetscCall(Parts(A, a));
  PetscCall(Parts(B, b));
  *sum = 0.0;
  for (int part = 0; part < 2 && a[part]; part++) {
    const PetscScalar *x, *y;
    MatInfo            info;

    PetscCall(MatGetInfo(a[part], MAT_LOCAL, &info));
    PetscCall(MatSeqAIJGetArrayRead(a[part], &x));
    PetscCall(MatSeqAIJGetArrayRead(b[part], &y));
    for (int64_t i = 0; i < (int64_t)info.nz_used; i++) *sum += x[i] * y[i];
    PetscCall(MatSeqAIJRestoreArrayRead(b[part], &y));
    PetscCall(MatSeqAIJRestoreArrayRead(a[part], &x));
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sum, 1, MPI_DOUBLE, MPI_SUM, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The current C into f->A (`random`: its part of the random effects), and its factor. *definite
  false: the point is on trial and has none; otherwise that is an error that says which
  equations are dependent. Collective.
*/
static PetscErrorCode Numeric(MeritVarcomp v, Factor *f, bool random, bool *definite)
{
  const MeritTermView *term;
  const int            n_terms   = MeritModelTerms(v->model, &term);
  MeritPenalties       penalties = {.R_inverse = MeritModelRecords(v->model)->R_inverse, .random = random, .identity = 1.0};
  int64_t              lost;
  double               pivot_ratio;

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++) f->penalty[k] = term[k].G_inverse;
  penalties.penalty = f->penalty;
  PetscCall(MeritPhaseBegin("varcomp.factor"));
  PetscCall(MeritMMEAssembleWith(v->run.C, &penalties, f->A));
  PetscCall(MeritFactorNumeric(f->factor, f->A, definite));
  PetscCall(MeritPhaseEnd());
  if (*definite || v->run.trying) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritFactorSingular(f->factor, &lost, &pivot_ratio));
  PetscCall(MeritSolverRaiseSingular(v->model, "engine factor", lost, pivot_ratio));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  tr(C^-1 dC/dtheta_c) for an element of G: dG^-1/dtheta = -G^-1 E G^-1 in place of the penalty,
  no records. Collective.
*/
static PetscErrorCode TraceTerm(MeritVarcomp v, Factor *f, int c, double *trace)
{
  const MeritComponent *p         = &v->component[c];
  MeritPenalties        penalties = {.penalty = f->penalty, .random = v->settings.method == MERIT_VARCOMP_ML};

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(f->penalty, v->formula->n_terms));
  VarcompTermDerivative(p, v->formula->term[p->term].n_components, f->e.inverse[p->term], f->small);
  f->penalty[p->term] = f->small;
  PetscCall(MeritMMEAssembleWith(v->run.C, &penalties, f->A));
  PetscCall(SumOfProducts(v->comm, f->A, f->S, trace));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  For all elements of a G next to singular, with G^-1 = B'B and equations in v = B u, added to
  trace: of log |G| and log |C| together, the derivative by an element E is tr(M B E B'), M = q
  I - (sum over levels of K^-1 C^vv), q levels. M is found once, element by element with a
  penalty of 1 in that element, and then multiplied, so that what rounding leaves in the
  direction that is next to 0, large in B, does not reach the others. Times 2 off the diagonal
  of E. Collective.
*/
static PetscErrorCode TraceRoot(MeritVarcomp v, Factor *f, int k, double trace[])
{
  const MeritTermView *term;
  const double        *B         = f->e.B[k];
  MeritPenalties       penalties = {.penalty = f->penalty, .random = v->settings.method == MERIT_VARCOMP_ML};
  double               M[MERIT_MAX_BLOCK], MB[MERIT_MAX_BLOCK] = {0};
  int                  n;

  PetscFunctionBegin;
  MeritModelTerms(v->model, &term);
  n = term[k].n_comp;
  PetscCall(PetscArrayzero(f->penalty, v->formula->n_terms));
  f->penalty[k] = f->small;
  for (int a = 0; a < n; a++)
    for (int b = 0; b <= a; b++) {
      double sum;

      PetscCall(PetscArrayzero(f->small, n * n));
      f->small[a * n + b] = f->small[b * n + a] = 1.0;
      PetscCall(MeritMMEAssembleWith(v->run.C, &penalties, f->A));
      PetscCall(SumOfProducts(v->comm, f->A, f->S, &sum));
      M[a * n + b] = M[b * n + a] = a == b ? (double)term[k].n_levels - sum : -0.5 * sum;
    }
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++)
      for (int j = 0; j < n; j++) MB[a * n + b] += M[a * n + j] * B[j * n + b];
  for (int c = v->first_of_term[k]; c < v->first_of_term[k] + n * (n + 1) / 2; c++) {
    const MeritComponent *p = &v->component[c];

    for (int a = 0; a < n; a++) trace[c] += (p->row == p->column ? 1.0 : 2.0) * B[a * n + p->row] * MB[a * n + p->column];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  For the only residual variance s: C is W'W / s plus penalties, dC/ds = -W'W / s^2, so tr(C^-1
  dC/ds) = -(tr(C^-1 C) - tr(C^-1 penalties)) / s, where tr(C^-1 C) is the number of free
  equations. Collective.
*/
static PetscErrorCode TraceOne(MeritVarcomp v, Factor *f, double variance, double *trace)
{
  const MeritTermView *term;
  const int            n_terms   = MeritModelTerms(v->model, &term);
  MeritPenalties       penalties = {.penalty = f->penalty, .random = v->settings.method == MERIT_VARCOMP_ML};
  double               sum;

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++) f->penalty[k] = term[k].G_inverse;
  PetscCall(MeritMMEAssembleWith(v->run.C, &penalties, f->A));
  PetscCall(SumOfProducts(v->comm, f->A, f->S, &sum));
  *trace = -((double)f->n_free - sum) / variance;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  For an element of R: -R^-1 E R^-1 in place of R^-1 for the patterns of observed traits of its
  class, but for those next to singular, which TraceNear does. Collective.
*/
static PetscErrorCode TraceResidual(MeritVarcomp v, Factor *f, int c, double *trace)
{
  const MeritRecordsView *records   = MeritModelRecords(v->model);
  const MeritComponent   *p         = &v->component[c];
  const int               t         = records->n_traits;
  MeritPenalties          penalties = {.R_inverse = f->R, .random = v->settings.method == MERIT_VARCOMP_ML};

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(f->R, (size_t)records->n_patterns * (size_t)(t * t)));
  for (int32_t i = 0; i < records->n_patterns; i++)
    if (records->residual_class[i] == p->residual && !f->near[i])
      VarcompTermDerivative(p, t, records->R_inverse + (int64_t)i * t * t, f->R + (int64_t)i * t * t);
  PetscCall(MeritMMEAssembleWith(v->run.C, &penalties, f->A));
  PetscCall(SumOfProducts(v->comm, f->A, f->S, trace));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  B [m * m] with R^-1 = B'B for these m traits of a class, trait [m] their numbers. *near: is
  their R next to singular, by its least pivot? B may be NULL. Not collective.
*/
static PetscErrorCode ResidualRoot(MeritVarcomp v, const Factor *f, int residual, uint32_t observed, int *m, int trait[], double *B, bool *near)
{
  double part[MERIT_MAX_TRAIT_BLOCK], F[MERIT_MAX_TRAIT_BLOCK];

  PetscFunctionBegin;
  *m = MeritDensePart(v->formula->n_traits, observed, f->e.m.R[residual], trait, part);
  PetscCheck(MeritDenseCholesky(*m, part, F), PETSC_COMM_SELF, PETSC_ERR_PLIB, "R is not definite");
  *near = false;
  for (int i = 0; i < *m; i++) *near = *near || F[i * *m + i] * F[i * *m + i] < PIVOT_RATIO_NEAR_SINGULAR * part[i * *m + i];
  if (B) PetscCheck(VarcompInvert(*m, F, B), PETSC_COMM_SELF, PETSC_ERR_PLIB, "a root of R is singular");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  For all elements of an R next to singular, by the records of one class that have these traits,
  as TraceRoot does for G: tr(M B E B') with M = sum over records of I - B W_i C^-1 W_i'B',
  added to trace. VarcompResidualPart has added the first part of it, tr(R^-1 E) of these
  records, so M has the second part alone. Collective.
*/
static PetscErrorCode TracePattern(MeritVarcomp v, Factor *f, int residual, uint32_t observed, double trace[])
{
  const MeritRecordsView *records   = MeritModelRecords(v->model);
  const int               t         = records->n_traits;
  MeritPenalties          penalties = {.R_inverse = f->R, .random = v->settings.method == MERIT_VARCOMP_ML};
  double                  B[MERIT_MAX_TRAIT_BLOCK], M[MERIT_MAX_TRAIT_BLOCK], count = 0.0;
  int                     m, trait[MERIT_MAX_TRAITS], position[MERIT_MAX_TRAITS];
  bool                    near;

  PetscFunctionBegin;
  PetscCall(ResidualRoot(v, f, residual, observed, &m, trait, B, &near));
  for (int a = 0; a < m; a++) position[trait[a]] = a;
  for (int32_t i = 0; i < records->n_records; i++)
    count += records->observed[records->pattern[i]] == observed && records->residual_class[records->pattern[i]] == residual;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPI_DOUBLE, MPI_SUM, v->comm));
  for (int e = 0; e < m * m; e++) {
    const int a = e / m, b = e % m;
    double    sum;

    if (b > a) continue;
    PetscCall(PetscArrayzero(f->R, (size_t)records->n_patterns * (size_t)(t * t)));
    for (int32_t p = 0; p < records->n_patterns; p++)
      for (int i = 0; i < m * m && records->observed[p] == observed && records->residual_class[p] == residual; i++)
        f->R[(int64_t)p * t * t + trait[i / m] * t + trait[i % m]] =
            B[a * m + i / m] * B[b * m + i % m] + (a != b ? B[b * m + i / m] * B[a * m + i % m] : 0.0);
    PetscCall(MeritMMEAssembleWith(v->run.C, &penalties, f->A));
    PetscCall(SumOfProducts(v->comm, f->A, f->S, &sum));
    M[a * m + b] = M[b * m + a] = a == b ? -sum : -0.5 * sum;
  }
  for (int c = v->first_of_residual[residual]; c < v->first_of_residual[residual] + t * (t + 1) / 2; c++) {
    const MeritComponent *p = &v->component[c];

    if (!(observed >> p->row & observed >> p->column & 1)) continue;
    for (int a = 0; a < m; a++)
      for (int b = 0; b < m; b++)
        trace[c] += (p->row == p->column ? 1.0 : 2.0) * B[a * m + position[p->row]] * M[a * m + b] * B[b * m + position[p->column]];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  All patterns that are next to singular. A rank knows its own patterns only, so all ranks go
  through the keys (class and traits) in ascending order, and join in each. Collective.
*/
static PetscErrorCode TraceNear(MeritVarcomp v, Factor *f, double trace[])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  int64_t                 key     = -1, next;
  int                     m, trait[MERIT_MAX_TRAITS];

  PetscFunctionBegin;
  for (int32_t p = 0; p < records->n_patterns; p++)
    PetscCall(ResidualRoot(v, f, records->residual_class[p], records->observed[p], &m, trait, NULL, &f->near[p]));
  while (true) {
    next = INT64_MAX;
    for (int32_t p = 0; p < records->n_patterns; p++) {
      const int64_t own = (int64_t)records->residual_class[p] << 32 | records->observed[p];

      if (f->near[p] && own > key) next = PetscMin(next, own);
    }
    PetscCallMPI(MPI_Allreduce(&next, &key, 1, MPI_INT64_T, MPI_MIN, v->comm));
    if (key == INT64_MAX) break;
    PetscCall(TracePattern(v, f, (int)(key >> 32), (uint32_t)key, trace));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Selected inverse into f->S, and from it the traces of all components, added to trace. f->A is
  work: C is in the factor. Collective.
*/
static PetscErrorCode SelectedTraces(MeritVarcomp v, Factor *f, const double theta[], double trace[])
{
  const bool one = v->formula->n_residuals == 1 && v->formula->n_traits == 1;

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("varcomp.inverse"));
  PetscCall(MeritFactorInverse(f->factor, f->S));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("varcomp.traces"));
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0 && f->e.B[k]) PetscCall(TraceRoot(v, f, k, trace));
  if (!one) PetscCall(TraceNear(v, f, trace));
  for (int c = 0; c < v->n; c++) {
    double value = 0.0;

    if (v->component[c].term >= 0 && f->e.B[v->component[c].term]) continue;
    if (v->component[c].term >= 0) PetscCall(TraceTerm(v, f, c, &value));
    else if (one) PetscCall(TraceOne(v, f, theta[c], &value));
    else PetscCall(TraceResidual(v, f, c, &value));
    trace[c] += value;
  }
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* X = C^-1 R, a VarcompSolve; starts are of no use */
static PetscErrorCode SolveByFactor(MeritVarcomp v, int k, const double R[], double X[])
{
  Factor *f = v->run.engine_data;

  PetscFunctionBegin;
  PetscCall(MeritFactorSolve(f->factor, k, R, X));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The engine's values at theta. For ml the factor of the random effects' part gives log |V| and
  the traces, and the factor of the whole C, made after it, the solutions. Collective.
*/
static PetscErrorCode Evaluate_Sparse(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  const bool reml  = v->settings.method == MERIT_VARCOMP_REML;
  Factor    *f     = v->run.engine_data;
  double     log_C = 0.0, log_R, log_G, log_scale = 0.0, *trace, *quad, *r;
  bool       again = false, definite;

  PetscFunctionBegin;
  PetscCall(PetscCalloc3(v->n, &trace, v->n, &quad, f->e.n_owned + 1, &r));
  PetscCall(VarcompEquationsSet(v, theta, &f->e));
  PetscCall(Analyse(v, f));
  PetscCall(VarcompResidualPart(v, &log_R, trace));
  PetscCall(VarcompPenaltyPart(v, &f->e, &log_G, trace));
  PetscCall(Numeric(v, f, !reml, &definite));
  if (definite) PetscCall(MeritFactorLogDeterminant(f->factor, &log_C));
  if (definite) PetscCall(SelectedTraces(v, f, theta, trace));
  if (definite && !reml) PetscCall(Numeric(v, f, false, &definite));
  if (!definite) {
    VarcompNoPoint(v, point);
    PetscCall(PetscFree3(trace, quad, r));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritPhaseBegin("varcomp.solve"));
  do { /* again from what fixed effects leave of the data */
    if (again) PetscCall(VarcompEquationsCentre(v, &f->e));
    PetscCall(VarcompEquationsData(v, &f->e, r));
    PetscCall(SolveByFactor(v, 1, r, f->e.x));
    again = !f->e.centred;
  } while (again);
  PetscCall(VarcompEquationsForms(v, &f->e, SolveByFactor, quad, point->information));
  PetscCall(MeritPhaseEnd());
  if (reml) PetscCall(MeritModelFixedScale(v->model, &log_scale));
  point->log_likelihood =
      -0.5 * ((double)(v->run.n_observations - (reml ? v->run.n_fixed : 0)) * log(2.0 * PETSC_PI) + log_C + log_R + log_G + log_scale + f->e.yPy);
  for (int c = 0; c < v->n; c++) point->score[c] = 0.5 * (quad[c] - trace[c]);
  PetscCall(PetscArrayzero(point->mc_covariance, v->n * v->n));
  PetscCall(PetscFree3(trace, quad, r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Parts of a checkpoint: the observations without their fixed effects */
static int State_Sparse(MeritVarcomp v, MeritState state[]) { return VarcompEquationsState(v, &((Factor *)v->run.engine_data)->e, state); }

const VarcompEngine VarcompEngine_Sparse = {.name           = "factor",
                                            .setup          = SetUp_Sparse,
                                            .evaluate       = Evaluate_Sparse,
                                            .destroy        = Destroy_Sparse,
                                            .state          = State_Sparse,
                                            .foresee        = VarcompForeseeSparse,
                                            .likelihood     = true,
                                            .factors        = true,
                                            .residual_floor = 1e-6};

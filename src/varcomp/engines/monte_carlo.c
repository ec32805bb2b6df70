/*
  Engine `sampled`, where no factor fits: all solves by preconditioned conjugate gradients in
  blocks, traces by Monte Carlo; there is no likelihood.

  A draw w with covariance C, made of residuals and of the penalties' roots, gives s = C^-1 w;
  what it leaves of its own noise has the covariance of P y and of Z'P y, so that its quadratic
  forms have the traces as means and are no noisier than data (Garcia-Cortes et al. 1992;
  Matilainen et al. 2013). The random signs are the same in every round, so the rounds converge
  as with exact traces, and the solutions of a round are starts of the next. Maximum likelihood
  wants tr(V^-1 V_j) in place of tr(P V_j), which is the same of a model without fixed effects:
  its draws are solved without those equations.

  An evaluation: variances to the model; draws; one block of solves for data and draws;
  quadratic forms of the draws, whose means are the traces; quadratic forms of the data and the
  average information (equations.c), with another block of solves.
*/
#include "equations.h"
#include <math.h>
#include <merit/random.h>
#include <merit/solver.h>

/* What the random numbers of this file are for */
enum { PURPOSE_TRACES = 0x5643, TERM_RESIDUAL = 0xffff };

typedef struct {
  VarcompEquations e;
  MeritSolver      solver;      /* owned */
  int              n;           /* samples */
  bool             failed;      /* the equations of a point on trial were not solved */
  double          *X;           /* [n_owned * (n + 1)] solutions of the data and the draws, kept as starts; owned */
  double          *form;        /* [n * v->n] quadratic forms of each draw; owned */
  double           rtol, first; /* of the residual: where a solution ends, where it began */
} Sampled;

/* Free the engine's data. Collective. */
static PetscErrorCode Destroy_MonteCarlo(MeritVarcomp v)
{
  Sampled *s = v->run.engine_data;

  PetscFunctionBegin;
  PetscCall(VarcompEquationsFree(v, &s->e));
  PetscCall(MeritSolverDestroy(&s->solver));
  PetscCall(PetscFree2(s->X, s->form));
  PetscCall(PetscFree(v->run.engine_data));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What random numbers add to a standard error unless the job says */
static const double MC_FRACTION = 0.03;

/*
  The number of samples n for which a standard error grows by this fraction at most: Monte Carlo
  adds at most 1 / n of the sampling variance, and 1 + 1 / n = (1 + fraction)^2
*/
static int Samples(double fraction) { return (int)ceil(1.0 / ((1.0 + fraction) * (1.0 + fraction) - 1.0)); }

/*
  Monitor of the solver: how far the solution of a round's systems is, on the scale of the
  logarithm of the residual
*/
static PetscErrorCode Progress(const MeritIteration *it, void *ctx)
{
  Sampled *s = ctx;

  PetscFunctionBegin;
  if (!it->iteration) s->first = it->residual;
  if (it->residual > s->rtol && it->residual < s->first)
    MeritLogProgress(log(s->first / it->residual) / log(s->first / s->rtol), "%d systems of equations, iteration %lld: residual %.1e", s->n + 1,
                     (long long)it->iteration, it->residual);
  else MeritLogProgress(-1, "%d systems of equations, iteration %lld", s->n + 1, (long long)it->iteration);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Arrays, and a solver with the job's settings of its preconditioner, but always pcg, and with a
  tolerance of the residual of 1e-7 unless the job has another. Collective.
*/
static PetscErrorCode SetUp_MonteCarlo(MeritVarcomp v)
{
  Sampled *s;

  PetscFunctionBegin;
  PetscCall(PetscNew(&s));
  v->run.engine_data   = s;
  s->n                 = v->settings.n_samples ? v->settings.n_samples : Samples(v->settings.mc_share > 0.0 ? v->settings.mc_share : MC_FRACTION);
  v->results.n_samples = s->n;
  PetscCall(VarcompEquationsCreate(v, &s->e));
  PetscCall(PetscCalloc2((size_t)s->e.n_owned * (size_t)(s->n + 1) + 1, &s->X, (size_t)s->n * (size_t)v->n, &s->form));
  PetscCall(MeritSolverCreate(v->comm, &s->solver));
  PetscCall(MeritSolverSetFromConfig(s->solver, v->job));
  PetscCall(MeritSolverSetType(s->solver, "pcg"));
  s->rtol = 1e-7;
  PetscCall(MeritConfigReal(v->job, "solver.rtol", 0.0, 1.0, &s->rtol));
  PetscCall(MeritSolverSetTolerance(s->solver, MERIT_CRITERION_RESIDUAL, s->rtol, 10000));
  PetscCall(MeritSolverSetMonitor(s->solver, Progress, s));
  PetscCall(MeritSolverSetOperator(s->solver, v->run.C));
  MeritLog(MERIT_LOG_INFO, "traces from %d samples", s->n);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  X = C^-1 R from the start in X, a VarcompSolve. A failure on trial is noted in s->failed and
  makes the point none; at the point itself it is an error. Collective.
*/
static PetscErrorCode SolveIteratively(MeritVarcomp v, int k, const double R[], double X[])
{
  Sampled         *s = v->run.engine_data;
  MeritSolveResult result;
  char             residual[256];

  PetscFunctionBegin;
  PetscCall(MeritSolverSolve(s->solver, k, R, X, &result));
  s->failed = s->failed || result.stop == MERIT_STOP_MAX_IT || result.stop == MERIT_STOP_BREAKDOWN;
  if (s->failed && !v->run.trying)
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL, "the equations of a round were not solved after %lld iterations: %s",
                         (long long)result.iterations, MeritResidualText(result.true_residual, sizeof(residual), residual)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  z [n]: signs of one item (a level's equation, a record's trait) for all samples, 64 to a word
  of random bits. They depend on the seed, the term and the item's number in the whole model, so
  not on ranks or rounds.
*/
static void DrawSigns(MeritVarcomp v, uint32_t term, int64_t level, int n, double *z)
{
  const MeritRandomKey key  = {.seed = (uint64_t)v->settings.seed, .purpose = PURPOSE_TRACES, .term = term, .level = (uint64_t)level};
  uint64_t             bits = 0;

  for (int j = 0; j < n; j++) {
    if (j % 64 == 0) bits = MeritRandomBits(&key, (uint32_t)(j / 64));
    z[j] = bits >> (j % 64) & 1 ? 1.0 : -1.0;
  }
}

/*
  Residuals of the draws, values [n_values * n]: a root F of R of the record's observed traits
  times signs, divided by the square roots of the weights; 0 where nothing is observed. The signs of a
  trait are drawn again for each row of F that has it; they are the same.
*/
static PetscErrorCode DrawResiduals(MeritVarcomp v, int n, double *values)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const int               t       = records->n_traits;
  const int64_t          *line;
  double                  F[MERIT_MAX_TRAIT_BLOCK], part[MERIT_MAX_TRAIT_BLOCK], *z;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &z));
  PetscCall(MeritModelRecordLines(v->model, &line));
  for (int32_t i = 0; i < records->n_records; i++) {
    const int32_t p           = records->pattern[i];
    const double *R           = v->formula->residual[records->residual_class[p]].R;
    const double *sqrt_weight = records->sqrt_weight ? records->sqrt_weight + (int64_t)i * t : NULL;
    double       *at          = values + (int64_t)i * t * n;
    int           trait[MERIT_MAX_TRAITS], m = MeritDensePart(t, records->observed[p], R, trait, part);

    PetscCheck(MeritDenseCholesky(m, part, F), PETSC_COMM_SELF, PETSC_ERR_PLIB, "R is not definite");
    PetscCall(PetscArrayzero(at, t * n));
    for (int a = m - 1; a >= 0; a--) {
      double *to = at + trait[a] * n, scale = sqrt_weight ? 1.0 / sqrt_weight[trait[a]] : 1.0;

      for (int b = 0; b <= a; b++) {
        DrawSigns(v, TERM_RESIDUAL, line[i] * t + trait[b], n, z);
        for (int j = 0; j < n; j++) to[j] += scale * F[a * m + b] * z[j];
      }
    }
  }
  PetscCall(PetscFree(z));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  z [n_owned * n]: signs of all equations of random terms, by the level's number in the whole
  model; 0 for fixed terms
*/
static PetscErrorCode DrawEffects(MeritVarcomp v, int n, double *z)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++)
    for (int32_t i = 0; i < term[k].n_owned; i++)
      for (int c = 0; c < term[k].n_eq; c++) {
        double *at = z + ((int64_t)term[k].eq_owned + (int64_t)i * term[k].n_eq + c) * n;

        if (term[k].fixed) PetscCall(PetscArrayzero(at, n));
        else DrawSigns(v, (uint32_t)k, term[k].canonical[i] * term[k].n_eq + c, n, at);
      }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  values -> R^-1 (values - W x) for the solutions x of the draws: what has the covariance of P
  y. Collective.
*/
static PetscErrorCode Leave(MeritVarcomp v, const Sampled *s, const double *x, double *values)
{
  double *fitted;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->e.n_values * (size_t)s->n + 1, &fitted));
  PetscCall(MeritMMEFittedBlock(v->run.C, s->n, x, fitted));
  for (size_t i = 0; i < s->e.n_values * (size_t)s->n; i++) values[i] -= fitted[i];
  VarcompApplyR(MeritModelRecords(v->model), s->n, values, values);
  PetscCall(PetscFree(fitted));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  positive [n] = theta, but a variance of 0 becomes 1e-8 of the first residual variance: the
  preconditioners want definite matrices
*/
static void Positive(MeritVarcomp v, const double theta[], double positive[])
{
  const double tiny = 1e-8 * theta[v->first_of_residual[0]];

  for (int c = 0; c < v->n; c++) positive[c] = v->component[c].row == v->component[c].column && !(theta[c] > 0.0) ? tiny : theta[c];
}

/*
  The data r and the draws w solved in one block: columns of s->X, the data's first and also to
  s->e.x. Collective.
*/
static PetscErrorCode SolveTogether(MeritVarcomp v, Sampled *s, const double *r, const double *w)
{
  const int n = s->n, k = n + 1;
  double   *R;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)s->e.n_owned * (size_t)k + 1, &R));
  for (int32_t i = 0; i < s->e.n_owned; i++) {
    R[(int64_t)i * k] = r[i];
    PetscCall(PetscArraycpy(R + (int64_t)i * k + 1, w + (int64_t)i * n, n));
  }
  PetscCall(SolveIteratively(v, k, R, s->X));
  for (int32_t i = 0; i < s->e.n_owned; i++) s->e.x[i] = s->X[(int64_t)i * k];
  PetscCall(PetscFree(R));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Solutions of the data, in s->e.x, and of the draws. Afterwards residuals [n_values * n] has
  R^-1 (e - W s), and z [n_owned * n] the signs less the penalties' root' times s, for the forms
  of both. For reml data and draws are one block; for ml the draws are solved first, with the
  random effects' equations alone, then the data with all of them. In the first round the fixed
  effects are taken off the observations. Collective.
*/
static PetscErrorCode SolveDraws(MeritVarcomp v, Sampled *s, double *residuals, double *z)
{
  const bool ml = v->settings.method == MERIT_VARCOMP_ML;
  const int  n = s->n, k = ml ? n : n + 1;
  double    *w, *r, *t;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3((size_t)s->e.n_owned * (size_t)n + 1, &w, s->e.n_owned + 1, &r, (size_t)s->e.n_owned * (size_t)n + 1, &t));
  PetscCall(DrawResiduals(v, n, residuals));
  PetscCall(DrawEffects(v, n, z));
  PetscCall(VarcompEquationsData(v, &s->e, r));
  if (ml) PetscCall(MeritMMEDropFixed(v->run.C, true));
  PetscCall(MeritMMEProject(v->run.C, n, residuals, w));
  PetscCall(MeritMMEPenaltyRoot(v->run.C, n, z, w));
  if (ml) PetscCall(SolveIteratively(v, n, w, s->X));
  else PetscCall(SolveTogether(v, s, r, w));
  for (int32_t i = 0; i < s->e.n_owned; i++) PetscCall(PetscArraycpy(w + (int64_t)i * n, s->X + (int64_t)i * k + k - n, n));
  PetscCall(MeritMMEPenaltyRootTransposed(v->run.C, n, w, t));
  for (int64_t i = 0; i < (int64_t)s->e.n_owned * n; i++) z[i] -= t[i];
  PetscCall(Leave(v, s, w, residuals));
  if (ml) PetscCall(MeritMMEDropFixed(v->run.C, false));
  if (ml) PetscCall(SolveIteratively(v, 1, r, s->e.x));
  if (!s->e.centred) {
    PetscCall(VarcompEquationsCentre(v, &s->e));
    for (int32_t i = 0; i < s->e.n_owned && !ml; i++) s->X[(int64_t)i * k] = s->e.x[i];
  }
  PetscCall(PetscFree3(w, r, t));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Quadratic forms of every draw for the components of one term, added to s->form, from d = z -
  (root)'s: with F F' = G^-1, g = F d of a level has the covariance of its part of Z'P y, roots
  of K apart. Times 2 off the diagonal. Nothing where G^-1 has no root.
*/
static void TermForms(MeritVarcomp v, Sampled *s, int k, const double *d)
{
  const int            n = s->n, first = v->first_of_term[k];
  const MeritTermView *term;
  int                  m;
  double               F[MERIT_MAX_BLOCK];

  MeritModelTerms(v->model, &term);
  m = term[k].n_eq;
  if (!MeritDenseCholesky(m, term[k].G_inverse, F)) return;
  for (int32_t i = 0; i < term[k].n_owned; i++)
    for (int j = 0; j < n; j++) {
      double        g[MERIT_MAX_COMPONENTS];
      const double *own = d + ((int64_t)term[k].eq_owned + (int64_t)i * m) * n + j;

      for (int a = 0; a < m; a++) {
        g[a] = 0.0;
        for (int b = 0; b <= a; b++) g[a] += F[a * m + b] * own[(int64_t)b * n];
      }
      for (int c = first; c < first + m * (m + 1) / 2; c++) {
        const MeritComponent *p = &v->component[c];

        s->form[j * v->n + c] += (p->row == p->column ? 1.0 : 2.0) * g[p->row] * g[p->column];
      }
    }
}

/* Those of the residual components, from P y of the draws [n_values * n], added to s->form */
static void ResidualForms(MeritVarcomp v, Sampled *s, const double *Py)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const int               n = s->n, t = records->n_traits;

  for (int32_t i = 0; i < records->n_records; i++) {
    const double *sqrt_weight = records->sqrt_weight ? records->sqrt_weight + (int64_t)i * t : NULL;
    const int     c0          = v->first_of_residual[records->residual_class[records->pattern[i]]];

    for (int c = c0; c < c0 + t * (t + 1) / 2; c++) {
      const int     a = v->component[c].row, b = v->component[c].column;
      const double  scale = (a == b ? 1.0 : 2.0) / (sqrt_weight ? sqrt_weight[a] * sqrt_weight[b] : 1.0);
      const double *x = Py + ((int64_t)i * t + a) * n, *y = Py + ((int64_t)i * t + b) * n;

      for (int j = 0; j < n; j++) s->form[j * v->n + c] += scale * x[j] * y[j];
    }
  }
}

/* Without random terms tr(P V_e) is known: the degrees of freedom over the variance */
static void Known(MeritVarcomp v, double variance, double *trace, double *mc_covariance)
{
  *trace         = (double)(v->run.n_observations - (v->settings.method == MERIT_VARCOMP_REML ? v->run.n_fixed : 0)) / variance;
  *mc_covariance = 0.0;
}

/*
  Traces as means over the draws; mc_covariance [n * n] is that of the score: score = (quad -
  trace) / 2, so a quarter of the covariance of the means. NaN for a single sample.
*/
static void AverageTraces(MeritVarcomp v, const Sampled *s, double trace[], double mc_covariance[])
{
  const int n = s->n;

  for (int c = 0; c < v->n; c++) {
    trace[c] = 0.0;
    for (int j = 0; j < n; j++) trace[c] += s->form[j * v->n + c] / n;
  }
  for (int a = 0; a < v->n; a++)
    for (int b = 0; b < v->n; b++) {
      double sum = 0.0;

      for (int j = 0; j < n; j++) sum += (s->form[j * v->n + a] - trace[a]) * (s->form[j * v->n + b] - trace[b]);
      mc_covariance[a * v->n + b] = n > 1 ? 0.25 * sum / (n - 1.0) / n : NAN;
    }
}

/* The engine's values at theta; no likelihood. Collective. */
static PetscErrorCode Evaluate_MonteCarlo(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  Sampled *s = v->run.engine_data;
  double  *trace, *quad, *residuals, *z, *positive;

  PetscFunctionBegin;
  PetscCall(PetscMalloc5(v->n, &trace, v->n, &quad, s->e.n_values * (size_t)s->n + 1, &residuals, (size_t)s->e.n_owned * (size_t)s->n + 1, &z, v->n,
                         &positive));
  s->failed = false;
  Positive(v, theta, positive);
  PetscCall(VarcompEquationsSet(v, positive, &s->e));
  PetscCall(PetscArrayzero(s->form, (size_t)s->n * (size_t)v->n));
  PetscCall(SolveDraws(v, s, residuals, z));
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0) TermForms(v, s, k, z);
  ResidualForms(v, s, residuals);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->form, s->n * v->n, MPI_DOUBLE, MPI_SUM, v->comm));
  AverageTraces(v, s, trace, point->mc_covariance);
  if (v->n == 1) Known(v, theta[0], trace, point->mc_covariance);
  PetscCall(VarcompEquationsForms(v, &s->e, SolveIteratively, quad, point->information));
  for (int c = 0; c < v->n; c++) point->score[c] = 0.5 * (quad[c] - trace[c]);
  point->log_likelihood = NAN;
  if (s->failed) VarcompNoPoint(v, point);
  PetscCall(PetscFree5(trace, quad, residuals, z, positive));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Solutions of the round before are the starts of the next */
static int State_MonteCarlo(MeritVarcomp v, MeritState state[])
{
  Sampled  *s = v->run.engine_data;
  const int n = VarcompEquationsState(v, &s->e, state);

  state[n]     = (MeritState){"X", MERIT_STATE_EQUATIONS, (size_t)s->n + (v->settings.method == MERIT_VARCOMP_REML), s->X};
  state[n + 1] = (MeritState){"x", MERIT_STATE_EQUATIONS, 1, s->e.x};
  state[n + 2] = (MeritState){"x_work", MERIT_STATE_EQUATIONS, (size_t)v->n, s->e.x_work};
  return n + 3;
}

const VarcompEngine VarcompEngine_MonteCarlo = {.name           = "sampled",
                                                .setup          = SetUp_MonteCarlo,
                                                .evaluate       = Evaluate_MonteCarlo,
                                                .destroy        = Destroy_MonteCarlo,
                                                .state          = State_MonteCarlo,
                                                .foresee        = VarcompForeseeMonteCarlo,
                                                .least_gradient = 1e-3,
                                                /* conjugate gradients bear no smaller one */
                                                .residual_floor = 1e-4};

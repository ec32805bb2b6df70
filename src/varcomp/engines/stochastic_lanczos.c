/*
  Engine `lanczos`, with random numbers, for one variance beside the residual's.

  Quadratic forms of the observations come by Gauss quadrature from a Lanczos process in double
  precision, traces by Hutchinson's (1990) estimator from processes that begin with random
  signs, in single precision. Both are made once; whatever the variances, the likelihood then
  costs steps x samples operations (Ubaru, Chen and Saad 2017 review the method).

  The number of steps is chosen at the maximum of the likelihood: the process of the
  observations goes on until its quadratic forms no longer change; those of a first batch of
  samples until a further step would change the traces by much less than their Monte Carlo
  error. Further samples have fewer steps, just so many that their traces are highly correlated
  with those of all steps, and the first batch, which has both, gives the mean difference
  (multilevel Monte Carlo, Giles 2008).
*/
#include "spectrum.h"
#include <math.h>
#include <merit/random.h>

enum {
  PURPOSE     = 0x4c414e43, /* its position among the purposes of random numbers */
  BLOCK       = 16,         /* samples that go together: a multiple of what the genotype kernels take at once */
  FIRST_STEPS = 4,
  MOST_STEPS  = 2000,
  MOST_CHOSEN = 10000 /* samples that are asked for by no user */
};
/*
  Convergence of the last step: score and information change by at most this fraction of their quadratic forms,
  traces by this fraction of their standard error
*/
static const double FORM_CHANGE = 1e-9, INFORMATION_CHANGE = 1e-7, TRACE_CHANGE = 3e-3;
/* Samples are cheap here: what random numbers add to a standard error unless the job says */
static const double MC_FRACTION = 0.01;

/* The engine's data; processes of samples behind the first batch are not kept */
typedef struct {
  RecordSpace space;
  Krylov      y, batch; /* the observations; the first samples */
  Spectrum    now;
  double      ratio; /* up to this s_u / s_e all is settled */
} Lanczos;

/*
  z [n_records * k]: random signs of samples [first, first + k) for the observed records, 0 for
  others; they depend on the seed and the record's line in the file, not on ranks
*/
static PetscErrorCode BatchSigns(MeritVarcomp v, const RecordSpace *s, int first, int k, double z[])
{
  const int64_t *line;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordLines(s->model, &line));
  for (int32_t i = 0; i < s->n_records; i++) {
    const MeritRandomKey key = {.seed = (uint64_t)v->settings.seed, .purpose = PURPOSE, .level = (uint64_t)line[i]};

    for (int j = 0; j < k; j++) {
      const int      sample = first + j;
      const uint64_t bits   = MeritRandomBits(&key, (uint32_t)(sample / 64));

      z[(int64_t)i * k + j] = !(s->sqrt_weight[i] > 0.0) ? 0.0 : bits >> (sample % 64) & 1 ? 1.0 : -1.0;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Processes of k samples from `first` on, in single precision: of S B S for reml, of B for ml.
  Collective.
*/
static PetscErrorCode Begin(MeritVarcomp v, Lanczos *l, int first, int k, Krylov *batch)
{
  double *z;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)l->space.n_records * (size_t)k, &z));
  PetscCall(BatchSigns(v, &l->space, first, k, z));
  PetscCall(KrylovCreate(&l->space, k, !l->now.ml, true, z, batch));
  PetscCall(PetscFree(z));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free an array of n quadratures */
static PetscErrorCode FreeQuadratures(int n, SpectralQuadrature **q)
{
  PetscFunctionBegin;
  for (int r = 0; r < n; r++) PetscCall(SpectralQuadratureDestroy(&(*q)[r]));
  PetscCall(PetscFree(*q));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Quadratures of a batch after the first `steps` of its steps, into q[batch->k]. The squared
  length of a sample in the space is n - p on average: it is given that length, so that s_u
  tr(PB) + s_e tr(P) = n - p, as it should be, in each of them.
*/
static PetscErrorCode BatchTraces(const Spectrum *s, const Krylov *batch, int steps, SpectralQuadrature q[])
{
  const double total = (double)(s->ml ? s->n : s->n - s->p);

  PetscFunctionBegin;
  for (int j = 0; j < batch->k; j++) PetscCall(KrylovQuadrature(steps, batch->k, batch->alpha + j, batch->beta + j, total, &q[j]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* s has the traces of the first batch alone, after some of its steps; what it had is freed */
static PetscErrorCode OnlyBatch(const Lanczos *l, int steps, Spectrum *s)
{
  PetscFunctionBegin;
  PetscCall(FreeQuadratures(s->n_traces, &s->trace));
  s->n_traces = l->batch.k;
  PetscCall(PetscCalloc1(s->n_traces, &s->trace));
  PetscCall(BatchTraces(s, &l->batch, steps, s->trace));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* s has the forms of the observations after so many steps of their process */
static PetscErrorCode FormsOfSteps(const Lanczos *l, int steps, Spectrum *s)
{
  PetscFunctionBegin;
  PetscCall(SpectralQuadratureDestroy(&s->y));
  PetscCall(KrylovQuadrature(steps, 1, l->y.alpha, l->y.beta, l->y.square[0], &s->y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A point without its likelihood */
typedef struct {
  double score[2], information[4], mc_covariance[4];
} Values;

/* Values at theta of what s has */
static Values Evaluate(const Spectrum *s, const double theta[])
{
  Values       values;
  VarcompPoint point = {.score = values.score, .information = values.information, .mc_covariance = values.mc_covariance};

  SpectrumEvaluate(s, theta, &point);
  return values;
}

/* Do n numbers differ by at most this fraction of b? */
static bool Same(int n, const double a[], const double b[], double fraction)
{
  for (int k = 0; k < n; k++)
    if (!(fabs(a[k] - b[k]) <= fraction * fabs(b[k]))) return false;
  return true;
}

/*
  Do score and information at theta stay the same if the last step of the observations' process
  is left out? Without traces: these are no part of the comparison.
*/
static PetscErrorCode FormsSettled(const Lanczos *l, const double theta[], bool *settled)
{
  Spectrum s = {.n = l->now.n, .p = l->now.p, .exact = true};
  Values   before, after;

  PetscFunctionBegin;
  PetscCall(FormsOfSteps(l, l->y.steps - 1, &s));
  before = Evaluate(&s, theta);
  PetscCall(FormsOfSteps(l, l->y.steps, &s));
  after    = Evaluate(&s, theta);
  *settled = Same(2, before.score, after.score, FORM_CHANGE) && Same(4, before.information, after.information, INFORMATION_CHANGE);
  PetscCall(SpectralQuadratureDestroy(&s.y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Does the score at theta stay the same, beside its Monte Carlo error, if the last step of the
  first batch is left out?
*/
static PetscErrorCode TracesSettled(const Lanczos *l, const double theta[], bool *settled)
{
  Spectrum s = {.n = l->now.n, .p = l->now.p, .ml = l->now.ml};
  Values   before, after;

  PetscFunctionBegin;
  PetscCall(OnlyBatch(l, l->batch.steps - 1, &s));
  before = Evaluate(&s, theta);
  PetscCall(OnlyBatch(l, l->batch.steps, &s));
  after    = Evaluate(&s, theta);
  *settled = true;
  for (int k = 0; k < 2; k++)
    if (fabs(after.score[k] - before.score[k]) > TRACE_CHANGE * sqrt(after.mc_covariance[3 * k])) *settled = false;
  *settled = *settled || Same(2, before.score, after.score, FORM_CHANGE);
  PetscCall(FreeQuadratures(s.n_traces, &s.trace));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Samples and observations go step by step together until the samples are settled at the maximum
  of the likelihood that is known by then, theta; at most MOST_STEPS. Collective.
*/
static PetscErrorCode FirstBatch(MeritVarcomp v, Lanczos *l, double theta[2])
{
  bool settled = false;

  PetscFunctionBegin;
  PetscCall(Begin(v, l, 0, v->settings.n_samples ? PetscMin(v->settings.n_samples, BLOCK) : BLOCK, &l->batch));
  while (!settled && l->batch.steps < MOST_STEPS) {
    PetscCall(KrylovStep(&l->y));
    PetscCall(KrylovStep(&l->batch));
    if (l->batch.steps < FIRST_STEPS) continue;
    PetscCall(FormsOfSteps(l, l->y.steps, &l->now));
    PetscCall(OnlyBatch(l, l->batch.steps, &l->now));
    SpectrumMaximum(&l->now, theta);
    PetscCall(TracesSettled(l, theta, &settled));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Go on with the observations until their forms are settled at theta; about 3 % more steps at a
  time, as a look costs the eigenvalues of two tridiagonal matrices. Collective.
*/
static PetscErrorCode SettleForms(Lanczos *l, const double theta[])
{
  bool settled = false;

  PetscFunctionBegin;
  while (true) {
    PetscCall(FormsSettled(l, theta, &settled));
    if (settled || l->y.steps >= MOST_STEPS) break;
    for (int more = 1 + l->y.steps / 32; more; more--) PetscCall(KrylovStep(&l->y));
  }
  PetscCall(FormsOfSteps(l, l->y.steps, &l->now));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The fraction of the variances of the estimates that random numbers add, the larger of both:
  with the inverse information A^-1 and the covariance M of the score, A^-1 M A^-1 beside A^-1
*/
static double AddedFraction(const Values *at)
{
  const double *A = at->information, det = A[0] * A[3] - A[1] * A[2];
  const double  inverse[4] = {A[3] / det, -A[1] / det, -A[2] / det, A[0] / det};
  double        fraction   = 0.0;

  for (int a = 0; a < 2; a++) {
    double sum = 0.0;

    for (int b = 0; b < 4; b++) sum += inverse[a * 2 + b / 2] * at->mc_covariance[b] * inverse[a * 2 + b % 2];
    fraction = PetscMax(fraction, sum / inverse[3 * a]);
  }
  return fraction;
}

/* Sample variance of x [n]; 0 for a single one */
static double Variance(int n, const double x[])
{
  double mean = 0.0, sum = 0.0;

  for (int i = 0; i < n; i++) mean += x[i] / n;
  for (int i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
  return n > 1 ? sum / (n - 1) : 0.0;
}

/*
  Variance over the first batch of what tr(PB) after so many steps differs from full [k], that
  of all steps
*/
static PetscErrorCode Difference(const Lanczos *l, const double theta[], int steps, const double full[], double *variance)
{
  SpectralQuadrature q[BLOCK];
  double             difference[BLOCK], trace[3];

  PetscFunctionBegin;
  PetscCall(BatchTraces(&l->now, &l->batch, steps, q));
  for (int j = 0; j < l->batch.k; j++) {
    SpectralTraces(&q[j], theta, trace);
    difference[j] = full[j] - trace[0];
    PetscCall(SpectralQuadratureDestroy(&q[j]));
  }
  *variance = Variance(l->batch.k, difference);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  How many samples, and the steps of those behind the first batch: the cheapest that bring the
  Monte Carlo error down to what is asked for, or, for a given number, what is as good as all
  steps. With variances F of the full traces and D of the difference, the error's is (F - D) / n
  + D / k for n samples of which k are full.
*/
static PetscErrorCode Plan(MeritVarcomp v, const Lanczos *l, const double theta[], int *n, int *steps)
{
  const double fraction = v->settings.mc_share > 0.0 ? v->settings.mc_share : MC_FRACTION, most = fraction * (2.0 + fraction);
  const int    k  = l->batch.k;
  const Values at = Evaluate(&l->now, theta);
  double       full[BLOCK], trace[3], F, wanted, least = INFINITY;

  PetscFunctionBegin;
  *n     = v->settings.n_samples ? v->settings.n_samples : k;
  *steps = l->batch.steps;
  for (int j = 0; j < k; j++) {
    SpectralTraces(&l->now.trace[j], theta, trace);
    full[j] = trace[0];
  }
  F      = Variance(k, full);
  wanted = v->settings.n_samples ? 1.1 * F / v->settings.n_samples : F / k * most / AddedFraction(&at);
  if (!(F > 0.0) || v->settings.n_samples == k || (!v->settings.n_samples && F <= k * wanted)) PetscFunctionReturn(PETSC_SUCCESS);
  for (int s = 1; s <= l->batch.steps; s++) {
    double D = 0.0, count, cost;

    PetscCall(Difference(l, theta, s, full, &D));
    if (!(D < k * wanted)) continue;
    count = ceil(PetscMin((F - D) / (wanted - D / k), MOST_CHOSEN));
    cost  = ceil((count - k) / BLOCK) * s;
    if (v->settings.n_samples ? count > v->settings.n_samples || isfinite(least) : !(cost < least)) continue;
    least  = cost;
    *steps = s;
    if (!v->settings.n_samples) *n = k + BLOCK * (int)ceil((count - k) / BLOCK);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The traces of n samples: those of the first batch become the long ones (`far`), and all
  samples, the first batch among them, have short quadratures of so many steps. Collective.
*/
static PetscErrorCode Sample(MeritVarcomp v, Lanczos *l, int n, int steps)
{
  Spectrum *s = &l->now;
  Krylov    batch;

  PetscFunctionBegin;
  if (n == l->batch.k) PetscFunctionReturn(PETSC_SUCCESS);
  s->far   = s->trace;
  s->n_far = s->n_traces;
  PetscCall(PetscCalloc1(n, &s->trace));
  PetscCall(BatchTraces(s, &l->batch, steps, s->trace));
  while (s->n_traces < n) {
    PetscCall(Begin(v, l, s->n_traces, PetscMin(BLOCK, n - s->n_traces), &batch));
    while (batch.steps < steps) PetscCall(KrylovStep(&batch));
    PetscCall(BatchTraces(s, &batch, steps, s->trace + s->n_traces));
    s->n_traces += batch.k;
    PetscCall(KrylovDestroy(&batch));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Larger ratios s_u / s_e than what the processes were made for need more steps: observations
  and the first batch go on until both are settled at theta. Short quadratures stay; the long
  ones correct them. Collective.
*/
static PetscErrorCode Reach(Lanczos *l, const double theta[])
{
  SpectralQuadrature *full    = l->now.n_far ? l->now.far : l->now.trace;
  bool                settled = false;

  PetscFunctionBegin;
  PetscCall(SettleForms(l, theta));
  while (true) {
    PetscCall(TracesSettled(l, theta, &settled));
    if (settled || l->batch.steps >= MOST_STEPS) break;
    for (int more = 1 + l->batch.steps / 16; more; more--) PetscCall(KrylovStep(&l->batch));
  }
  for (int j = 0; j < l->batch.k; j++) PetscCall(SpectralQuadratureDestroy(&full[j]));
  PetscCall(BatchTraces(&l->now, &l->batch, l->batch.steps, full));
  l->ratio = theta[0] / theta[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The work of the engine: observations and a first batch of samples until the traces are
  settled; the number and steps of further samples; these; and the observations until their
  forms are settled. Collective.
*/
static PetscErrorCode SetUp_Lanczos(MeritVarcomp v)
{
  Lanczos *l;
  double  *y, theta[2];
  int      n, steps;

  PetscFunctionBegin;
  PetscCall(PetscNew(&l));
  v->run.engine_data = l;
  PetscCall(RecordSpaceCreate(v, "lanczos", &l->space));
  l->now          = (Spectrum){.n = l->space.n, .p = l->space.p, .ml = v->settings.method == MERIT_VARCOMP_ML};
  l->now.constant = RecordSpaceConstant(&l->space, l->now.ml);
  PetscCall(PetscMalloc1(l->space.n_records, &y));
  PetscCall(RecordSpaceObservations(&l->space, y));
  PetscCall(KrylovCreate(&l->space, 1, true, false, y, &l->y));
  PetscCall(PetscFree(y));
  PetscCall(FirstBatch(v, l, theta));
  PetscCall(SettleForms(l, theta));
  SpectrumMaximum(&l->now, theta);
  PetscCall(Plan(v, l, theta, &n, &steps));
  PetscCall(Sample(v, l, n, steps));
  SpectrumMaximum(&l->now, theta);
  PetscCall(SettleForms(l, theta));
  l->ratio             = theta[0] / theta[1];
  v->results.n_samples = n;
  MeritLog(MERIT_LOG_INFO, "Lanczos: %d steps for the observations, %d for %d samples, %d for %d more", l->y.steps, l->batch.steps, l->batch.k, steps,
           n - l->batch.k);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The engine's values at theta; larger ratios than before, by a fifth, may need more steps.
  Collective.
*/
static PetscErrorCode Evaluate_Lanczos(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  Lanczos *l = v->run.engine_data;

  PetscFunctionBegin;
  if (theta[0] > 1.2 * l->ratio * theta[1]) PetscCall(Reach(l, theta));
  SpectrumEvaluate(&l->now, theta, point);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the engine's data. Collective. */
static PetscErrorCode Destroy_Lanczos(MeritVarcomp v)
{
  Lanczos *l = v->run.engine_data;

  PetscFunctionBegin;
  PetscCall(KrylovDestroy(&l->y));
  PetscCall(KrylovDestroy(&l->batch));
  PetscCall(FreeQuadratures(l->now.n_traces, &l->now.trace));
  PetscCall(FreeQuadratures(l->now.n_far, &l->now.far));
  PetscCall(SpectralQuadratureDestroy(&l->now.y));
  PetscCall(RecordSpaceDestroy(&l->space));
  PetscCall(PetscFree(l));
  v->run.engine_data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Lanczos = {.name           = "lanczos",
                                             .check          = RecordSpaceCheck,
                                             .setup          = SetUp_Lanczos,
                                             .evaluate       = Evaluate_Lanczos,
                                             .destroy        = Destroy_Lanczos,
                                             .foresee        = VarcompForeseeLanczos,
                                             .likelihood     = true,
                                             .cheap_rounds   = true,
                                             .residual_floor = 1e-6};

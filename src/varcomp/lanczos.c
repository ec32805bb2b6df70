/*
  Stochastic engine for one variance beside the residual's: quadratic forms of the observations by Gauss quadrature from a Lanczos process
  in double precision, traces by Hutchinson's (1990) estimator from processes that begin with random signs, in single precision. Both are
  made once; whatever the variances, the likelihood then costs steps x samples operations (Ubaru, Chen and Saad 2017 review the method).

  The processes go as far as the maximum of the likelihood asks for: those of the samples until what they would still change is nothing
  beside their Monte Carlo error, which takes few steps; that of the observations until its forms stand.
*/
#include "spectral.h"
#include <math.h>
#include <merit/random.h>

enum {
  PURPOSE      = 0x4c414e43, /* its place among the purposes of random numbers */
  BLOCK        = 16,         /* samples that go together: a multiple of what the genotype kernels take at once */
  FEWEST       = 8,          /* samples; fewer tell too little of their error */
  FIRST_STEPS  = 4,
  MOST_STEPS   = 2000
};
/* What the last step may change: quadratic forms by this share of them; means of traces by this share of their standard error */
static const double FORM_CHANGE = 1e-10, TRACE_CHANGE = 3e-3;

typedef struct {
  SpectralSpace space;
  Krylov        y;
  int           n_samples, steps;  /* steps of each sample */
  double       *alpha, *beta;      /* [n_samples * steps], sample after sample; owned */
  Spectrum      now;
  double        ratio;             /* up to this s_u / s_e all is settled */
} Lanczos;

/* Random signs of samples [first, first + k) for the observed records; they go with the record's line in the file */
static PetscErrorCode Signs(MeritVarcomp v, const SpectralSpace *s, int first, int k, double z[])
{
  const int64_t *line;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordLines(s->model, &line));
  for (int32_t i = 0; i < s->n_records; i++) {
    const MeritRandomKey key = {.seed = (uint64_t)v->seed, .purpose = PURPOSE, .level = (uint64_t)line[i]};

    for (int j = 0; j < k; j++) {
      const int      sample = first + j;
      const uint64_t bits   = MeritRandomBits(&key, (uint32_t)(sample / 64));

      z[(int64_t)i * k + j] = !(s->root[i] > 0.0) ? 0.0 : bits >> (sample % 64) & 1 ? 1.0 : -1.0;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Processes of k samples from `first` on */
static PetscErrorCode Begin(MeritVarcomp v, Lanczos *l, int first, int k, Krylov *batch)
{
  double *z;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)l->space.n_records * (size_t)k, &z));
  PetscCall(Signs(v, &l->space, first, k, z));
  PetscCall(KrylovCreate(&l->space, k, !l->now.ml, true, z, batch));
  PetscCall(PetscFree(z));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Put a batch behind the samples there are */
static PetscErrorCode Keep(Lanczos *l, const Krylov *batch)
{
  const size_t has = (size_t)(l->n_samples * l->steps), more = (size_t)(batch->k * batch->steps);
  double      *alpha, *beta;

  PetscFunctionBegin;
  l->steps = batch->steps;
  PetscCall(PetscMalloc2(has + more, &alpha, has + more, &beta));
  PetscCall(PetscArraycpy(alpha, l->alpha, has));
  PetscCall(PetscArraycpy(beta, l->beta, has));
  for (int j = 0; j < batch->k; j++)
    for (int i = 0; i < batch->steps; i++) {
      alpha[has + (size_t)(j * batch->steps + i)] = batch->alpha[i * batch->k + j];
      beta[has + (size_t)(j * batch->steps + i)]  = batch->beta[i * batch->k + j];
    }
  PetscCall(PetscFree2(l->alpha, l->beta));
  l->alpha = alpha;
  l->beta  = beta;
  l->n_samples += batch->k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Tridiagonal matrices of samples: entries of one are `stride` apart, samples `next` */
typedef struct {
  int           n, steps, stride, next;
  const double *alpha, *beta;
} Samples;

static Samples OfBatch(const Krylov *b) { return (Samples){b->k, b->steps, b->k, 1, b->alpha, b->beta}; }

static Samples OfAll(const Lanczos *l) { return (Samples){l->n_samples, l->steps, 1, l->steps, l->alpha, l->beta}; }

static PetscErrorCode FreeTraces(Spectrum *s)
{
  PetscFunctionBegin;
  for (int r = 0; r < s->n_traces; r++) PetscCall(SpectralQuadratureDestroy(&s->trace[r]));
  PetscCall(PetscFree(s->trace));
  s->n_traces = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Quadratures of samples after the first `steps` of their steps. The squared length of a sample in the space is n - p on average: it is
  given that length, so that s_u tr(PB) + s_e tr(P) = n - p, as it should be, in each of them.
*/
static PetscErrorCode Traces(Spectrum *s, Samples from, int steps)
{
  const double total = (double)(s->ml ? s->n : s->n - s->p);

  PetscFunctionBegin;
  PetscCall(FreeTraces(s));
  PetscCall(PetscCalloc1(from.n, &s->trace));
  for (int r = 0; r < from.n; r++, s->n_traces++)
    PetscCall(KrylovQuadrature(steps, from.stride, from.alpha + r * from.next, from.beta + r * from.next, total, &s->trace[r]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Forms(Spectrum *s, const Krylov *y, int steps)
{
  PetscFunctionBegin;
  PetscCall(SpectralQuadratureDestroy(&s->y));
  PetscCall(KrylovQuadrature(steps, 1, y->alpha, y->beta, y->square[0], &s->y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

typedef struct {
  double score[2], information[4], noise[4];
} Values;

static Values Evaluate(const Spectrum *s, const double theta[])
{
  Values       values;
  VarcompPoint point = {.score = values.score, .information = values.information, .noise = values.noise};

  SpectrumEvaluate(s, theta, &point);
  return values;
}

/* Would one step less of the observations' process do as well at theta? */
static PetscErrorCode FormsSettled(const Lanczos *l, const double theta[], bool *settled)
{
  Spectrum s = {.n = l->now.n, .p = l->now.p, .exact = true};
  Values   before, after;

  PetscFunctionBegin;
  PetscCall(Forms(&s, &l->y, l->y.steps - 1));
  before = Evaluate(&s, theta);
  PetscCall(Forms(&s, &l->y, l->y.steps));
  after    = Evaluate(&s, theta);
  *settled = true;
  for (int k = 0; k < 2; k++) *settled = *settled && fabs(after.score[k] - before.score[k]) <= FORM_CHANGE * fabs(after.score[k]);
  for (int k = 0; k < 4; k++)
    *settled = *settled && fabs(after.information[k] - before.information[k]) <= FORM_CHANGE * fabs(after.information[k]);
  PetscCall(SpectralQuadratureDestroy(&s.y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Would one step less of the samples do as well, beside their Monte Carlo error? */
static PetscErrorCode TracesSettled(const Lanczos *l, Samples from, const double theta[], bool *settled)
{
  Spectrum s = {.n = l->now.n, .p = l->now.p, .ml = l->now.ml};
  Values   before, after;

  PetscFunctionBegin;
  PetscCall(Traces(&s, from, from.steps - 1));
  before = Evaluate(&s, theta);
  PetscCall(Traces(&s, from, from.steps));
  after    = Evaluate(&s, theta);
  *settled = true;
  for (int k = 0; k < 2; k++)
    *settled = *settled && fabs(after.score[k] - before.score[k]) <=
                               PetscMax(TRACE_CHANGE * sqrt(after.noise[3 * k]), FORM_CHANGE * fabs(after.score[k]));
  PetscCall(FreeTraces(&s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Samples and observations go together until the samples are settled where the likelihood has its maximum by then */
static PetscErrorCode FirstBatch(MeritVarcomp v, Lanczos *l)
{
  const int k = v->n_samples ? PetscMin(v->n_samples, BLOCK) : BLOCK;
  Krylov    batch;
  double    theta[2];
  bool      settled = false;

  PetscFunctionBegin;
  PetscCall(Begin(v, l, 0, k, &batch));
  while (!settled && batch.steps < MOST_STEPS) {
    PetscCall(KrylovStep(&l->y));
    PetscCall(KrylovStep(&batch));
    if (batch.steps < FIRST_STEPS) continue;
    PetscCall(Forms(&l->now, &l->y, l->y.steps));
    PetscCall(Traces(&l->now, OfBatch(&batch), batch.steps));
    SpectrumMaximum(&l->now, theta);
    PetscCall(TracesSettled(l, OfBatch(&batch), theta, &settled));
  }
  PetscCall(Keep(l, &batch));
  PetscCall(KrylovDestroy(&batch));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* More samples, of as many steps as there are */
static PetscErrorCode MoreBatches(MeritVarcomp v, Lanczos *l, int n)
{
  Krylov batch;

  PetscFunctionBegin;
  while (l->n_samples < n) {
    PetscCall(Begin(v, l, l->n_samples, PetscMin(BLOCK, n - l->n_samples), &batch));
    while (batch.steps < l->steps) PetscCall(KrylovStep(&batch));
    PetscCall(Keep(l, &batch));
    PetscCall(KrylovDestroy(&batch));
  }
  PetscCall(Traces(&l->now, OfAll(l), l->steps));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Go on with the observations until their forms stand at theta */
static PetscErrorCode SettleForms(Lanczos *l, const double theta[])
{
  bool settled = false;

  PetscFunctionBegin;
  while (true) {
    PetscCall(FormsSettled(l, theta, &settled));
    if (settled || l->y.steps >= MOST_STEPS) break;
    for (int more = 1 + l->y.steps / 32; more; more--) PetscCall(KrylovStep(&l->y));
  }
  PetscCall(Forms(&l->now, &l->y, l->y.steps));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Larger ratios than the processes were made for need more steps: the samples are made anew */
static PetscErrorCode Reach(MeritVarcomp v, Lanczos *l, const double theta[])
{
  const int n = l->n_samples;
  bool      settled = false;

  PetscFunctionBegin;
  PetscCall(SettleForms(l, theta));
  while (true) {
    PetscCall(TracesSettled(l, OfAll(l), theta, &settled));
    if (settled || l->steps >= MOST_STEPS) break;
    l->steps += 1 + l->steps / 2;
    l->n_samples = 0;
    PetscCall(MoreBatches(v, l, n));
  }
  l->ratio = theta[0] / theta[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Samples after which random numbers add no more than the share asked for to the standard errors */
static int Wanted(MeritVarcomp v, const Lanczos *l, const double theta[])
{
  const double target = (1.0 + v->mc_share) * (1.0 + v->mc_share) - 1.0;
  const Values at     = Evaluate(&l->now, theta);
  const double *A = at.information, det = A[0] * A[3] - A[1] * A[2];
  const double inverse[4] = {A[3] / det, -A[1] / det, -A[2] / det, A[0] / det};
  double       share      = 0.0;

  if (v->n_samples) return v->n_samples;
  for (int a = 0; a < 2; a++) {
    double sum = 0.0;

    for (int b = 0; b < 4; b++) sum += inverse[a * 2 + b / 2] * at.noise[b] * inverse[a * 2 + b % 2];
    share = PetscMax(share, sum / inverse[3 * a]);
  }
  return (int)PetscMin(PetscMax(FEWEST, ceil(l->n_samples * share / target)), 100000);
}

static PetscErrorCode SetUp_Lanczos(MeritVarcomp v)
{
  Lanczos *l;
  double  *y, theta[2];

  PetscFunctionBegin;
  PetscCall(PetscNew(&l));
  v->engine_data = l;
  PetscCall(SpectralSpaceCreate(v, "lanczos", &l->space));
  l->now = (Spectrum){.n = l->space.n, .p = l->space.p, .ml = v->method == MERIT_VARCOMP_ML};
  l->now.constant = SpectralConstant(&l->space, l->now.ml);
  PetscCall(PetscMalloc1(l->space.n_records, &y));
  PetscCall(SpectralObservations(&l->space, y));
  PetscCall(KrylovCreate(&l->space, 1, true, false, y, &l->y));
  PetscCall(PetscFree(y));
  PetscCall(FirstBatch(v, l));
  SpectrumMaximum(&l->now, theta);
  PetscCall(SettleForms(l, theta));
  SpectrumMaximum(&l->now, theta);
  PetscCall(MoreBatches(v, l, PetscMax(l->n_samples, Wanted(v, l, theta))));
  SpectrumMaximum(&l->now, theta);
  PetscCall(SettleForms(l, theta));
  l->ratio     = theta[0] / theta[1];
  v->n_samples = l->n_samples;
  MeritLog(MERIT_LOG_INFO, "Lanczos: %d steps for the observations, %d for each of %d samples", l->y.steps, l->steps, l->n_samples);
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Evaluate_Lanczos(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  Lanczos *l = v->engine_data;

  PetscFunctionBegin;
  if (theta[0] / theta[1] > 1.2 * l->ratio) PetscCall(Reach(v, l, theta));
  SpectrumEvaluate(&l->now, theta, point);
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Destroy_Lanczos(MeritVarcomp v)
{
  Lanczos *l = v->engine_data;

  PetscFunctionBegin;
  PetscCall(KrylovDestroy(&l->y));
  PetscCall(PetscFree2(l->alpha, l->beta));
  PetscCall(FreeTraces(&l->now));
  PetscCall(SpectralQuadratureDestroy(&l->now.y));
  PetscCall(SpectralSpaceDestroy(&l->space));
  PetscCall(PetscFree(l));
  v->engine_data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Lanczos = {"lanczos", SetUp_Lanczos, Evaluate_Lanczos, Destroy_Lanczos};

/*
  Moment estimators: which equations, how often, and what becomes of negative variances.

  Equations come from dense matrices of the observations on rank 0 (DenseForms), or, for prior 0
  and many observations, from random signs on all ranks (Sketched). Components are one for each
  random term, and last the residual's: m + 1.
*/
#include "moments.h"
#include <math.h>

/* Observations up to which matrices of them are formed where random signs would do as well */
enum { DENSE_MOST = 5000 };
/* Random vectors beyond that, unless the job says */
enum { SAMPLES = 64 };

/* MomentsCreate - See the header. Not collective. */
PetscErrorCode MomentsCreate(MeritVarcomp v, Moments *e)
{
  const size_t n = (size_t)v->n;

  PetscFunctionBegin;
  *e = (Moments){.m = v->n - 1};
  PetscCheck(v->n <= MOMENTS_MAX_VARIANCES, v->comm, PETSC_ERR_SUP, "more than %d variances", MOMENTS_MAX_VARIANCES);
  PetscCall(PetscCalloc4(n, &e->in, n * n, &e->S, n, &e->q, n, &e->estimate));
  for (int k = 0; k < e->m; k++) e->in[k] = k != v->settings.left_out;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MomentsDestroy - See the header. Not collective. */
PetscErrorCode MomentsDestroy(Moments *e)
{
  PetscFunctionBegin;
  PetscCall(PetscFree4(e->in, e->S, e->q, e->estimate));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Name of a component in errors */
static const char *TermName(MeritVarcomp v, int c) { return v->component[c].term < 0 ? "residual" : v->formula->term[v->component[c].term].label; }

/*
  INPUT error for the first term of which fixed effects leave nothing: tr(S B S), left [m],
  beside tr(B), whole [m]. Rank 0 has them; all ranks raise the error. Collective.
*/
static PetscErrorCode CheckLeft(MeritVarcomp v, int m, const double left[], const double whole[])
{
  static const double ROUNDING = 1e-10;
  int                 empty    = -1;

  PetscFunctionBegin;
  for (int k = m - 1; k >= 0 && !v->rank; k--)
    if (k != v->settings.left_out && !(left[k] > ROUNDING * whole[k])) empty = k;
  PetscCallMPI(MPI_Bcast(&empty, 1, MPI_INT, 0, v->comm));
  if (empty >= 0) PetscCall(VarcompRaiseEmpty(v, empty));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* An error on every rank for a fault that rank 0 found */
static PetscErrorCode RaiseFault(MeritVarcomp v, MomentsFault fault, Moments *e)
{
  int code[3] = {(int)fault, e->blame[0], e->blame[1]};

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(code, 3, MPI_INT, 0, v->comm));
  if (code[0] == MOMENTS_SINGULAR)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                         "the variances of `%s` and `%s` cannot be distinguished: their terms have the same design, or a combination of terms has",
                         TermName(v, code[1]), TermName(v, code[2])));
  if (code[0] == MOMENTS_SATURATED)
    PetscCall(
        MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                   "minque3 (infinite priors) needs residual degrees of freedom after fitting all terms, and there are none; use another method"));
  if (code[0] == MOMENTS_NO_MEMORY)
    PetscCall(
        MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                   "out of memory: rank 0 cannot get the matrices of the observations; run fewer ranks on its node, or use varcomp.method reml"));
  if (code[0] == MOMENTS_INDEFINITE)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                         "the prior covariance matrix of the observations is not positive definite; give positive priors"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Prior variances w [m + 1], the residual's 1: of the job's `variances` (mivque), or ratios for
  K of mean diagonal 1, which ranks other than 0 do not know and do not need. *infinite: all
  priors are; a mixture is a USAGE error.
*/
static PetscErrorCode PriorPoint(MeritVarcomp v, const ProjectedCovariances *f, double w[], bool *infinite)
{
  const int m          = f->m;
  int       n_infinite = 0;

  PetscFunctionBegin;
  w[m] = 1.0;
  for (int k = 0; k < m; k++) {
    const double ratio = v->settings.n_prior ? v->settings.prior[k] : v->settings.prior_value;

    if (v->settings.method == MERIT_VARCOMP_MIVQUE && isnan(v->settings.prior_value)) w[k] = v->run.theta[k] / v->run.theta[m];
    else w[k] = v->rank || !isfinite(ratio) ? 0.0 : ratio / f->mean[k];
    n_infinite += isinf(ratio) != 0;
  }
  *infinite = n_infinite == m && v->settings.method == MERIT_VARCOMP_MINQUE;
  if (n_infinite && n_infinite < m)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.prior",
                         "either all priors are infinite or none: an infinite prior of one term has no limit beside finite ones"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* mivque has the least variance at the variances that are given: all of them must be */
static PetscErrorCode CheckGivenPriors(MeritVarcomp v)
{
  bool given = v->formula->residual[0].given;

  PetscFunctionBegin;
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0) given = given && v->formula->term[k].given;
  if (v->settings.method == MERIT_VARCOMP_MIVQUE && isnan(v->settings.prior_value) && !given)
    PetscCall(MeritNodeError(v->job, "method mivque requires `variances` of all random terms and the residual as its prior"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Rank 0: estimates at one prior. If asked for, terms with a negative estimate are left out and
  the others estimated again, until none is negative. e->in says which are left.
*/
static MomentsFault Once(MeritVarcomp v, const ProjectedCovariances *f, const double w[], bool infinite, bool nonnegative, Moments *e)
{
  MomentsFault fault = MOMENTS_FINE;
  bool         again = true;

  if (v->settings.method == MERIT_VARCOMP_HE) HasemanElston(f, e);
  else fault = infinite ? MinqueLimit(f, e) : MinqueEquations(f, w, e);
  while (fault == MOMENTS_FINE && again) {
    fault = MomentsSolve(e);
    again = false;
    for (int k = 0; k < e->m && nonnegative && fault == MOMENTS_FINE; k++)
      if (e->in[k] && e->estimate[k] < 0.0) e->in[k] = false, again = true;
  }
  return fault;
}

/* A round to the monitor: no likelihood, no gradient. Every rank. */
static PetscErrorCode ReportMoments(MeritVarcomp v, double change)
{
  const MeritVarcompRound round = {.round          = v->results.rounds,
                                   .estimate       = v->run.theta,
                                   .log_likelihood = NAN,
                                   .gradient       = NAN,
                                   .change         = change,
                                   .step           = "minque",
                                   .seconds        = MPI_Wtime() - v->run.began};

  PetscFunctionBegin;
  PetscCall(VarcompReport(v, &round));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The estimates become the prior until they no longer change (I-MINQUE). Terms at 0 come back in
  a round if their equation gives a positive variance. `change` is the largest relative change
  of a component. Rank 0 computes; estimates and faults are sent to all. Collective.
*/
static PetscErrorCode IteratePriors(MeritVarcomp v, const ProjectedCovariances *f, double w[], Moments *e)
{
  double change = INFINITY;

  PetscFunctionBegin;
  v->results.stop = MERIT_VARCOMP_MAX_ROUNDS;
  while (v->results.rounds < v->settings.max_rounds) {
    MomentsFault fault = MOMENTS_FINE;

    change = 0.0;
    if (!v->rank) {
      for (int k = 0; k <= e->m; k++) w[k] = PetscMax(e->estimate[k], 0.0);
      for (int k = 0; k < e->m; k++) e->in[k] = k != v->settings.left_out;
      fault = Once(v, f, w, false, true, e);
      for (int k = 0; k <= e->m; k++) change = PetscMax(change, fabs(e->estimate[k] - w[k]) / PetscMax(w[k], 1e-12 * w[e->m]));
    }
    PetscCall(RaiseFault(v, fault, e));
    PetscCallMPI(MPI_Bcast(&change, 1, MPI_DOUBLE, 0, v->comm));
    PetscCallMPI(MPI_Bcast(e->estimate, v->n, MPI_DOUBLE, 0, v->comm));
    PetscCall(PetscArraycpy(v->run.theta, e->estimate, v->n));
    v->results.rounds++;
    PetscCall(ReportMoments(v, change));
    if (change > 1e-10) continue;
    v->results.stop = MERIT_VARCOMP_CONVERGED;
    break;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckLeft for matrices that are formed: the traces of A_k and B_k */
static PetscErrorCode CheckForms(MeritVarcomp v, const ProjectedCovariances *f)
{
  double left[MOMENTS_MAX_VARIANCES] = {0.0}, whole[MOMENTS_MAX_VARIANCES] = {0.0};

  PetscFunctionBegin;
  for (int k = 0; k < f->m && !v->rank; k++) {
    whole[k] = f->mean[k] * f->n;
    for (size_t i = 0; i < (size_t)f->n; i++) left[k] += f->A[k][i * (size_t)(f->n + 1)];
  }
  PetscCall(CheckLeft(v, f->m, left, whole));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MomentsCheckSketch - See the header: S has what is left in its last column. Collective. */
PetscErrorCode MomentsCheckSketch(MeritVarcomp v, const Moments *e)
{
  double left[MOMENTS_MAX_VARIANCES] = {0.0}, whole[MOMENTS_MAX_VARIANCES];

  PetscFunctionBegin;
  PetscCall(VarcompScales(v, whole));
  for (int k = 0; k < e->m; k++) {
    whole[k] *= (double)v->run.n_observations;
    left[k] = e->S[k * (e->m + 1) + e->m];
  }
  PetscCall(CheckLeft(v, e->m, left, whole));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Estimates from matrices of the observations on rank 0, with a covariance matrix unless it is
  unknown (Haseman-Elston, infinite priors). Collective.
*/
static PetscErrorCode DenseForms(MeritVarcomp v, Moments *e)
{
  ProjectedCovariances f;
  double              *w;
  bool                 infinite;
  int                  known = 0;
  MomentsFault         fault = MOMENTS_SINGULAR;

  PetscFunctionBegin;
  PetscCall(ProjectedCreate(v, "this method", &f));
  PetscCall(CheckForms(v, &f));
  PetscCall(PetscMalloc1(v->n, &w));
  PetscCall(PriorPoint(v, &f, w, &infinite));
  PetscCall(RaiseFault(v, v->rank ? MOMENTS_FINE : Once(v, &f, w, infinite, v->settings.nonnegative || v->settings.iterate, e), e));
  PetscCallMPI(MPI_Bcast(e->estimate, v->n, MPI_DOUBLE, 0, v->comm));
  PetscCall(PetscArraycpy(v->run.theta, e->estimate, v->n));
  v->results.rounds = 1;
  PetscCall(ReportMoments(v, NAN));
  if (v->settings.iterate) PetscCall(IteratePriors(v, &f, w, e));
  if (!v->rank && v->settings.method != MERIT_VARCOMP_HE && !infinite) fault = MinqueCovariance(&f, w, e, v->results.covariance);
  PetscCall(RaiseFault(v, fault == MOMENTS_NO_MEMORY ? fault : MOMENTS_FINE, e));
  known = fault == MOMENTS_FINE;
  PetscCallMPI(MPI_Bcast(&known, 1, MPI_INT, 0, v->comm));
  PetscCallMPI(MPI_Bcast(v->results.covariance, v->n * v->n, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(e->in, v->n, MPI_C_BOOL, 0, v->comm));
  v->results.has_covariance = known;
  PetscCall(PetscFree(w));
  PetscCall(ProjectedDestroy(&f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Prior 0 by random signs, for more observations than matrices of them are formed for. All ranks
  have the equations and solve them alike. Collective.
*/
static PetscErrorCode Sketched(MeritVarcomp v, Moments *e)
{
  bool         again = true;
  MomentsFault fault = MOMENTS_FINE;
  double      *rows;

  PetscFunctionBegin;
  v->results.n_samples = v->settings.n_samples ? v->settings.n_samples : SAMPLES;
  if (e->m) MeritLog(MERIT_LOG_INFO, "traces from %d samples", v->results.n_samples);
  PetscCall(MomentsSketch(v, v->results.n_samples, e, &rows));
  PetscCall(MomentsCheckSketch(v, e));
  while (fault == MOMENTS_FINE && again) {
    fault = MomentsSolve(e);
    again = false;
    for (int k = 0; k < e->m && v->settings.nonnegative && fault == MOMENTS_FINE; k++)
      if (e->in[k] && e->estimate[k] < 0.0) e->in[k] = false, again = true;
  }
  PetscCall(RaiseFault(v, fault, e));
  PetscCall(PetscArraycpy(v->run.theta, e->estimate, v->n));
  if (e->m) PetscCall(MomentsNoise(v, e, rows));
  PetscCall(PetscFree(rows));
  v->results.rounds = 1;
  PetscCall(ReportMoments(v, NAN));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompMoments - See the header. Collective. */
PetscErrorCode VarcompMoments(MeritVarcomp v)
{
  const bool zero = v->settings.method != MERIT_VARCOMP_HE && !v->settings.n_prior && v->settings.prior_value == 0.0 && !v->settings.iterate;
  Moments    e;

  PetscFunctionBegin;
  PetscCall(CheckGivenPriors(v));
  PetscCall(VarcompStart(v)); /* looks at the data, too */
  PetscCall(MomentsCreate(v, &e));
  if ((zero || !e.m) && v->run.n_observations > DENSE_MOST) PetscCall(Sketched(v, &e)); /* without random terms there is nothing to weigh */
  else PetscCall(DenseForms(v, &e));
  for (int c = 0; c < v->n; c++)
    v->results.state[c] = c < e.m && !e.in[c] ? MERIT_ESTIMATE_BOUNDARY : v->run.theta[c] < 0.0 ? MERIT_ESTIMATE_NEGATIVE : MERIT_ESTIMATE_OK;
  PetscCall(MomentsDestroy(&e));
  PetscFunctionReturn(PETSC_SUCCESS);
}

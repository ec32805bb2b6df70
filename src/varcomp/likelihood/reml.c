/*
  Maximum likelihood and restricted maximum likelihood (Patterson & Thompson 1971) by average information (Gilmour, Thompson & Cullis
  1995), so that no round leaves the parameter space or lowers the likelihood (step.c). A matrix that steps would make singular again and again is
  tried as such: a variance of 0, a correlation of 1; it comes back if the likelihood rises from there (boundary.c).
*/
#include "reml.h"
#include <math.h>

/* A likelihood may fall by this share of itself: rounding */
static const double ROUNDING = 1e-12;

static PetscErrorCode PointCreate(int n, VarcompPoint *p)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc3(n, &p->score, (size_t)(n * n), &p->information, (size_t)(n * n), &p->mc_covariance));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode PointFree(VarcompPoint *p)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(p->score, p->information, p->mc_covariance));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RemlLength - See the header. Not collective. */
double RemlLength(const Reml *r, double step[])
{
  double sum = 0.0;

  if (!CoordinatesStep(&r->c, step)) return NAN;
  for (int i = 0; i < r->c.m; i++) sum += r->c.g[i] * step[i];
  return sqrt(PetscMax(sum, 0.0));
}

/* RemlEvaluate - See the header. Collective. */
PetscErrorCode RemlEvaluate(Reml *r, const double theta[], VarcompPoint *point)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  v->trying = point == &r->trial;
  PetscCall(v->engine->evaluate(v, theta, point));
  v->trying = false;
  /* the same numbers on every rank, to the last bit */
  PetscCallMPI(MPI_Bcast(&point->log_likelihood, 1, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->score, v->n, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->information, v->n * v->n, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->mc_covariance, v->n * v->n, MPI_DOUBLE, 0, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RemlAccept - See the header. Not collective. */
void RemlAccept(Reml *r, const char kind[])
{
  MeritVarcomp       v    = r->v;
  const VarcompPoint swap = r->now;

  r->change = 0.0;
  r->gain   = r->trial.log_likelihood - r->now.log_likelihood;
  for (int i = 0; i < v->n; i++) {
    if (v->component[i].row == v->component[i].column && r->theta[i] != 0.0)
      r->change = PetscMax(r->change, fabs(r->theta[i] / PetscMax(v->theta[i], 1e-300) - 1.0));
    v->theta[i] = r->theta[i];
  }
  r->now   = r->trial;
  r->trial = swap;
  r->kind  = kind;
}

/* RemlArrive - See the header. Not collective. */
void RemlArrive(Reml *r, double share)
{
  Coordinates *c = &r->c;

  for (int i = 0; i < c->m; i++) {
    r->column[i] = share * r->step[i];
    r->unit[i]   = c->g[i]; /* gradient before less that behind */
  }
  CoordinatesSet(r->v, c, r->v->theta, &r->now);
  for (int i = 0; i < c->m; i++) r->unit[i] -= c->g[i];
  CoordinatesRemember(c, share > 0.0 ? r->column : NULL, r->unit);
}

/* RemlHasScore - See the header. Not collective. */
bool RemlHasScore(const Reml *r)
{
  for (int i = 0; i < r->v->n; i++)
    if (!isfinite(r->trial.score[i])) return false;
  return true;
}

/* RemlNotLower - See the header. Not collective. */
bool RemlNotLower(const Reml *r)
{
  if (!RemlHasScore(r)) return false;
  return !isfinite(r->now.log_likelihood) || r->trial.log_likelihood >= r->now.log_likelihood - ROUNDING * fabs(r->now.log_likelihood);
}

static PetscErrorCode Report(Reml *r, double gradient)
{
  MeritVarcomp            v     = r->v;
  const MeritVarcompRound round = {.round          = v->rounds,
                                   .estimate       = r->whole,
                                   .log_likelihood = r->now.log_likelihood,
                                   .gradient       = gradient,
                                   .change         = v->rounds ? r->change : NAN,
                                   .step           = r->kind,
                                   .seconds        = MPI_Wtime() - v->start};

  PetscFunctionBegin;
  VarcompBasisUser(v, v->theta, r->whole);
  PetscCall(VarcompReport(v, &round));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rounds from v->theta until the gradient vanishes */
static PetscErrorCode Iterate(Reml *r)
{
  MeritVarcomp v = r->v;
  bool         fresh, resumed, done;

  PetscFunctionBegin;
  PetscCall(RemlResume(r, &resumed, &done));
  fresh = !resumed;
  if (done) v->gradient = RemlLength(r, r->step);
  if (done) PetscFunctionReturn(PETSC_SUCCESS);
  v->stop = MERIT_VARCOMP_MAX_ROUNDS;
  while (true) {
    bool go;

    if (fresh) {
      PetscCall(RemlEvaluate(r, v->theta, &r->now));
      CoordinatesSet(v, &r->c, v->theta, &r->now);
      if (!v->rounds) PetscCall(VarcompCheckInformation(v, &r->c));
    }
    fresh       = false;
    v->gradient = RemlLength(r, r->step);
    PetscCall(Report(r, v->gradient));
    if (v->gradient <= BoundaryTolerance(r)) {
      PetscCall(BoundaryTryLower(r, &go));
      v->rounds += go;
      if (go) continue;
      PetscCall(BoundaryRelease(r, &fresh));
      if (!fresh) {
        v->stop = MERIT_VARCOMP_CONVERGED;
        break;
      }
      r->kind = "release";
      v->rounds++;
      continue;
    }
    if (v->rounds >= v->max_rounds) break;
    PetscCall(RemlSaveIfDue(r));
    PetscCall(RemlStep(r, &go));
    v->rounds++;
    if (go) continue;
    /* rounding is all that is left of a step that small */
    v->stop = v->gradient < 1e3 * r->tolerance ? MERIT_VARCOMP_CONVERGED : MERIT_VARCOMP_NO_ASCENT;
    break;
  }
  PetscCall(RemlKeep(r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* J A J' of coordinates for all components; A [m * m] */
static void Back(const Coordinates *c, const double *A, double *B)
{
  for (int i = 0; i < c->n; i++)
    for (int j = 0; j < c->n; j++) {
      double sum = 0.0;

      for (int x = 0; x < c->m; x++)
        for (int y = 0; y < c->m; y++) sum += c->J[i * c->n + x] * A[x * c->m + y] * c->J[j * c->n + y];
      B[i * c->n + j] = sum;
    }
}

/* Sampling covariance J H^-1 J', and what Monte Carlo errors of the score, of covariance M, add: J H^-1 J' M J H^-1 J' */
static void Covariances(Reml *r)
{
  MeritVarcomp v = r->v;
  Coordinates *c = &r->c;
  const int    n = v->n;
  double      *A = c->work, *g = c->g;

  v->has_covariance = !c->damped;
  for (int j = 0; j < c->m && v->has_covariance; j++) {
    for (int i = 0; i < c->m; i++) r->unit[i] = i == j;
    c->g              = r->unit;
    v->has_covariance = CoordinatesStep(c, r->column);
    for (int i = 0; i < c->m; i++) r->inverse[i * c->m + j] = r->column[i];
  }
  c->g = g;
  if (!v->has_covariance) return;
  Back(c, r->inverse, v->covariance);
  for (int i = 0; i < n * n; i++) v->has_monte_carlo = v->has_monte_carlo || r->now.mc_covariance[i] != 0.0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      A[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) A[i * n + j] += r->now.mc_covariance[i * n + k] * v->covariance[k * n + j];
    }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      v->monte_carlo[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) v->monte_carlo[i * n + j] += v->covariance[i * n + k] * A[k * n + j];
    }
}

/* VarcompNoPoint - See the header. */
void VarcompNoPoint(MeritVarcomp v, VarcompPoint *point)
{
  point->log_likelihood = NAN;
  for (int i = 0; i < v->n; i++) point->score[i] = NAN;
}

/* VarcompLikelihood - See the header. Collective. */
PetscErrorCode VarcompLikelihood(MeritVarcomp v)
{
  Reml         r = {.v = v, .kind = "start", .tolerance = v->tolerance};
  const size_t n = (size_t)v->n;

  PetscFunctionBegin;
  if (v->n > 1) r.tolerance = PetscMax(r.tolerance, v->engine->least_gradient); /* of the residual variance alone it is exact */
  PetscCall(CoordinatesCreate(v, &r.c));
  PetscCall(PointCreate(v->n, &r.now));
  PetscCall(PointCreate(v->n, &r.trial));
  PetscCall(PetscCalloc7(n, &r.theta, n, &r.step, n, &r.unit, n, &r.column, n, &r.whole, n * n, &r.inverse, n, &r.unit_scale));
  PetscCall(VarcompScales(v, r.unit_scale));
  BoundaryZeros(&r);
  PetscCall(Iterate(&r));
  PetscCall(BoundaryStates(&r));
  Covariances(&r);
  v->log_likelihood = r.now.log_likelihood;
  PetscCall(PetscFree7(r.theta, r.step, r.unit, r.column, r.whole, r.inverse, r.unit_scale));
  PetscCall(PointFree(&r.now));
  PetscCall(PointFree(&r.trial));
  PetscCall(CoordinatesDestroy(&r.c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

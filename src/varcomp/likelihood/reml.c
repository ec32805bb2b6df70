/*
  Maximum likelihood and restricted maximum likelihood (Patterson & Thompson 1971) by average
  information (Gilmour, Thompson & Cullis 1995), so that no round leaves the parameter space or
  lowers the likelihood (step.c). A matrix that steps would make singular again and again is
  tried as such: a variance of 0, a correlation of 1; it comes back if the likelihood rises from
  there (boundary.c).

  A fit goes in this order: coordinates of all matrices (blocks.c); rounds until the gradient
  vanishes (Rounds); estimates at the boundary are brought to their limit (BoundaryStates);
  standard errors from the information at the end (Covariances). All ranks run the same rounds
  on the same numbers: what the engine found, steps and decisions are those of rank 0, since the
  bits of a processor's own arithmetic may differ.
*/
#include "reml.h"
#include <math.h>

/* A likelihood may fall by this fraction of itself: rounding */
static const double LIKELIHOOD_ROUNDING = 1e-12;

/* The values of one point, n components, all 0. Not collective. */
static PetscErrorCode PointCreate(int n, VarcompPoint *p)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc3(n, &p->score, (size_t)(n * n), &p->information, (size_t)(n * n), &p->mc_covariance));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what PointCreate made. Not collective. */
static PetscErrorCode PointFree(VarcompPoint *p)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(p->score, p->information, p->mc_covariance));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RemlLength - See the header. The length is sqrt(g'H^-1 g), H the information in coordinates:
  H^-1 is the covariance matrix of the estimates, so it does not depend on units. Not
  collective.
*/
double RemlLength(const Reml *r, double step[])
{
  double sum = 0.0;

  if (!CoordinatesStep(&r->c, step)) return NAN;
  for (int i = 0; i < r->c.m; i++) sum += r->c.g[i] * step[i];
  return sqrt(PetscMax(sum, 0.0));
}

/*
  RemlEvaluate - See the header. Where the trial is evaluated, the engine is allowed to answer
  that the point is none; at the point itself that is an error. Collective.
*/
PetscErrorCode RemlEvaluate(Reml *r, const double theta[], VarcompPoint *point)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  v->run.trying = point == &r->trial;
  PetscCall(v->run.engine->evaluate(v, theta, point));
  v->run.trying = false;
  /* the same numbers on every rank, to the last bit */
  PetscCallMPI(MPI_Bcast(&point->log_likelihood, 1, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->score, v->n, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->information, v->n * v->n, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->mc_covariance, v->n * v->n, MPI_DOUBLE, 0, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RemlAccept - See the header. The arrays of point and trial are exchanged, not copied: the old
  point is the work space of the next trial. Not collective.
*/
void RemlAccept(Reml *r, const char kind[])
{
  MeritVarcomp       v    = r->v;
  const VarcompPoint swap = r->point;

  r->change = 0.0;
  r->gain   = r->trial.log_likelihood - r->point.log_likelihood;
  for (int i = 0; i < v->n; i++) {
    if (v->component[i].row == v->component[i].column && r->trial_theta[i] != 0.0)
      r->change = PetscMax(r->change, fabs(r->trial_theta[i] / PetscMax(v->run.theta[i], 1e-300) - 1.0));
    v->run.theta[i] = r->trial_theta[i];
  }
  r->point     = r->trial;
  r->trial     = swap;
  r->step_name = kind;
}

/*
  RemlArrive - See the header. The fall of the gradient along the step, g before less g behind,
  is what the curvature of the likelihood was; pairs of both correct the information of later
  rounds (secant). A fraction of 0 forgets all pairs, as where coordinates have changed. Not
  collective.
*/
void RemlArrive(Reml *r, double fraction)
{
  Coordinates *c = &r->c;

  for (int i = 0; i < c->m; i++) {
    r->moved[i] = fraction * r->step[i];
    r->fall[i]  = c->g[i];
  }
  CoordinatesSet(r->v, c, r->v->run.theta, &r->point);
  for (int i = 0; i < c->m; i++) r->fall[i] -= c->g[i];
  CoordinatesRemember(c, fraction > 0.0 ? r->moved : NULL, r->fall);
}

/* RemlHasScore - See the header. Not collective. */
bool RemlHasScore(const Reml *r)
{
  for (int i = 0; i < r->v->n; i++)
    if (!isfinite(r->trial.score[i])) return false;
  return true;
}

/*
  RemlNotLower - See the header. Without a likelihood, as of sampled traces, every point with a
  score is as good. Not collective.
*/
bool RemlNotLower(const Reml *r)
{
  if (!RemlHasScore(r)) return false;
  return !isfinite(r->point.log_likelihood) ||
         r->trial.log_likelihood >= r->point.log_likelihood - LIKELIHOOD_ROUNDING * fabs(r->point.log_likelihood);
}

/* The round to the monitor, estimates in the user's components. Every rank. */
static PetscErrorCode ReportRound(Reml *r, double gradient)
{
  MeritVarcomp            v     = r->v;
  const MeritVarcompRound round = {.round          = v->results.rounds,
                                   .estimate       = r->theta_user,
                                   .log_likelihood = r->point.log_likelihood,
                                   .gradient       = gradient,
                                   .change         = v->results.rounds ? r->change : NAN,
                                   .step           = r->step_name,
                                   .seconds        = MPI_Wtime() - v->run.began};

  PetscFunctionBegin;
  VarcompBasisUser(v, v->run.theta, r->theta_user);
  PetscCall(VarcompReport(v, &round));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Rounds from v->run.theta, or from a checkpoint, until the gradient vanishes. At a point where
  it does, singular matrices are tried at a lower rank, then freed if the likelihood rises to
  the inside; if neither happens, the fit has converged. `fresh`: the engine must be asked for
  the point, since no step led to it. Collective.
*/
static PetscErrorCode Rounds(Reml *r)
{
  MeritVarcomp v = r->v;
  bool         fresh, resumed, done;

  PetscFunctionBegin;
  PetscCall(RemlResume(r, &resumed, &done));
  fresh = !resumed;
  if (done) v->results.gradient = RemlLength(r, r->step);
  if (done) PetscFunctionReturn(PETSC_SUCCESS);
  v->results.stop = MERIT_VARCOMP_MAX_ROUNDS;
  while (true) {
    bool go;

    if (fresh) {
      PetscCall(RemlEvaluate(r, v->run.theta, &r->point));
      CoordinatesSet(v, &r->c, v->run.theta, &r->point);
      if (!v->results.rounds) PetscCall(VarcompCheckInformation(v, &r->c));
    }
    fresh               = false;
    v->results.gradient = RemlLength(r, r->step);
    PetscCall(ReportRound(r, v->results.gradient));
    if (v->results.gradient <= BoundaryTolerance(r)) {
      PetscCall(BoundaryTryLower(r, &go));
      v->results.rounds += go;
      if (go) continue;
      PetscCall(BoundaryRelease(r, &fresh));
      if (!fresh) {
        v->results.stop = MERIT_VARCOMP_CONVERGED;
        break;
      }
      r->step_name = "release";
      v->results.rounds++;
      continue;
    }
    if (v->results.rounds >= v->settings.max_rounds) break;
    PetscCall(RemlSaveIfDue(r));
    PetscCall(RemlStep(r, &go));
    v->results.rounds++;
    if (go) continue;
    /* rounding is all that is left of a step that small */
    v->results.stop = v->results.gradient < 1e3 * r->tolerance ? MERIT_VARCOMP_CONVERGED : MERIT_VARCOMP_NO_ASCENT;
    break;
  }
  PetscCall(RemlKeep(r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  B = J A J', the covariance matrix A [m * m] of the coordinates as one of all components, B [n
  * n]
*/
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

/* C = A B, [n * n] */
static void Multiply(int n, const double *A, const double *B, double *C)
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      C[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) C[i * n + j] += A[i * n + k] * B[k * n + j];
    }
}

/*
  H^-1 to inverse [m * m], column by column: the step for a gradient of e_i is column i. c->g is
  e_i for this time. e_i and column [m] are work. False where H is not definite, or had to be
  made so.
*/
static bool InverseInformation(Coordinates *c, double *e_i, double *column, double *inverse)
{
  double *g    = c->g;
  bool    good = !c->damped;

  for (int j = 0; j < c->m && good; j++) {
    for (int i = 0; i < c->m; i++) e_i[i] = i == j;
    c->g = e_i;
    good = CoordinatesStep(c, column);
    for (int i = 0; i < c->m; i++) inverse[i * c->m + j] = column[i];
  }
  c->g = g;
  return good;
}

/*
  Sampling covariance J H^-1 J' of the estimates. The score has Monte Carlo errors of covariance
  M (mc_covariance); these shift the estimates by J H^-1 J' times the error, so they add J H^-1
  J' M J H^-1 J'. Not collective.
*/
static PetscErrorCode Covariances(Reml *r)
{
  MeritVarcomp    v = r->v;
  VarcompResults *f = &v->results;
  Coordinates    *c = &r->c;
  const size_t    n = (size_t)v->n;
  double         *e_i, *column, *inverse;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(n, &e_i, n, &column, n * n, &inverse));
  f->has_covariance = InverseInformation(c, e_i, column, inverse);
  if (f->has_covariance) {
    Back(c, inverse, f->covariance);
    for (size_t i = 0; i < n * n; i++) f->has_monte_carlo = f->has_monte_carlo || r->point.mc_covariance[i] != 0.0;
    Multiply(v->n, r->point.mc_covariance, f->covariance, c->work);
    Multiply(v->n, f->covariance, c->work, f->monte_carlo);
  }
  PetscCall(PetscFree3(e_i, column, inverse));
  PetscFunctionReturn(PETSC_SUCCESS);
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
  Reml         r = {.v = v, .step_name = "start", .tolerance = v->settings.tolerance};
  const size_t n = (size_t)v->n;

  PetscFunctionBegin;
  if (v->n > 1) r.tolerance = PetscMax(r.tolerance, v->run.engine->least_gradient); /* of the residual variance alone it is exact */
  PetscCall(CoordinatesCreate(v, &r.c));
  PetscCall(PointCreate(v->n, &r.point));
  PetscCall(PointCreate(v->n, &r.trial));
  PetscCall(PetscCalloc5(n, &r.trial_theta, n, &r.step, n, &r.moved, n, &r.fall, n, &r.scale));
  PetscCall(PetscCalloc3(n, &r.theta_full, n, &r.theta_limit, n, &r.theta_user));
  PetscCall(VarcompScales(v, r.scale));
  BoundaryZeros(&r);
  PetscCall(Rounds(&r));
  PetscCall(BoundaryStates(&r));
  PetscCall(Covariances(&r));
  v->results.log_likelihood = r.point.log_likelihood;
  PetscCall(PetscFree5(r.trial_theta, r.step, r.moved, r.fall, r.scale));
  PetscCall(PetscFree3(r.theta_full, r.theta_limit, r.theta_user));
  PetscCall(PointFree(&r.point));
  PetscCall(PointFree(&r.trial));
  PetscCall(CoordinatesDestroy(&r.c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

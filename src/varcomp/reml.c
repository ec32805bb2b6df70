/*
  Maximum likelihood and restricted maximum likelihood (Patterson & Thompson 1971) by average information (Gilmour, Thompson & Cullis
  1995), with as much of an EM step mixed in as it takes (Jensen et al. 1997), so that no round leaves the parameter space or lowers the
  likelihood. A matrix that a step would make singular is tried as such: a variance of 0, a correlation of 1; it comes back if the
  likelihood rises from there.
*/
#include "reml.h"
#include <math.h>

/* Shares of complete-data information that are tried one after another */
static const double SHARES[] = {0.0, 0.3, 0.7, 1.0};
/* A step leaves at least this part of a matrix's least pivot */
static const double KEEP = 0.1;
/* Below this share of the others a variance may be taken for 0 without a likelihood to ask */
static const double SMALL = 1e-3;
/* Rounds in a row whose step goes beyond the boundary, for the boundary to be tried */
enum { BEYOND = 3 };
/* Gradient from which on steps are near enough to the end to correct the curvature */
static const double NEAR = 0.05;
/* A likelihood may fall by this share of itself: rounding; within the second the gradient tells what the likelihood cannot */
static const double ROUNDING = 1e-12, BLUR = 1e-10;

static PetscErrorCode PointCreate(int n, VarcompPoint *p)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc3(n, &p->score, (size_t)(n * n), &p->information, (size_t)(n * n), &p->noise));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode PointFree(VarcompPoint *p)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(p->score, p->information, p->noise));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Length of the gradient in units of standard errors, NaN where the information is not definite; step [m] work */
static double Length(const Reml *r, double step[])
{
  double sum = 0.0;

  if (!CoordinatesStep(&r->c, 0.0, step)) return NAN;
  for (int i = 0; i < r->c.m; i++) sum += r->c.g[i] * step[i];
  return sqrt(PetscMax(sum, 0.0));
}

static PetscErrorCode Evaluate(Reml *r, const double theta[], VarcompPoint *point)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  PetscCall(v->engine->evaluate(v, theta, point));
  /* the same numbers on every rank, to the last bit */
  PetscCallMPI(MPI_Bcast(&point->log_likelihood, 1, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->score, v->n, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->information, v->n * v->n, MPI_DOUBLE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(point->noise, v->n * v->n, MPI_DOUBLE, 0, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The trial becomes the point */
static void Accept(Reml *r, const char kind[])
{
  MeritVarcomp       v    = r->v;
  const VarcompPoint swap = r->now;

  r->change = 0.0;
  for (int i = 0; i < v->n; i++) {
    if (v->component[i].row == v->component[i].column && r->theta[i] != 0.0)
      r->change = PetscMax(r->change, fabs(r->theta[i] / PetscMax(v->theta[i], 1e-300) - 1.0));
    v->theta[i] = r->theta[i];
  }
  r->now   = r->trial;
  r->trial = swap;
  r->kind  = kind;
}

/* Coordinates of the new point, and what a step of this share told of the curvature, for the next; 0: nothing */
static void Arrive(Reml *r, double share)
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

/* As good as this point? One without a score is not, whatever the likelihood is or is not */
static bool NotLower(const Reml *r)
{
  for (int i = 0; i < r->v->n; i++)
    if (!isfinite(r->trial.score[i])) return false;
  return !isfinite(r->now.log_likelihood) || r->trial.log_likelihood >= r->now.log_likelihood - ROUNDING * fabs(r->now.log_likelihood);
}

/* Length of the trial's gradient */
static double TrialGradient(Reml *r)
{
  double length;

  CoordinatesSet(r->v, &r->c, r->theta, &r->trial);
  length = Length(r, r->column);
  CoordinatesSet(r->v, &r->c, r->v->theta, &r->now);
  return length;
}

/* A step as good as the likelihood can tell that shortens the gradient */
static bool Flatter(Reml *r)
{
  const double blur = BLUR * fabs(r->now.log_likelihood);

  if (!(r->v->gradient * r->v->gradient < blur)) return false;
  return r->trial.log_likelihood >= r->now.log_likelihood - blur && TrialGradient(r) < r->v->gradient;
}

/* Is there a likelihood, or is the variance so small that its score decides? */
static bool MayVanish(const Reml *r, const Block *b)
{
  const double scale = r->v->theta[r->c.block[r->c.n_blocks - 1].first];

  if (isfinite(r->now.log_likelihood)) return true;
  return b->n == 1 ? r->v->theta[b->first] < SMALL * scale : BlockPivot(b, r->v->theta) < SMALL;
}

/* The step to where one coordinate is `to`, the others where the quadratic model then wants them */
static bool StepTo(Reml *r, int one, double to, double *step)
{
  Coordinates *c = &r->c;
  double      *g = c->g, *unit = r->unit, beyond;
  bool         definite;

  if (!CoordinatesStep(c, 0.0, step)) return false;
  for (int i = 0; i < c->m; i++) unit[i] = i == one;
  c->g     = unit;
  definite = CoordinatesStep(c, 0.0, r->column);
  c->g     = g;
  if (!definite) return false;
  beyond = (to - step[one]) / r->column[one];
  for (int i = 0; i < c->m; i++) step[i] += beyond * r->column[i];
  return isfinite(beyond);
}

/* Do all matrices but one stay well inside? */
static bool Inside(const Reml *r, const double theta[], const Block *but)
{
  for (int i = 0; i < r->c.n_blocks; i++) {
    const Block *b = &r->c.block[i];

    if (b == but || b->kind != BLOCK_FREE || b->fixed) continue;
    if (!(BlockPivot(b, theta) >= KEEP * BlockPivot(b, r->v->theta))) return false;
    for (int x = 0; x < b->n; x++) {
      const int at = b->first + x * (x + 1) / 2 + x;

      if (!(theta[at] >= KEEP * r->v->theta[at])) return false;
    }
  }
  return true;
}

/* The block becomes singular and stays so if the likelihood is not lower there */
static PetscErrorCode TryBoundary(Reml *r, Block *b, bool *accepted)
{
  MeritVarcomp v   = r->v;
  const Block  was = *b;

  PetscFunctionBegin;
  *accepted = false;
  PetscCall(PetscArraycpy(r->theta, v->theta, v->n));
  if (b->n == 1) {
    if (StepTo(r, b->begin, -v->theta[b->first], r->step)) CoordinatesMove(v, &r->c, v->theta, 1.0, r->step, r->theta);
    if (!Inside(r, r->theta, b)) PetscCall(PetscArraycpy(r->theta, v->theta, v->n));
    b->kind            = BLOCK_ZERO;
    r->theta[b->first] = 0.0;
  } else BlockPin(v, b, r->theta);
  PetscCall(Evaluate(r, r->theta, &r->trial));
  *accepted = NotLower(r);
  if (*accepted) {
    Accept(r, "boundary");
    CoordinatesRemember(&r->c, NULL, NULL);
  } else *b = was;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Matrices that the whole step would make singular, one after another */
static PetscErrorCode TryBoundaries(Reml *r, const double step[], bool *accepted)
{
  PetscFunctionBegin;
  *accepted = false;
  CoordinatesMove(r->v, &r->c, r->v->theta, 1.0, step, r->theta);
  PetscCall(PetscArraycpy(r->whole, r->theta, r->v->n));
  for (int i = 0; i < r->c.n_blocks && !*accepted; i++) {
    Block *b = &r->c.block[i];

    if (b->kind == BLOCK_ZERO || b->fixed || (b->n > 1 && !b->whole) || (b->n == 1 && b->term < 0)) continue;
    b->n_beyond = BlockPivot(b, r->whole) > (b->n == 1 ? 0.0 : 1e-6) ? 0 : b->n_beyond + 1;
    if (b->n_beyond < BEYOND || (b->kind == BLOCK_PINNED && b->free_pivots < 2) || !MayVanish(r, b)) continue;
    PetscCall(TryBoundary(r, b, accepted));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Largest part of a step, by halves, that leaves every matrix well inside */
static double Share(Reml *r, const double step[])
{
  double share = 1.0;

  for (int i = 0; i < 60; i++, share *= 0.5) {
    CoordinatesMove(r->v, &r->c, r->v->theta, share, step, r->theta);
    if (Inside(r, r->theta, NULL)) return share;
  }
  return 0.0;
}

/* A matrix of rank 1 that goes to 0, where the derivatives by its root vanish whatever the likelihood does, is tried as 0 */
static PetscErrorCode TryNothing(Reml *r, bool *accepted)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  *accepted = false;
  for (int i = 0; i < r->c.n_blocks && !*accepted && isfinite(r->now.log_likelihood); i++) {
    Block *b = &r->c.block[i];

    if (b->term < 0 || !(BlockReach(&r->c, b, v->theta) < NEAR)) continue;
    PetscCall(PetscArraycpy(r->theta, v->theta, v->n));
    PetscCall(PetscArrayzero(r->theta + b->first, b->n * (b->n + 1) / 2));
    PetscCall(Evaluate(r, r->theta, &r->trial));
    *accepted = NotLower(r);
    if (!*accepted) continue;
    Accept(r, "boundary");
    b->kind = BLOCK_ZERO;
    Arrive(r, 0.0);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One round: the largest share of average information whose step is not downhill */
static PetscErrorCode Step(Reml *r, bool *accepted)
{
  static const char *const names[] = {"ai", "ai-em", "em-ai", "em"};
  double                   told    = 0.0;

  PetscFunctionBegin;
  PetscCall(TryNothing(r, accepted));
  if (*accepted) PetscFunctionReturn(PETSC_SUCCESS);
  for (int s = r->v->em_only ? 3 : -1; s < 4 && !*accepted; s++) {
    double share;

    if (s < 0 ? !r->c.n_pairs || !CoordinatesSecantStep(&r->c, r->step) : !CoordinatesStep(&r->c, SHARES[s], r->step)) continue;
    share = Share(r, r->step);
    if (s < 0 && share < 1.0) continue;
    if (share < 1.0 && !s) {
      PetscCall(TryBoundaries(r, r->step, accepted));
      if (*accepted) break; /* as coordinates change */
      if (!CoordinatesStep(&r->c, SHARES[s], r->step)) continue;
      share = Share(r, r->step);
    }
    if (share == 0.0) continue;
    for (int half = 0; half < (s == 3 || (s == 0 && r->c.pinned) ? 20 : 1) && !*accepted; half++) {
      if (half) share *= 0.5;
      CoordinatesMove(r->v, &r->c, r->v->theta, share, r->step, r->theta);
      PetscCall(Evaluate(r, r->theta, &r->trial));
      *accepted = NotLower(r) || Flatter(r);
    }
    if (!*accepted) continue;
    Accept(r, s < 0 ? "secant" : names[s]);
    if (r->v->gradient < NEAR) told = share;
  }
  if (*accepted) Arrive(r, told);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The variance of component x of a term that adds to an observation as much as the residual */
static double Unit(const Reml *r, const Block *b, int x)
{
  const MeritVarcomp v     = r->v;
  const int          trait = v->formula->term[b->term].component[x].trait;

  return v->theta[r->c.block[r->c.n_blocks - 1].first + trait * (trait + 1) / 2 + trait] / r->unit_scale[b->first + x * (x + 1) / 2 + x];
}

/* Does the likelihood rise from a matrix of 0, whatever the direction? Its derivatives, a symmetric matrix, are then not negative definite. */
static PetscErrorCode RisesFromZero(Reml *r, const Block *b, bool *rises)
{
  double S[64 * 64], F[64 * 64];

  PetscFunctionBegin;
  for (int x = 0; x < b->n; x++) r->theta[b->first + x * (x + 1) / 2 + x] = 1e-6 * Unit(r, b, x);
  PetscCall(Evaluate(r, r->theta, &r->trial));
  for (int x = 0, at = b->first; x < b->n; x++)
    for (int y = 0; y <= x; y++, at++)
      S[x * b->n + y] = S[y * b->n + x] = -(x == y ? 1.0 : 0.5) * r->trial.score[at] * sqrt(Unit(r, b, x) * Unit(r, b, y));
  *rises = !MeritDenseCholesky(b->n, S, F);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* At a maximum on the boundary: does the likelihood rise from there? Then the matrix is freed. */
static PetscErrorCode Release(Reml *r, bool *released)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  *released = false;
  for (int i = 0; i < r->c.n_blocks && !*released; i++) {
    Block *b = &r->c.block[i];

    if (b->fixed || b->kind == BLOCK_FREE || b->term == v->left_out || b->n_released > 1) continue;
    PetscCall(PetscArraycpy(r->theta, v->theta, v->n));
    if (b->kind == BLOCK_ZERO) PetscCall(RisesFromZero(r, b, released));
    else {
      const int last = b->order[b->n - 1];

      *released = r->now.score[b->first + last * (last + 1) / 2 + last] > 0.0;
    }
    if (!*released) continue;
    CoordinatesRemember(&r->c, NULL, NULL);
    b->n_released++;
    for (int x = 0; x < b->n; x++) {
      double *variance = &v->theta[b->first + x * (x + 1) / 2 + x];

      *variance = b->kind == BLOCK_ZERO ? 1e-3 * Unit(r, b, x) : 1.001 * *variance;
    }
    b->kind = BLOCK_FREE;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Report(Reml *r, double gradient)
{
  MeritVarcomp            v     = r->v;
  const MeritVarcompRound round = {.round          = v->rounds,
                                   .estimate       = v->theta,
                                   .log_likelihood = r->now.log_likelihood,
                                   .gradient       = gradient,
                                   .change         = v->rounds ? r->change : NAN,
                                   .step           = r->kind,
                                   .seconds        = MPI_Wtime() - v->start};

  PetscFunctionBegin;
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
  if (done) v->gradient = r->c.m ? Length(r, r->step) : 0.0;
  if (done) PetscFunctionReturn(PETSC_SUCCESS);
  v->stop = MERIT_VARCOMP_MAX_ROUNDS;
  while (true) {
    bool go;

    if (fresh) {
      PetscCall(Evaluate(r, v->theta, &r->now));
      CoordinatesSet(v, &r->c, v->theta, &r->now);
      if (!v->rounds) PetscCall(VarcompCheckInformation(v, &r->c));
    }
    fresh       = false;
    v->gradient = r->c.m ? Length(r, r->step) : 0.0;
    PetscCall(Report(r, v->gradient));
    if (v->gradient <= r->tolerance) {
      PetscCall(TryNothing(r, &go));
      v->rounds += go;
      if (go) continue;
      PetscCall(Release(r, &fresh));
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
    PetscCall(Step(r, &go));
    v->rounds++;
    if (go) continue;
    /* rounding is all that is left of a step that small */
    v->stop = v->gradient < 1e3 * r->tolerance ? MERIT_VARCOMP_CONVERGED : MERIT_VARCOMP_STUCK;
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

/* Sampling covariance J H^-1 J', and what the noise of the score adds: J H^-1 J' noise J H^-1 J' */
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
    v->has_covariance = CoordinatesStep(c, 0.0, r->column);
    for (int i = 0; i < c->m; i++) r->inverse[i * c->m + j] = r->column[i];
  }
  c->g = g;
  if (!v->has_covariance) return;
  Back(c, r->inverse, v->covariance);
  for (int i = 0; i < n * n; i++) v->has_noise = v->has_noise || r->now.noise[i] != 0.0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      A[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) A[i * n + j] += r->now.noise[i * n + k] * v->covariance[k * n + j];
    }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      v->monte_carlo[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) v->monte_carlo[i * n + j] += v->covariance[i * n + k] * A[k * n + j];
    }
}

static void States(Reml *r)
{
  MeritVarcomp v = r->v;

  for (int i = 0; i < r->c.n_blocks; i++) {
    const Block *b = &r->c.block[i];

    BlockFinish(v, b, v->theta);
    for (int x = b->first; x < b->first + b->n * (b->n + 1) / 2; x++)
      v->state[x] = v->component[x].fixed || (b->term >= 0 && b->term == v->left_out) ? MERIT_ESTIMATE_FIXED
                    : b->kind == BLOCK_FREE                                          ? MERIT_ESTIMATE_OK
                                                                                     : MERIT_ESTIMATE_BOUNDARY;
  }
}

/* A term that is left out, or whose variance the user fixes at 0, is a block of 0 from the start */
static void Zeros(Reml *r)
{
  MeritVarcomp v = r->v;

  for (int i = 0; i < r->c.n_blocks; i++) {
    Block *b    = &r->c.block[i];
    bool   zero = b->fixed;

    for (int x = b->first; x < b->first + b->n * (b->n + 1) / 2; x++) {
      if (b->term >= 0 && b->term == v->left_out) v->theta[x] = 0.0;
      zero = zero && v->theta[x] == 0.0;
    }
    if (zero || (b->term >= 0 && b->term == v->left_out)) b->kind = BLOCK_ZERO;
  }
}

/* VarcompLikelihood - See the header. Collective. */
PetscErrorCode VarcompLikelihood(MeritVarcomp v)
{
  Reml         r = {.v = v, .kind = "start", .tolerance = v->tolerance};
  const size_t n = (size_t)v->n;

  PetscFunctionBegin;
  if (v->engine == &VarcompEngine_Sampled) r.tolerance = PetscMax(r.tolerance, 1e-3);
  PetscCall(CoordinatesCreate(v, &r.c));
  PetscCall(PointCreate(v->n, &r.now));
  PetscCall(PointCreate(v->n, &r.trial));
  PetscCall(PetscCalloc7(n, &r.theta, n, &r.step, n, &r.unit, n, &r.column, n, &r.whole, n * n, &r.inverse, n, &r.unit_scale));
  PetscCall(VarcompScales(v, r.unit_scale));
  Zeros(&r);
  PetscCall(Iterate(&r));
  v->log_likelihood = r.now.log_likelihood;
  Covariances(&r);
  States(&r);
  PetscCall(PetscFree7(r.theta, r.step, r.unit, r.column, r.whole, r.inverse, r.unit_scale));
  PetscCall(PointFree(&r.now));
  PetscCall(PointFree(&r.trial));
  PetscCall(CoordinatesDestroy(&r.c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

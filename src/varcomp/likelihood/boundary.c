/*
  The states of a covariance matrix, G of a term or R of a residual class, while a likelihood is maximised, and how it comes from one to another.

    free              its elements are the coordinates that steps are taken in
    singular, rank r  G = L L', 1 <= r < order; the elements of the r columns of L are the coordinates
    zero              no coordinates

    free          -> singular, rank one less    the whole step goes beyond the boundary for three rounds in a row, of which the last added no more
                     (order 1: zero)            than SETTLED to the log-likelihood, and the likelihood of the nearest matrix of that rank is not
                                                lower; of a variance next to 0, also where the step takes most of it
    singular, r   -> singular, r - 1            the last column of L lies within REML_NEAR standard errors of 0, and the likelihood without it is
                     (rank 1: zero)             not lower
    free          -> zero                       at once, where a residual variance is so small that equations lose their digits
    singular, zero -> free                      the gradient vanishes, and the likelihood rises from there inwards; twice at most
    zero                                        from the start, and for good: a term that is left out, a variance that the user fixes at 0

  A transition that is refused costs one evaluation: it is tried again only when the matrix has come a hundred times nearer to the boundary.
  A matrix of which covariances stay at 0 is as many matrices as it has groups of components without a covariance between them, one of each variance where it
  is diagonal (blocks.c): each has a state of its own. One of which other elements are fixed stays free.

  Equations have no G^-1 where G is 0, and do without; but all of them have R^-1, so of a singular R the missing pivots, and of an R of 0 the
  variances, are kept at a small share of the trait's variance, `floor`. The estimates at the end are those of the limit, to first order.
*/
#include "reml.h"
#include <math.h>

/* Below this share of the others a variance may be taken for 0 without a likelihood to ask */
static const double SMALL = 1e-3;
/* Rounds in a row whose step goes beyond the boundary, for the boundary to be tried */
enum { BEYOND = 3 };
/* As long as a round adds more than this to the log-likelihood, no matrix is made singular: other variances may be far from where they go */
static const double SETTLED = 1.0;
/* How much nearer a matrix must be for a boundary to be tried that was refused */
static const double NEARER = 1e-2;
/* Fraction of the phenotypic variance at which the derivatives of a matrix of 0 are taken: a factor loses as many digits */
static const double NEXT_TO_ZERO = 1e-6;
/* Least pivots of the points by which a singular matrix is told */
static const double APART = 5e-5;
/* Gradient, in standard errors, beside such a matrix */
static const double NEXT_TOLERANCE = 1e-5;
/* Estimates that are off by this share have standard errors that are as good */
static const double AS_GOOD = 1e-7;

/* Variance of an observation of a trait, on average */
static double Total(const Reml *r, int trait)
{
  const MeritVarcomp v   = r->v;
  double             sum = 0.0;

  for (int i = 0; i < v->n; i++) {
    const MeritComponent *c = &v->component[i];

    if (c->row != c->column) continue;
    if (c->term < 0 && c->row == trait) sum += v->run.theta[i] / v->formula->n_residuals;
    if (c->term >= 0 && v->formula->term[c->term].component[c->row].trait == trait) sum += v->run.theta[i] * r->scale[i];
  }
  return sum;
}

/* The variance of component x that alone would give an observation the variance that it has */
static double Unit(const Reml *r, const Block *b, int x)
{
  if (b->term < 0) return Total(r, b->row[x]);
  return Total(r, r->v->formula->term[b->term].component[b->row[x]].trait) / r->scale[BlockAt(b, x, x)];
}

/* Before a matrix leaves the free state */
static void SetFloor(const Reml *r, Block *b)
{
  for (int x = 0; b->kind == BLOCK_FREE && b->term < 0 && x < b->n; x++) b->floor[x] = r->v->run.engine->residual_floor * Unit(r, b, x);
}

/* Is there a likelihood, or is the variance so small that its score decides? */
static bool MayVanish(const Reml *r, const Block *b)
{
  if (isfinite(r->point.log_likelihood)) return true;
  return BlockPivot(b, r->v->run.theta) < SMALL * (b->n == 1 ? Unit(r, b, 0) : 1.0);
}

/* Is a residual variance already below what stands for 0? Then it is 0: equations with so small a one lose their digits. */
static bool Below(const Reml *r, const Block *b)
{
  return b->term < 0 && b->n == 1 && b->kind == BLOCK_FREE && r->v->run.theta[BlockAt(b, 0, 0)] < r->v->run.engine->residual_floor * Unit(r, b, 0);
}

/* The trial, at which b is what it is now, becomes the point if its likelihood is not lower; else b is what it was */
static PetscErrorCode JudgeTrial(Reml *r, Block *b, const Block *was, bool *accepted)
{
  PetscFunctionBegin;
  PetscCall(RemlEvaluate(r, r->trial_theta, &r->trial));
  *accepted = Below(r, was) ? RemlHasScore(r) : RemlNotLower(r);
  if (*accepted) {
    RemlAccept(r, "boundary");
    CoordinatesRemember(&r->c, NULL, NULL);
    b->refused = b->refused_lower = 0.0;
  } else *b = *was;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The block becomes singular, the others staying what they are, and remains so if the likelihood is not lower there */
static PetscErrorCode TryBoundary(Reml *r, Block *b, bool *accepted)
{
  MeritVarcomp v   = r->v;
  const Block  was = *b;

  PetscFunctionBegin;
  SetFloor(r, b);
  PetscCall(PetscArraycpy(r->trial_theta, v->run.theta, v->n));
  if (b->n == 1) BlockZero(b, r->trial_theta);
  else BlockPin(v, b, r->trial_theta);
  PetscCall(JudgeTrial(r, b, &was, accepted));
  if (!*accepted) b->refused = BlockPivot(b, v->run.theta);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does the whole step go beyond the boundary, or bring next to nothing even nearer? */
static bool Beyond(const Reml *r, const Block *b)
{
  const double now = BlockPivot(b, r->v->run.theta), then = BlockPivot(b, r->theta_full);

  if (b->n > 1) return !(then > 1e-6);
  return !(then > 0.0) || (now < SMALL * Unit(r, b, 0) && then < REML_KEEP * now);
}

/* BoundaryTry - See the header. Collective. */
PetscErrorCode BoundaryTry(Reml *r, const double step[], bool *accepted)
{
  PetscFunctionBegin;
  *accepted = false;
  CoordinatesMove(r->v, &r->c, r->v->run.theta, 1.0, step, r->trial_theta);
  PetscCall(PetscArraycpy(r->theta_full, r->trial_theta, r->v->n));
  for (int i = 0; i < r->c.n_blocks && !*accepted; i++) {
    Block *b = &r->c.block[i];

    if (b->kind != BLOCK_FREE || b->fixed || !b->all_free) continue;
    b->n_beyond = Beyond(r, b) ? b->n_beyond + 1 : 0;
    if (!Below(r, b) && (b->n_beyond < BEYOND || !MayVanish(r, b) || r->gain > SETTLED)) continue;
    if (!Below(r, b) && b->refused > 0.0 && BlockPivot(b, r->v->run.theta) > NEARER * b->refused) continue;
    PetscCall(TryBoundary(r, b, accepted));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* BoundaryTryLower - See the header; there the derivatives by its root vanish whatever the likelihood does. Collective. */
PetscErrorCode BoundaryTryLower(Reml *r, bool *accepted)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  *accepted = false;
  for (int i = 0; i < r->c.n_blocks && !*accepted && isfinite(r->point.log_likelihood); i++) {
    Block       *b     = &r->c.block[i];
    const Block  was   = *b;
    const double reach = BlockReach(&r->c, b, v->run.theta);

    if (!(reach < REML_NEAR) || (b->refused_lower > 0.0 && reach > NEARER * b->refused_lower)) continue;
    PetscCall(PetscArraycpy(r->trial_theta, v->run.theta, v->n));
    if (b->free_pivots > 1) BlockPin(v, b, r->trial_theta);
    else BlockZero(b, r->trial_theta);
    PetscCall(JudgeTrial(r, b, &was, accepted));
    if (*accepted) RemlArrive(r, 0.0);
    else b->refused_lower = reach;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does the likelihood rise from a matrix of 0, whatever the direction? Its derivatives, a symmetric matrix, are then not negative definite. */
static PetscErrorCode RisesFromZero(Reml *r, const Block *b, bool *rises)
{
  double S[MERIT_MAX_BLOCK], F[MERIT_MAX_BLOCK];

  PetscFunctionBegin;
  for (int x = 0; x < b->n && b->term >= 0; x++) r->trial_theta[BlockAt(b, x, x)] = NEXT_TO_ZERO * Unit(r, b, x);
  PetscCall(RemlEvaluate(r, r->trial_theta, &r->trial));
  for (int x = 0; x < b->n; x++)
    for (int y = 0; y <= x; y++)
      S[x * b->n + y] = S[y * b->n + x] = -(x == y ? 1.0 : 0.5) * r->trial.score[BlockAt(b, x, y)] * sqrt(Unit(r, b, x) * Unit(r, b, y));
  *rises = !MeritDenseCholesky(b->n, S, F);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The matrix is free again, a little inside */
static void FreeBlock(Reml *r, Block *b)
{
  MeritVarcomp v = r->v;

  CoordinatesRemember(&r->c, NULL, NULL);
  for (int x = 0; x < b->n; x++) {
    const int at = BlockAt(b, x, x);

    r->trial_theta[at] = b->kind == BLOCK_ZERO ? 1e-3 * Unit(r, b, x) : 1.001 * v->run.theta[at];
  }
  for (int x = 0; x < b->n; x++) v->run.theta[BlockAt(b, x, x)] = r->trial_theta[BlockAt(b, x, x)];
  b->kind    = BLOCK_FREE;
  b->refused = b->refused_lower = 0.0;
  b->n_released++;
}

/* BoundaryRelease - See the header. Collective. */
PetscErrorCode BoundaryRelease(Reml *r, bool *released)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  *released = false;
  for (int i = 0; i < r->c.n_blocks && !*released; i++) {
    Block *b = &r->c.block[i];

    if (b->fixed || b->kind == BLOCK_FREE || (b->term >= 0 && b->term == v->settings.left_out) || b->n_released > 1) continue;
    PetscCall(PetscArraycpy(r->trial_theta, v->run.theta, v->n));
    if (b->kind == BLOCK_ZERO) PetscCall(RisesFromZero(r, b, released));
    else {
      const int last = b->order[b->n - 1];

      *released = r->point.score[BlockAt(b, last, last)] > 0.0;
    }
    if (*released) FreeBlock(r, b);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* BoundaryTolerance - See the header. Not collective. */
double BoundaryTolerance(const Reml *r)
{
  for (int i = 0; i < r->c.n_blocks; i++)
    if (r->c.block[i].term < 0 && r->c.block[i].kind != BLOCK_FREE) return PetscMax(r->tolerance, NEXT_TOLERANCE);
  return r->tolerance;
}

/* BoundaryZeros - See the header. Not collective. */
void BoundaryZeros(Reml *r)
{
  MeritVarcomp v = r->v;

  for (int i = 0; i < r->c.n_blocks; i++) {
    Block *b    = &r->c.block[i];
    bool   zero = b->fixed;

    for (int x = 0; x < b->n; x++)
      for (int y = 0; y <= x; y++) {
        if (b->term >= 0 && b->term == v->settings.left_out) v->run.theta[BlockAt(b, x, y)] = 0.0;
        zero = zero && v->run.theta[BlockAt(b, x, y)] == 0.0;
      }
    if (zero || (b->term >= 0 && b->term == v->settings.left_out)) b->kind = BLOCK_ZERO;
    SetFloor(r, b);
    if (b->term >= 0 || !b->all_free) continue;
    if (Below(r, b)) BlockZero(b, v->run.theta);
    else if (b->n > 1 && BlockPivot(b, v->run.theta) < r->v->run.engine->residual_floor) BlockPin(v, b, v->run.theta);
  }
}

/* Point so many times as far from the limit r->theta_limit as we are; far: singular matrices farther away */
static void Apart(Reml *r, double times, bool far)
{
  MeritVarcomp v = r->v;

  for (int i = 0; i < v->n; i++) r->trial_theta[i] = v->run.theta[i];
  for (int i = 0; i < r->c.n_blocks; i++) {
    const Block *b     = &r->c.block[i];
    const double share = b->term < 0 ? r->v->run.engine->residual_floor : BLOCK_NEXT_TO_ZERO;
    const double away  = times * (far && b->kind == BLOCK_PINNED ? PetscMax(APART / share, 1.0) : 1.0);

    for (int x = 0; x < b->n * b->n; x++) {
      const int at = BlockAt(b, x / b->n, x % b->n);

      r->trial_theta[at] = r->theta_limit[at] + away * (v->run.theta[at] - r->theta_limit[at]);
    }
  }
}

/* The values of the limit r->theta_limit by a line or a parabola through points once, twice, three times as far away; without their Monte Carlo covariance */
static PetscErrorCode Extrapolate(Reml *r, bool far, VarcompPoint *limit, bool *found)
{
  static const double weight[2][3] = {{2.0, -1.0, 0.0}, {3.0, -3.0, 1.0}};
  const int           n            = r->v->n;

  PetscFunctionBegin;
  limit->log_likelihood = 0.0;
  PetscCall(PetscArrayzero(limit->score, n));
  PetscCall(PetscArrayzero(limit->information, n * n));
  *found = true;
  for (int p = 0; p < 3 && *found && weight[far][p] != 0.0; p++) {
    Apart(r, p + 1.0, far);
    PetscCall(RemlEvaluate(r, r->trial_theta, &r->trial));
    *found = RemlHasScore(r);
    limit->log_likelihood += weight[far][p] * r->trial.log_likelihood;
    for (int i = 0; i < n; i++) limit->score[i] += weight[far][p] * r->trial.score[i];
    for (int i = 0; i < n * n; i++) limit->information[i] += weight[far][p] * r->trial.information[i];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Residual matrices next to singular become singular: all other components go to where the score of the limit vanishes, and likelihood and information
  are those of the limit. Once more from there, if that is elsewhere.
*/
static PetscErrorCode ResidualLimit(Reml *r, VarcompPoint *limit)
{
  MeritVarcomp v     = r->v;
  Coordinates *c     = &r->c;
  bool         found = true;

  PetscFunctionBegin;
  for (int pass = 0; pass < 2 && found; pass++) {
    double most = 0.0;

    PetscCall(PetscArraycpy(r->theta_limit, v->run.theta, v->n));
    for (int i = 0; i < c->n_blocks; i++)
      if (c->block[i].term < 0) BlockFinish(v, &c->block[i], r->theta_limit);
    PetscCall(Extrapolate(r, false, limit, &found));
    if (!found) break;
    r->point.log_likelihood = limit->log_likelihood;
    PetscCall(PetscArraycpy(r->point.score, limit->score, v->n));
    PetscCall(PetscArraycpy(r->point.information, limit->information, v->n * v->n));
    CoordinatesSet(v, c, v->run.theta, &r->point);
    if (c->damped || !CoordinatesStep(c, r->step)) break;
    CoordinatesMove(v, c, v->run.theta, 1.0, r->step, r->trial_theta);
    for (int i = 0; i < v->n; i++)
      if (v->run.theta[i] != 0.0) most = PetscMax(most, fabs(r->trial_theta[i] / v->run.theta[i] - 1.0));
    if (!RemlInside(r, r->trial_theta, NULL)) break;
    PetscCall(PetscArraycpy(v->run.theta, r->trial_theta, v->n));
    found = most > AS_GOOD;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The set of singular matrices is bent by the score across it, which next to the boundary is a difference of large numbers: it is taken from points that
  are far enough away.
*/
static PetscErrorCode Bend(Reml *r, VarcompPoint *limit)
{
  MeritVarcomp v     = r->v;
  Coordinates *c     = &r->c;
  bool         found = false;

  PetscFunctionBegin;
  PetscCall(PetscArraycpy(r->theta_limit, v->run.theta, v->n));
  for (int i = 0; i < c->n_blocks; i++) BlockFinish(v, &c->block[i], r->theta_limit);
  PetscCall(Extrapolate(r, true, limit, &found));
  for (int i = 0; i < c->n_blocks && found; i++) {
    const Block *b = &c->block[i];

    for (int x = 0; b->kind == BLOCK_PINNED && x < b->n * b->n; x++) {
      const int at = BlockAt(b, x / b->n, x % b->n);

      r->point.score[at] = limit->score[at];
    }
  }
  CoordinatesSet(v, c, v->run.theta, &r->point);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* From next to the boundary to the boundary */
static PetscErrorCode ToLimit(Reml *r)
{
  const int    n     = r->v->n;
  VarcompPoint limit = {0};
  bool         residual = false, pinned = false;

  PetscFunctionBegin;
  for (int i = 0; i < r->c.n_blocks; i++) {
    residual = residual || (r->c.block[i].term < 0 && r->c.block[i].kind != BLOCK_FREE);
    pinned   = pinned || r->c.block[i].kind == BLOCK_PINNED;
  }
  PetscCall(PetscMalloc2(n, &limit.score, (size_t)(n * n), &limit.information));
  if (residual) PetscCall(ResidualLimit(r, &limit));
  if (pinned) PetscCall(Bend(r, &limit));
  PetscCall(PetscFree2(limit.score, limit.information));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* BoundaryStates - See the header. Collective. */
PetscErrorCode BoundaryStates(Reml *r)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  PetscCall(ToLimit(r));
  PetscCall(PetscArraycpy(v->run.solvable, v->run.theta, v->n));
  for (int x = 0; x < v->n; x++) v->results.state[x] = MERIT_ESTIMATE_FIXED;
  for (int i = 0; i < r->c.n_blocks; i++) {
    const Block *b = &r->c.block[i];

    BlockFinish(v, b, v->run.theta);
    for (int x = 0; x < b->n * b->n; x++) {
      const int at = BlockAt(b, x / b->n, x % b->n);

      if (b->term >= 0) v->run.solvable[at] = v->run.theta[at];
      if (v->component[at].fixed || (b->term >= 0 && b->term == v->settings.left_out)) continue;
      v->results.state[at] = b->kind == BLOCK_FREE ? MERIT_ESTIMATE_OK : MERIT_ESTIMATE_BOUNDARY;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

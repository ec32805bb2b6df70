/*
  The states of a covariance matrix, G of a term or R of a residual class, while a likelihood is
  maximised, and how it changes from one to another.

     free              the coordinates of steps are its elements
     singular, rank r  G = L L', 1 <= r < order; those of the r columns of L
     zero              no coordinates

  free -> singular, of a rank less by one (order 1: zero): the whole step goes beyond the
  boundary in three rounds in a row, the last of them added no more than GAIN_SETTLED to the
  log-likelihood, and the likelihood of the nearest matrix of that rank is not lower. Of a
  variance next to 0 a step that takes most of it counts as well.

  singular, r -> singular, r - 1 (rank 1: zero): the last column of L is within REML_ERRORS_FROM_ZERO
  standard errors of 0, and the likelihood without it is not lower.

  free -> zero, at once: a residual variance is so small that equations lose their digits.

  singular, zero -> free: the gradient vanishes, and the likelihood rises from there to the
  inside; twice at most.

  zero from the start, and for good: a term that is left out, a variance that the user fixes at
  0.

  A transition that is refused costs one evaluation. It is tried again only when the matrix is a
  hundred times nearer to the boundary. Covariances that stay at 0 divide a matrix into blocks
  (blocks.c), each with a state of its own: a diagonal matrix has one for each variance. A block
  of which other elements are fixed stays free.

  Where G is 0 or singular, equations can be made without G^-1, but all equations need R^-1. So
  the missing pivots of a singular R, and the variances of an R of 0, are kept at a small
  fraction of the trait's variance, `floor`. The estimates at the end are those of the limit, to
  first order (BoundaryStates).
*/
#include "reml.h"
#include <math.h>

/*
  Without a likelihood to ask, a variance may be tried as 0 if it is below this fraction of what
  an observation has, a matrix as singular if its least pivot is below it
*/
static const double FRACTION_TRIED_AS_ZERO = 1e-3;
/* The boundary is tried after so many rounds in a row whose step goes beyond it */
enum { BEYOND = 3 };
/*
  As long as a round adds more than this to the log-likelihood, no matrix is made singular:
  other variances may be far from where they go
*/
static const double GAIN_SETTLED = 1.0;
/* A boundary that was refused is tried again when the matrix is nearer to it by this factor */
static const double NEARER = 1e-2;
/*
  Fraction of the phenotypic variance at which the derivatives of a matrix of 0 are taken: a
  factor loses as many digits
*/
static const double NEXT_TO_ZERO = 1e-6;
/*
  Least pivots, as fractions of variances, of the points from which the values at a singular
  matrix are extrapolated
*/
static const double PIVOT_EXTRAPOLATED = 5e-5;
/*
  Least tolerance of the gradient, in standard errors, where a residual matrix is next to
  singular
*/
static const double NEXT_TOLERANCE = 1e-5;
/*
  Estimates that change by less than this fraction of themselves leave standard errors as they
  are
*/
static const double AS_GOOD = 1e-7;

/*
  Variance of an observation of a trait, on average over records, at the point: the variances of
  its components times their scales, and the residual variances of the classes averaged
*/
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

/*
  The variance of component x of the block that alone would give an observation the variance
  that it has: the unit in which a variance is small or large
*/
static double Unit(const Reml *r, const Block *b, int x)
{
  if (b->term < 0) return Total(r, b->row[x]);
  return Total(r, r->v->formula->term[b->term].component[b->row[x]].trait) / r->scale[BlockAt(b, x, x)];
}

/*
  Before a matrix leaves the free state: what will replace a residual variance of 0. Fixed from
  then on, so that the likelihood of later rounds is that of one model.
*/
static void SetFloor(const Reml *r, Block *b)
{
  for (int x = 0; b->kind == BLOCK_FREE && b->term < 0 && x < b->n; x++) b->floor[x] = r->v->run.engine->residual_floor * Unit(r, b, x);
}

/*
  May the boundary be tried? With a likelihood always, as it decides. Without one, as of sampled
  traces, only if the variance or the least pivot is below FRACTION_TRIED_AS_ZERO.
*/
static bool MayVanish(const Reml *r, const Block *b)
{
  if (isfinite(r->point.log_likelihood)) return true;
  return BlockPivot(b, r->v->run.theta) < FRACTION_TRIED_AS_ZERO * (b->n == 1 ? Unit(r, b, 0) : 1.0);
}

/*
  Is a residual variance already below what replaces 0? Then it is made 0 without a comparison
  of likelihoods: equations with so small a one lose their digits.
*/
static bool Below(const Reml *r, const Block *b)
{
  return b->term < 0 && b->n == 1 && b->kind == BLOCK_FREE && r->v->run.theta[BlockAt(b, 0, 0)] < r->v->run.engine->residual_floor * Unit(r, b, 0);
}

/*
  The engine is asked for r->trial_theta, at which b has its new state. If the likelihood is not
  lower, the trial becomes the point, and all pairs of steps are forgotten since coordinates
  change; else b is again what it was. Collective.
*/
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

/*
  The block becomes singular, of rank one less, or zero if it is a single variance; the others
  stay what they are. If that is refused, the least pivot is kept: it is tried again only much
  nearer to the boundary. Collective.
*/
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

/*
  Does the whole step, neither bent nor halved, go beyond the boundary? A single variance
  counts, too, if it is small and the step would take most of it.
*/
static bool Beyond(const Reml *r, const Block *b)
{
  const double now = BlockPivot(b, r->v->run.theta), then = BlockPivot(b, r->theta_full);

  if (b->n > 1) return !(then > 1e-6);
  return !(then > 0.0) || (now < FRACTION_TRIED_AS_ZERO * Unit(r, b, 0) && then < REML_PIVOT_KEPT * now);
}

/*
  BoundaryTry - See the header. Blocks with fixed elements are not tried. At most one block
  changes in a round, since the likelihood must be that of this change. Collective.
*/
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
    if (!Below(r, b) && (b->n_beyond < BEYOND || !MayVanish(r, b) || r->gain > GAIN_SETTLED)) continue;
    if (!Below(r, b) && b->refused > 0.0 && BlockPivot(b, r->v->run.theta) > NEARER * b->refused) continue;
    PetscCall(TryBoundary(r, b, accepted));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  BoundaryTryLower - See the header. At a rank that is lower the derivatives by the last column
  of L vanish whatever the likelihood does, so steps alone would approach it without end.
  Collective.
*/
PetscErrorCode BoundaryTryLower(Reml *r, bool *accepted)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  *accepted = false;
  for (int i = 0; i < r->c.n_blocks && !*accepted && isfinite(r->point.log_likelihood); i++) {
    Block       *b     = &r->c.block[i];
    const Block  was   = *b;
    const double reach = BlockReach(&r->c, b, v->run.theta);

    if (!(reach < REML_ERRORS_FROM_ZERO) || (b->refused_lower > 0.0 && reach > NEARER * b->refused_lower)) continue;
    PetscCall(PetscArraycpy(r->trial_theta, v->run.theta, v->n));
    if (b->free_pivots > 1) BlockPin(v, b, r->trial_theta);
    else BlockZero(b, r->trial_theta);
    PetscCall(JudgeTrial(r, b, &was, accepted));
    if (*accepted) RemlArrive(r, 0.0);
    else b->refused_lower = reach;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Does the likelihood rise from a matrix of 0 in some direction? Its derivatives there form a
  symmetric matrix; the likelihood falls in all directions if it is negative definite. A
  component off the diagonal is two elements, so its derivative counts half for each. For a term
  they are taken at small variances, since a factor has no derivatives at 0; a residual matrix
  is next to 0 already. r->trial is work. Collective.
*/
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

/*
  The matrix is free again, a little inside: variances of a matrix of 0 become a thousandth of
  what an observation has, those of a singular matrix a thousandth larger, which leaves all
  pivots positive
*/
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

/*
  BoundaryRelease - See the header. A singular matrix is freed if the score of the variance of
  its last pivot, across the boundary, is positive. A matrix that came back twice stays: rounds
  would not end. Collective.
*/
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

/*
  BoundaryZeros - See the header. All of the term that is left out is 0, and matrices whose
  elements are all fixed at 0. Residual starts that are too near to singular for the equations
  begin at the boundary. Not collective.
*/
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

/*
  r->trial_theta: the point, `times` times as far from the limit r->theta_limit as it is. far:
  singular matrices lie farther away, so that their small pivots are PIVOT_EXTRAPOLATED of the variance.
*/
static void Apart(Reml *r, double times, bool far)
{
  MeritVarcomp v = r->v;

  for (int i = 0; i < v->n; i++) r->trial_theta[i] = v->run.theta[i];
  for (int i = 0; i < r->c.n_blocks; i++) {
    const Block *b        = &r->c.block[i];
    const double fraction = b->term < 0 ? r->v->run.engine->residual_floor : BLOCK_NEXT_TO_ZERO;
    const double away     = times * (far && b->kind == BLOCK_SINGULAR ? PetscMax(PIVOT_EXTRAPOLATED / fraction, 1.0) : 1.0);

    for (int x = 0; x < b->n * b->n; x++) {
      const int at = BlockAt(b, x / b->n, x % b->n);

      r->trial_theta[at] = r->theta_limit[at] + away * (v->run.theta[at] - r->theta_limit[at]);
    }
  }
}

/*
  The values at the limit r->theta_limit, from those at points once, twice and, if far, three
  times as far away: by a line (weights 2, -1) or a parabola (3, -3, 1). Likelihood, score and
  information are smooth there, but the equations cannot be made at the limit itself. *found is
  false where a point has no score. Their Monte Carlo covariance is not extrapolated.
  Collective.
*/
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
  Residual matrices next to singular become singular: all other components go to where the score
  of the limit vanishes, by one step with its information; likelihood and information are those
  of the limit. Once more from there, if that changes an estimate by more than AS_GOOD of
  itself. Collective.
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
  Standard errors along singular matrices need the score across them (SingularCurvature). Next to
  the boundary it is a difference of large numbers, so it is extrapolated from points that are
  far enough away; likelihood and information stay as they are. Collective.
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

    for (int x = 0; b->kind == BLOCK_SINGULAR && x < b->n * b->n; x++) {
      const int at = BlockAt(b, x / b->n, x % b->n);

      r->point.score[at] = limit->score[at];
    }
  }
  CoordinatesSet(v, c, v->run.theta, &r->point);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  From next to the boundary to the boundary, if some matrix is there: first residual matrices,
  whose limit moves the other components, then the curvature of singular ones. Collective.
*/
static PetscErrorCode ToLimit(Reml *r)
{
  const int    n        = r->v->n;
  VarcompPoint limit    = {0};
  bool         residual = false, singular = false;

  PetscFunctionBegin;
  for (int i = 0; i < r->c.n_blocks; i++) {
    residual = residual || (r->c.block[i].term < 0 && r->c.block[i].kind != BLOCK_FREE);
    singular = singular || r->c.block[i].kind == BLOCK_SINGULAR;
  }
  PetscCall(PetscMalloc2(n, &limit.score, (size_t)(n * n), &limit.information));
  if (residual) PetscCall(ResidualLimit(r, &limit));
  if (singular) PetscCall(Bend(r, &limit));
  PetscCall(PetscFree2(limit.score, limit.information));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  BoundaryStates - See the header. v->run.theta has the estimates in their limit,
  v->run.solvable what equations can have: residual matrices as they were in the rounds. A
  term's matrix can be singular in equations. Collective.
*/
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

/* The states of the covariance matrices while a likelihood is maximised, free, singular or zero, and how a matrix comes from one to another. */
#include "reml.h"
#include <math.h>

/* Below this share of the others a variance may be taken for 0 without a likelihood to ask */
static const double SMALL = 1e-3;
/* Rounds in a row whose step goes beyond the boundary, for the boundary to be tried */
enum { BEYOND = 3 };
/* As long as a round adds more than this to the log-likelihood, no matrix is made singular: other variances may be far from where they go */
static const double SETTLED = 1.0;

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

  if (!CoordinatesStep(c, step)) return false;
  for (int i = 0; i < c->m; i++) unit[i] = i == one;
  c->g     = unit;
  definite = CoordinatesStep(c, r->column);
  c->g     = g;
  if (!definite) return false;
  beyond = (to - step[one]) / r->column[one];
  for (int i = 0; i < c->m; i++) step[i] += beyond * r->column[i];
  return isfinite(beyond);
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
    if (!RemlInside(r, r->theta, b)) PetscCall(PetscArraycpy(r->theta, v->theta, v->n));
    b->kind            = BLOCK_ZERO;
    r->theta[b->first] = 0.0;
  } else BlockPin(v, b, r->theta);
  PetscCall(RemlEvaluate(r, r->theta, &r->trial));
  *accepted = RemlNotLower(r);
  if (*accepted) {
    RemlAccept(r, "boundary");
    CoordinatesRemember(&r->c, NULL, NULL);
  } else *b = was;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* BoundaryTry - See the header. Collective. */
PetscErrorCode BoundaryTry(Reml *r, const double step[], bool *accepted)
{
  PetscFunctionBegin;
  *accepted = false;
  CoordinatesMove(r->v, &r->c, r->v->theta, 1.0, step, r->theta);
  PetscCall(PetscArraycpy(r->whole, r->theta, r->v->n));
  for (int i = 0; i < r->c.n_blocks && !*accepted; i++) {
    Block *b = &r->c.block[i];

    if (b->kind == BLOCK_ZERO || b->fixed || (b->n > 1 && !b->whole) || (b->n == 1 && b->term < 0)) continue;
    b->n_beyond = BlockPivot(b, r->whole) > (b->n == 1 ? 0.0 : 1e-6) ? 0 : b->n_beyond + 1;
    if (b->n_beyond < BEYOND || (b->kind == BLOCK_PINNED && b->free_pivots < 2) || !MayVanish(r, b) || r->gain > SETTLED) continue;
    PetscCall(TryBoundary(r, b, accepted));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* BoundaryTryNothing - See the header; there the derivatives by its root vanish whatever the likelihood does. Collective. */
PetscErrorCode BoundaryTryNothing(Reml *r, bool *accepted)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  *accepted = false;
  for (int i = 0; i < r->c.n_blocks && !*accepted && isfinite(r->now.log_likelihood); i++) {
    Block *b = &r->c.block[i];

    if (b->term < 0 || !(BlockReach(&r->c, b, v->theta) < REML_NEAR)) continue;
    PetscCall(PetscArraycpy(r->theta, v->theta, v->n));
    PetscCall(PetscArrayzero(r->theta + b->first, b->n * (b->n + 1) / 2));
    PetscCall(RemlEvaluate(r, r->theta, &r->trial));
    *accepted = RemlNotLower(r);
    if (!*accepted) continue;
    RemlAccept(r, "boundary");
    b->kind = BLOCK_ZERO;
    RemlArrive(r, 0.0);
  }
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
  PetscCall(RemlEvaluate(r, r->theta, &r->trial));
  for (int x = 0, at = b->first; x < b->n; x++)
    for (int y = 0; y <= x; y++, at++)
      S[x * b->n + y] = S[y * b->n + x] = -(x == y ? 1.0 : 0.5) * r->trial.score[at] * sqrt(Unit(r, b, x) * Unit(r, b, y));
  *rises = !MeritDenseCholesky(b->n, S, F);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* BoundaryRelease - See the header. Collective. */
PetscErrorCode BoundaryRelease(Reml *r, bool *released)
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

/* BoundaryZeros - See the header. Not collective. */
void BoundaryZeros(Reml *r)
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

/* BoundaryStates - See the header. Not collective. */
void BoundaryStates(Reml *r)
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

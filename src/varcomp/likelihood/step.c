/*
  One round: a step by the expected information as far as it follows from the average
  information (expected.c), bent back where it leaves the parameter space, near the end by the
  average information corrected by the steps before. Where that and half of it lower the
  likelihood, the information of complete data is mixed in until it does not (Jensen et al.
  1997), up to a step of EM.
*/
#include "reml.h"
#include <math.h>
#include <petscblaslapack.h>

/*
  Kinds of steps, in the order in which they are tried, and their shares of complete-data
  information
*/
enum { SECANT, SCORING, EM = 4 };
static const char *const NAMES[]        = {"secant", "ai", "ai-em", "em-ai", "em"};
static const double      EM_FRACTIONS[] = {0.0, 0.0, 0.3, 0.7, 1.0};
/*
  Gradient, in standard errors, below which the fall of the gradient along a step corrects the
  information
*/
static const double GRADIENT_CORRECTS = 0.3;
/*
  Fraction of itself by which a likelihood may fall, from rounding, in a step that shortens the
  gradient
*/
static const double FALL_BY_ROUNDING = 1e-10;

/* How a move went */
typedef struct {
  double fraction;   /* of the step, after halving */
  bool   inside;     /* is the point one of the parameter space? */
  bool   as_planned; /* neither halved nor bent */
} Way;

/*
  Length of the gradient at the trial, in standard errors. Coordinates are set to the trial for
  this and then back to the point; r->moved is work.
*/
static double TrialGradient(Reml *r)
{
  double length;

  CoordinatesSet(r->v, &r->c, r->trial_theta, &r->trial);
  length = RemlLength(r, r->moved);
  CoordinatesSet(r->v, &r->c, r->v->run.theta, &r->point);
  return length;
}

/*
  Near the maximum the likelihood no longer changes by more than its rounding, but the gradient
  still does: a step is good, too, that shortens the gradient and lowers the likelihood by less
  than FALL_BY_ROUNDING of itself. Only where a full step would gain less than that, g'H^-1 g < blur.
*/
static bool Flatter(Reml *r)
{
  const double blur = FALL_BY_ROUNDING * fabs(r->point.log_likelihood);

  if (!(r->v->results.gradient * r->v->results.gradient < blur)) return false;
  return r->trial.log_likelihood >= r->point.log_likelihood - blur && TrialGradient(r) < r->v->results.gradient;
}

/*
  A <- F^-1 A F^-T, or F A F' (back); F [n * n] a Cholesky factor, A symmetric. Each of two
  passes solves or multiplies from the left and transposes the product, so that both sides are
  done.
*/
static void CongruentByFactor(int n, const double *F, bool back, double *A)
{
  double B[MERIT_MAX_BLOCK];

  for (int side = 0; side < 2; side++) { /* the product, transposed */
    for (int j = 0; j < n; j++)
      for (int i = 0; i < n; i++) {
        double sum = back ? 0.0 : A[i * n + j];

        for (int k = 0; back && k <= i; k++) sum += F[i * n + k] * A[k * n + j];
        for (int k = 0; !back && k < i; k++) sum -= F[i * n + k] * B[j * n + k];
        B[j * n + i] = back ? sum : sum / F[i * n + i];
      }
    for (int i = 0; i < n * n; i++) A[i] = B[i];
  }
}

/*
  What remains of a matrix G = F F' in theta along each axis: theta's matrix is F A F'; lambda
  [n] are the eigenvalues of A, ascending, and the rows of A its eigenvectors. An eigenvalue of
  1 is a variance that does not change, of 0 one that becomes 0. They do not depend on the basis
  of the components. False where G is not definite.
*/
static bool Axes(const Reml *r, const Block *b, const double theta[], double *F, double *A, double lambda[])
{
  double       G[MERIT_MAX_BLOCK], work[MERIT_MAX_COMPONENTS * (MERIT_MAX_COMPONENTS + 2)];
  PetscBLASInt n = b->n, room = MERIT_MAX_COMPONENTS * (MERIT_MAX_COMPONENTS + 2), info = 0;

  BlockGet(b, r->v->run.theta, G);
  BlockGet(b, theta, A);
  if (!MeritDenseCholesky(n, G, F)) return false;
  CongruentByFactor(n, F, false, A);
  LAPACKsyev_("V", "L", &n, A, &n, lambda, work, &room, &info);
  return !info;
}

/*
  RemlInside - See the header. Free matrices must keep at least REML_PIVOT_KEPT of what they are at
  the point along every axis, up to rounding; singular ones are kept by their coordinates. Not
  collective.
*/
bool RemlInside(const Reml *r, const double theta[], const Block *but)
{
  double F[MERIT_MAX_BLOCK], A[MERIT_MAX_BLOCK], lambda[MERIT_MAX_COMPONENTS];

  for (int i = 0; i < r->c.n_blocks; i++) {
    const Block *b = &r->c.block[i];

    if (b == but || b->kind != BLOCK_FREE || b->fixed) continue;
    if (!Axes(r, b, theta, F, A, lambda) || !(lambda[0] >= 0.99 * REML_PIVOT_KEPT)) return false;
  }
  return true;
}

/*
  What becomes of a variance of which a step would leave the fraction `part`: that itself, down
  to a half; below, 1 / (4 (1 - part)), which has the same value and slope there, down to
  REML_PIVOT_KEPT
*/
static double Bent(double part) { return part >= 0.5 ? part : PetscMax(0.25 / (1.0 - part), REML_PIVOT_KEPT); }

/*
  Bend a matrix back along the axes where a step goes too far; the other axes have the whole
  step. False: nothing was to bend, theta is as it was.
*/
static bool BendBlock(const Reml *r, const Block *b, double theta[])
{
  double F[MERIT_MAX_BLOCK], A[MERIT_MAX_BLOCK], G[MERIT_MAX_BLOCK], lambda[MERIT_MAX_COMPONENTS];

  if (!Axes(r, b, theta, F, A, lambda) || lambda[0] >= 0.5) return false;
  for (int i = 0; i < b->n; i++)
    for (int j = 0; j < b->n; j++) {
      G[i * b->n + j] = 0.0;
      for (int k = 0; k < b->n; k++) G[i * b->n + j] += A[k * b->n + i] * Bent(lambda[k]) * A[k * b->n + j];
    }
  CongruentByFactor(b->n, F, true, G);
  BlockPut(r->v, b, G, theta);
  return true;
}

/*
  This fraction of the step to r->trial_theta. Matrices without fixed elements are bent where
  the step goes too far; those with fixed elements cannot be bent without a change of these, so
  the whole step is halved until they are inside. Collective.
*/
static PetscErrorCode Move(Reml *r, double fraction, Way *way)
{
  MeritVarcomp v = r->v;

  PetscFunctionBegin;
  *way = (Way){.fraction = fraction, .as_planned = true};
  for (int i = 0; i < 60 && !way->inside; i++) {
    if (i) way->fraction *= 0.5, way->as_planned = false;
    CoordinatesMove(v, &r->c, v->run.theta, way->fraction, r->step, r->trial_theta);
    for (int k = 0; k < r->c.n_blocks; k++) {
      const Block *b = &r->c.block[k];

      if (b->kind == BLOCK_FREE && b->all_free && BendBlock(r, b, r->trial_theta)) way->as_planned = false;
    }
    way->inside = RemlInside(r, r->trial_theta, NULL);
  }
  /* the same on every rank, whatever processors they have */
  PetscCallMPI(MPI_Bcast(way, sizeof(*way), MPI_BYTE, 0, v->comm));
  PetscCallMPI(MPI_Bcast(r->trial_theta, v->n, MPI_DOUBLE, 0, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The step of a kind to r->step, if it exists: the matrix of its equations must be definite.
  Where a matrix is singular, a scoring step takes the average information, which has the
  curvature of the set of singular matrices; the expected information does not. Collective.
*/
static PetscErrorCode Direct(Reml *r, int kind, bool *found)
{
  int good;

  PetscFunctionBegin;
  if (kind == SECANT) good = r->c.n_pairs && CoordinatesSecantStep(&r->c, r->step);
  else if (kind == SCORING && r->c.singular) good = CoordinatesStep(&r->c, r->step);
  else good = CoordinatesScoringStep(&r->c, EM_FRACTIONS[kind], r->step);
  PetscCallMPI(MPI_Bcast(&good, 1, MPI_INT, 0, r->v->comm));
  PetscCallMPI(MPI_Bcast(r->step, r->c.m, MPI_DOUBLE, 0, r->v->comm));
  *found = good;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RemlStep - See the header. Collective.

  Kinds of steps are tried in the order of NAMES until one does not lower the likelihood: the
  secant step once, and only if it is neither bent nor halved; scoring also with half of the
  step; the mixtures once; EM with up to nineteen halvings, and so scoring where a matrix is
  singular, since EM cannot move that. A scoring step that goes beyond the boundary gives cause
  to try the boundary first (BoundaryTry); after that the direction is computed anew, since the
  trial was used.
*/
PetscErrorCode RemlStep(Reml *r, bool *accepted)
{
  double taken = 0.0;

  PetscFunctionBegin;
  PetscCall(BoundaryTryLower(r, accepted));
  if (*accepted) PetscFunctionReturn(PETSC_SUCCESS);
  for (int kind = r->v->settings.em_only ? EM : SECANT; kind <= EM && !*accepted; kind++) {
    const int most = kind == EM || (kind == SCORING && r->c.singular) ? 20 : kind == SCORING ? 2 : 1;
    bool      found;
    Way       way;

    PetscCall(Direct(r, kind, &found));
    if (found) PetscCall(Move(r, 1.0, &way));
    if (found && kind == SCORING && !way.as_planned) {
      PetscCall(BoundaryTry(r, r->step, accepted));
      if (*accepted) break; /* as coordinates change */
      PetscCall(Direct(r, kind, &found));
      if (found) PetscCall(Move(r, 1.0, &way));
    }
    if (!found || !way.inside || (kind == SECANT && !way.as_planned)) continue;
    for (int half = 0; half < most && !*accepted; half++) {
      if (half) PetscCall(Move(r, 0.5 * way.fraction, &way));
      PetscCall(RemlEvaluate(r, r->trial_theta, &r->trial));
      *accepted = RemlNotLower(r) || Flatter(r);
    }
    if (!*accepted) continue;
    RemlAccept(r, NAMES[kind]);
    if (r->v->results.gradient < GRADIENT_CORRECTS && way.as_planned) taken = way.fraction;
  }
  if (*accepted) RemlArrive(r, taken);
  PetscFunctionReturn(PETSC_SUCCESS);
}

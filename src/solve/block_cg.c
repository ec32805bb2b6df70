/*
  Block conjugate gradients (O'Leary 1980) for right-hand sides that share C: each solution is
  taken from the space that the directions of all of them span. Matrices are [n * k], right-hand
  side fastest. With R the residuals, a step is:

  1. Z = M^-1 R, W = C Z.
  2. One reduction: H = Z'W, B = S'Z, Z'R (S = C P of the last step), and squares for the
     criteria.
  3. P <- Z T + P Q with Q = -B T, so that the new directions are conjugate to the last ones. T
     is such that they are orthonormal in C among each other: (Z - P B)'C (Z - P B) = H - B'B =
     V diag(lambda) V', T = V diag(lambda)^-1/2 (after Dubrulle 2001).
  4. S <- W T + S Q, alpha = P'R = T'Z'R, X += P alpha, R -= S alpha.

  Directions whose lambda is rounding are left out: others cover them already. So dependent,
  equal or zero right-hand sides do no harm. A run ends on the recursive residual, the solve
  only on the true one, which is computed after each run.
*/
#include "solver_impl.h"
#include <merit/kernels.h>
#include <math.h>
#include <petscblaslapack.h>

/* Right-hand sides that go together */
enum { WIDEST = 32 };
/* Fraction of a direction (its squared length in C) that must be new beside all others for it to be
   kept. */
static const double NEW = 1e-11;

/* Work space of one block of right-hand sides, and the coefficients of a step. */
typedef struct {
  int     k, q;                                /* right-hand sides; directions kept in the last step */
  double *r, *z, *w, *p, *s, *next_p, *next_s; /* [n * k] (z, w with room for ghosts); columns of p, s from q on are 0 */
  double *sums;                                /* H = z'w, B = s'z, z'r [k * k each], r'r, r'D^-1 r, dx'dx, x'x [k each] */
  double *T, *Q, *alpha;                       /* [k * k] next p = z T + p Q, x += p alpha */
  double *norm_r, *norm_scaled;                /* [k] of the right-hand sides */
} Work;

/* All arrays, set to 0; z and w have room for the ghosts of the operator. */
static PetscErrorCode Allocate(MeritSolver s, int k, Work *w)
{
  const size_t n = (size_t)s->n * (size_t)k + 1, square = (size_t)(k * k);
  int64_t      room;

  PetscFunctionBegin;
  w->k = k;
  PetscCall(MeritMMEWorkLength(s->C, k, &room));
  PetscCall(PetscCalloc7(n, &w->r, room + 1, &w->z, room + 1, &w->w, n, &w->p, n, &w->s, n, &w->next_p, n, &w->next_s));
  PetscCall(PetscCalloc6(3 * square + 4 * (size_t)k, &w->sums, square, &w->T, square, &w->Q, square, &w->alpha, k, &w->norm_r, k, &w->norm_scaled));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the arrays. */
static PetscErrorCode Free(Work *w)
{
  PetscFunctionBegin;
  PetscCall(PetscFree7(w->r, w->z, w->w, w->p, w->s, w->next_p, w->next_s));
  PetscCall(PetscFree6(w->sums, w->T, w->Q, w->alpha, w->norm_r, w->norm_scaled));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* to [k * k] = A'B, row-major, of this rank; A, B [n * k] row-major. BLAS has columns first, so
   it sees A' and B', and makes B'A, which is A'B row-major. */
static PetscErrorCode Gram(int32_t n, int k, const double *A, const double *B, double *to)
{
  const double one = 1.0, zero = 0.0;
  PetscBLASInt rows = (PetscBLASInt)n, size = (PetscBLASInt)k;

  PetscFunctionBegin;
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "T", &size, &size, &rows, &one, B, &size, A, &size, &zero, to, &size));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* C = A B + keep * C; A, C [n * k], B [k * k], all row-major (transposed for BLAS). */
static PetscErrorCode Multiply(int32_t n, int k, const double *A, const double *B, double keep, double *C)
{
  const double one  = 1.0;
  PetscBLASInt rows = (PetscBLASInt)n, size = (PetscBLASInt)k;

  PetscFunctionBegin;
  if (n) PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &size, &rows, &size, &one, B, &size, A, &size, &keep, C, &size));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* sums[j] = x'x and scaled[j] = x'D^-1 x of right-hand side j, this rank's parts; x [n * k]. */
static void Squares(MeritSolver s, int k, const double *x, double *sums, double *scaled)
{
  for (int j = 0; j < k; j++) sums[j] = scaled[j] = 0.0;
  for (int32_t i = 0; i < s->n; i++)
    for (int j = 0; j < k; j++) {
      const double square = x[(int64_t)i * k + j] * x[(int64_t)i * k + j];

      sums[j] += square;
      scaled[j] += square * s->D_inverse[i];
    }
}

/* ||r|| and ||r|| in the norm of D^-1 for each right-hand side: what residuals are relative to.
   Collective. */
static PetscErrorCode RightHandNorms(MeritSolver s, const double r[], Work *w)
{
  PetscFunctionBegin;
  Squares(s, w->k, r, w->sums, w->sums + w->k);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, w->sums, 2 * w->k, MPI_DOUBLE, MPI_SUM, s->comm));
  for (int j = 0; j < w->k; j++) {
    w->norm_r[j]      = sqrt(w->sums[j]);
    w->norm_scaled[j] = sqrt(w->sums[w->k + j]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* z = M^-1 r, w = C z, and all sums. Those of dx and x are of the step before, which wrote this
   rank's parts; the same reduction adds them up. Collective. */
static PetscErrorCode Expand(MeritSolver s, Work *w)
{
  const int k = w->k, square = k * k;

  PetscFunctionBegin;
  PetscCall(PetscArraycpy(w->z, w->r, (size_t)s->n * (size_t)k));
  PetscCall(MeritPCApplyInPlace(s->pc, k, w->r, w->z));
  PetscCall(MeritMMEApplyInPlace(s->C, k, w->z, w->w));
  PetscCall(Gram(s->n, k, w->z, w->w, w->sums));
  PetscCall(Gram(s->n, k, w->s, w->z, w->sums + square));
  PetscCall(Gram(s->n, k, w->z, w->r, w->sums + 2 * square));
  Squares(s, k, w->r, w->sums + 3 * square, w->sums + 3 * square + k);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, w->sums, 3 * square + 4 * k, MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Residuals and change of the worst right-hand side; those that are 0 do not count. Changes by
   term are not computed. */
static void Read(MeritSolver s, const Work *w, MeritIteration *it)
{
  const double *rr = w->sums + 3 * w->k * w->k;

  it->residual = it->residual_scaled = it->change = 0.0;
  for (int j = 0; j < w->k; j++) {
    if (w->norm_r[j] == 0.0) continue;
    it->residual        = MeritWorst(it->residual, sqrt(rr[j]) / w->norm_r[j]);
    it->residual_scaled = MeritWorst(it->residual_scaled, sqrt(rr[w->k + j]) / w->norm_scaled[j]);
    if (rr[3 * w->k + j] != 0.0) it->change = MeritWorst(it->change, sqrt(rr[2 * w->k + j] / rr[3 * w->k + j]));
  }
  if (it->iteration == 0) it->change = NAN;
  for (int i = 0; i < s->n_terms; i++) s->term_change[i] = NAN;
}

/* T [k * q] with (z T + p Q)'C(z T + p Q) = I, from the eigenvectors of G = H - B'B. Rows and
   columns of G are first scaled to directions of length 1 in C, so that NEW means the same for
   all. B counts for the w->q directions of the last step; w->q becomes the number kept. */
static PetscErrorCode Directions(Work *w)
{
  const int     k = w->k;
  const double *H = w->sums, *B = w->sums + k * k;
  double       *G, *scale, *lambda, *work;
  PetscBLASInt  n = (PetscBLASInt)k, room = 8 * n, info;

  PetscFunctionBegin;
  PetscCall(PetscMalloc4((size_t)(k * k), &G, k, &scale, k, &lambda, room, &work));
  for (int i = 0; i < k; i++) scale[i] = w->norm_r[i] > 0.0 && H[i * k + i] > 0.0 ? 1.0 / sqrt(H[i * k + i]) : 0.0;
  for (int i = 0; i < k; i++)
    for (int j = 0; j < k; j++) {
      double sum = 0.5 * (H[i * k + j] + H[j * k + i]);

      for (int d = 0; d < w->q; d++) sum -= B[d * k + i] * B[d * k + j];
      G[i * k + j] = sum * scale[i] * scale[j];
    }
  PetscCallBLAS("LAPACKsyev", LAPACKsyev_("V", "L", &n, G, &n, lambda, work, &room, &info));
  PetscCall(PetscArrayzero(w->T, k * k));
  w->q = 0;
  for (int c = k - 1; c >= 0 && !info; c--) {
    if (!(lambda[c] > NEW)) break;
    for (int i = 0; i < k; i++) w->T[i * k + w->q] = scale[i] * G[c * k + i] / sqrt(lambda[c]);
    w->q++;
  }
  PetscCall(PetscFree4(G, scale, lambda, work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* T, Q = -B T and alpha = T'(Z'R). Rank 0 decides on T and its number of columns, since
   eigenvectors of nearly equal eigenvalues depend on rounding; then all ranks have the same.
   Collective. */
static PetscErrorCode Coefficients(MeritSolver s, Work *w)
{
  const int     k = w->k, before = w->q;
  const double *B = w->sums + k * k, *ZR = w->sums + 2 * k * k;

  PetscFunctionBegin;
  PetscCall(Directions(w));
  /* all ranks must keep the same directions */
  PetscCallMPI(MPI_Bcast(&w->q, 1, MPI_INT, 0, s->comm));
  PetscCallMPI(MPI_Bcast(w->T, k * k, MPI_DOUBLE, 0, s->comm));
  for (int i = 0; i < k; i++)
    for (int c = 0; c < k; c++) {
      double q = 0.0, a = 0.0;

      for (int j = 0; j < k && i < before; j++) q -= B[i * k + j] * w->T[j * k + c];
      for (int j = 0; j < k; j++) a += w->T[j * k + i] * ZR[j * k + c];
      w->Q[i * k + c]     = q;
      w->alpha[i * k + c] = a;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One step of all right-hand sides; sums of dx'dx and x'x of this rank. next_p and next_s hold
   the new directions, and after the exchange of pointers the changes of x and r. Not collective. */
static PetscErrorCode Step(MeritSolver s, Work *w, double *x)
{
  const int k = w->k;
  double   *swap, *dx = w->sums + 3 * k * k + 2 * k, *xx = dx + k;

  PetscFunctionBegin;
  PetscCall(Multiply(s->n, k, w->z, w->T, 0.0, w->next_p));
  PetscCall(Multiply(s->n, k, w->p, w->Q, 1.0, w->next_p));
  PetscCall(Multiply(s->n, k, w->w, w->T, 0.0, w->next_s));
  PetscCall(Multiply(s->n, k, w->s, w->Q, 1.0, w->next_s));
  swap = w->p, w->p = w->next_p, w->next_p = swap;
  swap = w->s, w->s = w->next_s, w->next_s = swap;
  PetscCall(Multiply(s->n, k, w->p, w->alpha, 0.0, w->next_p));
  PetscCall(Multiply(s->n, k, w->s, w->alpha, 0.0, w->next_s));
  for (int j = 0; j < k; j++) dx[j] = xx[j] = 0.0;
  for (int32_t i = 0; i < s->n; i++)
    for (int j = 0; j < k; j++) {
      const int64_t at = (int64_t)i * k + j;

      x[at] += w->next_p[at];
      w->r[at] -= w->next_s[at];
      dx[j] += w->next_p[at] * w->next_p[at];
      xx[j] += x[at] * x[at];
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Iterate from x with its true residual in w->r until the criterion holds by the recursion
   (*holds), no direction is left, or the iterations are used up. It begins without old
   directions. Collective. */
static PetscErrorCode Run(MeritSolver s, Work *w, double *x, MeritIteration *it, bool *holds)
{
  const size_t n     = (size_t)s->n * (size_t)w->k;
  bool         fresh = true;

  PetscFunctionBegin;
  *holds = false;
  w->q   = 0;
  PetscCall(PetscArrayzero(w->p, n));
  PetscCall(PetscArrayzero(w->s, n));
  PetscCall(PetscArrayzero(w->sums, 3 * w->k * w->k + 4 * w->k));
  while (true) {
    PetscCall(Expand(s, w));
    if (!fresh || it->iteration == 0) {
      Read(s, w, it);
      PetscCall(MeritSolverReport(s, it));
      *holds = MeritSolverCriterion(s, it) <= s->settings.rtol;
    }
    if (*holds || !(it->residual >= 1e-17) || it->iteration >= s->settings.max_it) break;
    PetscCall(Coefficients(s, w));
    if (!w->q) break;
    PetscCall(Step(s, w, x));
    it->iteration++;
    fresh = false;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One block of at most WIDEST right-hand sides: runs until the true residual is good too, no
   longer halves, or the iterations are used up. A solution of a right-hand side that is 0 is 0.
   Collective. */
static PetscErrorCode SolveBlock(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  const double   goal = MeritSolverResidualGoal(s);
  MeritIteration it   = {0};
  double         last = INFINITY;
  Work           w    = {0};

  PetscFunctionBegin;
  PetscCall(Allocate(s, k, &w));
  PetscCall(RightHandNorms(s, r, &w));
  for (int64_t i = 0; i < (int64_t)s->n * k; i++)
    if (w.norm_r[i % k] == 0.0) x[i] = 0.0;
  PetscCall(MeritSolverTrueResidual(s, k, r, x, w.r, &result->true_residual));
  while (result->stop == MERIT_STOP_NONE) {
    bool holds;

    PetscCall(Run(s, &w, x, &it, &holds));
    PetscCall(MeritSolverTrueResidual(s, k, r, x, w.r, &result->true_residual));
    /* a criterion on the change has no goal for the residual: that must be near the recursive
       one */
    if (holds && result->true_residual <= (goal > 0.0 ? goal : MeritWorst(10.0 * it.residual, 1e-15))) result->stop = MERIT_STOP_CONVERGED;
    else if (it.iteration >= s->settings.max_it) result->stop = MERIT_STOP_MAX_IT;
    else if (!(result->true_residual < 0.5 * last)) result->stop = result->true_residual < 1e-6 ? MERIT_STOP_ROUNDING_FLOOR : MERIT_STOP_BREAKDOWN;
    last               = result->true_residual;
    result->iterations = it.iteration;
  }
  PetscCall(Free(&w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritSolverBlockCG - Solve for k right-hand sides together, WIDEST at a time.

  Collective. r, x [n_owned * k], right-hand side fastest; the result is the worst of all blocks, its iterations those of the longest.
*/
PetscErrorCode MeritSolverBlockCG(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  /* each block begins as the whole does */
  const MeritSolveResult none = *result;
  double                *R, *X;

  PetscFunctionBegin;
  if (k <= WIDEST) {
    PetscCall(SolveBlock(s, k, r, x, result));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc2((size_t)s->n * WIDEST + 1, &R, (size_t)s->n * WIDEST + 1, &X));
  for (int first = 0; first < k; first += WIDEST) {
    const int        width = PetscMin(WIDEST, k - first);
    MeritSolveResult one   = none;

    for (int64_t i = 0; i < s->n; i++)
      for (int j = 0; j < width; j++) {
        R[i * width + j] = r[i * k + first + j];
        X[i * width + j] = x[i * k + first + j];
      }
    PetscCall(SolveBlock(s, width, R, X, &one));
    for (int64_t i = 0; i < s->n; i++)
      for (int j = 0; j < width; j++) x[i * k + first + j] = X[i * width + j];
    result->stop          = PetscMax(result->stop, one.stop);
    result->iterations    = PetscMax(result->iterations, one.iterations);
    result->true_residual = first ? MeritWorst(result->true_residual, one.true_residual) : one.true_residual;
  }
  PetscCall(PetscFree2(R, X));
  PetscFunctionReturn(PETSC_SUCCESS);
}

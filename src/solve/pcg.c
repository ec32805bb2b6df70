/*
  Preconditioned conjugate gradients with one reduction an iteration (Chronopoulos and Gear
  1989). With u = M^-1 r and w = C u,

    gamma = r'u,  delta = u'w,  beta = gamma / gamma_old,
    alpha = gamma / (delta - beta gamma / alpha_old),
    p = u + beta p,  s = w + beta s,  x = x + alpha p,  r = r - alpha s;  s is C p.

  The sums of all criteria are in the same reduction: those of r are made in the step before,
  and those of p and x too.

  A *run* iterates from a true residual until the recursive one meets the criterion. Then the
  true residual is computed. If it does not meet the criterion, the next run begins from the
  solution reached, unless the true residual no longer halves: that is the rounding floor.

  In mixed precision, products with genotypes are in single precision. The true residual, in
  double, then replaces the recursive one whenever this has fallen by a factor (van der Vorst
  and Ye 2000), and beta and alpha come from computed products, not from identities.

  Where the preconditioner has a joint (merit/pc.h), it goes through the data together with the
  operator, and the step completes w block by block, while that is in the cache. Several
  right-hand sides go to block_cg.c; k is 1 here.
*/
#include "pcg_impl.h"
#include <merit/kernels.h>
#include <merit/memory.h>
#include <merit/op.h>
#include <merit/packed.h>
#include <math.h>
#include <omp.h>
#include <string.h>

/*
  In mixed precision, relative to the last renewal of the residual:
  - RENEW_FIRST: the fall at which it is renewed, at first; RENEW_LEAST, RENEW_MOST: its limits.
  - DIFFERENCE_RESTART: a difference of the two residuals from which directions begin anew; DIFFERENCE_LARGE: from which
    renewals become more frequent; DIFFERENCE_SMALL: below which they become less frequent.
  - MARGIN: the recursive residual must meet this part of the bound.
*/
static const double RENEW_FIRST = 1e-2, RENEW_LEAST = 1e-4, RENEW_MOST = 0.2, DIFFERENCE_RESTART = 0.3, DIFFERENCE_LARGE = 1e-2,
                    DIFFERENCE_SMALL = 1e-4, MARGIN = 0.9;
/* Iterations without halving the residual, once it is near rounding, that end a run of the recursion */
enum { STALLED = 500 };
/* Equations of a step that stay in the cache between the preconditioner's part and its own */
enum { BLOCK = 4 * MERIT_ANIMAL_BLOCK };
/* What a step sums up */
enum { PP, XX, RR, RDR, N_SUMS };

/* PcgSumCount - Sums of one reduction, in order: for each right-hand side r'u, u'Cu, r'r, r'D^-1
   r; then for each right-hand side and term p'p and x'x; in mixed precision then the products of
   DirectionDots(). A matrix without terms counts as one term. */
int PcgSumCount(MeritSolver s, int k) { return k * (4 + 2 * PetscMax(s->n_terms, 1) + (s->mixed ? 4 : 0)); }

/* Set a vector to 0, on large pages where the system has them. */
static PetscErrorCode Clear(size_t n, double *vector)
{
  PetscFunctionBegin;
  MeritMemoryLargePages(vector, n * sizeof(*vector));
  PetscCall(PetscArrayzero(vector, n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All arrays of a solve, set to 0; u and w have room for the ghosts of the operator. A joint is
   not for mixed precision. */
static PetscErrorCode Allocate(MeritSolver s, int k, Pcg **work)
{
  const size_t n = (size_t)s->n * (size_t)k + 1;
  int64_t      room;
  Pcg         *w;

  PetscFunctionBegin;
  PetscCall(PetscNew(&w));
  PetscCall(MeritMMEWorkLength(s->C, k, &room));
  if (k == 1 && !s->mixed) PetscCall(MeritPCGetFusedPass(s->pc, &w->joint));
  PetscCall(PetscMalloc1(omp_get_max_threads() * N_SUMS, &w->partial));
  PetscCall(PetscMalloc5(n, &w->r, room + 1, &w->u, room + 1, &w->w, n, &w->p, n, &w->s));
  PetscCall(Clear(n, w->r));
  PetscCall(Clear((size_t)room + 1, w->u));
  PetscCall(Clear((size_t)room + 1, w->w));
  PetscCall(Clear(n, w->p));
  PetscCall(Clear(n, w->s));
  PetscCall(PetscCalloc6(k, &w->begin, PcgSumCount(s, k), &w->sums, k, &w->gamma, k, &w->alpha, k, &w->norm_r, k, &w->norm_scaled));
  *work = w;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what Allocate() made. */
static PetscErrorCode Free(Pcg **work)
{
  Pcg *w = *work;

  PetscFunctionBegin;
  PetscCall(PetscFree(w->partial));
  PetscCall(PetscFree5(w->r, w->u, w->w, w->p, w->s));
  PetscCall(PetscFree6(w->begin, w->sums, w->gamma, w->alpha, w->norm_r, w->norm_scaled));
  PetscCall(PetscFree(*work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Norms of the right-hand sides, plain and in the norm of D^-1: what residuals are relative to.
   Collective. */
static PetscErrorCode RightHandNorms(MeritSolver s, int k, const double r[], Pcg *w)
{
  double *sums;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(2 * (size_t)k, &sums));
  for (int32_t i = 0; i < s->n; i++)
    for (int j = 0; j < k; j++) {
      double square = r[(int64_t)i * k + j] * r[(int64_t)i * k + j];

      sums[j] += square;
      sums[k + j] += square * s->D_inverse[i];
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2 * k, MPI_DOUBLE, MPI_SUM, s->comm));
  for (int j = 0; j < k; j++) {
    w->norm_r[j]      = sqrt(sums[j]);
    w->norm_scaled[j] = sqrt(sums[k + j]);
  }
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* This rank's part of r'u and u'Cu. */
static void Dots(MeritSolver s, int k, const Pcg *w, double *sums)
{
  for (int j = 0; j < k; j++)
    MeritDots(omp_get_max_threads(), s->n, k, 2, (const double *const[]){w->r + j, w->w + j}, (const double *const[]){w->u + j, w->u + j},
              sums + 4 * j);
}

/* This rank's part of r'r and r'D^-1 r, for a residual that no step made: a step sums its own. */
static void Norms(MeritSolver s, int k, const Pcg *w, double *sums)
{
  for (int j = 0; j < k; j++) {
    double a = 0.0, b = 0.0;

    for (int32_t i = 0; i < s->n; i++) {
      const double r = w->r[(int64_t)i * k + j];

      a += r * r;
      b += r * r * s->D_inverse[i];
    }
    sums[4 * j + 2] = a;
    sums[4 * j + 3] = b;
  }
}

/* In mixed precision the last direction's products too, [4 * k] behind the others: u's, w'p, p's and r'p */
static void DirectionDots(MeritSolver s, int k, const Pcg *w, double *sums)
{
  for (int j = 0; j < k; j++)
    MeritDots(omp_get_max_threads(), s->n, k, 4, (const double *const[]){w->u + j, w->w + j, w->p + j, w->r + j},
              (const double *const[]){w->s + j, w->p + j, w->s + j, w->p + j}, sums + 4 * j);
}

/* alpha and beta of a right-hand side by what exact products make equal: r'p = 0 and w'p = u's =
   -gamma / alpha. The first direction of a run has beta 0. */
static void Recur(const Pcg *w, int j, double *alpha, double *beta)
{
  const double gamma = w->sums[4 * j], delta = w->sums[4 * j + 1];

  *beta  = w->begin[j] ? 0.0 : gamma / w->gamma[j];
  *alpha = gamma / (w->begin[j] ? delta : delta - *beta * gamma / w->alpha[j]);
}

/* The same by the products themselves, however rounded w is: beta = -u's / p's makes the new
   direction conjugate to the last one, alpha = r'p / p'C p of the new direction is the least
   error along it. */
static void Search(MeritSolver s, const Pcg *w, int k, int j, double *alpha, double *beta)
{
  const double *last = w->sums + 4 * (k + j) + 2 * PetscMax(s->n_terms, 1) * k;

  *beta  = w->begin[j] || !(last[2] > 0.0) ? 0.0 : -last[0] / last[2];
  *alpha = (w->sums[4 * j] + *beta * last[3]) / (w->sums[4 * j + 1] + *beta * (last[0] + last[1]) + *beta * *beta * last[2]);
}

/*
  One step: p <- u + beta p, s <- w + beta s, x <- x + alpha p, r <- r - alpha s over equations [first, last), and u <- r for the
  preconditioner to work on; adds to sums
*/
static inline __attribute__((always_inline)) void Move(const double *restrict D_inverse, int64_t first, int64_t last, int k, int j, double alpha,
                                                       double beta, const Pcg *w, double *restrict x, double sums[N_SUMS])
{
  double *restrict r = w->r, *restrict u = w->u, *restrict p = w->p, *restrict s = w->s;
  const double *restrict Cu = w->w;
  double pp = 0.0, xx = 0.0, rr = 0.0, rdr = 0.0;

#pragma omp simd reduction(+ : pp, xx, rr, rdr)
  for (int64_t i = first; i < last; i++) {
    const int64_t at        = i * k + j;
    const double  direction = u[at] + beta * p[at], change = Cu[at] + beta * s[at];
    const double  solution = x[at] + alpha * direction, residual = r[at] - alpha * change;

    p[at] = direction;
    s[at] = change;
    x[at] = solution;
    r[at] = residual;
    u[at] = residual;
    pp += direction * direction;
    xx += solution * solution;
    rr += residual * residual;
    rdr += residual * residual * D_inverse[i];
  }
  sums[PP] += pp;
  sums[XX] += xx;
  sums[RR] += rr;
  sums[RDR] += rdr;
}

/* A step over equations [first, last), which the joint, if given, has still to complete; sums
   [N_SUMS] of this rank. Threads have sums of their own, which are added in the order of
   threads. */
static void Step(MeritSolver s, MeritFusedPass joint, int n_eq, int64_t first, int64_t last, int k, int j, double alpha, double beta, Pcg *w,
                 double *x, double sums[N_SUMS])
{
  const int64_t block = joint ? (int64_t)MERIT_ANIMAL_BLOCK * n_eq : BLOCK, n_blocks = (last - first + block - 1) / block;
  int           n_threads = 1;

#pragma omp parallel
  {
    double *mine = w->partial + omp_get_thread_num() * N_SUMS;

#pragma omp single
    n_threads = omp_get_num_threads();
    for (int i = 0; i < N_SUMS; i++) mine[i] = 0.0;
#pragma omp for schedule(static)
    for (int64_t b = 0; b < n_blocks; b++) {
      const int64_t from = first + b * block, to = PetscMin(last, from + block);

      if (joint) MeritFusedPassFinish(joint, (int32_t)((from - first) / n_eq), (int32_t)((to - first) / n_eq), w->u, w->w);
      if (k == 1) Move(s->D_inverse, from, to, 1, 0, alpha, beta, w, x, mine);
      else Move(s->D_inverse, from, to, k, j, alpha, beta, w, x, mine);
    }
  }
  for (int i = 0; i < N_SUMS; i++) {
    sums[i] = 0.0;
    for (int thread = 0; thread < n_threads; thread++) sums[i] += w->partial[thread * N_SUMS + i];
  }
}

/* Where the equations of a term end on this rank; without terms (a dummy) all of them. */
static int64_t TermEnd(MeritSolver s, int i) { return s->n_terms ? s->term[i].eq_owned + (int64_t)s->term[i].n_owned * s->term[i].n_eq : s->n; }

/* A step of one right-hand side, term by term, for the criteria count changes by term. */
static void StepTerms(MeritSolver s, int k, int j, double alpha, double beta, Pcg *w, double *x)
{
  const int n_terms = PetscMax(s->n_terms, 1), joint = w->joint ? MeritFusedPassTerm(w->joint) : 0;
  double   *sums = w->sums + 4 * k + 2 * n_terms * j, *norms = w->sums + 4 * j + 2;

  norms[0] = norms[1] = 0.0;
  /* the joint's term first: it is completed by the fixed effects of u, which their own step overwrites */
  for (int n = 0; n < n_terms; n++) {
    const int     i     = (joint + n) % n_terms;
    const int64_t first = i ? TermEnd(s, i - 1) : 0;
    double        of_term[N_SUMS];

    Step(s, n == 0 ? w->joint : NULL, s->n_terms ? s->term[i].n_eq : 1, first, TermEnd(s, i), k, j, alpha, beta, w, x, of_term);
    sums[2 * i]     = of_term[PP];
    sums[2 * i + 1] = of_term[XX];
    norms[0] += of_term[RR];
    norms[1] += of_term[RDR];
  }
}

/* PcgRead - See the header. The change of a term is alpha ||p_k|| / ||x_k||, as x changed by
   alpha p. Not collective. */
void PcgRead(MeritSolver s, int k, Pcg *w, MeritIteration *it)
{
  const int n_terms = PetscMax(s->n_terms, 1);

  it->residual = it->residual_scaled = it->change = 0.0;
  for (int i = 0; i < s->n_terms; i++) s->term_change[i] = 0.0;
  for (int j = 0; j < k; j++) {
    const double *terms = w->sums + 4 * k + 2 * n_terms * j;
    double        pp = 0.0, xx = 0.0;

    if (w->norm_r[j] == 0.0) continue;
    it->residual        = MeritWorst(it->residual, sqrt(w->sums[4 * j + 2]) / w->norm_r[j]);
    it->residual_scaled = MeritWorst(it->residual_scaled, sqrt(w->sums[4 * j + 3]) / w->norm_scaled[j]);
    for (int i = 0; i < n_terms; i++) {
      pp += terms[2 * i];
      xx += terms[2 * i + 1];
      if (s->n_terms && terms[2 * i + 1] != 0.0)
        s->term_change[i] = MeritWorst(s->term_change[i], fabs(w->alpha[j]) * sqrt(terms[2 * i] / terms[2 * i + 1]));
    }
    if (xx != 0.0) it->change = MeritWorst(it->change, fabs(w->alpha[j]) * sqrt(pp / xx));
  }
  if (it->iteration == 0) {
    it->change = NAN;
    for (int i = 0; i < s->n_terms; i++) s->term_change[i] = NAN;
  }
}

/* Move every right-hand side one step; false if none has a direction left (all are rounding). */
static bool Advance(MeritSolver s, int k, Pcg *w, double *x)
{
  bool moved = false;

  for (int j = 0; j < k; j++) {
    double alpha, beta;

    if (s->mixed) Search(s, w, k, j, &alpha, &beta);
    else Recur(w, j, &alpha, &beta);
    if (!(w->sums[4 * j] > 0.0) || !(alpha > 0.0)) {
      /* this right-hand side rests: its direction is 0 until the next fresh start */
      w->alpha[j] = 0.0;
      w->gamma[j] = INFINITY;
      StepTerms(s, k, j, 0.0, 0.0, w, x);
      continue;
    }
    moved       = true;
    w->begin[j] = false;
    w->alpha[j] = alpha;
    w->gamma[j] = w->sums[4 * j];
    if (j == 0 && w->at.n_steps < MOST_STEPS) {
      w->steps[w->at.n_steps]    = alpha;
      w->ratios[w->at.n_steps++] = beta;
    }
    StepTerms(s, k, j, alpha, beta, w, x);
  }
  return moved;
}

/* The residual and what the preconditioner works on afresh, in double, after the step made u a
   copy of the recursive residual. Directions are kept (van der Vorst and Ye 2000) unless the two
   residuals are too far apart. That difference also sets how soon the next renewal comes.
   Collective. */
static PetscErrorCode Renew(MeritSolver s, int k, Pcg *w, const double *x)
{
  double relative, most = 0.0, *sums;

  PetscFunctionBegin;
  PetscCall(MeritMMESetPrecision(s->C, false));
  PetscCall(MeritSolverTrueResidual(s, k, w->rhs, x, w->r, &relative));
  PetscCall(MeritMMESetPrecision(s->C, true));
  PetscCall(PetscCalloc1(2 * (size_t)k, &sums));
  for (int64_t i = 0; i < (int64_t)s->n * k; i++) {
    const double apart = w->r[i] - w->u[i];

    sums[i % k] += apart * apart;
    sums[k + i % k] += w->u[i] * w->u[i];
    w->u[i] = w->r[i];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2 * k, MPI_DOUBLE, MPI_SUM, s->comm));
  for (int j = 0; j < k; j++) {
    const double apart = sums[k + j] > 0.0 ? sqrt(sums[j] / sums[k + j]) : INFINITY;

    w->begin[j] = w->begin[j] || apart > DIFFERENCE_RESTART;
    most        = PetscMax(most, apart);
  }
  if (most > DIFFERENCE_LARGE) w->at.renew = PetscMin(10.0 * w->at.renew, RENEW_MOST);
  if (most < DIFFERENCE_SMALL) w->at.renew = PetscMax(0.1 * w->at.renew, RENEW_LEAST);
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PcgApply - See the header. Collective. */
PetscErrorCode PcgApply(MeritSolver s, int k, Pcg *w)
{
  PetscFunctionBegin;
  if (w->joint) PetscCall(MeritFusedPassApply(w->joint, w->u, w->w, w->sums));
  else {
    PetscCall(MeritPCApplyInPlace(s->pc, k, w->r, w->u));
    PetscCall(MeritMMEApplyInPlace(s->C, k, w->u, w->w));
    Dots(s, k, w, w->sums);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Begin a run from x with w->r its true residual, of relative length `renewed`. The joint makes
   the fixed effects' part of r 0, which changes x. Collective. */
static PetscErrorCode Begin(MeritSolver s, int k, Pcg *w, double *x, double renewed, const MeritIteration *it)
{
  PetscFunctionBegin;
  w->at.n_steps = 0;
  w->at.renew   = RENEW_FIRST;
  w->at.renewed = renewed;
  w->at.best    = INFINITY;
  w->at.since   = it->iteration;
  for (int j = 0; j < k; j++) w->begin[j] = true;
  /* also with a joint, x and r are a solution and its residual after it */
  if (w->joint) PetscCall(MeritFusedPassStart(w->joint, w->u, x, w->r));
  PetscCall(PetscArraycpy(w->u, w->r, (size_t)s->n * (size_t)k));
  Norms(s, k, w, w->sums);
  if (s->mixed) PetscCall(MeritMMESetPrecision(s->C, true));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is there reason to end the run and look at the true residual? The recursive one is far below
   what rounding allows, or near that and no longer falling. */
static bool Look(PcgLoop *at, const MeritIteration *it, bool holds)
{
  if (it->residual < 1e-17) return true;
  if (it->residual < 0.5 * at->best) {
    at->best  = it->residual;
    at->since = it->iteration;
  }
  return at->best < 1e-9 && it->iteration - at->since > STALLED && !holds;
}

/*
  Iterate until the criterion holds by the recursion, the iterations are used up, or rounding stops it: from x with w->r its true residual,
  or, resumed, on from a step. *it goes on counting.
*/
static PetscErrorCode Run(MeritSolver s, int k, Pcg *w, double *x, double renewed, bool resumed, MeritIteration *it, bool *holds)
{
  const double bound = s->mixed ? MARGIN * s->settings.rtol : s->settings.rtol;
  bool         fresh = !resumed;

  PetscFunctionBegin;
  *holds = false;
  if (!resumed) PetscCall(Begin(s, k, w, x, renewed, it));
  for (bool skip = resumed;; skip = false) {
    if (!skip) {
      PetscCall(PcgApply(s, k, w));
      if (s->mixed) DirectionDots(s, k, w, w->sums + PcgSumCount(s, k) - 4 * k);
      PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, w->sums, PcgSumCount(s, k), MPI_DOUBLE, MPI_SUM, s->comm));
    }
    if (!skip && (!fresh || it->iteration == 0)) {
      PcgRead(s, k, w, it);
      PetscCall(MeritSolverReport(s, it));
      *holds = MeritSolverCriterion(s, it) <= bound;
      if (Look(&w->at, it, *holds)) break;
      if (!*holds && !fresh) PetscCall(PcgSaveIfDue(s, w, x, it));
    }
    if (*holds || it->iteration >= s->settings.max_it || !Advance(s, k, w, x)) break;
    it->iteration++;
    fresh = false;
    /* the step made u a copy of the recursive residual, which Renew() compares with the true one */
    if (s->mixed && it->residual <= w->at.renew * w->at.renewed) {
      w->at.renewed = it->residual;
      PetscCall(Renew(s, k, w, x));
      Norms(s, k, w, w->sums);
    }
  }
  if (s->mixed) PetscCall(MeritMMESetPrecision(s->C, false));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Bound on the relative error in the C norm from the least eigenvalue (Ritz value) of M^-1 C:
  ||x - x*||_C^2 <= q'M^-1 q / lambda_min, ||x||_C^2 = x'(r - q).
*/
static PetscErrorCode Bound(MeritSolver s, int k, const double r[], const double x[], Pcg *w, MeritSolveResult *result)
{
  double sums[2] = {0.0, 0.0};

  PetscFunctionBegin;
  if (k > 1 || !(result->lambda_min > 0.0)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscArraycpy(w->u, w->r, s->n));
  PetscCall(MeritPCApplyInPlace(s->pc, 1, w->r, w->u));
  for (int32_t i = 0; i < s->n; i++) {
    sums[0] += w->r[i] * w->u[i];
    sums[1] += x[i] * (r[i] - w->r[i]);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, s->comm));
  if (sums[1] > 0.0) result->error_bound = sqrt(sums[0] / (result->lambda_min * sums[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is a solution whose recursive residual meets the criterion also good by its true residual? For
   a criterion on the change, the true residual may be at most 10 times the recursive one. */
static bool IsTrue(MeritSolver s, double true_residual, double recursive)
{
  double goal = MeritSolverResidualGoal(s);

  return goal > 0.0 ? true_residual <= goal : true_residual <= MeritWorst(10.0 * recursive, 1e-15);
}

/* What the last run says: eigenvalues of the longest run so far (more steps give better
   estimates), the true residual, and whether to end. Below 1e-6 a residual that no longer halves
   is the rounding floor, above it a breakdown. Collective. */
static PetscErrorCode Judge(MeritSolver s, const MeritIteration *it, bool holds, Pcg *w, MeritSolveResult *result)
{
  PetscFunctionBegin;
  if (!PetscIsNormalReal(w->at.lambda_min) || w->at.n_steps > w->at.longest) {
    PetscCall(MeritExtremeRitz(w->at.n_steps, w->steps, w->ratios, &w->at.lambda_min, &w->at.lambda_max));
    w->at.longest = w->at.n_steps;
  }
  if (holds && IsTrue(s, result->true_residual, it->residual)) result->stop = MERIT_STOP_CONVERGED;
  else if (it->iteration >= s->settings.max_it) result->stop = MERIT_STOP_MAX_IT;
  else if (!(result->true_residual < 0.5 * w->at.last))
    result->stop = result->true_residual < 1e-6 ? MERIT_STOP_ROUNDING_FLOOR : MERIT_STOP_BREAKDOWN;
  w->at.last         = result->true_residual;
  result->iterations = it->iteration;
  result->lambda_min = w->at.lambda_min;
  result->lambda_max = w->at.lambda_max;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Runs from true residuals until one is good, no longer falls, or the iterations are used up; or
   on from a checkpoint. Collective. */
static PetscErrorCode Solve_PCG(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  MeritIteration it = {0};
  Pcg           *w  = NULL;
  bool           resumed;

  PetscFunctionBegin;
  PetscCall(PCSetUp(s->pc)); /* again, if C has changed */
  if (k > 1) {
    PetscCall(MeritSolverBlockCG(s, k, r, x, result));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(Allocate(s, k, &w));
  w->rhs = r;
  w->at  = (PcgLoop){.last = INFINITY, .lambda_min = NAN, .lambda_max = NAN};
  PetscCall(RightHandNorms(s, k, r, w));
  /* nothing on the right: the solution is 0, and relative residuals have no meaning */
  if (w->norm_r[0] == 0.0) PetscCall(PetscArrayzero(x, s->n));
  PetscCall(PcgResume(s, w, x, &it, &resumed));
  if (!resumed) PetscCall(MeritSolverTrueResidual(s, k, r, x, w->r, &result->true_residual));
  for (; result->stop == MERIT_STOP_NONE; resumed = false) {
    bool holds;

    PetscCall(Run(s, k, w, x, result->true_residual, resumed, &it, &holds));
    PetscCall(MeritSolverTrueResidual(s, k, r, x, w->r, &result->true_residual));
    PetscCall(Judge(s, &it, holds, w, result));
  }
  PetscCall(Bound(s, k, r, x, w, result));
  PetscCall(Free(&w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mixed precision where it was asked for, or by default where there are 1e8 genotypes and
   instructions with which single precision is faster. Only for models with SNP equations. The
   log says which. */
static PetscErrorCode ChoosePrecision(MeritSolver s)
{
  static const double GENOTYPES_MIXED = 1e8;
  MeritModel          model;
  int64_t             n_animals;
  int32_t             n_used;
  bool                snps = false, pays;
  const int          *fed;
  int                 n_fed;

  PetscFunctionBegin;
  s->mixed = false;
  if (!s->n_terms) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMMEGetModel(s->C, &model));
  n_fed = MeritModelFedTerms(model, &fed);
  for (int i = 0; i < n_fed; i++) snps = snps || s->term[fed[i]].n_eq;
  if (!snps) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(MeritModelGenotypes(model), &n_animals, NULL, &n_used));
  pays     = (double)n_animals * n_used >= GENOTYPES_MIXED && MeritPackedLevelNow() > MERIT_PACKED_PORTABLE;
  s->mixed = s->settings.precision == MERIT_PRECISION_MIXED || (s->settings.precision == MERIT_PRECISION_CHOOSE && pays);
  MeritLog(MERIT_LOG_INFO, "products with genotypes in %s", s->mixed ? "single precision, true residuals in double" : "double precision");
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SetUp_PCG(MeritSolver s)
{
  PetscFunctionBegin;
  PetscCall(ChoosePrecision(s));
  if (!s->pc) {
    PetscCall(PCCreate(s->comm, &s->pc));
    PetscCall(PCSetType(s->pc, s->settings.pc_type));
    PetscCall(PCSetFromOptions(s->pc));
    PetscCall(MeritPCSetSnp(s->pc, &s->settings.snp));
  }
  PetscCall(PCSetOperators(s->pc, s->C, s->C));
  PetscCall(PCSetUp(s->pc));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode View_PCG(MeritSolver s, PetscViewer viewer)
{
  PetscFunctionBegin;
  PetscCall(PCView(s->pc, viewer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Reset_PCG(MeritSolver s)
{
  PetscFunctionBegin;
  (void)s;
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_PCG = {"pcg", SetUp_PCG, Solve_PCG, View_PCG, Reset_PCG, .can.preconditioned = true};

/*
  MINQUE (Rao 1971): S_ij = tr(P V_i P V_j), q_i = y'P V_i P y at prior variances; its limit of
  infinite priors (Westfall 1987); and the regression of products of residuals on the
  covariances that each component makes (Haseman & Elston 1972).

  All of it runs on rank 0, on the dense matrices of projected.h: V_k is A_k = S B_k S of a
  random term, S for the residual, the last. Matrices are n x n, row-major. A work matrix for
  each component holds P V_k.
*/
#include "moments.h"
#include <math.h>
#include <petscblaslapack.h>
#include <stdlib.h>

static const double RATIO_ZERO = 1e-10; /* an eigenvalue of this fraction of the largest, a pivot of this fraction of its diagonal, is 0 */

/* x'y */
static double DotForm(int n, const double *x, const double *y)
{
  double sum = 0.0;

  for (int i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/* Work arrays, of one allocation */
typedef struct {
  double *left[MOMENTS_MAX_VARIANCES + 1]; /* [n * n] for each component */
  double *matrix[4];                       /* [n * n] */
  double *vectors;                         /* [VECTORS * n] */
  double *all;                             /* owned */
} Room;

enum { VECTORS = 67 };

/* Make them; false where there is no memory for them. Free `all`. */
static bool RoomMake(const ProjectedCovariances *f, Room *r)
{
  const size_t size = (size_t)f->n * (size_t)f->n;

  r->all = malloc(((size_t)(f->m + 5) * size + VECTORS * (size_t)f->n) * sizeof(*r->all));
  if (!r->all) return false;
  for (int k = 0; k <= f->m; k++) r->left[k] = r->all + (size_t)k * size;
  for (int k = 0; k < 4; k++) r->matrix[k] = r->all + (size_t)(f->m + 1 + k) * size;
  r->vectors = r->all + (size_t)(f->m + 5) * size;
  return true;
}

/* V_k between projections: A_k of random term k, S of the residual */
static const double *Form(const ProjectedCovariances *f, int k) { return k < f->m ? f->A[k] : f->S; }

/*
  S and q of e from left[k] = P_k V_k, with P for the random terms and N for the residual (the
  same matrix but in the limit of infinite priors)
*/
static void FillSystem(const ProjectedCovariances *f, const double *P, const double *N, const Room *r, Moments *e)
{
  const int n = f->n, m = f->m;
  double   *Py = r->vectors, *VPy = Py + n;

  for (int i = 0; i <= m; i++) {
    ProjectedApply(n, i < m ? P : N, f->y, Py);
    ProjectedApply(n, Form(f, i), Py, VPy);
    e->q[i] = DotForm(n, Py, VPy);
    for (int j = 0; j <= m; j++) e->S[i * (m + 1) + j] = ProjectedTrace(n, r->left[i], r->left[j]);
  }
}

/* left[k] = P V_k for all components */
static void Products(const ProjectedCovariances *f, const double *P, const Room *r)
{
  const size_t size = (size_t)f->n * (size_t)f->n;

  for (int k = 0; k < f->m; k++) ProjectedMultiply(f->n, P, f->A[k], r->left[k]);
  for (size_t i = 0; i < size; i++) r->left[f->m][i] = P[i]; /* P S = P */
}

/* MinqueEquations - See the header. INDEFINITE where V at the priors is not positive definite. */
MomentsFault MinqueEquations(const ProjectedCovariances *f, const double w[], Moments *e)
{
  Room         r;
  MomentsFault fault = MOMENTS_FINE;

  if (!RoomMake(f, &r)) return MOMENTS_NO_MEMORY;
  if (ProjectedInverse(f, w, r.matrix[0], NULL)) {
    Products(f, r.matrix[0], &r);
    FillSystem(f, r.matrix[0], r.matrix[0], &r, e);
  } else fault = MOMENTS_INDEFINITE;
  free(r.all);
  return fault;
}

/*
  to [n * n] = sum of lambda_i^power u_i u_i' over the eigenvectors, rows of U, whose eigenvalue
  is above `least` (large) or is not (large false, power then counts as 0); returns how many
*/
static int Spectral(int n, const double *lambda, const double *U, double least, bool large, double power, double *part, double *to)
{
  const double one = 1.0, zero = 0.0;
  PetscBLASInt N = n, r = 0;

  for (int i = 0; i < n; i++) {
    if ((lambda[i] > least) != large) continue;
    for (int j = 0; j < n; j++)
      part[(size_t)r * (size_t)n + (size_t)j] = U[(size_t)i * (size_t)n + (size_t)j] * (large ? pow(lambda[i], 0.5 * power) : 1.0);
    r++;
  }
  if (r) BLASgemm_("N", "T", &N, &N, &r, &one, part, &N, part, &N, &zero, to, &N);
  else
    for (size_t i = 0; i < (size_t)n * (size_t)n; i++) to[i] = 0.0;
  return (int)r;
}

/* Eigenvectors (rows of A, which is lost) and eigenvalues; work [66 * n]. False where LAPACK does not find them. */
static bool Eigen(int n, double *A, double *lambda, double *work)
{
  PetscBLASInt N = n, room = 66 * n, info;

  LAPACKsyev_("V", "L", &N, A, &N, lambda, work, &room, &info);
  return !info;
}

/* The system at P = A^+ and N, A of this rank: of the residual's equation only the leading part counts */
static void FillLimit(const ProjectedCovariances *f, const double *P, const double *N, int rank, const Room *r, Moments *e)
{
  const int    m   = f->m;
  const size_t n   = (size_t)f->n;
  double      *PAP = r->matrix[3];

  Products(f, P, r);
  FillSystem(f, P, N, r, e);
  for (int k = 0; k < m; k++) e->S[m * (m + 1) + k] = 0.0;
  e->S[(m + 1) * (m + 1) - 1] = (double)(f->df - rank);
  for (int k = 0; k < m; k++) { /* tr(A^+ A_k A^+) */
    ProjectedMultiply(f->n, r->left[k], P, PAP);
    e->S[k * (m + 1) + m] = 0.0;
    for (size_t i = 0; i < n; i++) e->S[k * (m + 1) + m] += PAP[i * (n + 1)];
  }
}

/*
  MinqueLimit - See the header. Terms have the same weight for K of mean diagonal 1. With A =
  sum of the A_k, P grows like N + A^+ / w, N the projection on what no term reaches: the
  residual's equation takes N, the others' A^+. SATURATED where the terms reach all that the
  fixed effects leave: rank of A is df.
*/
MomentsFault MinqueLimit(const ProjectedCovariances *f, Moments *e)
{
  const size_t n = (size_t)f->n, size = n * n;
  MomentsFault fault = MOMENTS_FINE;
  Room         r;
  double      *U, *N, *P, *part, *lambda;
  int          rank;

  if (!RoomMake(f, &r)) return MOMENTS_NO_MEMORY;
  U = r.matrix[0], N = r.matrix[1], P = r.matrix[2], part = r.matrix[3], lambda = r.vectors;
  for (size_t i = 0; i < size; i++) U[i] = 0.0;
  for (int k = 0; k < f->m; k++)
    for (size_t i = 0; i < size; i++) U[i] += f->A[k][i] / f->mean[k];
  if (Eigen(f->n, U, lambda, r.vectors + n)) {
    const double least = RATIO_ZERO * lambda[n - 1];

    rank = Spectral(f->n, lambda, U, least, true, -1.0, part, P);
    (void)Spectral(f->n, lambda, U, least, true, 0.0, part, N);
    for (size_t i = 0; i < size; i++) N[i] = f->S[i] - N[i];
    if (rank < f->df) FillLimit(f, P, N, rank, &r, e);
    else fault = MOMENTS_SATURATED;
  } else fault = MOMENTS_INDEFINITE;
  free(r.all);
  return fault;
}

/*
  HasemanElston - See the header. For the random terms, over pairs i != j, E(r_i r_j) = sum of
  s_k A_k,ij + s_e S_ij is regressed on A_k,ij; over i = j, the sum of squares of the residuals
  gives s_e.
*/
void HasemanElston(const ProjectedCovariances *f, Moments *e)
{
  const size_t n = (size_t)f->n;
  const int    m = f->m;

  for (int k = 0; k <= m; k++) {
    const double *A = Form(f, k);

    e->q[k] = 0.0;
    for (int l = 0; l <= m; l++) {
      const double *B   = Form(f, l);
      double        sum = 0.0;

      for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
          if (k < m ? i != j : i == j) sum += (k < m ? A[i * n + j] : 1.0) * B[i * n + j];
      e->S[k * (m + 1) + l] = sum;
    }
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < n; j++)
        if (k < m ? i != j : i == j) e->q[k] += (k < m ? A[i * n + j] : 1.0) * f->y[i] * f->y[j];
  }
}

/* at [.]: numbers of the components that are estimated, the residual always; returns how many */
static int Estimated(const Moments *e, int at[])
{
  int N = 0;

  for (int i = 0; i <= e->m; i++)
    if (i == e->m || e->in[i]) at[N++] = i;
  return N;
}

/*
  Component at[p] depends on those before it: e->blame gets it, and the one of these with the
  largest element in its column of S beside the square root of its own diagonal
*/
static void Blame(Moments *e, int N, const int at[], int p)
{
  const int n = e->m + 1;

  e->blame[0] = at[p], e->blame[1] = p ? at[0] : at[N - 1];
  for (int i = 0; i < p; i++)
    if (fabs(e->S[at[i] * n + at[p]]) / sqrt(fabs(e->S[at[i] * n + at[i]])) >
        fabs(e->S[e->blame[1] * n + at[p]]) / sqrt(fabs(e->S[e->blame[1] * n + e->blame[1]])))
      e->blame[1] = at[i];
}

/*
  MomentsSolve - See the header. e->estimate is 0 for components that do not take part. SINGULAR
  with e->blame where a pivot is rounding.
*/
MomentsFault MomentsSolve(Moments *e)
{
  const int n = e->m + 1;
  int       at[MOMENTS_MAX_VARIANCES], N = Estimated(e, at), rank;
  double    A[MOMENTS_MAX_VARIANCES * (MOMENTS_MAX_VARIANCES + 1)];

  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++) A[i * (N + 1) + j] = e->S[at[i] * n + at[j]];
    A[i * (N + 1) + N] = e->q[at[i]];
  }
  rank = MeritDenseEliminate(N, 1, RATIO_ZERO, A);
  if (rank < N) {
    Blame(e, N, at, rank);
    return MOMENTS_SINGULAR;
  }
  for (int i = 0; i < n; i++) e->estimate[i] = 0.0;
  for (int i = 0; i < N; i++) e->estimate[at[i]] = A[i * (N + 1) + N];
  return MOMENTS_FINE;
}

/* MomentsSandwich - See the header. The inverse of S is found by elimination of [S I]. */
bool MomentsSandwich(const Moments *e, const double B[], double C[])
{
  const int n = e->m + 1;
  int       at[MOMENTS_MAX_VARIANCES], N = Estimated(e, at);
  double    A[2 * MOMENTS_MAX_VARIANCES * MOMENTS_MAX_VARIANCES];

  for (int i = 0; i < N; i++)
    for (int j = 0; j < 2 * N; j++) A[i * 2 * N + j] = j < N ? e->S[at[i] * n + at[j]] : i == j - N;
  if (MeritDenseEliminate(N, N, 0.0, A) < N) return false;
  for (int i = 0; i < n * n; i++) C[i] = 0.0;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      for (int k = 0; k < N; k++)
        for (int l = 0; l < N; l++) C[at[i] * n + at[j]] += A[i * 2 * N + N + k] * B[at[k] * n + at[l]] * A[j * 2 * N + N + l];
  return true;
}

/*
  MinqueCovariance - See the header. With normal data the covariance of q_i and q_j is 2 tr(P
  V_i P V P V_j P V), V at the estimates; then S^-1 on both sides.
*/
MomentsFault MinqueCovariance(const ProjectedCovariances *f, const double w[], const Moments *e, double covariance[])
{
  const int    n = f->n, m = f->m;
  const size_t size = (size_t)n * (size_t)n;
  double       B[(MOMENTS_MAX_VARIANCES + 1) * (MOMENTS_MAX_VARIANCES + 1)], *P, *V, *PV;
  bool         fine;
  Room         r;

  if (!RoomMake(f, &r)) return MOMENTS_NO_MEMORY;
  P = r.matrix[0], V = r.matrix[1], PV = r.matrix[2];
  fine = ProjectedInverse(f, w, P, NULL);
  for (size_t i = 0; i < size; i++) {
    V[i] = e->estimate[m] * f->S[i];
    for (int k = 0; k < m; k++) V[i] += e->estimate[k] * f->A[k][i];
  }
  ProjectedMultiply(n, P, V, PV);
  Products(f, P, &r);
  for (int k = 0; k <= m; k++) { /* P V_k P V */
    ProjectedMultiply(n, r.left[k], PV, V);
    for (size_t i = 0; i < size; i++) r.left[k][i] = V[i];
  }
  for (int i = 0; i <= m; i++)
    for (int j = 0; j <= m; j++) B[i * (m + 1) + j] = 2.0 * ProjectedTrace(n, r.left[i], r.left[j]);
  fine = fine && MomentsSandwich(e, B, covariance);
  free(r.all);
  return fine ? MOMENTS_FINE : MOMENTS_SINGULAR;
}

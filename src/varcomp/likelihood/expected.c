/*
  The expected information, as far as it follows from the average information.

  Average information is made of quadratic forms of the data (Gilmour, Thompson & Cullis 1995).
  Far from the maximum these are not what the present variances expect: with a variance s where
  s0 would be right they are s0 / s of their expectation, so that a step down goes far beyond 0,
  and one up not far enough. For each matrix the quadratic forms Q of the data and their
  expectations T are known. With M T M' = Q, a vector x of expected size is M x in the data.
  Taking M out of both sides of the average information gives nearly the expected one; at the
  maximum, where Q = T, it is the average information itself.
*/
#include "blocks.h"
#include <math.h>
#include <petscblaslapack.h>

/* M changes a squared length along an axis by this factor at most, up or down */
static const double MOST = 1e4;

/*
  Quadratic forms Q of the data and their expectations T for one block, [n * n] each. As V =
  sum_i theta_i V_i and P V P = P, y'P V_j P y = 2 sum_i I_ij theta_i with the average
  information I_ij = y'P V_i P V_j P y / 2. The score is (y'P V_j P y - tr(P V_j)) / 2, which
  gives the trace. A component off the diagonal is two elements of the matrix: half for each.
*/
static void TraceForms(MeritVarcomp v, const Block *b, const double theta[], const VarcompPoint *point, double *Q, double *T)
{
  for (int i = 0; i < b->n; i++)
    for (int j = 0; j <= i; j++) {
      const int at   = BlockAt(b, i, j);
      double    quad = 0.0;

      for (int k = 0; k < v->n; k++) quad += 2.0 * point->information[at * v->n + k] * theta[k];
      Q[i * b->n + j] = Q[j * b->n + i] = (i == j ? 1.0 : 0.5) * quad;
      T[i * b->n + j] = T[j * b->n + i] = (i == j ? 1.0 : 0.5) * (quad - 2.0 * point->score[at]);
    }
}

/*
  W = M^-1 for the M with M T M' = Q: with T = L L' and A = L^-1 Q L^-T, M = L A^1/2 L^-1 and W
  = L A^-1/2 L^-1. Eigenvalues of A are kept between 1 / MOST and MOST. False where T is not
  definite.
*/
static bool InverseRoot(int n, const double *Q, const double *T, double *W)
{
  double L[MERIT_MAX_BLOCK], A[MERIT_MAX_BLOCK], B[MERIT_MAX_BLOCK], lambda[MERIT_MAX_COMPONENTS],
      work[MERIT_MAX_COMPONENTS * (MERIT_MAX_COMPONENTS + 2)];
  PetscBLASInt N = n, room = MERIT_MAX_COMPONENTS * (MERIT_MAX_COMPONENTS + 2), info = 0;

  if (!MeritDenseCholesky(n, T, L)) return false;
  for (int i = 0; i < n * n; i++) A[i] = Q[i];
  for (int side = 0; side < 2; side++) { /* L^-1 A, transposed */
    for (int j = 0; j < n; j++)
      for (int i = 0; i < n; i++) {
        double sum = A[i * n + j];

        for (int k = 0; k < i; k++) sum -= L[i * n + k] * B[j * n + k];
        B[j * n + i] = sum / L[i * n + i];
      }
    for (int i = 0; i < n * n; i++) A[i] = B[i];
  }
  LAPACKsyev_("V", "L", &N, A, &N, lambda, work, &room, &info); /* eigenvector k is row k */
  if (info) return false;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      B[i * n + j] = 0.0;
      for (int k = 0; k < n; k++) B[i * n + j] += A[k * n + i] * A[k * n + j] / sqrt(PetscMin(PetscMax(lambda[k], 1.0 / MOST), MOST));
    }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) { /* A = L B */
      A[i * n + j] = 0.0;
      for (int k = 0; k <= i; k++) A[i * n + j] += L[i * n + k] * B[k * n + j];
    }
  for (int i = 0; i < n; i++) /* W L = A */
    for (int j = n - 1; j >= 0; j--) {
      W[i * n + j] = A[i * n + j];
      for (int k = j + 1; k < n; k++) W[i * n + j] -= W[i * n + k] * L[k * n + j];
      W[i * n + j] /= L[j * n + j];
    }
  return true;
}

/*
  Columns of S for one block: a direction E of the matrix becomes (E W + W'E) / 2, a symmetric
  one. Column q has what the element i, j with its mirror image becomes, by the elements k, l.
*/
static void Directions(MeritVarcomp v, const Block *b, const double *W, double *S)
{
  const int n = b->n;

  for (int q = 0; q < n * n; q++)
    for (int p = 0; p < n * n; p++) {
      const int i = q / n, j = q % n, k = p / n, l = p % n; /* E has the elements i j and j i */
      double    sum = (k == i) * W[j * n + l] + (l == i) * W[j * n + k];

      if (j > i || l > k) continue;
      if (i != j) sum += (k == j) * W[i * n + l] + (l == j) * W[i * n + k];
      S[BlockAt(b, k, l) * v->n + BlockAt(b, i, j)] = 0.5 * sum;
    }
}

/*
  VarcompExpected - See the header: E = S' I S, I the average information, S the directions of
  all blocks, 1 for blocks that are not free or have no W. Not collective.
*/
void VarcompExpected(MeritVarcomp v, const Coordinates *c, const double theta[], const VarcompPoint *point, double *S, double *half, double *E)
{
  const int n = v->n;

  for (int i = 0; i < n * n; i++) half[i] = E[i] = 0.0, S[i] = i % (n + 1) == 0;
  for (int i = 0; i < c->n_blocks; i++) {
    const Block *b = &c->block[i];
    double       Q[MERIT_MAX_BLOCK], T[MERIT_MAX_BLOCK], W[MERIT_MAX_BLOCK];

    TraceForms(v, b, theta, point, Q, T);
    if (b->kind == BLOCK_FREE && !b->fixed && InverseRoot(b->n, Q, T, W)) Directions(v, b, W, S);
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      for (int k = 0; k < n; k++) half[i * n + j] += point->information[i * n + k] * S[k * n + j];
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      for (int k = 0; k < n; k++) E[i * n + j] += S[k * n + i] * half[k * n + j];
}

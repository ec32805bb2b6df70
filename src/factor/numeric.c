/*
  Multifrontal factorisation (Duff & Reid 1983): a supernode's front takes the entries of its columns and what its children left, its
  columns are eliminated, and what they leave goes to its parent.
*/
#include "numeric.h"
#include <merit/memory.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sum of what children left into the front of j, which frees it */
static bool Assemble(const FactorTree *t, int32_t j, double *L, double *U, double **left)
{
  const int32_t width = NodeWidth(t, j), below = NodeBelow(t, j), order = width + below;

  for (int32_t c = t->child[j]; c >= 0; c = t->sibling[c]) {
    const int32_t n  = NodeBelow(t, c);
    int32_t      *to = malloc((size_t)n * sizeof(*to));

    if (!to || !left[c]) {
      free(to);
      return false;
    }
    FactorRelative(t, c, to);
    for (int32_t q = 0; q < n; q++) {
      const double *from = left[c] + (int64_t)q * n;

      if (to[q] < width)
        for (int32_t r = q; r < n; r++) L[(int64_t)to[q] * order + to[r]] += from[r];
      else
        for (int32_t r = q; r < n; r++) U[(int64_t)(to[q] - width) * below + to[r] - width] += from[r];
    }
    free(to);
    free(left[c]);
    left[c] = NULL;
  }
  return true;
}

/* A pivot of this share of what stood on the diagonal is what rounding leaves of 0 */
static const double SINGULAR = 1e-13;

/* The first column whose pivot is next to nothing beside the diagonal before anything was eliminated, and its share of that; -1: none */
static int32_t Singular(int32_t width, int32_t order, const double *L, const double *diagonal, double *share)
{
  for (int32_t k = 0; k < width; k++) {
    const double root = L[(int64_t)k * order + k];

    *share = root * root / diagonal[k];
    if (!(*share > SINGULAR)) return k;
  }
  return -1;
}

/* A column without a pivot; of several the first is kept, whichever thread or rank finds it */
static void Lose(MeritFactor f, int32_t column, double share)
{
#pragma omp critical
  if (f->lost < 0 || column < f->lost) {
    f->lost       = column;
    f->lost_share = share;
  }
}

/* Columns of a front and what they leave; is every pivot there? */
static bool Pivots(MeritFactor f, int32_t j, int n_threads, const double *diagonal, double *U)
{
  const int32_t width = NodeWidth(&f->tree, j), below = NodeBelow(&f->tree, j);
  double        share = 0.0;
  int32_t       lost  = FrontFactor(n_threads, width, below, f->L[j], U);

  if (lost < 0) lost = Singular(width, width + below, f->L[j], diagonal, &share);
  if (lost >= 0) Lose(f, f->tree.first[j] + lost, share);
  return lost < 0;
}

/* One supernode: its columns, and what they leave to the parent in left[j] */
static FactorFault Eliminate(MeritFactor f, int32_t j, int n_threads, const double values[], double **left)
{
  const FactorTree *t     = &f->tree;
  const int32_t     width = NodeWidth(t, j), below = NodeBelow(t, j);
  const size_t      size  = (size_t)(width + below) * (size_t)width;
  double           *L     = f->L[j] ? f->L[j] : malloc(size * sizeof(*L)), *diagonal = malloc((size_t)width * sizeof(*L));
  FactorFault       fault = FACTOR_FINE;

  f->L[j] = L;
  left[j] = below ? calloc((size_t)below * (size_t)below, sizeof(*L)) : NULL;
  if (!L || !diagonal || (below && !left[j])) {
    free(diagonal);
    return FACTOR_MEMORY;
  }
  memset(L, 0, size * sizeof(*L));
  for (int64_t e = f->entry.start[j]; e < f->entry.start[j + 1]; e++)
    if (f->entry.lower[e]) L[f->entry.at[e]] += values[f->entry.source[e]];
  for (int32_t k = 0; k < width; k++) diagonal[k] = L[(int64_t)k * (width + below) + k];
  if (!Assemble(t, j, L, left[j], left)) fault = FACTOR_MEMORY;
  else if (!Pivots(f, j, n_threads, diagonal, left[j])) fault = FACTOR_INDEFINITE;
  free(diagonal);
  FactorProgressAdd(f, j);
  return fault;
}

/* Own branches, a thread for each */
static FactorFault Branches(MeritFactor f, const double values[], double **left)
{
  FactorFault worst = FACTOR_FINE;

#pragma omp parallel for schedule(dynamic) num_threads(f->n_threads) reduction(max : worst)
  for (int32_t i = 0; i < f->n_branches; i++) {
    const FactorBranch *b     = &f->branch[i];
    FactorFault         fault = FACTOR_FINE;

    if (b->owner != f->rank) continue;
    for (int32_t j = b->first; j <= b->last && fault == FACTOR_FINE; j++) fault = Eliminate(f, j, 1, values, left);
    worst = fault > worst ? fault : worst;
  }
  return worst;
}

int64_t FactorPack(int32_t n, const double *U, double *packed)
{
  int64_t at = 0;

  for (int32_t q = 0; q < n; q++)
    for (int32_t r = q; r < n; r++) packed[at++] = U[(int64_t)q * n + r];
  return at;
}

void FactorUnpack(int32_t n, const double *packed, double *U)
{
  int64_t at = 0;

  for (int32_t q = 0; q < n; q++)
    for (int32_t r = q; r < n; r++) U[(int64_t)q * n + r] = packed[at++];
}

/* What own branches leave goes to rank 0, by parents and then by branches */
static PetscErrorCode SendLeft(MeritFactor f, double **left)
{
  const FactorTree *t = &f->tree;

  PetscFunctionBegin;
  for (int32_t p = 0; p < t->n_nodes; p++)
    for (int32_t c = f->top[p] ? t->child[p] : -1; c >= 0; c = t->sibling[c]) {
      const int32_t n = NodeBelow(t, c);
      double       *packed;

      if (f->top[c] || f->owner[c] != f->rank) continue;
      PetscCall(PetscMalloc1((size_t)n * (size_t)(n + 1) / 2 + 1, &packed));
      if (left[c]) (void)FactorPack(n, left[c], packed);
      PetscCall(FactorSend(f->comm, (int64_t)n * (n + 1) / 2, packed, 0));
      PetscCall(PetscFree(packed));
      free(left[c]);
      left[c] = NULL;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank 0: what other ranks' branches leave to p */
static PetscErrorCode ReceiveLeft(MeritFactor f, int32_t p, double **left)
{
  const FactorTree *t = &f->tree;

  PetscFunctionBegin;
  for (int32_t c = t->child[p]; c >= 0; c = t->sibling[c]) {
    const int32_t n = NodeBelow(t, c);
    double       *packed;

    if (f->top[c] || f->owner[c] == 0) continue;
    PetscCall(PetscMalloc1((size_t)n * (size_t)(n + 1) / 2 + 1, &packed));
    PetscCall(FactorReceive(f->comm, (int64_t)n * (n + 1) / 2, packed, f->owner[c]));
    left[c] = malloc((size_t)n * (size_t)n * sizeof(double));
    if (left[c]) FactorUnpack(n, packed, left[c]);
    PetscCall(PetscFree(packed));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PetscCall has no place where every rank must get to the end; the worst fault of all ranks */
PetscErrorCode FactorAgree(MeritFactor f, FactorFault mine, FactorFault *all)
{
  int worst = (int)mine;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MAX, f->comm));
  *all = (FactorFault)worst;
  if (*all == FACTOR_MEMORY)
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "not enough memory for the factor of the equations; use more nodes"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode LogDeterminant(MeritFactor f)
{
  PetscFunctionBegin;
  f->log_determinant = 0.0;
  for (int32_t j = 0; j < f->tree.n_nodes; j++)
    for (int32_t k = 0; f->owner[j] == f->rank && k < NodeWidth(&f->tree, j); k++)
      f->log_determinant += 2.0 * log(f->L[j][(int64_t)k * NodeOrder(&f->tree, j) + k]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &f->log_determinant, 1, MPI_DOUBLE, MPI_SUM, f->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The first of the columns that ranks have lost */
static PetscErrorCode FirstLost(MeritFactor f)
{
  const int32_t mine = f->lost < 0 ? INT32_MAX : f->lost;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(&mine, &f->lost, 1, MPI_INT32_T, MPI_MIN, f->comm));
  if (mine != f->lost) f->lost_share = 0.0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &f->lost_share, 1, MPI_DOUBLE, MPI_MAX, f->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorSingular - See the header. Not collective. */
PetscErrorCode MeritFactorSingular(MeritFactor f, int64_t *row, double *share)
{
  PetscFunctionBegin;
  PetscCheck(f->lost >= 0, f->comm, PETSC_ERR_ORDER, "the matrix has a factor");
  *share = f->lost_share;
  for (*row = 0; f->tree.place[*row] != f->lost;) ++*row;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorNumeric - See the header. Collective. */
PetscErrorCode MeritFactorNumeric(MeritFactor f, Mat A, bool *definite)
{
  FactorFault fault, all;
  double     *mine, *values, **left;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(f->n_entries + 1, &mine, MeritExchangeArriving(f->entries) + 1, &values));
  PetscCall(PetscCalloc1(f->tree.n_nodes + 1, &left));
  f->lost = -1, f->lost_share = 0.0;
  PetscCall(FactorValues(A, false, mine));
  PetscCall(MeritExchangeForward(f->entries, sizeof(*mine), mine, values));
  FactorProgressBegin(f, "factoring");
  fault = MeritBlasReserve(f->n_threads) ? Branches(f, values, left) : FACTOR_MEMORY;
  PetscCall(FactorAgree(f, fault, &all)); /* the top needs all branches */
  if (all == FACTOR_FINE && f->rank) PetscCall(SendLeft(f, left));
  for (int32_t j = 0; all == FACTOR_FINE && !f->rank && j < f->tree.n_nodes; j++) {
    if (!f->top[j]) continue;
    PetscCall(ReceiveLeft(f, j, left));
    if (fault == FACTOR_FINE) fault = Eliminate(f, j, f->n_threads, values, left);
  }
  for (int32_t j = 0; j < f->tree.n_nodes; j++) free(left[j]);
  PetscCall(PetscFree(left));
  PetscCall(PetscFree2(mine, values));
  PetscCall(FactorAgree(f, fault, &all));
  *definite = f->definite = all == FACTOR_FINE;
  if (f->definite) PetscCall(LogDeterminant(f));
  else PetscCall(FirstLost(f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

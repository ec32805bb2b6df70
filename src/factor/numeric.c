/*
  Multifrontal factorisation (Duff and Reid 1983).

  For each supernode, children first: its front gets the entries of its columns and the updates of
  its children (Assemble), its columns are eliminated (Pivots), and the update for the rows below
  is kept for the parent in left [node]. Branches are done by threads; then rank 0 receives the
  updates of the branches and does the top.
*/
#include "numeric.h"
#include <merit/memory.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Add the updates of the children of j to its columns L and its own update U, and free them; false
   without memory */
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
      /* Lower triangle, column by column; to[] ascends, so that the target is lower too */
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

/* A pivot below this fraction of the diagonal element is rounding error: the matrix is singular */
static const double PIVOT_RATIO_SINGULAR = 1e-13;

/* First column whose pivot is below that fraction of its diagonal before elimination, and the
   fraction; -1 if there is none */
static int32_t Singular(int32_t width, int32_t order, const double *L, const double *diagonal, double *pivot_ratio)
{
  for (int32_t k = 0; k < width; k++) {
    const double pivot = L[(int64_t)k * order + k];

    /* L_kk^2 is the pivot */
    *pivot_ratio = pivot * pivot / diagonal[k];
    if (!(*pivot_ratio > PIVOT_RATIO_SINGULAR)) return k;
  }
  return -1;
}

/* Note a column without a pivot. The first in the order of elimination is kept, whichever thread or
   rank finds it. */
static void Lose(MeritFactor f, int32_t column, double pivot_ratio)
{
#pragma omp critical
  if (f->lost < 0 || column < f->lost) {
    f->lost             = column;
    f->lost_pivot_ratio = pivot_ratio;
  }
}

/* Eliminate the columns of front j; false if a pivot is not positive */
static bool Pivots(MeritFactor f, int32_t j, int n_threads, const double *diagonal, double *U)
{
  const int32_t width = NodeWidth(&f->tree, j), below = NodeBelow(&f->tree, j);
  double        pivot_ratio = 0.0;
  int32_t       lost        = FrontFactor(n_threads, width, below, f->L[j], U);

  if (lost < 0) lost = Singular(width, width + below, f->L[j], diagonal, &pivot_ratio);
  if (lost >= 0) Lose(f, f->tree.first[j] + lost, pivot_ratio);
  return lost < 0;
}

/* One supernode: its columns f->L[j], and the update for its parent in left[j] */
static FactorFault Eliminate(MeritFactor f, int32_t j, int n_threads, const double values[], double **left)
{
  const FactorTree *t     = &f->tree;
  const int32_t     width = NodeWidth(t, j), below = NodeBelow(t, j);
  /* L has the columns of the front: `width` columns of length width + below */
  const size_t size = (size_t)(width + below) * (size_t)width;
  double      *L = f->L[j] ? f->L[j] : malloc(size * sizeof(*L)), *diagonal = malloc((size_t)width * sizeof(*L));
  FactorFault  fault = FACTOR_FINE;

  /* memory of L is kept for the next factorisation */
  f->L[j] = L;
  left[j] = below ? calloc((size_t)below * (size_t)below, sizeof(*L)) : NULL;
  if (!L || !diagonal || (below && !left[j])) {
    free(diagonal);
    return FACTOR_MEMORY;
  }
  memset(L, 0, size * sizeof(*L));
  for (int64_t e = f->entry.start[j]; e < f->entry.start[j + 1]; e++)
    if (f->entry.lower[e]) L[f->entry.at[e]] += values[f->entry.source[e]]; /* one of each symmetric pair */
  for (int32_t k = 0; k < width; k++) diagonal[k] = L[(int64_t)k * (width + below) + k];
  if (!Assemble(t, j, L, left[j], left)) fault = FACTOR_MEMORY;
  else if (!Pivots(f, j, n_threads, diagonal, left[j])) fault = FACTOR_INDEFINITE;
  free(diagonal);
  FactorProgressAdd(f, j);
  return fault;
}

/* Own branches, one thread for each; the most severe fault */
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

/* FactorPack - See the header. Not collective. */
int64_t FactorPack(int32_t n, const double *U, double *packed)
{
  int64_t at = 0;

  for (int32_t q = 0; q < n; q++)
    for (int32_t r = q; r < n; r++) packed[at++] = U[(int64_t)q * n + r];
  return at;
}

/* FactorUnpack - See the header. Not collective. */
void FactorUnpack(int32_t n, const double *packed, double *U)
{
  int64_t at = 0;

  for (int32_t q = 0; q < n; q++)
    for (int32_t r = q; r < n; r++) U[(int64_t)q * n + r] = packed[at++];
}

/* Send the updates of own branches to rank 0, ordered by parent and then by branch */
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

/* Rank 0: receive the updates of other ranks' branches below p, in the same order */
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

/* FactorAgree - See the header. To be called where all ranks arrive, also those with a fault.
   Collective. */
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

/* log |A| = 2 sum of log L_kk over all ranks. Collective. */
static PetscErrorCode LogDeterminant(MeritFactor f)
{
  PetscFunctionBegin;
  f->log_determinant = 0.0;
  for (int32_t j = 0; j < f->tree.n_nodes; j++)
    for (int32_t k = 0; f->owner[j] == f->rank && k < NodeWidth(&f->tree, j); k++) /* the diagonal of the columns of own supernodes */
      f->log_determinant += 2.0 * log(f->L[j][(int64_t)k * NodeOrder(&f->tree, j) + k]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &f->log_determinant, 1, MPI_DOUBLE, MPI_SUM, f->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The first column without a pivot over all ranks, and its fraction. Collective. */
static PetscErrorCode FirstLost(MeritFactor f)
{
  const int32_t mine = f->lost < 0 ? INT32_MAX : f->lost;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(&mine, &f->lost, 1, MPI_INT32_T, MPI_MIN, f->comm));
  if (mine != f->lost) f->lost_pivot_ratio = 0.0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &f->lost_pivot_ratio, 1, MPI_DOUBLE, MPI_MAX, f->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorSingular - See the header; the column is translated back to a row of A by the order of
   elimination. Not collective. */
PetscErrorCode MeritFactorSingular(MeritFactor f, int64_t *row, double *pivot_ratio)
{
  PetscFunctionBegin;
  PetscCheck(f->lost >= 0, f->comm, PETSC_ERR_ORDER, "the matrix has a factor");
  *pivot_ratio = f->lost_pivot_ratio;
  for (*row = 0; f->tree.position[*row] != f->lost;) ++*row;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritFactorNumeric - See the header. Collective.
  Ranks do their branches in parallel and agree on faults; then rank 0 does the top, receiving the
  updates of the branches as it reaches their parents. All ranks stay in step also after a fault,
  so that none waits for a message that never comes.
*/
PetscErrorCode MeritFactorNumeric(MeritFactor f, Mat A, bool *definite)
{
  FactorFault fault, all;
  double     *mine, *values, **left;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(f->n_entries + 1, &mine, MeritExchangeArriving(f->entries) + 1, &values));
  PetscCall(PetscCalloc1(f->tree.n_nodes + 1, &left));
  f->lost = -1, f->lost_pivot_ratio = 0.0;
  PetscCall(FactorValues(A, false, mine));
  PetscCall(MeritExchangeForward(f->entries, sizeof(*mine), mine, values));
  FactorProgressBegin(f, "factoring");
  fault = MeritBlasReserve(f->n_threads) ? Branches(f, values, left) : FACTOR_MEMORY;
  PetscCall(FactorAgree(f, fault, &all)); /* the top needs the updates of all branches */
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

/*
  Entries of the inverse on the pattern of the factor (Takahashi, Fagan and Chen 1973; Erisman and
  Tinney 1975).

  Fronts are handled from the roots of the tree to its leaves. The rows below a supernode are among
  the columns and rows of its parent, so the inverse at these rows is copied from the parent's
  front. Rank 0 does the top of the tree, then every rank its branches. A front is freed when its
  last child has copied from it.
*/
#include "numeric.h"
#include <stdlib.h>

/* State of one pass from the roots to the leaves */
typedef struct {
  MeritFactor f;
  double    **Z;       /* [n_nodes] inverse of a front, lower [order^2], while children need it; owned */
  double    **below;   /* [n_nodes] part of the rows below, lower [below^2], of branches' roots from the top; owned */
  int32_t    *waiting; /* [n_nodes] children that still need Z; owned */
  double     *values;  /* [arriving entries] */
} Descent;

/* Copy the inverse at the rows below node from the parent's front Z to the lower triangle of `to`,
   leading dimension ld; false without memory */
static bool Inherit(const FactorTree *t, int32_t node, const double *Z, double *to, int32_t ld)
{
  const int32_t n = NodeBelow(t, node), order = NodeOrder(t, t->parent[node]);
  int32_t      *at = malloc((size_t)n * sizeof(*at));

  if (!at) return false;
  FactorRelative(t, node, at);
  for (int32_t q = 0; q < n; q++)
    for (int32_t r = q; r < n; r++) to[(int64_t)q * ld + r] = Z[(int64_t)at[q] * order + at[r]];
  free(at);
  return true;
}

/* A child has copied its part of front j; the last one frees it */
static void Release(Descent *d, int32_t j)
{
  if (--d->waiting[j] > 0) return;
  free(d->Z[j]);
  d->Z[j] = NULL;
}

/* Inverse of one front, and its entries of the matrix to the answers */
static FactorFault Invert(Descent *d, int32_t j, int n_threads)
{
  const FactorTree *t     = &d->f->tree;
  const int32_t     width = NodeWidth(t, j), below = NodeBelow(t, j), order = width + below;
  double           *Z = malloc((size_t)order * (size_t)order * sizeof(*Z)), *rest;

  d->Z[j] = Z;
  if (!Z) return FACTOR_MEMORY;
  /* inverse at the rows below: from the message of rank 0, or from the parent's front */
  rest = Z + (int64_t)width * order + width;
  if (d->below[j]) {
    for (int32_t q = 0; q < below; q++)
      for (int32_t r = q; r < below; r++) rest[(int64_t)q * order + r] = d->below[j][(int64_t)q * below + r];
    free(d->below[j]);
    d->below[j] = NULL;
  } else if (below) {
    if (!Inherit(t, j, d->Z[t->parent[j]], rest, order)) return FACTOR_MEMORY;
    Release(d, t->parent[j]);
  }
  if (!FrontInverse(n_threads, width, below, d->f->L[j], Z)) return FACTOR_MEMORY;
  /* Entries go back to the ranks of the matrix in the order in which they came */
  for (int64_t e = d->f->entry.start[j]; e < d->f->entry.start[j + 1]; e++) d->values[d->f->entry.source[e]] = Z[d->f->entry.at[e]];
  if (!d->waiting[j]) {
    free(Z);
    d->Z[j] = NULL;
  }
  FactorProgressAdd(d->f, j);
  return FACTOR_FINE;
}

/* Rank 0: copy the part of front p that each branch below it needs; keep it, or send it to the
   branch's rank */
static PetscErrorCode HandOver(Descent *d, int32_t p, FactorFault *fault)
{
  const FactorTree *t = &d->f->tree;

  PetscFunctionBegin;
  for (int32_t c = t->child[p]; c >= 0; c = t->sibling[c]) {
    const int32_t n = NodeBelow(t, c);
    double       *packed;

    if (d->f->top[c]) continue;
    d->below[c] = malloc((size_t)n * (size_t)n * sizeof(double));
    if (*fault == FACTOR_FINE && (!d->below[c] || !Inherit(t, c, d->Z[p], d->below[c], n))) *fault = FACTOR_MEMORY;
    Release(d, p);
    if (!d->f->owner[c]) continue;
    PetscCall(PetscMalloc1((size_t)n * (size_t)(n + 1) / 2 + 1, &packed));
    if (*fault == FACTOR_FINE) (void)FactorPack(n, d->below[c], packed);
    PetscCall(FactorSend(d->f->comm, (int64_t)n * (n + 1) / 2, packed, d->f->owner[c]));
    PetscCall(PetscFree(packed));
    free(d->below[c]);
    d->below[c] = NULL;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Other ranks: receive the parts for own branches, in the order in which rank 0 sends them */
static PetscErrorCode TakeOver(Descent *d)
{
  const FactorTree *t = &d->f->tree;

  PetscFunctionBegin;
  for (int32_t p = t->n_nodes - 1; p >= 0; p--)
    for (int32_t c = d->f->top[p] ? t->child[p] : -1; c >= 0; c = t->sibling[c]) {
      const int32_t n = NodeBelow(t, c);
      double       *packed;

      if (d->f->top[c] || d->f->owner[c] != d->f->rank) continue;
      PetscCall(PetscMalloc1((size_t)n * (size_t)(n + 1) / 2 + 1, &packed));
      PetscCall(FactorReceive(d->f->comm, (int64_t)n * (n + 1) / 2, packed, 0));
      d->below[c] = malloc((size_t)n * (size_t)n * sizeof(double));
      if (d->below[c]) FactorUnpack(n, packed, d->below[c]);
      PetscCall(PetscFree(packed));
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Own branches, one thread for each; the most severe fault */
static FactorFault Branches(Descent *d)
{
  MeritFactor f     = d->f;
  FactorFault worst = FACTOR_FINE;

#pragma omp parallel for schedule(dynamic) num_threads(f->n_threads) reduction(max : worst)
  for (int32_t i = 0; i < f->n_branches; i++) {
    const FactorBranch *b     = &f->branch[i];
    FactorFault         fault = FACTOR_FINE;

    if (b->owner != f->rank) continue;
    if (f->tree.parent[b->last] >= 0 && !d->below[b->last]) fault = FACTOR_MEMORY;
    for (int32_t j = b->last; j >= b->first && fault == FACTOR_FINE; j--) fault = Invert(d, j, 1);
    worst = fault > worst ? fault : worst;
  }
  return worst;
}

/* The top on rank 0, then branches on all ranks. Messages are exchanged also after a fault, so that
   no rank waits. */
static PetscErrorCode Descend(Descent *d, FactorFault *fault)
{
  MeritFactor f = d->f;

  PetscFunctionBegin;
  *fault = FACTOR_FINE;
  for (int32_t j = f->tree.n_nodes - 1; !f->rank && j >= 0; j--) {
    if (!f->top[j]) continue;
    if (*fault == FACTOR_FINE) *fault = Invert(d, j, f->n_threads);
    PetscCall(HandOver(d, j, fault));
  }
  if (f->rank) PetscCall(TakeOver(d));
  if (*fault == FACTOR_FINE) *fault = Branches(d);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritFactorInverse - See the header. Collective.
  S must have the pattern of A: its entries are sent back by the exchange plan of A's entries.
*/
PetscErrorCode MeritFactorInverse(MeritFactor f, Mat S)
{
  const size_t n = (size_t)f->tree.n_nodes + 1;
  Descent      d = {.f = f};
  FactorFault  fault, all;
  double      *mine;

  PetscFunctionBegin;
  PetscCheck(f->definite, f->comm, PETSC_ERR_ORDER, "there is no factor");
  PetscCall(PetscCalloc3(n, &d.Z, n, &d.below, n, &d.waiting));
  PetscCall(PetscMalloc2(MeritExchangeArriving(f->entries) + 1, &d.values, f->n_entries + 1, &mine));
  for (int32_t j = 0; j < f->tree.n_nodes; j++)
    if (f->tree.parent[j] >= 0) d.waiting[f->tree.parent[j]]++;
  FactorProgressBegin(f, "selected inverse of");
  PetscCall(Descend(&d, &fault));
  for (size_t j = 0; j < n; j++) {
    free(d.Z[j]);
    free(d.below[j]);
  }
  PetscCall(FactorAgree(f, fault, &all));
  PetscCall(MeritExchangeBack(f->entries, sizeof(*mine), d.values, mine));
  PetscCall(FactorValues(S, true, mine));
  PetscCall(PetscFree2(d.values, mine));
  PetscCall(PetscFree3(d.Z, d.below, d.waiting));
  PetscFunctionReturn(PETSC_SUCCESS);
}

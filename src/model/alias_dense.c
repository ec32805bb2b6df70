/*
  Dense search for redundant equations. The columns of the trait in their order are B
  (small columns before the big term), A (the big term), C (small columns behind it).

  1. B alone: columns that depend on earlier ones of B are marked (Before). 2. A is
  eliminated, which is cheap since A'A is diagonal; the Schur complement of the small
  columns is dense (alias_rows.c). 3. A pivot of the remaining columns of B that is 0 in
  it means a combination of B that is in the span of A: it marks one level of A
  (MarkBig). 4. C: the columns left of B and then C are eliminated in order
  (alias_eliminate.c); dependent columns of C are marked.
*/
#include "alias.h"
#include <math.h>

/* Number the small columns: offset of each term (-1: the big one, or not of the trait),
   and n_before, the small columns before the big term */
static PetscErrorCode Number(MeritAliasWork *work)
{
  const int64_t after = work->big < 0 ? INT64_MAX : work->first[work->big];

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(work->n_terms, &work->offset));
  work->n_before = work->big < 0 ? 0 : (int)after;
  for (int k = 0; k < work->n_terms; k++) {
    work->offset[k] = k == work->big ? -1 : work->first[k];
    if (work->first[k] > after) work->offset[k] -= work->n_columns - work->n_small;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mark a small column: its term is the one with the largest offset that is not behind it,
   and the rest gives level and component */
static void MarkSmall(MeritModel model, const MeritAliasWork *work, int column)
{
  int k = -1;

  for (int i = 0; i < work->n_terms; i++)
    if (work->offset[i] >= 0 && work->offset[i] <= column && (k < 0 || work->offset[i] > work->offset[k])) k = i;
  MeritAliasMark(model, k, work->trait, (column - work->offset[k]) / work->width[k], (int)((column - work->offset[k]) % work->width[k]));
}

/* Mark levels of the big term that depend on columns before it or on earlier levels. Each
   null vector of [B A] marks the last level in which it is not 0. The vectors are
   eliminated from the back, so that no two mark the same level. Collective. With b the
   part of a null vector in B, its part in level i of A is -(A'B b)_i / count_i. In each
   step the last level of all vectors that are left is marked, by the vector that is
   largest there. */
static PetscErrorCode MarkBig(MeritModel model, const MeritAliasWork *work, int n_null, const double *null_vectors)
{
  const int64_t n_levels = model->term[work->big].view.n_levels;
  double       *d; /* [n_null * n_rows] part of each null vector in the big term */
  bool         *used;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)n_null * (size_t)work->n_rows + 1, &d));
  PetscCall(PetscCalloc1(n_null + 1, &used));
  for (int v = 0; v < n_null; v++)
    for (int32_t row = 0; row < work->n_rows; row++)
      for (int32_t i = work->start[row]; i < work->start[row + 1]; i++)
        d[(size_t)v * (size_t)work->n_rows + (size_t)row] -=
            work->entry[i] * null_vectors[(size_t)v * (size_t)work->n_small + (size_t)work->column[i]] / work->count[row];
  for (int step = 0; step < n_null; step++) {
    int64_t last = -1, all;
    int32_t row  = -1;
    double *at;
    int     best = -1;

    for (int v = 0; v < n_null; v++)
      for (int32_t i = 0; i < work->n_rows && !used[v]; i++)
        if (fabs(d[(size_t)v * (size_t)work->n_rows + (size_t)i]) > 1e-7 && work->level[i] > last) last = work->level[i];
    PetscCallMPI(MPI_Allreduce(&last, &all, 1, MPI_INT64_T, MPI_MAX, model->comm));
    if (all < 0) break;
    PetscCall(PetscCalloc1(n_null, &at));
    for (int32_t i = 0; i < work->n_rows; i++)
      if (work->level[i] == all) row = i;
    for (int v = 0; v < n_null && row >= 0; v++) at[v] = d[(size_t)v * (size_t)work->n_rows + (size_t)row];
    PetscCallMPI(MPI_Bcast(at, n_null, MPI_DOUBLE, MeritBlockOwner(n_levels, model->size, all), model->comm));
    for (int v = 0; v < n_null; v++)
      if (!used[v] && (best < 0 || fabs(at[v]) > fabs(at[best]))) best = v;
    used[best] = true;
    for (int v = 0; v < n_null; v++)
      for (int32_t i = 0; i < work->n_rows && !used[v]; i++)
        d[(size_t)v * (size_t)work->n_rows + (size_t)i] -= at[v] / at[best] * d[(size_t)best * (size_t)work->n_rows + (size_t)i];
    MeritAliasMark(model, work->big, work->trait, all, 0);
    PetscCall(PetscFree(at));
  }
  PetscCall(PetscFree(d));
  PetscCall(PetscFree(used));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Eliminate the columns before the big term alone: dependent ones are marked; the others,
   but for columns of zeros, go to order [*n_kept] */
static PetscErrorCode Before(MeritModel model, const MeritAliasWork *work, int *n_kept, int order[], uint8_t dependent[])
{
  int n_null;

  PetscFunctionBegin;
  for (int j = 0; j < work->n_before; j++) order[j] = j;
  PetscCall(MeritAliasEliminate((int)work->n_small, work->gram, work->norm, work->n_before, order, dependent, &n_null, NULL));
  *n_kept = 0;
  for (int j = 0; j < work->n_before; j++) {
    if (dependent[j]) MarkSmall(model, work, j);
    else if (work->norm[j] > 0.0) order[(*n_kept)++] = j;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the arrays of this search */
static PetscErrorCode Free(MeritAliasWork *work)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(work->offset));
  PetscCall(PetscFree(work->gram));
  PetscCall(PetscFree(work->norm));
  PetscCall(PetscFree(work->level));
  PetscCall(PetscFree(work->count));
  PetscCall(PetscFree(work->start));
  PetscCall(PetscFree(work->column));
  PetscCall(PetscFree(work->entry));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAliasDense - Mark what depends on columns before it, by Gram matrices. Collective on the
   model. */
PetscErrorCode MeritAliasDense(MeritModel model, MeritAliasWork *work)
{
  const int n_small = (int)work->n_small;
  int      *order, n_kept = 0, n_null, n;
  uint8_t  *dependent;
  double   *null_vectors = NULL;

  PetscFunctionBegin;
  PetscCall(Number(work));
  PetscCall(MeritAliasGather(model, work));
  PetscCall(PetscMalloc2(n_small + 1, &order, n_small + 1, &dependent));
  PetscCall(Before(model, work, &n_kept, order, dependent));
  PetscCall(MeritAliasSchur(model, work));
  if (work->big >= 0) {
    PetscCall(MeritAliasEliminate(n_small, work->gram, work->norm, n_kept, order, dependent, &n_null, &null_vectors));
    if (n_null) PetscCall(MarkBig(model, work, n_null, null_vectors));
  }
  for (int j = 0; j < n_small; j++)
    if (work->norm[j] <= 0.0) MarkSmall(model, work, j); /* a covariate of zeros; levels without observations are marked as such */
  n = n_kept;
  for (int j = work->n_before; j < n_small; j++) order[n++] = j;
  PetscCall(MeritAliasEliminate(n_small, work->gram, work->norm, n, order, dependent, &n_null, NULL));
  for (int j = n_kept; j < n; j++)
    if (dependent[j]) MarkSmall(model, work, order[j]);
  PetscCall(PetscFree(null_vectors));
  PetscCall(PetscFree2(order, dependent));
  PetscCall(Free(work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The cross products that the dense search for redundant equations needs, summed over
  all ranks: S'S of the small columns on every rank, and A'S, whose row for a level of
  the big term A is on the rank of the level's canonical block. A'A is diagonal, the
  observations of each level.

  MeritAliasGather(): S'S by records (LocalGram), A'S by levels (LocalEntries), entries
  to the ranks of their blocks (Home), and there to compressed rows (Compress).
  MeritAliasSchur() subtracts S'A (A'A)^-1 A'S.
*/
#include "alias.h"
#include <stdlib.h>

/* One entry of A'S: canonical level of the big term, small column (-1: the level's own
   count), sum of the column's values over the records of the level */
typedef struct {
  int64_t level;
  int32_t column;
  double  value;
} Entry;

typedef struct {
  Entry  *at;
  int64_t n, room;
} Entries;

/* Append an entry; the room at least doubles when it grows */
static PetscErrorCode Add(Entries *list, int64_t level, int32_t column, double value)
{
  PetscFunctionBegin;
  if (list->n == list->room) {
    list->room = 2 * list->room + 1024;
    PetscCall(PetscRealloc((size_t)list->room * sizeof(*list->at), &list->at));
  }
  list->at[list->n++] = (Entry){level, column, value};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Order of entries for qsort: by level, then column, so that the count of a level (column
   -1) comes first */
static int CompareEntries(const void *a, const void *b)
{
  const Entry *x = (const Entry *)a, *y = (const Entry *)b;

  if (x->level != y->level) return x->level < y->level ? -1 : 1;
  return (x->column > y->column) - (x->column < y->column);
}

/* Sort the entries and sum those of equal level and column */
static void Merge(Entries *list)
{
  int64_t n = 0;

  if (list->n) qsort(list->at, (size_t)list->n, sizeof(*list->at), CompareEntries);
  for (int64_t i = 0; i < list->n; i++) {
    if (n && list->at[n - 1].level == list->at[i].level && list->at[n - 1].column == list->at[i].column) list->at[n - 1].value += list->at[i].value;
    else list->at[n++] = list->at[i];
  }
  list->n = n;
}

/* Canonical level that a record has in regressor r of term k; 0 for a regressor without
   classes */
static int64_t RowLevel(MeritModel model, int k, int r, int64_t row)
{
  const int number = model->term[k].number[r];

  return number < 0 ? 0 : model->rows.number[number][row];
}

/* Small columns of a record and their values; returns how many. The big term (offset -1)
   and terms without the trait are left out. A column is offset of the term + level *
   width + number of the component among those of the trait. */
static int RowColumns(MeritModel model, const MeritAliasWork *work, int64_t row, int32_t column[], double value[])
{
  int n = 0;

  for (int k = 0; k < work->n_terms; k++) {
    const MeritTermSpec *spec = &model->formula->term[k];
    int                  at   = 0;

    if (work->offset[k] < 0) continue;
    for (int c = 0; c < spec->n_components; c++) {
      const int     r = spec->component[c].regressor;
      const double *x = work->value[k][r];

      if (spec->component[c].trait != work->trait) continue;
      column[n]  = (int32_t)(work->offset[k] + RowLevel(model, k, r, row) * work->width[k] + at++);
      value[n++] = x ? x[row] : 1.0;
    }
  }
  return n;
}

/* Send the entries to the rank whose canonical block has their level, and merge them
   there; list->at is replaced. Collective. */
static PetscErrorCode Home(MeritModel model, int64_t n_levels, Entries *list)
{
  MeritExchange ex;
  PetscMPIInt  *dest;
  Entry        *in;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(list->n, &dest));
  for (int64_t i = 0; i < list->n; i++) dest[i] = MeritBlockOwner(n_levels, model->size, list->at[i].level);
  PetscCall(MeritExchangeCreate(model->comm, list->n, dest, &ex));
  PetscCall(PetscMalloc1(MeritExchangeArriving(ex) + 1, &in));
  PetscCall(MeritExchangeForward(ex, sizeof(*in), list->at, in));
  PetscCall(PetscFree(list->at));
  list->at = in;
  list->n = list->room = MeritExchangeArriving(ex);
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(dest));
  Merge(list);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Merged entries to compressed rows: a count opens the row of its level, the entries
   behind it are its columns in ascending order. Every level with an entry has a count.
   Not collective. */
static PetscErrorCode Compress(const Entries *list, MeritAliasWork *work)
{
  int32_t n_rows = 0, n_values = 0;

  PetscFunctionBegin;
  for (int64_t i = 0; i < list->n; i++) n_rows += list->at[i].column < 0;
  PetscCall(PetscMalloc1(n_rows + 1, &work->level));
  PetscCall(PetscMalloc1(n_rows + 1, &work->count));
  PetscCall(PetscMalloc1(n_rows + 1, &work->start));
  PetscCall(PetscMalloc1(list->n + 1, &work->column));
  PetscCall(PetscMalloc1(list->n + 1, &work->entry));
  n_rows = 0;
  for (int64_t i = 0; i < list->n; i++) {
    const Entry *e = &list->at[i];

    if (e->column < 0) {
      work->level[n_rows]   = e->level;
      work->count[n_rows]   = e->value;
      work->start[n_rows++] = n_values;
    } else {
      work->column[n_values]  = e->column;
      work->entry[n_values++] = e->value;
    }
  }
  work->n_rows        = n_rows;
  work->start[n_rows] = n_values;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows in which the trait counts, sorted by their record level of the big term (a
   counting sort): those of level i are order[first[i]] .. order[first[i + 1] - 1].
   first[levels + 2], order[rows]; both are the caller's. Not collective. */
static PetscErrorCode SortRows(MeritModel model, const MeritAliasWork *work, int32_t **first, int32_t **order)
{
  const MeritTermView *view   = &model->term[work->big].view;
  const int32_t        levels = view->n_owned + view->n_ghost;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(levels + 2, first));
  for (int64_t row = 0; row < model->rows.n; row++)
    if (model->rows.observed[row] >> work->trait & 1) (*first)[MeritTermLevelOfSlot(view, view->design[0].slot[row]) + 2]++;
  for (int32_t i = 0; i < levels; i++) (*first)[i + 2] += (*first)[i + 1];
  PetscCall(PetscMalloc1((*first)[levels + 1] + 1, order));
  for (int64_t row = 0; row < model->rows.n; row++)
    if (model->rows.observed[row] >> work->trait & 1) (*order)[(*first)[MeritTermLevelOfSlot(view, view->design[0].slot[row]) + 1]++] = (int32_t)row;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Entries of A'S from the rows of this rank, one for each level and column that occur
   together. Sums are kept for one level at a time in dense arrays [n_small]; `met` lists
   the columns that occur, so that only these are cleared. The rounding errors of the sums
   are added at the end (MeritAliasAdd). Not collective. */
static PetscErrorCode LocalEntries(MeritModel model, const MeritAliasWork *work, Entries *list)
{
  const MeritTermView *view   = &model->term[work->big].view;
  const int32_t        levels = view->n_owned + view->n_ghost;
  int32_t             *first, *order, *met, *column;
  double              *sum, *rest, *value;
  bool                *seen;

  PetscFunctionBegin;
  PetscCall(SortRows(model, work, &first, &order));
  PetscCall(PetscCalloc4(work->n_small + 1, &sum, work->n_small + 1, &rest, work->n_small + 1, &met, work->n_small + 1, &seen));
  PetscCall(PetscMalloc2(work->n_small + 1, &column, work->n_small + 1, &value));
  for (int32_t level = 0; level < levels; level++) {
    int n_met = 0;

    if (first[level] == first[level + 1]) continue;
    for (int32_t i = first[level]; i < first[level + 1]; i++) {
      const int m = RowColumns(model, work, order[i], column, value);

      for (int j = 0; j < m; j++) {
        if (!seen[column[j]]) met[n_met++] = column[j];
        seen[column[j]] = true;
        MeritAliasAdd(&sum[column[j]], &rest[column[j]], value[j]);
      }
    }
    PetscCall(Add(list, RowLevel(model, work->big, 0, order[first[level]]), -1, first[level + 1] - first[level]));
    for (int j = 0; j < n_met; j++) {
      PetscCall(Add(list, RowLevel(model, work->big, 0, order[first[level]]), met[j], sum[met[j]] + rest[met[j]]));
      sum[met[j]] = rest[met[j]] = 0.0;
      seen[met[j]]               = false;
    }
  }
  PetscCall(PetscFree4(sum, rest, met, seen));
  PetscCall(PetscFree2(column, value));
  PetscCall(PetscFree(first));
  PetscCall(PetscFree(order));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Copy the lower triangle of A [n * n] to the upper one */
static void Mirror(size_t n, double *A)
{
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < i; j++) A[j * n + i] = A[i * n + j];
}

/* S'S of the rows of this rank. Products of classes are counts, exact as they are; sums of
   covariates are kept exact, since what a dependent column leaves must be rounding of few
   operations, not of many. */
static PetscErrorCode LocalGram(MeritModel model, MeritAliasWork *work)
{
  const size_t n = (size_t)work->n_small;
  double      *rest, *value;
  int32_t     *column;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n * n + 1, &rest));
  PetscCall(PetscMalloc2(n + 1, &column, n + 1, &value)); /* a row meets each of the columns at most once */
  for (int64_t row = 0; row < model->rows.n; row++) {
    int m;

    if (!(model->rows.observed[row] >> work->trait & 1)) continue;
    m = RowColumns(model, work, row, column, value);
    for (int i = 0; i < m; i++)
      for (int j = 0; j <= i; j++) {
        const size_t at = (size_t)PetscMax(column[i], column[j]) * n + (size_t)PetscMin(column[i], column[j]);
        const double x  = value[i] * value[j];

        if (x == 1.0) work->gram[at] += x;
        else MeritAliasAdd(&work->gram[at], &rest[at], x);
      }
  }
  for (size_t i = 0; i < n * n; i++) work->gram[i] += rest[i];
  Mirror(n, work->gram);
  PetscCall(PetscFree2(column, value));
  PetscCall(PetscFree(rest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritAliasGather - Form S'S and A'S for one trait.

  Collective on the model. `trait`, `big`, `offset`, `width`, `value`, `n_small` are set; the rest
  is filled, gram with S'S.
*/
PetscErrorCode MeritAliasGather(MeritModel model, MeritAliasWork *work)
{
  const size_t n    = (size_t)work->n_small;
  Entries      list = {0};

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n * n + 1, &work->gram));
  PetscCall(PetscCalloc1(n + 1, &work->norm));
  PetscCall(LocalGram(model, work));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, work->gram, (int)(n * n), MPI_DOUBLE, MPI_SUM, model->comm));
  for (size_t i = 0; i < n; i++) work->norm[i] = work->gram[i * n + i];
  if (work->big >= 0) {
    PetscCall(LocalEntries(model, work, &list));
    PetscCall(Home(model, model->term[work->big].view.n_levels, &list));
  }
  PetscCall(Compress(&list, work));
  PetscCall(PetscFree(list.at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAliasSchur - gram <- S'S - S'A (A'A)^-1 A'S, the big term taken out. Collective on
   the model. Only the lower triangle is summed, since columns of a row ascend. */
PetscErrorCode MeritAliasSchur(MeritModel model, MeritAliasWork *work)
{
  const size_t n = (size_t)work->n_small;
  double      *part, *rest;

  PetscFunctionBegin;
  if (work->big < 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc2(n * n + 1, &part, n * n + 1, &rest));
  for (int32_t row = 0; row < work->n_rows; row++)
    for (int32_t i = work->start[row]; i < work->start[row + 1]; i++)
      for (int32_t j = work->start[row]; j <= i; j++) { /* columns ascend */
        const size_t at = (size_t)work->column[i] * n + (size_t)work->column[j];

        MeritAliasAdd(&part[at], &rest[at], work->entry[i] * work->entry[j] / work->count[row]);
      }
  for (size_t i = 0; i < n * n; i++) part[i] += rest[i];
  Mirror(n, part);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, part, (int)(n * n), MPI_DOUBLE, MPI_SUM, model->comm));
  for (size_t i = 0; i < n * n; i++) work->gram[i] -= part[i];
  PetscCall(PetscFree2(part, rest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The covariance matrix B of the observations over ranks, as the dense engines take it: of SNPs
  from products between the animals (relation.c), of other terms by products with unit vectors;
  and S B S.

  Observations are numbered rank after rank, records without an observation left out. Columns of
  the matrix are given to the ranks in blocks of COLUMN_MATRIX_WIDTH in turn, so that all ranks
  keep some of the columns that a reduction from the first to the last (reduce.c) still has to
  do.
*/
#include "matrix.h"
#include <merit/unit.h>

enum { BLOCK = COLUMN_MATRIX_WIDTH };

/* ColumnMatrixBefore - See the header, as of the others. Not collective. */
int ColumnMatrixBefore(const ColumnMatrix *a, int column)
{
  const int round = BLOCK * a->size, whole = column / round, rest = column % round - a->rank * BLOCK;

  return whole * BLOCK + PetscMin(PetscMax(rest, 0), BLOCK);
}

/* ColumnMatrixColumn - See the header. Not collective. */
int ColumnMatrixColumn(const ColumnMatrix *a, int position) { return (position / BLOCK * a->size + a->rank) * BLOCK + position % BLOCK; }

/* ColumnMatrixOwner - See the header. Not collective. */
PetscMPIInt ColumnMatrixOwner(const ColumnMatrix *a, int column, int *position)
{
  *position = column / (BLOCK * a->size) * BLOCK + column % BLOCK;
  return column / BLOCK % a->size;
}

/* ColumnMatrixCreate - See the header. Collective. */
PetscErrorCode ColumnMatrixCreate(MPI_Comm comm, int n, ColumnMatrix *a)
{
  PetscFunctionBegin;
  *a = (ColumnMatrix){.comm = comm, .n = n};
  PetscCallMPI(MPI_Comm_rank(comm, &a->rank));
  PetscCallMPI(MPI_Comm_size(comm, &a->size));
  a->n_own = ColumnMatrixBefore(a, n);
  PetscCall(PetscMalloc1((size_t)a->n_own * (size_t)n, &a->column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ColumnMatrixDestroy - See the header. Not collective. */
PetscErrorCode ColumnMatrixDestroy(ColumnMatrix *a)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(a->column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ObservationOrderCreate - Number the observations. Collective. */
PetscErrorCode ObservationOrderCreate(const RecordSpace *s, ObservationOrder *o)
{
  PetscFunctionBegin;
  *o = (ObservationOrder){.n = (int)s->n};
  PetscCallMPI(MPI_Comm_rank(s->comm, &o->rank));
  PetscCallMPI(MPI_Comm_size(s->comm, &o->size));
  PetscCall(PetscMalloc3(s->n_records + 1, &o->record, o->size, &o->count, o->size, &o->begin));
  for (int32_t i = 0; i < s->n_records; i++)
    if (s->sqrt_weight[i] > 0.0) o->record[o->n_own++] = i;
  PetscCallMPI(MPI_Allgather(&o->n_own, 1, MPI_INT, o->count, 1, MPI_INT, s->comm));
  for (int r = 0; r < o->size; r++) o->begin[r] = r ? o->begin[r - 1] + o->count[r - 1] : 0;
  o->first = o->begin[o->rank];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ObservationOrderDestroy - Free what that made. */
PetscErrorCode ObservationOrderDestroy(ObservationOrder *o)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(o->record, o->count, o->begin));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ObservationOrderGather - See the header. Collective. */
PetscErrorCode ObservationOrderGather(const RecordSpace *s, const ObservationOrder *o, const double x[], double all[])
{
  double *own;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(o->n_own + 1, &own));
  for (int i = 0; i < o->n_own; i++) own[i] = x[o->record[i]];
  PetscCallMPI(MPI_Allgatherv(own, o->n_own, MPI_DOUBLE, all, o->count, o->begin, MPI_DOUBLE, s->comm));
  PetscCall(PetscFree(own));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Columns [first, first + k) of B to the rank that has them: k unit vectors in the space of
  records are multiplied by B together, and their values gathered in the order of observations.
  x, y [n_records * BLOCK] and all [n * BLOCK] are work. Collective.
*/
static PetscErrorCode FormBlock(RecordSpace *s, const ObservationOrder *o, int first, int k, double *x, double *y, double *all, ColumnMatrix *a)
{
  MPI_Datatype unit;
  int          position;
  PetscMPIInt  owner = ColumnMatrixOwner(a, first, &position);

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(x, (size_t)s->n_records * (size_t)k));
  for (int j = 0; j < k; j++)
    if (first + j >= o->first && first + j < o->first + o->n_own) x[(int64_t)o->record[first + j - o->first] * k + j] = 1.0;
  PetscCall(RecordSpaceCovariance(s, k, false, x, y));
  for (int i = 0; i < o->n_own; i++) PetscCall(PetscArraycpy(x + (int64_t)i * k, y + (int64_t)o->record[i] * k, k));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCallMPI(MPI_Gatherv(x, o->n_own, unit, all, o->count, o->begin, unit, owner, s->comm));
  PetscCall(MeritUnitFree(&unit));
  for (int j = 0; owner == o->rank && j < k; j++)
    for (int i = 0; i < a->n; i++) a->column[(size_t)(position + j) * (size_t)a->n + (size_t)i] = all[(size_t)i * (size_t)k + (size_t)j];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ObservationMatrixForm - See the header. Collective. */
PetscErrorCode ObservationMatrixForm(RecordSpace *s, const ObservationOrder *o, const char what[], ColumnMatrix *a)
{
  const size_t size = (size_t)s->n_records * BLOCK;
  double      *x, *y, *all;

  PetscFunctionBegin;
  if (s->genotypes.store && s->view->n_regressors == 1) {
    PetscCall(ObservationMatrixFormGenomic(s, o, what, a));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc3(size, &x, size, &y, (size_t)a->n * BLOCK, &all));
  for (int first = 0; first < a->n; first += BLOCK) {
    MeritLogProgress((double)first / a->n, "%s: covariance matrix of the observations", what);
    PetscCall(FormBlock(s, o, first, PetscMin(BLOCK, a->n - first), x, y, all, a));
  }
  PetscCall(PetscFree3(x, y, all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of X of all observations, in their order, on every rank */
static PetscErrorCode AllRows(const RecordSpace *s, const ObservationOrder *o, FixedRows *all)
{
  const FixedRows *rows = &s->fixed.rows;
  int32_t         *own;

  PetscFunctionBegin;
  PetscCall(FixedRowsCreate(o->n, rows->n_lists, all));
  PetscCall(PetscMalloc1(o->n_own + 1, &own));
  for (int l = 0; l < rows->n_lists; l++) {
    for (int i = 0; i < o->n_own; i++) own[i] = rows->column[l][o->record[i]];
    PetscCallMPI(MPI_Allgatherv(own, o->n_own, MPI_INT32_T, all->column[l], o->count, o->begin, MPI_INT32_T, s->comm));
    PetscCall(ObservationOrderGather(s, o, rows->coefficient[l], all->coefficient[l]));
  }
  PetscCall(PetscFree(own));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rows of X of the observations whose columns of A this rank has */
static PetscErrorCode OwnRows(const ColumnMatrix *a, const FixedRows *all, FixedRows *own)
{
  PetscFunctionBegin;
  PetscCall(FixedRowsCreate(a->n_own, all->n_lists, own));
  for (int l = 0; l < all->n_lists; l++)
    for (int j = 0; j < a->n_own; j++) {
      own->column[l][j]      = all->column[l][ColumnMatrixColumn(a, j)];
      own->coefficient[l][j] = all->coefficient[l][ColumnMatrixColumn(a, j)];
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Columns [first, first + k) of this rank become S times themselves. A column is whole on its
  rank, so no messages are needed. x [n * BLOCK] has them row by row, as the projection wants
  them.
*/
static PetscErrorCode TakeOutLeft(RecordSpace *s, const FixedRows *all, int first, int k, double *x, ColumnMatrix *a)
{
  const size_t n      = (size_t)a->n;
  double      *column = a->column + (size_t)first * n;

  PetscFunctionBegin;
  for (size_t j = 0; j < (size_t)k; j++)
    for (size_t i = 0; i < n; i++) x[i * (size_t)k + j] = column[j * n + i];
  PetscCall(RecordSpaceProjectRows(s, all, false, k, (size_t)k, x));
  for (size_t j = 0; j < (size_t)k; j++)
    for (size_t i = 0; i < n; i++) column[j * n + i] = x[i * (size_t)k + j];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  ObservationMatrixProject - See the header. First A S: rows of A, which are spread over the
  ranks, BLOCK of them at once; then S (A S), column by column on each rank. Collective.
*/
PetscErrorCode ObservationMatrixProject(RecordSpace *s, const ObservationOrder *o, ColumnMatrix *a)
{
  FixedRows all, own;
  double   *x;

  PetscFunctionBegin;
  if (!s->p) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(AllRows(s, o, &all));
  PetscCall(OwnRows(a, &all, &own));
  PetscCall(PetscMalloc1((size_t)a->n * BLOCK, &x));
  for (int i = 0; i < a->n; i += BLOCK) PetscCall(RecordSpaceProjectRows(s, &own, true, PetscMin(BLOCK, a->n - i), (size_t)a->n, a->column + i));
  for (int j = 0; j < a->n_own; j += BLOCK) PetscCall(TakeOutLeft(s, &all, j, PetscMin(BLOCK, a->n_own - j), x, a));
  PetscCall(PetscFree(x));
  PetscCall(FixedRowsDestroy(&own));
  PetscCall(FixedRowsDestroy(&all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Dense Cholesky on rank 0. Where SNPs or columns of ridge are half of the equations or more, C
  is as good as dense. It is then formed column by column, as products of the operator with unit
  vectors, gathered on rank 0, and factored there by LAPACK, if it fits. It takes 8 bytes an
  entry, a sparse one many times that.

  Equations are in the order of ranks, then of each rank's own vector: that of a gathered
  vector.
*/
#include "direct_impl.h"
#include <merit/log.h>
#include <petscblaslapack.h>

/* Columns formed at once */
enum { COLUMNS = 32 };

/* Arrays of length n or n^2 are on rank 0 only; counts are MPI's, hence int. */
struct _CholeskyDense {
  PetscMPIInt  rank, size;
  PetscMPIInt *count, *first;          /* [size] equations of each rank; owned */
  PetscMPIInt *counts, *displacements; /* [size] times the columns under way; owned */
  int64_t      n;                      /* equations of all ranks */
  double      *A;                      /* rank 0: [n * n] column-major, the factor in the lower triangle; owned */
  double      *rows;                   /* rank 0: [n * COLUMNS or more] values as they come, column fastest; owned */
  size_t       room;
};

/* CholeskyDenseFits - See the header. LAPACK's numbers of rows must fit its integers; beside the
   matrix there is room for the gathered columns. Collective. */
PetscErrorCode CholeskyDenseFits(MeritSolver s, bool *yes)
{
  double n = 0.0, n_dense = 0.0, available;

  PetscFunctionBegin;
  for (int k = 0; k < s->n_terms; k++) {
    const double n_equations = (double)s->term[k].n_levels * s->term[k].n_eq;

    n += n_equations;
    if (MeritStructureForm(s->term[k].structure) == MERIT_FORM_FACTOR) n_dense += n_equations;
  }
  PetscCall(DirectRoom(s, &available));
  *yes = n > 0.0 && 2.0 * n_dense >= n && n < (double)PETSC_BLAS_INT_MAX && (available < 0.0 || 8.0 * n * (n + 2.0 * COLUMNS) <= available);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Who has how many equations, and room for the matrix on rank 0. Collective. */
static PetscErrorCode Create(MeritSolver s, CholeskyDense **dense)
{
  CholeskyDense *d;
  PetscMPIInt    n = (PetscMPIInt)s->n;

  PetscFunctionBegin;
  PetscCall(PetscNew(&d));
  *dense = d;
  PetscCallMPI(MPI_Comm_rank(s->comm, &d->rank));
  PetscCallMPI(MPI_Comm_size(s->comm, &d->size));
  PetscCall(PetscCalloc4(d->size, &d->count, d->size, &d->first, d->size, &d->counts, d->size, &d->displacements));
  PetscCallMPI(MPI_Allgather(&n, 1, MPI_INT, d->count, 1, MPI_INT, s->comm));
  for (PetscMPIInt i = 0; i < d->size; i++) {
    d->first[i] = (PetscMPIInt)d->n;
    d->n += d->count[i];
  }
  /* CholeskyDenseFits() has found room for it */
  if (!d->rank) PetscCall(PetscMalloc1((size_t)d->n * (size_t)d->n + 1, &d->A));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CholeskyDenseDestroy - NULL-safe. Not collective. */
PetscErrorCode CholeskyDenseDestroy(CholeskyDense **dense)
{
  CholeskyDense *d = *dense;

  PetscFunctionBegin;
  if (!d) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree4(d->count, d->first, d->counts, d->displacements));
  PetscCall(PetscFree(d->A));
  PetscCall(PetscFree(d->rows));
  PetscCall(PetscFree(*dense));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Counts and displacements of k columns for MPI, and room for their values on rank 0. */
static PetscErrorCode Prepare(CholeskyDense *d, int k)
{
  const size_t n = (size_t)d->n * (size_t)k + 1;

  PetscFunctionBegin;
  for (PetscMPIInt i = 0; i < d->size; i++) {
    d->counts[i]        = d->count[i] * k;
    d->displacements[i] = d->first[i] * k;
  }
  if (d->rank || n <= d->room) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(d->rows));
  PetscCall(PetscMalloc1(n, &d->rows));
  d->room = n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns first .. first + COLUMNS - 1 of C, to rank 0. Unit vectors behind the last column are
   0, and their products are dropped. Collective. */
static PetscErrorCode Form(MeritSolver s, CholeskyDense *d, int64_t first, double *X, double *Y)
{
  const int64_t own = d->first[d->rank], n = PetscMin(COLUMNS, d->n - first);

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(X, (size_t)s->n * COLUMNS));
  for (int64_t j = 0; j < n; j++)
    if (first + j >= own && first + j < own + s->n) X[(first + j - own) * COLUMNS + j] = 1.0;
  PetscCall(MeritMMEApplyBlock(s->C, COLUMNS, X, Y));
  PetscCall(Prepare(d, COLUMNS));
  PetscCallMPI(MPI_Gatherv(Y, (PetscMPIInt)s->n * COLUMNS, MPI_DOUBLE, d->rows, d->counts, d->displacements, MPI_DOUBLE, 0, s->comm));
  /* a gathered row has its COLUMNS values side by side; LAPACK wants column after column */
  for (int64_t i = 0; i < d->n && !d->rank; i++)
    for (int64_t j = 0; j < n; j++) d->A[(first + j) * d->n + i] = d->rows[i * COLUMNS + j];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A pivot below this part of its diagonal is 0 but for rounding. */
static const double PIVOT_RATIO_SINGULAR = 1e-13;

/* Rank 0: the factor in place. *lost: the first row without a pivot, or -1; *pivot_ratio: what remains
   of its diagonal, relative. LAPACK stops at a pivot that is not positive; one that is only
   rounding is found by L_ii^2 / C_ii. */
static PetscErrorCode Factor(CholeskyDense *d, int64_t *lost, double *pivot_ratio)
{
  PetscBLASInt n = (PetscBLASInt)d->n, info;
  double      *diagonal;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)d->n + 1, &diagonal));
  for (int64_t i = 0; i < d->n; i++) diagonal[i] = d->A[i * (d->n + 1)];
  LAPACKpotrf_("L", &n, d->A, &n, &info);
  *lost        = (int64_t)info - 1;
  *pivot_ratio = 0.0;
  for (int64_t i = 0; i < d->n && !info && *lost < 0; i++) {
    *pivot_ratio = d->A[i * (d->n + 1)] * d->A[i * (d->n + 1)] / diagonal[i];
    if (!(*pivot_ratio > PIVOT_RATIO_SINGULAR)) *lost = i;
  }
  PetscCall(PetscFree(diagonal));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CholeskyDenseFactor - See the header. *dense is made even where there is no factor; the caller
   frees it. Rank 0 sends what it found to the others. Collective. */
PetscErrorCode CholeskyDenseFactor(MeritSolver s, CholeskyDense **dense, int64_t *lost, double *pivot_ratio)
{
  CholeskyDense *d;
  double        *X, *Y;

  PetscFunctionBegin;
  PetscCall(Create(s, dense));
  d = *dense;
  PetscCall(PetscMalloc2((size_t)s->n * COLUMNS + 1, &X, (size_t)s->n * COLUMNS + 1, &Y));
  PetscCall(MeritPhaseBegin("solve.form"));
  for (int64_t first = 0; first < d->n; first += COLUMNS) PetscCall(Form(s, d, first, X, Y));
  PetscCall(MeritPhaseEnd());
  PetscCall(PetscFree2(X, Y));
  if (!d->rank) PetscCall(Factor(d, lost, pivot_ratio));
  PetscCallMPI(MPI_Bcast(lost, 1, MPI_INT64_T, 0, s->comm));
  PetscCallMPI(MPI_Bcast(pivot_ratio, 1, MPI_DOUBLE, 0, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CholeskyDenseSubstitute - See the header. All right-hand sides go to rank 0, which transposes
   them for LAPACK, and the solutions come back. Collective. */
PetscErrorCode CholeskyDenseSubstitute(MeritSolver s, CholeskyDense *d, int k, const double *q, double *x)
{
  double *y, *column;

  PetscFunctionBegin;
  PetscCall(Prepare(d, k));
  PetscCall(PetscMalloc1((size_t)s->n * (size_t)k + 1, &y));
  PetscCallMPI(MPI_Gatherv(q, (PetscMPIInt)s->n * k, MPI_DOUBLE, d->rows, d->counts, d->displacements, MPI_DOUBLE, 0, s->comm));
  if (!d->rank) {
    PetscBLASInt n = (PetscBLASInt)d->n, n_columns = (PetscBLASInt)k, info;

    PetscCall(PetscMalloc1((size_t)d->n * (size_t)k + 1, &column));
    for (int64_t i = 0; i < d->n; i++)
      for (int j = 0; j < k; j++) column[j * d->n + i] = d->rows[i * k + j];
    LAPACKpotrs_("L", &n, &n_columns, d->A, &n, column, &n, &info);
    for (int64_t i = 0; i < d->n; i++)
      for (int j = 0; j < k; j++) d->rows[i * k + j] = column[j * d->n + i];
    PetscCall(PetscFree(column));
  }
  PetscCallMPI(MPI_Scatterv(d->rows, d->counts, d->displacements, MPI_DOUBLE, y, (PetscMPIInt)s->n * k, MPI_DOUBLE, 0, s->comm));
  for (int64_t i = 0; i < (int64_t)s->n * k; i++) x[i] += y[i];
  PetscCall(PetscFree(y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

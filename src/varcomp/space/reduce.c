/*
  A dense symmetric matrix over ranks to a similar tridiagonal one, by way of a band matrix: in
  blocks of columns the work is in products of matrices (Bischof, Lang and Sun 2000), on each
  rank and thread with its own columns. A vector can be sent to the first axis before, which
  stays where it is: the tridiagonal matrix then is the Gauss quadrature of that vector, and no
  other vector needs to be carried along.
*/
#include "matrix.h"
#include <merit/memory.h>
#include <math.h>
#include <omp.h>
#include <petscblaslapack.h>

/* LAPACK's reduction of a band matrix, which petscblaslapack.h does not name */
#if defined(PETSC_BLASLAPACK_CAPS)
#define BandReduce DSBTRD
#elif defined(PETSC_BLASLAPACK_UNDERSCORE)
#define BandReduce dsbtrd_
#else
#define BandReduce dsbtrd
#endif
extern void BandReduce(const char *, const char *, const PetscBLASInt *, const PetscBLASInt *, double *, const PetscBLASInt *, double *, double *,
                       double *, const PetscBLASInt *, double *, PetscBLASInt *);

enum { WIDTH = COLUMN_MATRIX_WIDTH };

/*
  Work of the reduction, all [n * WIDTH] (twice for two) or [WIDTH * WIDTH], the same on all
  ranks but for `own`
*/
typedef struct {
  double *V, *Y, *own; /* reflectors and behind them W, which goes with them; work; own rows of W and behind them of V */
  double *T, *G, *H;
  double *band; /* [n * (WIDTH + 1)] lower triangle */
} Work;

/* C = alpha op(A) op(B) + beta C */
static void Product(const char *ta, const char *tb, int m, int n, int k, double alpha, const double *A, int lda, const double *B, int ldb,
                    double beta, double *C, int ldc)
{
  const PetscBLASInt rows = m, columns = n, inner = k, la = PetscMax(lda, 1), lb = PetscMax(ldb, 1), lc = PetscMax(ldc, 1);

  if (m && n) BLASgemm_(ta, tb, &rows, &columns, &inner, &alpha, A, &la, B, &lb, &beta, C, &lc);
}

/* to[own * k] = A'V of own columns of A; every thread takes some of them */
static void MultiplyPanel(int n, int m, int own, int k, const double *A, const double *V, double *to)
{
#pragma omp parallel if ((int64_t)own * m > 100000)
  {
    const int threads = omp_get_num_threads(), from = own * omp_get_thread_num() / threads, end = own * (omp_get_thread_num() + 1) / threads;

    Product("T", "N", end - from, k, m, 1.0, A + (size_t)from * (size_t)n, n, V, m, 0.0, to + from, own);
  }
}

/* A -= left right', left[m * k], right[own * k]; every thread takes some columns */
static void SubtractPanel(int n, int m, int own, int k, const double *left, const double *right, double *A)
{
#pragma omp parallel if ((int64_t)own * m > 100000)
  {
    const int threads = omp_get_num_threads(), from = own * omp_get_thread_num() / threads, end = own * (omp_get_thread_num() + 1) / threads;

    Product("N", "T", m, end - from, k, -1.0, left, m, right + from, own, 1.0, A + (size_t)from * (size_t)n, n);
  }
}

/*
  A = Q'A Q from row and column `first` on, Q = I - V T V', V [m * k], m = n - first: with Y = A
  V T and W = Y - V (T'V'Y) / 2 this is A - V W' - W V' = A - [V W] [W V]'.
*/
static PetscErrorCode TwoSided(ColumnMatrix *a, int first, int k, Work *w)
{
  const int m = a->n - first, begin = ColumnMatrixBefore(a, first), own = a->n_own - begin;
  double   *A = a->column + (size_t)begin * (size_t)a->n + first, *W = w->V + (size_t)m * (size_t)k;

  PetscFunctionBegin;
  MultiplyPanel(a->n, m, own, k, A, w->V, w->own);
  PetscCall(PetscArrayzero(W, (size_t)m * (size_t)k));
  for (int i = 0; i < own; i++)
    for (int j = 0; j < k; j++) W[(size_t)j * (size_t)m + (size_t)(ColumnMatrixColumn(a, begin + i) - first)] = w->own[j * own + i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, W, (PetscMPIInt)(m * k), MPI_DOUBLE, MPI_SUM, a->comm));
  /* H = -T'V'(A V)T / 2, W = (A V)T + V H */
  Product("T", "N", k, k, m, 1.0, w->V, m, W, m, 0.0, w->G, k);
  Product("T", "N", k, k, k, -0.5, w->T, k, w->G, k, 0.0, w->H, k);
  Product("N", "N", k, k, k, 1.0, w->H, k, w->T, k, 0.0, w->G, k);
  PetscCall(PetscArraycpy(w->Y, W, (size_t)m * (size_t)k));
  Product("N", "N", m, k, k, 1.0, w->Y, m, w->T, k, 0.0, W, m);
  Product("N", "N", m, k, k, 1.0, w->V, m, w->G, k, 1.0, W, m);
  for (int i = 0; i < own; i++)
    for (int j = 0; j < 2 * k; j++)
      w->own[(size_t)j * (size_t)own + (size_t)i] =
          w->V[(size_t)((j + k) % (2 * k)) * (size_t)m + (size_t)(ColumnMatrixColumn(a, begin + i) - first)];
  SubtractPanel(a->n, m, own, 2 * k, w->V, w->own, A);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  V becomes reflectors' vectors as they stand, [m * k] below a unit diagonal, and T their
  triangle: I - V T V' = H_1 .. H_k
*/
static PetscErrorCode Triangle(int m, int k, const double tau[], Work *w)
{
  PetscFunctionBegin;
  for (int j = 0; j < k; j++) {
    for (int i = 0; i < j; i++) w->V[(size_t)j * (size_t)m + (size_t)i] = 0.0;
    w->V[(size_t)j * (size_t)m + (size_t)j] = 1.0;
  }
  Product("T", "N", k, k, m, 1.0, w->V, m, w->V, m, 0.0, w->G, k);
  PetscCall(PetscArrayzero(w->T, k * k));
  for (int j = 0; j < k; j++) {
    w->T[j * k + j] = tau[j];
    for (int i = 0; i < j; i++)
      for (int l = i; l < j; l++) w->T[j * k + i] -= tau[j] * w->T[l * k + i] * w->G[j * k + l];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The reflector that sends b to the first axis */
static PetscErrorCode ToFirstAxis(ColumnMatrix *a, const double b[], Work *w)
{
  double square = 0.0, length, tau;

  PetscFunctionBegin;
  for (int i = 0; i < a->n; i++) square += b[i] * b[i];
  length = sqrt(square);
  if (!(length > 0.0)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscArraycpy(w->V, b, a->n));
  w->V[0] += copysign(length, b[0]);
  tau = w->V[0] / copysign(length, b[0]);
  for (int i = a->n - 1; i >= 0; i--) w->V[i] /= w->V[0];
  w->T[0] = tau;
  PetscCall(TwoSided(a, 0, 1, w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Columns [first, first + WIDTH) below the band become R of their QR factors; the diagonal block
  and R go into the band
*/
static PetscErrorCode Panel(ColumnMatrix *a, int first, Work *w)
{
  const int    width = PetscMin(WIDTH, a->n - first), rows = a->n - first, m = rows - width, k = PetscMin(m, width);
  PetscBLASInt lm = m, lw = width, lwork = WIDTH * WIDTH, info = 0;
  PetscMPIInt  owner;
  int          position;
  double       tau[WIDTH];

  PetscFunctionBegin;
  owner = ColumnMatrixOwner(a, first, &position);
  for (int j = 0; owner == a->rank && j < width; j++)
    PetscCall(PetscArraycpy(w->Y + (size_t)j * (size_t)rows, a->column + (size_t)(position + j) * (size_t)a->n + first, rows));
  PetscCallMPI(MPI_Bcast(w->Y, (PetscMPIInt)(rows * width), MPI_DOUBLE, owner, a->comm));
  for (int j = 0; j < width; j++) {
    double *band = w->band + (size_t)(first + j) * (WIDTH + 1);

    for (int i = j; i < width; i++) band[i - j] = w->Y[(size_t)j * (size_t)rows + (size_t)i];
    PetscCall(PetscArraycpy(w->V + (size_t)j * (size_t)m, w->Y + (size_t)j * (size_t)rows + width, m));
  }
  if (!m) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallBLAS("LAPACKgeqrf", LAPACKgeqrf_(&lm, &lw, w->V, &lm, tau, w->G, &lwork, &info));
  for (int j = 0; j < width; j++)
    for (int i = 0; i < k && i <= j; i++)
      w->band[(size_t)(first + j) * (WIDTH + 1) + (size_t)(width - j + i)] = w->V[(size_t)j * (size_t)m + (size_t)i];
  PetscCall(Triangle(m, k, tau, w));
  PetscCall(TwoSided(a, first + width, k, w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ColumnMatrixReduce - See the header. Collective. */
PetscErrorCode ColumnMatrixReduce(ColumnMatrix *a, const double b[], double diagonal[], double below[])
{
  const size_t block = (size_t)(a->n + 1) * WIDTH, square = (size_t)WIDTH * WIDTH;
  PetscBLASInt n = a->n, width = WIDTH, rows = WIDTH + 1, one = 1, info = 0;
  double      *work, unused[1];
  Work         w;

  PetscFunctionBegin;
  if (!a->n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCheck(MeritBlasReserve(omp_get_max_threads()), PETSC_COMM_SELF, PETSC_ERR_MEM, "no room for the work arrays of BLAS, 128 MiB a thread");
  PetscCall(PetscMalloc6(2 * block, &w.V, block, &w.Y, 2 * block, &w.own, square, &w.T, square, &w.G, square, &w.H));
  PetscCall(PetscCalloc1((size_t)a->n * (WIDTH + 1), &w.band));
  if (b) PetscCall(ToFirstAxis(a, b, &w));
  for (int first = 0; first < a->n; first += WIDTH) PetscCall(Panel(a, first, &w));
  PetscCall(PetscMalloc1(a->n, &work));
  PetscCallBLAS("sbtrd", BandReduce("N", "L", &n, &width, w.band, &rows, diagonal, below, unused, &one, work, &info));
  if (info) PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "a band matrix of order %d was not reduced", a->n));
  PetscCall(PetscFree(work));
  PetscCall(PetscFree(w.band));
  PetscCall(PetscFree6(w.V, w.Y, w.own, w.T, w.G, w.H));
  PetscFunctionReturn(PETSC_SUCCESS);
}

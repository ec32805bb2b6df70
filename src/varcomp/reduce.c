/*
  A dense symmetric matrix over ranks to a similar tridiagonal one, by way of a band matrix: in blocks of columns the work is in products of
  matrices (Bischof, Lang and Sun 2000), on each rank with its own columns. A vector can be sent to the first axis before, which stays where
  it is: the tridiagonal matrix then is the Gauss quadrature of that vector, and no other vector needs to be carried along.
*/
#include "spectral.h"
#include <math.h>
#include <petscblaslapack.h>

/* LAPACK's reduction of a band matrix, which petscblaslapack.h does not name */
#if defined(PETSC_BLASLAPACK_CAPS)
  #define BandReduce DSBTRD
#elif defined(PETSC_BLASLAPACK_UNDERSCORE)
  #define BandReduce dsbtrd_
#else
  #define BandReduce dsbtrd
#endif
extern void BandReduce(const char *, const char *, const PetscBLASInt *, const PetscBLASInt *, double *, const PetscBLASInt *, double *,
                       double *, double *, const PetscBLASInt *, double *, PetscBLASInt *);

enum { WIDTH = SPECTRAL_WIDTH };

/* Columns of this rank before column `column` */
static int Before(const SpectralDense *a, int column)
{
  const int round = WIDTH * a->size, whole = column / round, rest = column % round - a->rank * WIDTH;

  return whole * WIDTH + PetscMin(PetscMax(rest, 0), WIDTH);
}

/* Column of this rank's place */
static int Column(const SpectralDense *a, int place) { return (place / WIDTH * a->size + a->rank) * WIDTH + place % WIDTH; }

PetscMPIInt SpectralDenseOwner(const SpectralDense *a, int column, int *place)
{
  *place = column / (WIDTH * a->size) * WIDTH + column % WIDTH;
  return column / WIDTH % a->size;
}

PetscErrorCode SpectralDenseCreate(MPI_Comm comm, int n, SpectralDense *a)
{
  PetscFunctionBegin;
  *a = (SpectralDense){.comm = comm, .n = n};
  PetscCallMPI(MPI_Comm_rank(comm, &a->rank));
  PetscCallMPI(MPI_Comm_size(comm, &a->size));
  a->n_own = Before(a, n);
  PetscCall(PetscMalloc1((size_t)a->n_own * (size_t)n, &a->column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode SpectralDenseDestroy(SpectralDense *a)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(a->column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Work of the reduction, all [n * WIDTH] or [WIDTH * WIDTH], the same on all ranks */
typedef struct {
  double *V, *W, *Y, *own; /* reflectors, what goes with them, work, own rows of both */
  double *T, *G, *H;
  double *band;        /* [n * (WIDTH + 1)] lower triangle */
} Work;

/* C = alpha op(A) op(B) + beta C */
static PetscErrorCode Product(const char *ta, const char *tb, int m, int n, int k, double alpha, const double *A, int lda, const double *B,
                              int ldb, double beta, double *C, int ldc)
{
  const PetscBLASInt rows = m, columns = n, inner = k, la = PetscMax(lda, 1), lb = PetscMax(ldb, 1), lc = PetscMax(ldc, 1);

  PetscFunctionBegin;
  if (m && n) PetscCallBLAS("BLASgemm", BLASgemm_(ta, tb, &rows, &columns, &inner, &alpha, A, &la, B, &lb, &beta, C, &lc));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  A = Q'A Q from row and column `first` on, Q = I - V T V', V [m * k], m = n - first: with Y = A V T and W = Y - V (T'V'Y) / 2 this is
  A - V W' - W V'.
*/
static PetscErrorCode TwoSided(SpectralDense *a, int first, int k, Work *w)
{
  const int m = a->n - first, begin = Before(a, first), own = a->n_own - begin;
  double   *A = a->column + (size_t)begin * (size_t)a->n + first;

  PetscFunctionBegin;
  PetscCall(Product("T", "N", own, k, m, 1.0, A, a->n, w->V, m, 0.0, w->own, own));
  PetscCall(PetscArrayzero(w->W, (size_t)m * (size_t)k));
  for (int i = 0; i < own; i++)
    for (int j = 0; j < k; j++) w->W[(size_t)j * (size_t)m + (size_t)(Column(a, begin + i) - first)] = w->own[j * own + i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, w->W, (PetscMPIInt)(m * k), MPI_DOUBLE, MPI_SUM, a->comm));
  /* H = -T'V'(A V)T / 2, W = (A V)T + V H */
  PetscCall(Product("T", "N", k, k, m, 1.0, w->V, m, w->W, m, 0.0, w->G, k));
  PetscCall(Product("T", "N", k, k, k, -0.5, w->T, k, w->G, k, 0.0, w->H, k));
  PetscCall(Product("N", "N", k, k, k, 1.0, w->H, k, w->T, k, 0.0, w->G, k));
  PetscCall(PetscArraycpy(w->Y, w->W, (size_t)m * (size_t)k));
  PetscCall(Product("N", "N", m, k, k, 1.0, w->Y, m, w->T, k, 0.0, w->W, m));
  PetscCall(Product("N", "N", m, k, k, 1.0, w->V, m, w->G, k, 1.0, w->W, m));
  for (int pass = 0; pass < 2; pass++) {
    const double *left = pass ? w->W : w->V, *right = pass ? w->V : w->W;

    for (int i = 0; i < own; i++)
      for (int j = 0; j < k; j++) w->own[j * own + i] = right[(size_t)j * (size_t)m + (size_t)(Column(a, begin + i) - first)];
    PetscCall(Product("N", "T", m, own, k, -1.0, left, m, w->own, own, 1.0, A, a->n));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* V becomes reflectors' vectors as they stand, [m * k] below a unit diagonal, and T their triangle: I - V T V' = H_1 .. H_k */
static PetscErrorCode Triangle(int m, int k, const double tau[], Work *w)
{
  PetscFunctionBegin;
  for (int j = 0; j < k; j++) {
    for (int i = 0; i < j; i++) w->V[(size_t)j * (size_t)m + (size_t)i] = 0.0;
    w->V[(size_t)j * (size_t)m + (size_t)j] = 1.0;
  }
  PetscCall(Product("T", "N", k, k, m, 1.0, w->V, m, w->V, m, 0.0, w->G, k));
  PetscCall(PetscArrayzero(w->T, k * k));
  for (int j = 0; j < k; j++) {
    w->T[j * k + j] = tau[j];
    for (int i = 0; i < j; i++)
      for (int l = i; l < j; l++) w->T[j * k + i] -= tau[j] * w->T[l * k + i] * w->G[j * k + l];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The reflector that sends b to the first axis */
static PetscErrorCode ToFirstAxis(SpectralDense *a, const double b[], Work *w)
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

/* Columns [first, first + WIDTH) below the band become R of their QR factors; the diagonal block and R go into the band */
static PetscErrorCode Panel(SpectralDense *a, int first, Work *w)
{
  const int    width = PetscMin(WIDTH, a->n - first), rows = a->n - first, m = rows - width, k = PetscMin(m, width);
  PetscBLASInt lm = m, lw = width, lwork = WIDTH * WIDTH, info = 0;
  PetscMPIInt  owner;
  int          place;
  double       tau[WIDTH];

  PetscFunctionBegin;
  owner = SpectralDenseOwner(a, first, &place);
  for (int j = 0; owner == a->rank && j < width; j++)
    PetscCall(PetscArraycpy(w->W + (size_t)j * (size_t)rows, a->column + (size_t)(place + j) * (size_t)a->n + first, rows));
  PetscCallMPI(MPI_Bcast(w->W, (PetscMPIInt)(rows * width), MPI_DOUBLE, owner, a->comm));
  for (int j = 0; j < width; j++) {
    double *band = w->band + (size_t)(first + j) * (WIDTH + 1);

    for (int i = j; i < width; i++) band[i - j] = w->W[(size_t)j * (size_t)rows + (size_t)i];
    PetscCall(PetscArraycpy(w->V + (size_t)j * (size_t)m, w->W + (size_t)j * (size_t)rows + width, m));
  }
  if (!m) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallBLAS("LAPACKgeqrf", LAPACKgeqrf_(&lm, &lw, w->V, &lm, tau, w->G, &lwork, &info));
  for (int j = 0; j < width; j++)
    for (int i = 0; i < k && i <= j; i++) w->band[(size_t)(first + j) * (WIDTH + 1) + (size_t)(width - j + i)] = w->V[(size_t)j * (size_t)m + (size_t)i];
  PetscCall(Triangle(m, k, tau, w));
  PetscCall(TwoSided(a, first + width, k, w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SpectralDenseReduce - See the header. Collective. */
PetscErrorCode SpectralDenseReduce(SpectralDense *a, const double b[], double diagonal[], double below[])
{
  const size_t block = (size_t)(a->n + 1) * WIDTH, square = (size_t)WIDTH * WIDTH;
  PetscBLASInt n = a->n, width = WIDTH, rows = WIDTH + 1, one = 1, info = 0;
  double      *work, unused[1];
  Work         w;

  PetscFunctionBegin;
  if (!a->n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc7(block, &w.V, block, &w.W, block, &w.Y, block, &w.own, square, &w.T, square, &w.G, square, &w.H));
  PetscCall(PetscCalloc1((size_t)a->n * (WIDTH + 1), &w.band));
  if (b) PetscCall(ToFirstAxis(a, b, &w));
  for (int first = 0; first < a->n; first += WIDTH) PetscCall(Panel(a, first, &w));
  PetscCall(PetscMalloc1(a->n, &work));
  PetscCallBLAS("sbtrd", BandReduce("N", "L", &n, &width, w.band, &rows, diagonal, below, unused, &one, work, &info));
  if (info) PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "a band matrix of order %d was not reduced", a->n));
  PetscCall(PetscFree(work));
  PetscCall(PetscFree(w.band));
  PetscCall(PetscFree7(w.V, w.W, w.Y, w.own, w.T, w.G, w.H));
  PetscFunctionReturn(PETSC_SUCCESS);
}

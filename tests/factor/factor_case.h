#pragma once
/* Symmetric matrices of many patterns, distributed, with the whole of each and of its inverse by elimination. */
#include <math.h>
#include <merit_test.h>
#include <merit/factor.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int     n, n_owned, first;
  double *whole, *inverse; /* [n * n] */
  bool   *there;           /* [n * n] the pattern */
  double  log_determinant;
  Mat     A;
} Case;

static double Uniform(uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 9007199254740992.0;
}

/* Kinds of pattern */
enum { RANDOM, ARROW, DENSE, DIAGONAL, SEPARATE, PEDIGREE, GRID, BAND, KINDS };

static void Put(Case *c, int i, int j)
{
  if (i >= 0 && j >= 0 && i < c->n && j < c->n) c->there[i * c->n + j] = c->there[j * c->n + i] = true;
}

static void MakePattern(Case *c, int kind, uint64_t *random)
{
  const int n = c->n, edge = (int)ceil(sqrt((double)n));

  for (int i = 0; i < n; i++) Put(c, i, i);
  for (int i = 0; i < n; i++) switch (kind) {
    case RANDOM:
      for (int k = 0; k < 2; k++) Put(c, i, (int)(Uniform(random) * n));
      break;
    case ARROW:
      Put(c, i, n / 2), Put(c, i, 0);
      break;
    case DENSE:
      for (int j = 0; j < i; j++) Put(c, i, j);
      break;
    case SEPARATE:
      Put(c, i, i / 7 * 7), Put(c, i, i / 7 * 7 + 3);
      break;
    case PEDIGREE: {
      const int sire = i > 4 ? (int)(Uniform(random) * i) / 5 * 5 : -1, dam = i > 4 ? (int)(Uniform(random) * i) : -1;

      Put(c, i, sire), Put(c, i, dam), Put(c, sire, dam), Put(c, i, i % 3);
    } break;
    case GRID:
      if (i % edge) Put(c, i, i - 1);
      Put(c, i, i - edge);
      break;
    case BAND:
      for (int k = 1; k < 10; k++) Put(c, i, i - k);
      break;
    default:
      break;
    }
}

/* The inverse in place of a dense matrix, by Gauss and Jordan; false if a pivot is not positive */
static bool Invert(int n, double *a, double *log_determinant)
{
  *log_determinant = 0.0;
  for (int k = 0; k < n; k++) {
    const double pivot = a[k * n + k];

    if (!(pivot > 0.0)) return false;
    *log_determinant += log(pivot);
    a[k * n + k] = 1.0;
    for (int j = 0; j < n; j++) a[k * n + j] /= pivot;
    for (int i = 0; i < n; i++) {
      const double factor = a[i * n + k];

      if (i == k || factor == 0.0) continue;
      a[i * n + k] = 0.0;
      for (int j = 0; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return true;
}

/* Numbers of the pattern; some may be 0; the matrix is definite unless `minus` is on the diagonal somewhere */
static void MakeNumbers(Case *c, uint64_t *random, double zeros, bool minus)
{
  const int n = c->n;

  memset(c->whole, 0, sizeof(double) * (size_t)(n * n));
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++)
      if (c->there[i * n + j] && Uniform(random) >= zeros) c->whole[i * n + j] = c->whole[j * n + i] = Uniform(random) - 0.5;
  for (int i = 0; i < n; i++) {
    double sum = 0.1 + Uniform(random);

    for (int j = 0; j < n; j++) sum += fabs(c->whole[i * n + j]);
    c->whole[i * n + i] = minus && i == n / 3 ? -1.0 : sum;
  }
  memcpy(c->inverse, c->whole, sizeof(double) * (size_t)(n * n));
  assert_true(Invert(n, c->inverse, &c->log_determinant) != minus);
}

/* The numbers into this rank's rows of A; as COO, which is what Merit's own matrices are */
static void Fill(Case *c)
{
  const int n  = c->n;
  int64_t   nz = 0;
  double   *v  = calloc((size_t)(c->n_owned * n) + 1, sizeof(double));

  for (int i = c->first; i < c->first + c->n_owned; i++)
    for (int j = 0; j < n; j++)
      if (c->there[i * n + j]) v[nz++] = c->whole[i * n + j];
  TestCall(MatSetValuesCOO(c->A, v, INSERT_VALUES));
  free(v);
}

/* n equations over the ranks; rank `empty` gets none (-1: all get some) */
static Case MakeCase(int kind, int n, int empty, uint64_t seed)
{
  Case      c      = {.n = n};
  uint64_t  random = seed * 977u + 13u;
  int       rank, size, sharing;
  PetscInt *row, *column, nz = 0;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  if (size == 1) empty = -1;
  sharing = size - (empty >= 0 && empty < size);
  for (int r = 0, k = 0; r < size; r++) {
    const int own = r == empty ? 0 : n / sharing + (k++ < n % sharing);

    if (r == rank) c.n_owned = own;
    if (r < rank) c.first += own;
  }
  c.whole   = calloc((size_t)(n * n) + 1, sizeof(double));
  c.inverse = calloc((size_t)(n * n) + 1, sizeof(double));
  c.there   = calloc((size_t)(n * n) + 1, sizeof(bool));
  MakePattern(&c, kind, &random);
  MakeNumbers(&c, &random, 0.0, false);
  row    = calloc((size_t)(c.n_owned * n) + 1, sizeof(*row));
  column = calloc((size_t)(c.n_owned * n) + 1, sizeof(*column));
  for (int i = c.first; i < c.first + c.n_owned; i++)
    for (int j = 0; j < n; j++)
      if (c.there[i * n + j]) row[nz] = i, column[nz++] = j;
  TestCall(MatCreate(PETSC_COMM_WORLD, &c.A));
  TestCall(MatSetSizes(c.A, c.n_owned, c.n_owned, n, n));
  TestCall(MatSetType(c.A, MATAIJ));
  TestCall(MatSetPreallocationCOO(c.A, nz, row, column));
  free(row), free(column);
  Fill(&c);
  return c;
}

static void FreeCase(Case *c)
{
  free(c->whole), free(c->inverse), free(c->there);
  TestCall(MatDestroy(&c->A));
}

/* Everything a factor gives, against elimination */
static void Compare(const Case *c, MeritFactor f)
{
  enum { K = 3 };
  const int n = c->n;
  double    log_determinant, *R = calloc((size_t)c->n_owned * K + 1, sizeof(double)), *X = calloc((size_t)c->n_owned * K + 1, sizeof(double));
  Mat       S;

  TestCall(MeritFactorLogDeterminant(f, &log_determinant));
  assert_true(fabs(log_determinant - c->log_determinant) <= 1e-11 * (n + fabs(c->log_determinant)));
  for (int k = 1; k <= K; k += 2) {
    for (int i = 0; i < c->n_owned; i++)
      for (int j = 0; j < k; j++) R[i * k + j] = sin(1.0 + c->first + i) + j;
    TestCall(MeritFactorSolve(f, k, R, X));
    for (int i = 0; i < c->n_owned; i++)
      for (int j = 0; j < k; j++) {
        double x = 0.0;

        for (int l = 0; l < n; l++) x += c->inverse[(c->first + i) * n + l] * (sin(1.0 + l) + j);
        assert_true(fabs(X[i * k + j] - x) < 1e-10 * (1.0 + fabs(x)));
      }
  }
  TestCall(MatDuplicate(c->A, MAT_COPY_VALUES, &S));
  TestCall(MeritFactorInverse(f, S));
  for (int i = c->first; i < c->first + c->n_owned; i++) {
    const PetscInt    *column;
    const PetscScalar *value;
    PetscInt           m;

    TestCall(MatGetRow(S, i, &m, &column, &value));
    for (PetscInt j = 0; j < m; j++) assert_true(fabs(value[j] - c->inverse[i * n + column[j]]) < 1e-10);
    TestCall(MatRestoreRow(S, i, &m, &column, &value));
  }
  TestCall(MatDestroy(&S));
  free(R), free(X);
}

/*
  Dense work on one front by BLAS and LAPACK, column-major.

  A front has `width` columns to eliminate and `below` further rows. Large fronts are cut into
  tiles and panels that the threads share; small ones are left to one thread, since several
  branches are worked on at once.
*/
#include "factor_impl.h"
#include <petscblaslapack.h>
#include <stdlib.h>

/* Columns eliminated at a time; side of a tile; order from which the tiles are divided over the
   threads */
enum { PANEL = 192, TILE = 256, LARGE = 512 };

static const double ONE = 1.0, MINUS = -1.0, ZERO = 0.0;

/* smaller of two numbers; tiles that cover n rows */
static inline int32_t Least(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t Tiles(int32_t n) { return (n + TILE - 1) / TILE; }

/* C -= A B', A [m * k], B [n * k] */
static void Subtract(int32_t m, int32_t n, int32_t k, const double *A, const double *B, int32_t ld, double *C, int32_t ld_C)
{
  PetscBLASInt M = m, N = n, K = k, LD = ld, LC = ld_C;

  if (m > 0 && n > 0 && k > 0) BLASgemm_("N", "T", &M, &N, &K, &MINUS, A, &LD, B, &LD, &ONE, C, &LC);
}

/* A [m * k] = A L'^-1 (transposed) or A L^-1, L [k * k] lower triangular */
static void Divide(int32_t m, int32_t k, const double *L, int32_t ld, bool transposed, double *A, int32_t ld_A)
{
  PetscBLASInt M = m, K = k, LD = ld, LA = ld_A;

  if (m > 0 && k > 0) BLAStrsm_("R", "L", transposed ? "T" : "N", "N", &M, &K, &ONE, L, &LD, A, &LA);
}

/* Row and column of pair p, when the tiles of a lower triangle are numbered row by row */
static void Pair(int64_t p, int32_t *row, int32_t *column)
{
  int64_t i = 0;

  while ((i + 1) * (i + 2) / 2 <= p) i++;
  *row    = (int32_t)i;
  *column = (int32_t)(p - i * (i + 1) / 2);
}

/* U -= L L' of the rows below (lower triangle), tile by tile */
static void Update(int n_threads, int32_t width, int32_t below, const double *L, double *U)
{
  const int32_t order = width + below, n = Tiles(below);

#pragma omp parallel for schedule(dynamic) num_threads(n_threads)
  for (int64_t p = 0; p < (int64_t)n * (n + 1) / 2; p++) {
    int32_t i, j;

    Pair(p, &i, &j);
    i *= TILE, j *= TILE;
    Subtract(Least(TILE, below - i), Least(TILE, below - j), width, L + width + i, L + width + j, order, U + (int64_t)j * below + i, below);
  }
}

/* Factor the columns panel by panel: diagonal block, rows below it, then the remaining columns.
   Returns the first column whose pivot is not positive, or -1. */
static int32_t Columns(int n_threads, int32_t width, int32_t order, double *L)
{
  for (int32_t k = 0; k < width; k += PANEL) {
    const int32_t kb = Least(PANEL, width - k), next = k + kb, n_rows = Tiles(order - next), n_columns = Tiles(width - next);
    double       *panel = L + (int64_t)k * order;
    PetscBLASInt  n = kb, ld = order, info;

    LAPACKpotrf_("L", &n, panel + k, &ld, &info);
    if (info) return k + (int32_t)info - 1;
#pragma omp parallel for schedule(dynamic) num_threads(n_threads)
    for (int32_t i = 0; i < n_rows; i++) Divide(Least(TILE, order - next - i * TILE), kb, panel + k, order, true, panel + next + i * TILE, order);
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(n_threads)
    for (int32_t j = 0; j < n_columns; j++)
      for (int32_t i = 0; i < n_rows; i++) {
        if (i < j) continue;
        Subtract(Least(TILE, order - next - i * TILE), Least(TILE, width - next - j * TILE), kb, panel + next + i * TILE, panel + next + j * TILE,
                 order, L + (int64_t)(next + j * TILE) * order + next + i * TILE, order);
      }
  }
  return -1;
}

/* FrontFactor - See the header. Not collective.
   One thread: Cholesky of the width x width block, a triangular solve for the rows below, and the
   update U -= L_SJ L_SJ'. Several threads do the same by panels and tiles. */
int32_t FrontFactor(int n_threads, int32_t width, int32_t below, double *L, double *U)
{
  const int32_t order = width + below;
  PetscBLASInt  w = width, b = below, ld = order, ld_U = below, info;
  int32_t       lost;

  if (n_threads > 1 && order >= LARGE) {
    lost = Columns(n_threads, width, order, L);
    if (lost < 0 && below) Update(n_threads, width, below, L, U);
    return lost;
  }
  LAPACKpotrf_("L", &w, L, &ld, &info);
  if (info) return (int32_t)info - 1;
  Divide(below, width, L, order, true, L + width, order);
  if (below) BLASsyrk_("L", "N", &b, &w, &MINUS, L + width, &ld, &ONE, U, &ld_U);
  return -1;
}

/* Tile (i, j) of -Z Y: Z symmetric with its lower triangle given, leading dimension ld; Y [below *
   width] */
static void Product(int32_t below, int32_t width, int32_t i, int32_t j, const double *Z, int32_t ld, const double *Y, double *to)
{
  const int32_t row = i * TILE, rows = Least(TILE, below - row), column = j * TILE;
  PetscBLASInt  m = rows, n = Least(TILE, width - column), LD = ld, ld_Y = below;
  const double *beta = &ZERO;

  for (int32_t k = 0; k < below; k += TILE, beta = &ONE) {
    PetscBLASInt  depth = Least(TILE, below - k);
    const double *y     = Y + (int64_t)column * below + k;
    double       *at    = to + (int64_t)column * ld + row;

    /* A tile above the diagonal of Z is the transpose of one below it */
    if (k < row) BLASgemm_("N", "N", &m, &n, &depth, &MINUS, Z + (int64_t)k * ld + row, &LD, y, &ld_Y, beta, at, &LD);
    else if (k > row) BLASgemm_("T", "N", &m, &n, &depth, &MINUS, Z + (int64_t)row * ld + k, &LD, y, &ld_Y, beta, at, &LD);
    else BLASsymm_("L", "L", &m, &n, &MINUS, Z + (int64_t)k * ld + row, &LD, y, &ld_Y, beta, at, &LD);
  }
}

/* Z_JJ -= Y' Z_SJ, lower triangle, tile by tile */
static void Correct(int n_threads, int32_t width, int32_t below, const double *Y, double *Z)
{
  const int32_t order = width + below, n = Tiles(width);

#pragma omp parallel for schedule(dynamic) num_threads(n_threads)
  for (int64_t p = 0; p < (int64_t)n * (n + 1) / 2; p++) {
    int32_t      i, j;
    PetscBLASInt M, N, K = below, ld_Y = below, ld = order;

    Pair(p, &i, &j);
    i *= TILE, j *= TILE;
    M = Least(TILE, width - i), N = Least(TILE, width - j);
    BLASgemm_("T", "N", &M, &N, &K, &MINUS, Y + (int64_t)i * below, &ld_Y, Z + (int64_t)j * order + width, &ld, &ONE, Z + (int64_t)j * order + i,
              &ld);
  }
}

/*
  FrontInverse - See the header. J are the columns of the front, S the rows below.
  With Y = L_SJ L_JJ^-1: Z_SJ = -Z_SS Y, Z_JJ = (L_JJ L_JJ')^-1 - Y' Z_SJ (Takahashi, Fagan and
  Chen 1973). Not collective.
*/
bool FrontInverse(int n_threads, int32_t width, int32_t below, const double *L, double *Z)
{
  const int32_t order = width + below;
  const int     n     = order >= LARGE ? n_threads : 1;
  double       *Y     = below ? malloc((size_t)below * (size_t)width * sizeof(*Y)) : NULL;
  PetscBLASInt  w = width, ld = order, info;

  if (below && !Y) return false;
  for (int32_t j = 0; j < width; j++) {
    for (int32_t i = 0; i < below; i++) Y[(int64_t)j * below + i] = L[(int64_t)j * order + width + i];
    for (int32_t i = j; i < width; i++) Z[(int64_t)j * order + i] = L[(int64_t)j * order + i];
  }
  /* Z_JJ starts as (L_JJ L_JJ')^-1 */
  LAPACKpotri_("L", &w, Z, &ld, &info);
  if (below) {
#pragma omp parallel for schedule(dynamic) num_threads(n)
    for (int32_t i = 0; i < Tiles(below); i++) Divide(Least(TILE, below - i * TILE), width, L, order, false, Y + i * TILE, below);
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(n)
    for (int32_t j = 0; j < Tiles(width); j++)
      for (int32_t i = 0; i < Tiles(below); i++) Product(below, width, i, j, Z + (int64_t)width * order + width, order, Y, Z + width);
    Correct(n, width, below, Y, Z);
  }
  free(Y);
  return true;
}

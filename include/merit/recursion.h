#pragma once
#include <merit/sys.h>

/*
  A covariance matrix K of levels by a recursion: u_i = sum_p c_ip u_p + m_i with independent m_i of variance d_i, parents before their
  children, so that K^-1 = (I - P)' D^-1 (I - P). Each row of I - P is sparse: 1 at the level itself, -c_ip at its parents. Plain arrays of one
  rank, which has the rows of the levels it owns; parents may be levels that other ranks own (ghosts).

  - Row i < n_levels is that of owned level i. Rows behind these have no level of their own: such a row only ties its parents, and K^-1 is still
    the sum over rows of 1/d_i times the outer product of the row with itself.
  - d_i is infinite where a level is flat: 1/d_i = 0, so that its row adds nothing to K^-1. Such a level is treated like a column of X.
  - A level is named by the position of its first equation on this rank; it has n of them, side by side.
*/
typedef struct {
  int32_t        n_levels, n_rows;
  int32_t        own;         /* first equation of the first owned level; others follow, n each */
  int            n;           /* equations of a level */
  const int32_t *sire, *dam;  /* [n_rows] two parents of coefficient 1/2 each, -1 none; NULL: no row has parents, or they are in `start` */
  const int64_t *start;       /* [n_rows + 1] first parent of each row in the two lists below; NULL: sire and dam, or none */
  const int32_t *parent;      /* [start[n_rows]] -1 none */
  const double  *coefficient; /* [start[n_rows]] c of each parent */
  const double  *d;           /* [n_rows] variance of m, INFINITY: flat; NULL: all 1 */
} MeritRecursion;

/* Positions of row `row` of I - P: the level's own, then one for each parent. */
static inline int64_t MeritRecursionRowLength(const MeritRecursion *r, int32_t row)
{
  return 1 + (r->start ? r->start[row + 1] - r->start[row] : r->sire ? 2 : 0);
}

/* Element p of row `row` of I - P: the first equation of the level, -1 if there is none, and the element of the matrix. */
static inline int32_t MeritRecursionElement(const MeritRecursion *r, int32_t row, int64_t p, double *element)
{
  *element = 1.0;
  if (!p) return row < r->n_levels ? r->own + row * r->n : -1;
  if (r->start) {
    *element = -r->coefficient[r->start[row] + p - 1];
    return r->parent[r->start[row] + p - 1];
  }
  *element = -0.5;
  return p == 1 ? r->sire[row] : r->dam[row];
}

/* Variance d of row `row`. */
static inline double MeritRecursionVariance(const MeritRecursion *r, int32_t row) { return r->d ? r->d[row] : 1.0; }

/* Has a row of this rank parents? */
static inline bool MeritRecursionLinked(const MeritRecursion *r) { return r->sire || r->start; }

/* Takes a contribution to K^-1: product / d at the levels whose first equations are row and column. */
typedef void (*MeritRecursionEntry)(void *ctx, int32_t row, int32_t column, double product, double d);
/* Give the contributions of all rows to K^-1, each level with itself and with every other of its row; those of one entry add up. Not collective. */
MERIT_EXTERN void MeritRecursionEntries(const MeritRecursion *r, MeritRecursionEntry take, void *ctx);
/* Diagonal blocks of K^-1 x G_inverse added to D[(equation + a) * stride + b], those of parents too. One thread. */
MERIT_EXTERN void MeritRecursionDiagonal(const MeritRecursion *r, const double *G_inverse, int stride, double *D);
/* y += B z with B = (I - P)' D^-1/2 x F, F lower triangular [n * n], for k right-hand sides fastest, so that B B' = K^-1 x F F'; z has
   n_rows * n * k numbers. One thread. */
MERIT_EXTERN void MeritRecursionRoot(const MeritRecursion *r, const double *F, int k, const double *z, double *y);
/* z += B' x, see above. One thread. */
MERIT_EXTERN void MeritRecursionRootTransposed(const MeritRecursion *r, const double *F, int k, const double *x, double *z);
/* sum += times log d for each row of this rank, flat ones left out: with 1 the sum over ranks is log |K| if every row has a level. One thread. */
MERIT_EXTERN void MeritRecursionLogDeterminant(const MeritRecursion *r, double times, double *sum);

/* The positions of I - P by level instead of by row: those of level t are start[t] .. start[t + 1] - 1. */
typedef struct {
  int32_t  n_levels;
  int32_t *equation; /* [n_levels] first equation of each level that a row has */
  int64_t *start;    /* [n_levels + 1] */
  int32_t *row;      /* rows ascending within a level */
  double  *element;
} MeritRecursionColumns;

/* m = D^-1 (I - P) x, each level by G_inverse; m [n_rows * n * k], right-hand side fastest. Threaded, the same on any number of threads. */
MERIT_EXTERN void MeritRecursionForward(const MeritRecursion *r, const double *G_inverse, int k, const double *x, double *m);
/* y += (I - P)' m. Threaded, the same on any number of threads. */
MERIT_EXTERN void MeritRecursionBackward(const MeritRecursion *r, const MeritRecursionColumns *columns, int k, const double *m, double *y);

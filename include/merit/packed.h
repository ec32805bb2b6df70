#pragma once
#include <merit/sys.h>

/*
  Products with packed genotypes, on plain arrays. Rows lie in strips of 256; the eight words at code + (s *
  stride + j) * 8 are the genotypes of strip s, column j: word q holds rows 32 q .. 32 q + 31 of the strip, two
  bits each, the first row lowest. 0, 1, 2 copies; 3 missing, or beyond the last row. The matrix is M_ij =
  scale_j (copies_ij - centre_j), where a missing genotype counts as missing_j copies. A range of columns is a matrix
  too: move all pointers to its first column and keep the stride. Nothing here is collective.
*/
#define MERIT_STRIP 256 /* rows of a strip */
#define MERIT_LINE  8   /* words of a column in a strip: one cache line */

/* List of the missing genotypes by blocks of 32 columns of a strip; made once, it makes products faster. */
#define MERIT_GAP_COLUMNS 32
typedef struct {
  int32_t   blocks; /* of a strip */
  int64_t  *start;  /* [strips * blocks + 1] first entry of a block; NULL: no list, too many are missing */
  uint16_t *at;     /* row of the strip + 256 * column of the block */
} MeritGaps;

/*
  With `single`, products with AVX2 or AVX-512 take floats for tables and for sums within 256 rows or columns, doubles beyond. A value is
  then off by at most MERIT_PACKED_SINGLE_ERROR times the sum of 2 |scale x| or 2 |scale s| over its terms; by 2e-7 of it in practice.
*/
#define MERIT_PACKED_SINGLE_ERROR 1e-5
typedef struct {
  int64_t          n_rows;
  int32_t          n_cols;
  int32_t          stride;    /* columns of a strip in memory, at least n_cols */
  const uint64_t  *code;      /* [strips * stride * 8], on a 64-byte boundary; borrowed, as the others */
  const double    *scale;     /* [n_cols] */
  const double    *centre;    /* [n_cols] */
  const double    *missing;   /* [n_cols] */
  const MeritGaps *gaps;      /* of the whole matrix, NULL: no list */
  int32_t          first_gap; /* block of gaps that the first column begins */
  bool             single;    /* use single precision: see above */
} MeritPacked;

/* Strips that hold n_rows rows. */
MERIT_EXTERN int64_t MeritPackedStrips(int64_t n_rows);
/* List the missing genotypes of m; threaded. */
MERIT_EXTERN PetscErrorCode MeritPackedFindGaps(const MeritPacked *m, MeritGaps *gaps);
/* Free a list. */
MERIT_EXTERN PetscErrorCode MeritGapsDestroy(MeritGaps *gaps);
/* g[n_rows * k] = M x[n_cols * k], right-hand side fastest. Threaded over rows. */
MERIT_EXTERN PetscErrorCode MeritPackedForward(const MeritPacked *m, int k, const double x[], double g[]);
/* y[n_cols * k] = M' s[n_rows * k]. Threaded over columns. */
MERIT_EXTERN PetscErrorCode MeritPackedAdjoint(const MeritPacked *m, int k, const double s[], double y[]);
/* g = M x, w += D g, y = M' w, in one pass over the genotypes where that is faster: n components, k right-hand sides, D[n_rows * n * n]
   a block for each row; x[n_cols * n * k], g and w[n_rows * n * k], y[n_cols * n * k], which may be x. */
MERIT_EXTERN PetscErrorCode MeritPackedNormal(const MeritPacked *m, int n, int k, const double D[], const double x[], double g[], double w[],
                                              double y[]);
/* q[n_cols * k] = sum over rows of M_ij^2 weight[row * k + .]. */
MERIT_EXTERN PetscErrorCode MeritPackedSquares(const MeritPacked *m, int k, const double weight[], double q[]);
/* gram[(a * n + b) * k + .] = sum over rows of M_i,first+a M_i,first+b weight[row * k + .], both triangles. */
MERIT_EXTERN PetscErrorCode MeritPackedGram(const MeritPacked *m, int32_t first, int32_t n, int k, const double weight[], double gram[]);
/* out[n_rows * n] = columns [first, first + n) of M, column fastest. */
MERIT_EXTERN PetscErrorCode MeritPackedDecode(const MeritPacked *m, int32_t first, int32_t n, double out[]);
/*
  Genotypes by animals: word[g * n + i] holds columns 32 g .. 32 g + 31 of animal i, two bits each, the first lowest. Columns beyond
  the last have the value 0.
*/
typedef struct {
  int32_t         n, n_cols;
  const uint64_t *word;                     /* [n * n_words] for all columns; borrowed, as the others */
  const double   *scale, *centre, *missing; /* [n_cols] */
} MeritPackedAnimals;
/* word[g * n + position[i]] |= columns from + 32 g .. of row[i] of m, i < n_rows, rows ascending; columns that m does not have give 0. Threaded. */
MERIT_EXTERN void MeritPackedRows(const MeritPacked *m, int32_t from, int32_t n_words, int32_t n_rows, const int32_t row[], const int32_t position[],
                                  int32_t n, uint64_t word[]);
/* Animals of a panel */
enum { MERIT_PANEL = 32 };
/*
  panel[b][(i - first[b]) * MERIT_PANEL + l] += (M M') of animals i and first[b] + l, for all i from first[b] on; l from n - first[b] on: 0.
  A number is the same bits for any number of threads. first[n_panels] are multiples of MERIT_PANEL. Threaded.
*/
MERIT_EXTERN PetscErrorCode MeritPackedRelate(const MeritPackedAnimals *m, int n_panels, const int32_t first[], double *const panel[]);
/* Rows of column j with code 0, 1, 2 and 3 (rows beyond the last not counted): count[n_cols * 4]. */
MERIT_EXTERN void MeritPackedCount(int64_t n_rows, int32_t n_cols, const uint64_t code[], int64_t count[]);
/* Instructions that the products are compiled for, chosen at run time */
typedef enum { MERIT_PACKED_PORTABLE, MERIT_PACKED_AVX2, MERIT_PACKED_AVX512 } MeritPackedLevel;
/* Allow no level above this one (at first all are allowed); returns the level that is then used. For tests and measurements. */
MERIT_EXTERN MeritPackedLevel MeritPackedUse(MeritPackedLevel most);
/* The level that is used. */
MERIT_EXTERN MeritPackedLevel MeritPackedLevelNow(void);

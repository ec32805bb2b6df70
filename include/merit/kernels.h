#pragma once
#include <merit/limits.h>
#include <merit/recursion.h>
#include <merit/sys.h>

/*
  Loops over records and pedigrees on plain arrays, threaded. Nothing here communicates. Products neither allocate nor fail; the Create
  functions do both.

  A slot is the position of an equation in the local vector x (owned, then those of other ranks). Scatter without races: each thread goes
  through one contiguous chunk of the items. A level that several threads write gets private slots behind the others, one for each thread;
  they are added in a fixed order at the end, so a result repeats for a given number of threads.
*/

/* Target of each item's contribution when n_threads chunks of items are scattered at once. Made by MeritScatterCreate. */
typedef struct {
  int       n_threads;
  int64_t  *chunk;  /* [n_threads + 1] first item of each chunk; owned */
  int32_t **target; /* [n_lists] -> [n_items] redirected slots (the original array when one thread); owned if n_threads > 1 */
  int       n_lists;
  int32_t   y_length;     /* slots + private slots: length of y */
  int32_t   n_shared;     /* levels that several threads write */
  int32_t  *shared;       /* [n_shared] first slot of the level; owned */
  int32_t  *width;        /* [n_shared] components of the level; owned */
  int32_t  *start;        /* [n_shared + 1] into private_slot; owned */
  int32_t  *private_slot; /* first private slot of each shared level, by thread; owned */
} MeritScatter;

/* Plan a scatter: item i writes the level that begins at slot[l][i] (-1 none) in list l, of width[l] components. The arrays of slot must outlive
   the plan. Not collective. Free with MeritScatterDestroy. */
MERIT_EXTERN PetscErrorCode MeritScatterCreate(int n_threads, int64_t n_items, int n_lists, const int32_t *const slot[], const int32_t width[],
                                               int32_t n_slots, MeritScatter *scatter);
/* Free what a scatter holds. */
MERIT_EXTERN PetscErrorCode MeritScatterDestroy(MeritScatter *scatter);

/* Arrays of the records of one rank; all borrowed */
typedef struct {
  int32_t               n_records;
  int                   n_traits;
  int                   n_regressors; /* of all terms */
  const int32_t *const *slot;         /* [n_regressors] -> [n_records], -1 none */
  const double *const  *value;        /* [n_regressors] -> [n_records], NULL: 1 */
  const int32_t *const *offset;       /* [n_regressors] -> [n_traits], -1 none */
  const int32_t        *pattern;      /* [n_records] */
  const double         *R_inverse;    /* [n_patterns * n_traits^2] */
  const double         *sqrt_weight;  /* [n_records * n_traits] square roots of weights, NULL: 1 */
  const bool           *single;       /* [n_regressors] all records have the same level */
  int                   n_patterns;
  const MeritScatter   *scatter;
} MeritRecordKernel;

/* y += W' R^-1 W x: x[n_slots * k], y[y_length * k]. Private slots must be 0 before a call, and are 0 after it. */
MERIT_EXTERN void MeritRecordsApply(const MeritRecordKernel *records, int k, const double *x, double *y);
/* y += W' R^-1 values, values[n_records * n_traits * k]. */
MERIT_EXTERN void MeritRecordsProject(const MeritRecordKernel *records, int k, const double *values, double *y);
/* fitted[n_records * n_traits * k] = W x. */
MERIT_EXTERN void MeritRecordsFitted(const MeritRecordKernel *records, int k, const double *x, double *fitted);
/* Diagonal blocks of W' R^-1 W, regressors of term k being first_regressor[k] .. [k + 1] - 1: D[n_slots * stride], row (slot + a) column b of a
   level at D[(slot + a) * stride + b]. One thread. */
MERIT_EXTERN void MeritRecordsDiagonal(const MeritRecordKernel *records, const int first_regressor[], int n_terms, int stride, double *D);

/* Pedigree of one term: owned animal i has its n equations at slot own + i * n; all arrays borrowed */
typedef struct {
  int32_t             n_animals;
  int                 n;          /* equations per level, at most MERIT_MAX_COMPONENTS */
  int32_t             own;        /* slot of the first animal */
  const int32_t      *sire, *dam; /* [n_animals] slots, -1 unknown */
  const double       *d;          /* [n_animals] Mendelian variance */
  const double       *G_inverse;  /* [n * n] */
  const MeritScatter *scatter;    /* lists: own, sire, dam */
} MeritPedigreeKernel;

/* y += (A^-1 x G^-1) x, edge by edge: x[n_slots * k], y[y_length * k]; private slots must be 0 before a call, and are 0 after it. */
MERIT_EXTERN void MeritPedigreeApply(const MeritPedigreeKernel *edges, int k, const double *x, double *y);
/* True if MeritPedigreeApply overwrites the owned equations instead of adding to them; they need not be 0 before. */
MERIT_EXTERN bool MeritPedigreeOverwrites(const MeritPedigreeKernel *pedigree, int k);
/* y[i] += G^-1 x[i] for n_levels levels of n equations, k right-hand sides. */
MERIT_EXTERN void MeritLevelsApply(int32_t n_levels, int n, const double *G_inverse, int k, const double *x, double *y);

/*
  Incomplete Cholesky factor of one recursion, levels youngest first, pattern {level, parents}. With K_i = G^-1 / d_i and W_i the
  data block of a level plus the contributions of its children, the pivot is K_i + W_i; a parent receives c^2 (K_i - K_i pivot^-1 K_i), c = 1/2
  in a pedigree. Stored for one equation a level: only K_i / pivot_i, which lies in (0, 1], in single precision (enough for a preconditioner).
*/
typedef struct {
  int                   n;            /* equations per level */
  int32_t               own;          /* slot of the first owned animal */
  const int32_t        *sire, *dam;   /* [n_animals] slots, -1 unknown; NULL: rows of another kind */
  const double         *d;            /* [n_animals] Mendelian variance */
  const double         *G_inverse;    /* [n^2] */
  float                *k_over_pivot; /* sire, n = 1: [n_animals] K_i / pivot_i; owned by the caller */
  double               *inverse;      /* else [n_animals * n (n + 1) / 2] lower triangles of pivot^-1, row after row; owned by the caller */
  const MeritRecursion *rows;
} MeritPedigreeFactor;

/* The factor of a recursion with its equations and this G^-1 (both borrowed), without its arrays. */
MERIT_EXTERN MeritPedigreeFactor MeritPedigreeFactorOf(const MeritRecursion *rows, const double *G_inverse);
/* Length of the array `k_over_pivot`, numbers; 0 if the factor has none. Not collective. */
MERIT_EXTERN int64_t MeritPedigreeFactorRatios(const MeritPedigreeFactor *factor);
/* Length of the array `inverse`, numbers; 0 if the factor has none. Not collective. */
MERIT_EXTERN int64_t MeritPedigreeFactorValues(const MeritPedigreeFactor *factor);
/* True if one pass can do the backward substitution and the product with the operator (MeritPedigreeBackwardApply)? */
MERIT_EXTERN bool MeritPedigreeFactorJoins(const MeritPedigreeFactor *factor);

/* Factor animals [first, last), last one first; their offspring come later or are done. W[n_slots * n], row (slot + a) column b, holds the
   data blocks W_i; contributions to parents are added there. False if a pivot is not definite. One thread. */
MERIT_EXTERN bool MeritPedigreeFactorize(const MeritPedigreeFactor *factor, int32_t first, int32_t last, double *W);
/* Forward substitution for animals [first, last), last one first: v[n_slots * k], scaled as the backward one needs it. One thread. */
MERIT_EXTERN void MeritPedigreeForward(const MeritPedigreeFactor *factor, int32_t first, int32_t last, int k, double *v);
/* Backward substitution for animals [first, last), first one first. One thread. */
MERIT_EXTERN void MeritPedigreeBackward(const MeritPedigreeFactor *factor, int32_t first, int32_t last, int k, double *v);

/* Animals of a block: animals, then their records, while both are in the cache */
enum { MERIT_ANIMAL_BLOCK = 512 };

/* Records sorted by animal: one regressor of animals and n_lists of fixed effects. Each has the traits in consecutive equations. */
typedef struct {
  int           n_traits, n_lists;
  int32_t      *start;       /* [n_blocks + 1] first record of each block of MERIT_ANIMAL_BLOCK animals; owned */
  uint16_t     *in_block;    /* [n_records] number of the animal within its block; owned */
  int32_t      *slot;        /* [n_records * n_lists] slot of the level's first trait, -1 none; owned */
  double       *value;       /* [n_records * n_lists], NULL: 1; owned */
  int32_t      *pattern;     /* [n_records], NULL: all have pattern 0; owned */
  double       *sqrt_weight; /* [n_records * n_traits] square roots of weights, NULL: 1; owned */
  int32_t       one;         /* slot of the fixed level that all records have, -1: none */
  const double *R_inverse;   /* [n_patterns * n_traits^2]; borrowed */
} MeritAnimalRecords;

/* Sort the records by the animals of regressor `animals`; all other regressors are fixed effects. *fits is false, and nothing made, if some
   record has no animal of the n_animals that begin at slot own, or a regressor's traits are not consecutive. Not collective. */
MERIT_EXTERN PetscErrorCode MeritAnimalRecordsCreate(const MeritRecordKernel *records, int animals, int32_t own, int32_t n_animals,
                                                     MeritAnimalRecords *sorted, bool *fits);
/* Free what they hold. */
MERIT_EXTERN PetscErrorCode MeritAnimalRecordsDestroy(MeritAnimalRecords *sorted);
/* MeritPedigreeForward for one right-hand side; sum[0] += v'(L pivot L')^-1 v for n > 1 (for n = 1 the backward one adds it). One thread. */
MERIT_EXTERN void MeritPedigreeForwardSum(const MeritPedigreeFactor *factor, int32_t first, int32_t last, double *v, double sum[1]);
/*
  MeritPedigreeBackward for one right-hand side, and with its result u at once: y = (A^-1 x G^-1) u + Z' R^-1 Z u (equations of the animals are
  overwritten, those of their parents added to), and X' R^-1 Z u added to v at the fixed effects. sum[0] += v'(L pivot L')^-1 v for n = 1,
  sum[1] += u'(A^-1 x G^-1 + Z' R^-1 Z) u. One thread.
*/
MERIT_EXTERN void MeritPedigreeBackwardApply(const MeritPedigreeFactor *factor, const MeritAnimalRecords *records, int32_t first, int32_t last,
                                             double *v, double *y, double sum[2]);
/* y += Z' R^-1 X v for animals [first, last), whose equations begin at slot own: the contribution of the fixed effects. One thread. */
MERIT_EXTERN void MeritAnimalRecordsFinish(const MeritAnimalRecords *records, int32_t own, int32_t first, int32_t last, const double *v, double *y);

/* Bits of a regressor's role in a transfer: it is read; it is written */
enum { MERIT_ROLE_FROM = 1, MERIT_ROLE_TO = 2 };
/* y += sign W_to' R^-1 W_from x over the records, the regressors of each side by role[n_regressors]. Threaded as the scatter is. */
MERIT_EXTERN void MeritRecordsTransfer(const MeritRecordKernel *records, const uint8_t role[], double sign, int k, const double *x, double *y);
/* Absorb the levels of regressor `h` into the diagonal blocks of regressors [first, last), record by record: W -= J' R^-1 J_h B J_h' R^-1 J with
   B[(slot + a) * width + b] the inverse block of the level (0 for equations that do not exist). One thread. */
MERIT_EXTERN void MeritRecordsAbsorb(const MeritRecordKernel *records, int h, int width, const double *B, int first, int last, int stride, double *W);

/*
  Small dense matrices, row-major [n * n]. Not collective, one thread. A matrix counts as definite if its pivots are positive and finite.
*/
/* The rows and columns of A whose bit is set in `chosen`, n <= MERIT_MAX_TRAITS: part[m * m] and their numbers index[m]; returns m. */
MERIT_EXTERN int MeritDensePart(int n, uint32_t chosen, const double *A, int index[], double *part);
/* Lower triangular F with F F' = A, zeros above; only the lower triangle of A is read. False, and F undefined, if A is not definite. */
MERIT_EXTERN bool MeritDenseCholesky(int n, const double *A, double *F);
/* x = (F F')^-1 x for F of MeritDenseCholesky. */
MERIT_EXTERN void MeritDenseSolve(int n, const double *F, double *x);
/* A^-1 and log |A| of a symmetric matrix, n <= MERIT_MAX_COMPONENTS; either output may be NULL. False if it is not definite. */
MERIT_EXTERN bool MeritDenseInvert(int n, const double *A, double *inverse, double *log_determinant);
/* Inverse in place of a symmetric matrix. If a pivot is not above least[p] (NULL: 0), row and column p of the inverse are 0; returns the number
   of such rows. */
MERIT_EXTERN int MeritDenseSweep(int n, const double least[], double *A);
/* A[n * (n + k)] = [M B] becomes [. M^-1 B], n <= MERIT_MAX_COMPONENTS, without exchange of rows. Returns n, or the first row whose pivot is not above
   `tolerance` times its diagonal element at the start; A is then undefined. */
MERIT_EXTERN int MeritDenseEliminate(int n, int k, double tolerance, double *A);

/* Most parts that a sum is cut into */
enum { MERIT_SUM_PARTS = 64 };
/* Adds items [from, to) to sums[]. */
typedef void (*MeritSummand)(int64_t from, int64_t to, void *ctx, double *sums);
/* sums[n_sums] = the sums that `add` computes over the items [0, n), the same bits for any number of threads; room[MERIT_SUM_PARTS * n_sums] is
   work space. */
MERIT_EXTERN void MeritSums(int n_threads, int64_t n, MeritSummand add, void *ctx, int n_sums, double *room, double *sums);
/* sums[j] = a[j]'b[j] for n_pairs <= 4 pairs of vectors of n numbers, `stride` apart; the same to the bit on any number of threads. */
MERIT_EXTERN void MeritDots(int n_threads, int64_t n, int64_t stride, int n_pairs, const double *const a[], const double *const b[], double sums[]);
/* The larger of two measures of an error; NaN if either is NaN, unlike the maximum of C and MPI. */
MERIT_EXTERN double MeritWorst(double a, double b);

#pragma once
#include <merit/sys.h>

/*
  Leaf loops over records and pedigree edges on plain arrays, threaded. No PETSc objects, no allocation, no errors.

  Scatter without races: each thread goes through one contiguous chunk of the items; slots that several threads meet are redirected to
  private places behind the slots and added at the end in a fixed order, so results repeat for a given number of threads.
*/

/* Where each item's contribution goes, when n_threads chunks of items are scattered at once. Made by MeritScatterCreate. */
typedef struct {
  int      n_threads;
  int64_t *chunk;     /* [n_threads + 1] first item of each chunk; owned */
  int32_t **target;   /* [n_lists] -> [n_items] redirected slots (the original array when one thread); owned if n_threads > 1 */
  int      n_lists;
  int32_t  n_places;  /* slots + private places, in units of slots */
  int32_t  n_shared;  /* levels met by several threads */
  int32_t *shared;    /* [n_shared] slot; owned */
  int32_t *width;     /* [n_shared] components of the level; owned */
  int32_t *start;     /* [n_shared + 1] into place; owned */
  int32_t *place;     /* private places of each shared level, by thread; owned */
} MeritScatter;

/* slot[l][i]: slot that item i meets in list l (-1 none), width[l] its components. `shared_width` may differ by list. Not collective. */
MERIT_EXTERN PetscErrorCode MeritScatterCreate(int n_threads, int64_t n_items, int n_lists, const int32_t *const slot[], const int32_t width[],
                                               int32_t n_slots, MeritScatter *scatter);
/* Free what a scatter holds. */
MERIT_EXTERN PetscErrorCode MeritScatterDestroy(MeritScatter *scatter);

/* Records as the kernels see them */
typedef struct {
  int32_t               n_records;
  int                   n_traits;
  int                   n_regressors; /* of all terms */
  const int32_t *const *slot;         /* [n_regressors] -> [n_records], -1 none */
  const double *const  *value;        /* [n_regressors] -> [n_records], NULL: 1 */
  const int32_t *const *offset;       /* [n_regressors] -> [n_traits], -1 none */
  const int32_t        *pattern;      /* [n_records] */
  const double         *R_inverse;    /* [n_patterns * n_traits^2] */
  const double         *root_weight;  /* [n_records * n_traits], NULL: 1 */
  const bool           *single;       /* [n_regressors] all records meet the same level */
  int                   n_patterns;
  const MeritScatter   *scatter;
} MeritRecordKernel;

/* y += W' R^-1 W x: x[n_slots * k], y[n_places * k]. Private places are 0 before and after every call. */
MERIT_EXTERN void MeritRecordsApply(const MeritRecordKernel *records, int k, const double *x, double *y);
/* y += W' R^-1 values, values[n_records * n_traits * k]. */
MERIT_EXTERN void MeritRecordsProject(const MeritRecordKernel *records, int k, const double *values, double *y);
/* fitted[n_records * n_traits * k] = W x. */
MERIT_EXTERN void MeritRecordsFitted(const MeritRecordKernel *records, int k, const double *x, double *fitted);
/* Diagonal blocks of W' R^-1 W, regressors of term k being first_regressor[k] .. [k + 1] - 1: D[n_slots * stride], row (slot + a) column b of a
   level at D[(slot + a) * stride + b]. One thread. */
MERIT_EXTERN void MeritRecordsDiagonal(const MeritRecordKernel *records, const int first_regressor[], int n_terms, int stride, double *D);

/* Pedigree edges of one term as the kernels see them: animal i of the owned ones has equations at own + i * n. */
typedef struct {
  int32_t             n_animals;
  int                 n;         /* equations per level, at most 64 */
  int32_t             own;       /* slot of the first animal */
  const int32_t      *sire, *dam; /* [n_animals] slots, -1 unknown */
  const double       *d;         /* [n_animals] Mendelian variance */
  const double       *G_inverse; /* [n * n] */
  const MeritScatter *scatter;   /* lists: own, sire, dam */
} MeritPedigreeKernel;

/* y += (A^-1 x G^-1) x, edge by edge: x[n_slots * k], y[n_places * k]; private places are added up inside. */
MERIT_EXTERN void MeritPedigreeApply(const MeritPedigreeKernel *edges, int k, const double *x, double *y);
/* Does it overwrite the own equations rather than add to them? Then they need not be 0 before, and parents stand before their offspring. */
MERIT_EXTERN bool MeritPedigreeOverwrites(const MeritPedigreeKernel *pedigree, int k);
/* The same penalty's diagonal blocks added to D (layout as MeritRecordsDiagonal). One thread. */
MERIT_EXTERN void MeritPedigreeDiagonal(const MeritPedigreeKernel *edges, int stride, double *D);
/* y[i] += G^-1 x[i] for n_levels levels of n equations, k right-hand sides. */
MERIT_EXTERN void MeritLevelsApply(int32_t n_levels, int n, const double *G_inverse, int k, const double *x, double *y);

/*
  Incomplete Cholesky factor of one pedigree term, animals youngest first, pattern {animal, sire, dam}. With K_i = G^-1 / d_i and W_i the
  data block of an animal plus what its offspring passed on, the pivot is K_i + W_i; a parent receives 1/4 (K_i - K_i pivot^-1 K_i).
*/
typedef struct {
  int            n;       /* equations per level */
  int32_t        own;     /* slot of the first owned animal */
  const int32_t *sire, *dam; /* [n_animals] slots, -1 unknown */
  double        *pivot;   /* [n_animals * n^2] W before a generation is factored, the inverse pivot after; owned by the caller */
  double        *pass;    /* [n_animals * n^2] pivot^-1 K_i / 2; owned by the caller */
} MeritPedigreeFactor;

/* Factor animals [first, last), from the end (their offspring stand behind them, or are done): parents' data blocks go to W[n_slots * n],
   row (slot + a) column b. Returns false if a pivot is not definite. One thread. */
MERIT_EXTERN bool MeritPedigreeFactorize(const MeritPedigreeFactor *factor, int32_t first, int32_t last, const double *d, const double *G_inverse,
                                         double *W);
/* Forward substitution for animals [first, last), from the end: v[n_slots * k]. One thread. */
MERIT_EXTERN void MeritPedigreeForward(const MeritPedigreeFactor *factor, int32_t first, int32_t last, int k, double *v);
/* Backward substitution, from the beginning. One thread. */
MERIT_EXTERN void MeritPedigreeBackward(const MeritPedigreeFactor *factor, int32_t first, int32_t last, int k, double *v);

/* Which regressors a transfer reads, and which it writes */
enum { MERIT_ROLE_FROM = 1, MERIT_ROLE_TO = 2 };
/* y += sign W_to' R^-1 W_from x over the records, role[n_regressors] saying who is who. Threaded as the scatter is. */
MERIT_EXTERN void MeritRecordsTransfer(const MeritRecordKernel *records, const uint8_t role[], double sign, int k, const double *x, double *y);
/* W -= the diagonal blocks that eliminating the levels met by regressor `h` takes from those met by regressors [first, last), record by
   record: J' R^-1 J_h B J_h' R^-1 J with B[(slot + a) * width + b] the inverse block of the level (0 where it has no part). One thread. */
MERIT_EXTERN void MeritRecordsAbsorb(const MeritRecordKernel *records, int h, int width, const double *B, int first, int last, int stride, double *W);

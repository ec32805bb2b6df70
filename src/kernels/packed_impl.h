#pragma once
#include <merit/packed.h>

/*
  Shared by the paths (sets of instructions) of the packed products. A "quarter" q of a strip is the unit of work of the
  forward product: the 64 rows in bytes 2 q and 2 q + 1 of its eight words. All paths cut strips this way, so several
  threads may work on one strip. Nothing here is collective.
*/
#define MERIT_QUARTERS       4
#define MERIT_LOW_BITS       0x5555555555555555u
#define MERIT_COLUMN_BLOCK   128 /* columns of a strip that stay in the first-level cache: 8 KiB */
#define MERIT_SINGLE_COLUMNS 256 /* columns that a sum of floats goes over before it is added to a double */

/*
  A path, for one right-hand side. A missing genotype counts as `missing_as` copies; mend[] is the correction for it by column
  (NULL: the list of missing genotypes is used instead). Inputs come multiplied by `factor`, a power of two that
  input_factor() chooses by the largest of them.
*/
typedef struct {
  int    most_alone; /* up to so many right-hand sides, one after the other is faster than packed_block.c */
  bool   gaps_free;  /* forward does not need the list of missing genotypes */
  double missing_as;
  double (*input_factor)(double largest);
  /* rows of a strip times factor, in the order that adjoint needs */
  void (*arrange)(const double rows[MERIT_STRIP], double factor, double out[MERIT_STRIP]);
  /* acc[row] += sum over all columns of copies a[j] / factor (missing: + mend[j] / factor), rows of quarters
     [q0, q1) */
  void (*forward)(const MeritPacked *m, int64_t strip, const double a[], const double mend[], double factor, int q0, int q1, double acc[MERIT_STRIP]);
  /* y[j] += sum over the strip's rows of copies s / factor (missing: + mend[j] s / factor), columns [from,
     to) */
  void (*adjoint)(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const double s[MERIT_STRIP], const double mend[], double factor,
                  double y[]);
} MeritPackedPath;

/* The path in plain C */
extern const MeritPackedPath merit_packed_portable;
/* The path for AVX2, or NULL if the compiler or the processor does not have it; static. */
const MeritPackedPath *MeritPackedPathAvx2(void);
/* The same for AVX-512 */
const MeritPackedPath *MeritPackedPathAvx512(void);
/* AVX2 in single precision */
const MeritPackedPath *MeritPackedSingleAvx2(void);
/* AVX-512 in single precision */
const MeritPackedPath *MeritPackedSingleAvx512(void);

/* The path for m with the current instructions. Plain C has none in single precision, since it would not be faster. */
const MeritPackedPath *PackedPathNow(const MeritPacked *m);
/* The power of two that brings the largest input near 1, for floats; 1 if all inputs are 0. */
double PackedSingleFactor(double largest);

/* Inputs of the forward product for one right-hand side: a = factor scale x, mend = a (missing - missing_as), offset = centre'scale x */
typedef struct {
  double *a, *mend; /* [n_cols] times factor; owned */
  double  factor, offset;
} PackedEffects;

/* Make them from right-hand side x[0], x[k], ... of x[n_cols * k]; free with PackedEffectsDestroy(). */
PetscErrorCode PackedEffectsCreate(const MeritPacked *m, const MeritPackedPath *path, int k, const double x[], PackedEffects *e);
/* Free the arrays. */
PetscErrorCode PackedEffectsDestroy(PackedEffects *e);

/* First of the n units of a thread's block, when all threads get nearly equal blocks */
static inline int64_t ShareFirst(int64_t n, int threads, int thread) { return n / threads * thread + n % threads * thread / threads; }

/* Has the matrix a list of missing genotypes? */
static inline bool PackedHasGaps(const MeritPacked *m) { return m->gaps && m->gaps->start; }

/* packed_gaps.c: *at = the list of missing genotypes of a block of a strip, borrowed; returns its length. */
int64_t PackedGaps(const MeritPacked *m, int64_t strip, int32_t block, const uint16_t **at);
/* acc[row] += copies a, missing genotypes included, for the rows of quarters [q0, q1) of a strip. */
void PackedForwardStrip(const MeritPacked *m, const MeritPackedPath *path, const PackedEffects *e, int64_t strip, int q0, int q1,
                        double acc[MERIT_STRIP]);
/* y[j] += copies s, missing genotypes included, for columns [from, to) of a strip: s[row * k], also arranged by the path. */
void PackedAdjointStrip(const MeritPacked *m, const MeritPackedPath *path, int64_t strip, int32_t from, int32_t to, int k, const double s[],
                        const double arranged[MERIT_STRIP], const double mend[], double factor, double y[]);

/* Columns [*from, *to) of a thread, in whole blocks of the lists of missing genotypes */
static inline void ShareColumns(int32_t n_cols, int threads, int thread, int32_t *from, int32_t *to)
{
  const int64_t blocks = ((int64_t)n_cols + MERIT_GAP_COLUMNS - 1) / MERIT_GAP_COLUMNS;

  *from = (int32_t)PetscMin(n_cols, ShareFirst(blocks, threads, thread) * MERIT_GAP_COLUMNS);
  *to   = (int32_t)PetscMin(n_cols, ShareFirst(blocks, threads, thread + 1) * MERIT_GAP_COLUMNS);
}

/* Of the rows' inputs, for the adjoint: largest absolute value; sum, and the rounding error of that sum */
typedef struct {
  double largest, sum, lost;
} PackedSummary;

/* The same of s[i * k], i < n. */
PackedSummary PackedSummarise(int64_t n, int k, const double s[]);

/* First 64-byte boundary in an array with eight doubles to spare: the paths load whole vectors */
static inline double *PackedAligned(double *room) { return (double *)(((uintptr_t)room + 63) & ~(uintptr_t)63); }

/* MeritPackedForward by packed_block.c, any k >= 1. */
PetscErrorCode MeritPackedForwardBlock(const MeritPacked *m, int k, const double x[], double g[]);
/* MeritPackedAdjoint by packed_block.c, any k >= 1. */
PetscErrorCode MeritPackedAdjointBlock(const MeritPacked *m, int k, const double s[], double y[]);

/* Is a product large enough for threads? Starting them costs as much as some ten thousand genotypes. */
static inline bool WorthThreads(const MeritPacked *m) { return m->n_rows * (int64_t)m->n_cols >= 32768; }

/* The eight words of column j in a strip; borrowed. */
static inline const uint64_t *PackedLine(const MeritPacked *m, int64_t strip, int32_t j)
{
  return m->code + ((size_t)strip * (size_t)m->stride + (size_t)j) * MERIT_LINE;
}

/* Missing genotypes of a word, at the low bit of each pair */
static inline uint64_t MissingBits(uint64_t w) { return w & (w >> 1) & MERIT_LOW_BITS; }

/* Low bits of the rows of a strip's word q that exist */
static inline uint64_t RowBits(int64_t n_rows, int64_t strip, int q)
{
  int64_t rows = n_rows - strip * MERIT_STRIP - 32 * (int64_t)q;

  if (rows >= 32) return MERIT_LOW_BITS;
  return rows <= 0 ? 0 : MERIT_LOW_BITS & (((uint64_t)1 << (2 * rows)) - 1);
}

/* sum += term, lost += the rounding error of that addition (Knuth 1969): centring subtracts sums that are far larger than the
   difference */
static inline void AddExactly(double *sum, double *lost, double term)
{
  const double next = *sum + term, part = next - *sum;

  *lost += (*sum - (next - part)) + (term - part);
  *sum = next;
}

/* Low bits of the rows that exist, and of those of quarters [q0, q1) */
static inline void RowMask(const MeritPacked *m, int64_t strip, int q0, int q1, uint64_t mask[MERIT_LINE])
{
  uint64_t bytes = 0;

  for (int q = q0; q < q1; q++) bytes |= (uint64_t)0xffff << (16 * q);
  for (int w = 0; w < MERIT_LINE; w++) mask[w] = bytes & RowBits(m->n_rows, strip, w);
}

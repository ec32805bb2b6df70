#pragma once
#include <merit/packed.h>

/*
  What the paths of the packed products share. A "quarter" q of a strip is the work unit of the forward product:
  the 64 rows in bytes 2 q and 2 q + 1 of its eight words; all paths cut strips this way, so threads may split a
  strip.
*/
#define MERIT_QUARTERS     4
#define MERIT_LOW_BITS     0x5555555555555555u
#define MERIT_COLUMN_BLOCK 128 /* columns of a strip that stay in the first-level cache: 8 KiB */
#define MERIT_SINGLE_COLUMNS 256 /* columns that a sum of floats goes over before it is added to a double */

/*
  One right-hand side. A path counts a missing genotype as `missing_as` copies; mend[] is what is still lacking
  for it (NULL: nothing to be done, the list of missing genotypes sees to it). Inputs come multiplied by `factor`, a power of two that the path chose by the largest of them.
*/
typedef struct {
  int  most_alone; /* right-hand sides up to which one after the other is faster than the tables of blocks */
  bool gaps_free;  /* forward needs no list of missing genotypes */
  double missing_as;
  double (*input_factor)(double largest);
  /* a strip's rows times factor, in the order that adjoint wants */
  void (*arrange)(const double rows[MERIT_STRIP], double factor, double out[MERIT_STRIP]);
  /* acc[row] += sum over all columns of copies a[j] / factor (missing: + mend[j] / factor), rows of quarters
     [q0, q1) */
  void (*forward)(const MeritPacked *m, int64_t strip, const double a[], const double mend[], double factor,
                  int q0, int q1, double acc[MERIT_STRIP]);
  /* y[j] += sum over the strip's rows of copies s / factor (missing: + mend[j] s / factor), columns [from,
     to) */
  void (*adjoint)(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const double s[MERIT_STRIP],
                  const double mend[], double factor, double y[]);
} MeritPackedPath;

extern const MeritPackedPath merit_packed_portable;
/* These paths, or NULL where the compiler or the processor has none. */
const MeritPackedPath *MeritPackedPathAvx2(void);
const MeritPackedPath *MeritPackedPathAvx512(void);
/* The same in single precision */
const MeritPackedPath *MeritPackedSingleAvx2(void);
const MeritPackedPath *MeritPackedSingleAvx512(void);

/* The path for m of the instructions that run now: plain C has none in single precision, since it would not be faster. */
const MeritPackedPath *PackedPathNow(const MeritPacked *m);
/* The power of two that brings the largest input near 1, as floats want it. */
double PackedSingleFactor(double largest);

/* What the forward product takes from one right-hand side */
typedef struct {
  double *a, *mend; /* [n_cols] times factor; owned */
  double  factor, offset;
} PackedEffects;

PetscErrorCode PackedEffectsCreate(const MeritPacked *m, const MeritPackedPath *path, int k, const double x[],
                                   PackedEffects *e);
PetscErrorCode PackedEffectsDestroy(PackedEffects *e);

/* First of the units that fall to a thread */
static inline int64_t ShareFirst(int64_t n, int threads, int thread)
{
  return n / threads * thread + n % threads * thread / threads;
}

/* Is there a list of missing genotypes? */
static inline bool PackedHasGaps(const MeritPacked *m) { return m->gaps && m->gaps->start; }

/* packed_gaps.c: a path's products with what it leaves to the list of missing genotypes */
int64_t PackedGaps(const MeritPacked *m, int64_t strip, int32_t block, const uint16_t **at);
void    PackedForwardStrip(const MeritPacked *m, const MeritPackedPath *path, const PackedEffects *e,
                           int64_t strip, int q0, int q1, double acc[MERIT_STRIP]);
void    PackedAdjointStrip(const MeritPacked *m, const MeritPackedPath *path, int64_t strip, int32_t from,
                           int32_t to, int k, const double s[], const double arranged[MERIT_STRIP],
                           const double mend[], double factor, double y[]);

/* Columns [*from, *to) of a thread's share, whole blocks */
static inline void ShareColumns(int32_t n_cols, int threads, int thread, int32_t *from, int32_t *to)
{
  const int64_t blocks = ((int64_t)n_cols + MERIT_GAP_COLUMNS - 1) / MERIT_GAP_COLUMNS;

  *from = (int32_t)PetscMin(n_cols, ShareFirst(blocks, threads, thread) * MERIT_GAP_COLUMNS);
  *to   = (int32_t)PetscMin(n_cols, ShareFirst(blocks, threads, thread + 1) * MERIT_GAP_COLUMNS);
}

/* What the adjoint must know of rows before it starts */
typedef struct {
  double largest, sum, lost;
} PackedSummary;

/* Of s[i * k], i < n. */
PackedSummary PackedSummarise(int64_t n, int k, const double s[]);

/* The first boundary of 64 bytes in a room with eight doubles to spare: the paths load whole vectors */
static inline double *PackedAligned(double *room)
{
  return (double *)(((uintptr_t)room + 63) & ~(uintptr_t)63);
}

/* Blocks of right-hand sides, any k >= 1. */
PetscErrorCode MeritPackedForwardBlock(const MeritPacked *m, int k, const double x[], double g[]);
PetscErrorCode MeritPackedAdjointBlock(const MeritPacked *m, int k, const double s[], double y[]);

/* Is a product large enough for threads to pay? Starting them costs what some ten thousand genotypes do */
static inline bool WorthThreads(const MeritPacked *m) { return m->n_rows * (int64_t)m->n_cols >= 32768; }

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

/* sum += term; what rounding takes goes to lost (Knuth 1969). Offsets are far larger than what centring
   leaves of them */
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

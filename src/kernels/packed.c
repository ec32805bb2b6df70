/*
  Products M x and M's for one right-hand side after the other; several at once are in
  packed_block.c.

  The processor decides between three paths (plain C, AVX2, AVX-512), which all work strip by
  strip. A path sums copies times values; scale, centre and missing genotypes are handled here:
    M x = copies (scale x) - 1 (centre' scale x),   (M's)_j = scale_j (copies_j' s - centre_j 1's).
    The sums that centring subtracts are compensated (twice the digits), since they cancel against
    large sums.
*/
#include "packed_impl.h"
#include <math.h>
#include <omp.h>

/* Largest level that tests and measurements allow; set before any product runs */
static MeritPackedLevel most_allowed = MERIT_PACKED_AVX512;

/*
  MeritPackedUse - Allow no more than some instructions, or (MERIT_PACKED_AVX512) all that the processor has.

  Not collective. Returns the level that products now use: the largest that is allowed and there.
*/
MeritPackedLevel MeritPackedUse(MeritPackedLevel most)
{
  most_allowed = most;
  return MeritPackedLevelNow();
}

/* MeritPackedLevelNow - The instructions that run now. Not collective. */
MeritPackedLevel MeritPackedLevelNow(void)
{
  if (most_allowed >= MERIT_PACKED_AVX512 && MeritPackedPathAvx512()) return MERIT_PACKED_AVX512;
  if (most_allowed >= MERIT_PACKED_AVX2 && MeritPackedPathAvx2()) return MERIT_PACKED_AVX2;
  return MERIT_PACKED_PORTABLE;
}

/* MeritPackedStrips - Strips of 256 that hold n_rows rows. Not collective. */
int64_t MeritPackedStrips(int64_t n_rows) { return (n_rows + MERIT_STRIP - 1) / MERIT_STRIP; }

/* PackedPathNow - The path of these instructions for m. Not collective. */
const MeritPackedPath *PackedPathNow(const MeritPacked *m)
{
  switch (MeritPackedLevelNow()) {
  case MERIT_PACKED_AVX512:
    return m->single ? MeritPackedSingleAvx512() : MeritPackedPathAvx512();
  case MERIT_PACKED_AVX2:
    return m->single ? MeritPackedSingleAvx2() : MeritPackedPathAvx2();
  default:
    return &merit_packed_portable;
  }
}

/* PackedSingleFactor - The power of two that brings the largest input near 1. Not collective. */
double PackedSingleFactor(double largest) { return largest > 0 ? ldexp(1, PetscMax(-1022, PetscMin(-ilogb(largest), 960))) : 1; }

/* sum of a[i] b[i] with the error of each product and sum added back (Ogita, Rump and Oishi 2005) */
static double DotExactly(int32_t n, const double a[], const double b[])
{
  double sum = 0, lost = 0;

  for (int32_t i = 0; i < n; i++) {
    const double term = a[i] * b[i];

    AddExactly(&sum, &lost, term);
    lost += fma(a[i], b[i], -term);
  }
  return sum + lost;
}

/* Largest absolute value */
static double Largest(int64_t n, const double a[])
{
  double largest = 0;

  for (int64_t i = 0; i < n; i++) largest = fabs(a[i]) > largest ? fabs(a[i]) : largest;
  return largest;
}

/* PackedEffectsCreate - See the header. Not collective; free with PackedEffectsDestroy(). */
PetscErrorCode PackedEffectsCreate(const MeritPacked *m, const MeritPackedPath *path, int k, const double x[], PackedEffects *e)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc2(m->n_cols, &e->a, m->n_cols, &e->mend));
  for (int32_t j = 0; j < m->n_cols; j++) e->a[j] = m->scale[j] * x[(size_t)j * (size_t)k];
  e->offset = DotExactly(m->n_cols, e->a, m->centre);
  e->factor = path->input_factor(Largest(m->n_cols, e->a));
  for (int32_t j = 0; j < m->n_cols; j++) {
    e->a[j] *= e->factor;
    e->mend[j] = e->a[j] * (m->missing[j] - path->missing_as); /* the path counts a missing genotype as missing_as copies */
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PackedEffectsDestroy - Free them. Not collective. */
PetscErrorCode PackedEffectsDestroy(PackedEffects *e)
{
  PetscFunctionBegin;
  PetscCall(PetscFree2(e->a, e->mend));
  PetscFunctionReturn(PETSC_SUCCESS);
}

typedef double  Two __attribute__((vector_size(16)));
typedef int64_t TwoBits __attribute__((vector_size(16)));

/* Two compensated sums and the largest values side by side, in vectors that every x86-64 and ARM
   processor has */
typedef struct {
  Two sum, lost, largest;
} Sums;

/* Add one vector: the error of the addition (Knuth 1969) goes to lost; the largest by bit masks,
   without a branch */
static inline void Add(Sums *sums, Two one)
{
  const Two     next = sums->sum + one, part = next - sums->sum, size = (Two)((TwoBits)one & INT64_MAX);
  const TwoBits more = size > sums->largest;

  sums->lost += (sums->sum - (next - part)) + (one - part);
  sums->sum     = next;
  sums->largest = (Two)(((TwoBits)size & more) | ((TwoBits)sums->largest & ~more));
}

/* PackedSummarise - See the header. Eight sums at a time, so that additions do not wait for each
   other. Not collective. */
PackedSummary PackedSummarise(int64_t n, int k, const double s[])
{
  Sums          sums[4] = {{{0}, {0}, {0}}};
  PackedSummary all     = {0};
  int64_t       i       = 0;

  for (; i + 8 <= n; i += 8)
#pragma GCC unroll 4
    for (int l = 0; l < 4; l++) Add(&sums[l], (Two){s[(i + 2 * l) * k], s[(i + 2 * l + 1) * k]});
  for (; i < n; i++) Add(&sums[0], (Two){s[i * k], 0});
  for (int l = 0; l < 8; l++) {
    AddExactly(&all.sum, &all.lost, sums[l / 2].sum[l % 2]);
    all.lost += sums[l / 2].lost[l % 2];
    all.largest = PetscMax(all.largest, sums[l / 2].largest[l % 2]);
  }
  return all;
}

/* Summary of all rows; strip [strips] gets those of the strips. Strips are combined in order, so
   threads do not change the bits. */
static PackedSummary SummariseRows(const MeritPacked *m, int k, const double s[], PackedSummary strip[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);
  PackedSummary all    = {0};

#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t i = 0; i < strips; i++) strip[i] = PackedSummarise(PetscMin(MERIT_STRIP, m->n_rows - i * MERIT_STRIP), k, s + i * MERIT_STRIP * k);
  for (int64_t i = 0; i < strips; i++) {
    AddExactly(&all.sum, &all.lost, strip[i].sum);
    all.lost += strip[i].lost;
    all.largest = PetscMax(all.largest, strip[i].largest);
  }
  return all;
}

/* Forward product for quarters [from, to) of the strips; g[row * k] is overwritten */
static void ForwardShare(const MeritPacked *m, const MeritPackedPath *path, const PackedEffects *e, int64_t from, int64_t to, int k, double g[])
{
  while (from < to) {
    const int64_t strip = from / MERIT_QUARTERS;
    const int     q0 = (int)(from % MERIT_QUARTERS), q1 = (int)PetscMin(MERIT_QUARTERS, to - strip * MERIT_QUARTERS);
    double        acc[MERIT_STRIP] = {0}; /* sums of the rows of this strip */

    PackedForwardStrip(m, path, e, strip, q0, q1, acc);
    for (int w = 0; w < MERIT_LINE; w++) {
      /* Quarters q0 .. q1 - 1 are rows 8 q0 .. 8 q1 - 1 of each word of 32 rows */
      const int64_t row = strip * MERIT_STRIP + 32 * w, end = PetscMin(8 * q1, m->n_rows - row);

      for (int64_t i = 8 * q0; i < end; i++) g[(row + i) * k] = acc[32 * w + i] - e->offset;
    }
    from = strip * MERIT_QUARTERS + q1;
  }
}

/* M x for one right-hand side of k; x and g point at its first values */
static PetscErrorCode ForwardOne(const MeritPacked *m, int k, const double x[], double g[])
{
  const MeritPackedPath *path  = PackedPathNow(m);
  const int64_t          units = MeritPackedStrips(m->n_rows) * MERIT_QUARTERS;
  PackedEffects          e;

  PetscFunctionBegin;
  PetscCall(PackedEffectsCreate(m, path, k, x, &e));
#pragma omp parallel if (WorthThreads(m))
  {
    const int t = omp_get_thread_num(), n = omp_get_num_threads();

    ForwardShare(m, path, &e, ShareFirst(units, n, t), ShareFirst(units, n, t + 1), k, g);
  }
  PetscCall(PackedEffectsDestroy(&e));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPackedForward - g = M x for k right-hand sides.

  Not collective; threaded over rows, the same result for any number of threads.

  Input Parameters:
+ m - the packed matrix
. k - right-hand sides
- x - [n_cols * k], right-hand side fastest

  Output Parameter:
. g - [n_rows * k]; overwritten
@*/
PetscErrorCode MeritPackedForward(const MeritPacked *m, int k, const double x[], double g[])
{
  PetscFunctionBegin;
  if (k > PackedPathNow(m)->most_alone) PetscFunctionReturn(MeritPackedForwardBlock(m, k, x, g));
  for (int r = 0; r < k; r++) PetscCall(ForwardOne(m, k, x + r, g + r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values of all rows in the order that the path wants, padded with 0 to whole strips */
static void ArrangeRows(const MeritPacked *m, const MeritPackedPath *path, double factor, int k, const double s[], double arranged[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);

#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t strip = 0; strip < strips; strip++) {
    const int64_t row = strip * MERIT_STRIP;
    double        rows[MERIT_STRIP];

    if (k == 1 && row + MERIT_STRIP <= m->n_rows) {
      path->arrange(s + row, factor, arranged + row);
      continue;
    }
    for (int64_t i = 0; i < MERIT_STRIP; i++) rows[i] = row + i < m->n_rows ? s[(row + i) * k] : 0;
    path->arrange(rows, factor, arranged + row);
  }
}

/* Adjoint product for columns [from, to): y[column * k]; part [n_cols] is scratch */
static void AdjointShare(const MeritPacked *m, const MeritPackedPath *path, const double s[], const double arranged[], const double mend[],
                         double factor, double sum, int32_t from, int32_t to, int k, double part[], double y[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);

  for (int32_t j = from; j < to; j++) part[j] = 0;
  for (int64_t strip = 0; strip < strips; strip++)
    PackedAdjointStrip(m, path, strip, from, to, k, s + strip * MERIT_STRIP * k, arranged + strip * MERIT_STRIP, mend, factor, part);
  for (int32_t j = from; j < to; j++) y[(size_t)j * (size_t)k] = m->scale[j] * (part[j] - m->centre[j] * sum);
}

/* M's for one right-hand side of k; s and y point at its first values */
static PetscErrorCode AdjointOne(const MeritPacked *m, int k, const double s[], double y[])
{
  const MeritPackedPath *path   = PackedPathNow(m);
  const int64_t          padded = MeritPackedStrips(m->n_rows) * MERIT_STRIP;
  double                *room, *arranged, *mend, *part, factor, sum; /* arranged: room on a 64-byte boundary */
  PackedSummary         *strip, all;

  PetscFunctionBegin;
  PetscCall(PetscMalloc4(padded + 8, &room, m->n_cols, &mend, m->n_cols, &part, padded / MERIT_STRIP, &strip));
  arranged = PackedAligned(room);
  all      = SummariseRows(m, k, s, strip);
  factor   = path->input_factor(all.largest);
  sum      = all.sum + all.lost;
  for (int32_t j = 0; j < m->n_cols; j++) mend[j] = m->missing[j] - path->missing_as;
  ArrangeRows(m, path, factor, k, s, arranged);
#pragma omp parallel if (WorthThreads(m))
  {
    int32_t from, to;

    ShareColumns(m->n_cols, omp_get_num_threads(), omp_get_thread_num(), &from, &to);
    AdjointShare(m, path, s, arranged, mend, factor, sum, from, to, k, part, y);
  }
  PetscCall(PetscFree4(room, mend, part, strip));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPackedAdjoint - y = M' s for k right-hand sides.

  Not collective; threaded over columns, the same result for any number of threads.

  Input Parameters:
+ m - the packed matrix
. k - right-hand sides
- s - [n_rows * k], right-hand side fastest

  Output Parameter:
. y - [n_cols * k]; overwritten
@*/
PetscErrorCode MeritPackedAdjoint(const MeritPacked *m, int k, const double s[], double y[])
{
  PetscFunctionBegin;
  if (k > PackedPathNow(m)->most_alone) PetscFunctionReturn(MeritPackedAdjointBlock(m, k, s, y));
  for (int r = 0; r < k; r++) PetscCall(AdjointOne(m, k, s + r, y + r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

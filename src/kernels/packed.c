#include "packed_impl.h"
#include <math.h>
#include <omp.h>

/* Set by tests and measurements only, before any product runs. */
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

static const MeritPackedPath *PathNow(void)
{
  switch (MeritPackedLevelNow()) {
  case MERIT_PACKED_AVX512:
    return MeritPackedPathAvx512();
  case MERIT_PACKED_AVX2:
    return MeritPackedPathAvx2();
  default:
    return &merit_packed_portable;
  }
}

/* Sum of a[i] b[i], compensated */
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

static double Largest(int64_t n, const double a[])
{
  double largest = 0;

  for (int64_t i = 0; i < n; i++) largest = fabs(a[i]) > largest ? fabs(a[i]) : largest;
  return largest;
}

/* What the adjoint must know of a strip's rows before it starts */
typedef struct {
  double largest, sum, lost;
} StripSummary;

/* Eight sums at a time, so that one does not wait for the other */
static StripSummary Summarise(int64_t n, const double s[])
{
  double       sum[8] = {0}, lost[8] = {0};
  StripSummary all = {.largest = Largest(n, s)};
  int64_t      i   = 0;

  for (; i + 8 <= n; i += 8)
    for (int l = 0; l < 8; l++) AddExactly(&sum[l], &lost[l], s[i + l]);
  for (; i < n; i++) AddExactly(&sum[0], &lost[0], s[i]);
  for (int l = 0; l < 8; l++) {
    AddExactly(&all.sum, &all.lost, sum[l]);
    all.lost += lost[l];
  }
  return all;
}

/* The same of all strips, [strips] in strip; strip by strip, so that threads do not matter */
static StripSummary SummariseRows(const MeritPacked *m, const double s[], StripSummary strip[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);
  StripSummary  all    = {0};

#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t i = 0; i < strips; i++)
    strip[i] = Summarise(PetscMin(MERIT_STRIP, m->n_rows - i * MERIT_STRIP), s + i * MERIT_STRIP);
  for (int64_t i = 0; i < strips; i++) {
    AddExactly(&all.sum, &all.lost, strip[i].sum);
    all.lost += strip[i].lost;
    all.largest = PetscMax(all.largest, strip[i].largest);
  }
  return all;
}

/* Quarters [from, to) of the strips: g of their rows */
static void ForwardShare(const MeritPacked *m, const MeritPackedPath *path, const double a[],
                         const double mend[], double factor, double offset, int64_t from, int64_t to,
                         double g[])
{
  while (from < to) {
    const int64_t strip = from / MERIT_QUARTERS;
    const int q0 = (int)(from % MERIT_QUARTERS), q1 = (int)PetscMin(MERIT_QUARTERS, to - strip * MERIT_QUARTERS);
    double    acc[MERIT_STRIP] = {0};

    path->forward(m, strip, a, mend, factor, q0, q1, acc);
    for (int at = 0; at < MERIT_STRIP; at++) {
      const int64_t row = strip * MERIT_STRIP + at;

      if (at % 32 >= 8 * q0 && at % 32 < 8 * q1 && row < m->n_rows) g[row] = acc[at] - offset;
    }
    from = strip * MERIT_QUARTERS + q1;
  }
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
  const MeritPackedPath *path  = PathNow();
  const int64_t          units = MeritPackedStrips(m->n_rows) * MERIT_QUARTERS;
  double                *a, *mend, offset, factor;

  PetscFunctionBegin;
  if (k != 1) PetscFunctionReturn(MeritPackedForwardBlock(m, k, x, g));
  PetscCall(PetscMalloc2(m->n_cols, &a, m->n_cols, &mend));
  for (int32_t j = 0; j < m->n_cols; j++) a[j] = m->scale[j] * x[j];
  offset = DotExactly(m->n_cols, a, m->centre);
  factor = path->input_factor(Largest(m->n_cols, a));
  for (int32_t j = 0; j < m->n_cols; j++) {
    a[j] *= factor;
    mend[j] = a[j] * (m->missing[j] - path->missing_as);
  }
#pragma omp parallel if (WorthThreads(m))
  {
    const int t = omp_get_thread_num(), n = omp_get_num_threads();

    ForwardShare(m, path, a, mend, factor, offset, ShareFirst(units, n, t), ShareFirst(units, n, t + 1), g);
  }
  PetscCall(PetscFree2(a, mend));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All rows in the path's order, those beyond the last 0 */
static void ArrangeRows(const MeritPacked *m, const MeritPackedPath *path, double factor, const double s[],
                        double arranged[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);

#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t strip = 0; strip < strips; strip++) {
    const int64_t row = strip * MERIT_STRIP;
    double        last[MERIT_STRIP];

    if (row + MERIT_STRIP <= m->n_rows) {
      path->arrange(s + row, factor, arranged + row);
    } else {
      for (int64_t i = 0; i < MERIT_STRIP; i++) last[i] = row + i < m->n_rows ? s[row + i] : 0;
      path->arrange(last, factor, arranged + row);
    }
  }
}

/* Columns [from, to): y = M' s */
static void AdjointShare(const MeritPacked *m, const MeritPackedPath *path, const double arranged[],
                         const double mend[], double factor, double sum, int32_t from, int32_t to, double y[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);

  for (int32_t j = from; j < to; j++) y[j] = 0;
  for (int64_t strip = 0; strip < strips; strip++)
    path->adjoint(m, strip, from, to, arranged + strip * MERIT_STRIP, mend, factor, y);
  for (int32_t j = from; j < to; j++) y[j] = m->scale[j] * (y[j] - m->centre[j] * sum);
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
  const MeritPackedPath *path   = PathNow();
  const int64_t          padded = MeritPackedStrips(m->n_rows) * MERIT_STRIP;
  double                *room, *arranged, *mend, factor, sum;
  StripSummary          *strip, all;

  PetscFunctionBegin;
  if (k != 1) PetscFunctionReturn(MeritPackedAdjointBlock(m, k, s, y));
  PetscCall(PetscMalloc3(padded + 8, &room, m->n_cols, &mend, padded / MERIT_STRIP, &strip));
  arranged = (double *)(((uintptr_t)room + 63) & ~(uintptr_t)63); /* the paths load whole vectors */
  all      = SummariseRows(m, s, strip);
  factor   = path->input_factor(all.largest);
  sum      = all.sum + all.lost;
  for (int32_t j = 0; j < m->n_cols; j++) mend[j] = m->missing[j] - path->missing_as;
  ArrangeRows(m, path, factor, s, arranged);
#pragma omp parallel if (WorthThreads(m))
  {
    const int t = omp_get_thread_num(), n = omp_get_num_threads();

    AdjointShare(m, path, arranged, mend, factor, sum, (int32_t)ShareFirst(m->n_cols, n, t),
                 (int32_t)ShareFirst(m->n_cols, n, t + 1), y);
  }
  PetscCall(PetscFree3(room, mend, strip));
  PetscFunctionReturn(PETSC_SUCCESS);
}

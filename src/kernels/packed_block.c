/*
  Several right-hand sides, four at a time, by tables over three genotypes. The adjoint looks up the words of a
  column as they lie; the forward product first transposes 32 columns by 32 rows, so that its tables hold exact
  values of M x.
*/
#include "packed_tables.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* PackedValues of M x of 32 columns from `from` on, right-hand sides [r, r + n_r); columns beyond the last give
   nothing */
static void ForwardValues(const MeritPacked *m, int32_t from, int k, int r, int n_r, const double x[],
                          PackedValues value[32])
{
  memset(value, 0, 32 * sizeof(*value));
  for (int32_t j = from; j < PetscMin(from + 32, m->n_cols); j++)
    for (int c = 0; c < 4; c++) {
      const double copies = (c == 3 ? m->missing[j] : c) - m->centre[j];

      for (int i = 0; i < n_r; i++)
        value[j - from][c][i] = m->scale[j] * copies * x[(size_t)j * (size_t)k + (size_t)(r + i)];
    }
}

/* The lines of 32 columns (0 beyond the last) of a strip, transposed: line[f] has row 32 w + f in its word w */
static void TransposeColumns(const MeritPacked *m, PackedTranspose transpose, int64_t strip, int32_t from,
                             PackedLine8 line[32])
{
  const int32_t n = PetscMin(32, m->n_cols - from);

  memcpy(line, PackedLine(m, strip, from), (size_t)n * sizeof(*line));
  memset(line + n, 0, (size_t)(32 - n) * sizeof(*line));
  transpose(line);
}

/* Quarters [from, to) of strips, at most PACKED_QUARTERS: right-hand sides [r, r + n_r) of g */
static void ForwardQuarters(const MeritPacked *m, const PackedKernels *kernels, PackedScratch *own,
                            int64_t from, int64_t to, int k, int r, int n_r, const double x[], double g[])
{
  memset(own->sum.row, 0, (size_t)(to - from) * 64 * sizeof(PackedVector));
  for (int32_t j = 0; j < m->n_cols; j += 32) {
    ForwardValues(m, j, k, r, n_r, x, own->value);
    PackedMakeTable((const PackedValues *)own->value, own->table);
    for (int64_t u = from; u < to;) {
      const int64_t strip = u / MERIT_QUARTERS, end = PetscMin(to, (strip + 1) * MERIT_QUARTERS);
      PackedLine8   line[32];

      TransposeColumns(m, kernels->transpose, strip, j, line);
      kernels->look(own->table, (const uint64_t *)(line + 8 * (u % MERIT_QUARTERS)), 1, (end - u) * 64,
                    own->sum.row + (u - from) * 64);
      u = end;
    }
  }
  for (int64_t at = 0; at < (to - from) * 64; at++) {
    const int64_t u = from + at / 64, row = u / 4 * MERIT_STRIP + at % 8 * 32 + u % 4 * 8 + at / 8 % 8;

    for (int i = 0; i < n_r && row < m->n_rows; i++)
      g[(size_t)row * (size_t)k + (size_t)(r + i)] = own->sum.row[at][i];
  }
}

/* MeritPackedForwardBlock - g = M x, any k; threaded over quarters of strips. Not collective. */
PetscErrorCode MeritPackedForwardBlock(const MeritPacked *m, int k, const double x[], double g[])
{
  const int64_t       units   = MeritPackedStrips(m->n_rows) * MERIT_QUARTERS;
  const PackedKernels kernels = PackedKernelsNow();
  PackedScratch      *scratch;
  int                 threads;

  PetscFunctionBegin;
  PetscCall(PackedMakeScratch(&threads, &scratch));
#pragma omp parallel num_threads(threads) if (WorthThreads(m))
  {
    const int     t = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t last = ShareFirst(units, n, t + 1);

    for (int64_t u = ShareFirst(units, n, t); u < last; u += PACKED_QUARTERS)
      for (int r = 0; r < k; r += PACKED_WIDTH)
        ForwardQuarters(m, &kernels, scratch + t, u, PetscMin(u + PACKED_QUARTERS, last), k, r,
                        PetscMin(PACKED_WIDTH, k - r), x, g);
  }
  free(scratch);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PackedValues of 32 rows from `row` on: copies times s, 0 for missing */
static void AdjointValues(const MeritPacked *m, int64_t row, int k, int r, int n_r, const double s[],
                          PackedValues value[32])
{
  memset(value, 0, 32 * sizeof(*value));
  for (int64_t i = row; i < PetscMin(row + 32, m->n_rows); i++)
    for (int v = 0; v < n_r; v++) {
      const double one = s[(size_t)i * (size_t)k + (size_t)(r + v)];

      value[i - row][1][v] = one;
      value[i - row][2][v] = 2 * one;
    }
}

/* sum[j] += missing copies of column j times s, for one word of each column */
static void AdjointMissing(const MeritPacked *m, int64_t strip, int q, int32_t from, int32_t to,
                           const PackedValues value[32], PackedVector sum[])
{
  const uint64_t rows = RowBits(m->n_rows, strip, q);

  for (int32_t j = from; j < to; j++)
    for (uint64_t b = MissingBits(PackedLine(m, strip, j)[q]) & rows; b; b &= b - 1)
      sum[j - from] += m->missing[j] * value[__builtin_ctzll(b) / 2][1];
}

/* The same for all words of a strip by the list; row[256] of s */
static void AdjointGaps(const MeritPacked *m, int64_t strip, int32_t from, int32_t to,
                        const PackedVector row[MERIT_STRIP], PackedVector sum[])
{
  for (int32_t first = from; first < to; first += MERIT_GAP_COLUMNS) {
    const uint16_t *at;
    const int64_t   n                       = PackedGaps(m, strip, first / MERIT_GAP_COLUMNS, &at);
    PackedVector    part[MERIT_GAP_COLUMNS] = {{0}};

    for (int64_t i = 0; i < n; i++) part[at[i] >> 8] += row[at[i] & 255];
    for (int32_t j = first; n && j < PetscMin(to, first + MERIT_GAP_COLUMNS); j++)
      sum[j - from] += m->missing[j] * part[j - first];
  }
}

/* Columns [from, to), at most PACKED_COLUMNS: right-hand sides [r, r + n_r) of y; total = sums of s over all
   rows */
static void AdjointColumns(const MeritPacked *m, PackedLook look, PackedScratch *own, int32_t from,
                           int32_t to, int k, int r, int n_r, const double s[], const double total[],
                           double y[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);

  memset(own->sum.column, 0, (size_t)(to - from) * sizeof(PackedVector));
  for (int64_t strip = 0; strip < strips; strip++) {
    const int    words = (int)PetscMin(MERIT_LINE, (m->n_rows - strip * MERIT_STRIP + 31) / 32);
    PackedVector row[MERIT_STRIP];

    for (int q = 0; q < words; q++) {
      AdjointValues(m, strip * MERIT_STRIP + 32 * q, k, r, n_r, s, own->value);
      PackedMakeTable((const PackedValues *)own->value, own->table);
      look(own->table, PackedLine(m, strip, from) + q, MERIT_LINE, to - from, own->sum.column);
      for (int i = 0; i < 32; i++) row[32 * q + i] = own->value[i][1];
      if (!PackedHasGaps(m))
        AdjointMissing(m, strip, q, from, to, (const PackedValues *)own->value, own->sum.column);
    }
    if (PackedHasGaps(m)) AdjointGaps(m, strip, from, to, row, own->sum.column);
  }
  for (int32_t j = from; j < to; j++)
    for (int i = 0; i < n_r; i++)
      y[(size_t)j * (size_t)k + (size_t)(r + i)] =
          m->scale[j] * (own->sum.column[j - from][i] - m->centre[j] * total[r + i]);
}

/* Sums of s over rows for each right-hand side; lost[k] is scratch */
static void Totals(int64_t n, int k, const double s[], double total[], double lost[])
{
  for (int r = 0; r < k; r++) total[r] = lost[r] = 0;
  for (int64_t i = 0; i < n; i++)
    for (int r = 0; r < k; r++) AddExactly(&total[r], &lost[r], s[(size_t)i * (size_t)k + (size_t)r]);
  for (int r = 0; r < k; r++) total[r] += lost[r];
}

/* MeritPackedAdjointBlock - y = M' s, any k; threaded over columns. Not collective. */
PetscErrorCode MeritPackedAdjointBlock(const MeritPacked *m, int k, const double s[], double y[])
{
  const PackedLook look = PackedKernelsNow().look;
  PackedScratch   *scratch;
  double          *total, *lost;
  int              threads;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(k, &total, k, &lost));
  PetscCall(PackedMakeScratch(&threads, &scratch));
  Totals(m->n_rows, k, s, total, lost);
#pragma omp parallel num_threads(threads) if (WorthThreads(m))
  {
    const int t = omp_get_thread_num();
    int32_t   first, last;

    ShareColumns(m->n_cols, omp_get_num_threads(), t, &first, &last);
    for (int32_t j = first; j < last; j += PACKED_COLUMNS)
      for (int r = 0; r < k; r += PACKED_WIDTH)
        AdjointColumns(m, look, scratch + t, j, PetscMin(j + PACKED_COLUMNS, last), k, r,
                       PetscMin(PACKED_WIDTH, k - r), s, total, y);
  }
  free(scratch);
  PetscCall(PetscFree2(total, lost));
  PetscFunctionReturn(PETSC_SUCCESS);
}

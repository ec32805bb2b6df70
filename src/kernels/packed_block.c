/*
  Several right-hand sides, four at a time, by tables over three genotypes. The adjoint looks up the words of a
  column as they lie; the forward product first transposes 32 columns by 32 rows, so that its tables hold exact
  values of M x.
*/
#include "packed_tables.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Field f of in[r] becomes field r of in[f]: 32 words of 32 two-bit fields, swapped in halves, quarters, ... */
static void Transpose(uint64_t word[32])
{
  uint64_t mask = 0xffffffffu;

  for (int w = 16; w; w /= 2, mask ^= mask << (2 * w))
    for (int r = 0; r < 32; r += 2 * w)
      for (int i = r; i < r + w; i++) {
        const uint64_t swap = ((word[i] >> (2 * w)) ^ word[i + w]) & mask;

        word[i + w] ^= swap;
        word[i] ^= swap << (2 * w);
      }
}

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

/* Units [from, to) of 32 rows, at most PACKED_UNITS: right-hand sides [r, r + n_r) of g */
static void ForwardUnits(const MeritPacked *m, PackedLook look, PackedScratch *own, int64_t from, int64_t to,
                         int k, int r, int n_r, const double x[], double g[])
{
  memset(own->sum.row, 0, (size_t)(to - from) * 32 * sizeof(PackedVector));
  for (int32_t j = 0; j < m->n_cols; j += 32) {
    const int32_t n = PetscMin(32, m->n_cols - j);

    ForwardValues(m, j, k, r, n_r, x, own->value);
    PackedMakeTable((const PackedValues *)own->value, own->table);
    for (int64_t u = from; u < to; u++) {
      const uint64_t *line     = PackedLine(m, u / MERIT_LINE, j) + u % MERIT_LINE;
      uint64_t        word[32] = {0};

      for (int32_t i = 0; i < n; i++) word[i] = line[(size_t)i * MERIT_LINE];
      Transpose(word);
      look(own->table, word, 1, 32, own->sum.row + (u - from) * 32);
    }
  }
  for (int64_t row = from * 32; row < PetscMin(to * 32, m->n_rows); row++)
    for (int i = 0; i < n_r; i++)
      g[(size_t)row * (size_t)k + (size_t)(r + i)] = own->sum.row[row - from * 32][i];
}

/* MeritPackedForwardBlock - g = M x, any k; threaded over units of 32 rows. Not collective. */
PetscErrorCode MeritPackedForwardBlock(const MeritPacked *m, int k, const double x[], double g[])
{
  const int64_t    units = MeritPackedStrips(m->n_rows) * MERIT_LINE;
  const PackedLook look  = PackedLookNow();
  PackedScratch   *scratch;
  int              threads;

  PetscFunctionBegin;
  PetscCall(PackedMakeScratch(&threads, &scratch));
#pragma omp parallel num_threads(threads) if (WorthThreads(m))
  {
    const int     t = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t last = ShareFirst(units, n, t + 1);

    for (int64_t u = ShareFirst(units, n, t); u < last; u += PACKED_UNITS)
      for (int r = 0; r < k; r += PACKED_WIDTH)
        ForwardUnits(m, look, scratch + t, u, PetscMin(u + PACKED_UNITS, last), k, r,
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

/* Columns [from, to), at most PACKED_COLUMNS: right-hand sides [r, r + n_r) of y; total = sums of s over all
   rows */
static void AdjointColumns(const MeritPacked *m, PackedLook look, PackedScratch *own, int32_t from,
                           int32_t to, int k, int r, int n_r, const double s[], const double total[],
                           double y[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);

  memset(own->sum.column, 0, (size_t)(to - from) * sizeof(PackedVector));
  for (int64_t strip = 0; strip < strips; strip++)
    for (int q = 0; q < MERIT_LINE; q++) {
      const int64_t row = strip * MERIT_STRIP + 32 * q;

      if (row >= m->n_rows) break;
      AdjointValues(m, row, k, r, n_r, s, own->value);
      PackedMakeTable((const PackedValues *)own->value, own->table);
      look(own->table, PackedLine(m, strip, from) + q, MERIT_LINE, to - from, own->sum.column);
      AdjointMissing(m, strip, q, from, to, (const PackedValues *)own->value, own->sum.column);
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
  const PackedLook look = PackedLookNow();
  PackedScratch   *scratch;
  double          *total, *lost;
  int              threads;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(k, &total, k, &lost));
  PetscCall(PackedMakeScratch(&threads, &scratch));
  Totals(m->n_rows, k, s, total, lost);
#pragma omp parallel num_threads(threads) if (WorthThreads(m))
  {
    const int     t = omp_get_thread_num(), n = omp_get_num_threads();
    const int32_t last = (int32_t)ShareFirst(m->n_cols, n, t + 1);

    for (int32_t j = (int32_t)ShareFirst(m->n_cols, n, t); j < last; j += PACKED_COLUMNS)
      for (int r = 0; r < k; r += PACKED_WIDTH)
        AdjointColumns(m, look, scratch + t, j, PetscMin(j + PACKED_COLUMNS, last), k, r,
                       PetscMin(PACKED_WIDTH, k - r), s, total, y);
  }
  free(scratch);
  PetscCall(PetscFree2(total, lost));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Products with one right-hand side with AVX-512, in single precision.

  A register is a table of 16 floats, so a nibble of two genotypes is one look-up and a
  vector serves 32 genotypes, twice those of doubles. Sums of floats go over a strip's rows (adjoint) or over FLUSH columns (forward),
  those over all of them are doubles.
*/
#include "packed_avx512.h"
#include <math.h>
#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define LANES   16 /* half-words of a line */
#define STEPS   16 /* rows of a half-word */
#define FLUSH   MERIT_SINGLE_COLUMNS
#define GROUPS  8 /* groups of 16 columns that share the tables of the adjoint product */
#define COLUMNS (LANES * GROUPS)

/* The largest input is brought near 1, so that floats neither overflow nor vanish */
static double InputFactor(double largest) { return PackedSingleFactor(largest); }

/* Table of two genotypes, entry 4 d + c: code c of the first gives a c (or a3 if missing), code d
   of the second b d (or b3) */
AVX512 INLINE __m512 MakeTable(double a, double a3, double b, double b3)
{
  const __m512 u = _mm512_mask_mov_ps(_mm512_mul_ps(_mm512_set1_ps((float)a), _mm512_setr_ps(0, 1, 2, 0, 0, 1, 2, 0, 0, 1, 2, 0, 0, 1, 2, 0)), 0x8888,
                                      _mm512_set1_ps((float)a3));
  const __m512 v = _mm512_mask_mov_ps(_mm512_mul_ps(_mm512_set1_ps((float)b), _mm512_setr_ps(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0)), 0xf000,
                                      _mm512_set1_ps((float)b3));

  return _mm512_add_ps(u, v);
}

/* One block of columns, all rows: sum[step][half-word] += the tables' values; floats within the
   block, doubles over blocks */
AVX512 INLINE void ForwardBlock(const uint64_t *line, int columns, const __m512 table[], double sum[STEPS][LANES])
{
  const __m512i low = _mm512_set1_epi64(0x3333333333333333);
  __m512        acc[STEPS];

#pragma GCC unroll 16
  for (int t = 0; t < STEPS; t++) acc[t] = _mm512_setzero_ps();
  for (int j = 0; j < columns; j += 2, line += 2 * MERIT_LINE) {
    const __m512i u = _mm512_load_si512(line), v = j + 1 < columns ? _mm512_load_si512(line + MERIT_LINE) : _mm512_setzero_si512();
    const __m512i even = _mm512_or_si512(_mm512_and_si512(u, low), _mm512_slli_epi64(_mm512_and_si512(v, low), 2));
    const __m512i odd  = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi64(u, 2), low), _mm512_andnot_si512(low, v));
    const __m512  t    = table[j / 2];

    __builtin_prefetch(line + FLUSH * MERIT_LINE); /* the lines of the next block of columns */
    __builtin_prefetch(line + (FLUSH + 1) * MERIT_LINE);
#pragma GCC unroll 8
    for (unsigned n = 0; n < STEPS / 2; n++) {
      acc[2 * n]     = _mm512_add_ps(acc[2 * n], _mm512_permutexvar_ps(_mm512_srli_epi32(even, 4 * n), t));
      acc[2 * n + 1] = _mm512_add_ps(acc[2 * n + 1], _mm512_permutexvar_ps(_mm512_srli_epi32(odd, 4 * n), t));
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < STEPS; t++) {
    _mm512_store_pd(sum[t], _mm512_add_pd(_mm512_load_pd(sum[t]), _mm512_cvtps_pd(_mm512_castps512_ps256(acc[t]))));
    _mm512_store_pd(sum[t] + 8, _mm512_add_pd(_mm512_load_pd(sum[t] + 8), _mm512_cvtps_pd(_mm512_extractf32x8_ps(acc[t], 1))));
  }
}

/* acc[row] += sum over columns of copies * a / factor; contract in packed_impl.h */
AVX512 static void Forward(const MeritPacked *m, int64_t strip, const double a[], const double mend[], double factor, int q0, int q1,
                           double acc[MERIT_STRIP])
{
  double       sum[STEPS][LANES] __attribute__((aligned(64))) = {{0}};
  __m512       table[FLUSH / 2];
  const double back = 1 / factor;

  for (int32_t from = 0; from < m->n_cols; from += FLUSH) {
    const int n = PetscMin(FLUSH, m->n_cols - from);

    for (int j = 0; j < n; j += 2) {
      const bool two = j + 1 < n;

      table[j / 2] = MakeTable(a[from + j], mend[from + j], two ? a[from + j + 1] : 0, two ? mend[from + j + 1] : 0);
    }
    ForwardBlock(PackedLine(m, strip, from), n, table, sum);
  }
  /* Half-word l holds quarters 2 (l % 2) and 2 (l % 2) + 1 of word l / 2 */
  for (int l = 0; l < LANES; l++)
    for (int q = PetscMax(q0, 2 * (l % 2)); q < PetscMin(q1, 2 * (l % 2) + 2); q++)
      for (int t = 8 * (q % 2); t < 8 * (q % 2) + 8; t++) acc[STEPS * l + t] += back * sum[t][l];
}

/* Transpose the lines of 16 columns by half-words: half[h * COLUMNS + .] = half-word h, columns in
   order 0, 8, 1, 9, ... Returns whether a genotype of the rows of mask is missing. */
AVX512 INLINE bool TransposeLines(const uint64_t *line, __m512i mask, uint32_t *half)
{
  __m512i a[8], b[8], any = _mm512_setzero_si512();

#pragma GCC unroll 8
  for (int c = 0; c < 8; c++) {
    a[c] = _mm512_load_si512(line + c * MERIT_LINE);
    b[c] = _mm512_load_si512(line + (8 + c) * MERIT_LINE);
    any =
        _mm512_or_si512(any, _mm512_or_si512(_mm512_and_si512(a[c], _mm512_srli_epi64(a[c], 1)), _mm512_and_si512(b[c], _mm512_srli_epi64(b[c], 1))));
  }
  Transpose(a);
  Transpose(b);
#pragma GCC unroll 8
  for (int q = 0; q < 8; q++) {
    _mm512_store_si512(half + 2 * q * COLUMNS, _mm512_mask_blend_epi32(0xaaaa, a[q], _mm512_slli_epi64(b[q], 32)));
    _mm512_store_si512(half + (2 * q + 1) * COLUMNS, _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(a[q], 32), b[q]));
  }
  return _mm512_test_epi64_mask(any, mask) != 0;
}

/* sum[c] = the tables' values for all nibbles of groups of 16 columns; the lines at `next` are
   loaded meanwhile */
AVX512 INLINE void LookUp(const uint32_t *half, const __m512 table[], const int groups, const uint64_t *next, double *sum)
{
  const int chains = groups > 4 ? 1 : 2; /* independent sums, so that additions do not wait for each other */
  __m512    acc[GROUPS];

#pragma GCC unroll 8
  for (int g = 0; g < groups * chains; g++) acc[g] = _mm512_setzero_ps();
  for (int h = 0; h < LANES; h++) {
    __m512i w[GROUPS];

    for (int c = 0; next && c < groups; c++) __builtin_prefetch(next + (h * GROUPS + c) * MERIT_LINE);
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++) w[g] = _mm512_load_si512(half + (size_t)h * COLUMNS + LANES * (size_t)g);
#pragma GCC unroll 2
    for (int t = 0; t < STEPS / 2; t++) {
      const __m512 values = table[STEPS / 2 * h + t];

#pragma GCC unroll 8
      for (int g = 0; g < groups; g++) {
        const int at = g + t % chains * groups;

        acc[at] = _mm512_add_ps(acc[at], _mm512_permutexvar_ps(w[g], values));
        w[g]    = _mm512_srli_epi32(w[g], 4);
      }
    }
  }
  /* Back to the order of columns: even entries are columns 0 to 7, odd ones 8 to 15 */
  for (int g = 0; g < groups; g++) {
    const __m512  all  = chains > 1 ? _mm512_add_ps(acc[g], acc[groups + g]) : acc[g];
    const __m512i each = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const __m512  part = _mm512_permutexvar_ps(each, all);

    _mm512_store_pd(sum + LANES * g, _mm512_cvtps_pd(_mm512_castps512_ps256(part)));
    _mm512_store_pd(sum + LANES * g + 8, _mm512_cvtps_pd(_mm512_extractf32x8_ps(part, 1)));
  }
}

/* The same for 8 or 4 groups at once, or group by group */
AVX512 static void LookUpGroups(const uint32_t *half, const __m512 table[], int groups, const uint64_t *next, double *sum)
{
  if (groups == GROUPS) LookUp(half, table, GROUPS, next, sum);
  else if (groups == 4) LookUp(half, table, 4, NULL, sum);
  else
    for (int g = 0; g < groups; g++) LookUp(half + LANES * (size_t)g, table, 1, NULL, sum + LANES * g);
}

/* Tables of the 128 pairs of rows of a strip: of copies, or of missing genotypes alone */
AVX512 static void MakeTables(const double s[MERIT_STRIP], bool missing, __m512 table[])
{
  for (int p = 0; p < MERIT_STRIP / 2; p++) {
    const double u = s[2 * p], v = s[2 * p + 1];

    table[p] = missing ? MakeTable(0, u, 0, v) : MakeTable(u, 0, v, 0);
  }
}

/* y[j] += M's without scale and centre for columns [from, to) of a strip; contract in packed_impl.h */
AVX512 static void Adjoint(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const double s[MERIT_STRIP], const double mend[],
                           double factor, double y[])
{
  __m512       copies[MERIT_STRIP / 2], missing[MERIT_STRIP / 2];
  double       sum[COLUMNS] __attribute__((aligned(64)));
  uint64_t     mask[MERIT_LINE];
  uint32_t     half[LANES * COLUMNS] __attribute__((aligned(64)));
  bool         made = false;
  const double back = 1 / factor;

  RowMask(m, strip, 0, MERIT_QUARTERS, mask);
  MakeTables(s, false, copies);
  for (int32_t j = from; j < to; j += COLUMNS) {
    const int       n = PetscMin(COLUMNS, to - j), groups = (n + LANES - 1) / LANES;
    const uint64_t *line                                                  = PackedLine(m, strip, j);
    uint64_t        last[LANES * MERIT_LINE] __attribute__((aligned(64))) = {0};
    bool            mended                                                = false;

    /* A group that is not full is copied: the lines behind the last column may be beyond the array */
    for (int g = 0; g < groups; g++) {
      const uint64_t *at = line + (size_t)g * LANES * MERIT_LINE;

      if (n < LANES * (g + 1)) at = memcpy(last, at, (size_t)(n - LANES * g) * MERIT_LINE * sizeof(*at));
      mended |= TransposeLines(at, _mm512_loadu_si512(mask), half + LANES * (size_t)g);
    }
    LookUpGroups(half, copies, groups, j + 2 * COLUMNS <= to ? line + COLUMNS * MERIT_LINE : NULL, sum);
    for (int c = 0; c < n; c++) y[j + c] += back * sum[c];
    if (!mended || !mend) continue;
    if (!made) MakeTables(s, true, missing);
    made = true;
    LookUpGroups(half, missing, groups, NULL, sum);
    for (int c = 0; c < n; c++) y[j + c] += back * mend[j + c] * sum[c];
  }
}

static const MeritPackedPath single = {6, true, 0, InputFactor, Arrange, Forward, Adjoint};

const MeritPackedPath *MeritPackedSingleAvx512(void)
{
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") ? &single : NULL;
}
#else
const MeritPackedPath *MeritPackedSingleAvx512(void) { return NULL; }
#endif

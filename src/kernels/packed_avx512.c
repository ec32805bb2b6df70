/*
  Products with one right-hand side with AVX-512, in double precision.

  A permutation of two registers is a table of 16 doubles, so a nibble of two
  genotypes is one look-up: sums of two columns' values for a row (forward), of two rows' for a column (adjoint).
  A shift, a look-up and an addition serve 16 genotypes, whatever their codes are, and nothing is scaled.
*/
#include "packed_avx512.h"
#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define STEPS   32 /* rows of a word */
#define PAIRS   (MERIT_COLUMN_BLOCK / 2)
#define GROUPS  8 /* groups of eight columns that share the tables of the adjoint product */
#define COLUMNS (8 * GROUPS)

/* Table look-ups are exact for any input, so nothing is scaled */
static double NoFactor(double largest)
{
  (void)largest;
  return 1;
}

/* Table of two genotypes, entry 4 d + c: code c of the first gives a c (or a3 if missing), code d
   of the second b d (or b3) */
AVX512 INLINE void MakeTable(double a, double a3, double b, double b3, __m512d table[2])
{
  const __m512d first = _mm512_mask_mov_pd(_mm512_mul_pd(_mm512_set1_pd(a), _mm512_setr_pd(0, 1, 2, 0, 0, 1, 2, 0)), 0x88, _mm512_set1_pd(a3));

  table[0] = _mm512_mask_add_pd(first, 0xf0, first, _mm512_set1_pd(b));
  table[1] = _mm512_add_pd(first, _mm512_mask_mov_pd(_mm512_set1_pd(2 * b), 0xf0, _mm512_set1_pd(b3)));
}

/* The words of two columns as nibbles (code of the first + 4 code of the second): even rows, or
   (odd) odd rows */
AVX512 INLINE __m512i Nibbles(const uint64_t *line, bool two, const bool odd)
{
  const __m512i low = _mm512_set1_epi64(0x3333333333333333);
  const __m512i u = _mm512_load_si512(line), v = two ? _mm512_load_si512(line + MERIT_LINE) : _mm512_setzero_si512();

  if (odd) return _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi64(u, 2), low), _mm512_andnot_si512(low, v));
  return _mm512_or_si512(_mm512_and_si512(u, low), _mm512_slli_epi64(_mm512_and_si512(v, low), 2));
}

/* Rows 8 first .. 8 (first + n) - 1 of each word, n = 1 or 2: sum[step][word] += the tables'
   values, with the sums in registers */
AVX512 INLINE void ForwardSteps(const uint64_t *line, int columns, const __m512d table[][2], const int first, const int n,
                                double sum[STEPS][MERIT_LINE])
{
  __m512d acc[16];

#pragma GCC unroll 16
  for (int t = 0; t < 8 * n; t++) acc[t] = _mm512_load_pd(sum[8 * first + t]);
  for (int j = 0; j < columns; j += 2, line += 2 * MERIT_LINE) {
    const __m512d lo = table[j / 2][0], hi = table[j / 2][1];
    const bool    two  = j + 1 < columns;
    const __m512i even = Nibbles(line, two, false), odd = Nibbles(line, two, true);

    if (first == 0) { /* the lines of the next block of columns are loaded meanwhile */
      __builtin_prefetch(line + MERIT_COLUMN_BLOCK * MERIT_LINE);
      __builtin_prefetch(line + (MERIT_COLUMN_BLOCK + 1) * MERIT_LINE);
    }

#pragma GCC unroll 8
    for (int t = 0; t < 4 * n; t++) {
      const unsigned bits = (unsigned)(4 * (4 * first + t));

      acc[2 * t]     = _mm512_add_pd(acc[2 * t], _mm512_permutex2var_pd(lo, _mm512_srli_epi64(even, bits), hi));
      acc[2 * t + 1] = _mm512_add_pd(acc[2 * t + 1], _mm512_permutex2var_pd(lo, _mm512_srli_epi64(odd, bits), hi));
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < 8 * n; t++) _mm512_store_pd(sum[8 * first + t], acc[t]);
}

/* One block of columns for quarters [q0, q1): two quarters at a time where both halves of a word
   are wanted */
AVX512 static void ForwardBlock(const uint64_t *line, int columns, const __m512d table[][2], int q0, int q1, double sum[STEPS][MERIT_LINE])
{
  if (q0 == 0 && q1 >= 2) {
    ForwardSteps(line, columns, table, 0, 2, sum);
    q0 = 2;
  }
  if (q0 == 2 && q1 == 4) {
    ForwardSteps(line, columns, table, 2, 2, sum);
    q0 = 4;
  }
  if (q0 <= 0 && q1 > 0) ForwardSteps(line, columns, table, 0, 1, sum);
  if (q0 <= 1 && q1 > 1) ForwardSteps(line, columns, table, 1, 1, sum);
  if (q0 <= 2 && q1 > 2) ForwardSteps(line, columns, table, 2, 1, sum);
  if (q0 <= 3 && q1 > 3) ForwardSteps(line, columns, table, 3, 1, sum);
}

/* acc[32 word + step] += sum[step][word] for eight steps: a transpose of 8 by 8 */
AVX512 INLINE void AddSteps(const double sum[8][MERIT_LINE], double *acc)
{
  __m512i a[8];

#pragma GCC unroll 8
  for (int t = 0; t < 8; t++) a[t] = _mm512_castpd_si512(_mm512_load_pd(sum[t]));
  Transpose(a);
#pragma GCC unroll 8
  for (int w = 0; w < 8; w++) _mm512_storeu_pd(acc + 32 * w, _mm512_add_pd(_mm512_loadu_pd(acc + 32 * w), _mm512_castsi512_pd(a[w])));
}

/* acc[row] += sum over columns of copies * a; mend is the value of a missing genotype. Contract in
   packed_impl.h. */
AVX512 static void Forward(const MeritPacked *m, int64_t strip, const double a[], const double mend[], double factor, int q0, int q1,
                           double acc[MERIT_STRIP])
{
  double  sum[STEPS][MERIT_LINE] __attribute__((aligned(64))) = {{0}};
  __m512d table[PAIRS][2];

  (void)factor;
  for (int32_t from = 0; from < m->n_cols; from += MERIT_COLUMN_BLOCK) {
    const int n = PetscMin(MERIT_COLUMN_BLOCK, m->n_cols - from);

    for (int j = 0; j < n; j += 2) {
      const bool two = j + 1 < n;

      MakeTable(a[from + j], mend[from + j], two ? a[from + j + 1] : 0, two ? mend[from + j + 1] : 0, table[j / 2]);
    }
    ForwardBlock(PackedLine(m, strip, from), n, (const __m512d(*)[2])table, q0, q1, sum);
  }
  for (int q = q0; q < q1; q++) AddSteps((const double(*)[MERIT_LINE])sum + 8 * q, acc + 8 * q);
}

/* Transpose the lines of eight columns: word[q * COLUMNS + c] = word q of column c. Returns whether
   a genotype of the rows of mask is missing. */
AVX512 INLINE bool TransposeLines(const uint64_t *line, __m512i mask, uint64_t *word)
{
  __m512i a[8], any = _mm512_setzero_si512();

#pragma GCC unroll 8
  for (int c = 0; c < 8; c++) {
    a[c] = _mm512_load_si512(line + c * MERIT_LINE);
    any  = _mm512_or_si512(any, _mm512_and_si512(a[c], _mm512_srli_epi64(a[c], 1)));
  }
  Transpose(a);
#pragma GCC unroll 8
  for (int q = 0; q < 8; q++) _mm512_store_si512(word + q * COLUMNS, a[q]);
  return _mm512_test_epi64_mask(any, mask) != 0;
}

/* sum[c] = the tables' values for all nibbles of groups of eight columns; the lines at `next` are
   loaded meanwhile */
AVX512 INLINE void LookUp(const uint64_t *word, const __m512d table[][2], const int groups, const uint64_t *next, double *sum)
{
  const int chains = groups > 4 ? 1 : 2; /* independent sums, so that additions do not wait for each other */
  __m512d   acc[GROUPS];

#pragma GCC unroll 8
  for (int g = 0; g < groups * chains; g++) acc[g] = _mm512_setzero_pd();
  for (int q = 0; q < MERIT_LINE; q++) {
    __m512i w[GROUPS];

    for (int c = 0; next && c < groups; c++) __builtin_prefetch(next + (q * GROUPS + c) * MERIT_LINE);
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++) w[g] = _mm512_load_si512(word + (size_t)q * COLUMNS + 8 * (size_t)g);
#pragma GCC unroll 2
    for (int t = 0; t < 16; t++) {
      const __m512d lo = table[16 * q + t][0], hi = table[16 * q + t][1];

#pragma GCC unroll 8
      for (int g = 0; g < groups; g++) {
        const int at = g + t % chains * groups;

        acc[at] = _mm512_add_pd(acc[at], _mm512_permutex2var_pd(lo, w[g], hi));
        w[g]    = _mm512_srli_epi64(w[g], 4);
      }
    }
  }
#pragma GCC unroll 8
  for (int g = 0; g < groups; g++) _mm512_store_pd(sum + 8 * g, chains > 1 ? _mm512_add_pd(acc[g], acc[groups + g]) : acc[g]);
}

/* The same for 8 or 4 groups at once, or group by group: constants let the compiler keep the sums
   in registers */
AVX512 static void LookUpGroups(const uint64_t *word, const __m512d table[][2], int groups, const uint64_t *next, double *sum)
{
  if (groups == GROUPS) LookUp(word, table, GROUPS, next, sum);
  else if (groups == 4) LookUp(word, table, 4, NULL, sum);
  else
    for (int g = 0; g < groups; g++) LookUp(word + 8 * (size_t)g, table, 1, NULL, sum + 8 * g);
}

/* Tables of the 128 pairs of rows of a strip: of copies, or of missing genotypes alone */
AVX512 static void MakeTables(const double s[MERIT_STRIP], bool missing, __m512d table[][2])
{
  for (int p = 0; p < MERIT_STRIP / 2; p++) {
    const double u = s[2 * p], v = s[2 * p + 1];

    if (missing) MakeTable(0, u, 0, v, table[p]);
    else MakeTable(u, 0, v, 0, table[p]);
  }
}

/* y[j] += M's without scale and centre for columns [from, to) of a strip; contract in packed_impl.h */
AVX512 static void Adjoint(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const double s[MERIT_STRIP], const double mend[],
                           double factor, double y[])
{
  __m512d  copies[MERIT_STRIP / 2][2], missing[MERIT_STRIP / 2][2];
  double   sum[COLUMNS] __attribute__((aligned(64)));
  uint64_t mask[MERIT_LINE], word[MERIT_LINE * COLUMNS] __attribute__((aligned(64)));
  bool     made = false;

  (void)factor;
  RowMask(m, strip, 0, MERIT_QUARTERS, mask);
  MakeTables(s, false, copies);
  for (int32_t j = from; j < to; j += COLUMNS) {
    const int       n = PetscMin(COLUMNS, to - j), groups = (n + 7) / 8;
    const uint64_t *line                                              = PackedLine(m, strip, j);
    uint64_t        last[8 * MERIT_LINE] __attribute__((aligned(64))) = {0};
    bool            mended                                            = false;

    for (int g = 0; g < groups; g++) {
      const uint64_t *at = line + (size_t)g * 8 * MERIT_LINE;

      /* A group that is not full is copied: the lines behind the last column may be beyond the
         array */
      if (n < 8 * g + 8) at = memcpy(last, at, (size_t)(n - 8 * g) * MERIT_LINE * sizeof(*at));
      mended |= TransposeLines(at, _mm512_loadu_si512(mask), word + 8 * (size_t)g);
    }
    LookUpGroups(word, (const __m512d(*)[2])copies, groups, j + 2 * COLUMNS <= to ? line + COLUMNS * MERIT_LINE : NULL, sum);
    for (int c = 0; c < n; c++) y[j + c] += sum[c];
    /* Missing genotypes are rare: their tables are made when the first one is met */
    if (!mended || !mend) continue;
    if (!made) MakeTables(s, true, missing);
    made = true;
    LookUpGroups(word, (const __m512d(*)[2])missing, groups, NULL, sum);
    for (int c = 0; c < n; c++) y[j + c] += mend[j + c] * sum[c];
  }
}

static const MeritPackedPath avx512 = {4, true, 0, NoFactor, Arrange, Forward, Adjoint};

const MeritPackedPath *MeritPackedPathAvx512(void)
{
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") ? &avx512 : NULL;
}
#else
const MeritPackedPath *MeritPackedPathAvx512(void) { return NULL; }
#endif

/*
  Products with one right-hand side with AVX2 and FMA, in double precision.

  Genotypes need no conversion: a pair of bits moved to the two lowest exponent bits of
  a double is 0, 1, 2 or 4 times 2^-1022 for the codes 0, 1, 2, 3, so a shift and a mask make a factor for the
  multiply-add. Lane l of a vector holds word 4 h + l of a line (h = 0, 1), step t of 32 its row t. Inputs are
  scaled so that the largest lies near 2^1000.
*/
#include "packed_impl.h"
#include <math.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define AVX2     __attribute__((target("avx2,fma")))
#define INLINE   static inline __attribute__((always_inline))
#define EXPONENT 1000

static double InputFactor(double largest)
{
  /* The power of two that brings the largest input near 2^EXPONENT, since products are times
     2^-1022; limits keep it finite */
  int e;

  if (!(largest > 0)) return 1;
  e = EXPONENT - 1 - ilogb(largest);
  return ldexp(1, PetscMax(-1, PetscMin(e, 1022)));
}

/* Put row 128 h + 32 l + t at index 128 h + 4 t + l: the order in which vectors of four words meet
   the rows */
static void Arrange(const double rows[MERIT_STRIP], double factor, double out[MERIT_STRIP])
{
  for (int h = 0; h < 256; h += 128)
    for (int t = 0; t < 32; t++)
      for (int l = 0; l < 4; l++) out[h + 4 * t + l] = rows[h + 32 * l + t] * factor;
}

/* Copies at step t of four words, times 2^-1022 */
AVX2 INLINE __m256d Copies(__m256i w, const int t)
{
  const __m256i mask = _mm256_set1_epi64x((long long)3 << 52);
  const __m256i at   = 2 * t > 52 ? _mm256_srli_epi64(w, 2 * t - 52) : _mm256_slli_epi64(w, 52 - 2 * t);

  return _mm256_castsi256_pd(_mm256_and_si256(mask, at));
}

/* List the columns of a block with missing genotypes in the rows of mask; returns how many. Without
   a branch, which would be mispredicted often. */
AVX2 INLINE int ListMissing(const uint64_t *line, int n, const uint64_t mask[MERIT_LINE], int list[MERIT_COLUMN_BLOCK])
{
  const __m256i low   = _mm256_loadu_si256((const __m256i *)(const void *)mask);
  const __m256i top   = _mm256_loadu_si256((const __m256i *)(const void *)(mask + 4));
  int           count = 0;

  for (int j = 0; j < n; j++, line += MERIT_LINE) {
    const __m256i u   = _mm256_load_si256((const __m256i *)(const void *)line);
    const __m256i v   = _mm256_load_si256((const __m256i *)(const void *)(line + 4));
    const __m256i a   = _mm256_and_si256(_mm256_and_si256(u, _mm256_srli_epi64(u, 1)), low);
    const __m256i b   = _mm256_and_si256(_mm256_and_si256(v, _mm256_srli_epi64(v, 1)), top);
    const __m256i any = _mm256_or_si256(a, b);

    list[count] = j;
    count += !_mm256_testz_si256(any, any);
  }
  return count;
}

/* Words with code 1 where a genotype is missing, else 0 */
AVX2 INLINE __m256i Missing(__m256i w)
{
  return _mm256_and_si256(_mm256_and_si256(w, _mm256_srli_epi64(w, 1)), _mm256_set1_epi64x((long long)MERIT_LOW_BITS));
}

/* Eight steps from `step` on: 32 rows of n columns, with the sums in registers. Columns in the list
   are gone through a second time for their missing genotypes alone. */
AVX2 INLINE void ForwardSteps(const uint64_t *word, int n, const double a[], const int list[], int n_list, const double mend[], double acc[32],
                              const int step)
{
  __m256d sum[8];

#pragma GCC unroll 8
  for (int t = 0; t < 8; t++) sum[t] = _mm256_load_pd(acc + 4 * t);
  for (int j = 0; j < n; j++) {
    const __m256i w = _mm256_load_si256((const __m256i *)(const void *)(word + (size_t)j * MERIT_LINE));
    const __m256d f = _mm256_broadcast_sd(a + j);

#pragma GCC unroll 8
    for (int t = 0; t < 8; t++) sum[t] = _mm256_fmadd_pd(f, Copies(w, step + t), sum[t]);
  }
  for (int i = 0; i < n_list; i++) {
    const __m256i w = Missing(_mm256_load_si256((const __m256i *)(const void *)(word + (size_t)list[i] * MERIT_LINE)));
    const __m256d f = _mm256_broadcast_sd(mend + list[i]);

#pragma GCC unroll 8
    for (int t = 0; t < 8; t++) sum[t] = _mm256_fmadd_pd(f, Copies(w, step + t), sum[t]);
  }
#pragma GCC unroll 8
  for (int t = 0; t < 8; t++) _mm256_store_pd(acc + 4 * t, sum[t]);
}

/* The same for a quarter of four words; a constant step lets the compiler fold the shifts */
AVX2 static void ForwardWords(const uint64_t *word, int n, const double a[], const int list[], int n_list, const double mend[], double acc[32],
                              int quarter)
{
  switch (quarter) {
  case 0:
    ForwardSteps(word, n, a, list, n_list, mend, acc, 0);
    break;
  case 1:
    ForwardSteps(word, n, a, list, n_list, mend, acc, 8);
    break;
  case 2:
    ForwardSteps(word, n, a, list, n_list, mend, acc, 16);
    break;
  default:
    ForwardSteps(word, n, a, list, n_list, mend, acc, 24);
    break;
  }
}

/* acc[row] += sum over columns of copies * a / factor, rows of quarters [q0, q1); contract in
   packed_impl.h */
AVX2 static void Forward(const MeritPacked *m, int64_t strip, const double a[], const double mend[], double factor, int q0, int q1,
                         double acc[MERIT_STRIP])
{
  double       sum[MERIT_STRIP] __attribute__((aligned(64))) = {0};
  uint64_t     mask[MERIT_LINE];
  const double back = 0x1p1022 / factor; /* undoes the exponent trick and the scaling of inputs */

  RowMask(m, strip, q0, q1, mask);
  for (int32_t from = 0; from < m->n_cols; from += MERIT_COLUMN_BLOCK) {
    const int       n    = PetscMin(MERIT_COLUMN_BLOCK, m->n_cols - from);
    const uint64_t *line = PackedLine(m, strip, from);
    int             list[MERIT_COLUMN_BLOCK], n_list = mend ? ListMissing(line, n, mask, list) : 0;

    for (int q = q0; q < q1; q++)
      for (int h = 0; h < 2; h++) ForwardWords(line + 4 * h, n, a + from, list, n_list, mend ? mend + from : NULL, sum + 128 * h + 32 * q, q);
  }
  for (int h = 0; h < 2; h++)
    for (int t = 8 * q0; t < 8 * q1; t++)
      for (int l = 0; l < 4; l++) acc[128 * h + 32 * l + t] += sum[128 * h + 4 * t + l] * back;
}

/* Sum over a strip of copies times s; with `missing`, of 1 for missing genotypes times s */
AVX2 INLINE double DotLine(const uint64_t line[MERIT_LINE], const double s[MERIT_STRIP], const bool missing)
{
  __m256d sum[4];
  __m128d half;

  for (int i = 0; i < 4; i++) sum[i] = _mm256_setzero_pd();
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    const __m256i at = _mm256_load_si256((const __m256i *)(const void *)(line + 4 * h));
    const __m256i w  = missing ? Missing(at) : at;

#pragma GCC unroll 32
    for (int t = 0; t < 32; t++) sum[t % 4] = _mm256_fmadd_pd(Copies(w, t), _mm256_load_pd(s + 128 * h + 4 * t), sum[t % 4]);
  }
  sum[0] = _mm256_add_pd(_mm256_add_pd(sum[0], sum[1]), _mm256_add_pd(sum[2], sum[3]));
  half   = _mm_add_pd(_mm256_castpd256_pd128(sum[0]), _mm256_extractf128_pd(sum[0], 1));
  return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

/* y[j] += M's without scale and centre for columns [from, to) of a strip; contract in packed_impl.h */
AVX2 static void Adjoint(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const double s[MERIT_STRIP], const double mend[],
                         double factor, double y[])
{
  uint64_t     mask[MERIT_LINE];
  const double back = 0x1p1022 / factor;

  RowMask(m, strip, 0, MERIT_QUARTERS, mask);
  for (int32_t j = from; j < to; j += MERIT_COLUMN_BLOCK) {
    const int       n    = PetscMin(MERIT_COLUMN_BLOCK, to - j);
    const uint64_t *line = PackedLine(m, strip, j);
    int             list[MERIT_COLUMN_BLOCK], n_list = mend ? ListMissing(line, n, mask, list) : 0;

    for (int c = 0; c < n; c++) y[j + c] += back * DotLine(line + (size_t)c * MERIT_LINE, s, false);
    for (int i = 0; i < n_list; i++) y[j + list[i]] += back * mend[j + list[i]] * DotLine(line + (size_t)list[i] * MERIT_LINE, s, true);
  }
}

static const MeritPackedPath avx2 = {1, false, 4, InputFactor, Arrange, Forward, Adjoint};

const MeritPackedPath *MeritPackedPathAvx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : NULL; }
#else
const MeritPackedPath *MeritPackedPathAvx2(void) { return NULL; }
#endif

/*
  Products with one right-hand side with AVX2 and FMA, in single precision.

  As with doubles (packed_avx2.c) a pair of bits moved to the two lowest
  exponent bits is 0, 1, 2 or 4 times 2^-126. Lane l of a vector holds half-word 8 h + l of a line (h = 0, 1), step t of 16 its row t.
  Sums of floats go over a strip's rows (adjoint) or over FLUSH columns (forward), those over all of them are doubles.
*/
#include "packed_impl.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define AVX2     __attribute__((target("avx2,fma")))
#define INLINE   static inline __attribute__((always_inline))
#define FLUSH    MERIT_SINGLE_COLUMNS
#define LANES    8
#define STEPS    16
#define EXPONENT 0x1p60 /* of the largest input: far from the ends of what floats hold, before and after the products */

/* Powers of two only, so that scaling is exact */
static double InputFactor(double largest) { return PackedSingleFactor(largest) * EXPONENT; }

/* Put row 128 h + 16 l + t at index 128 h + 8 t + l: the order in which vectors of eight half-words
   meet the rows */
static void Arrange(const double rows[MERIT_STRIP], double factor, double out[MERIT_STRIP])
{
  for (int h = 0; h < 256; h += 128)
    for (int t = 0; t < STEPS; t++)
      for (int l = 0; l < LANES; l++) out[h + LANES * t + l] = rows[h + STEPS * l + t] * factor;
}

/* Copies at step t of eight half-words, times 2^-126 */
AVX2 INLINE __m256 Copies(__m256i w, const int t)
{
  const __m256i mask = _mm256_set1_epi32(3 << 23);
  const __m256i at   = 2 * t > 23 ? _mm256_srli_epi32(w, 2 * t - 23) : _mm256_slli_epi32(w, 23 - 2 * t);

  return _mm256_castsi256_ps(_mm256_and_si256(mask, at));
}

/* Words with code 1 where a genotype is missing, else 0 */
AVX2 INLINE __m256i Missing(__m256i w)
{
  return _mm256_and_si256(_mm256_and_si256(w, _mm256_srli_epi64(w, 1)), _mm256_set1_epi64x((long long)MERIT_LOW_BITS));
}

/* List the columns of a block with missing genotypes in the rows of mask; returns how many. Without
   a branch. */
AVX2 INLINE int ListMissing(const uint64_t *line, int n, const uint64_t mask[MERIT_LINE], int list[FLUSH])
{
  const __m256i low   = _mm256_loadu_si256((const __m256i *)(const void *)mask);
  const __m256i top   = _mm256_loadu_si256((const __m256i *)(const void *)(mask + 4));
  int           count = 0;

  for (int j = 0; j < n; j++, line += MERIT_LINE) {
    const __m256i u   = Missing(_mm256_load_si256((const __m256i *)(const void *)line));
    const __m256i v   = Missing(_mm256_load_si256((const __m256i *)(const void *)(line + 4)));
    const __m256i any = _mm256_or_si256(_mm256_and_si256(u, low), _mm256_and_si256(v, top));

    list[count] = j;
    count += !_mm256_testz_si256(any, any);
  }
  return count;
}

/* Eight steps from `step` on of eight half-words, n columns; listed columns once more for their
   missing genotypes. Sums of floats are added to doubles at the end. */
AVX2 INLINE void ForwardSteps(const uint64_t *word, int n, const float a[], const int list[], int n_list, const float mend[], double sum[][LANES],
                              const int step)
{
  __m256 acc[8];

#pragma GCC unroll 8
  for (int t = 0; t < 8; t++) acc[t] = _mm256_setzero_ps();
  for (int j = 0; j < n; j++) {
    const __m256i w = _mm256_load_si256((const __m256i *)(const void *)(word + (size_t)j * MERIT_LINE));
    const __m256  f = _mm256_broadcast_ss(a + j);

#pragma GCC unroll 8
    for (int t = 0; t < 8; t++) acc[t] = _mm256_fmadd_ps(f, Copies(w, step + t), acc[t]);
  }
  for (int i = 0; i < n_list; i++) {
    const __m256i w = Missing(_mm256_load_si256((const __m256i *)(const void *)(word + (size_t)list[i] * MERIT_LINE)));
    const __m256  f = _mm256_broadcast_ss(mend + list[i]);

#pragma GCC unroll 8
    for (int t = 0; t < 8; t++) acc[t] = _mm256_fmadd_ps(f, Copies(w, step + t), acc[t]);
  }
#pragma GCC unroll 8
  for (int t = 0; t < 8; t++) {
    double *to = sum[step + t];

    _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), _mm256_cvtps_pd(_mm256_castps256_ps128(acc[t]))));
    _mm256_storeu_pd(to + 4, _mm256_add_pd(_mm256_loadu_pd(to + 4), _mm256_cvtps_pd(_mm256_extractf128_ps(acc[t], 1))));
  }
}

/* Both halves of the lines of a block, for the steps of quarters [q0, q1): quarters 0 and 2 are
   steps 0 to 7, 1 and 3 steps 8 to 15 */
AVX2 static void ForwardBlock(const uint64_t *line, int n, const float a[], const int list[], int n_list, const float mend[], int q0, int q1,
                              double sum[2][STEPS][LANES])
{
  for (int h = 0; h < 2; h++) {
    if (q0 == 0 || (q0 <= 2 && q1 > 2)) ForwardSteps(line + 4 * h, n, a, list, n_list, mend, sum[h], 0);
    if (q1 == 4 || (q0 <= 1 && q1 > 1)) ForwardSteps(line + 4 * h, n, a, list, n_list, mend, sum[h], 8);
  }
}

/* acc[row] += sum over columns of copies * a / factor; contract in packed_impl.h */
AVX2 static void Forward(const MeritPacked *m, int64_t strip, const double a[], const double mend[], double factor, int q0, int q1,
                         double acc[MERIT_STRIP])
{
  double       sum[2][STEPS][LANES] = {{{0}}};
  float        f[FLUSH], g[FLUSH];
  uint64_t     mask[MERIT_LINE];
  const double back = 1 / factor;

  RowMask(m, strip, q0, q1, mask);
  for (int32_t from = 0; from < m->n_cols; from += FLUSH) {
    const int       n    = PetscMin(FLUSH, m->n_cols - from);
    const uint64_t *line = PackedLine(m, strip, from);
    int             list[FLUSH], n_list = mend ? ListMissing(line, n, mask, list) : 0;

    for (int j = 0; j < n; j++) f[j] = (float)a[from + j];
    for (int j = 0; j < n; j++) g[j] = mend ? (float)mend[from + j] : 0;
    ForwardBlock(line, n, f, list, n_list, g, q0, q1, sum);
  }
  /* Half-word l holds quarters 2 (l % 2) and 2 (l % 2) + 1 of word l / 2 */
  for (int l = 0; l < 2 * LANES; l++)
    for (int q = PetscMax(q0, 2 * (l % 2)); q < PetscMin(q1, 2 * (l % 2) + 2); q++)
      for (int t = 8 * (q % 2); t < 8 * (q % 2) + 8; t++) acc[STEPS * l + t] += sum[l / LANES][t][l % LANES] * 0x1p126 * back;
}

/* Sum over a strip of copies times s; with `missing`, of 1 for missing genotypes times s */
AVX2 INLINE double DotLine(const uint64_t line[MERIT_LINE], const float s[MERIT_STRIP], const bool missing)
{
  __m256  sum[4];
  __m256d all;
  __m128d half;

  for (int i = 0; i < 4; i++) sum[i] = _mm256_setzero_ps();
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    const __m256i at = _mm256_load_si256((const __m256i *)(const void *)(line + 4 * h));
    const __m256i w  = missing ? Missing(at) : at;

#pragma GCC unroll 16
    for (int t = 0; t < STEPS; t++) sum[t % 4] = _mm256_fmadd_ps(Copies(w, t), _mm256_load_ps(s + 128 * h + LANES * t), sum[t % 4]);
  }
  sum[0] = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
  all    = _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(sum[0])), _mm256_cvtps_pd(_mm256_extractf128_ps(sum[0], 1)));
  half   = _mm_add_pd(_mm256_castpd256_pd128(all), _mm256_extractf128_pd(all, 1));
  return 0x1p126 * _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

/* y[j] += M's without scale and centre for columns [from, to) of a strip; contract in packed_impl.h */
AVX2 static void Adjoint(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const double s[MERIT_STRIP], const double mend[],
                         double factor, double y[])
{
  float        f[MERIT_STRIP] __attribute__((aligned(32)));
  uint64_t     mask[MERIT_LINE];
  const double back = 1 / factor;

  RowMask(m, strip, 0, MERIT_QUARTERS, mask);
  for (int i = 0; i < MERIT_STRIP; i++) f[i] = (float)s[i];
  for (int32_t j = from; j < to; j += FLUSH) {
    const int       n    = PetscMin(FLUSH, to - j);
    const uint64_t *line = PackedLine(m, strip, j);
    int             list[FLUSH], n_list = mend ? ListMissing(line, n, mask, list) : 0;

    for (int c = 0; c < n; c++) y[j + c] += back * DotLine(line + (size_t)c * MERIT_LINE, f, false);
    for (int i = 0; i < n_list; i++) y[j + list[i]] += back * mend[j + list[i]] * DotLine(line + (size_t)list[i] * MERIT_LINE, f, true);
  }
}

static const MeritPackedPath single = {2, false, 4, InputFactor, Arrange, Forward, Adjoint};

const MeritPackedPath *MeritPackedSingleAvx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &single : NULL; }
#else
const MeritPackedPath *MeritPackedSingleAvx2(void) { return NULL; }
#endif

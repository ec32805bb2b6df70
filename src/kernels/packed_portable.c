/*
  Products with one right-hand side in plain C, for processors without AVX2.

  A table gives the copies of the four genotypes of a byte as doubles, so that four multiply-adds
  follow one look-up. Missing genotypes count as 0 copies there; the bits of each word show where they
  are, and their values are added one by one.
*/
#include "packed_impl.h"

#define ROW4(b)                                                                                                                                      \
  {                                                                                                                                                  \
    (b) % 4 == 3 ? 0 : (b) % 4, (b) / 4 % 4 == 3 ? 0 : (b) / 4 % 4, (b) / 16 % 4 == 3 ? 0 : (b) / 16 % 4, (b) / 64 == 3 ? 0 : (b) / 64               \
  }
#define ROW16(b)                                                                                                                                     \
  ROW4(b), ROW4(b + 1), ROW4(b + 2), ROW4(b + 3), ROW4(b + 4), ROW4(b + 5), ROW4(b + 6), ROW4(b + 7), ROW4(b + 8), ROW4(b + 9), ROW4(b + 10),        \
      ROW4(b + 11), ROW4(b + 12), ROW4(b + 13), ROW4(b + 14), ROW4(b + 15)

/* Copies of the four genotypes of a byte by its value, 0 for missing */
static const double copies[256][4] = {ROW16(0),   ROW16(16),  ROW16(32),  ROW16(48),  ROW16(64),  ROW16(80),  ROW16(96),  ROW16(112),
                                      ROW16(128), ROW16(144), ROW16(160), ROW16(176), ROW16(192), ROW16(208), ROW16(224), ROW16(240)};

/* Doubles need no scaling of the inputs */
static double NoFactor(double largest)
{
  (void)largest;
  return 1;
}

/* This path takes rows in their own order */
static void Arrange(const double rows[MERIT_STRIP], double factor, double out[MERIT_STRIP])
{
  for (int i = 0; i < MERIT_STRIP; i++) out[i] = rows[i] * factor;
}

/* n columns for the eight rows of two bytes of a word; the sums stay in registers */
static void ForwardEightRows(const uint64_t *word, int32_t n, int shift, const double a[], double acc[8])
{
  double sum[8];

  for (int r = 0; r < 8; r++) sum[r] = acc[r];
  for (int32_t j = 0; j < n; j++) {
    const uint64_t w  = word[(size_t)j * MERIT_LINE] >> shift;
    const double  *lo = copies[w & 255], *hi = copies[w >> 8 & 255];

    for (int r = 0; r < 4; r++) sum[r] += a[j] * lo[r];
    for (int r = 0; r < 4; r++) sum[4 + r] += a[j] * hi[r];
  }
  for (int r = 0; r < 8; r++) acc[r] = sum[r];
}

/* Has the line missing genotypes in the rows of mask? */
static inline bool MendNeeded(const uint64_t line[MERIT_LINE], const uint64_t mask[MERIT_LINE])
{
  uint64_t any = 0;

  for (int q = 0; q < MERIT_LINE; q++) any |= MissingBits(line[q]) & mask[q];
  return any != 0;
}

/* Add missing genotypes of columns [from, to) to the sums of rows: acc[row] += mend[j] */
static inline void MendForward(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const uint64_t mask[MERIT_LINE], const double mend[],
                               double acc[MERIT_STRIP])
{
  for (int32_t j = from; j < to; j++) {
    const uint64_t *line = PackedLine(m, strip, j);

    if (!MendNeeded(line, mask)) continue;
    for (int q = 0; q < MERIT_LINE; q++)
      for (uint64_t b = MissingBits(line[q]) & mask[q]; b; b &= b - 1) acc[32 * q + __builtin_ctzll(b) / 2] += mend[j];
  }
}

/* Sum of s over the missing genotypes of a line */
static inline double MendSum(const uint64_t line[MERIT_LINE], const uint64_t mask[MERIT_LINE], const double s[])
{
  double sum = 0;

  if (!MendNeeded(line, mask)) return 0;
  for (int q = 0; q < MERIT_LINE; q++)
    for (uint64_t b = MissingBits(line[q]) & mask[q]; b; b &= b - 1) sum += s[32 * q + __builtin_ctzll(b) / 2];
  return sum;
}

/* acc[row] += sum over columns of copies * a, rows of quarters [q0, q1); contract in packed_impl.h */
static void Forward(const MeritPacked *m, int64_t strip, const double a[], const double mend[], double factor, int q0, int q1,
                    double acc[MERIT_STRIP])
{
  uint64_t mask[MERIT_LINE];

  (void)factor;
  RowMask(m, strip, q0, q1, mask);
  for (int32_t from = 0; from < m->n_cols; from += MERIT_COLUMN_BLOCK) {
    const int32_t   to   = PetscMin(from + MERIT_COLUMN_BLOCK, m->n_cols);
    const uint64_t *line = PackedLine(m, strip, from);

    for (int q = q0; q < q1; q++)
      for (int w = 0; w < MERIT_LINE; w++) ForwardEightRows(line + w, to - from, 16 * q, a + from, acc + 32 * w + 8 * q);
    if (mend) MendForward(m, strip, from, to, mask, mend, acc);
  }
}

/* Sum over a strip of copies times s; eight sums side by side, added in a fixed order */
static double DotLine(const uint64_t line[MERIT_LINE], const double s[MERIT_STRIP])
{
  double sum[8] = {0};

  for (int q = 0; q < MERIT_LINE; q++)
    for (int b = 0; b < 8; b += 2) {
      const double *lo = copies[line[q] >> (8 * b) & 255], *hi = copies[line[q] >> (8 * b + 8) & 255];
      const double *t = s + 32 * q + 4 * b;

      for (int r = 0; r < 4; r++) sum[r] += lo[r] * t[r];
      for (int r = 0; r < 4; r++) sum[4 + r] += hi[r] * t[4 + r];
    }
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/* y[j] += M's without scale and centre for columns [from, to) of a strip; contract in packed_impl.h */
static void Adjoint(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, const double s[MERIT_STRIP], const double mend[], double factor,
                    double y[])
{
  uint64_t mask[MERIT_LINE];

  (void)factor;
  RowMask(m, strip, 0, MERIT_QUARTERS, mask);
  for (int32_t j = from; j < to; j++) {
    const uint64_t *line = PackedLine(m, strip, j);

    y[j] += DotLine(line, s) + (mend ? mend[j] * MendSum(line, mask, s) : 0);
  }
}

const MeritPackedPath merit_packed_portable = {1, false, 0, NoFactor, Arrange, Forward, Adjoint};

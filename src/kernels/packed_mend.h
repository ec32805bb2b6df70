#pragma once
#include "packed_impl.h"

/*
  Missing genotypes, found bit by bit: a few in a hundred cost less this way than a value for them in the inner
  loops would. Inlined into each path, so that the scan for them uses the path's instructions.
*/
#define MERIT_INLINE static inline __attribute__((always_inline))

/* Does the line have missing genotypes in the rows of mask? */
MERIT_INLINE bool MendNeeded(const uint64_t line[MERIT_LINE], const uint64_t mask[MERIT_LINE])
{
  uint64_t any = 0;

  for (int q = 0; q < MERIT_LINE; q++) any |= MissingBits(line[q]) & mask[q];
  return any != 0;
}

/* acc[row] += mend[j] at the missing genotypes of columns [from, to) in the rows of mask */
MERIT_INLINE void MendForward(const MeritPacked *m, int64_t strip, int32_t from, int32_t to,
                              const uint64_t mask[MERIT_LINE], const double mend[], double acc[MERIT_STRIP])
{
  for (int32_t j = from; j < to; j++) {
    const uint64_t *line = PackedLine(m, strip, j);

    if (!MendNeeded(line, mask)) continue;
    for (int q = 0; q < MERIT_LINE; q++)
      for (uint64_t b = MissingBits(line[q]) & mask[q]; b; b &= b - 1)
        acc[32 * q + __builtin_ctzll(b) / 2] += mend[j];
  }
}

/* Sum of s over the missing genotypes of a line */
MERIT_INLINE double MendSum(const uint64_t line[MERIT_LINE], const uint64_t mask[MERIT_LINE],
                            const double s[])
{
  double sum = 0;

  if (!MendNeeded(line, mask)) return 0;
  for (int q = 0; q < MERIT_LINE; q++)
    for (uint64_t b = MissingBits(line[q]) & mask[q]; b; b &= b - 1)
      sum += s[32 * q + __builtin_ctzll(b) / 2];
  return sum;
}

/* Masks of the rows that exist, and of those of eighths [e0, e1) */
MERIT_INLINE void MendMask(const MeritPacked *m, int64_t strip, int e0, int e1, uint64_t mask[MERIT_LINE])
{
  for (int q = 0; q < MERIT_LINE; q++) {
    mask[q] = 0;
    for (int e = e0; e < e1; e++)
      if (e / 4 == q / 4) mask[q] |= (uint64_t)0xffff << (16 * (e % 4));
    mask[q] &= RowBits(m->n_rows, strip, q);
  }
}

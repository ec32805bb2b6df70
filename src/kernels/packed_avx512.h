#pragma once
/* Shared by the AVX-512 products with one right-hand side, in double and in single precision. */
#include "packed_impl.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f,avx512dq")))
#define INLINE static inline __attribute__((always_inline))

/* out = rows * factor, in the order of the rows. Not collective. */
static inline void Arrange(const double rows[MERIT_STRIP], double factor, double out[MERIT_STRIP])
{
  for (int i = 0; i < MERIT_STRIP; i++) out[i] = rows[i] * factor;
}

/* Transpose eight by eight words: word q of a[c] becomes word c of a[q]. Not collective. */
AVX512 INLINE void Transpose(__m512i a[8])
{
  __m512i b[8];

#pragma GCC unroll 4
  for (int c = 0; c < 8; c += 2) {
    b[c]     = _mm512_unpacklo_epi64(a[c], a[c + 1]);
    b[c + 1] = _mm512_unpackhi_epi64(a[c], a[c + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const int at = i / 2 * 4 + i % 2; /* of a[0..3] and a[4..7], even and odd words */

    a[at]     = _mm512_shuffle_i64x2(b[at], b[at + 2], 0x88);
    a[at + 2] = _mm512_shuffle_i64x2(b[at], b[at + 2], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    b[i]     = _mm512_shuffle_i64x2(a[i], a[4 + i], 0x88);
    b[i + 4] = _mm512_shuffle_i64x2(a[i], a[4 + i], 0xdd);
  }
#pragma GCC unroll 8
  for (int q = 0; q < 8; q++) a[q] = b[q];
}
#endif

/*
  Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror and Shaw 2011), code of
  Random123.

  The key of a draw has more bits than a counter and key of Philox, so a draw takes two steps:
    stream = Philox(counter (purpose, chain, term, tag), key seed)
    bits   = Philox(counter (level, iteration, draw / 2), key stream) A block of 128 bits serves
    two draws. No state is kept: a draw depends on seed, key and number alone, not on ranks,
    threads or order.
*/
#include <merit/random.h>
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
#include <Random123/philox.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* Separates the counters of the first step from other uses of the seed */
static const uint32_t stream_tag = 0x4d455249; /* "MERI" */

/* First step: the key of the stream */
static philox4x32_key_t StreamKey(const MeritRandomKey *key)
{
  const philox4x32_ctr_t counter = {{key->purpose, key->chain, key->term, stream_tag}};
  const philox4x32_key_t seed    = {{(uint32_t)key->seed, (uint32_t)(key->seed >> 32)}};
  const philox4x32_ctr_t bits    = philox4x32(counter, seed);
  const philox4x32_key_t stream  = {{bits.v[0], bits.v[1]}};

  return stream;
}

/* MeritRandomBits - 64 random bits, a function of key and draw alone. Not collective. */
uint64_t MeritRandomBits(const MeritRandomKey *key, uint32_t draw)
{
  const philox4x32_ctr_t counter = {{(uint32_t)key->level, (uint32_t)(key->level >> 32), key->iteration, draw >> 1}};
  const philox4x32_ctr_t bits    = philox4x32(counter, StreamKey(key));
  /* Even draws take the first 64 bits of the block, odd ones the others */
  const unsigned half = (draw & 1) * 2;

  return (uint64_t)bits.v[half] | (uint64_t)bits.v[half + 1] << 32;
}

/*@
  MeritRandomUniform - Uniform on (0, 1): an odd multiple of 2^-53, so never 0 or 1, and 1 - u is as exact as
  u.

  Not collective.
@*/
double MeritRandomUniform(const MeritRandomKey *key, uint32_t draw) { return (double)(MeritRandomBits(key, draw) >> 11 | 1) * 0x1p-53; }

/* MeritRandomBelow - Integer in [0, n); the bias of the 128-bit product is below n / 2^64. Not collective. */
uint64_t MeritRandomBelow(const MeritRandomKey *key, uint32_t draw, uint64_t n)
{
  __extension__ typedef unsigned __int128 Wide;

  return (uint64_t)((Wide)MeritRandomBits(key, draw) * n >> 64);
}

/*
  Inner products of columns when all weights are equal or 0, by exact integer sums.

  Genotypes are decoded to bytes: for each column one column of copies (0 for missing) and one of
  indicators of missing genotypes; column 0 is the indicator of rows with a weight. A tile
  multiplies 4 by 4 of these columns. The sums are integers, so they do not depend on threads;
  scale, centre and the value of missing genotypes are applied at the end.
*/
#include "packed_gram.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define STRIPS 4                      /* decoded at once */
#define ROWS   (STRIPS * MERIT_STRIP) /* 1 KiB of bytes of a column */
#define GROUP  4                      /* columns that go through a tile */
#define LANES  16                     /* sums of a pair, side by side */

/* Decoded strips and sums of one thread; sums are of pairs of groups of columns, [pairs][GROUP *
   GROUP][LANES] */
typedef struct {
  int      n_groups;
  uint8_t *byte; /* [n_groups * GROUP][ROWS] */
  int32_t *sum;
  bool    *some;    /* [n_groups] false: all bytes of the group are 0, its tiles can be skipped */
  bool     missing; /* a missing genotype was met; before that, sums of the groups behind the last copies are not initialised */
} Room;

/* A tile: sum[i][j][.] += products of columns a + i and b + j over ROWS bytes, each byte at most 2 */
typedef void (*Tile)(const uint8_t *a, const uint8_t *b, int32_t *sum);

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni")))

/* Bytes to 16-bit pairs to 32-bit sums: a 16-bit sum is at most 8 * ROWS / 32 = 256 */
AVX2 static void TileAvx2(const uint8_t *a, const uint8_t *b, int32_t *sum)
{
  for (int half = 0; half < GROUP; half += 2) {
    __m256i acc[GROUP][2];

#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) acc[i][0] = acc[i][1] = _mm256_setzero_si256();
    for (int at = 0; at < ROWS; at += 32) {
      const __m256i u = _mm256_load_si256((const __m256i *)(const void *)(b + half * ROWS + at));
      const __m256i v = _mm256_load_si256((const __m256i *)(const void *)(b + (half + 1) * ROWS + at));

#pragma GCC unroll 4
      for (int i = 0; i < GROUP; i++) { /* no more than 8 * ROWS / 32 each */
        const __m256i w = _mm256_load_si256((const __m256i *)(const void *)(a + i * ROWS + at));

        acc[i][0] = _mm256_add_epi16(acc[i][0], _mm256_maddubs_epi16(w, u));
        acc[i][1] = _mm256_add_epi16(acc[i][1], _mm256_maddubs_epi16(w, v));
      }
    }
    for (int i = 0; i < GROUP; i++)
      for (int j = 0; j < 2; j++) {
        __m256i *to = (__m256i *)(void *)(sum + (i * GROUP + half + j) * LANES);

        _mm256_store_si256(to, _mm256_add_epi32(_mm256_load_si256(to), _mm256_madd_epi16(acc[i][j], _mm256_set1_epi16(1))));
      }
  }
}

/* AVX-512 VNNI multiplies four pairs of bytes and adds them in one instruction */
AVX512 static void TileAvx512(const uint8_t *a, const uint8_t *b, int32_t *sum)
{
  __m512i acc[GROUP][GROUP];

#pragma GCC unroll 16
  for (int p = 0; p < GROUP * GROUP; p++) acc[p / GROUP][p % GROUP] = _mm512_load_si512(sum + p * LANES);
  for (int at = 0; at < ROWS; at += 64) {
    __m512i v[GROUP];

#pragma GCC unroll 4
    for (int j = 0; j < GROUP; j++) v[j] = _mm512_load_si512(b + j * ROWS + at);
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
      const __m512i w = _mm512_load_si512(a + i * ROWS + at);

#pragma GCC unroll 4
      for (int j = 0; j < GROUP; j++) acc[i][j] = _mm512_dpbusd_epi32(acc[i][j], w, v[j]);
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < GROUP * GROUP; p++) _mm512_store_si512(sum + p * LANES, acc[p / GROUP][p % GROUP]);
}

/* The tile for the current instructions; NULL if there is none faster than doubles */
static Tile TileNow(void)
{
  const MeritPackedLevel level = MeritPackedLevelNow();

  if (level == MERIT_PACKED_AVX512 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) return TileAvx512;
  return level >= MERIT_PACKED_AVX2 ? TileAvx2 : NULL;
}
#else
#define AVX2
static Tile TileNow(void) { return NULL; }
#endif

/* Mask of the rows of a strip that have weight `each`, both bits of each genotype. False if a
   weight is neither 0 nor `each`. */
static bool Counting(const MeritPacked *m, int64_t strip, const double weight[], double each, PackedLine8 *mask)
{
  const int64_t n    = PetscMin(MERIT_STRIP, m->n_rows - strip * MERIT_STRIP);
  const double *w    = weight + strip * MERIT_STRIP;
  int           full = 0, none = 0;

  for (int64_t i = 0; i < n; i++) full += w[i] == each, none += w[i] == 0.0;
  for (int q = 0; q < MERIT_LINE; q++) (*mask)[q] = 3 * RowBits(m->n_rows, strip, q);
  if (full == n) return true;
  for (int64_t i = 0; i < n; i++)
    if (w[i] == 0.0) (*mask)[i / 32] &= ~((uint64_t)3 << (2 * (i % 32)));
  return full + none == n;
}

/* Bytes of copies and of missing genotypes of one line, 256 rows in the same permuted order for all
   columns. Returns whether a genotype is missing. */
AVX2 static bool DecodeBytes(const uint64_t *line, const PackedLine8 *mask, uint8_t *copies, uint8_t *missing)
{
  const PackedLine8 at  = *(const PackedLine8 *)(const void *)line & *mask;
  PackedLine8       any = {0};

#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const PackedLine8 v = (at >> (2 * i)) & 0x0303030303030303u, z = v & (v >> 1) & 0x0101010101010101u;

    *(PackedLine8 *)(void *)(copies + 64 * i)  = v ^ (z | z << 1); /* code 3 becomes 0 */
    *(PackedLine8 *)(void *)(missing + 64 * i) = z;
    any |= z;
  }
  return ((any[0] | any[1]) | (any[2] | any[3])) | ((any[4] | any[5]) | (any[6] | any[7]));
}

/* Index of the tile of groups g >= h in the lower triangle */
static size_t Pair(int g, int h) { return (size_t)g * ((size_t)g + 1) / 2 + (size_t)h; }

/* Set the sums of groups [from, to) with all groups up to them to 0 */
static void Clear(Room *own, int from, int to)
{
  const size_t each = GROUP * GROUP * LANES;

  memset(own->sum + Pair(from, 0) * each, 0, (Pair(to, 0) - Pair(from, 0)) * each * sizeof(*own->sum));
}

/* Decode strips [from, to) to bytes: column 0 rows with a weight, 1 .. n copies, n + 1 .. 2 n
   missing. False if weights differ. */
static bool DecodeStrips(const MeritPacked *m, int32_t first, int32_t n, const double weight[], double each, int64_t from, int64_t to, Room *own)
{
  for (int g = 0; g < own->n_groups; g++) own->some[g] = g <= n / GROUP;
  for (int64_t strip = from; strip < from + STRIPS; strip++) {
    const size_t at = (size_t)(strip - from) * MERIT_STRIP;
    PackedLine8  mask;

    if (strip >= to) {
      for (int32_t j = 0; j < 2 * n + 1; j++) memset(own->byte + (size_t)j * ROWS + at, 0, MERIT_STRIP);
      continue;
    }
    if (!Counting(m, strip, weight, each, &mask)) return false;
    for (int i = 0; i < 4; i++) *(PackedLine8 *)(void *)(own->byte + at + 64 * (size_t)i) = (mask >> (2 * i)) & 0x0101010101010101u;
    for (int32_t j = 0; j < n; j++)
      if (DecodeBytes(PackedLine(m, strip, first + j), &mask, own->byte + (size_t)(1 + j) * ROWS + at, own->byte + (size_t)(1 + n + j) * ROWS + at)) {
        /* The first missing genotype: from now on the groups of indicators take part */
        if (!own->missing) Clear(own, n / GROUP + 1, own->n_groups);
        own->missing = own->some[(1 + n + j) / GROUP] = true;
      }
  }
  return true;
}

/* Add strips [from, to) to the sums, STRIPS at a time; false if weights differ */
static bool SumStrips(const MeritPacked *m, int32_t first, int32_t n, const double weight[], double each, int64_t from, int64_t to, Tile tile,
                      Room *own)
{
  for (int64_t strip = from; strip < to; strip += STRIPS) {
    if (!DecodeStrips(m, first, n, weight, each, strip, PetscMin(to, strip + STRIPS), own)) return false;
    for (int g = 0; g < own->n_groups; g++)
      for (int h = 0; h <= g && own->some[g]; h++)
        if (own->some[h])
          tile(own->byte + (size_t)g * GROUP * ROWS, own->byte + (size_t)h * GROUP * ROWS, own->sum + Pair(g, h) * GROUP * GROUP * LANES);
  }
  return true;
}

/* Sum over rows of the product of byte columns a and b, all threads */
static double Count(int32_t n, int threads, const Room room[], int32_t a, int32_t b)
{
  const int     copies = n / GROUP; /* last group with copies */
  const int32_t high = PetscMax(a, b), low = PetscMin(a, b);
  const size_t  at  = (Pair(high / GROUP, low / GROUP) * GROUP * GROUP + (size_t)(high % GROUP * GROUP + low % GROUP)) * LANES;
  int64_t       sum = 0;

  for (int t = 0; t < threads; t++)
    for (int l = 0; l < LANES && (room[t].missing || high / GROUP <= copies); l++) sum += room[t].sum[at + (size_t)l];
  return (double)sum;
}

/* Sum over rows of copies of column a (b < 0), or of their product with column b; a missing
   genotype has missing_j copies */
static double Copies(const MeritPacked *m, int32_t first, int32_t n, int threads, const Room room[], bool missing, int32_t a, int32_t b)
{
  double sum = Count(n, threads, room, 1 + a, 1 + b);

  if (!missing) return sum;
  sum += m->missing[first + a] * Count(n, threads, room, 1 + n + a, 1 + b);
  if (b < 0) return sum;
  return sum +
         m->missing[first + b] * (Count(n, threads, room, 1 + a, 1 + n + b) + m->missing[first + a] * Count(n, threads, room, 1 + n + a, 1 + n + b));
}

/* Gram matrix from the sums: each * scale_a scale_b (sum ab - p_b sum a - p_a sum b + rows p_a
   p_b), p the centre. total [n] is scratch. */
static void Finish(const MeritPacked *m, int32_t first, int32_t n, double each, int threads, const Room room[], double total[], double gram[])
{
  const double rows    = Count(n, threads, room, 0, 0);
  bool         missing = false;

  for (int t = 0; t < threads; t++) missing = missing || room[t].missing;
  for (int32_t a = 0; a < n; a++) total[a] = Copies(m, first, n, threads, room, missing, a, -1);
  for (int32_t a = 0; a < n; a++)
    for (int32_t b = 0; b <= a; b++) {
      const double pa = m->centre[first + a], pb = m->centre[first + b];
      const double ab = Copies(m, first, n, threads, room, missing, a, b);

      gram[a * n + b] = gram[b * n + a] = each * m->scale[first + a] * m->scale[first + b] * (ab - pb * total[a] - pa * total[b] + rows * pa * pb);
    }
}

/* Memory of all threads in one block on 64-byte boundaries; the caller frees *piece */
static PetscErrorCode MakeRooms(int32_t n, int threads, Room room[], char **piece)
{
  const int    n_groups = (2 * n + 1 + GROUP - 1) / GROUP;
  const size_t bytes = (size_t)n_groups * GROUP * ROWS, sums = Pair(n_groups, 0) * GROUP * GROUP * LANES * sizeof(int32_t);
  const size_t some = ((size_t)n_groups + 63) & ~(size_t)63, each = bytes + sums + some;
  void        *at;

  PetscFunctionBegin;
  PetscCheck(!posix_memalign(&at, 64, (size_t)threads * each), PETSC_COMM_SELF, PETSC_ERR_MEM, "bytes of %d threads", threads);
  *piece = at;
  for (int t = 0; t < threads; t++) {
    char *own = *piece + (size_t)t * each;

    room[t] = (Room){n_groups, (uint8_t *)own, (int32_t *)(void *)(own + bytes), (bool *)(own + bytes + sums), false};
    memset(room[t].byte + (size_t)(2 * n + 1) * ROWS, 0, bytes - (size_t)(2 * n + 1) * ROWS);
    Clear(&room[t], 0, n / GROUP + 1);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  PackedGramEqual - Inner products of columns [first, first + n), gram [n * n], if all weights are
  0 or equal.
  *done is false, and gram unchanged, if weights differ or the processor has no fast byte products.
  Not collective; threaded over strips.
*/
PetscErrorCode PackedGramEqual(const MeritPacked *m, int32_t first, int32_t n, const double weight[], double gram[], bool *done)
{
  const int64_t batches = (MeritPackedStrips(m->n_rows) + STRIPS - 1) / STRIPS, strips = MeritPackedStrips(m->n_rows);
  const int     threads = omp_get_max_threads();
  const Tile    tile    = TileNow();
  double        each    = 0.0;
  bool          equal   = true;
  Room         *room;
  double       *total;
  char         *piece;

  PetscFunctionBegin;
  *done = false;
  for (int64_t i = 0; each == 0.0 && i < m->n_rows; i++) each = weight[i];
  if (!tile || each == 0.0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc2(threads, &room, n, &total));
  PetscCall(MakeRooms(n, threads, room, &piece));
#pragma omp parallel num_threads(threads) reduction(&& : equal) if (WorthThreads(m))
  {
    const int t = omp_get_thread_num(), count = omp_get_num_threads();

    equal = SumStrips(m, first, n, weight, each, ShareFirst(batches, count, t) * STRIPS, PetscMin(strips, ShareFirst(batches, count, t + 1) * STRIPS),
                      tile, room + t);
  }
  if (equal) Finish(m, first, n, each, threads, room, total, gram);
  *done = equal;
  free(piece);
  PetscCall(PetscFree2(room, total));
  PetscFunctionReturn(PETSC_SUCCESS);
}

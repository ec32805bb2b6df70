/*
  Products between animals of SNPs without a missing genotype and with one scale s: with allele
  counts g and centres c,

    (M M')_ij = s^2 (sum of g_ik g_jk - sum of c_k g_ik - sum of c_k g_jk + sum of c_k^2),

  and the sum of g_ik g_jk is exact in whole numbers, 32 SNPs to an instruction. The order of the
  SNPs in a vector does not matter as it is the same for all animals: byte 8 q + b of a vector has
  field 4 b + q of the word.
*/
#include "packed_counts.h"
#include <omp.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

enum {
  WORDS = PACKED_COUNT_WORDS, /* of 32 SNPs; a 16-bit sum of two products a word stays below 8 * WORDS */
  ROWS  = 4                   /* animals whose sums with two of the panel are in registers */
};

/* Scratch of a thread */
typedef struct {
  __m256i panel[MERIT_PANEL][WORDS], row[ROWS][WORDS];
} Scratch;

/* Codes of an animal as bytes; 0 for an animal beyond the last */
AVX2 static void Unpack(const PackedCounts *c, int32_t animal, __m256i code[WORDS])
{
  const __m256i   shift = _mm256_set_epi64x(6, 4, 2, 0), mask = _mm256_set1_epi8(3);
  const uint64_t *word = c->code + (size_t)animal * (size_t)c->n;

  for (int g = 0; g < c->n; g++)
    code[g] = animal < c->animals ? _mm256_and_si256(_mm256_srlv_epi64(_mm256_set1_epi64x((int64_t)word[g]), shift), mask) : _mm256_setzero_si256();
}

/* The sum of 16 whole numbers of 16 bits */
AVX2 static int32_t Total(__m256i x)
{
  const __m256i pairs = _mm256_madd_epi16(x, _mm256_set1_epi16(1));
  __m128i       s     = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));

  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/* count[r][l] = sum of g g over all words, ROWS animals with two of the panel */
AVX2 static void Multiply(int n, const __m256i row[ROWS][WORDS], const __m256i panel[2][WORDS], int32_t count[ROWS][2])
{
  __m256i sum[ROWS][2];

  for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  for (int g = 0; g < n; g++)
    for (int r = 0; r < ROWS; r++)
      for (int l = 0; l < 2; l++) sum[r][l] = _mm256_add_epi16(sum[r][l], _mm256_maddubs_epi16(row[r][g], panel[l][g]));
  for (int r = 0; r < ROWS; r++)
    for (int l = 0; l < 2; l++) count[r][l] = Total(sum[r][l]);
}

/* One panel: animals first + l with all from first on */
AVX2 static void Panel(const PackedCounts *c, int32_t first, double panel[], Scratch *own)
{
  const int32_t lanes = PetscMin(MERIT_PANEL, c->animals - first);

  for (int l = 0; l < MERIT_PANEL; l++) Unpack(c, first + l, own->panel[l]);
  for (int32_t i = first; i < c->animals; i += ROWS) {
    for (int r = 0; r < ROWS; r++) Unpack(c, i + r, own->row[r]);
    for (int32_t l = 0; l < lanes; l += 2) {
      int32_t count[ROWS][2];

      Multiply(c->n, own->row, own->panel + l, count);
      for (int32_t r = 0; r < PetscMin(ROWS, c->animals - i); r++)
        for (int32_t b = 0; b < PetscMin(2, lanes - l); b++)
          panel[(size_t)(i + r - first) * MERIT_PANEL + (size_t)(l + b)] +=
              c->scale * c->scale * ((double)count[r][b] - c->dot[i + r] - c->dot[first + l + b] + c->squares);
    }
  }
}

/* Has no animal a missing genotype (code 3) in the word? */
static bool Complete(const MeritPackedAnimals *m, int32_t g)
{
  const uint64_t *word    = m->word + (size_t)g * (size_t)m->n;
  uint64_t        missing = 0;

  for (int32_t i = 0; i < m->n; i++) missing |= word[i] & word[i] >> 1;
  return !(missing & 0x5555555555555555u);
}

/* The words of each animal next to each other, its sum of c_k g_ik, and the sum of c_k^2; columns
   beyond the last have code 0 */
static void Fill(const MeritPackedAnimals *m, PackedCounts *c)
{
  c->squares = 0.0;
  for (int g = 0; g < c->n; g++)
    for (int32_t j = 32 * c->word[g]; j < PetscMin(32 * c->word[g] + 32, m->n_cols); j++) c->squares += m->centre[j] * m->centre[j];
#pragma omp parallel for schedule(static)
  for (int32_t i = 0; i < m->n; i++) {
    c->dot[i] = 0.0;
    for (int g = 0; g < c->n; g++) {
      const int32_t  first = 32 * c->word[g];
      const uint64_t word  = m->word[(size_t)c->word[g] * (size_t)m->n + (size_t)i];

      c->code[(size_t)i * (size_t)c->n + (size_t)g] = word;
      for (int32_t j = first; j < PetscMin(first + 32, m->n_cols); j++) c->dot[i] += m->centre[j] * (double)(word >> (2 * (j - first)) & 3);
    }
  }
}

/* PackedCountsFind - See the header. */
PetscErrorCode PackedCountsFind(const MeritPackedAnimals *m, int32_t from, int32_t to, PackedCounts *c)
{
  PetscFunctionBegin;
  *c = (PackedCounts){.animals = m->n};
  if (MeritPackedLevelNow() == MERIT_PACKED_PORTABLE) PetscFunctionReturn(PETSC_SUCCESS);
  for (int32_t g = from; g < to; g++) {
    bool one = true;

    if (!c->n) c->scale = m->scale[32 * g];
    for (int32_t j = 32 * g; j < PetscMin(32 * g + 32, m->n_cols); j++) one = one && m->scale[j] == c->scale;
    if (one && Complete(m, g)) c->word[c->n++] = g;
  }
  if (!c->n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc2(m->n, &c->dot, (size_t)m->n * (size_t)c->n, &c->code));
  Fill(m, c);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PackedCountsAdd - See the header. */
PetscErrorCode PackedCountsAdd(const PackedCounts *c, int n_panels, const int32_t first[], double *const panel[])
{
  const int threads = omp_get_max_threads();
  void     *room;

  PetscFunctionBegin;
  if (!c->n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCheck(!posix_memalign(&room, 64, (size_t)threads * sizeof(Scratch)), PETSC_COMM_SELF, PETSC_ERR_MEM, "codes of %d threads", threads);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int b = 0; b < n_panels; b++) Panel(c, first[b], panel[b], (Scratch *)room + omp_get_thread_num());
  free(room);
  PetscFunctionReturn(PETSC_SUCCESS);
}
#else
/* PackedCountsFind - See the header: none without these instructions. */
PetscErrorCode PackedCountsFind(const MeritPackedAnimals *m, int32_t from, int32_t to, PackedCounts *c)
{
  (void)from, (void)to;
  *c = (PackedCounts){.animals = m->n};
  return PETSC_SUCCESS;
}

/* PackedCountsAdd - See the header. */
PetscErrorCode PackedCountsAdd(const PackedCounts *c, int n_panels, const int32_t first[], double *const panel[])
{
  (void)c, (void)n_panels, (void)first, (void)panel;
  return PETSC_SUCCESS;
}
#endif

/* PackedCountsFree - See the header. */
PetscErrorCode PackedCountsFree(PackedCounts *c)
{
  PetscFunctionBegin;
  PetscCall(PetscFree2(c->dot, c->code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Tables over three genotypes for four right-hand sides in double precision: make, look up, and the
   transpose that puts rows next to each other. Each function is compiled for several instruction
   sets and chosen at run time. */
#include "packed_tables.h"
#include <omp.h>
#include <stdlib.h>

/* Bytes from the table's start to the entry of genotypes 3 i .. 3 i + 2 of a word */
#define ENTRY(word, i)       ((i) ? ((word) >> (6 * (i)-5)) & 0x7e0 : ((word) << 5) & 0x7e0)
#define LOOK(table, word, i) (*(const PackedVector *)(const void *)((const char *)(table) + 2048 * (i) + ENTRY(word, i)))

/* PackedMakeTable - See the header. Ten tables of three genotypes, one of the last two. Not
   collective. */
void PackedMakeTable(const PackedValues value[32], PackedVector table[PACKED_ENTRIES])
{
  for (int i = 0; i < 10; i++)
    for (int c = 0; c < 4; c++)
      for (int b = 0; b < 4; b++) {
        const PackedVector sum = value[3 * i + 2][c] + value[3 * i + 1][b];

        for (int a = 0; a < 4; a++) table[64 * i + 16 * c + 4 * b + a] = sum + value[3 * i][a];
      }
  for (int b = 0; b < 4; b++)
    for (int a = 0; a < 4; a++) table[640 + 4 * b + a] = value[31][b] + value[30][a];
}

/* sum[t] += values of all 32 genotypes of word[t * stride]; two independent sums shorten the chain
   of additions */
static inline __attribute__((always_inline)) void LookUp(const PackedVector table[PACKED_ENTRIES], const uint64_t *word, size_t stride, int64_t n,
                                                         PackedVector sum[])
{
  for (int64_t t = 0; t < n; t++) {
    const uint64_t w = word[(size_t)t * stride];
    PackedVector   a = sum[t] + LOOK(table, w, 0), b = LOOK(table, w, 1);

    a += LOOK(table, w, 2), b += LOOK(table, w, 3);
    a += LOOK(table, w, 4), b += LOOK(table, w, 5);
    a += LOOK(table, w, 6), b += LOOK(table, w, 7);
    a += LOOK(table, w, 8), b += LOOK(table, w, 9);
    sum[t] = a + (b + *(const PackedVector *)(const void *)((const char *)(table) + 20480 + ((w >> 55) & 0x1e0)));
  }
}

/* Transpose 32 by 32 fields of two bits in each of the eight words: halves are swapped, then
   quarters, ... (Warren 2002) */
static inline __attribute__((always_inline)) void Transpose(PackedLine8 line[32])
{
  uint64_t mask = 0xffffffffu;

  for (int w = 16; w; w /= 2, mask ^= mask << (2 * w))
    for (int r = 0; r < 32; r += 2 * w)
      for (int i = r; i < r + w; i++) {
        const PackedLine8 swap = ((line[i] >> (2 * w)) ^ line[i + w]) & mask;

        line[i + w] ^= swap;
        line[i] ^= swap << (2 * w);
      }
}

static void TransposePortable(PackedLine8 line[32]) { Transpose(line); }

static void LookUpPortable(const PackedVector table[PACKED_ENTRIES], const uint64_t *word, size_t stride, int64_t n, PackedVector sum[])
{
  LookUp(table, word, stride, n, sum);
}

#if defined(__x86_64__)
#define AVX2   __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))

AVX2 static void LookUpAvx2(const PackedVector table[PACKED_ENTRIES], const uint64_t *word, size_t stride, int64_t n, PackedVector sum[])
{
  LookUp(table, word, stride, n, sum);
}

AVX2 static void TransposeAvx2(PackedLine8 line[32]) { Transpose(line); }

AVX512 static void TransposeAvx512(PackedLine8 line[32]) { Transpose(line); }
#else
#define LookUpAvx2      LookUpPortable
#define TransposeAvx2   TransposePortable
#define TransposeAvx512 TransposePortable
#endif

/* PackedKernelsNow - Those for the instructions that run now. Not collective. */
PackedKernels PackedKernelsNow(void)
{
  static const PackedKernels kernels[] = {
      [MERIT_PACKED_PORTABLE] = {LookUpPortable, TransposePortable},
      [MERIT_PACKED_AVX2]     = {LookUpAvx2, TransposeAvx2},
      [MERIT_PACKED_AVX512]   = {LookUpAvx2, TransposeAvx512},
  };

  return kernels[MeritPackedLevelNow()];
}

/* PackedMakeScratch - One scratch for each thread. Not collective; free(). */
PetscErrorCode PackedMakeScratch(int *threads, PackedScratch **scratch)
{
  void *at;

  PetscFunctionBegin;
  *threads = omp_get_max_threads();
  PetscCheck(!posix_memalign(&at, 64, (size_t)*threads * sizeof(PackedScratch)), PETSC_COMM_SELF, PETSC_ERR_MEM, "tables of %d threads", *threads);
  *scratch = at;
  PetscFunctionReturn(PETSC_SUCCESS);
}

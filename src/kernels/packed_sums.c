/* Sums over the rows of packed genotypes, for set-up and block sweeps: counts of codes, weighted
   sums of squares, Gram blocks, decoded columns. */
#include "packed_gram.h"
#include "packed_tables.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/*@
  MeritPackedCount - Rows with each code, by column.

  Not collective; threaded.

  Input Parameters:
+ n_rows - rows; those of the last strip beyond them are not counted
. n_cols - columns
- code   - the packed genotypes

  Output Parameter:
. count - [n_cols * 4] rows with 0, 1, 2 copies and with a missing genotype; overwritten
@*/
void MeritPackedCount(int64_t n_rows, int32_t n_cols, const uint64_t code[], int64_t count[])
{
  /* Rows beyond the last have code 3 */
  const int64_t strips = MeritPackedStrips(n_rows), beyond = strips * MERIT_STRIP - n_rows;

#pragma omp parallel for schedule(static) if (n_rows * n_cols >= 32768)
  for (int32_t j = 0; j < n_cols; j++) {
    int64_t one = 0, two = 0, missing = 0;

    for (int64_t strip = 0; strip < strips; strip++) {
      const uint64_t *line = code + ((size_t)strip * (size_t)n_cols + (size_t)j) * MERIT_LINE;

      for (int q = 0; q < MERIT_LINE; q++) {
        const uint64_t low = line[q] & MERIT_LOW_BITS, high = line[q] >> 1 & MERIT_LOW_BITS;

        one += __builtin_popcountll(low & ~high);
        two += __builtin_popcountll(high & ~low);
        missing += __builtin_popcountll(low & high);
      }
    }
    missing -= beyond;
    count[4 * (size_t)j]     = n_rows - one - two - missing;
    count[4 * (size_t)j + 1] = one;
    count[4 * (size_t)j + 2] = two;
    count[4 * (size_t)j + 3] = missing;
  }
}

/* Value of a genotype in M */
static double ValueOf(const MeritPacked *m, int32_t j, unsigned code) { return m->scale[j] * ((code == 3 ? m->missing[j] : code) - m->centre[j]); }

/* Table values for sums by code: each code has the weight of the row in a lane of its own; 32 rows
   from `row` on, right-hand side r of k */
static void WeightValues(const MeritPacked *m, int64_t row, int k, int r, const double weight[], PackedValues value[32])
{
  memset(value, 0, 32 * sizeof(*value));
  for (int64_t i = row; i < PetscMin(row + 32, m->n_rows); i++)
    for (int c = 0; c < 4; c++) value[i - row][c][c] = weight[(size_t)i * (size_t)k + (size_t)r];
}

/* q of one right-hand side for columns [from, to), at most PACKED_COLUMNS: sum over codes of
   value^2 times the sum of weights */
static void SquaresColumns(const MeritPacked *m, PackedLook look, PackedScratch *own, int32_t from, int32_t to, int k, int r, const double weight[],
                           double q[])
{
  memset(own->sum.column, 0, (size_t)(to - from) * sizeof(PackedVector));
  for (int64_t row = 0; row < m->n_rows; row += 32) {
    WeightValues(m, row, k, r, weight, own->value);
    PackedMakeTable((const PackedValues *)own->value, own->table);
    look(own->table, PackedLine(m, row / MERIT_STRIP, from) + row % MERIT_STRIP / 32, MERIT_LINE, to - from, own->sum.column);
  }
  for (int32_t j = from; j < to; j++) {
    double total = 0;

    for (unsigned c = 0; c < 4; c++) total += ValueOf(m, j, c) * ValueOf(m, j, c) * own->sum.column[j - from][c];
    q[(size_t)j * (size_t)k + (size_t)r] = total;
  }
}

/*@
  MeritPackedSquares - Weighted sums of squares of the columns: the diagonal of M' W M for k diagonal matrices
  W.

  Not collective; threaded over columns, the same result for any number of threads. Weights are summed by code,
  so nothing cancels.

  Input Parameters:
+ m      - the packed matrix
. k      - diagonal matrices
- weight - [n_rows * k]

  Output Parameter:
. q - [n_cols * k]; overwritten
@*/
PetscErrorCode MeritPackedSquares(const MeritPacked *m, int k, const double weight[], double q[])
{
  const PackedLook look = PackedKernelsNow().look;
  PackedScratch   *scratch;
  int              threads;

  PetscFunctionBegin;
  PetscCall(PackedMakeScratch(&threads, &scratch));
#pragma omp parallel num_threads(threads) if (WorthThreads(m))
  {
    const int     t = omp_get_thread_num(), n = omp_get_num_threads();
    const int32_t last = (int32_t)ShareFirst(m->n_cols, n, t + 1);

    for (int32_t j = (int32_t)ShareFirst(m->n_cols, n, t); j < last; j += PACKED_COLUMNS)
      for (int r = 0; r < k; r++) SquaresColumns(m, look, scratch + t, j, PetscMin(j + PACKED_COLUMNS, last), k, r, weight, q);
  }
  free(scratch);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Decode one column of a strip, 256 rows; rows beyond the last as if they were missing */
static void DecodeLine(const MeritPacked *m, int64_t strip, int32_t j, double out[MERIT_STRIP])
{
  const uint64_t *line = PackedLine(m, strip, j);
  double          pair[16][2];

  /* Table of two genotypes, so that a look-up gives two values */
  for (unsigned c = 0; c < 16; c++) pair[c][0] = ValueOf(m, j, c % 4), pair[c][1] = ValueOf(m, j, c / 4);
  for (int i = 0; i < MERIT_STRIP; i += 2) memcpy(out + i, pair[line[i / 32] >> (2 * (i % 32)) & 15], sizeof(pair[0]));
}

/* Decode 32 rows (fewer at the end) of n columns; value[j * 4 + code] */
static void DecodeWords(int64_t rows, int32_t n, const uint64_t *word, const double value[], double out[])
{
  for (int64_t i = 0; i < rows; i++)
    for (int32_t j = 0; j < n; j++) out[(size_t)i * (size_t)n + (size_t)j] = value[4 * (size_t)j + (word[(size_t)j * MERIT_LINE] >> (2 * i) & 3)];
}

/*@
  MeritPackedDecode - Columns [first, first + n) of M as doubles.

  Not collective; threaded. out[n_rows * n], column fastest; overwritten.
@*/
PetscErrorCode MeritPackedDecode(const MeritPacked *m, int32_t first, int32_t n, double out[])
{
  const int64_t units = (m->n_rows + 31) / 32;
  double       *value;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(4 * (size_t)n, &value));
  for (int32_t j = 0; j < n; j++)
    for (unsigned c = 0; c < 4; c++) value[4 * (size_t)j + c] = ValueOf(m, first + j, c);
#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t u = 0; u < units; u++)
    DecodeWords(PetscMin(32, m->n_rows - 32 * u), n, PackedLine(m, u / MERIT_LINE, first) + u % MERIT_LINE, value, out + (size_t)u * 32 * (size_t)n);
  PetscCall(PetscFree(value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns whose inner products with one column are computed at once */
#define GRAM_COLUMNS 8

/* sum[b * k] += inner product of 256 weighted rows with column b, for n columns stored one after
   the other */
typedef void (*GramDots)(const double *weighted, const double *column, int n, int k, double *sum);

#define GRAM_DOTS(name, lanes, attribute)                                                                                                            \
  typedef double name##Vector __attribute__((vector_size(8 * (lanes)), aligned(8)));                                                                 \
                                                                                                                                                     \
  attribute static inline                                                                                                                            \
      __attribute__((always_inline)) void name##Of(const double *weighted, const double *column, const int n, int k, double *sum)                    \
  {                                                                                                                                                  \
    name##Vector part[GRAM_COLUMNS] = {{0}};                                                                                                         \
                                                                                                                                                     \
    for (int i = 0; i < MERIT_STRIP; i += (lanes)) {                                                                                                 \
      const name##Vector w = *(const name##Vector *)(weighted + i);                                                                                  \
                                                                                                                                                     \
      _Pragma("GCC unroll 8") for (int b = 0; b < n; b++) part[b] += w * *(const name##Vector *)(column + b * MERIT_STRIP + i);                      \
    }                                                                                                                                                \
    for (int b = 0; b < n; b++)                                                                                                                      \
      for (int l = 0; l < (lanes); l++) sum[b * k] += part[b][l];                                                                                    \
  }                                                                                                                                                  \
                                                                                                                                                     \
  attribute static void name(const double *weighted, const double *column, int n, int k, double *sum)                                                \
  {                                                                                                                                                  \
    int b = 0;                                                                                                                                       \
                                                                                                                                                     \
    for (; b + GRAM_COLUMNS <= n; b += GRAM_COLUMNS) name##Of(weighted, column + b * MERIT_STRIP, GRAM_COLUMNS, k, sum + b * k);                     \
    for (; b < n; b++) name##Of(weighted, column + b * MERIT_STRIP, 1, k, sum + b * k);                                                              \
  }

GRAM_DOTS(GramDotsPortable, 2, )
#if defined(__x86_64__)
GRAM_DOTS(GramDotsAvx2, 4, __attribute__((target("avx2,fma"))))
GRAM_DOTS(GramDotsAvx512, 8, __attribute__((target("avx512f"))))
#else
#define GramDotsAvx2   GramDotsPortable
#define GramDotsAvx512 GramDotsPortable
#endif

/* The function for the current instructions */
static GramDots GramDotsNow(void)
{
  static const GramDots dots[] = {
      [MERIT_PACKED_PORTABLE] = GramDotsPortable, [MERIT_PACKED_AVX2] = GramDotsAvx2, [MERIT_PACKED_AVX512] = GramDotsAvx512};

  return dots[MeritPackedLevelNow()];
}

/* Work of one thread for MeritPackedGram: n decoded columns of a strip, one of them times weights,
   and the sums */
typedef struct {
  double *column, *weighted, *sum;
} GramRoom;

/* Add one strip to the lower triangles of k Gram matrices; entries beyond, from whole groups of
   columns, are not read */
static void GramStrip(const MeritPacked *m, int64_t strip, int32_t first, int32_t n, int k, const double weight[], GramDots dots, const GramRoom *own)
{
  const double *w    = weight + (size_t)strip * MERIT_STRIP * (size_t)k;
  const int64_t rows = PetscMin(MERIT_STRIP, m->n_rows - strip * MERIT_STRIP);

  for (int32_t j = 0; j < n; j++) DecodeLine(m, strip, first + j, own->column + (size_t)j * MERIT_STRIP);
  for (int64_t i = rows; i < MERIT_STRIP; i++) own->weighted[i] = 0;
  for (int r = 0; r < k; r++)
    for (int32_t a = 0; a < n; a++) {
      const double *column = own->column + (size_t)a * MERIT_STRIP;

      for (int64_t i = 0; i < rows; i++) own->weighted[i] = column[i] * w[i * k + r];
      dots(own->weighted, own->column, PetscMin(n, a / GRAM_COLUMNS * GRAM_COLUMNS + GRAM_COLUMNS), k,
           own->sum + (size_t)a * (size_t)n * (size_t)k + (size_t)r);
    }
}

/*@
  MeritPackedGram - Weighted inner products of columns [first, first + n) of M, for k diagonal weight matrices.

  Not collective; threaded over strips, partial sums added in the threads' order: bits depend on the number of
  threads, but where k is 1 and weights are equal (or 0): sums of bytes are exact, and some twenty times as fast.

  Input Parameters:
+ m      - the packed matrix
. first  - first column
. n      - columns
. k      - weight matrices
- weight - [n_rows * k]

  Output Parameter:
. gram - [n * n * k], symmetric in the first two; overwritten
@*/
PetscErrorCode MeritPackedGram(const MeritPacked *m, int32_t first, int32_t n, int k, const double weight[], double gram[])
{
  const int64_t  strips  = MeritPackedStrips(m->n_rows);
  const int      threads = omp_get_max_threads();
  const size_t   size = (size_t)n * (size_t)n * (size_t)k, each = ((size_t)n + 1) * MERIT_STRIP + size;
  const GramDots dots = GramDotsNow();
  double        *room;
  bool           done = false;

  PetscFunctionBegin;
  if (k == 1 && n > 1) PetscCall(PackedGramEqual(m, first, n, weight, gram, &done));
  if (done) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1((size_t)threads * each, &room));
#pragma omp parallel num_threads(threads) if (WorthThreads(m))
  {
    const int      t = omp_get_thread_num(), count = omp_get_num_threads();
    double        *at  = room + (size_t)t * each;
    const GramRoom own = {at + MERIT_STRIP + size, at + size, at};

    for (int64_t strip = ShareFirst(strips, count, t); strip < ShareFirst(strips, count, t + 1); strip++)
      GramStrip(m, strip, first, n, k, weight, dots, &own);
  }
  for (int32_t a = 0; a < n; a++)
    for (int32_t b = 0; b <= a; b++)
      for (int r = 0; r < k; r++) {
        const size_t at    = ((size_t)a * (size_t)n + (size_t)b) * (size_t)k + (size_t)r;
        double       total = 0;

        /* Threads in order, so that a number of threads always gives the same bits */
        for (int t = 0; t < threads; t++) total += room[(size_t)t * each + at];
        gram[at]                                                          = total;
        gram[((size_t)b * (size_t)n + (size_t)a) * (size_t)k + (size_t)r] = total;
      }
  PetscCall(PetscFree(room));
  PetscFunctionReturn(PETSC_SUCCESS);
}

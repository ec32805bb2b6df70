/*
  Several right-hand sides, four at a time: tables over three genotypes (the method of the four Russians:
  Arlazarov, Dinic, Kronrod and Faradzev 1970). A word of 32 genotypes costs eleven look-ups of four doubles,
  whatever the codes are. The adjoint looks up the words of a column as they lie; the forward product first
  transposes 32 columns by 32 rows, so that its tables hold exact values of M x.
*/
#include "packed_impl.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH   4    /* right-hand sides of a pass */
#define ENTRIES 656  /* 10 tables over three genotypes, one over the last two: 20.5 KiB */
#define COLUMNS 2048 /* columns (adjoint) a table serves before the next is made */
#define UNITS   128  /* units of 32 rows (forward) a table serves */

typedef double Vector __attribute__((vector_size(32)));
typedef Vector Values[4]; /* of one genotype, by code */

/* Bytes from the table's start to the entry of genotypes 3 i .. 3 i + 2 of a word */
#define ENTRY(word, i) ((i) ? ((word) >> (6 * (i)-5)) & 0x7e0 : ((word) << 5) & 0x7e0)
#define LOOK(table, word, i)                                                                                 \
  (*(const Vector *)(const void *)((const char *)(table) + 2048 * (i) + ENTRY(word, i)))

static void MakeTable(const Values value[32], Vector table[ENTRIES])
{
  for (int i = 0; i < 10; i++)
    for (int c = 0; c < 4; c++)
      for (int b = 0; b < 4; b++) {
        const Vector sum = value[3 * i + 2][c] + value[3 * i + 1][b];

        for (int a = 0; a < 4; a++) table[64 * i + 16 * c + 4 * b + a] = sum + value[3 * i][a];
      }
  for (int b = 0; b < 4; b++)
    for (int a = 0; a < 4; a++) table[640 + 4 * b + a] = value[31][b] + value[30][a];
}

/* sum[t] += what the table has for word[t * stride] */
static inline __attribute__((always_inline)) void LookUp(const Vector table[ENTRIES], const uint64_t *word,
                                                         size_t stride, int64_t n, Vector sum[])
{
  for (int64_t t = 0; t < n; t++) {
    const uint64_t w = word[(size_t)t * stride];
    Vector         a = sum[t] + LOOK(table, w, 0), b = LOOK(table, w, 1);

    a += LOOK(table, w, 2), b += LOOK(table, w, 3);
    a += LOOK(table, w, 4), b += LOOK(table, w, 5);
    a += LOOK(table, w, 6), b += LOOK(table, w, 7);
    a += LOOK(table, w, 8), b += LOOK(table, w, 9);
    sum[t] = a + (b + *(const Vector *)(const void *)((const char *)(table) + 20480 + ((w >> 55) & 0x1e0)));
  }
}

static void LookUpPortable(const Vector table[ENTRIES], const uint64_t *word, size_t stride, int64_t n,
                           Vector sum[])
{
  LookUp(table, word, stride, n, sum);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void LookUpAvx2(const Vector table[ENTRIES], const uint64_t *word,
                                                           size_t stride, int64_t n, Vector sum[])
{
  LookUp(table, word, stride, n, sum);
}
#else
#define LookUpAvx2 LookUpPortable
#endif

typedef void (*Look)(const Vector table[ENTRIES], const uint64_t *word, size_t stride, int64_t n,
                     Vector sum[]);

/* Field f of in[r] becomes field r of in[f]: 32 words of 32 two-bit fields, swapped in halves, quarters, ... */
static void Transpose(uint64_t word[32])
{
  uint64_t mask = 0xffffffffu;

  for (int w = 16; w; w /= 2, mask ^= mask << (2 * w))
    for (int r = 0; r < 32; r += 2 * w)
      for (int i = r; i < r + w; i++) {
        const uint64_t swap = ((word[i] >> (2 * w)) ^ word[i + w]) & mask;

        word[i + w] ^= swap;
        word[i] ^= swap << (2 * w);
      }
}

/* Scratch of one thread; vectors on their boundary */
typedef struct {
  Vector table[ENTRIES];
  Values value[32];
  union {
    Vector column[COLUMNS];
    Vector row[32 * UNITS];
  } sum;
} Scratch;

static PetscErrorCode MakeScratch(int *threads, Scratch **scratch)
{
  void *at;

  PetscFunctionBegin;
  *threads = omp_get_max_threads();
  PetscCheck(!posix_memalign(&at, 64, (size_t)*threads * sizeof(Scratch)), PETSC_COMM_SELF, PETSC_ERR_MEM,
             "tables of %d threads", *threads);
  *scratch = at;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values of M x of 32 columns from `from` on, right-hand sides [r, r + n_r); columns beyond the last give
   nothing */
static void ForwardValues(const MeritPacked *m, int32_t from, int k, int r, int n_r, const double x[],
                          Values value[32])
{
  memset(value, 0, 32 * sizeof(*value));
  for (int32_t j = from; j < PetscMin(from + 32, m->n_cols); j++)
    for (int c = 0; c < 4; c++) {
      const double copies = (c == 3 ? m->missing[j] : c) - m->centre[j];

      for (int i = 0; i < n_r; i++)
        value[j - from][c][i] = m->scale[j] * copies * x[(size_t)j * (size_t)k + (size_t)(r + i)];
    }
}

/* Units [from, to) of 32 rows, at most UNITS: right-hand sides [r, r + n_r) of g */
static void ForwardUnits(const MeritPacked *m, Look look, Scratch *own, int64_t from, int64_t to, int k,
                         int r, int n_r, const double x[], double g[])
{
  memset(own->sum.row, 0, (size_t)(to - from) * 32 * sizeof(Vector));
  for (int32_t j = 0; j < m->n_cols; j += 32) {
    const int32_t n = PetscMin(32, m->n_cols - j);

    ForwardValues(m, j, k, r, n_r, x, own->value);
    MakeTable((const Values *)own->value, own->table);
    for (int64_t u = from; u < to; u++) {
      const uint64_t *line     = PackedLine(m, u / MERIT_LINE, j) + u % MERIT_LINE;
      uint64_t        word[32] = {0};

      for (int32_t i = 0; i < n; i++) word[i] = line[(size_t)i * MERIT_LINE];
      Transpose(word);
      look(own->table, word, 1, 32, own->sum.row + (u - from) * 32);
    }
  }
  for (int64_t row = from * 32; row < PetscMin(to * 32, m->n_rows); row++)
    for (int i = 0; i < n_r; i++)
      g[(size_t)row * (size_t)k + (size_t)(r + i)] = own->sum.row[row - from * 32][i];
}

static Look LookNow(void) { return MeritPackedHasAvx2() ? LookUpAvx2 : LookUpPortable; }

/* MeritPackedForwardBlock - g = M x, any k; threaded over units of 32 rows. Not collective. */
PetscErrorCode MeritPackedForwardBlock(const MeritPacked *m, int k, const double x[], double g[])
{
  const int64_t units = MeritPackedStrips(m->n_rows) * MERIT_LINE;
  const Look    look  = LookNow();
  Scratch      *scratch;
  int           threads;

  PetscFunctionBegin;
  PetscCall(MakeScratch(&threads, &scratch));
#pragma omp parallel num_threads(threads)
  {
    const int     t = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t last = ShareFirst(units, n, t + 1);

    for (int64_t u = ShareFirst(units, n, t); u < last; u += UNITS)
      for (int r = 0; r < k; r += WIDTH)
        ForwardUnits(m, look, scratch + t, u, PetscMin(u + UNITS, last), k, r, PetscMin(WIDTH, k - r), x, g);
  }
  free(scratch);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values of 32 rows from `row` on: copies times s, 0 for missing */
static void AdjointValues(const MeritPacked *m, int64_t row, int k, int r, int n_r, const double s[],
                          Values value[32])
{
  memset(value, 0, 32 * sizeof(*value));
  for (int64_t i = row; i < PetscMin(row + 32, m->n_rows); i++)
    for (int v = 0; v < n_r; v++) {
      const double one = s[(size_t)i * (size_t)k + (size_t)(r + v)];

      value[i - row][1][v] = one;
      value[i - row][2][v] = 2 * one;
    }
}

/* sum[j] += missing copies of column j times s, for one word of each column */
static void AdjointMissing(const MeritPacked *m, int64_t strip, int q, int32_t from, int32_t to,
                           const Values value[32], Vector sum[])
{
  const uint64_t rows = RowBits(m->n_rows, strip, q);

  for (int32_t j = from; j < to; j++)
    for (uint64_t b = MissingBits(PackedLine(m, strip, j)[q]) & rows; b; b &= b - 1)
      sum[j - from] += m->missing[j] * value[__builtin_ctzll(b) / 2][1];
}

/* Columns [from, to), at most COLUMNS: right-hand sides [r, r + n_r) of y; total = sums of s over all rows */
static void AdjointColumns(const MeritPacked *m, Look look, Scratch *own, int32_t from, int32_t to, int k,
                           int r, int n_r, const double s[], const double total[], double y[])
{
  const int64_t strips = MeritPackedStrips(m->n_rows);

  memset(own->sum.column, 0, (size_t)(to - from) * sizeof(Vector));
  for (int64_t strip = 0; strip < strips; strip++)
    for (int q = 0; q < MERIT_LINE; q++) {
      const int64_t row = strip * MERIT_STRIP + 32 * q;

      if (row >= m->n_rows) break;
      AdjointValues(m, row, k, r, n_r, s, own->value);
      MakeTable((const Values *)own->value, own->table);
      look(own->table, PackedLine(m, strip, from) + q, MERIT_LINE, to - from, own->sum.column);
      AdjointMissing(m, strip, q, from, to, (const Values *)own->value, own->sum.column);
    }
  for (int32_t j = from; j < to; j++)
    for (int i = 0; i < n_r; i++)
      y[(size_t)j * (size_t)k + (size_t)(r + i)] =
          m->scale[j] * (own->sum.column[j - from][i] - m->centre[j] * total[r + i]);
}

/* Sums of s over rows, compensated (Neumaier 1974), for each right-hand side */
static void Totals(int64_t n, int k, const double s[], double total[])
{
  for (int r = 0; r < k; r++) {
    double sum = 0, lost = 0;

    for (int64_t i = 0; i < n; i++) {
      const double term = s[(size_t)i * (size_t)k + (size_t)r], next = sum + term;

      lost += (sum < 0 ? -sum : sum) >= (term < 0 ? -term : term) ? (sum - next) + term : (term - next) + sum;
      sum = next;
    }
    total[r] = sum + lost;
  }
}

/* MeritPackedAdjointBlock - y = M' s, any k; threaded over columns. Not collective. */
PetscErrorCode MeritPackedAdjointBlock(const MeritPacked *m, int k, const double s[], double y[])
{
  const Look look = LookNow();
  Scratch   *scratch;
  double    *total;
  int        threads;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(k, &total));
  PetscCall(MakeScratch(&threads, &scratch));
  Totals(m->n_rows, k, s, total);
#pragma omp parallel num_threads(threads)
  {
    const int     t = omp_get_thread_num(), n = omp_get_num_threads();
    const int32_t last = (int32_t)ShareFirst(m->n_cols, n, t + 1);

    for (int32_t j = (int32_t)ShareFirst(m->n_cols, n, t); j < last; j += COLUMNS)
      for (int r = 0; r < k; r += WIDTH)
        AdjointColumns(m, look, scratch + t, j, PetscMin(j + COLUMNS, last), k, r, PetscMin(WIDTH, k - r), s,
                       total, y);
  }
  free(scratch);
  PetscCall(PetscFree(total));
  PetscFunctionReturn(PETSC_SUCCESS);
}

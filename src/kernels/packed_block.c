/*
  Products with several right-hand sides, 4 to 16 at a time, by tables over three genotypes.

  A table has, for each of the 64 codes of three genotypes, the sum of their values for all
  right-hand sides at once (the method of the four Russians). The adjoint looks up the words of a
  column as they are stored; the forward product first transposes blocks of 32 columns by 32 rows.
  packed_block_core.h is the code of one width and precision; here are the choice of width, the
  scaling and the threads.
*/
#include "packed_block_impl.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>

/* Work of one product: code for few and for many right-hand sides, scratch of each thread, and for
   each right-hand side its scale factor and sums */
typedef struct {
  const PackedBlock *narrow, *wide;
  int                threads;
  size_t             each; /* bytes of a thread's part of room */
  char              *room;
  double            *factor, *total, *lost; /* [k] */
} Work;

/* The widths for the current instructions. On AVX-512, up to four doubles or eight floats use the
   code for AVX2. */
static void Widths(const MeritPacked *m, const PackedBlock **narrow, const PackedBlock **wide)
{
  const PackedBlock *const *const blocks[] = {
      [MERIT_PACKED_PORTABLE] = packed_block_portable, [MERIT_PACKED_AVX2] = packed_block_avx2, [MERIT_PACKED_AVX512] = packed_block_avx512};
  const MeritPackedLevel level = MeritPackedLevelNow();

  *wide   = blocks[level][m->single];
  *narrow = level == MERIT_PACKED_AVX512 ? packed_block_avx2[m->single] : *wide;
}

/* Allocate the work of a product; free with WorkDestroy() */
static PetscErrorCode WorkCreate(const MeritPacked *m, int k, Work *w)
{
  void *at;

  PetscFunctionBegin;
  Widths(m, &w->narrow, &w->wide);
  w->threads = omp_get_max_threads();
  w->each    = (PetscMax(w->narrow->bytes, w->wide->bytes) + 63) & ~(size_t)63;
  PetscCheck(!posix_memalign(&at, 64, (size_t)w->threads * w->each), PETSC_COMM_SELF, PETSC_ERR_MEM, "tables of %d threads", w->threads);
  w->room = at;
  PetscCall(PetscMalloc3(k, &w->factor, k, &w->total, k, &w->lost));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode WorkDestroy(Work *w)
{
  PetscFunctionBegin;
  free(w->room);
  PetscCall(PetscFree3(w->factor, w->total, w->lost));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Compensated sums of `in` [n * k] over its n rows; for floats the powers of two that bring the
   largest input near 1 */
static void Survey(const MeritPacked *m, int64_t n, int k, const double in[], const double scale[], Work *w)
{
  for (int r = 0; r < k; r++) w->total[r] = w->lost[r] = w->factor[r] = 0;
  for (int64_t i = 0; i < n; i++)
    for (int r = 0; r < k; r++) {
      const double one = in[(size_t)i * (size_t)k + (size_t)r], size = fabs(one * (scale ? scale[i] : 1));

      AddExactly(&w->total[r], &w->lost[r], one);
      if (size > w->factor[r]) w->factor[r] = size;
    }
  for (int r = 0; r < k; r++) {
    w->total[r] += w->lost[r];
    w->factor[r] = m->single ? PackedSingleFactor(w->factor[r]) : 1;
  }
}

/* One unit of work for all right-hand sides, in groups as wide as possible */
static void Chunks(PackedBlockCall *c, const Work *w, bool forward, int64_t from, int64_t to)
{
  void *own = w->room + (size_t)omp_get_thread_num() * w->each;

  for (c->first = 0; c->first < c->k; c->first += c->n) {
    const PackedBlock *b = c->k - c->first > w->narrow->lanes ? w->wide : w->narrow;

    c->n = PetscMin(b->lanes, c->k - c->first);
    (forward ? b->forward : b->adjoint)(c, from, to, own);
  }
}

/* MeritPackedForwardBlock - g = M x, any k; threaded over quarters of strips. Not collective. */
PetscErrorCode MeritPackedForwardBlock(const MeritPacked *m, int k, const double x[], double g[])
{
  const int64_t units = MeritPackedStrips(m->n_rows) * MERIT_QUARTERS;
  Work          w;

  PetscFunctionBegin;
  PetscCall(WorkCreate(m, k, &w));
  Survey(m, m->n_cols, k, x, m->scale, &w);
#pragma omp parallel num_threads(w.threads) if (WorthThreads(m))
  {
    const int       t = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t   last = ShareFirst(units, n, t + 1);
    PackedBlockCall c    = {.m = m, .transpose = PackedKernelsNow().transpose, .k = k, .in = x, .factor = w.factor, .out = g};

    for (int64_t u = ShareFirst(units, n, t); u < last; u += PACKED_QUARTERS) Chunks(&c, &w, true, u, PetscMin(u + PACKED_QUARTERS, last));
  }
  PetscCall(WorkDestroy(&w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPackedAdjointBlock - y = M' s, any k; threaded over columns. Not collective. */
PetscErrorCode MeritPackedAdjointBlock(const MeritPacked *m, int k, const double s[], double y[])
{
  Work w;

  PetscFunctionBegin;
  PetscCall(WorkCreate(m, k, &w));
  Survey(m, m->n_rows, k, s, NULL, &w);
#pragma omp parallel num_threads(w.threads) if (WorthThreads(m))
  {
    int32_t         first, last;
    PackedBlockCall c = {.m = m, .k = k, .in = s, .factor = w.factor, .total = w.total, .out = y};

    ShareColumns(m->n_cols, omp_get_num_threads(), omp_get_thread_num(), &first, &last);
    for (int32_t j = first; j < last; j += PACKED_COLUMNS) Chunks(&c, &w, false, j, PetscMin(j + PACKED_COLUMNS, last));
  }
  PetscCall(WorkDestroy(&w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

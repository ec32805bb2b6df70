/*
  y = M'(w + D M x) in one pass over the genotypes.

  A strip of 256 rows with all its columns is in the cache when the adjoint product reads it again,
  so the genotypes come from memory once instead of twice. Threads take strips and have sums of
  their own for the columns, added in order.
*/
#include "packed_impl.h"
#include <omp.h>

/* Arguments of one call, shared by all threads */
typedef struct {
  const MeritPacked     *m;
  const MeritPackedPath *path;
  int                    n, k;
  const double          *D;
  const PackedEffects   *effects; /* [n * k] inputs of the forward product */
  const double          *mend;    /* [n_cols] correction of missing genotypes in the adjoint product */
  PackedSummary         *strip;   /* [strips * n * k] sums of w by strip */
  double                *g, *w;
} Normal;

/* w += D g for a row: n by n block, k right-hand sides */
static void AddBlock(int n, int k, const double D[], const double g[], double w[])
{
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++)
      for (int r = 0; r < k; r++) w[a * k + r] += D[a * n + b] * g[b * k + r];
}

/* g and w of the rows of one strip; part [width * n_cols] += their contribution to M'w, without
   scale and centre */
static void NormalStrip(const Normal *c, int64_t strip, double part[])
{
  const int     width = c->n * c->k;
  const int64_t first = strip * MERIT_STRIP, n_rows = PetscMin(MERIT_STRIP, c->m->n_rows - first);
  double       *g = c->g + first * width, *w = c->w + first * width;
  double        rows[MERIT_STRIP], arranged[MERIT_STRIP] __attribute__((aligned(64)));

  for (int i = 0; i < width; i++) {
    const PackedEffects *e = c->effects + i;

    for (int64_t row = 0; row < MERIT_STRIP; row++) rows[row] = 0;
    /* Forward: g of this strip for component and right-hand side i */
    PackedForwardStrip(c->m, c->path, e, strip, 0, MERIT_QUARTERS, rows);
    for (int64_t row = 0; row < n_rows; row++) g[row * width + i] = rows[row] - e->offset;
  }
  for (int64_t row = 0; row < n_rows; row++) AddBlock(c->n, c->k, c->D + (first + row) * c->n * c->n, g + row * width, w + row * width);
  for (int i = 0; i < width; i++) {
    PackedSummary *sums = c->strip + strip * width + i;
    double         factor;

    /* Adjoint: the rows scaled by the largest of this strip */
    *sums  = PackedSummarise(n_rows, width, w + i);
    factor = c->path->input_factor(sums->largest);
    for (int64_t row = 0; row < MERIT_STRIP; row++) rows[row] = row < n_rows ? w[row * width + i] : 0;
    c->path->arrange(rows, factor, arranged);
    PackedAdjointStrip(c->m, c->path, strip, 0, c->m->n_cols, 1, rows, arranged, c->mend, factor, part + (size_t)i * (size_t)c->m->n_cols);
  }
}

/* Compensated sums of w over all rows, total [width]; strips in order */
static void TotalRows(const Normal *c, double total[])
{
  const int width = c->n * c->k;

  for (int i = 0; i < width; i++) {
    double sum = 0, lost = 0;

    for (int64_t strip = 0; strip < MeritPackedStrips(c->m->n_rows); strip++) {
      AddExactly(&sum, &lost, c->strip[strip * width + i].sum);
      lost += c->strip[strip * width + i].lost;
    }
    total[i] = sum + lost;
  }
}

/* y of columns [from, to) from the sums of the threads, part [threads * width * n_cols], added in
   thread order */
static void FinishColumns(const Normal *c, int threads, const double part[], const double total[], int32_t from, int32_t to, double y[])
{
  const int    width = c->n * c->k;
  const size_t n     = (size_t)c->m->n_cols;

  for (int32_t j = from; j < to; j++)
    for (int i = 0; i < width; i++) {
      double sum = 0;

      for (int t = 0; t < threads; t++) sum += part[((size_t)t * (size_t)width + (size_t)i) * n + (size_t)j];
      y[(size_t)j * (size_t)width + (size_t)i] = c->m->scale[j] * (sum - c->m->centre[j] * total[i]);
    }
}

/* All strips, then all columns */
static void NormalPass(const Normal *c, int threads, double part[], double total[], double y[])
{
  const int64_t strips = MeritPackedStrips(c->m->n_rows);
  const size_t  each   = (size_t)c->n * (size_t)c->k * (size_t)c->m->n_cols;

#pragma omp parallel num_threads(threads)
  {
    const int t = omp_get_thread_num(), n = omp_get_num_threads();

    /* Each part is computed, also if OpenMP gives fewer threads than asked for */
    for (int share = t; share < threads; share += n) {
      for (size_t i = 0; i < each; i++) part[(size_t)share * each + i] = 0;
      for (int64_t strip = ShareFirst(strips, threads, share); strip < ShareFirst(strips, threads, share + 1); strip++)
        NormalStrip(c, strip, part + (size_t)share * each);
    }
#pragma omp barrier
#pragma omp          single
    TotalRows(c, total);
    FinishColumns(c, threads, part, total, (int32_t)ShareFirst(c->m->n_cols, n, t), (int32_t)ShareFirst(c->m->n_cols, n, t + 1), y);
  }
}

/* The one-pass product, with the work space it needs: one set of column sums for each thread */
static PetscErrorCode NormalOnePass(Normal *c, int threads, const double x[], double y[])
{
  const int      width = c->n * c->k;
  PackedEffects *effects;
  double        *mend, *part, *total;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(width, &effects, c->m->n_cols, &mend, (size_t)MeritPackedStrips(c->m->n_rows) * (size_t)width, &c->strip));
  PetscCall(PetscMalloc2((size_t)threads * (size_t)width * (size_t)c->m->n_cols, &part, width, &total));
  for (int i = 0; i < width; i++) PetscCall(PackedEffectsCreate(c->m, c->path, width, x + i, effects + i));
  for (int32_t j = 0; j < c->m->n_cols; j++) mend[j] = c->m->missing[j] - c->path->missing_as;
  c->effects = effects;
  c->mend    = mend;
  NormalPass(c, threads, part, total, y);
  for (int i = 0; i < width; i++) PetscCall(PackedEffectsDestroy(effects + i));
  PetscCall(PetscFree2(part, total));
  PetscCall(PetscFree3(effects, mend, c->strip));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPackedNormal - g = M x, w += D g, y = M' w: the two products of an application of the equations to SNP effects.

  Not collective; threaded. In one pass over the genotypes, strip by strip, for the few right-hand sides that the path takes alone;
  the tables of wider blocks are bound by look-ups and not by memory, so these read the genotypes twice. The threads' sums are
  added in order: bits depend on the number of threads.

  Input Parameters:
+ m - the packed matrix
. n - components of an effect
. k - right-hand sides
. D - [n_rows * n * n] block of each row, row-major
- x - [n_cols * n * k], right-hand side fastest

  Input/Output Parameter:
. w - [n_rows * n * k]

  Output Parameters:
+ g - [n_rows * n * k]; overwritten
- y - [n_cols * n * k]; overwritten; may be x
@*/
PetscErrorCode MeritPackedNormal(const MeritPacked *m, int n, int k, const double D[], const double x[], double g[], double w[], double y[])
{
  const int64_t strips  = MeritPackedStrips(m->n_rows);
  const int     threads = WorthThreads(m) ? omp_get_max_threads() : 1;
  const bool    even    = strips % threads == 0 || strips >= 4 * threads; /* strips divide evenly enough over threads */
  Normal        c       = {.m = m, .path = PackedPathNow(m), .n = n, .k = k, .D = D, .g = g, .w = w};

  PetscFunctionBegin;
  if (even && n * k <= c.path->most_alone) {
    PetscCall(NormalOnePass(&c, threads, x, y));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritPackedForward(m, n * k, x, g));
#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t row = 0; row < m->n_rows; row++) AddBlock(n, k, D + row * n * n, g + row * n * k, w + row * n * k);
  PetscCall(MeritPackedAdjoint(m, n * k, w, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sums that repeat to the last bit on any number of threads. Items are cut into parts that depend
   on their number alone; the sums of the parts are added in order. (An OpenMP reduction adds in the
   order in which threads finish.) */
#include <merit/kernels.h>
#include <math.h>

/* Fewest items of a part; items of a block that stays in the cache while all pairs of vectors go
   over it; most pairs */
enum { LEAST_ITEMS = 256, BLOCK = 1024, MOST_PAIRS = 4 };

/* MeritWorst - The larger of two measures of an error; NaN if one of them is. Not collective. */
double MeritWorst(double a, double b) { return isnan(a) || a > b ? a : b; }

/*@
  MeritSums - sums[j] = sum over the items [0, n) of what `add` adds.

  Not collective. `add(from, to, ctx, sums)` adds items [from, to) to sums[n_sums], and may be called by n_threads threads at once;
  room[MERIT_SUM_PARTS * n_sums] is work space.
@*/
void MeritSums(int n_threads, int64_t n, MeritSummand add, void *ctx, int n_sums, double *room, double *sums)
{
  const int64_t n_parts = n > (int64_t)MERIT_SUM_PARTS * LEAST_ITEMS ? MERIT_SUM_PARTS : (n + LEAST_ITEMS - 1) / LEAST_ITEMS;

  for (int64_t i = 0; i < n_parts * n_sums; i++) room[i] = 0.0;
  if (n_threads > 1 && n_parts > 1) { /* also a parallel region of one thread costs a system call */
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int64_t part = 0; part < n_parts; part++) add(n * part / n_parts, n * (part + 1) / n_parts, ctx, room + part * n_sums);
  } else
    for (int64_t part = 0; part < n_parts; part++) add(n * part / n_parts, n * (part + 1) / n_parts, ctx, room + part * n_sums);
  for (int j = 0; j < n_sums; j++) sums[j] = 0.0;
  for (int64_t i = 0; i < n_parts * n_sums; i++) sums[i % n_sums] += room[i];
}

/* Argument of AddDots */
typedef struct {
  int                  n_pairs;
  int64_t              stride;
  const double *const *a, *const *b;
} Pairs;

/* a'b over items [from, to); a constant stride of 1 lets the compiler use vectors */
static inline __attribute__((always_inline)) double Dot(int64_t from, int64_t to, int64_t stride, const double *a, const double *b)
{
  double sum = 0.0;

#pragma omp simd reduction(+ : sum)
  for (int64_t i = from; i < to; i++) sum += a[i * stride] * b[i * stride];
  return sum;
}

/* Summand of MeritDots: block by block, so that a vector in several pairs is read once */
static void AddDots(int64_t from, int64_t to, void *ctx, double *sums)
{
  const Pairs *p = (const Pairs *)ctx;

  for (int64_t first = from; first < to; first += BLOCK) {
    /* all pairs go over a block before the next block */
    const int64_t last = first + BLOCK < to ? first + BLOCK : to;

    for (int j = 0; j < p->n_pairs; j++)
      sums[j] += p->stride == 1 ? Dot(first, last, 1, p->a[j], p->b[j]) : Dot(first, last, p->stride, p->a[j], p->b[j]);
  }
}

/* MeritDots - sums[j] = sum of a[j][i * stride] b[j][i * stride] over i < n, for at most 4 pairs of vectors. Not collective. */
void MeritDots(int n_threads, int64_t n, int64_t stride, int n_pairs, const double *const a[], const double *const b[], double sums[])
{
  double room[MERIT_SUM_PARTS * MOST_PAIRS];
  Pairs  pairs = {n_pairs, stride, a, b};

  MeritSums(n_threads, n, AddDots, &pairs, n_pairs, room, sums);
}

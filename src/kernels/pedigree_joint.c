/*
  Preconditioner and operator in one pass over the animals (the idea of Eisenstat 1981).

  The backward substitution holds u of an animal and of its parents, which is all that the animal's
  row of A^-1 needs, and its records are sorted beside it. So A^-1 u, Z'R^-1 Z u, and X'R^-1 Z u
  for the fixed effects are computed while u is in the cache. The contribution of the fixed effects
  to the animals follows in a later pass (MeritAnimalRecordsFinish).
*/
#include "pedigree_impl.h"
#include <merit/residual.h>

/* q = D R^-1 D w for one record, D = diag(sqrt weights); plain: no weights and one pattern */
static KERNEL void Weigh(const MeritAnimalRecords *r, int64_t record, int n, bool plain, const double *w, double *q)
{
  MeritRecordInverseApply(MeritRecordInverseOf(r->R_inverse, plain ? NULL : r->pattern, plain ? NULL : r->sqrt_weight, n, record), n, 1, w, q);
}

/* Records [*from, *to) of animals [first, last), which lie in one block */
static void Range(const MeritAnimalRecords *r, int32_t first, int32_t last, int32_t *from, int32_t *to)
{
  const int32_t block = first / MERIT_ANIMAL_BLOCK, begin = block * MERIT_ANIMAL_BLOCK;

  *from = r->start[block];
  *to   = r->start[block + 1];
  while (*from < *to && r->in_block[*from] < first - begin) ++*from;
  while (*from < *to && r->in_block[*to - 1] >= last - begin) --*to;
}

/* Prefetch the level that a record AHEAD of the current one has in the first list */
static KERNEL void Ahead(const MeritAnimalRecords *r, int64_t record, int lists, const double *v)
{
  if (lists) Prefetch(v, r->slot[(record + AHEAD) * lists]);
}

/*
  Records [from, to) of a block; u and z point at its first animal. z += R^-1 u, f += W'R^-1 u for
  the fixed effects, one += R^-1 u for the level that all records have. Returns u'Z'R^-1 Z u. The
  loop is over records, not over animals, since a branch on whether an animal has records would be
  mispredicted.
*/
static KERNEL double Meet(const MeritAnimalRecords *r, int32_t from, int32_t to, int n, int lists, bool plain, const double *u, double *z, double *f,
                          double *one)
{
  double square = 0.0;

  for (int64_t i = from; i < to; i++) {
    const int64_t at = (int64_t)r->in_block[i] * n;
    double        q[MERIT_MAX_COMPONENTS];

    Ahead(r, i, lists, f);
    Weigh(r, i, n, plain, u + at, q);
    for (int a = 0; a < n; a++) {
      z[at + a] += q[a];
      one[a] += q[a];
      square += u[at + a] * q[a];
    }
    for (int l = 0; l < lists; l++) {
      const int32_t slot  = r->slot[i * lists + l];
      const double  value = !plain && r->value ? r->value[i * lists + l] : 1.0;

      for (int a = 0; slot >= 0 && a < n; a++) f[slot + a] += value * q[a];
    }
  }
  return square;
}

/* above = v_sire + v_dam */
static KERNEL void Above(const MeritPedigreeFactor *f, int32_t animal, int n, const double *v, double *above)
{
  const int32_t sire = f->sire[animal], dam = f->dam[animal];

  for (int a = 0; a < n; a++) {
    above[a] = sire >= 0 ? v[sire + a] : 0.0;
    if (dam >= 0) above[a] += v[dam + a];
  }
}

/* One equation: u from the forward substitution's v, and z = K (u - above / 2); adds to the two
   sums */
static KERNEL void SolveOne(const MeritPedigreeFactor *f, int32_t animal, double over_g, double above, double *u, double *z, double sum[2])
{
  /* One division serves both 1 / k_over_pivot and K = g / d */
  const double k_over_pivot = f->k_over_pivot[animal], over_K = f->d[animal] * over_g, both = 1.0 / (k_over_pivot * over_K);
  const double left = *u * over_K, mine = left + 0.5 * k_over_pivot * above, m = mine - 0.5 * above;

  sum[0] += left * *u * over_K * both;
  *u = mine;
  *z = k_over_pivot * both * m;
  sum[1] += m * *z;
}

/* The same for n equations */
static KERNEL void Solve(const MeritPedigreeFactor *f, int32_t animal, int n, const double *above, double *u, double *z, double sum[2])
{
  const double over_d = 1.0 / f->d[animal];
  double       down[MERIT_MAX_COMPONENTS], change[MERIT_MAX_COMPONENTS];

  MultiplySquare(n, f->G_inverse, 0.5 * over_d, above, down);
  MultiplyPacked(n, f->inverse + (int64_t)animal * Packed(n), down, change);
  for (int a = 0; a < n; a++) {
    u[a] += change[a];
    change[a] = u[a] - 0.5 * above[a];
  }
  MultiplySquare(n, f->G_inverse, over_d, change, z);
  for (int a = 0; a < n; a++) sum[1] += change[a] * z[a];
}

/* Animals [first, last): backward substitution and rows of A^-1; prefetch goes up to `end` */
static KERNEL void Edges(const MeritPedigreeFactor *f, int32_t first, int32_t last, int32_t end, int n, double *restrict v, double *restrict y,
                         double sum[2])
{
  const double over_g   = 1.0 / f->G_inverse[0];
  double       total[2] = {0.0, 0.0};

  for (int32_t animal = first; animal < last; animal++) {
    const int32_t sire = f->sire[animal], dam = f->dam[animal];
    double       *own = v + f->own + (int64_t)animal * n, *to = y + f->own + (int64_t)animal * n;
    double        above[MERIT_MAX_COMPONENTS], u[MERIT_MAX_COMPONENTS], z[MERIT_MAX_COMPONENTS], half[MERIT_MAX_COMPONENTS];

    if (animal < end - AHEAD) {
      PrefetchLevel(v, f->dam[animal + AHEAD], n, 1);
      PrefetchLevel(y, f->dam[animal + AHEAD], n, 1);
    }
    Above(f, animal, n, v, above);
    for (int a = 0; a < n; a++) u[a] = own[a];
    if (n == 1) SolveOne(f, animal, over_g, above[0], u, z, total);
    else Solve(f, animal, n, above, u, z, total);
    for (int a = 0; a < n; a++) {
      half[a] = 0.5 * z[a];
      own[a]  = u[a];
      to[a]   = z[a];
    }
    for (int a = 0; sire >= 0 && a < n; a++) y[sire + a] -= half[a];
    for (int a = 0; dam >= 0 && a < n; a++) y[dam + a] -= half[a];
  }
  sum[0] += total[0];
  sum[1] += total[1];
}

/* First animal of the next block */
static int32_t Next(int32_t animal) { return animal - animal % MERIT_ANIMAL_BLOCK + MERIT_ANIMAL_BLOCK; }

/* Blocks of animals, each followed by its records. n, lists and plain are constants after inlining
   in the common cases. */
static KERNEL void Pass(const MeritPedigreeFactor *f, const MeritAnimalRecords *r, int32_t first, int32_t last, int n, int lists, bool plain,
                        double *v, double *y, double sum[2])
{
  double one[MERIT_MAX_COMPONENTS];

  for (int a = 0; a < n; a++) one[a] = 0.0;
  for (int32_t begin = first; begin < last; begin = Next(begin)) {
    const int32_t end   = Next(begin) < last ? Next(begin) : last;
    const int64_t block = f->own + (int64_t)(begin - begin % MERIT_ANIMAL_BLOCK) * n;
    int32_t       from, to;

    Edges(f, begin, end, last, n, v, y, sum);
    Range(r, begin, end, &from, &to);
    sum[1] += Meet(r, from, to, n, lists, plain, v + block, y + block, v, one);
  }
  for (int a = 0; r->one >= 0 && a < n; a++) v[r->one + a] += one[a];
}

/* Have the records neither weights nor patterns nor coefficients? */
static bool Plain(const MeritAnimalRecords *r) { return !r->pattern && !r->sqrt_weight && !r->value; }

/* MeritPedigreeBackwardApply - See the header. Not collective. */
void MeritPedigreeBackwardApply(const MeritPedigreeFactor *f, const MeritAnimalRecords *r, int32_t first, int32_t last, double *v, double *y,
                                double sum[2])
{
  if (first == last) return;
  if (f->n == 1 && r->n_lists == 1 && Plain(r)) Pass(f, r, first, last, 1, 1, true, v, y, sum);
  else if (f->n == 1) Pass(f, r, first, last, 1, r->n_lists, false, v, y, sum);
  else if (f->n == 2) Pass(f, r, first, last, 2, r->n_lists, false, v, y, sum);
  else if (f->n == 3 && r->n_lists == 1 && Plain(r)) Pass(f, r, first, last, 3, 1, true, v, y, sum);
  else if (f->n == 3) Pass(f, r, first, last, 3, r->n_lists, false, v, y, sum);
  else Pass(f, r, first, last, f->n, r->n_lists, false, v, y, sum);
}

/* z += Z'R^-1 X v for records [from, to) of a block */
static KERNEL void FinishRange(const MeritAnimalRecords *r, int32_t from, int32_t to, int n, int lists, bool plain, const double *restrict v,
                               double *restrict z)
{
  double one[MERIT_MAX_COMPONENTS];

  for (int a = 0; a < n; a++) one[a] = r->one >= 0 ? v[r->one + a] : 0.0;
  for (int64_t i = from; i < to; i++) {
    double *at = z + (int64_t)r->in_block[i] * n, w[MERIT_MAX_COMPONENTS], q[MERIT_MAX_COMPONENTS];

    Ahead(r, i, lists, v);
    for (int a = 0; a < n; a++) w[a] = one[a];
    for (int l = 0; l < lists; l++) {
      const int32_t slot  = r->slot[i * lists + l];
      const double  value = !plain && r->value ? r->value[i * lists + l] : 1.0;

      for (int a = 0; slot >= 0 && a < n; a++) w[a] += value * v[slot + a];
    }
    Weigh(r, i, n, plain, w, q);
    for (int a = 0; a < n; a++) at[a] += q[a];
  }
}

/* The loop for the number of traits and lists */
static void FinishBlock(const MeritAnimalRecords *r, int32_t from, int32_t to, const double *v, double *z)
{
  const int n = r->n_traits;

  if (n == 1 && r->n_lists == 1 && Plain(r)) FinishRange(r, from, to, 1, 1, true, v, z);
  else if (n == 1) FinishRange(r, from, to, 1, r->n_lists, false, v, z);
  else if (n == 2) FinishRange(r, from, to, 2, r->n_lists, false, v, z);
  else if (n == 3 && r->n_lists == 1 && Plain(r)) FinishRange(r, from, to, 3, 1, true, v, z);
  else if (n == 3) FinishRange(r, from, to, 3, r->n_lists, false, v, z);
  else FinishRange(r, from, to, n, r->n_lists, false, v, z);
}

/* MeritAnimalRecordsFinish - See the header. Not collective. */
void MeritAnimalRecordsFinish(const MeritAnimalRecords *r, int32_t own, int32_t first, int32_t last, const double *v, double *y)
{
  for (int32_t begin = first; begin < last; begin = Next(begin)) {
    int32_t from, to;

    Range(r, begin, Next(begin) < last ? Next(begin) : last, &from, &to);
    FinishBlock(r, from, to, v, y + own + (int64_t)(begin - begin % MERIT_ANIMAL_BLOCK) * r->n_traits);
  }
}

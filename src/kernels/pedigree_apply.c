/*
  Products with A^-1 x G^-1 animal by animal (Henderson 1976; Quaas 1976).

  With m_i = (x_i - x_sire / 2 - x_dam / 2) / d_i:  y_i += m_i, y_sire -= m_i / 2, y_dam -= m_i /
  2. Slots of parents may belong to several threads; MeritScatter redirects such contributions to
  private slots, which are added at the end.
*/
#include "gather.h"

/* m -= x / 2 of a parent; a slot below 0 is an unknown parent */
static KERNEL void AddParent(const double *x, int32_t slot, int n, int k, int j, double *m)
{
  if (slot < 0) return;
  for (int e = 0; e < n; e++) m[e] -= 0.5 * x[(int64_t)(slot + e) * k + j];
}

/* y += factor z at a slot; unknown parents get nothing */
static KERNEL void Put(double *y, int32_t slot, int n, int k, int j, double factor, const double *z)
{
  if (slot < 0) return;
  for (int e = 0; e < n; e++) y[(int64_t)(slot + e) * k + j] += factor * z[e];
}

/* The animals of one thread, n equations a level, k right-hand sides */
static KERNEL void ApplyChunk(const MeritPedigreeKernel *p, int thread, int n, int k, const double *restrict x, double *restrict y)
{
  const MeritScatter *s    = p->scatter;
  const double *restrict G = p->G_inverse;

  for (int32_t animal = (int32_t)s->chunk[thread]; animal < s->chunk[thread + 1]; animal++)
    for (int j = 0; j < k; j++) {
      const double weight = 1.0 / p->d[animal];
      double       m[MERIT_MAX_COMPONENTS], z[MERIT_MAX_COMPONENTS];

      for (int e = 0; e < n; e++) m[e] = x[(int64_t)(p->own + animal * n + e) * k + j];
      AddParent(x, p->sire[animal], n, k, j, m);
      AddParent(x, p->dam[animal], n, k, j, m);
      for (int a = 0; a < n; a++) {
        z[a] = 0.0;
        for (int b = 0; b < n; b++) z[a] += G[a * n + b] * m[b];
        z[a] *= weight;
      }
      Put(y, s->target[0][animal], n, k, j, 1.0, z);
      Put(y, s->target[1][animal], n, k, j, -0.5, z);
      Put(y, s->target[2][animal], n, k, j, -0.5, z);
    }
}

/* One animal of one equation: returns z = g / d (x_own - (x_sire + x_dam) / 2) and subtracts z / 2
   from y of its parents */
static KERNEL double Edge(double g, double d, double own, int32_t sire, int32_t dam, int32_t to_sire, int32_t to_dam, const double *restrict x,
                          double *restrict y)
{
  double up = 0.0, z, half;

  if (sire >= 0) up = x[sire];
  if (dam >= 0) up += x[dam];
  z    = g / d * (own - 0.5 * up);
  half = 0.5 * z;
  if (to_sire >= 0) y[to_sire] -= half;
  if (to_dam >= 0) y[to_dam] -= half;
  return z;
}

/* One equation a level, one right-hand side, one thread: contributions go directly to their slots.
   Parents come before their offspring, so y of an animal may be overwritten: nothing was added to
   it yet. */
static void ApplyDirect(const MeritPedigreeKernel *p, const double *restrict x, double *restrict y)
{
  const int32_t *sire = p->sire, *dam = p->dam, n = p->n_animals;
  const double  *d = p->d, g = p->G_inverse[0], *x_own = x + p->own;
  double        *y_own = y + p->own;
  int32_t        i     = 0;

  for (; i < n - AHEAD; i++) {
    Prefetch(x, dam[i + AHEAD]);
    Prefetch(y, dam[i + AHEAD]);
    y_own[i] = Edge(g, d[i], x_own[i], sire[i], dam[i], sire[i], dam[i], x, y);
  }
  for (; i < n; i++) y_own[i] = Edge(g, d[i], x_own[i], sire[i], dam[i], sire[i], dam[i], x, y);
}

/* The same for one of several threads, with redirected slots */
static void ApplyOne(const MeritPedigreeKernel *p, int thread, const double *restrict x, double *restrict y)
{
  const MeritScatter *s      = p->scatter;
  const int32_t      *to_own = s->target[0], *to_sire = s->target[1], *to_dam = s->target[2];

  for (int64_t i = s->chunk[thread]; i < s->chunk[thread + 1]; i++)
    y[to_own[i]] += Edge(p->G_inverse[0], p->d[i], x[p->own + i], p->sire[i], p->dam[i], to_sire[i], to_dam[i], x, y);
}

/* MeritPedigreeOverwrites - Does MeritPedigreeApply overwrite the own equations for k right-hand sides? Not collective. */
bool MeritPedigreeOverwrites(const MeritPedigreeKernel *p, int k) { return p->n == 1 && k == 1 && p->scatter->n_threads == 1; }

/* MeritPedigreeApply - y += (A^-1 x G^-1) x over the local edges. Not collective, threaded. */
void MeritPedigreeApply(const MeritPedigreeKernel *p, int k, const double *x, double *y)
{
#pragma omp parallel num_threads(p->scatter->n_threads)
  {
#pragma omp for schedule(static, 1)
    for (int thread = 0; thread < p->scatter->n_threads; thread++) {
      if (MeritPedigreeOverwrites(p, k)) ApplyDirect(p, x, y);
      else if (p->n == 1 && k == 1) ApplyOne(p, thread, x, y);
      else if (p->n == 2 && k == 1) ApplyChunk(p, thread, 2, 1, x, y);
      else if (p->n == 3 && k == 1) ApplyChunk(p, thread, 3, 1, x, y);
      else ApplyChunk(p, thread, p->n, k, x, y);
    }
    AddPrivate(p->scatter, k, y);
  }
}

/* MeritLevelsApply - y += (I x G^-1) x over n_levels levels. Not collective, threaded. */
void MeritLevelsApply(int32_t n_levels, int n, const double *G_inverse, int k, const double *x, double *y)
{
#pragma omp parallel for schedule(static)
  for (int32_t level = 0; level < n_levels; level++) {
    const double *from = x + (int64_t)level * n * k;
    double       *to   = y + (int64_t)level * n * k;

    for (int a = 0; a < n; a++)
      for (int b = 0; b < n; b++) {
        const double g = G_inverse[a * n + b];

        for (int j = 0; j < k; j++) to[a * k + j] += g * from[b * k + j];
      }
  }
}

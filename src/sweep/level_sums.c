/*
  Gradients and residual updates over the records and rows of levels.

  The gradient of a level is a sum over its entries (SweepLevels). Records add W' R^-1 e. Rows of
  the recursion subtract the penalty times x, which is G^-1 times (I - P)' D^-1 m; here P has the
  coefficients of the parents, and m = (I - P) x are the residuals of the rows, which are kept.
  After a step the residuals of the same entries change.

  Threads get equal ranges of entries, not of levels, since one level (a herd, a sire with many
  offspring) may have most of the entries. A level within one range is summed by its thread. Parts
  of levels that are cut are kept by each thread, and added afterwards in the order of the
  threads, so that a number of threads always gives the same bits. Updates need no such parts:
  within a colour an entry belongs to one level.
*/
#include "sweep_impl.h"
#include <omp.h>

/* Entries up to which one thread is faster than several */
enum { FEW_ENTRIES = 2048 };

/* Coefficient of a level, by its first equation, in a row of the recursion. Two parents of 1/2
   have a way of their own, as they are most common. If sire and dam are the same animal, it
   has -1. */
static inline double RowCoefficient(const MeritRecursion *r, int32_t row, int32_t eq)
{
  double sum = 0.0;

  if (!r->start && row < r->n_levels && eq == r->own + row * r->n) return 1.0;
  if (!r->start && r->sire) return -0.5 * ((r->sire[row] == eq) + (r->dam[row] == eq));
  for (int64_t p = 0; p < MeritRecursionRowLength(r, row); p++) {
    double element;

    if (MeritRecursionElement(r, row, p, &element) == eq) sum += element;
  }
  return sum;
}

/* comp += W' R^-1 e of a record in the components of a level, which is named by its first
   slot. Component offset[i] of a regressor is that of trait i, -1: the trait does not have the
   regressor. */
static inline void SumRecord(MeritSweep s, const MeritTermView *t, int32_t record, int32_t level_slot, double *comp)
{
  const int n_traits = s->records->n_traits;
  double    q[MERIT_MAX_TRAITS];

  SweepWeigh(s->records, record, s->e + (int64_t)record * n_traits, q);
  for (int g = 0; g < t->n_regressors; g++) {
    const MeritDesignView *d     = &t->design[g];
    const double           value = d->value ? d->value[record] : 1.0;

    if (d->slot[record] != level_slot) continue;
    for (int i = 0; i < n_traits; i++)
      if (d->offset[i] >= 0) comp[d->offset[i]] += value * q[i];
  }
}

/* eq -= c / d G^-1 m of a row in the equations of a level, with c the coefficient of the
   level, d the variance and m the residual of the row. A flat row has d infinite and adds 0. */
static inline void SumRow(const SweepTerm *term, int32_t row, int32_t level_eq, double *eq)
{
  const MeritTermView *t           = term->view;
  const int            n           = t->n_eq;
  const double        *deviation   = term->deviation + (int64_t)row * n;
  const double         coefficient = RowCoefficient(term->recursion, row, level_eq) / MeritRecursionVariance(term->recursion, row);

  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) eq[a] -= coefficient * t->G_inverse[a * n + b] * deviation[b];
}

/* Sums over entries [from, to) of a level, beginning at 0: records add to components, rows to
   equations */
static void Sum(MeritSweep s, const SweepTerm *term, int32_t position, int64_t from, int64_t to, double *comp, double *eq)
{
  const MeritTermView *t    = term->view;
  const SweepLevels   *l    = &term->levels;
  const int64_t        rows = l->rows[position];

  for (int c = 0; c < t->n_comp; c++) comp[c] = 0.0;
  for (int a = 0; a < t->n_eq; a++) eq[a] = 0.0;
  for (int64_t at = from; at < PetscMin(to, rows); at++) SumRecord(s, t, l->entry[at], l->slot[position], comp);
  for (int64_t at = PetscMax(from, rows); at < to; at++) SumRow(term, l->entry[at], l->eq[position], eq);
}

/* Add sums to the gradient of a level. With u = L v, the gradient of v is L' times that of u. */
static void AddSums(const MeritTermView *t, const double *comp, const double *eq, double *g)
{
  for (int a = 0; a < t->n_eq; a++) {
    g[a] += eq[a];
    for (int c = 0; t->L && c < t->n_comp; c++) g[a] += t->L[c * t->n_eq + a] * comp[c];
    if (!t->L) g[a] += comp[a];
  }
}

/* Position, among [first, last), of the level that has entry `at`, by bisection: the last
   level that begins at or before it, which is not an empty one. */
static int32_t PositionOf(const SweepLevels *l, int32_t first, int32_t last, int64_t at)
{
  while (last - first > 1) {
    int32_t middle = first + (last - first) / 2;

    if (l->start[middle] <= at) first = middle;
    else last = middle;
  }
  return first;
}

/* The gradient sums of one thread: entries [from, to). Levels with all entries in this range
   go to g. A level that is cut by an end of the range is kept in part[0], a second one in
   part[1]. */
static void SumChunk(MeritSweep s, const SweepTerm *term, int32_t first, int32_t last, int64_t from, int64_t to, SweepPart *part)
{
  const SweepLevels *l        = &term->levels;
  int32_t            position = PositionOf(l, first, last, from);
  double             comp[MERIT_MAX_COMPONENTS], eq[MERIT_MAX_COMPONENTS];

  while (from < to) {
    int64_t end;

    while (l->start[position + 1] <= from) position++;
    end = PetscMin(to, l->start[position + 1]);
    if (from == l->start[position] && end == l->start[position + 1]) {
      Sum(s, term, position, from, end, comp, eq);
      AddSums(term->view, comp, eq, s->work.g + l->eq[position]);
    } else {
      if (part->position >= 0) part++;
      part->position = position;
      Sum(s, term, position, from, end, part->comp, part->eq);
    }
    from = end;
  }
}

/* Is one thread enough for n entries? A parallel region of one thread would still cost a call
   of the system. */
static bool OneThread(MeritSweep s, int64_t n) { return s->n_threads == 1 || n <= FEW_ENTRIES; }

/* MeritSweepGradient - See the header. Threads take chunks of entries, so that a level with
   very many is cut. */
void MeritSweepGradient(MeritSweep s, const SweepTerm *term, int32_t first, int32_t last)
{
  const SweepLevels *l     = &term->levels;
  const int64_t      begin = l->start[first], n = l->start[last] - begin;
  const int          n_eq = term->view->n_eq;

  for (int32_t position = first; position < last; position++)
    for (int a = 0; a < n_eq; a++) s->work.g[l->eq[position] + a] = 0.0;
  if (OneThread(s, n)) {
    SumChunk(s, term, first, last, begin, begin + n, s->work.part);
    return;
  }
  for (int i = 0; i < 2 * s->n_threads; i++) s->work.part[i].position = -1;
#pragma omp parallel num_threads(s->n_threads)
  {
    const int n_threads = omp_get_num_threads(), thread = omp_get_thread_num();

    SumChunk(s, term, first, last, begin + n * thread / n_threads, begin + n * (thread + 1) / n_threads, s->work.part + 2 * thread);
  }
  for (int i = 0; i < 2 * s->n_threads; i++)
    if (s->work.part[i].position >= 0) AddSums(term->view, s->work.part[i].comp, s->work.part[i].eq, s->work.g + l->eq[s->work.part[i].position]);
}

/* e of a record less the change comp of a level's components */
static inline void UpdateRecord(MeritSweep s, const MeritTermView *t, int32_t record, int32_t level_slot, const double *comp)
{
  const int n_traits = s->records->n_traits;
  double   *e        = s->e + (int64_t)record * n_traits;

  for (int g = 0; g < t->n_regressors; g++) {
    const MeritDesignView *d     = &t->design[g];
    const double           value = d->value ? d->value[record] : 1.0;

    if (d->slot[record] != level_slot) continue;
    for (int i = 0; i < n_traits; i++)
      if (d->offset[i] >= 0) e[i] -= value * comp[d->offset[i]];
  }
}

/* The step of a level into the residuals of entries [from, to): u = L v gives the change of
   the components, then records lose W u, and rows gain (I - P) times the step */
static void UpdateEntries(MeritSweep s, const SweepTerm *term, int32_t position, int64_t from, int64_t to)
{
  const MeritTermView *t    = term->view;
  const SweepLevels   *l    = &term->levels;
  const double        *du   = s->work.du + l->eq[position];
  const int64_t        rows = l->rows[position];
  const int            n    = t->n_eq;
  double               comp[MERIT_MAX_COMPONENTS];

  for (int c = 0; c < t->n_comp; c++) {
    comp[c] = t->L ? 0.0 : du[c];
    for (int a = 0; t->L && a < n; a++) comp[c] += t->L[c * n + a] * du[a];
  }
  for (int64_t at = from; at < PetscMin(to, rows); at++) UpdateRecord(s, t, l->entry[at], l->slot[position], comp);
  for (int64_t at = PetscMax(from, rows); at < to; at++) {
    double      *deviation   = term->deviation + (int64_t)l->entry[at] * n;
    const double coefficient = RowCoefficient(term->recursion, l->entry[at], l->eq[position]);

    for (int a = 0; a < n; a++) deviation[a] += coefficient * du[a];
  }
}

/* The same for all levels that entries [from, to) belong to */
static void UpdateChunk(MeritSweep s, const SweepTerm *term, int32_t first, int32_t last, int64_t from, int64_t to)
{
  const SweepLevels *l        = &term->levels;
  int32_t            position = PositionOf(l, first, last, from);

  while (from < to) {
    int64_t end;

    while (l->start[position + 1] <= from) position++;
    end = PetscMin(to, l->start[position + 1]);
    UpdateEntries(s, term, position, from, end);
    from = end;
  }
}

/* MeritSweepUpdate - See the header. Within a colour no two levels have a record or row in
   common, so threads write to different residuals. */
void MeritSweepUpdate(MeritSweep s, const SweepTerm *term, int32_t first, int32_t last)
{
  const SweepLevels *l     = &term->levels;
  const int64_t      begin = l->start[first], n = l->start[last] - begin;

  if (OneThread(s, n)) {
    UpdateChunk(s, term, first, last, begin, begin + n);
    return;
  }
#pragma omp parallel num_threads(s->n_threads)
  {
    const int n_threads = omp_get_num_threads(), thread = omp_get_thread_num();

    UpdateChunk(s, term, first, last, begin + n * thread / n_threads, begin + n * (thread + 1) / n_threads);
  }
}

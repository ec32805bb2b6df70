/* Levels in the order of the sweep, with the records and pedigree edges each meets; gradients and residual updates over them. */
#include "gsru_impl.h"
#include <omp.h>
#include <string.h>

enum { MOST_TRAITS = 32, FEW_ENTRIES = 2048 };

/* Put the local levels in order: colour after colour, owned ones first, ascending; place[level] */
static PetscErrorCode Order(GsruTerm *term, const int *colour, int32_t *place)
{
  const MeritTermView *t = term->view;
  GsruLevels          *l = &term->levels;
  const int32_t        n = MeritTermRecordLevels(t), n_mine = t->kind == MERIT_TERM_SNP ? 0 : t->n_owned;
  int32_t             *next;

  PetscFunctionBegin;
  PetscCall(PetscCalloc2(l->n_colours + 1, &l->first, l->n_colours, &l->n_mine));
  PetscCall(PetscMalloc2(n, &l->eq, n, &l->slot));
  PetscCall(PetscMalloc1(l->n_colours + 1, &next));
  for (int32_t i = 0; i < n; i++) {
    l->first[colour[i] + 1]++;
    l->n_mine[colour[i]] += i < n_mine;
  }
  for (int c = 0; c < l->n_colours; c++) l->first[c + 1] += l->first[c];
  PetscCall(PetscArraycpy(next, l->first, l->n_colours));
  for (int32_t i = 0; i < n; i++) {
    place[i]          = next[colour[i]]++;
    l->eq[place[i]]   = MeritTermEquation(t, i);
    l->slot[place[i]] = MeritTermSlot(t, i);
  }
  PetscCall(PetscFree(next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does regressor g meet a level in this record that no regressor before it does? */
static bool IsNew(const MeritTermView *t, int32_t record, int g)
{
  const int32_t slot = t->design[g].slot[record];

  if (slot < 0) return false;
  for (int h = 0; h < g; h++)
    if (t->design[h].slot[record] == slot) return false;
  return true;
}

/* Count (fill is false) or write the entries of all places; next[place] goes along */
static void List(const Gsru *gs, GsruTerm *term, const int32_t *place, bool fill, int64_t *next)
{
  const MeritTermView *t = term->view;
  GsruLevels          *l = &term->levels;

  for (int g = 0; g < t->n_regressors; g++) {
    const int32_t *slot = t->design[g].slot;

    if (g && slot == t->design[g - 1].slot) continue;
    for (int32_t record = 0; record < gs->records->n_records; record++) {
      int32_t at;

      if (!IsNew(t, record, g)) continue;
      at = place[MeritTermLevelOfSlot(t, slot[record])];
      if (fill) l->entry[next[at]] = record;
      next[at]++;
    }
  }
  for (int32_t i = 0; t->kind == MERIT_TERM_PED && i < t->n_owned; i++) {
    const int32_t own   = t->eq_owned + i * t->n_eq,
                  eq[3] = {own, t->sire[i], t->dam[i] == t->sire[i] ? -1 : t->dam[i]};

    for (int j = 0; j < 3; j++) {
      int32_t at;

      if (eq[j] < 0) continue;
      at = place[MeritTermLevelOfEquation(t, eq[j])];
      if (fill) l->entry[next[at]] = ~i;
      next[at]++;
    }
  }
}

/* Entries of each place: records, then edges, each ascending */
static PetscErrorCode FillEntries(Gsru *gs, GsruTerm *term, const int32_t *place)
{
  GsruLevels   *l = &term->levels;
  const int32_t n = l->first[l->n_colours];
  int64_t      *next;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n + 1, &next));
  PetscCall(PetscCalloc1(n + 1, &l->start));
  List(gs, term, place, false, next);
  for (int32_t i = 0; i < n; i++) {
    l->start[i + 1] = l->start[i] + next[i];
    next[i]         = l->start[i];
  }
  PetscCall(PetscMalloc1(l->start[n] + 1, &l->entry));
  List(gs, term, place, true, next);
  PetscCall(PetscFree(next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Per colour the part of the halo that its ghosts need */
static PetscErrorCode SplitHalo(Gsru *gs, GsruTerm *term)
{
  GsruLevels *l    = &term->levels;
  const int   n_eq = term->view->n_eq;
  PetscInt   *leaf;

  PetscFunctionBegin;
  if (term->view->kind == MERIT_TERM_SNP) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)term->view->n_ghost * (size_t)n_eq + 1, &leaf));
  PetscCall(PetscCalloc1(l->n_colours, &l->halo));
  for (int c = 0; c < l->n_colours; c++) {
    PetscInt n = 0;

    for (int32_t at = l->first[c] + l->n_mine[c]; at < l->first[c + 1]; at++)
      for (int e = 0; e < n_eq; e++) leaf[n++] = l->eq[at] + e - gs->n_owned;
    PetscCall(PetscSFCreateEmbeddedLeafSF(gs->halo, n, leaf, &l->halo[c]));
  }
  PetscCall(PetscFree(leaf));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruLevelsCreate - Colours, order, entries and halos of a term. Collective. */
PetscErrorCode GsruLevelsCreate(Gsru *gs, GsruTerm *term)
{
  int     *colour;
  int32_t *place;

  PetscFunctionBegin;
  PetscCall(GsruColour(gs, term, &term->levels.n_colours, &colour));
  PetscCall(PetscMalloc1(MeritTermRecordLevels(term->view) + 1, &place));
  PetscCall(Order(term, colour, place));
  PetscCall(FillEntries(gs, term, place));
  PetscCall(SplitHalo(gs, term));
  PetscCall(PetscFree(place));
  PetscCall(PetscFree(colour));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruLevelsDestroy - Collective. */
PetscErrorCode GsruLevelsDestroy(GsruLevels *l)
{
  PetscFunctionBegin;
  for (int c = 0; l->halo && c < l->n_colours; c++) PetscCall(PetscSFDestroy(&l->halo[c]));
  PetscCall(PetscFree(l->halo));
  PetscCall(PetscFree2(l->first, l->n_mine));
  PetscCall(PetscFree2(l->eq, l->slot));
  PetscCall(PetscFree(l->start));
  PetscCall(PetscFree(l->entry));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruWeigh - q = R^-1 e of one record, weights included. Not collective. */
void GsruWeigh(const MeritRecordsView *records, int32_t record, const double *e, double *q)
{
  const int     n    = records->n_traits;
  const double *R    = records->R_inverse + (int64_t)records->pattern[record] * n * n;
  const double *root = records->root_weight ? records->root_weight + (int64_t)record * n : NULL;

  for (int t = 0; t < n; t++) {
    q[t] = 0.0;
    for (int s = 0; s < n; s++) q[t] += R[t * n + s] * (root ? root[s] * e[s] : e[s]);
    if (root) q[t] *= root[t];
  }
}

/* Part of pedigree edge i that the level has: 1 for the animal, -1/2 for a parent, -1 for both */
static inline double Share(const MeritTermView *t, int32_t i, int32_t eq)
{
  if (eq == t->eq_owned + i * t->n_eq) return 1.0;
  return -0.5 * ((t->sire[i] == eq) + (t->dam[i] == eq));
}

/* Sums over entries [from, to) of a place: component slots of W' R^-1 e, equations of -P x */
static void Sum(const Gsru *gs, const GsruTerm *term, int32_t place, int64_t from, int64_t to, double *comp,
                double *eq)
{
  const MeritTermView *t = term->view;
  const GsruLevels    *l = &term->levels;
  const int            n = t->n_eq, n_traits = gs->records->n_traits;

  for (int c = 0; c < t->n_comp; c++) comp[c] = 0.0;
  for (int a = 0; a < n; a++) eq[a] = 0.0;
  for (int64_t at = from; at < to; at++) {
    const int32_t entry = l->entry[at];

    if (entry >= 0) {
      double q[MOST_TRAITS];

      GsruWeigh(gs->records, entry, gs->e + (int64_t)entry * n_traits, q);
      for (int g = 0; g < t->n_regressors; g++) {
        const MeritDesignView *d     = &t->design[g];
        const double           value = d->value ? d->value[entry] : 1.0;

        if (d->slot[entry] != l->slot[place]) continue;
        for (int i = 0; i < n_traits; i++)
          if (d->offset[i] >= 0) comp[d->offset[i]] += value * q[i];
      }
    } else {
      const double *m     = term->m + (int64_t)~entry * n;
      const double  share = Share(t, ~entry, l->eq[place]) / t->d[~entry];

      for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++) eq[a] -= share * t->G_inverse[a * n + b] * m[b];
    }
  }
}

/* Add sums to the gradient of a place */
static void Put(const MeritTermView *t, const double *comp, const double *eq, double *g)
{
  for (int a = 0; a < t->n_eq; a++) {
    g[a] += eq[a];
    for (int c = 0; t->L && c < t->n_comp; c++) g[a] += t->L[c * t->n_eq + a] * comp[c];
    if (!t->L) g[a] += comp[a];
  }
}

/* Place that has entry `at` */
static int32_t PlaceOf(const GsruLevels *l, int32_t first, int32_t last, int64_t at)
{
  while (last - first > 1) {
    int32_t middle = first + (last - first) / 2;

    if (l->start[middle] <= at)
      first = middle;
    else
      last = middle;
  }
  return first;
}

/* The gradient sums of one thread: entries [from, to); a level it shares with others goes to its two parts */
static void SumChunk(Gsru *gs, const GsruTerm *term, int32_t first, int32_t last, int64_t from, int64_t to,
                     GsruPart *part)
{
  const GsruLevels *l     = &term->levels;
  int32_t           place = PlaceOf(l, first, last, from);
  double            comp[64], eq[64];

  while (from < to) {
    int64_t end;

    while (l->start[place + 1] <= from) place++;
    end = PetscMin(to, l->start[place + 1]);
    if (from == l->start[place] && end == l->start[place + 1]) {
      Sum(gs, term, place, from, end, comp, eq);
      Put(term->view, comp, eq, gs->g + l->eq[place]);
    } else {
      if (part->place >= 0) part++;
      part->place = place;
      Sum(gs, term, place, from, end, part->comp, part->eq);
    }
    from = end;
  }
}

/* Are the entries worth several threads? A parallel region of one thread would still cost a call of the system. */
static bool Alone(const Gsru *gs, int64_t n)
{
  return gs->n_threads == 1 || n <= FEW_ENTRIES;
}

/* GsruGradient - See the header. Not collective, threaded: chunks of entries, so that a level with very many is shared. */
void GsruGradient(Gsru *gs, const GsruTerm *term, int32_t first, int32_t last)
{
  const GsruLevels *l     = &term->levels;
  const int64_t     begin = l->start[first], n = l->start[last] - begin;
  const int         n_eq = term->view->n_eq;

  for (int32_t place = first; place < last; place++)
    for (int a = 0; a < n_eq; a++) gs->g[l->eq[place] + a] = 0.0;
  if (Alone(gs, n)) {
    SumChunk(gs, term, first, last, begin, begin + n, gs->part);
    return;
  }
  for (int i = 0; i < 2 * gs->n_threads; i++) gs->part[i].place = -1;
#pragma omp parallel num_threads(gs->n_threads)
  {
    const int n_threads = omp_get_num_threads(), thread = omp_get_thread_num();

    SumChunk(gs, term, first, last, begin + n * thread / n_threads, begin + n * (thread + 1) / n_threads,
             gs->part + 2 * thread);
  }
  for (int i = 0; i < 2 * gs->n_threads; i++)
    if (gs->part[i].place >= 0)
      Put(term->view, gs->part[i].comp, gs->part[i].eq, gs->g + l->eq[gs->part[i].place]);
}

/* Take a level's step out of the residuals of entries [from, to) */
static void Take(Gsru *gs, const GsruTerm *term, int32_t place, int64_t from, int64_t to)
{
  const MeritTermView *t  = term->view;
  const GsruLevels    *l  = &term->levels;
  const double        *du = gs->du + l->eq[place];
  const int            n = t->n_eq, n_traits = gs->records->n_traits;
  double               comp[64];

  for (int c = 0; c < t->n_comp; c++) {
    comp[c] = t->L ? 0.0 : du[c];
    for (int a = 0; t->L && a < n; a++) comp[c] += t->L[c * n + a] * du[a];
  }
  for (int64_t at = from; at < to; at++) {
    const int32_t entry = l->entry[at];

    if (entry >= 0) {
      double *e = gs->e + (int64_t)entry * n_traits;

      for (int g = 0; g < t->n_regressors; g++) {
        const MeritDesignView *d     = &t->design[g];
        const double           value = d->value ? d->value[entry] : 1.0;

        if (d->slot[entry] != l->slot[place]) continue;
        for (int i = 0; i < n_traits; i++)
          if (d->offset[i] >= 0) e[i] -= value * comp[d->offset[i]];
      }
    } else {
      double      *m     = term->m + (int64_t)~entry * n;
      const double share = Share(t, ~entry, l->eq[place]);

      for (int a = 0; a < n; a++) m[a] += share * du[a];
    }
  }
}

/* The steps of all levels out of entries [from, to) */
static void TakeChunk(Gsru *gs, const GsruTerm *term, int32_t first, int32_t last, int64_t from, int64_t to)
{
  const GsruLevels *l     = &term->levels;
  int32_t           place = PlaceOf(l, first, last, from);

  while (from < to) {
    int64_t end;

    while (l->start[place + 1] <= from) place++;
    end = PetscMin(to, l->start[place + 1]);
    Take(gs, term, place, from, end);
    from = end;
  }
}

/* GsruUpdate - See the header. Not collective, threaded: within a colour no two entries are the same record or edge. */
void GsruUpdate(Gsru *gs, const GsruTerm *term, int32_t first, int32_t last)
{
  const GsruLevels *l     = &term->levels;
  const int64_t     begin = l->start[first], n = l->start[last] - begin;

  if (Alone(gs, n)) {
    TakeChunk(gs, term, first, last, begin, begin + n);
    return;
  }
#pragma omp parallel num_threads(gs->n_threads)
  {
    const int n_threads = omp_get_num_threads(), thread = omp_get_thread_num();

    TakeChunk(gs, term, first, last, begin + n * thread / n_threads, begin + n * (thread + 1) / n_threads);
  }
}

/*
  Levels of a term in the order of the sweep, with the records and rows of the recursion of each.

  1. Colour the levels (colour.c) and sort them by colour, so that a colour is a range of
     positions. Owned levels of a colour come before its ghosts.
  2. List the entries of each level: the records that have it, then the rows that have it. In a
     pedigree these are the row of the animal and those of its offspring.
  3. For each colour, link its ghosts with their owners. Gradients of ghosts are added at the
     owners before the step, and steps go back after it.

  An entry is listed once for each level, even if the level stands in it twice.
*/
#include "sweep_impl.h"

/* Put the local levels in order: colour after colour, owned ones first, ascending (a counting
   sort). position[level] is the result. Record levels have the owned levels before the ghosts,
   so the sort keeps these apart. Genotyped levels are not owned. */
static PetscErrorCode Order(SweepTerm *term, const int *colour, int32_t *position)
{
  const MeritTermView *t = term->view;
  SweepLevels         *l = &term->levels;
  const int32_t        n = MeritTermRecordLevels(t), n_mine = t->n_recorded;
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
    position[i]          = next[colour[i]]++;
    l->eq[position[i]]   = MeritTermEquation(t, i);
    l->slot[position[i]] = MeritTermSlot(t, i);
  }
  PetscCall(PetscFree(next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does regressor g use a level in this record that no regressor before it does? */
static bool IsNew(const MeritTermView *t, int32_t record, int g)
{
  const int32_t slot = t->design[g].slot[record];

  if (slot < 0) return false;
  for (int h = 0; h < g; h++)
    if (t->design[h].slot[record] == slot) return false;
  return true;
}

/* Count (fill is false) or write the records of all levels. next[position] goes along: the
   count, or the next free entry. */
static void ListRecords(MeritSweep s, SweepTerm *term, const int32_t *position, bool fill, int64_t *next)
{
  const MeritTermView *t = term->view;

  for (int g = 0; g < t->n_regressors; g++) {
    const int32_t *slot = t->design[g].slot;

    /* regressors of one level share the array of slots */
    if (g && slot == t->design[g - 1].slot) continue;
    for (int32_t record = 0; record < s->records->n_records; record++) {
      int32_t at;

      if (!IsNew(t, record, g)) continue;
      at = position[MeritTermLevelOfSlot(t, slot[record])];
      if (fill) term->levels.entry[next[at]] = record;
      next[at]++;
    }
  }
}

/* First equation of the level at position p of a row, -1: none, or it stands at a position before, too */
static int32_t NewLevel(const MeritRecursion *r, int32_t row, int64_t p)
{
  double        element;
  const int32_t eq = MeritRecursionElement(r, row, p, &element);

  for (int64_t q = 0; q < p; q++)
    if (MeritRecursionElement(r, row, q, &element) == eq) return -1;
  return eq;
}

/* The same for the rows of the recursion: a level has its own row and those of its children */
static void ListRows(SweepTerm *term, const int32_t *position, bool fill, int64_t *next)
{
  const MeritRecursion *r = term->recursion;

  for (int32_t row = 0; r && row < r->n_rows; row++)
    for (int64_t p = 0; p < MeritRecursionRowLength(r, row); p++) {
      const int32_t eq = NewLevel(r, row, p);
      int32_t       at;

      if (eq < 0) continue;
      at = position[MeritTermLevelOfEquation(term->view, eq)];
      if (fill) term->levels.entry[next[at]] = row;
      next[at]++;
    }
}

/* Entries of each level: count records and rows, make the starts, then write both in the same
   order */
static PetscErrorCode FillEntries(MeritSweep s, SweepTerm *term, const int32_t *position)
{
  SweepLevels  *l = &term->levels;
  const int32_t n = l->first[l->n_colours];
  int64_t      *next;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n + 1, &next));
  PetscCall(PetscCalloc1(n + 1, &l->start));
  PetscCall(PetscCalloc1(n + 1, &l->rows));
  ListRecords(s, term, position, false, next);
  for (int32_t i = 0; i < n; i++) l->rows[i] = next[i];
  ListRows(term, position, false, next);
  for (int32_t i = 0; i < n; i++) {
    l->start[i + 1] = l->start[i] + next[i];
    l->rows[i] += l->start[i];
    next[i] = l->start[i];
  }
  PetscCall(PetscMalloc1(l->start[n] + 1, &l->entry));
  ListRecords(s, term, position, true, next);
  ListRows(term, position, true, next);
  PetscCall(PetscFree(next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* For each colour the part of the halo that its ghosts need, all equations of a level.
   Genotyped levels have a link of their own. Collective. */
static PetscErrorCode SplitHalo(MeritSweep s, SweepTerm *term)
{
  SweepLevels *l    = &term->levels;
  const int    n_eq = term->view->n_eq;
  PetscInt    *leaf;

  PetscFunctionBegin;
  if (MeritModelGenotypedLink(s->model, term->index)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)term->view->n_ghost * (size_t)n_eq + 1, &leaf));
  PetscCall(PetscCalloc1(l->n_colours, &l->halo));
  for (int c = 0; c < l->n_colours; c++) {
    PetscInt n = 0;

    for (int32_t at = l->first[c] + l->n_mine[c]; at < l->first[c + 1]; at++)
      for (int e = 0; e < n_eq; e++) leaf[n++] = l->eq[at] + e - s->n_owned;
    PetscCall(PetscSFCreateEmbeddedLeafSF(s->halo, n, leaf, &l->halo[c]));
  }
  PetscCall(PetscFree(leaf));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepLevelsCreate - Colours, order, entries and halos of a term. Collective. */
PetscErrorCode MeritSweepLevelsCreate(MeritSweep s, SweepTerm *term)
{
  int     *colour;
  int32_t *position;

  PetscFunctionBegin;
  PetscCall(MeritSweepColour(s, term, &term->levels.n_colours, &colour));
  PetscCall(PetscMalloc1(MeritTermRecordLevels(term->view) + 1, &position));
  PetscCall(Order(term, colour, position));
  PetscCall(FillEntries(s, term, position));
  PetscCall(SplitHalo(s, term));
  PetscCall(PetscFree(position));
  PetscCall(PetscFree(colour));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepLevelsDestroy - Collective. */
PetscErrorCode MeritSweepLevelsDestroy(SweepLevels *l)
{
  PetscFunctionBegin;
  for (int c = 0; l->halo && c < l->n_colours; c++) PetscCall(PetscSFDestroy(&l->halo[c]));
  PetscCall(PetscFree(l->halo));
  PetscCall(PetscFree2(l->first, l->n_mine));
  PetscCall(PetscFree2(l->eq, l->slot));
  PetscCall(PetscFree(l->start));
  PetscCall(PetscFree(l->rows));
  PetscCall(PetscFree(l->entry));
  PetscFunctionReturn(PETSC_SUCCESS);
}

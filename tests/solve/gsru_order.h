#pragma once
/* The order of a sweep over the models, from the data as they were written, and the equations to sweep over. */
#include "gsru_models.h"

/* The published scramble of a canonical number: whoever has the larger goes first */
static inline uint64_t Scramble(int number)
{
  uint64_t z = (uint64_t)number + 0x9E3779B97F4A7C15u;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static inline void Join(int n, bool *near, int a, int b)
{
  if (a >= 0 && b >= 0 && a != b) near[a * n + b] = near[b * n + a] = true;
}

/* Levels of a term in the order of the sweep: greedy colours by falling priority, then by number; owned by the caller */
static inline int *Order(int n, const bool *near, int *n_colours)
{
  int *colour = malloc(sizeof(int) * (size_t)n), *order = malloc(sizeof(int) * (size_t)n), at = 0;

  for (int i = 0; i < n; i++) colour[i] = -1;
  for (int done = 0; done < n; done++) {
    int next = -1, c = 0;

    for (int i = 0; i < n; i++)
      if (colour[i] < 0 && (next < 0 || Scramble(i) > Scramble(next))) next = i;
    for (bool taken = true; taken; c += taken) {
      taken = false;
      for (int i = 0; i < n; i++) taken = taken || (near[next * n + i] && colour[i] == c);
    }
    colour[next] = c;
  }
  *n_colours = 0;
  for (int c = 0; at < n; c++, (*n_colours)++)
    for (int i = 0; i < n; i++)
      if (colour[i] == c) order[at++] = i;
  free(colour);
  return order;
}

/* The order of the levels of one term of the models above, from the data as they were written */
static inline int *SweepOrder(const Problem *p, int k, bool maternal)
{
  const Data *d    = &data[p->which];
  const int   n    = (int)p->term[k].n_levels;
  bool       *near = calloc((size_t)(n * n), sizeof(bool));
  int        *order, n_colours;

  for (int i = 0; i < d->animals && p->term[k].kind == MERIT_TERM_PED; i++) {
    Join(n, near, i, d->sire[i]);
    Join(n, near, i, d->dam[i]);
    Join(n, near, d->sire[i], d->dam[i]);
  }
  for (int i = 0; i < d->records && maternal; i++) {
    if (i % 7 == 3) continue; /* no observation */
    if (p->term[k].kind == MERIT_TERM_PED) Join(n, near, d->cow[i], d->foster[i]);
    if (p->term[k].kind == MERIT_TERM_IID) Join(n, near, d->pen[i], d->other[i]);
  }
  order = Order(n, near, &n_colours);
  if (p->term[k].kind == MERIT_TERM_PED && p->which == FEW) assert_true(n_colours > 2);
  free(near);
  return order;
}

typedef struct {
  Problem p;
  double *dense, *r_all, *exact; /* canonical order */
  double *r, *x;                 /* owned */
} Case;

static inline Case MakeCase(int model)
{
  Case c = {.p = MakeProblem(DATA[model], MODELS[model][0], MODELS[model][1], "")};

  c.r = malloc(sizeof(double) * ((size_t)c.p.n_owned + 1));
  c.x = calloc((size_t)c.p.n_owned + 1, sizeof(double));
  TestCall(MeritMMERightHandSide(c.p.C, c.r));
  c.dense = ToDense(&c.p);
  c.r_all = ToAll(&c.p, c.r);
  c.exact = DenseSolution(&c.p, c.dense, c.r_all);
  return c;
}

static inline void FreeCase(Case *c)
{
  FreeProblem(&c->p);
  free(c->dense), free(c->r_all), free(c->exact), free(c->r), free(c->x);
}

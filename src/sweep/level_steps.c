/*
  One sweep over the levels of a term, colour by colour:

  1. Gradients of all local levels of the colour, owned and ghost, from the records and rows here.
  2. One reduction adds those of ghosts at the owners.
  3. Owners take the steps: dx = w C_bb^-1 g, or what a visitor chooses.
  4. Steps go to the ghosts, and every rank updates the residuals of its records and rows.

  In the mode `recompute`, residuals are computed from x before each colour, and step 4 is left
  out.
*/
#include "sweep_impl.h"

/* The gradient of an owned level with its prior, into gradient[n]; returns its sum of squares.
   If the term has a recursion, g has the penalty already and there is no precision. Constrained
   equations have gradient 0. */
static double Gradient(MeritSweep s, const SweepTerm *term, int32_t level, int32_t eq, const double *x, double *gradient)
{
  const int     n         = term->view->n_eq;
  const double *precision = SweepPrecision(term, level);
  double        square    = 0.0;

  for (int a = 0; a < n; a++) {
    double sum = s->work.g[eq + a] + s->delta[eq + a];

    for (int b = 0; precision && b < n; b++) sum -= precision[a * n + b] * x[eq + b];
    gradient[a] = s->eq_state[eq + a] == MERIT_EQ_OK ? sum : 0.0;
    square += gradient[a] * gradient[a];
  }
  return square;
}

/* Step of one owned level into x and du; returns the sum of squares of its gradient. Constrained
   equations (redundant, or without observations) stay as they are. */
static double Step(MeritSweep s, const SweepTerm *term, int32_t eq, double *x)
{
  const MeritTermView *t       = term->view;
  const int            n       = t->n_eq;
  const int32_t        level   = (eq - t->eq_owned) / n;
  const double        *inverse = term->inverse + (int64_t)level * n * n;
  double               gradient[MERIT_MAX_COMPONENTS], value[MERIT_MAX_COMPONENTS];
  const double         square = Gradient(s, term, level, eq, x, gradient);

  if (s->settings.visit) {
    MeritSweepAskVisitor(s, term, t->canonical[level], x + eq, gradient, inverse, value);
    for (int a = 0; a < n; a++) s->work.du[eq + a] = s->eq_state[eq + a] == MERIT_EQ_OK ? value[a] - x[eq + a] : 0.0;
  } else {
    for (int a = 0; a < n; a++) {
      double sum = 0.0;

      for (int b = 0; b < n; b++) sum += inverse[a * n + b] * gradient[b];
      s->work.du[eq + a] = s->eq_state[eq + a] == MERIT_EQ_OK ? s->settings.relaxation * sum : 0.0;
    }
  }
  for (int a = 0; a < n; a++) x[eq + a] += s->work.du[eq + a];
  return square;
}

/* What the threads need for the steps of a colour */
typedef struct {
  MeritSweep       sweep;
  const SweepTerm *term;
  int32_t          first; /* position of the first level of the colour */
  double          *x;
} Colour;

/* Steps of levels [from, to) of a colour (a function for MeritSums): sums[0] squares of
   gradients, sums[1] squares of steps */
static void StepLevels(int64_t from, int64_t to, void *ctx, double *sums)
{
  const Colour  *c  = (const Colour *)ctx;
  const int32_t *eq = c->term->levels.eq + c->first;

  for (int64_t i = from; i < to; i++) {
    sums[0] += Step(c->sweep, c->term, eq[i], c->x);
    for (int a = 0; a < c->term->view->n_eq; a++) sums[1] += c->sweep->work.du[eq[i] + a] * c->sweep->work.du[eq[i] + a];
  }
}

/* Steps of the owned levels of a colour by all threads. MeritSums adds in an order that does
   not depend on the threads. */
static void Steps(MeritSweep s, SweepTerm *term, int c, double *x)
{
  Colour colour = {s, term, term->levels.first[c], x};
  double room[MERIT_SUM_PARTS * 2], sums[2];

  MeritSums(s->n_threads, term->levels.n_mine[c], StepLevels, &colour, 2, room, sums);
  s->work.sums[s->n_terms] += sums[0];
  s->work.sums[term->index] += sums[1];
}

/* MeritSweepRunLevels - See the header. Collective. */
PetscErrorCode MeritSweepRunLevels(MeritSweep s, SweepTerm *term, double *x)
{
  SweepLevels *l = &term->levels;

  PetscFunctionBegin;
  for (int turn = 0; turn < l->n_colours; turn++) {
    const int c = s->work.backward ? l->n_colours - 1 - turn : turn;

    if (s->settings.recompute) PetscCall(MeritSweepRefresh(s, x));
    MeritSweepGradient(s, term, l->first[c], l->first[c + 1]);
    PetscCall(PetscSFReduceBegin(l->halo[c], MPI_DOUBLE, s->work.g + s->n_owned, s->work.g, MPI_SUM));
    PetscCall(PetscSFReduceEnd(l->halo[c], MPI_DOUBLE, s->work.g + s->n_owned, s->work.g, MPI_SUM));
    Steps(s, term, c, x);
    if (s->settings.recompute) continue;
    PetscCall(PetscSFBcastBegin(l->halo[c], MPI_DOUBLE, s->work.du, s->work.du + s->n_owned, MPI_REPLACE));
    PetscCall(PetscSFBcastEnd(l->halo[c], MPI_DOUBLE, s->work.du, s->work.du + s->n_owned, MPI_REPLACE));
    MeritSweepUpdate(s, term, l->first[c], l->first[c + 1]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

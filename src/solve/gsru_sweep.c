/* One sweep over the levels of a term: per colour gradients, one reduction to the owners, their steps, and these back to the ghosts. */
#include "gsru_impl.h"
#include <math.h>
#include <merit/kernels.h>

/*
  GsruInvert - In place inverse of a symmetric positive semi-definite matrix by the sweep operator (Goodnight 1979); equations that
  depend on those before them get rows and columns of 0, so that their steps are 0. Not collective.
*/
void GsruInvert(int n, double *A)
{
  double least[64];

  for (int p = 0; p < n; p++) least[p] = 1e-13 * A[p * n + p];
  (void)MeritDenseSweep(n, least, A);
}

/* Step of one owned level from its gradient; returns the sum of squares of the gradient */
static double Step(Gsru *gs, const GsruTerm *term, int32_t eq, double *x)
{
  const MeritTermView *t       = term->view;
  const int            n       = t->n_eq;
  const double        *inverse = term->inverse + (int64_t)((eq - t->eq_owned) / n) * n * n;
  double               gradient[64], square = 0.0;

  for (int a = 0; a < n; a++) {
    double sum = gs->g[eq + a] + gs->delta[eq + a];

    for (int b = 0; t->G_inverse && t->kind != MERIT_TERM_PED && b < n; b++)
      sum -= t->G_inverse[a * n + b] * x[eq + b];
    gradient[a] = gs->eq_state[eq + a] == MERIT_EQ_OK ? sum : 0.0;
    square += gradient[a] * gradient[a];
  }
  for (int a = 0; a < n; a++) {
    double sum = 0.0;

    for (int b = 0; b < n; b++) sum += inverse[a * n + b] * gradient[b];
    gs->du[eq + a] = gs->eq_state[eq + a] == MERIT_EQ_OK ? gs->solver->relaxation * sum : 0.0;
  }
  for (int a = 0; a < n; a++) x[eq + a] += gs->du[eq + a];
  return square;
}

typedef struct {
  Gsru           *gs;
  const GsruTerm *term;
  int32_t         first; /* level of the colour */
  double         *x;
} Colour;

/* Steps of levels [from, to) of a colour; adds the squares of their gradients and of the steps */
static void StepLevels(int64_t from, int64_t to, void *ctx, double *sums)
{
  const Colour  *c  = (const Colour *)ctx;
  const int32_t *eq = c->term->levels.eq + c->first;

  for (int64_t i = from; i < to; i++) {
    sums[0] += Step(c->gs, c->term, eq[i], c->x);
    for (int a = 0; a < c->term->view->n_eq; a++) sums[1] += c->gs->du[eq[i] + a] * c->gs->du[eq[i] + a];
  }
}

/* Steps of the owned levels of a colour */
static void Steps(Gsru *gs, GsruTerm *term, int c, double *x)
{
  Colour colour = {gs, term, term->levels.first[c], x};
  double room[MERIT_SUM_PARTS * 2], sums[2];

  MeritSums(gs->n_threads, term->levels.n_mine[c], StepLevels, &colour, 2, room, sums);
  gs->sums[2 * gs->n_terms] += sums[0];
  gs->sums[2 * term->index] += sums[1];
}

/* GsruSweepLevels - See the header. Collective. */
PetscErrorCode GsruSweepLevels(Gsru *gs, GsruTerm *term, double *x)
{
  GsruLevels *l = &term->levels;

  PetscFunctionBegin;
  for (int turn = 0; turn < l->n_colours; turn++) {
    const int c = gs->backward ? l->n_colours - 1 - turn : turn;

    if (gs->afresh) PetscCall(GsruRefresh(gs, x));
    GsruGradient(gs, term, l->first[c], l->first[c + 1]);
    PetscCall(PetscSFReduceBegin(l->halo[c], MPI_DOUBLE, gs->g + gs->n_owned, gs->g, MPI_SUM));
    PetscCall(PetscSFReduceEnd(l->halo[c], MPI_DOUBLE, gs->g + gs->n_owned, gs->g, MPI_SUM));
    Steps(gs, term, c, x);
    if (gs->afresh) continue;
    PetscCall(PetscSFBcastBegin(l->halo[c], MPI_DOUBLE, gs->du, gs->du + gs->n_owned, MPI_REPLACE));
    PetscCall(PetscSFBcastEnd(l->halo[c], MPI_DOUBLE, gs->du, gs->du + gs->n_owned, MPI_REPLACE));
    GsruUpdate(gs, term, l->first[c], l->first[c + 1]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Memory and work of pcg beside operator and preconditioner, foreseen from sizes. Other solvers
  are not foreseen here.

  An iteration has two reductions over all ranks: that of pcg, and one in the preconditioner's
  solution for the fixed effects (a second one there is counted by src/pc/cost.c).
*/
#include <merit/cost.h>
#include <merit/solver.h>

/* Solution, right-hand side, residual, direction, its image, preconditioned residual, diagonal, one to spare */
enum { VECTORS = 8 };
/* Streams of 8 bytes for an equation in an iteration; sums of a reduction: for all, and for each term */
enum { STREAMS = 10, SUMS = 4, TERM_SUMS = 2 };

/* MeritSolverAddBytes - See the header. Collective. */
PetscErrorCode MeritSolverAddBytes(MeritModel model, MeritBytes *b)
{
  const MeritTermView *view;
  const int            n = MeritModelTerms(model, &view);
  int64_t             *owned;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &owned));
  PetscCall(MeritModelLevelCounts(model, b, owned, NULL));
  for (int t = 0; t < n; t++) b->vectors += VECTORS * owned[t] * (int64_t)sizeof(double) * view[t].n_comp;
  PetscCall(PetscFree(owned));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverAddWork - See the header. Not collective. */
PetscErrorCode MeritSolverAddWork(MeritModel model, const MeritTraffic *x, MeritWork *w)
{
  PetscFunctionBegin;
  w->bytes += 8.0 * STREAMS * (double)x->equations / w->ranks;
  if (w->ranks > 1) {
    w->reductions += 2.0;
    w->sent += 8.0 * (SUMS + TERM_SUMS * MeritModelFormula(model)->n_terms) * MeritStages(w->ranks);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

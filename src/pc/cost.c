/*
  Memory and work of the preconditioner that a model gets by default (merit_ped or merit_fixed),
  foreseen from sizes: bytes of inverse blocks, and for an application bytes through memory,
  sent bytes, messages and reductions. Counts are of an average rank.

  x->plain marks a model for which preconditioner and operator go through the data together
  (MeritPCGetFusedPass). Then both together take less than one after the other: the difference is
  subtracted here.
*/
#include <merit/cost.h>
#include <merit/pc.h>

/* Streams of 8 bytes for an equation: factor, and the vector in its sweeps and in the solution for fixed effects. Where the operator goes with it
   (MeritPCGetFusedPass), the two together have JOINT_STREAMS fewer. */
enum { STREAMS = 12, JOINT_STREAMS = 14 };

/* MeritPCAddBytes - See the header. Collective. */
PetscErrorCode MeritPCAddBytes(MeritModel model, MeritBytes *b)
{
  const MeritTermView *view;
  const int            n = MeritModelTerms(model, &view);
  int64_t             *owned;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n, &owned));
  PetscCall(MeritModelLevelCounts(model, b, owned, NULL));
  for (int t = 0; t < n; t++) b->levels += (int64_t)sizeof(double) * view[t].n_eq * view[t].n_eq * owned[t]; /* inverse blocks */
  PetscCall(PetscFree(owned));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPCAddWork - See the header. Not collective. */
PetscErrorCode MeritPCAddWork(const MeritTraffic *x, MeritWork *w)
{
  const double level  = (double)(x->animals + x->fixed + x->others) / w->ranks;
  const double animal = (double)x->animals / w->ranks, fixed = (double)x->fixed / w->ranks;
  const int    both = x->n_ped ? 2 : 0; /* there and back: sweeps through the pedigree, values of fixed effects */

  PetscFunctionBegin;
  w->bytes += 8.0 * (STREAMS - (x->plain ? JOINT_STREAMS : 0)) * (double)x->equations / w->ranks;
  w->sent += 8.0 * both * (animal + fixed);
  w->messages += both * MeritPartners(fixed, w->ranks);
  /* one exchange with each partner for each generation, in both sweeps */
  if (x->n_generations) w->messages += both * x->n_generations * MeritPartners(animal / x->n_generations, w->ranks);
  if (!x->plain) { /* an exchange of its own */
    w->sent += 8.0 * level;
    w->messages += MeritPartners(level, w->ranks);
  }
  if (w->ranks > 1 && x->n_ped && !x->plain) w->reductions += 1.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Checkpoints of the conjugate gradients. They are taken between a reduction and the step after
  it: x, r, p, s and the sums then determine all that follows. u and w are not saved: they are
  made again by one application of preconditioner and operator. Then the run goes on as if it
  had not stopped.

  A run on another number of ranks takes only the solution and the number of iterations, and
  begins anew from the true residual.
*/
#include "pcg_impl.h"
#include <math.h>
#include <string.h>

/* The parts of a checkpoint; x and the loop come first, for at another number of ranks only
   these two are taken. All are borrowed from w and x. */
enum { N_STATE = 11 };
static void State(MeritSolver s, Pcg *w, double *x, MeritState state[N_STATE])
{
  const MeritState all[N_STATE] = {{"x", MERIT_STATE_EQUATIONS, 1, x},
                                   {"loop", MERIT_STATE_SAME, sizeof(w->at), &w->at},
                                   {"r", MERIT_STATE_EQUATIONS, 1, w->r},
                                   {"p", MERIT_STATE_EQUATIONS, 1, w->p},
                                   {"s", MERIT_STATE_EQUATIONS, 1, w->s},
                                   {"sums", MERIT_STATE_SAME, (size_t)PcgSumCount(s, 1) * sizeof(*w->sums), w->sums},
                                   {"gamma", MERIT_STATE_SAME, sizeof(*w->gamma), w->gamma},
                                   {"alpha", MERIT_STATE_SAME, sizeof(*w->alpha), w->alpha},
                                   {"begin", MERIT_STATE_SAME, sizeof(*w->begin), w->begin},
                                   {"steps", MERIT_STATE_SAME, sizeof(w->steps), w->steps},
                                   {"ratios", MERIT_STATE_SAME, sizeof(w->ratios), w->ratios}};

  memcpy(state, all, sizeof(all));
}

/* PcgResume - See the header. Collective. */
PetscErrorCode PcgResume(MeritSolver s, Pcg *w, double *x, MeritIteration *it, bool *resumed)
{
  const bool same = MeritCheckpointSameRanks(s->checkpoint);
  double    *sums;
  bool       loaded;
  MeritState state[N_STATE];

  PetscFunctionBegin;
  State(s, w, x, state);
  PetscCall(MeritCheckpointLoad(s->checkpoint, same ? N_STATE : 2, state, &loaded));
  *resumed = loaded && same;
  if (!loaded) PetscFunctionReturn(PETSC_SUCCESS);
  if (w->at.iteration < 0 || w->at.n_steps < 0 || w->at.n_steps > MOST_STEPS) PetscCall(MeritCheckpointDamaged(s->checkpoint, "loop"));
  /* a byte of a file need not be a valid bool */
  *w->begin     = *(const unsigned char *)w->begin != 0;
  it->iteration = w->at.iteration;
  w->at.last    = *resumed ? w->at.last : INFINITY;
  if (!*resumed) PetscFunctionReturn(PETSC_SUCCESS);
  if (w->joint) PetscCall(MeritFusedPassStart(w->joint, w->u, x, w->r)); /* their fixed part is 0: it changes nothing */
  PetscCall(PetscArraycpy(w->u, w->r, (size_t)s->n));
  PetscCall(PetscMalloc1(PcgSumCount(s, 1), &sums));
  /* the sums of the checkpoint are those of the reduction; those that PcgApply() makes are of
     this rank */
  PetscCall(PetscArraycpy(sums, w->sums, PcgSumCount(s, 1)));
  if (s->mixed) PetscCall(MeritMMESetPrecision(s->C, true));
  PetscCall(PcgApply(s, 1, w));
  PetscCall(PetscArraycpy(w->sums, sums, PcgSumCount(s, 1)));
  PetscCall(PetscFree(sums));
  PcgRead(s, 1, w, it);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PcgSaveIfDue - See the header. Collective. */
PetscErrorCode PcgSaveIfDue(MeritSolver s, Pcg *w, double *x, const MeritIteration *it)
{
  MeritState state[N_STATE];
  bool       due;

  PetscFunctionBegin;
  PetscCall(MeritCheckpointDue(s->checkpoint, &due));
  if (!due) PetscFunctionReturn(PETSC_SUCCESS);
  w->at.iteration = it->iteration;
  State(s, w, x, state);
  PetscCall(MeritCheckpointSave(s->checkpoint, it->iteration, N_STATE, state));
  PetscFunctionReturn(PETSC_SUCCESS);
}

#pragma once
/* State of the conjugate gradients, and how it goes into a checkpoint and comes back. Private to pcg.c and pcg_state.c. */
#include "solver_impl.h"
#include <merit/op.h>

/* Step lengths kept for the eigenvalue estimates */
enum { MOST_STEPS = 4000 };

/* Where the loops are */
typedef struct {
  int64_t iteration, since;     /* the one that last halved the residual */
  double  best, renew, renewed; /* least residual; fall of it after which it is renewed; as it was renewed */
  double  last;                 /* true residual of the run before */
  double  lambda_min, lambda_max;
  int64_t longest; /* steps that they are from */
  int     n_steps;
} PcgLoop;

typedef struct {
  double        *r, *u, *w, *p, *s;                    /* [n * k] (u and w with room for ghosts): residual, M^-1 r, C u, direction, C p */
  double        *sums;                                 /* what one reduction carries */
  double        *partial;                              /* [threads * N_SUMS] of a step, by thread: added up in their order */
  MeritFusedPass joint;                                /* preconditioner and operator in one pass, NULL: separate */
  double        *gamma, *alpha, *norm_r, *norm_scaled; /* [k] */
  double         steps[MOST_STEPS], ratios[MOST_STEPS];
  const double  *rhs;   /* [n * k]; borrowed */
  bool          *begin; /* [k] the next direction of a right-hand side is its first */
  PcgLoop        at;
} Pcg;

/* pcg.c: numbers that one reduction carries for k right-hand sides: the length of Pcg.sums. Not
   collective. */
int PcgSumCount(MeritSolver s, int k);
/* u <- M^-1 u, where u is a copy of r, and w <- C u; this rank's parts of r'u and u'C u go to
   sums. With a joint, w is complete only after the next step. Collective. */
PetscErrorCode PcgApply(MeritSolver s, int k, Pcg *w);
/* What the sums of all ranks say: residuals now, and the change of the step before, into *it and
   the solver's term_change; the largest over right-hand sides. Not collective. */
void PcgRead(MeritSolver s, int k, Pcg *w, MeritIteration *it);
/* As it was before the step that comes next, if a checkpoint of as many ranks is open; else its solution. Collective. */
PetscErrorCode PcgResume(MeritSolver s, Pcg *w, double *x, MeritIteration *it, bool *resumed);
/* Between two steps: save if it is time. Collective. */
PetscErrorCode PcgSaveIfDue(MeritSolver s, Pcg *w, double *x, const MeritIteration *it);

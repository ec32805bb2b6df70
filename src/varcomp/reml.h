#pragma once
/* A fit by (restricted) maximum likelihood: where it is, and how that is kept. Private to reml.c and reml_state.c. */
#include "blocks.h"

typedef struct {
  MeritVarcomp v;
  Coordinates  c;
  VarcompPoint now, trial;
  double      *theta, *step; /* [n] the trial's components; [m] */
  double      *unit, *column, *whole, *inverse; /* [n], [n], [n], [n * n] work */
  double      *unit_scale; /* [n] what a variance of 1 makes of an observation's variance */
  double       tolerance;
  const char  *kind;         /* of the step that led here */
  double       change;
} Reml;

/* Take up a checkpoint of this fit; *done: it had ended, as v->stop says. Collective. */
PetscErrorCode RemlResume(Reml *r, bool *resumed, bool *done);
/* Between two rounds: save if it is time. Collective. */
PetscErrorCode RemlSaveIfDue(Reml *r);
/* The fit has ended: all later checkpoints of the run know. Collective. */
PetscErrorCode RemlKeep(Reml *r);

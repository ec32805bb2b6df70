#pragma once
/*
  A fit by (restricted) maximum likelihood: where it is, its steps, its boundary, and how it is
  kept. Private to reml.c, step.c, boundary.c and reml_state.c.
*/
#include "blocks.h"

/*
  A fit. Its point is v->run.theta; coordinates, gradient and information in c are those of the
  point.
*/
typedef struct {
  MeritVarcomp v;
  Coordinates  c;
  VarcompPoint point, trial; /* values of the engine at v->run.theta, at trial_theta */
  double      *trial_theta;  /* [n] */
  double      *step;         /* [m] the step from the point to the trial */
  double      *moved, *fall; /* [m] what was taken of the last step, and the gradient before it less that behind it */
  double      *theta_full;   /* [n] where the step leads that is neither bent nor halved */
  double      *theta_limit;  /* [n] the point with what is next to 0 at 0 */
  double      *theta_user;   /* [n] the point in the components as the user has them */
  double      *scale;        /* [n] VarcompScales */
  double       tolerance;    /* of the gradient, in standard errors */
  const char  *step_name;    /* of the step that led here */
  double       change, gain; /* largest relative change of a variance, and what the step added to the log-likelihood */
} Reml;

/* A matrix of rank 1 that is as near to 0, in standard errors of its root, is tried as 0 */
#define REML_ERRORS_FROM_ZERO 0.05
/* A step leaves at least this part of a matrix's least pivot */
#define REML_PIVOT_KEPT 0.1

/* reml.c: the engine's values at theta, the same on every rank. Collective. */
PetscErrorCode RemlEvaluate(Reml *r, const double theta[], VarcompPoint *point);
/* Has the trial a score, without NaN? Not collective. */
bool RemlHasScore(const Reml *r);
/*
  Is the trial as good as the point? One without a score is not, whatever the likelihood is or
  is not.
*/
bool RemlNotLower(const Reml *r);
/* The trial becomes the point, by a step of this kind, which is borrowed. Not collective. */
void RemlAccept(Reml *r, const char kind[]);
/*
  Coordinates of the new point, and what `fraction` of a step shows of the curvature, for the
  next step; 0: nothing
*/
void RemlArrive(Reml *r, double fraction);
/*
  Length of the gradient in units of standard errors, NaN where the information is not definite;
  step [m] is work.
*/
double RemlLength(const Reml *r, double step[]);

/* step.c: one round; not *accepted: no step raises the likelihood. Collective. */
PetscErrorCode RemlStep(Reml *r, bool *accepted);
/*
  Do all free matrices but one (NULL: all of them) keep enough of themselves at theta, along
  every axis? Not collective.
*/
bool RemlInside(const Reml *r, const double theta[], const Block *but);

/*
  boundary.c: matrices that are 0 from the start: of a term that is left out, or whose variance
  the user fixes at 0.
*/
void BoundaryZeros(Reml *r);
/* Matrices that the whole step would make singular, one after another. Collective. */
PetscErrorCode BoundaryTry(Reml *r, const double step[], bool *accepted);
/* A singular matrix that goes to a lower rank is tried there. Collective. */
PetscErrorCode BoundaryTryLower(Reml *r, bool *accepted);
/* At a maximum on the boundary: a matrix from which the likelihood rises is freed. Collective. */
PetscErrorCode BoundaryRelease(Reml *r, bool *released);
/*
  Gradient at which rounds end: beside a residual matrix next to singular it is not known as
  well, and the limit takes a last step.
*/
double BoundaryTolerance(const Reml *r);
/* At the end: what is next to 0 is 0, and the state of every estimate. Collective. */
PetscErrorCode BoundaryStates(Reml *r);

/* Take up a checkpoint of this fit; *done: it had ended, as v->results.stop says. Collective. */
PetscErrorCode RemlResume(Reml *r, bool *resumed, bool *done);
/* Between two rounds: save if it is time. Collective. */
PetscErrorCode RemlSaveIfDue(Reml *r);
/* The fit has ended: all later checkpoints of the run know. Collective. */
PetscErrorCode RemlKeep(Reml *r);

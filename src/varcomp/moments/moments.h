#pragma once
/* Moment estimators: S s = q, with quadratic forms of the data and their expectations. */
#include "projected.h"
#include <merit/limits.h>

/* Variances of a moment estimator: systems of that many equations are solved by MeritDenseSweep */
enum { MOMENTS_MAX_VARIANCES = MERIT_MAX_COMPONENTS };

typedef enum { MOMENTS_FINE, MOMENTS_SINGULAR, MOMENTS_SATURATED, MOMENTS_INDEFINITE, MOMENTS_NO_MEMORY } MomentsFault;

/* The system of m + 1 equations, the residual's last; rank 0 has it, of random signs every rank */
typedef struct {
  int     m;
  bool   *in;       /* [m] terms that take part; owned */
  double *S, *q;    /* [(m + 1)^2], [m + 1]; owned */
  double *estimate; /* [m + 1] 0 for terms that do not; owned */
  int     blame[2]; /* SINGULAR: components that cannot be distinguished */
} Moments;

/* minque.c, on rank 0 only: equations at P of the prior w[m + 1] */
MomentsFault MinqueEquations(const ProjectedCovariances *f, const double w[], Moments *e);
/* The same in the limit of infinite priors, minque3 */
MomentsFault MinqueLimit(const ProjectedCovariances *f, Moments *e);
/* Those of Haseman-Elston regression, of which none is at fault */
void HasemanElston(const ProjectedCovariances *f, Moments *e);
/*
  Covariance [(m + 1)^2] of the estimates of MinqueEquations at P of the same w, of normal data
  with the variances estimated. SINGULAR where there is none.
*/
MomentsFault MinqueCovariance(const ProjectedCovariances *f, const double w[], const Moments *e, double covariance[]);
/* Solve for the terms that take part */
MomentsFault MomentsSolve(Moments *e);
/* moments.c: a system of the right size, all terms but the one left out taking part */
PetscErrorCode MomentsCreate(MeritVarcomp v, Moments *e);
/* Free what Create made. Not collective. */
PetscErrorCode MomentsDestroy(Moments *e);
/*
  C = S^-1 B S^-1' of the terms that take part, 0 for the others; [(m + 1)^2]. False where S is
  singular.
*/
bool MomentsSandwich(const Moments *e, const double B[], double C[]);
/*
  trace_sample.c: the equations of MINQUE(0) by random signs, for any size, their mean in e;
  those of the random terms by each of the samples in rows[n_samples * m * (m + 1)], new and the
  caller's; NULL: not wanted. Collective.
*/
PetscErrorCode MomentsSketch(MeritVarcomp v, int n_samples, Moments *e, double **rows);
/* INPUT error that names a term of which fixed effects leave nothing. Collective. */
PetscErrorCode MomentsCheckSketch(MeritVarcomp v, const Moments *e);
/* v->results.monte_carlo of the estimates in e from the spread of the samples. Not collective. */
PetscErrorCode MomentsNoise(MeritVarcomp v, const Moments *e, const double rows[]);

#pragma once
/*
  Likelihood of a model with one variance beside the residual's. Of S B S (of B too, for ML) it
  needs only the eigenvalues and the squared length of the observations along each eigenvector,
  exactly or by quadrature.
*/
#include "matrix.h"

/* Sum over i of weight[i] f(node[i]) = b' f(.) b, or a trace */
typedef struct {
  int     n;
  double *node, *weight; /* [n]; owned, one allocation behind node */
} SpectralQuadrature;

/* Room for n nodes. Not collective. */
PetscErrorCode SpectralQuadratureCreate(int n, SpectralQuadrature *q);
/* Free it; a quadrature of zeros is let be. Not collective. */
PetscErrorCode SpectralQuadratureDestroy(SpectralQuadrature *q);
/*
  Gauss quadrature of a tridiagonal matrix: eigenvalues, and squares of the first components of
  its eigenvectors times `total`; the diagonal stands in node, below[n - 1] is lost. False where
  it does not converge.
*/
bool SpectralGauss(double total, double below[], SpectralQuadrature *q);

/*
  All that the likelihood needs. Traces are known from one quadrature, exactly; or from one for
  each of n_traces random vectors, and for the first n_far of them from a better one, `far`: the
  mean over all is corrected by the mean difference of those (Giles 2008).
*/
typedef struct {
  int64_t             n, p;
  bool                ml, exact;
  double              constant; /* of -2 log likelihood: n log 2 pi, weights, and log |X'X| for reml */
  SpectralQuadrature  y;
  int                 n_traces, n_far;
  SpectralQuadrature *trace, *far; /* of S B S over the space that S leaves (reml), of B (ml); owned */
} Spectrum;

/* tr(PB), tr(P), log |V| at theta = {s_u, s_e}, by one quadrature. Not collective. */
void SpectralTraces(const SpectralQuadrature *q, const double theta[], double trace[3]);
/* The engine's values at theta = {s_u, s_e}: point with n = 2 components. Not collective. */
void SpectrumEvaluate(const Spectrum *s, const double theta[], VarcompPoint *point);
/* Ratio s_u / s_e at the maximum of the likelihood, 0 at the boundary, and s_e. Not collective. */
void SpectrumMaximum(const Spectrum *s, double theta[2]);

/*
  Lanczos processes of S B S (B, where project is false) from k vectors, in lockstep and each
  for itself; of the vectors only the last two are kept. Column j has the tridiagonal matrix
  alpha[. * k + j], beta[. * k + j]; a process that has come to its end goes on with zeros.
*/
typedef struct {
  RecordSpace *space; /* borrowed */
  int          k, steps, room;
  bool         project, single;
  double      *square;              /* [k] squared lengths of the first vectors; owned */
  double      *alpha, *beta;        /* [room * k]; owned */
  double      *now, *before, *next; /* [n_records * k]; owned */
  double      *sum;                 /* [k]; owned */
} Krylov;

/* Begin with the vectors in start[n_records * k], projected if so asked for. Collective. */
PetscErrorCode KrylovCreate(RecordSpace *space, int k, bool project, bool single, const double start[], Krylov *process);
/* Free what Create made. Not collective. */
PetscErrorCode KrylovDestroy(Krylov *process);
/* One step more. Collective. */
PetscErrorCode KrylovStep(Krylov *process);
/*
  The quadrature of the first `steps` steps of a tridiagonal matrix whose entries are `stride`
  apart; q is new.
*/
PetscErrorCode KrylovQuadrature(int steps, int stride, const double alpha[], const double beta[], double total, SpectralQuadrature *q);

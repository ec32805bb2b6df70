#pragma once
/*
  Dense matrices of a model of one trait on rank 0, in the space of records times the roots of
  their weights: S takes out the fixed effects, A_k = S B_k S with B_k = Z_k K_k Z_k'. The
  inverse of V between S's is P = (sum theta_k A_k + theta_e S + I - S)^-1 - (I - S).
*/
#include "matrix.h"

typedef struct {
  int      n, m;     /* observations; random terms */
  int     *term;     /* [m] of the formula; owned */
  int64_t  df;       /* n less independent fixed effects */
  double  *y;        /* [n] S y; owned. From here on rank 0 only */
  double  *S;        /* [n * n]; owned */
  double **A;        /* [m] -> [n * n]; owned */
  double **B;        /* [m] -> [n * n] for ml, else NULL; owned */
  double  *mean;     /* [m] mean diagonal of B; owned */
  double   constant; /* of -2 log likelihood */
} ProjectedCovariances;

/*
  Is there room on rank 0 for the matrices of that many random terms? *bytes (NULL allowed):
  what they take. Collective.
*/
PetscErrorCode ProjectedFit(MeritVarcomp v, int n_random, bool *fits, double *bytes);
/* USAGE error where rank 0 has no room for them; `what` names the method or engine. Collective. */
PetscErrorCode ProjectedCreate(MeritVarcomp v, const char what[], ProjectedCovariances *f);
/* Free what Create made. Not collective. */
PetscErrorCode ProjectedDestroy(ProjectedCovariances *f);
/*
  P [n * n] at theta[m + 1], the residual last, and log |V| + log |X'V^-1 X| - log |X'X|; false
  if it is not definite. Rank 0.
*/
bool ProjectedInverse(const ProjectedCovariances *f, const double theta[], double *P, double *log_determinant);
/* V^-1 [n * n] at theta[m + 1], and log |V|; false if it is not definite. For ml, rank 0. */
bool ProjectedCovarianceInverse(const ProjectedCovariances *f, const double theta[], double *inverse, double *log_determinant);
/* C = A B, symmetric or not; [n * n] row-major, as below. Rank 0. */
void ProjectedMultiply(int n, const double *A, const double *B, double *C);
/* y = A x */
void ProjectedApply(int n, const double *A, const double *x, double *y);
/* Sum of A_ij B_ji */
double ProjectedTrace(int n, const double *A, const double *B);

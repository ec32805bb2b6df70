#pragma once
/*
  The likelihood of a dense model with its derivatives, from V itself: V^-1, P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 and dV by a variance or
  covariance are formed as matrices of the observations. Not collective.
*/
#include "dense.h"

/* One element of a covariance matrix: of G of a random term, or (term -1) of R of a residual class */
typedef struct {
  int term, residual, row, column;
} DenseCoordinate;

typedef struct {
  int     n_obs, n_fixed;
  double  log_likelihood; /* with all constants, and log |X'V^-1 X| in the units of the data where it is restricted */
  double *score;          /* [n] derivatives; owned */
  double *information;    /* [n * n] y'P V_i P V_j P y / 2, the average of observed and expected information; owned */
} DensePoint;

/* The elements of all covariance matrices: term after term, lower triangle by rows, then residual classes; owned by the caller, free(). */
DenseCoordinate *DenseCoordinates(const DenseModel *model, int *n);
/* The element in the model */
double DenseGet(const DenseModel *model, const DenseCoordinate *at);
/* Both halves of the matrix */
void DenseSet(DenseModel *model, const DenseCoordinate *at, double value);
/* At the G and R of the model; 0, or -1 if V is not positive definite. */
int  DenseLikelihood(DenseModel *model, bool restricted, int n, const DenseCoordinate at[], DensePoint *point);
void DensePointFree(DensePoint *point);

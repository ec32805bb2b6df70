#pragma once
/*
  What `merit varcomp` wrote, held against the dense likelihood at the estimates that it wrote: the same likelihood, a maximum of it inside the
  parameter space or on its boundary, and the standard errors of the average information there. Rank 0 only.
*/
#include "sheet.h"
#include <dense_likelihood.h>

typedef enum { ELEMENT_OK, ELEMENT_FIXED, ELEMENT_BOUNDARY, ELEMENT_OTHER } ElementStatus;

/* Elements of the covariance matrices as DenseCoordinates lists them */
typedef struct {
  int              n;
  DenseCoordinate *at;       /* owned */
  double          *estimate; /* owned */
  double          *se;       /* NaN: NA; owned */
  ElementStatus   *status;   /* owned */
  double           log_likelihood;
} Estimates;

/* varcomp.tsv and summary.json of a folder; n is 0 if they cannot be read or have other rows than the model has elements. */
Estimates EstimatesRead(const DenseModel *model, const char folder[]);
void      EstimatesFree(Estimates *e);

/* How far from an optimum */
typedef struct {
  double likelihood; /* difference */
  double gradient;   /* score' AI^-1 score over the directions that lead to matrices of the same rank: squared, in standard errors */
  double error;      /* largest relative difference of a standard error; infinite where only one has it */
  double uphill;     /* largest derivative from the boundary into the parameter space; negative at an optimum, -infinity without a boundary */
  double given;      /* largest difference of a fixed element from what the model had */
  int    n_boundary, n_fixed; /* elements */
} Optimum;

/* At the estimates in place of the G and R of the model, which stay. All NaN where V is not definite, or a matrix is singular by more than one dimension. */
Optimum OptimumOf(DenseModel *model, bool restricted, const Estimates *e);

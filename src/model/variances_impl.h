#pragma once
/* One covariance matrix of the job file: its options, its elements in component order, and the
   checks. */
#include <merit/formula.h>

/* The term or residual that a matrix belongs to; strings are borrowed. */
typedef struct {
  const char *label;
  int         n;        /* components */
  char      **name;     /* [n] in component order */
  bool        definite; /* residuals must be positive definite, others semi-definite */
} VarianceShape;

/* Options next to `value` in the map form; NULL: not given. */
typedef struct {
  MeritNode rows, structure, fix;
} VarianceOptions;

/* A matrix in component order; the arrays are the caller's. */
typedef struct {
  double *value; /* [n * n] */
  bool    diagonal;
  bool   *fix; /* [n * n], NULL: none */
} VarianceMatrix;

/* Options of a map {value, rows, structure, fix [, by]}; *value is its value, or the node itself if
   it is not a map. Not collective. USAGE errors: unknown keys. */
PetscErrorCode VarianceOptionsTake(MeritNode node, bool may_have_by, const char label[], VarianceOptions *options, MeritNode *value);
/* Read a matrix, sort it to component order and check it; options of its own map replace those
   given. Not collective. USAGE errors. */
PetscErrorCode VarianceMatrixRead(MeritNode node, const VarianceOptions *options, const VarianceShape *shape, VarianceMatrix *matrix);
/* Names of the components as text [size] for messages, truncated if there are many. Not
   collective. */
void VarianceOrder(const VarianceShape *shape, size_t size, char text[]);
/* Test that a matrix [n * n] is positive (semi-)definite, by the eigenvalues of its correlations.
   Not collective. USAGE error at the node. */
PetscErrorCode VarianceCheckDefinite(MeritNode node, const VarianceShape *shape, const double value[]);

#pragma once
/* One variance matrix: what the job file gives, checked against the components it is for. */
#include <merit/formula.h>

/* What the matrix belongs to; strings are borrowed. */
typedef struct {
  const char *label;
  int         n;        /* components */
  char      **name;     /* [n] in component order */
  bool        definite; /* residuals: semi-definite is not enough */
} VarianceShape;

/* Keys of the map form that stand beside `value`; each NULL when absent. */
typedef struct {
  MeritNode rows, structure, fix;
} VarianceOptions;

/* A matrix in component order; the arrays are the caller's. */
typedef struct {
  double *value; /* [n * n] */
  bool    diagonal;
  bool   *fix; /* [n * n], NULL: none */
} VarianceMatrix;

/* Take the options off a map {value, rows, structure, fix [, by]}; *value is its value, or the node if it is no map. */
PetscErrorCode VarianceOptionsTake(MeritNode node, bool may_have_by, const char label[],
                                   VarianceOptions *options, MeritNode *value);
/* Read, sort and check a matrix; a map's own options go before those given. */
PetscErrorCode VarianceMatrixRead(MeritNode node, const VarianceOptions *options, const VarianceShape *shape,
                                  VarianceMatrix *matrix);
/* Components of a shape as text for messages, cut short where there are many. */
void VarianceOrder(const VarianceShape *shape, size_t size, char text[]);
/* Positive (semi-)definite in the scale of correlations; else a USAGE error at the node. */
PetscErrorCode VarianceCheckDefinite(MeritNode node, const VarianceShape *shape, const double value[]);

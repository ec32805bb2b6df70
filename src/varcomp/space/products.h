#pragma once
/*
  Equations of moments for starting values: products of residuals against what components make
  of their expectations.
*/
#include "space.h"

/* S s = q of all components; 0 for those that are not estimated; the same on every rank */
typedef struct {
  double *S, *q, *left;               /* [n * n], [n]; tr(S D_c S) [n]; S is owned and all others stand behind it */
  double *variance, *freedom, *whole; /* [n_traits] variance about the fixed effects, its degrees of freedom, sum of squares of the observations */
} Products;

/* From so many random vectors, `width` (a power of 2 up to 64) at once. Collective. */
PetscErrorCode ProductsCreate(MeritVarcomp v, int n_samples, int width, Products *p);
/* Free what Create made. Not collective. */
PetscErrorCode ProductsDestroy(Products *p);
/*
  theta of the components that are estimated, whatever their sign; those that others explain are
  0. Not found, and theta as it was, where fixed effects leave nothing of a trait; an INPUT
  error where they leave nothing of a component. scale as of VarcompScales. S is lost.
  Collective.
*/
PetscErrorCode ProductsSolve(MeritVarcomp v, const double scale[], Products *p, double theta[], bool *found);
/* Trait of a component's row or column. Not collective. */
int ProductsTrait(MeritVarcomp v, int c, int component);

#pragma once
/*
  A dense reference for small models, independent of the library: V = Z G Z' + R is formed and factored, fixed effects by generalized
  least squares, random ones by u = G Z' V^-1 (y - X b). The model is described by matrices, not by a formula. Not collective.
*/
#include <stdbool.h>

/* One term: for each regressor a design over the levels; a component is a (regressor, trait) pair. */
typedef struct {
  bool     random, first; /* first: examined before all others for dependent columns (an intercept) */
  int      n_levels, n_regressors, n_components;
  double **W;         /* [n_regressors] designs, [n_records * n_levels] row-major; a NaN first in a row: missing in that record; owned */
  int     *regressor; /* [n_components]; owned */
  int     *trait;     /* [n_components]; owned */
  double  *K;         /* [n_levels^2] covariance between levels, NULL: identity; owned */
  double  *G;         /* [n_components^2], NULL in fixed terms; owned */
  double  *solution;  /* [n_levels * n_components], result; owned */
  bool    *aliased;   /* the same shape: fixed equation that depends on those before it, or has no observation; owned */
  double  *variance;  /* the same shape, from DenseErrors: of the estimate, or of the prediction error; NaN where aliased; NULL before; owned */
  double  *z, *s;     /* random terms, from DenseErrors: rows of what DensePev multiplies; owned */
  int     *n;         /* the same shape: observations with a coefficient other than 0; owned */
} DenseTerm;

typedef struct {
  int     n_records, n_traits, n_classes, n_terms;
  double *y;                 /* [n_records * n_traits], trait fastest, NaN missing; owned */
  double *weight;            /* the same shape, Var(e) = R / weight; owned */
  int *class;                /* [n_records] residual class; owned */
  double    *R;              /* [n_classes * n_traits^2]; owned */
  DenseTerm *term;           /* [n_terms] in formula order; owned */
  int        n_obs, n_fixed; /* from DenseErrors: observations, independent fixed effects */
  double    *fitted;         /* [n_records * n_traits] X b + Z u, NaN where missing, result; owned */
} DenseModel;

/* All arrays are made, zero; weights 1. Fill, then DenseSolve. */
DenseModel *DenseCreate(int n_records, int n_traits, int n_classes, int n_terms);
void        DenseTermInit(DenseModel *model, int term, bool random, int n_levels, int n_regressors, int n_components);
void        DenseDestroy(DenseModel **model);
/* Is any trait of the record observed with all it needs? */
bool DenseRecordUsed(const DenseModel *model, int record);
/* 0, or -1 if V is not positive definite or no observation is left. */
int DenseSolve(DenseModel *model);
/* After DenseSolve: variances of all results. */
void DenseErrors(DenseModel *model);
/* After DenseErrors: covariance of the prediction errors of effect i (level * n_components + component) of a random term and j of another. */
double DensePev(const DenseModel *model, int term, int i, int other, int j);
/* The same without data. */
double DensePrior(const DenseModel *model, int term, int i, int other, int j);

/*
  The observations that are used, in record and trait order: *n of them, y [n]; the *p columns of X that do not depend on those before,
  column-major [n * p]. y and X have room for n_records * n_traits observations and one column more, or are NULL; aliased marks are set
  where X is there.
*/
void DenseObservations(DenseModel *model, int *n, double y[], int *p, double X[]);
/* V of these observations, [n * n] */
void DenseCovariance(const DenseModel *model, int n, double V[]);

/* Numerator relationship matrix by the tabular method, parents by index, -1 unknown, any order; A is [n^2]. -1 if there is a loop. */
int DenseRelationship(int n, const int sire[], const int dam[], double A[]);
/* Legendre polynomial of degree k on [low, high], normalised sqrt((2k + 1) / 2). */
double DenseLegendre(int k, double x, double low, double high);
/* In place Cholesky factor (lower) of a symmetric matrix [n^2]; -1 if it is not positive definite. */
int DenseCholesky(int n, double A[]);
/* Solve L x = b, then (when `both`) L' x = x, in place. */
void DenseCholeskySolve(int n, const double L[], bool both, double x[]);

#pragma once
#include <merit/sys.h>
#include <petscmat.h>

/*
  Sparse Cholesky factor of a symmetric positive definite matrix, and the entries of its inverse on the pattern of the matrix. The method is
  multifrontal (Duff and Reid 1983): each rank and thread computes whole subtrees of the elimination tree, rank 0 the nodes above them.
*/
typedef struct _p_MeritFactor *MeritFactor;

/* Needs of a factor */
typedef struct {
  double bytes, bytes_inverse;          /* most bytes on a rank, for the factor; with the inverse too */
  double entries, flops;                /* entries of L, floating-point operations over all ranks */
  double passed;                        /* numbers that fronts pass to their parents */
  double flops_in_turn, passed_in_turn; /* the same along the longest chain, with ranks and threads working in parallel */
} MeritFactorNeed;

/* Order and analyse the pattern of A, a MATAIJ with both triangles; its numbers may change later. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorCreate(Mat A, MeritFactor *factor);
/* The first part of MeritFactorCreate: order and tree, on rank 0. full[n_owned] (NULL: none) marks rows that have an entry in every column, whether
   A stores them or not; then only sizes are computed. Collective. Errors: USAGE, SYSTEM. */
MERIT_EXTERN PetscErrorCode MeritFactorAnalyse(Mat A, const bool full[], MeritFactor *factor);
/* The second part, for the matrix that was analysed, without full rows. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorComplete(MeritFactor factor, Mat A);
/* *need of an analysed factor on another number of ranks and threads. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorForesee(MeritFactor factor, int ranks, int threads, MeritFactorNeed *need);
/* What the factor takes on the ranks and threads it was analysed for; borrowed. Not collective. */
MERIT_EXTERN const MeritFactorNeed *MeritFactorSize(MeritFactor factor);
/* Factor A with its current numbers; *definite is false if A is not positive definite, and there is no factor. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorNumeric(MeritFactor factor, Mat A, bool *definite);
/* After *definite was false: the first row of A without a positive pivot, and its pivot as a fraction of its diagonal element. Not collective. */
MERIT_EXTERN PetscErrorCode MeritFactorSingular(MeritFactor factor, int64_t *row, double *ratio);
/* log |A| of the last factorisation. Not collective. */
MERIT_EXTERN PetscErrorCode MeritFactorLogDeterminant(MeritFactor factor, double *log_determinant);
/* X = A^-1 R for k right-hand sides, [n_owned * k], right-hand side fastest. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorSolve(MeritFactor factor, int k, const double R[], double X[]);
/* Set the entries of S, a matrix with the layout and pattern of A, to those of A^-1. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorInverse(MeritFactor factor, Mat S);
/* Free; NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorDestroy(MeritFactor *factor);

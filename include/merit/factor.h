#pragma once
#include <merit/sys.h>
#include <petscmat.h>

/*
  Sparse Cholesky factor of a symmetric positive definite matrix and the entries of its inverse on the matrix' pattern: multifrontal,
  whole subtrees of the elimination tree on each rank and thread, the top on rank 0.
*/
typedef struct _p_MeritFactor *MeritFactor;

/* What a factor takes: bytes of the fullest rank, for the factor and for the inverse; entries of L and floating-point operations over all ranks;
   numbers that fronts pass to others; what of both is done one after another, ranks and threads working side by side. */
typedef struct {
  double bytes, bytes_inverse, entries, flops, passed, flops_in_turn, passed_in_turn;
} MeritFactorNeed;

/* Order and analyse the pattern of A, a MATAIJ with both triangles; its numbers may change later. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorCreate(Mat A, MeritFactor *factor);
/* The first half of that: order and tree. full[n_owned], NULL: none, marks rows of A that have entries in every row, whether A has them or not:
   then sizes are all that is known. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorAnalyse(Mat A, const bool full[], MeritFactor *factor);
/* The second half, for the matrix that was analysed, without full rows. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorComplete(MeritFactor factor, Mat A);
/* What an analysed factor would take on so many ranks of so many threads. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorForesee(MeritFactor factor, int ranks, int threads, MeritFactorNeed *need);
/* Bytes of the fullest rank for the factor, and with the inverse on top; entries of L and floating-point operations over all ranks; any may be NULL. */
MERIT_EXTERN PetscErrorCode MeritFactorSize(MeritFactor factor, double *bytes, double *bytes_inverse, double *entries, double *flops);
/* Factor the numbers of A; *definite false: they are not positive definite, and there is no factor. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorNumeric(MeritFactor factor, Mat A, bool *definite);
/* After numbers that were not positive definite: the first row of A that has no pivot, and what is left of its diagonal, relative. Not collective. */
MERIT_EXTERN PetscErrorCode MeritFactorSingular(MeritFactor factor, int64_t *row, double *share);
/* log |A| of the numbers factored last. Not collective. */
MERIT_EXTERN PetscErrorCode MeritFactorLogDeterminant(MeritFactor factor, double *log_determinant);
/* X = A^-1 R for k right-hand sides, [n_owned * k], right-hand side fastest. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorSolve(MeritFactor factor, int k, const double R[], double X[]);
/* Entries of A^-1 at the places of S, a matrix with the layout and pattern of A. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorInverse(MeritFactor factor, Mat S);
/* Free; NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritFactorDestroy(MeritFactor *factor);

#pragma once
#include "pc_impl.h"

/*
  The part of merit_ped and merit_fixed for the equations of an SNP term: blocks of neighbours, or a
  low-rank approximation.
*/

/* Blocks of neighbouring SNPs, inverted */
typedef struct {
  int32_t  n_blocks;
  int32_t *start;    /* [n_blocks + 1] owned SNP; owned */
  size_t  *position; /* [n_blocks] of the block's inverse; owned */
  double  *inverse;  /* owned */
} MeritSnpBlocks;

/* The sketch of M'WM: of the genotypes alone, so it outlives changes of variances */
typedef struct {
  int     rank;      /* columns kept */
  int     products;  /* products with M'WM that it took */
  double  predicted; /* iterations, for a residual of 1e-10 */
  int32_t n_owned;   /* SNPs of this rank */
  float  *U;         /* [n_owned * rank] orthonormal over all ranks, column fastest; owned */
  double *lambda;    /* [rank] descending; owned */
  double  least;     /* in place of the eigenvalues that were not kept */
} MeritSketch;

/* The inverse of D (x) M'WM + I (x) G^-1 by a sketch, for the present variances */
typedef struct {
  const MeritSketch *sketch; /* borrowed */
  double            *along;  /* [rank * n_eq^2] what acts along each column beyond `off`; owned */
  double            *off;    /* [n_eq^2] off the columns; owned */
  double            *coeff;  /* [rank * n_eq * k] work; owned */
  int                k;
} MeritSnpNystrom;

/* snp_blocks.c */
/* Invert the blocks of `width` neighbouring SNPs of one term; a block ends where a rank's SNPs
   end. *definite becomes false on a rank that has a block without inverse. USAGE error on a grid
   of more than one column. Collective. */
PetscErrorCode MeritSnpBlocksSetUp(Mat C, int term, int32_t width, MeritSnpBlocks *blocks, bool *definite);
/* Y = blocks X: X, Y [n_owned * n_eq * k] of the term, not the same. Not collective; threaded. */
void MeritSnpBlocksApply(const MeritTermView *t, const MeritSnpBlocks *blocks, int k, const double X[], double Y[]);
/* Free what it holds. Not collective. */
PetscErrorCode MeritSnpBlocksFree(MeritSnpBlocks *blocks);
/* snp_sketch.c */
/* Sketch M'WM of one SNP term, W [n_rows] being the size of D [n_rows * n_eq^2] in units of mean
   [n_eq^2]. rank: columns to make, 0: as many as pay, an eigenvalue times `scale` being its size
   beside the penalty. *sketch is freed first. Collective. */
PetscErrorCode MeritSketchMake(Mat C, int term, const double D[], const double mean[], int32_t rank, double scale, MeritSketch *sketch);
/* Free what it holds and make it empty. Not collective. */
PetscErrorCode MeritSketchFree(MeritSketch *sketch);
/* snp_nystrom.c */
/* *D [n_rows * n_eq^2]: J' R^-1 J of the animals of this rank's genotype rows; owned by the
   caller, PetscFree. mean [n_eq^2]: its mean over animals with records, of all ranks.
   Collective. */
PetscErrorCode MeritSnpNystromMean(Mat C, int term, double **D, double mean[]);
/* The largest eigenvalue of mean beside G^-1: with it an eigenvalue of M'WM becomes a multiple
   of the penalty. Not collective. */
PetscErrorCode MeritSnpNystromScale(const MeritTermView *t, const double mean[], double *scale);
/* The matrices for the variances of t: from a sketch, which is borrowed, and mean [n_eq^2]. Not
   collective. */
PetscErrorCode MeritSnpNystromSetUp(const MeritTermView *t, const MeritSketch *sketch, const double mean[], MeritSnpNystrom *nystrom);
/* Y = M^-1 X: X, Y [n_owned * n_eq * k] of the term, not the same; state [n_owned * n_eq] of its
   equations. One reduction of rank * n_eq * k numbers. Collective. */
PetscErrorCode MeritSnpNystromApply(const MeritTermView *t, const uint8_t state[], MPI_Comm comm, MeritSnpNystrom *nystrom, int k, const double X[],
                                    double Y[]);
/* Free what it holds, but not the sketch. Not collective. */
PetscErrorCode MeritSnpNystromFree(MeritSnpNystrom *nystrom);

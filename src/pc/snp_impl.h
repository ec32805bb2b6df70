#pragma once
#include "pc_impl.h"

/*
  What stands for the equations of an SNP term in merit_ped and merit_fixed: blocks of neighbours, or a low-rank approximation.
*/

/* Blocks of neighbouring SNPs, inverted */
typedef struct {
  int32_t  n_blocks;
  int32_t *start;   /* [n_blocks + 1] owned SNP; owned */
  size_t  *place;   /* [n_blocks] of the block's inverse; owned */
  double  *inverse; /* owned */
} MeritSnpBlocks;

/* The sketch of M'WM: of the genotypes alone, so it outlives changes of variances */
typedef struct {
  int      rank;      /* columns kept */
  int      products;  /* products with M'WM that it took */
  double   predicted; /* iterations, for a residual of 1e-10 */
  int32_t  n_owned;   /* SNPs of this rank */
  float   *U;         /* [n_owned * rank] orthonormal over all ranks, column fastest; owned */
  double  *lambda;    /* [rank] descending; owned */
  double   least;     /* what stands for the eigenvalues that were not kept */
} MeritSketch;

/* The inverse of D (x) M'WM + I (x) G^-1 by a sketch, for the variances of now */
typedef struct {
  const MeritSketch *sketch;   /* borrowed */
  double            *along;    /* [rank * n_eq^2] what acts along each column beyond `off`; owned */
  double            *off;      /* [n_eq^2] off the columns; owned */
  double            *coeff;    /* [rank * n_eq * k] work; owned */
  int                k;
} MeritSnpNystrom;

/* snp_blocks.c */
PetscErrorCode MeritSnpBlocksSetUp(Mat C, int term, int32_t width, MeritSnpBlocks *blocks, bool *definite);
void           MeritSnpBlocksApply(const MeritTermView *t, const MeritSnpBlocks *blocks, int k, const double X[], double Y[]);
PetscErrorCode MeritSnpBlocksFree(MeritSnpBlocks *blocks);
/* snp_sketch.c */
PetscErrorCode MeritSketchMake(Mat C, int term, const double D[], const double mean[], int32_t rank, double scale, MeritSketch *sketch);
PetscErrorCode MeritSketchFree(MeritSketch *sketch);
/* snp_nystrom.c */
PetscErrorCode MeritSnpNystromMean(Mat C, int term, double **D, double mean[]);
PetscErrorCode MeritSnpNystromScale(const MeritTermView *t, const double mean[], double *scale);
PetscErrorCode MeritSnpNystromSetUp(const MeritTermView *t, const MeritSketch *sketch, const double mean[], MeritSnpNystrom *nystrom);
PetscErrorCode MeritSnpNystromApply(const MeritTermView *t, const uint8_t state[], MPI_Comm comm, MeritSnpNystrom *nystrom, int k,
                                    const double X[], double Y[]);
PetscErrorCode MeritSnpNystromFree(MeritSnpNystrom *nystrom);

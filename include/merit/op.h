#pragma once
#include <merit/kernels.h>
#include <merit/model.h>
#include <petscmat.h>

/*
  The mixed model equations as one fused MATSHELL: C = W' R^-1 W + blockdiag(P). Constrained equations (aliased, absent) are rows and columns of the identity.
*/

/* Make C; a reference to the model is not taken: the model must outlive C. Free with MatDestroy. Collective. */
MERIT_EXTERN PetscErrorCode MeritMatCreateMME(MeritModel model, Mat *C);
/* Is this matrix one of ours? Not collective. */
MERIT_EXTERN PetscErrorCode MeritMatIsMME(Mat C, bool *yes);
/* Y = C X for k right-hand sides, arrays [n_owned * k], right-hand side fastest. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEApplyBlock(Mat C, int k, const double X[], double Y[]);
/* The same on arrays with room for ghosts, without copies: the first n_owned * k values are X and Y, C uses the elements after these, which must be
   0 in Y at the first call. */
MERIT_EXTERN PetscErrorCode MeritMMEApplyInPlace(Mat C, int k, double X[], double Y[]);
/* Doubles that each of the arrays of MeritMMEApplyInPlace needs. Not collective. */
MERIT_EXTERN PetscErrorCode MeritMMEWorkLength(Mat C, int k, int64_t *room);
/* r = W' R^-1 y, constrained equations 0. [n_owned]. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMERightHandSide(Mat C, double r[]);
/* The same for any record values in place of y, [n_records * n_traits], k of them fastest. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEProject(Mat C, int k, const double values[], double r[]);
/* Fitted values W x of the local records, [n_records * n_traits]; missing traits get a value too. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEFitted(Mat C, const double x[], double fitted[]);
/* The same for k vectors fastest, x [n_owned * k], fitted [n_records * n_traits * k]. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEFittedBlock(Mat C, int k, const double x[], double fitted[]);
/* y += B z and t = B' x with B B' the penalties, a triangular factor for each: A^-1 = (I - P)' D^-1 (I - P) by rows of I - P, G^-1 by
   Cholesky; [n_owned * k], fixed equations 0. Every G is non-singular. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEPenaltyRoot(Mat C, int k, const double z[], double y[]);
/* The transposed product, see above. */
MERIT_EXTERN PetscErrorCode MeritMMEPenaltyRootTransposed(Mat C, int k, const double x[], double t[]);
/* Diagonal blocks of C, one per owned level (n_eq x n_eq, row-major), level after level, term after term; owned, PetscFree. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEBlockDiagonal(Mat C, double **blocks);
/* Data parts J' R^-1 J of diagonal blocks that a caller keeps, so that new variances need no pass over the records: while R^-1 is the same for all
   patterns of traits, or a multiple. Both are NULL at first. */
typedef struct {
  double *data;      /* of the levels of this rank, by component slots; owned */
  double *R_inverse; /* for which they are; owned */
} MeritBlockCache;
/* Free what a cache holds, as if nothing were kept: when coefficients of the records have changed, and at the end. */
MERIT_EXTERN PetscErrorCode MeritBlockCacheFree(MeritBlockCache *cache);
/* Parts of the diagonal blocks of a term: data and penalty, the data's alone, or none (0 then, and no pass over genotypes). */
typedef enum { MERIT_BLOCKS_ALL, MERIT_BLOCKS_DATA, MERIT_BLOCKS_NONE } MeritBlockParts;
/* MeritMMEBlockDiagonal with parts[n_terms] and a cache; NULL: all parts, nothing kept. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEBlockDiagonalParts(Mat C, const MeritBlockParts parts[], MeritBlockCache *cache, double **blocks);
/* Genomic values g = M u of the genotype rows of this rank's tile from the components of an SNP term, [n_rows * n_comp]. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEGenomicValues(Mat C, int term, const double x[], double g[]);
/* The same of every SNP term: (*genomic)[n_terms], NULL for other terms; freed by the next call. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEGenomicTerms(Mat C, const double x[], double ***genomic);
/* Free them; NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritMMEGenomicTermsFree(Mat C, double ***genomic);
/* How often an application reads the genotypes: chosen by the sizes: once (a single SNP term on a grid of one column; else twice), twice. */
typedef enum { MERIT_PASSES_CHOOSE, MERIT_PASSES_ONE, MERIT_PASSES_TWO } MeritPasses;
/* Choose that for C; for tests and measurements. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMESetPasses(Mat C, MeritPasses passes);
/* Applications from now on go through the genotypes in single precision (merit/packed.h), or in double (at first). Logically collective. */
MERIT_EXTERN PetscErrorCode MeritMMESetPrecision(Mat C, bool mixed);
/* Take over new variances of the model, if there are any: bumps the state of C, so that preconditioners are set up anew. Everything that uses C
   does this itself; a program calls it only where PETSc alone is to see that C has changed, before KSPSolve with a preconditioner of PETSc.
   Collective. */
MERIT_EXTERN PetscErrorCode MeritMMERefresh(Mat C);
/* Counts up, from 1, at every change of C: new variances, which this call takes over, and MeritMMEDropFixed. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEState(Mat C, uint64_t *state);
/* Sum over records of J' R^-1 J of the animals of the genotype rows of this rank (grid column 0), blocks [n_rows * n_eq * n_eq]; owned, PetscFree. The
   cache may be NULL. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEGenotypedBlocks(Mat C, int term, MeritBlockCache *cache, double **blocks);
/* Y = M' diag(weight) M X of an SNP term for k vectors over its SNPs, X, Y [n_owned levels * k], weight [n_rows] of the tile. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMESnpGram(Mat C, int term, int k, const double weight[], const double X[], double Y[]);
/* The records as C's kernels see them, regressors of term k being first_regressor[k] .. [k + 1] - 1; slots are equation slots unless some G is
   singular (*expanded). Borrowed. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEGetRecords(Mat C, const MeritRecordKernel **records, const int **first_regressor, bool *expanded);
/* The model of C; borrowed. */
MERIT_EXTERN PetscErrorCode MeritMMEGetModel(Mat C, MeritModel *model);
/* From now on C without its fixed effects (random): their equations are rows and columns of the identity; or with them again. Bumps the state of C.
   Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEDropFixed(Mat C, bool random);
/* State of each owned equation in C, [n_owned]; borrowed until MeritMMEDropFixed. Not collective. */
MERIT_EXTERN PetscErrorCode MeritMMEEquationState(Mat C, const uint8_t **state);
/* Upper limits for forming C: entries over all ranks, entries of the rank with most, bytes of that rank. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEAssembledSize(Mat C, int64_t *entries, int64_t *most, int64_t *bytes);
/* Bytes of the fullest rank for MeritMMEAssembleSparse. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMESparseSize(Mat C, int64_t *bytes);
/* C without the contributions of SNP and ridge terms; full[n_owned] marks their equations, NULL: none. Free with MatDestroy, PetscFree. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEAssembleSparse(Mat C, Mat *A, bool **full);
/* Matrices that replace G^-1 and R^-1 of the model when C is formed. */
typedef struct {
  const double *const *penalty;   /* [n_terms] n_eq x n_eq in place of G^-1, NULL entries: 0; NULL: all 0 */
  const double        *R_inverse; /* [n_patterns * n_traits^2] in place of R^-1; NULL: 0 */
  bool                 random;    /* fixed equations are treated as constrained ones */
  double               identity;  /* diagonal of constrained equations */
} MeritPenalties;
/* The numbers of A, which MeritMMEAssemble made, with other small matrices. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEAssembleWith(Mat C, const MeritPenalties *penalties, Mat A);
/* C formed as a MATAIJ of the same layout with the current variances; for direct solvers and small problems. Free with MatDestroy. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEAssemble(Mat C, Mat *A);
/* Add the memory of the operator's vectors with ghosts; the model is set up. Collective. */
MERIT_EXTERN PetscErrorCode MeritMMEAddBytes(MeritModel model, MeritBytes *b);
/* Add the work of one product with C. Not collective. */
MERIT_EXTERN PetscErrorCode MeritMMEAddWork(MeritModel model, const MeritTraffic *traffic, MeritWork *w);

#pragma once
#include <merit/checkpoint.h>
#include <merit/op.h>
#include <petscviewer.h>

/*
  Sweeps over the effects of a model, one block of equations after another: terms in the order of the formula; within a term the levels
  colour by colour (no record and no pedigree edge couples two levels of a colour), the columns of SNP and ridge terms one by one in canonical
  order. Each block is updated given all other effects as they are: relaxed (Gauss-Seidel with residual update), or as a visitor decides, who
  may draw it from its conditional distribution (Gibbs sampling).

  A sweep owns the observations y, the residuals y - W x of the records and those of the pedigree edges, and keeps them up to date; x is the
  caller's. New variances of the model are seen by the next call. The iterates are those of one sequential sweep, to rounding, at any number
  of ranks and threads.
*/
typedef struct _p_MeritSweep *MeritSweep;

/* Make a sweep over the effects of C, which must be one of MeritMatCreateMME and outlive it; genotypes lie on a grid of one column. Takes the
   number of OpenMP threads once, here. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepCreate(Mat C, MeritSweep *sweep);
/* Columns of SNP and ridge terms that are updated between two reductions over the ranks (at least 1; the block's Gram matrix is kept); before
   MeritSweepSetUp, 64 by default. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetBlock(MeritSweep sweep, int32_t columns);
/* Compute all residuals from x before each colour and column instead of updating them; before MeritSweepSetUp. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetRecompute(MeritSweep sweep, bool recompute);
/* Factor of the steps, 0 < w < 2; 1 by default. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetRelaxation(MeritSweep sweep, double relaxation);
/* The equations of one level, or of one column of an SNP or ridge term, when they are updated. C_bb is their block of C. */
typedef struct {
  int           term;
  int64_t       level;    /* canonical number */
  int           n;        /* equations */
  const double *x;        /* [n] their values before */
  const double *gradient; /* [n] r - C x in these equations, 0 in those that are constrained */
  const double *inverse;  /* [n * n] C_bb^-1: the conditional covariance matrix of the block given all others */
  const double *mean;     /* [n] x + C_bb^-1 gradient: their conditional mean */
  const double *root;     /* [n * n] lower triangular, root root' = C_bb^-1, row and column 0 in equations that depend on those before them */
} MeritSweepBlock;
/* Writes the new values of a block, value[n] (the mean at first); those of constrained equations are ignored. Called from several threads at once, for a
   level on its owner, for a column on every rank, where the answers must be the same to the bit: random numbers by (term, level). */
typedef void (*MeritSweepVisit)(const MeritSweepBlock *block, double value[], void *ctx);
/* Let a visitor decide the steps; NULL (default): relaxation. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetVisitor(MeritSweep sweep, MeritSweepVisit visit, void *ctx);
/* A sweep goes through all blocks and then, in the opposite order, through them again; or once (default). Logically collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetSymmetric(MeritSweep sweep, bool symmetric);
/* Colours, lists of records by level, Gram matrices, blocks. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetUp(MeritSweep sweep);
/* Observations y[n_records * n_traits] in place of the model's, or of those before (copied); the right-hand side becomes W' R^-1 y, the residuals
   follow. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetObservations(MeritSweep sweep, const double y[]);
/* Prior precision of each level or column in place of G^-1, a fixed term's in place of 0: symmetric n_eq x n_eq blocks (copied), of the levels
   owned here by position, or, in SNP and ridge terms, of all columns in canonical order, the same on all ranks. NULL: as in the model. Not for terms
   whose levels are related. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetPrecisions(MeritSweep sweep, int term, const double precisions[]);
/* Right-hand side r[n_owned] in place of W' R^-1 y. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepSetRightHandSide(MeritSweep sweep, const double r[]);
/* All residuals from x[n_owned]: call it whenever x was changed since the last sweep, or is not 0 at the start. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepRefresh(MeritSweep sweep, const double x[]);
/* One sweep: x[n_owned] is changed. sums[2 * n_terms + 1], parts of this rank, may be NULL: squares of the change of x by term (a symmetric sweep
   is one change), squares of x by term, squares of the residuals r - C x of the blocks when they were updated (for the last time). Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepRun(MeritSweep sweep, double x[], double sums[]);
/* The residuals y - W x of the records, [n_records * n_traits], trait fastest; borrowed. Not collective. */
MERIT_EXTERN PetscErrorCode MeritSweepResiduals(MeritSweep sweep, double **e);
/* Parts of a checkpoint that hold the state of a sweep */
enum { MERIT_SWEEP_PARTS = 3 };
/* Describe x[n_owned] and the residuals of records and of rows of recursions, as they are, to be saved or to be loaded; none depends on the
   number of ranks. Borrowed from x and the sweep. Not collective. */
MERIT_EXTERN PetscErrorCode MeritSweepState(MeritSweep sweep, double x[], MeritState state[MERIT_SWEEP_PARTS]);
/* Continue from the state, after it was loaded into these parts. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepRestore(MeritSweep sweep, const double x[]);
/* Print colours and widths of the terms. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepView(MeritSweep sweep, PetscViewer viewer);
/* Free; NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritSweepDestroy(MeritSweep *sweep);

/*
  merit_block: the inverse of each level's diagonal block of C, so that traits and components of
  a level are solved together. It needs no messages, and it is the one for models with a
  singular G.

  Set-up takes the blocks from the operator, one group of equal size for each term, and inverts
  them in place. An application is a product of each block with the values of its level; groups
  stand one after another, in the blocks as in a vector.
*/
#include "pc_impl.h"

/* Blocks of this rank: group g has n_levels[g] blocks of n_eq[g] x n_eq[g] numbers, row-major. */
typedef struct {
  int      n_groups;
  int     *n_eq;     /* [n_groups] block size; owned */
  int32_t *n_levels; /* [n_groups]; owned */
  double  *inverse;  /* blocks one after another; owned */
} Block;

/* Free the arrays of the blocks; the context remains. */
static PetscErrorCode Free(Block *block)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(block->n_eq));
  PetscCall(PetscFree(block->n_levels));
  PetscCall(PetscFree(block->inverse));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A matrix that is not the mixed model equations (the dummy of MeritSolverTryOptions) has blocks
   of one: its diagonal. */
static PetscErrorCode FromDiagonal(Mat C, Block *block)
{
  Vec           d;
  const double *value;
  PetscInt      n;

  PetscFunctionBegin;
  PetscCall(MatCreateVecs(C, &d, NULL));
  PetscCall(MatGetDiagonal(C, d));
  PetscCall(VecGetLocalSize(d, &n));
  block->n_groups = 1;
  PetscCall(PetscMalloc1(1, &block->n_eq));
  PetscCall(PetscMalloc1(1, &block->n_levels));
  PetscCall(PetscMalloc1(n + 1, &block->inverse));
  block->n_eq[0]     = 1;
  block->n_levels[0] = (int32_t)n;
  PetscCall(VecGetArrayRead(d, &value));
  PetscCall(PetscArraycpy(block->inverse, value, n));
  PetscCall(VecRestoreArrayRead(d, &value));
  PetscCall(VecDestroy(&d));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Blocks of the mixed model equations: a group is a term, a block a level of this rank. */
static PetscErrorCode FromEquations(Mat C, Block *block)
{
  MeritModel           model;
  const MeritTermView *term;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(C, &model));
  block->n_groups = MeritModelTerms(model, &term);
  PetscCall(PetscMalloc1(block->n_groups, &block->n_eq));
  PetscCall(PetscMalloc1(block->n_groups, &block->n_levels));
  for (int g = 0; g < block->n_groups; g++) {
    block->n_eq[g]     = term[g].n_eq;
    block->n_levels[g] = term[g].n_owned;
  }
  PetscCall(MeritMMEBlockDiagonal(C, &block->inverse));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take the blocks and invert them. A block without an inverse on any rank is an error on all. */
static PetscErrorCode SetUp_MeritBlock(PC pc)
{
  Block    *block;
  Mat       C;
  bool      equations;
  double   *at;
  PetscBool definite = PETSC_TRUE;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &block));
  PetscCall(PCGetOperators(pc, &C, NULL));
  PetscCall(Free(block));
  PetscCall(MeritMatIsMME(C, &equations));
  if (equations) PetscCall(FromEquations(C, block));
  else PetscCall(FromDiagonal(C, block));
  at = block->inverse;
  for (int g = 0; g < block->n_groups; g++)
    for (int32_t level = 0; level < block->n_levels[g]; level++, at += block->n_eq[g] * block->n_eq[g])
      if (MeritDenseSweep(block->n_eq[g], NULL, at) > 0) definite = PETSC_FALSE;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &definite, 1, MPIU_BOOL, MPI_LAND, PetscObjectComm((PetscObject)pc)));
  PetscCheck(definite, PetscObjectComm((PetscObject)pc), PETSC_ERR_MAT_LU_ZRPVT, "a diagonal block of the equations is not positive definite");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Y = M^-1 X, X and Y [n_owned * k], not the same. Threads take levels. */
static PetscErrorCode ApplyBlock_MeritBlock(PC pc, int k, const double X[], double Y[])
{
  Block        *block;
  const double *inverse;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &block));
  inverse = block->inverse;
  for (int g = 0; g < block->n_groups; g++) {
    const int     n        = block->n_eq[g];
    const int64_t n_levels = block->n_levels[g];

#pragma omp parallel for schedule(static)
    for (int64_t level = 0; level < n_levels; level++)
      for (int a = 0; a < n; a++)
        for (int j = 0; j < k; j++) {
          double sum = 0.0;

          for (int b = 0; b < n; b++) sum += inverse[(level * n + a) * n + b] * X[(level * n + b) * k + j];
          Y[(level * n + a) * k + j] = sum;
        }
    inverse += n_levels * n * n;
    X += n_levels * n * k;
    Y += n_levels * n * k;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCApply. PETSc may not know that the variances have changed, hence MeritPCReady(). */
static PetscErrorCode Apply_MeritBlock(PC pc, Vec x, Vec y)
{
  const double *X;
  double       *Y;

  PetscFunctionBegin;
  PetscCall(MeritPCReady(pc));
  PetscCall(VecGetArrayRead(x, &X));
  PetscCall(VecGetArrayWrite(y, &Y));
  PetscCall(ApplyBlock_MeritBlock(pc, 1, X, Y));
  PetscCall(VecRestoreArrayWrite(y, &Y));
  PetscCall(VecRestoreArrayRead(x, &X));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCView: the size of the blocks of each term. */
static PetscErrorCode View_MeritBlock(PC pc, PetscViewer viewer)
{
  Block *block;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &block));
  for (int g = 0; g < block->n_groups; g++) PetscCall(PetscViewerASCIIPrintf(viewer, "  term %d: blocks of %d\n", g, block->n_eq[g]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCDestroy: the context is ours; PETSc frees the PC itself. */
static PetscErrorCode Destroy_MeritBlock(PC pc)
{
  Block *block;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &block));
  PetscCall(Free(block));
  PetscCall(PetscFree(block));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyBlock_C", NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCCreate_MeritBlock - Creator for PCRegister: a PCSHELL with the blocks of C. Logically collective. */
PetscErrorCode PCCreate_MeritBlock(PC pc)
{
  Block *block;

  PetscFunctionBegin;
  PetscCall(PetscNew(&block));
  PetscCall(PCSetType(pc, PCSHELL));
  PetscCall(PCShellSetName(pc, "merit_block"));
  PetscCall(PCShellSetContext(pc, block));
  PetscCall(PCShellSetSetUp(pc, SetUp_MeritBlock));
  PetscCall(PCShellSetApply(pc, Apply_MeritBlock));
  PetscCall(PCShellSetView(pc, View_MeritBlock));
  PetscCall(PCShellSetDestroy(pc, Destroy_MeritBlock));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyBlock_C", ApplyBlock_MeritBlock));
  PetscFunctionReturn(PETSC_SUCCESS);
}

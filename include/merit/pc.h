#pragma once
#include <merit/op.h>
#include <petscpc.h>

/*
  Preconditioners of the mixed model equations, as PETSc PC types: "merit_block" (inverse of each level's block), "merit_ped"
  (incomplete Cholesky of the pedigree part, fixed effects exactly, other terms by blocks), "merit_fixed" (without the pedigree part), beside PETSc's none, jacobi,
  composite, deflation. What needs a formed matrix (asm, icc, sor, gamg...) is refused.
*/

/* Make our types known to PCSetType and -pc_type. Idempotent; not collective. */
MERIT_EXTERN PetscErrorCode MeritPCRegisterAll(void);
/* USAGE error for a type that needs a formed matrix. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritPCCheckType(const char type[]);
/* Y = M^-1 X for k right-hand sides, arrays [n * k], right-hand side fastest. Collective. */
MERIT_EXTERN PetscErrorCode MeritPCApplyBlock(PC pc, int k, const double X[], double Y[]);
/* The same where Y holds a copy of X and has room for ghosts (MeritMMERoom), as MeritMMEApplyInPlace wants its X. Collective. */
MERIT_EXTERN PetscErrorCode MeritPCApplyInPlace(PC pc, int k, const double X[], double Y[]);

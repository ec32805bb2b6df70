#pragma once
#include <merit/op.h>
#include <petscpc.h>

/*
  Preconditioners of the mixed model equations, as PETSc PC types: "merit_block" (inverse of each level's block), "merit_ped"
  (incomplete Cholesky of the pedigree part, fixed effects exactly, other terms by blocks), "merit_fixed" (without the pedigree part), beside PETSc's none, jacobi,
  composite, deflation. What needs a formed matrix (asm, icc, sor, gamg...) is refused.
*/

/* What merit_ped and merit_fixed do with the equations of SNPs: each SNP's block; blocks of neighbours; a low-rank approximation. */
typedef enum { MERIT_SNP_AUTO, MERIT_SNP_DIAGONAL, MERIT_SNP_BLOCKS, MERIT_SNP_NYSTROM } MeritSnpKind;
typedef struct {
  MeritSnpKind kind;
  int32_t      width;          /* BLOCKS: SNPs of a block */
  int32_t      rank;           /* NYSTROM: directions kept; 0: chosen by cost */
  bool         multiplicative; /* apply the parts of SNPs and of other equations one after another, instead of adding them */
} MeritSnpOptions;

/* Choose that, before set-up; no effect on other types. PETSc's -pc_merit_snp, -pc_merit_snp_block, -pc_merit_nystrom_rank and
   -pc_merit_combine take precedence. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritPCSetSnp(PC pc, const MeritSnpOptions *options);

/* Make our types known to PCSetType and -pc_type. Idempotent; not collective. */
MERIT_EXTERN PetscErrorCode MeritPCRegisterAll(void);
/* USAGE error for a type that needs a formed matrix. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritPCCheckType(const char type[]);
/* Y = M^-1 X for k right-hand sides, arrays [n * k], right-hand side fastest. Collective. */
MERIT_EXTERN PetscErrorCode MeritPCApplyBlock(PC pc, int k, const double X[], double Y[]);
/* The same where Y holds a copy of X and has room for ghosts (MeritMMEWorkLength), as X of MeritMMEApplyInPlace. Collective. */
MERIT_EXTERN PetscErrorCode MeritPCApplyInPlace(PC pc, int k, const double X[], double Y[]);

/*
  Preconditioner and operator in one pass over the data, for one right-hand side. Residuals are r = [0; r_A], with 0 for the
  fixed effects, which are solved exactly; C M^-1 r has this form, too.
*/
typedef struct _p_MeritFusedPass *MeritFusedPass;
/* The fused pass of a preconditioner, or NULL: merit_ped has one for one pedigree term of plain animals beside fixed effects. Borrowed until
   the PC is set up anew. Collective. */
MERIT_EXTERN PetscErrorCode MeritPCGetFusedPass(PC pc, MeritFusedPass *joint);
/* Solve for the fixed effects: r becomes such a residual, x and r [n] are changed accordingly. v: work with room for ghosts (MeritMMEWorkLength),
   0 after. Collective. */
MERIT_EXTERN PetscErrorCode MeritFusedPassStart(MeritFusedPass joint, double v[], double x[], double r[]);
/* u: in r, out M^-1 r; w: C u without what Finish adds; both with room for ghosts. sums: this rank's parts of r'u and u'C u. Collective. */
MERIT_EXTERN PetscErrorCode MeritFusedPassApply(MeritFusedPass joint, double u[], double w[], double sums[2]);
/* The term whose animals Finish counts. */
MERIT_EXTERN int MeritFusedPassTerm(MeritFusedPass joint);
/* Complete w for the owned animals [first, last) of that term; reads u at the fixed effects. May be called by several threads. Not collective. */
MERIT_EXTERN void MeritFusedPassFinish(MeritFusedPass joint, int32_t first, int32_t last, const double u[], double w[]);

/* Add the memory of inverse blocks of levels; the model is set up. Collective. */
MERIT_EXTERN PetscErrorCode MeritPCAddBytes(MeritModel model, MeritBytes *b);
/* Add the work of one application of the preconditioner that a model gets by default, or take off what it shares with the operator's. Not
   collective. */
MERIT_EXTERN PetscErrorCode MeritPCAddWork(const MeritTraffic *traffic, MeritWork *w);

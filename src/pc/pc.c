/*
  Registration of our preconditioners, and their application to blocks of right-hand sides.

  PETSc's PC knows one vector at a time. Types that can do more compose functions by name, which
  are looked up here: "MeritPCApplyBlock_C" (k right-hand sides), "MeritPCApplyInPlace_C" (the
  same in arrays with room for ghosts), "MeritPCGetFusedPass_C" (with the operator in one pass),
  "MeritPCSetSnp_C" (options). A type without them still works.
*/
#include "pc_impl.h"
#include <string.h>

/* MeritPCRegisterAll - Make our preconditioners known to PETSc. Not collective; may be called again. */
PetscErrorCode MeritPCRegisterAll(void)
{
  PetscFunctionBegin;
  PetscCall(PCRegister("merit_block", PCCreate_MeritBlock));
  PetscCall(PCRegister("merit_ped", PCCreate_MeritPed));
  PetscCall(PCRegister("merit_fixed", PCCreate_MeritFixed));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPCCheckType - Refuse types that need a formed matrix, which C never is: PETSc would fail
   later, with a message that says less. Logically collective. */
PetscErrorCode MeritPCCheckType(const char type[])
{
  static const char *const known[] = {PCNONE, PCJACOBI, PCSHELL, PCCOMPOSITE, PCDEFLATION, PCKSP, PCMAT, "merit_block", "merit_ped", "merit_fixed"};
  const int                n       = (int)PETSC_STATIC_ARRAY_LENGTH(known);
  const char              *nearest = MeritNearest(type, n, known);

  PetscFunctionBegin;
  for (int i = 0; i < n; i++)
    if (!strcmp(known[i], type)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL,
                       "preconditioner \"%s\" is not available: the equations are never formed, so it must be one of none, jacobi, "
                       "merit_block, merit_ped, merit_fixed, composite, deflation%s%s%s",
                       type, nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : ""));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPCReady - See the header. PCSetUp() does nothing where the state of C is that of the last
   set-up. Collective. */
PetscErrorCode MeritPCReady(PC pc)
{
  Mat  C;
  bool equations;

  PetscFunctionBegin;
  PetscCall(PCGetOperators(pc, &C, NULL));
  PetscCall(MeritMatIsMME(C, &equations));
  if (equations) PetscCall(MeritMMERefresh(C));
  PetscCall(PCSetUp(pc));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One right-hand side at a time through PCApply, for types that know no blocks, such as jacobi
   and composite. X, Y [n * k]. */
static PetscErrorCode ApplyColumns(PC pc, int k, const double X[], double Y[])
{
  Mat      C;
  Vec      x, y;
  PetscInt n;

  PetscFunctionBegin;
  PetscCall(PCGetOperators(pc, &C, NULL));
  PetscCall(MatCreateVecs(C, &x, &y));
  PetscCall(VecGetLocalSize(x, &n));
  for (int j = 0; j < k; j++) {
    double       *in;
    const double *out;

    PetscCall(VecGetArrayWrite(x, &in));
    for (PetscInt i = 0; i < n; i++) in[i] = X[i * k + j];
    PetscCall(VecRestoreArrayWrite(x, &in));
    PetscCall(PCApply(pc, x, y));
    PetscCall(VecGetArrayRead(y, &out));
    for (PetscInt i = 0; i < n; i++) Y[i * k + j] = out[i];
    PetscCall(VecRestoreArrayRead(y, &out));
  }
  PetscCall(VecDestroy(&x));
  PetscCall(VecDestroy(&y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPCApplyBlock - Y = M^-1 X for k right-hand sides.

  Collective on pc. X, Y [n_owned * k], right-hand side fastest. Types that know blocks compose "MeritPCApplyBlock_C"; others get
  one column at a time.
@*/
PetscErrorCode MeritPCApplyBlock(PC pc, int k, const double X[], double Y[])
{
  PetscErrorCode (*apply)(PC, int, const double[], double[]) = NULL;

  PetscFunctionBegin;
  PetscCall(MeritPCReady(pc));
  PetscCall(PetscObjectQueryFunction((PetscObject)pc, "MeritPCApplyBlock_C", &apply));
  if (apply) PetscCall((*apply)(pc, k, X, Y));
  else PetscCall(ApplyColumns(pc, k, X, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPCGetFusedPass - The joint of a preconditioner that has one, else NULL; borrowed until the preconditioner is set up anew. Collective. */
PetscErrorCode MeritPCGetFusedPass(PC pc, MeritFusedPass *joint)
{
  PetscErrorCode (*get)(PC, MeritFusedPass *) = NULL;

  PetscFunctionBegin;
  /* set-up first: whether there is a joint depends on the model */
  *joint = NULL;
  PetscCall(MeritPCReady(pc));
  PetscCall(PetscObjectQueryFunction((PetscObject)pc, "MeritPCGetFusedPass_C", &get));
  if (get) PetscCall((*get)(pc, joint));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritPCApplyInPlace - Y = M^-1 X where Y is a copy of X with room for the ghosts of other ranks' levels.

  Collective on pc. X [n_owned * k]; Y [room of `MeritMMEWorkLength()`]: the same values on entry, and what is behind them as
  `MeritMMEApplyInPlace()` leaves it, 0 at first.
@*/
PetscErrorCode MeritPCApplyInPlace(PC pc, int k, const double X[], double Y[])
{
  PetscErrorCode (*apply)(PC, int, const double[], double[]) = NULL;

  PetscFunctionBegin;
  PetscCall(MeritPCReady(pc));
  PetscCall(PetscObjectQueryFunction((PetscObject)pc, "MeritPCApplyInPlace_C", &apply));
  if (apply) PetscCall((*apply)(pc, k, X, Y));
  else PetscCall(MeritPCApplyBlock(pc, k, X, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPCSetSnp - What merit_ped and merit_fixed do with SNPs; nothing in other types. Logically collective. */
PetscErrorCode MeritPCSetSnp(PC pc, const MeritSnpOptions *options)
{
  PetscErrorCode (*set)(PC, const MeritSnpOptions *) = NULL;

  PetscFunctionBegin;
  PetscCall(PetscObjectQueryFunction((PetscObject)pc, "MeritPCSetSnp_C", &set));
  if (set) PetscCall((*set)(pc, options));
  PetscFunctionReturn(PETSC_SUCCESS);
}

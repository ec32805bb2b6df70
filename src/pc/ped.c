/*
  merit_ped: an incomplete Cholesky factor of the pedigree part without fill. The order of
  elimination is: fixed effects, permanent-environment terms (permanent environment), then animals, youngest
  generation first. In that order A^-1 = (I - P)' D^-1 (I - P) is its own factor (Henderson
  1976; Quaas 1976), so without data nothing is approximate.

  With data, let K_i = G^-1 / d_i and W_i the data block of animal i plus the contributions of
  its offspring. The pivot is K_i + W_i. Its elimination couples the parents of i; only the
  diagonal blocks of that update are kept, (K_i - K_i pivot^-1 K_i) / 4 for each parent. So no
  entry of A^-1 is dropped, and the factor is positive definite by construction.

  Values of parents go between ranks generation by generation (ped_setup.c), so the factor does
  not depend on the number of ranks. All other terms keep the inverses of their diagonal blocks.
  merit_fixed is the same with the pedigree terms among these.

  This file has the application and what PETSc calls. An application with F the block of the
  fixed effects, B its coupling to the animals, and A the factor is:
    b = F^-1 r_F;  x_A = A^-1 (r_A - B' b);  x_F = b - F^-1 B x_A.
*/
#include "ped_impl.h"

/* PCSetUp: options, then all for the operator as it is now. */
static PetscErrorCode SetUp_MeritPed(PC pc)
{
  MeritPed *p;
  Mat       C;
  bool      equations;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  PetscCall(PCGetOperators(pc, &C, NULL));
  PetscCall(MeritMatIsMME(C, &equations));
  PetscCall(MeritPedSnpOptions(pc, p));
  /* a dummy, on which options are tried */
  if (equations) PetscCall(MeritPedSetUp(p, C));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedBegin - See the header. The room for fixed equations is made anew where k differs from
   that of the last application. Not collective. */
PetscErrorCode MeritPedBegin(MeritPed *p, int k, double *v)
{
  size_t n = 0;

  PetscFunctionBegin;
  p->work.v = v;
  if (p->work.k == k) PetscFunctionReturn(PETSC_SUCCESS);
  for (int i = 0; i < p->n_terms; i++)
    if (InFixed(p, i)) n += (size_t)p->term[i].n_owned * (size_t)p->term[i].n_eq;
  PetscCall(PetscFree(p->work.kept));
  PetscCall(PetscMalloc1(n * (size_t)k + 1, &p->work.kept));
  p->work.k = k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedExchange - See the header. Collective. */
PetscErrorCode MeritPedExchange(const MeritPed *p, PetscSF link, MPI_Datatype unit, bool reduce)
{
  double *ghosts = p->work.v + (int64_t)p->n_owned * p->work.k;

  PetscFunctionBegin;
  if (!link) PetscFunctionReturn(PETSC_SUCCESS);
  if (reduce) {
    PetscCall(PetscSFReduceBegin(link, unit, ghosts, p->work.v, MPI_SUM));
    PetscCall(PetscSFReduceEnd(link, unit, ghosts, p->work.v, MPI_SUM));
  } else {
    PetscCall(PetscSFBcastBegin(link, unit, p->work.v, ghosts, MPI_REPLACE));
    PetscCall(PetscSFBcastEnd(link, unit, p->work.v, ghosts, MPI_REPLACE));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fixed equations: copy the owned ones out (kept <- v, v <- 0, ghosts too), or take v away from
   what was kept (v <- kept - v). p->work.kept has them term after term. It gives x_F = b - F^-1 B x_A
   without a second vector. */
static void Keep(MeritPed *p, bool out)
{
  double *kept = p->work.kept;

  for (int i = 0; i < p->n_terms; i++) {
    const MeritTermView *t     = &p->term[i];
    double              *owned = p->work.v + (int64_t)t->eq_owned * p->work.k, *ghost = p->work.v + (int64_t)t->eq_other * p->work.k;
    const int64_t        n = (int64_t)t->n_owned * t->n_eq * p->work.k, m = (int64_t)t->n_ghost * t->n_eq * p->work.k;

    if (!InFixed(p, i)) continue;
    for (int64_t j = 0; j < n; j++) {
      const double value = owned[j];

      owned[j] = out ? 0.0 : kept[j] - value;
      if (out) kept[j] = value;
    }
    for (int64_t j = 0; j < m && out; j++) ghost[j] = 0.0;
    kept += n;
  }
}

/* v <- A^-1 v for the animals of one pedigree term. Forward, youngest step first: an animal
   gives its parents their part, so ghosts (parents that other ranks own) are added to their
   owners before the step of the owners. Backward, oldest step first: an animal takes from its
   parents, so their values go to the ghosts after their step. */
static PetscErrorCode Substitute(MeritPed *p, MeritPedPart *part, MPI_Datatype unit)
{
  PetscFunctionBegin;
  for (int g = p->n_steps - 1; g >= 0; g--) {
    PetscCall(MeritPedExchange(p, part->link[g], unit, true));
    MeritPedigreeForward(&part->factor, part->start[g], part->start[g + 1], p->work.k, p->work.v);
  }
  for (int g = 0; g < p->n_steps; g++) {
    MeritPedigreeBackward(&part->factor, part->start[g], part->start[g + 1], p->work.k, p->work.v);
    PetscCall(MeritPedExchange(p, part->link[g], unit, false));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* y = blocks x over the levels of a term, x and y [n_owned * n_eq * k], not the same. */
static void MultiplyBlocks(const MeritTermView *t, int k, const double *block, const double *x, double *y)
{
  const int n = t->n_eq;

  for (int32_t level = 0; level < t->n_owned; level++)
    for (int a = 0; a < n; a++)
      for (int j = 0; j < k; j++) {
        double sum = 0.0;

        for (int b = 0; b < n; b++) sum += block[((int64_t)level * n + a) * n + b] * x[((int64_t)level * n + b) * k + j];
        y[((int64_t)level * n + a) * k + j] = sum;
      }
}

/* The blocks of the other terms times X: those that are not handled with the animals, not in F,
   and have no SNP part of their own. */
static void ApplyBlocks(MeritPed *p, const double X[], double Y[])
{
  const double *block = p->inverse;

  for (int i = 0; i < p->n_terms; i++) {
    const MeritTermView *t  = &p->term[i];
    const int64_t        at = (int64_t)t->eq_owned * p->work.k;

    if (p->in_parts[i] || InFixed(p, i) || p->snps.handles[i]) continue;
    MultiplyBlocks(t, p->work.k, block, X + at, Y + at);
    block += (int64_t)t->n_owned * t->n_eq * t->n_eq;
  }
}

/*
  MeritPedApplyOthers - See the header. Collective.

  The lines of the file's head in order: F^-1 r_F; its part B' b taken from the animals, record
  by record (`down`); the substitutions, with the permanent-environment terms before and after; then B x_A gathered
  by the records (`up`) where b was, which Keep() saves, and F^-1 once more.
*/
PetscErrorCode MeritPedApplyOthers(MeritPed *p, int k, const double X[], double Y[])
{
  MPI_Datatype unit;

  PetscFunctionBegin;
  PetscCall(MeritPedBegin(p, k, Y));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCall(PetscArrayzero(p->work.v + (int64_t)p->n_owned * k, (size_t)(p->n_local - p->n_owned) * (size_t)k));
  PetscCall(MeritPedFixedSolve(p, p->work.v));
  /* without pedigree terms (merit_fixed) the fixed effects are done, and the rest is blocks */
  if (p->n_parts) {
    PetscCall(MeritPedExchange(p, p->fixed.link, unit, false));
    MeritRecordsTransfer(p->records, p->down, -1.0, k, p->work.v, p->work.v);
    for (int i = 0; i < p->n_parts; i++) {
      if (p->part[i].permanent.term >= 0) MeritPedPermanentForward(p, &p->part[i], p->work.v);
      PetscCall(Substitute(p, &p->part[i], unit));
      if (p->part[i].permanent.term >= 0) MeritPedPermanentBackward(p, &p->part[i], p->work.v);
    }
    Keep(p, true);
    MeritRecordsTransfer(p->records, p->up, 1.0, k, p->work.v, p->work.v);
    PetscCall(MeritPedExchange(p, p->fixed.link, unit, true));
    PetscCall(MeritPedFixedSolve(p, p->work.v));
    Keep(p, false);
  }
  PetscCall(MeritUnitFree(&unit));
  ApplyBlocks(p, X, Y);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Composed as "MeritPCApplyInPlace_C": Y holds a copy of X and has room for ghosts. The SNPs'
   part and that of the others are side by side, or one after another (ped_combine.c). */
static PetscErrorCode ApplyInPlace_MeritPed(PC pc, int k, const double X[], double Y[])
{
  MeritPed *p;
  Mat       C;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  if (p->snps.n && p->snps.options.multiplicative) {
    PetscCall(PCGetOperators(pc, &C, NULL));
    PetscCall(MeritPedCombineApply(p, C, k, X, Y));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritPedApplyOthers(p, k, X, Y));
  PetscCall(MeritPedSnpApply(p, X, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Composed as "MeritPCApplyBlock_C": X, Y [n_owned * k] without room for ghosts, so the work is
   done in an array of p. */
static PetscErrorCode ApplyBlock_MeritPed(PC pc, int k, const double X[], double Y[])
{
  MeritPed *p;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  if (p->work.own_k != k) {
    PetscCall(PetscFree(p->work.own));
    PetscCall(PetscCalloc1((size_t)p->records->scatter->y_length * (size_t)k + 1, &p->work.own));
    p->work.own_k = k;
  }
  /* the work array has private slots of threads too, which record kernels leave 0 */
  PetscCall(PetscArraycpy(p->work.own, X, (size_t)p->n_owned * (size_t)k));
  PetscCall(ApplyInPlace_MeritPed(pc, k, X, p->work.own));
  PetscCall(PetscArraycpy(Y, p->work.own, (size_t)p->n_owned * (size_t)k));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Apply_MeritPed(PC pc, Vec x, Vec y)
{
  const double *X;
  double       *Y;

  PetscFunctionBegin;
  PetscCall(MeritPCReady(pc));
  PetscCall(VecGetArrayRead(x, &X));
  PetscCall(VecGetArrayWrite(y, &Y));
  PetscCall(ApplyBlock_MeritPed(pc, 1, X, Y));
  PetscCall(VecRestoreArrayWrite(y, &Y));
  PetscCall(VecRestoreArrayRead(x, &X));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCView: sizes of the parts, and what is done with SNPs. */
static PetscErrorCode View_MeritPed(PC pc, PetscViewer viewer)
{
  MeritPed *p;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  PetscCall(PetscViewerASCIIPrintf(viewer, "  %d pedigree terms, %d steps of generations; fixed effects: term %d by levels, %d equations densely\n",
                                   p->n_parts, p->n_steps, p->fixed.big, p->fixed.n_small));
  PetscCall(MeritPedSnpView(p, viewer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCDestroy: all of the context, sketches too. */
static PetscErrorCode Destroy_MeritPed(PC pc)
{
  MeritPed *p;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  PetscCall(MeritPedFree(p));
  PetscCall(MeritPedSketchFree(p));
  PetscCall(PetscFree(p));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyBlock_C", NULL));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyInPlace_C", NULL));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCSetSnp_C", NULL));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCGetFusedPass_C", NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Composed as "MeritPCSetSnp_C". */
static PetscErrorCode SetSnp_MeritPed(PC pc, const MeritSnpOptions *options)
{
  MeritPed *p;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  p->snps.options = *options;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A PCSHELL with an empty context; both types differ in use_pedigree alone. */
static PetscErrorCode Create(PC pc, const char name[], bool use_pedigree)
{
  MeritPed *p;

  PetscFunctionBegin;
  PetscCall(PetscNew(&p));
  p->use_pedigree = use_pedigree;
  p->snps.options = (MeritSnpOptions){MERIT_SNP_DIAGONAL, 64, 0, false};
  PetscCall(PCSetType(pc, PCSHELL));
  PetscCall(PCShellSetName(pc, name));
  PetscCall(PCShellSetContext(pc, p));
  PetscCall(PCShellSetSetUp(pc, SetUp_MeritPed));
  PetscCall(PCShellSetApply(pc, Apply_MeritPed));
  PetscCall(PCShellSetView(pc, View_MeritPed));
  PetscCall(PCShellSetDestroy(pc, Destroy_MeritPed));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyBlock_C", ApplyBlock_MeritPed));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCApplyInPlace_C", ApplyInPlace_MeritPed));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCSetSnp_C", SetSnp_MeritPed));
  PetscCall(PetscObjectComposeFunction((PetscObject)pc, "MeritPCGetFusedPass_C", MeritPedFusedPassGet));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCCreate_MeritPed - Creator for PCRegister: a PCSHELL. Logically collective. */
PetscErrorCode PCCreate_MeritPed(PC pc)
{
  PetscFunctionBegin;
  PetscCall(Create(pc, "merit_ped", true));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PCCreate_MeritFixed - The same without the incomplete Cholesky: fixed effects exactly, all other terms by blocks. Logically collective. */
PetscErrorCode PCCreate_MeritFixed(PC pc)
{
  PetscFunctionBegin;
  PetscCall(Create(pc, "merit_fixed", false));
  PetscFunctionReturn(PETSC_SUCCESS);
}

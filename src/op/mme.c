/*
  C = W' R^-1 W + blockdiag(K^-1 x G^-1) as a PETSc MATSHELL (Henderson 1984). Nothing is
  formed. One product Y = C X for k right-hand sides goes like this:

  1. X goes to x_local, with constrained equations 0. Owners begin to send the values of ghost
     levels.
  2. In the meantime, penalties of terms with independent levels, and genomic values M u of
     genotyped animals, to the genotyped levels (animals whose records this rank has).
  3. When the ghosts have come: penalties of terms whose levels are tied, such as pedigrees.
  4. The records: W, R^-1, W'. They write to owned levels, ghosts and genotyped levels.
  5. Ghosts are added to their owners, genotyped levels go through M' to the SNPs, and y_local goes to
     Y.

  If some G is singular, the records work in component slots (u = L v), and the rest in
  equations (expand.c). Where there are many genotypes for each record, they are read once, not
  twice (one_pass.c).
*/
#include "op_impl.h"
#include <omp.h>

/* MeritMMEGet - Context of C. Not collective; borrowed. */
PetscErrorCode MeritMMEGet(Mat C, MeritMME **mme)
{
  PetscFunctionBegin;
  PetscCall(MatShellGetContext(C, mme));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMatIsMME - Was this matrix made by MeritMatCreateMME()? Not collective. */
PetscErrorCode MeritMatIsMME(Mat C, bool *yes)
{
  PetscErrorCode (*get)(Mat, MeritMME **) = NULL;

  PetscFunctionBegin;
  PetscCall(PetscObjectQueryFunction((PetscObject)C, "MeritMMEGet_C", &get));
  *yes = get != NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEGetModel - The model of C; borrowed. Not collective. */
PetscErrorCode MeritMMEGetModel(Mat C, MeritModel *model)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  *model = mme->model;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEGetRecords - The record kernel of C; borrowed. Collective. */
PetscErrorCode MeritMMEGetRecords(Mat C, const MeritRecordKernel **records, const int **first_regressor, bool *expanded)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  *records         = &mme->regressors.kernel;
  *first_regressor = mme->regressors.first;
  *expanded        = mme->expand;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Effects of SNPs -> genotyped levels, for every SNP term: g = M u is made for the rows of the genotype
   tile, and each row is sent to the ranks that have records of its animal. */
static PetscErrorCode FillGenotyped(MeritMME *mme, int k)
{
  PetscFunctionBegin;
  for (int i = 0; i < mme->n_snp; i++) {
    MeritSnpLink        *link  = &mme->snp[i];
    const MeritTermView *term  = &mme->term[link->term];
    const int            width = link->n_eq * k;
    MPI_Datatype         unit;
    double              *rows, *leaf = mme->work.x_local + (int64_t)term->eq_other * k;

    if (!width) continue;
    PetscCall(MeritSnpForward(link, width, mme->work.x_local + (int64_t)term->eq_owned * k, &rows));
    PetscCall(MeritUnitCreate(width, &unit));
    PetscCall(PetscSFBcastBegin(link->genotyped, unit, rows, leaf, MPI_REPLACE));
    PetscCall(PetscSFBcastEnd(link->genotyped, unit, rows, leaf, MPI_REPLACE));
    PetscCall(MeritUnitFree(&unit));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The adjoint: genotyped levels -> effects of SNPs, added to y_local, for every SNP term. Rows are
   summed over the ranks that have records of the animal, before M' is applied. */
static PetscErrorCode EmptyGenotyped(MeritMME *mme, int k)
{
  PetscFunctionBegin;
  for (int i = 0; i < mme->n_snp; i++) {
    MeritSnpLink        *link  = &mme->snp[i];
    const MeritTermView *term  = &mme->term[link->term];
    const int            width = link->n_eq * k;
    MPI_Datatype         unit;
    double              *rows, *leaf = mme->work.y_local + (int64_t)term->eq_other * k;

    if (!width) continue;
    PetscCall(MeritSnpRows(link, width, &rows));
    PetscCall(MeritUnitCreate(width, &unit));
    PetscCall(PetscSFReduceBegin(link->genotyped, unit, leaf, rows, MPI_SUM));
    PetscCall(PetscSFReduceEnd(link->genotyped, unit, leaf, rows, MPI_SUM));
    PetscCall(MeritUnitFree(&unit));
    PetscCall(MeritSnpAdjoint(link, width, false, rows, mme->work.y_local + (int64_t)term->eq_owned * k));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x -> x_local with constrained equations 0, and the ghosts on their way. x may be x_local itself
   (MeritMMEApplyInPlace). */
static PetscErrorCode DistributeBegin(MeritMME *mme, int k, const double *x)
{
  PetscFunctionBegin;
  PetscCall(MeritMMEWork(mme, k));
  if (x != mme->work.x_local) PetscCall(PetscArraycpy(mme->work.x_local, x, (size_t)mme->n_owned * (size_t)k));
  for (int32_t i = 0; i < mme->constrained.n; i++)
    for (int j = 0; j < k; j++) mme->work.x_local[(int64_t)mme->constrained.equation[i] * k + j] = 0.0;
  PetscCall(PetscSFBcastBegin(mme->halo, mme->work.unit, mme->work.x_local, mme->work.x_local + (int64_t)mme->n_owned * k, MPI_REPLACE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* In one pass the genomic values are not known when the records go through first: the genotyped levels
   are 0. */
static PetscErrorCode ClearGenotyped(MeritMME *mme, int k)
{
  const MeritTermView *term = &mme->term[mme->snp[0].term];

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(mme->work.x_local + (int64_t)term->eq_other * k, (size_t)term->n_genotyped * (size_t)(term->n_eq * k)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The genotypes go through while the ghosts are on their way (in one pass they come after the
   records); *slots is what the record kernels read. */
static PetscErrorCode DistributeEnd(MeritMME *mme, int k, bool one_pass, const double **slots)
{
  PetscFunctionBegin;
  if (one_pass) PetscCall(ClearGenotyped(mme, k));
  else PetscCall(FillGenotyped(mme, k));
  PetscCall(PetscSFBcastEnd(mme->halo, mme->work.unit, mme->work.x_local, mme->work.x_local + (int64_t)mme->n_owned * k, MPI_REPLACE));
  *slots = mme->work.x_local;
  if (mme->expand) {
    MeritExpand(mme, k, mme->work.x_local, mme->work.x_slots);
    *slots = mme->work.x_slots;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEDistribute - See the header. Collective. */
PetscErrorCode MeritMMEDistribute(MeritMME *mme, int k, const double *x, const double **slots)
{
  PetscFunctionBegin;
  PetscCall(DistributeBegin(mme, k, x));
  PetscCall(DistributeEnd(mme, k, false, slots));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What the record kernels wrote -> y. One pass adds to ghosts as well, so it comes before the
   ghosts are added to their owners; two passes use the time after. */
static PetscErrorCode Collect(MeritMME *mme, int k, bool one_pass, const double *x, double *y)
{
  double *ghosts = mme->work.y_local + (int64_t)mme->n_owned * k;

  PetscFunctionBegin;
  if (mme->expand) MeritContract(mme, k, mme->work.y_slots, mme->work.y_local);
  if (one_pass) PetscCall(MeritOnePassApply(mme, k));
  PetscCall(PetscSFReduceBegin(mme->halo, mme->work.unit, ghosts, mme->work.y_local, MPI_SUM));
  PetscCall(PetscSFReduceEnd(mme->halo, mme->work.unit, ghosts, mme->work.y_local, MPI_SUM));
  if (!one_pass) PetscCall(EmptyGenotyped(mme, k));
  if (y != mme->work.y_local) PetscCall(PetscArraycpy(y, mme->work.y_local, (size_t)mme->n_owned * (size_t)k));
  for (int32_t i = 0; i < mme->constrained.n; i++)
    for (int j = 0; j < k; j++) y[(int64_t)mme->constrained.equation[i] * k + j] = x ? x[(int64_t)mme->constrained.equation[i] * k + j] : 0.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMECollect - See the header. Collective. */
PetscErrorCode MeritMMECollect(MeritMME *mme, int k, const double *x, double *y)
{
  PetscFunctionBegin;
  PetscCall(Collect(mme, k, false, x, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* J' R^-1 J of the genotype rows for the current variances: one pass applies it between M and
   M'. It is made again only when the state of the model has changed. */
static PetscErrorCode RenewBlocks(Mat C, MeritMME *mme)
{
  MeritSnpLink *link = mme->snp;

  PetscFunctionBegin;
  if ((link->D && link->D_state == MeritModelState(mme->model))) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(link->D));
  PetscCall(MeritMMEGenotypedBlocks(C, link->term, NULL, &link->D));
  link->D_state = MeritModelState(mme->model);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* 0 in y_local and in what the record kernels write to (*slots). If penalties come next,
   equations are left out that these overwrite: it saves a pass through memory. */
static PetscErrorCode ClearOutputs(MeritMME *mme, int k, bool penalties, double **slots)
{
  PetscFunctionBegin;
  PetscCall(MeritMMEWork(mme, k));
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *t = &mme->term[i];

    if (!penalties || !MeritPenaltyOverwrites(mme->penalty[i], k))
      PetscCall(PetscArrayzero(mme->work.y_local + (int64_t)t->eq_owned * k, (size_t)t->n_owned * (size_t)(t->n_eq * k)));
  }
  PetscCall(PetscArrayzero(mme->work.y_local + (int64_t)mme->n_owned * k, (size_t)(mme->n_local - mme->n_owned) * (size_t)k));
  *slots = mme->work.y_local;
  if (mme->expand) {
    PetscCall(PetscArrayzero(mme->work.y_slots, (size_t)mme->n_slots * (size_t)k));
    *slots = mme->work.y_slots;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEApplyWith - See the header. Collective. */
PetscErrorCode MeritMMEApplyWith(Mat C, const double *R_inverse, int k, const double X[], double Y[])
{
  MeritMME         *mme;
  MeritRecordKernel records;
  const double     *x_slots;
  double           *y_slots;
  bool              one_pass;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  records  = mme->regressors.kernel;
  one_pass = mme->one_pass.used && (!R_inverse || R_inverse == records.R_inverse);
  if (R_inverse) records.R_inverse = R_inverse;
  if (one_pass) PetscCall(RenewBlocks(C, mme));
  PetscCall(DistributeBegin(mme, k, X));
  PetscCall(ClearOutputs(mme, k, true, &y_slots));
  for (int i = 0; i < mme->n_terms; i++) MeritPenaltyApplyWithin(mme->penalty[i], k, mme->work.x_local, mme->work.y_local);
  PetscCall(DistributeEnd(mme, k, one_pass, &x_slots));
  for (int i = 0; i < mme->n_terms; i++) PetscCall(MeritPenaltyApplyAcross(mme->penalty[i], k, mme->work.x_local, mme->work.y_local));
  MeritRecordsApply(&records, k, x_slots, y_slots);
  PetscCall(Collect(mme, k, one_pass, X, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEApplyBlock - Y = C X for k right-hand sides, with the model's current variances.

  Collective on C.

  Input Parameters:
+ C - the mixed model equations
. k - right-hand sides
- X - [n_owned * k], right-hand side fastest

  Output Parameter:
. Y - [n_owned * k]
@*/
PetscErrorCode MeritMMEApplyBlock(Mat C, int k, const double X[], double Y[])
{
  PetscFunctionBegin;
  PetscCall(MeritMMEApplyWith(C, NULL, k, X, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEWorkLength - Room that the arrays of `MeritMMEApplyInPlace()` need for k right-hand sides, in doubles. Not collective. */
PetscErrorCode MeritMMEWorkLength(Mat C, int k, int64_t *room)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  *room = (int64_t)mme->work.length_local * k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEApplyInPlace - Y = C X for k right-hand sides, on arrays with room for the ghosts of other ranks' levels: no copies.

  Collective on C.

  Input Parameters:
+ C - the mixed model equations
- k - right-hand sides

  Input/Output Parameters:
+ X - [room of `MeritMMEWorkLength()`] the first n_owned * k values are kept, what is behind them is overwritten
- Y - [room] out: the first n_owned * k values; what is behind them must be 0 when the array is first used here
@*/
PetscErrorCode MeritMMEApplyInPlace(Mat C, int k, double X[], double Y[])
{
  MeritMME *mme;
  double   *x_local, *y_local, *kept;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme)); /* before X and Y take the place of its arrays */
  PetscCall(MeritMMEWork(mme, k));
  PetscCall(PetscMalloc1((size_t)mme->constrained.n * (size_t)k, &kept));
  /* an application sets constrained equations of X to 0 and copies them to Y, so their values are
     saved */
  for (int32_t i = 0; i < mme->constrained.n; i++)
    for (int j = 0; j < k; j++) kept[i * k + j] = X[(int64_t)mme->constrained.equation[i] * k + j];
  /* the application finds its input and output where it would copy them, and copies nothing */
  x_local           = mme->work.x_local;
  y_local           = mme->work.y_local;
  mme->work.x_local = X;
  mme->work.y_local = Y;
  PetscCall(MeritMMEApplyBlock(C, k, X, Y));
  mme->work.x_local = x_local;
  mme->work.y_local = y_local;
  for (int32_t i = 0; i < mme->constrained.n; i++)
    for (int j = 0; j < k; j++) X[(int64_t)mme->constrained.equation[i] * k + j] = Y[(int64_t)mme->constrained.equation[i] * k + j] = kept[i * k + j];
  PetscCall(PetscFree(kept));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEProject - r = W' R^-1 values, constrained equations 0; values [n_records * n_traits * k], r [n_owned * k]. Collective. */
PetscErrorCode MeritMMEProject(Mat C, int k, const double values[], double r[])
{
  MeritMME *mme;
  double   *y_slots;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  PetscCall(ClearOutputs(mme, k, false, &y_slots));
  MeritRecordsProject(&mme->regressors.kernel, k, values, y_slots);
  PetscCall(MeritMMECollect(mme, k, NULL, r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMERightHandSide - r = W' R^-1 y, constrained equations 0; [n_owned]. Collective. */
PetscErrorCode MeritMMERightHandSide(Mat C, double r[])
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  PetscCall(MeritMMEProject(C, 1, MeritModelRecords(mme->model)->y, r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEFitted - W x of the local records, [n_records * n_traits]. Collective. */
PetscErrorCode MeritMMEFitted(Mat C, const double x[], double fitted[])
{
  PetscFunctionBegin;
  PetscCall(MeritMMEFittedBlock(C, 1, x, fitted));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEFittedBlock - W X of the local records for k vectors, [n_records * n_traits * k]. Collective. */
PetscErrorCode MeritMMEFittedBlock(Mat C, int k, const double x[], double fitted[])
{
  MeritMME     *mme;
  const double *slots;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  PetscCall(MeritMMEDistribute(mme, k, x, &slots));
  MeritRecordsFitted(&mme->regressors.kernel, k, slots, fitted);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEGenomicValues - Components of M u for the tile's rows (on grid column 0), [n_rows * n_comp]. Collective. */
PetscErrorCode MeritMMEGenomicValues(Mat C, int term, const double x[], double g[])
{
  MeritMME            *mme;
  MeritSnpLink        *link = NULL;
  const MeritTermView *t;
  double              *rows = NULL;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  for (int i = 0; i < mme->n_snp; i++)
    if (mme->snp[i].term == term) link = &mme->snp[i];
  PetscCheck(link, mme->comm, PETSC_ERR_ARG_WRONG, "term %d is no SNP term", term);
  t = &mme->term[term];
  if (t->n_eq) PetscCall(MeritSnpForward(link, t->n_eq, x + t->eq_owned, &rows));
  for (int64_t row = 0; row < link->n_rows; row++)
    for (int c = 0; c < t->n_comp; c++) {
      double sum = 0.0;

      for (int e = 0; t->L && e < t->n_eq; e++) sum += t->L[c * t->n_eq + e] * rows[row * t->n_eq + e];
      g[row * t->n_comp + c] = t->L ? sum : rows[row * t->n_eq + c];
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MATOP_MULT and its transpose (C is symmetric): one right-hand side. */
static PetscErrorCode Mult_MME(Mat C, Vec x, Vec y)
{
  const double *X;
  double       *Y;

  PetscFunctionBegin;
  PetscCall(VecGetArrayRead(x, &X));
  PetscCall(VecGetArrayWrite(y, &Y));
  PetscCall(MeritMMEApplyBlock(C, 1, X, Y));
  PetscCall(VecRestoreArrayWrite(y, &Y));
  PetscCall(VecRestoreArrayRead(x, &X));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MATOP_GET_DIAGONAL, out of the diagonal blocks of levels. Equations of a rank stand term after
   term, level after level, as the blocks do. */
static PetscErrorCode GetDiagonal_MME(Mat C, Vec diagonal)
{
  MeritMME *mme;
  double   *blocks, *d;
  int64_t   block = 0;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  PetscCall(MeritMMEBlockDiagonal(C, &blocks));
  PetscCall(VecGetArrayWrite(diagonal, &d));
  for (int i = 0; i < mme->n_terms; i++)
    for (int32_t level = 0; level < mme->term[i].n_owned; level++) {
      const int n = mme->term[i].n_eq;

      for (int e = 0; e < n; e++) *d++ = blocks[block + e * n + e];
      block += n * n;
    }
  d -= mme->n_owned;
  PetscCall(VecRestoreArrayWrite(diagonal, &d));
  PetscCall(PetscFree(blocks));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MATOP_DESTROY: free the context. The model, and what the views of its terms refer to, are
   borrowed. */
static PetscErrorCode Destroy_MME(Mat C)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  PetscCall(MeritMMEWork(mme, 0));
  PetscCall(MeritRegressorsDestroy(&mme->regressors));
  for (int i = 0; i < mme->n_terms; i++) PetscCall(MeritPenaltyDestroy(&mme->penalty[i]));
  for (int i = 0; i < mme->n_snp; i++) PetscCall(MeritSnpLinkDestroy(&mme->snp[i]));
  PetscCall(PetscFree(mme->one_pass.role));
  PetscCall(PetscFree(mme->constrained.equation));
  PetscCall(PetscFree(mme->constrained.masked));
  PetscCall(PetscFree(mme->penalty));
  PetscCall(PetscFree(mme->snp));
  PetscCall(PetscFree(mme));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The penalty of each term, and the room that its products need */
static PetscErrorCode SetUpPenalties(MeritMME *mme, int n_threads)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1(mme->n_terms, &mme->penalty));
  for (int i = 0; i < mme->n_terms; i++) {
    PetscCall(MeritPenaltyCreate(MeritStructurePenalty(mme->term[i].structure), n_threads, mme->n_local, &mme->penalty[i]));
    MeritPenaltySetInverse(mme->penalty[i], mme->term[i].G_inverse);
    mme->work.length_local = PetscMax(mme->work.length_local, MeritPenaltyWorkLength(mme->penalty[i]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The links between rows and effects of factors that are fed */
static PetscErrorCode SetUpFed(MeritMME *mme)
{
  const int *fed;

  PetscFunctionBegin;
  mme->n_snp = MeritModelFedTerms(mme->model, &fed);
  PetscCall(PetscCalloc1(mme->n_snp, &mme->snp));
  for (int i = 0; i < mme->n_snp; i++) PetscCall(MeritSnpLinkCreate(mme, fed[i], &mme->snp[i]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMatCreateMME - Make the operator of the mixed model equations (Henderson 1984) of a model that is set up; nothing is formed.

  Collective.

  Output Parameter:
. C - symmetric `MATSHELL`, square over the equations of the model; owned by the caller, free with `MatDestroy()`

  Notes:
  The model is borrowed and must outlive C. Aliased and absent equations are rows and columns of the identity. The number of
  OpenMP threads is taken once, here.
@*/
PetscErrorCode MeritMatCreateMME(MeritModel model, Mat *C)
{
  const int n_threads = omp_get_max_threads();
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(PetscNew(&mme));
  mme->comm              = MeritModelComm(model);
  mme->model             = model;
  mme->state             = MeritModelState(model);
  mme->n_terms           = MeritModelTerms(model, &mme->term);
  mme->halo              = MeritModelHalo(model);
  mme->n_owned           = MeritModelLayout(model)->n_owned;
  mme->n_local           = MeritModelLayout(model)->n_local;
  mme->n_slots           = MeritModelLayout(model)->n_slots;
  mme->expand            = MeritMMEExpanded(mme);
  mme->constrained.state = MeritModelEquationState(model);
  PetscCall(MeritConstrainedList(mme->n_owned, &mme->constrained));
  PetscCall(MeritRegressorsCreate(MeritModelRecords(model), mme->n_terms, mme->term, mme->n_slots, n_threads, &mme->regressors));
  /* private slots of threads are behind the slots; where slots are equations, y_local has them */
  mme->work.length_slots = mme->regressors.scatter.y_length;
  mme->work.length_local = mme->n_slots == mme->n_local ? PetscMax(mme->n_local, mme->work.length_slots) : mme->n_local;
  PetscCall(SetUpPenalties(mme, n_threads));
  PetscCall(SetUpFed(mme));
  PetscCall(MeritOnePassSetUp(mme));
  PetscCall(MatCreateShell(mme->comm, mme->n_owned, mme->n_owned, PETSC_DETERMINE, PETSC_DETERMINE, mme, C));
  PetscCall(MatShellSetOperation(*C, MATOP_MULT, (void (*)(void))Mult_MME));
  PetscCall(MatShellSetOperation(*C, MATOP_MULT_TRANSPOSE, (void (*)(void))Mult_MME));
  PetscCall(MatShellSetOperation(*C, MATOP_GET_DIAGONAL, (void (*)(void))GetDiagonal_MME));
  PetscCall(MatShellSetOperation(*C, MATOP_DESTROY, (void (*)(void))Destroy_MME));
  PetscCall(PetscObjectComposeFunction((PetscObject)*C, "MeritMMEGet_C", MeritMMEGet));
  PetscCall(MatSetOption(*C, MAT_SYMMETRIC, PETSC_TRUE));
  PetscCall(MatSetOption(*C, MAT_SPD, PETSC_TRUE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMESetPasses - How often an application reads the genotypes; see the header. Collective. */
PetscErrorCode MeritMMESetPasses(Mat C, MeritPasses passes)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  mme->one_pass.asked = passes;
  PetscCall(MeritOnePassSetUp(mme));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Diagonal blocks of C: the equations of one level among themselves, n_eq x n_eq.

  1. Data parts J' R^-1 J of all local levels, in component slots, from the records (or from the
     caller's cache, times a factor).
  2. If some G is singular, L' D L: from components to equations.
  3. Penalties of levels, those of parents too; ghosts are added to their owners.
  4. Blocks of SNPs: the sum over genotyped animals of M_ij^2 times the data part of the animal
     (its genotyped levels).

  Within a rank the blocks of all terms have rows of the same length, `stride`, the largest
  n_comp of a term, so that one exchange carries them all. Pack() takes them out.
*/
#include "op_impl.h"
#include <math.h>

/* R^-1 is a multiple of another if all its elements are, to this relative difference */
static const double MULTIPLE = 4e-15;

/* Blocks of J' R^-1 J of the local levels in equation space: E[n_local * stride] = L' D L, D being in component slots */
static void ContractBlocks(const MeritTermView *t, int32_t n, int stride, const double *D, double *E)
{
  for (int32_t level = 0; level < n; level++)
    for (int a = 0; a < t->n_eq; a++)
      for (int b = 0; b < t->n_eq; b++) {
        const double *from = D + (int64_t)level * t->n_comp * stride;
        double        sum  = 0.0;

        for (int c = 0; t->L && c < t->n_comp; c++)
          for (int d = 0; d < t->n_comp; d++) sum += t->L[c * t->n_eq + a] * from[c * stride + d] * t->L[d * t->n_eq + b];
        E[((int64_t)level * t->n_eq + a) * stride + b] = t->L ? sum : from[a * stride + b];
      }
}

/* Is R^-1, n numbers, factor times `was`? The factor is taken at the largest element of `was`,
   where rounding counts least. */
static bool IsMultiple(size_t n, const double *R_inverse, const double *was, double *factor)
{
  size_t largest = 0;

  for (size_t i = 1; i < n; i++)
    if (fabs(was[i]) > fabs(was[largest])) largest = i;
  *factor = R_inverse[largest] / was[largest];
  for (size_t i = 0; i < n; i++)
    if (!(fabs(R_inverse[i] - *factor * was[i]) <= MULTIPLE * fabs(R_inverse[i]))) return false;
  return true;
}

/* Data part of the blocks of all local levels in component slots, *data [n_slots * stride]
   times *factor. Owned by the caller, or by the cache if there is one. Blocks are linear in R^-1,
   so those of a multiple need no pass over the records: with one trait this is so for every new
   residual variance. */
static PetscErrorCode DataBlocks(MeritMME *mme, int stride, MeritBlockCache *cache, double **data, double *factor)
{
  const size_t n_R = (size_t)mme->regressors.kernel.n_patterns * (size_t)(mme->regressors.kernel.n_traits * mme->regressors.kernel.n_traits);

  PetscFunctionBegin;
  *factor = 1.0;
  if (cache && cache->data && n_R && IsMultiple(n_R, mme->regressors.kernel.R_inverse, cache->R_inverse, factor)) {
    *data = cache->data;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  *factor = 1.0;
  PetscCall(PetscCalloc1((size_t)mme->n_slots * (size_t)stride + 1, data));
  MeritRecordsDiagonal(&mme->regressors.kernel, mme->regressors.first, mme->n_terms, stride, *data);
  if (!cache) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritBlockCacheFree(cache));
  cache->data = *data;
  PetscCall(PetscMalloc1(n_R + 1, &cache->R_inverse));
  PetscCall(PetscArraycpy(cache->R_inverse, mme->regressors.kernel.R_inverse, n_R));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Data part of the blocks of all local levels in equations; [n_local * stride], owned by the caller */
static PetscErrorCode LocalBlocks(MeritMME *mme, int stride, MeritBlockCache *cache, double **E)
{
  const size_t n = (size_t)mme->n_local * (size_t)stride;
  double      *D, factor;

  PetscFunctionBegin;
  PetscCall(DataBlocks(mme, stride, cache, &D, &factor));
  if (!mme->expand && !cache) {
    *E = D;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscCalloc1(n + 1, E));
  for (int i = 0; i < mme->n_terms && mme->expand; i++) {
    const MeritTermView *t = &mme->term[i];

    ContractBlocks(t, t->n_owned, stride, D + (int64_t)t->slot_owned * stride, *E + (int64_t)t->eq_owned * stride);
    ContractBlocks(t, t->n_ghost + t->n_genotyped, stride, D + (int64_t)t->slot_other * stride, *E + (int64_t)t->eq_other * stride);
  }
  if (!mme->expand) PetscCall(PetscArraycpy(*E, D, n));
  for (size_t i = 0; i < n && factor != 1.0; i++) (*E)[i] *= factor;
  if (!cache) PetscCall(PetscFree(D));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritBlockCacheFree - See the header. Not collective. */
PetscErrorCode MeritBlockCacheFree(MeritBlockCache *cache)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(cache->data));
  PetscCall(PetscFree(cache->R_inverse));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Length of a row of a block, for all terms alike. */
static int Stride(const MeritMME *mme)
{
  int stride = 1;

  for (int i = 0; i < mme->n_terms; i++) stride = PetscMax(stride, mme->term[i].n_comp);
  return stride;
}

/* Genotyped levels' blocks -> rows [n_rows * n_eq * stride] on grid column 0, summed over the ranks that
   have records of the animal. *rows belongs to the link. */
static PetscErrorCode RowBlocks(MeritMME *mme, MeritSnpLink *link, int stride, const double *E, double **rows)
{
  const MeritTermView *t     = &mme->term[link->term];
  const int            width = t->n_eq * stride;
  MPI_Datatype         unit;

  PetscFunctionBegin;
  PetscCall(MeritSnpRows(link, width, rows));
  PetscCall(MeritUnitCreate(width, &unit));
  PetscCall(PetscSFReduceBegin(link->genotyped, unit, E + (int64_t)t->eq_other * stride, *rows, MPI_SUM));
  PetscCall(PetscSFReduceEnd(link->genotyped, unit, E + (int64_t)t->eq_other * stride, *rows, MPI_SUM));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEGenotypedBlocks - Sum over records of J' R^-1 J for the animals of this rank's genotype rows.

  Collective on C. J maps the equations of the SNP term to the traits of a record.

  Output Parameter:
. blocks - [n_rows * n_eq * n_eq], complete on grid column 0, 0 elsewhere; owned by the caller, PetscFree
@*/
PetscErrorCode MeritMMEGenotypedBlocks(Mat C, int term, MeritBlockCache *cache, double **blocks)
{
  MeritMME *mme;
  double   *E, *rows;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  PetscCall(LocalBlocks(mme, Stride(mme), cache, &E));
  for (int i = 0; i < mme->n_snp; i++) {
    MeritSnpLink *link   = &mme->snp[i];
    const int     stride = Stride(mme), n = link->n_eq;

    if (link->term != term) continue;
    PetscCall(RowBlocks(mme, link, stride, E, &rows));
    PetscCall(PetscMalloc1((size_t)link->n_rows * (size_t)(n * n) + 1, blocks));
    for (int64_t at = 0; at < link->n_rows * n; at++)
      for (int b = 0; b < n; b++) (*blocks)[at * n + b] = rows[at * stride + b];
  }
  PetscCall(PetscFree(E));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Add what genotypes make of the genotyped levels' blocks to the blocks of the SNPs: B_j = sum over
   animals i of M_ij^2 D_i. */
static PetscErrorCode AddSnpBlocks(MeritMME *mme, MeritSnpLink *link, int stride, double *E)
{
  const MeritTermView *t     = &mme->term[link->term];
  const int            width = t->n_eq * stride;
  double              *rows;

  PetscFunctionBegin;
  if (!width) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(RowBlocks(mme, link, stride, E, &rows));
  PetscCall(MeritSnpAdjoint(link, width, true, rows, E + (int64_t)t->eq_owned * stride));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Pack the owned blocks; constrained equations become rows and columns of the identity */
static PetscErrorCode Pack(MeritMME *mme, int stride, const double *E, double **blocks)
{
  size_t  n_values = 0;
  double *to;

  PetscFunctionBegin;
  for (int i = 0; i < mme->n_terms; i++) n_values += (size_t)mme->term[i].n_owned * (size_t)(mme->term[i].n_eq * mme->term[i].n_eq);
  PetscCall(PetscMalloc1(n_values + 1, blocks));
  to = *blocks;
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *t = &mme->term[i];

    for (int32_t level = 0; level < t->n_owned; level++) {
      const int32_t first = t->eq_owned + level * t->n_eq;

      for (int a = 0; a < t->n_eq; a++)
        for (int b = 0; b < t->n_eq; b++) {
          bool constrained = mme->constrained.state[first + a] != MERIT_EQ_OK || mme->constrained.state[first + b] != MERIT_EQ_OK;

          *to++ = constrained ? (double)(a == b) : E[(int64_t)(first + a) * stride + b];
        }
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* 0 in the owned blocks of a term, for MERIT_BLOCKS_NONE. */
static PetscErrorCode Clear(const MeritTermView *t, int stride, double *E)
{
  PetscFunctionBegin;
  PetscCall(PetscArrayzero(E + (int64_t)t->eq_owned * stride, (size_t)t->n_owned * (size_t)(t->n_eq * stride)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMEBlockDiagonalParts - Diagonal blocks of C, one per owned level, or parts of them.

  Collective on C.

  Input Parameters:
+ parts - [n_terms], NULL: all
- cache - data parts that the caller keeps, NULL: none

  Output Parameter:
. blocks - per term and owned level n_eq x n_eq values, row-major, constrained equations being those of the identity; owned by the caller, PetscFree
@*/
PetscErrorCode MeritMMEBlockDiagonalParts(Mat C, const MeritBlockParts parts[], MeritBlockCache *cache, double **blocks)
{
  MeritMME    *mme;
  MPI_Datatype unit;
  double      *E;
  int          stride;

  PetscFunctionBegin;
  PetscCall(MeritMMECurrent(C, &mme));
  stride = Stride(mme);
  PetscCall(LocalBlocks(mme, stride, cache, &E));
  for (int i = 0; i < mme->n_terms; i++)
    if ((!parts || parts[i] == MERIT_BLOCKS_ALL) && !mme->term[i].fixed)
      MeritRecursionDiagonal(MeritStructurePenalty(mme->term[i].structure), mme->term[i].G_inverse, stride, E);
  PetscCall(MeritUnitCreate(stride, &unit));
  PetscCall(PetscSFReduceBegin(mme->halo, unit, E + (int64_t)mme->n_owned * stride, E, MPI_SUM));
  PetscCall(PetscSFReduceEnd(mme->halo, unit, E + (int64_t)mme->n_owned * stride, E, MPI_SUM));
  PetscCall(MeritUnitFree(&unit));
  for (int i = 0; i < mme->n_snp; i++)
    if (!parts || parts[mme->snp[i].term] != MERIT_BLOCKS_NONE) PetscCall(AddSnpBlocks(mme, &mme->snp[i], stride, E));
  for (int i = 0; i < mme->n_terms; i++)
    if (parts && parts[i] == MERIT_BLOCKS_NONE) PetscCall(Clear(&mme->term[i], stride, E));
  PetscCall(Pack(mme, stride, E, blocks));
  PetscCall(PetscFree(E));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEBlockDiagonal - Diagonal blocks of C, [n_eq * n_eq] per owned level; owned by the caller, PetscFree. Collective. */
PetscErrorCode MeritMMEBlockDiagonal(Mat C, double **blocks)
{
  PetscFunctionBegin;
  PetscCall(MeritMMEBlockDiagonalParts(C, NULL, NULL, blocks));
  PetscFunctionReturn(PETSC_SUCCESS);
}

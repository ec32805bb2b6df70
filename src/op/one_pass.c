/*
  One pass over the genotypes in an application of C, for a model with one SNP term on a grid of
  one column. Let g = M u be the genomic values, D the blocks J' R^-1 J of the animals' records,
  and w0 the part of J' R^-1 W x that comes from the other terms.

  1. The records go through with g = 0: they give the other terms their part, and the genotyped levels
     w0.
  2. Each tile does, row by row, g = M u, w = w0 + D g, and adds M' w: a genotype is decoded
     once for both products.
  3. The records go through again, from the genotyped levels to the other terms, with the g that is now
     known.

  It costs a second pass over the records, so it pays where there are many genotypes for each
  record.
*/
#include "op_impl.h"

/* Genotypes per record from which reading them once pays for going through the records twice. */
enum { GENOTYPES_PER_RECORD = 2000 };

/* MeritOnePassSetUp - Choose by the sizes of the data, or as asked for; all ranks alike. Collective. */
PetscErrorCode MeritOnePassSetUp(MeritMME *mme)
{
  int64_t n_animals, n_lines, n_dropped;
  bool    can = mme->n_snp == 1 && mme->snp[0].n_eq && mme->snp[0].grid_cols == 1;

  PetscFunctionBegin;
  mme->one_pass.used = false;
  if (!can || mme->one_pass.asked == MERIT_PASSES_TWO) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritGenotypesSize(MeritModelGenotypes(mme->model), &n_animals, NULL, NULL));
  PetscCall(MeritModelRecordCounts(mme->model, &n_lines, &n_dropped));
  mme->one_pass.used = mme->one_pass.asked == MERIT_PASSES_ONE || n_animals * mme->snp[0].n_used >= GENOTYPES_PER_RECORD * (n_lines - n_dropped);
  if (!mme->one_pass.used || mme->one_pass.role) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1(mme->regressors.kernel.n_regressors + 1, &mme->one_pass.role));
  for (int k = 0; k < mme->n_terms; k++)
    for (int r = mme->regressors.first[k]; r < mme->regressors.first[k + 1]; r++)
      mme->one_pass.role[r] = k == mme->snp[0].term ? MERIT_ROLE_FROM : MERIT_ROLE_TO;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritOnePassApply - What the genotypes add to y_local, after the records went through with the genotyped levels' values 0: their sums stand
  at the genotyped levels. Collective.
*/
PetscErrorCode MeritOnePassApply(MeritMME *mme, int k)
{
  MeritSnpLink        *link  = &mme->snp[0];
  const MeritTermView *term  = &mme->term[link->term];
  const int            width = link->n_eq * k;
  const int64_t        leaf = (int64_t)term->eq_other * k, own = (int64_t)term->eq_owned * k;
  const double        *from = mme->work.x_local;
  double              *rows, *values, *to = mme->work.y_local;
  MPI_Datatype         unit;

  PetscFunctionBegin;
  PetscCall(MeritUnitCreate(width, &unit));
  PetscCall(MeritSnpRows(link, width, &rows));
  PetscCall(PetscSFReduceBegin(link->genotyped, unit, mme->work.y_local + leaf, rows, MPI_SUM));
  PetscCall(PetscSFReduceEnd(link->genotyped, unit, mme->work.y_local + leaf, rows, MPI_SUM));
  PetscCall(MeritSnpNormal(link, k, mme->work.x_local + own, rows, &values, mme->work.y_local + own));
  PetscCall(PetscSFBcastBegin(link->genotyped, unit, values, mme->work.x_local + leaf, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(link->genotyped, unit, values, mme->work.x_local + leaf, MPI_REPLACE));
  PetscCall(MeritUnitFree(&unit));
  if (mme->expand) {
    MeritExpand(mme, k, mme->work.x_local, mme->work.x_slots);
    PetscCall(PetscArrayzero(mme->work.y_slots, (size_t)mme->n_slots * (size_t)k));
    from = mme->work.x_slots;
    to   = mme->work.y_slots;
  }
  MeritRecordsTransfer(&mme->regressors.kernel, mme->one_pass.role, 1.0, k, from, to);
  if (mme->expand) MeritContract(mme, k, mme->work.y_slots, mme->work.y_local);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SNP effects to genotype rows and back: gather the effects, go through the tile, reduce along the grid. */
#include "op_impl.h"

/* MeritSnpLinkCreate - Prepare the products of one SNP term. Collective. */
PetscErrorCode MeritSnpLinkCreate(MeritMME *mme, int term, MeritSnpLink *link)
{
  MeritGenotypes geno = MeritModelGenotypes(mme->model);
  PetscMPIInt    rank, size, owned = (PetscMPIInt)mme->term[term].n_owned;
  int64_t        row_first;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(mme->comm, &rank));
  PetscCallMPI(MPI_Comm_size(mme->comm, &size));
  link->term     = term;
  link->n_eq     = mme->term[term].n_eq;
  link->carriers = MeritModelCarriers(mme->model, term);
  PetscCall(MeritGenotypesTile(geno, &link->grid_rows, &link->grid_cols, &row_first, &link->n_rows, &link->col_first, &link->n_cols));
  PetscCall(MeritGenotypesSize(geno, NULL, NULL, &link->n_used));
  link->row_comm = MPI_COMM_NULL;
  if (link->grid_cols > 1)
    PetscCallMPI(MPI_Comm_split(mme->comm, rank % link->grid_rows, rank / link->grid_rows, &link->row_comm));
  PetscCall(PetscMalloc3(size, &link->n_owned, size, &link->count, size, &link->first));
  PetscCallMPI(MPI_Allgather(&owned, 1, MPI_INT, link->n_owned, 1, MPI_INT, mme->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpLinkDestroy - Free what a link holds. Collective. */
PetscErrorCode MeritSnpLinkDestroy(MeritSnpLink *link)
{
  PetscFunctionBegin;
  if (link->row_comm != MPI_COMM_NULL) PetscCallMPI(MPI_Comm_free(&link->row_comm));
  PetscCall(PetscFree3(link->n_owned, link->count, link->first));
  PetscCall(PetscFree(link->full));
  PetscCall(PetscFree(link->rows));
  PetscCall(PetscFree(link->values));
  PetscCall(PetscFree(link->D));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Grow(size_t n, size_t *room, double **work)
{
  PetscFunctionBegin;
  if (*work && *room >= n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(*work));
  PetscCall(PetscMalloc1(n + 1, work));
  *room = n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpRows - Work array of the tile's rows, [n_rows * width], zeroed. Not collective; borrowed until the next product. */
PetscErrorCode MeritSnpRows(MeritSnpLink *link, int width, double **rows)
{
  PetscFunctionBegin;
  PetscCall(Grow((size_t)link->n_rows * (size_t)width, &link->room_rows, &link->rows));
  PetscCall(PetscArrayzero(link->rows, (size_t)link->n_rows * (size_t)width));
  *rows = link->rows;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Doubles that each rank's SNPs take in a vector over all SNPs */
static PetscErrorCode Counts(MeritMME *mme, MeritSnpLink *link, int width)
{
  PetscMPIInt size;

  PetscFunctionBegin;
  PetscCheck((int64_t)link->n_used * width < INT32_MAX, mme->comm, PETSC_ERR_SUP,
             "%d SNPs x %d right-hand sides pass 2^31: use fewer right-hand sides at once", link->n_used, width);
  PetscCallMPI(MPI_Comm_size(mme->comm, &size));
  for (PetscMPIInt r = 0; r < size; r++) {
    link->count[r] = link->n_owned[r] * width;
    link->first[r] = r ? link->first[r - 1] + link->count[r - 1] : 0;
  }
  PetscCall(Grow((size_t)link->n_used * (size_t)width, &link->room_full, &link->full));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpForward - rows = M effects for the tile's rows, complete on grid column 0. Collective. */
PetscErrorCode MeritSnpForward(MeritMME *mme, MeritSnpLink *link, int width, const double *effects, double **rows)
{
  MeritGenotypes geno = MeritModelGenotypes(mme->model);
  PetscMPIInt    rank, column, n;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(mme->comm, &rank));
  PetscCall(Counts(mme, link, width));
  PetscCall(MeritSnpRows(link, width, rows));
  PetscCallMPI(MPI_Allgatherv(effects, link->count[rank], MPI_DOUBLE, link->full, link->count, link->first, MPI_DOUBLE, mme->comm));
  PetscCall(MeritGenotypesForward(geno, width, link->full + (size_t)link->col_first * (size_t)width, *rows));
  if (link->row_comm == MPI_COMM_NULL) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(link->row_comm, &column));
  PetscCall(PetscMPIIntCast((PetscInt)(link->n_rows * width), &n));
  PetscCallMPI(MPI_Reduce(column ? *rows : MPI_IN_PLACE, *rows, n, MPI_DOUBLE, MPI_SUM, 0, link->row_comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* effects += sum over ranks of the vectors over all SNPs */
static PetscErrorCode Deliver(MeritMME *mme, MeritSnpLink *link, double *effects)
{
  PetscMPIInt rank;
  double     *mine;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(mme->comm, &rank));
  PetscCall(PetscMalloc1(link->count[rank] + 1, &mine));
  PetscCallMPI(MPI_Reduce_scatter(link->full, mine, link->count, MPI_DOUBLE, MPI_SUM, mme->comm));
  for (PetscMPIInt i = 0; i < link->count[rank]; i++) effects[i] += mine[i];
  PetscCall(PetscFree(mine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpAdjoint - effects += M' rows (squares: with M squared element by element); rows are given on grid column 0. Collective. */
PetscErrorCode MeritSnpAdjoint(MeritMME *mme, MeritSnpLink *link, int width, bool squares, double *rows, double *effects)
{
  MeritGenotypes geno = MeritModelGenotypes(mme->model);
  PetscMPIInt    n;
  double        *tile;

  PetscFunctionBegin;
  PetscCall(Counts(mme, link, width));
  if (link->row_comm != MPI_COMM_NULL) {
    PetscCall(PetscMPIIntCast((PetscInt)(link->n_rows * width), &n));
    PetscCallMPI(MPI_Bcast(rows, n, MPI_DOUBLE, 0, link->row_comm));
  }
  PetscCall(PetscArrayzero(link->full, (size_t)link->n_used * (size_t)width));
  tile = link->full + (size_t)link->col_first * (size_t)width;
  if (squares) PetscCall(MeritGenotypesSquares(geno, width, rows, tile));
  else PetscCall(MeritGenotypesAdjoint(geno, width, rows, tile));
  PetscCall(Deliver(mme, link, effects));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritSnpNormal - Both products at once, on a grid of one column: values = M effects, rows += D values, to += M' rows. Collective.

  effects, to - [n_owned * n_eq * k] of this rank's SNPs
  rows        - [n_rows * n_eq * k], in and out
  values      - the same, borrowed until the next product
*/
PetscErrorCode MeritSnpNormal(MeritMME *mme, MeritSnpLink *link, int k, const double *effects, double *rows, double **values, double *to)
{
  MeritGenotypes geno  = MeritModelGenotypes(mme->model);
  const int      width = link->n_eq * k;
  PetscMPIInt    rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(mme->comm, &rank));
  PetscCall(Counts(mme, link, width));
  PetscCall(Grow((size_t)link->n_rows * (size_t)width, &link->room_values, &link->values));
  *values = link->values;
  PetscCallMPI(MPI_Allgatherv(effects, link->count[rank], MPI_DOUBLE, link->full, link->count, link->first, MPI_DOUBLE, mme->comm));
  PetscCall(MeritGenotypesNormal(geno, link->n_eq, k, link->D, link->full, *values, rows, link->full));
  PetscCall(Deliver(mme, link, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritMMESnpGram - Y = M' diag(weight) M X over the SNPs of one term, whatever its traits: k vectors with one value for each SNP.

  Collective on C. Its scale is that of M alone: neither variances nor the other terms have a part in it.

  Input Parameters:
+ C      - the mixed model equations
. term   - an SNP term
. k      - vectors
. weight - [n_rows] of this rank's tile of genotypes (read on grid column 0)
- X      - [n_owned levels * k] of this rank's SNPs, vector fastest

  Output Parameter:
. Y - [n_owned levels * k]
@*/
PetscErrorCode MeritMMESnpGram(Mat C, int term, int k, const double weight[], const double X[], double Y[])
{
  MeritMME     *mme;
  MeritSnpLink *link = NULL;
  double       *rows;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  for (int i = 0; i < mme->n_snp; i++)
    if (mme->snp[i].term == term) link = &mme->snp[i];
  PetscCheck(link, mme->comm, PETSC_ERR_ARG_WRONG, "term %d is no SNP term", term);
  PetscCall(MeritSnpForward(mme, link, k, X, &rows));
  for (int64_t row = 0; row < link->n_rows; row++)
    for (int j = 0; j < k; j++) rows[row * k + j] *= weight[row];
  PetscCall(PetscArrayzero(Y, (size_t)mme->term[term].n_owned * (size_t)k));
  PetscCall(MeritSnpAdjoint(mme, link, k, false, rows, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

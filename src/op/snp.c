/*
  SNP effects to genotype rows and back, on a grid of ranks. Each rank has a tile of the
  genotypes: some animals (rows) by some SNPs (columns). Ranks of one grid column have the same
  SNPs, and each of them owns the effects of a part of these.

  - Forward, rows = M effects: the effects of the tile's SNPs are gathered over the grid column,
    the tile is applied, and the parts of a row are summed over the grid row, to its rank in
    grid column 0.
  - Adjoint, effects += M' rows: rows are sent from grid column 0 along the grid row, the tile
    is applied, and the sums over the grid column are scattered to the owners of the effects.

  Rank r of the communicator is in grid row r % grid_rows and grid column r / grid_rows.
*/
#include "op_impl.h"
#include <merit/pieces.h>

/* MeritSnpLinkCreate - Prepare the products of one SNP term. Collective. */
PetscErrorCode MeritSnpLinkCreate(MeritMME *mme, int term, MeritSnpLink *link)
{
  MeritGenotypes   geno = MeritModelGenotypes(mme->model);
  const MeritTile *tile = MeritGenotypesTile(geno);
  PetscMPIInt      rank, owned = (PetscMPIInt)mme->term[term].n_owned;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(mme->comm, &rank));
  link->term      = term;
  link->n_eq      = mme->term[term].n_eq;
  link->genotyped = MeritModelGenotypedLink(mme->model, term);
  link->grid_rows = tile->grid_rows;
  link->grid_cols = tile->grid_cols;
  link->n_rows    = tile->n_rows;
  link->col_first = tile->col_first;
  link->n_cols    = tile->n_cols;
  PetscCall(MeritGenotypesSize(geno, NULL, NULL, &link->n_used));
  PetscCall(MeritMarkersCreate(geno, NULL, &link->markers));
  link->row_comm    = MPI_COMM_NULL;
  link->column_comm = mme->comm;
  if (link->grid_cols > 1) {
    PetscCallMPI(MPI_Comm_split(mme->comm, rank % link->grid_rows, rank / link->grid_rows, &link->row_comm));
    PetscCallMPI(MPI_Comm_split(mme->comm, rank / link->grid_rows, rank % link->grid_rows, &link->column_comm));
  }
  PetscCall(PetscMalloc3(link->grid_rows, &link->n_owned, link->grid_rows, &link->count, link->grid_rows, &link->first));
  PetscCallMPI(MPI_Allgather(&owned, 1, MPI_INT, link->n_owned, 1, MPI_INT, link->column_comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpLinkDestroy - Free what a link holds. Collective. */
PetscErrorCode MeritSnpLinkDestroy(MeritSnpLink *link)
{
  PetscFunctionBegin;
  if (link->grid_cols > 1) {
    PetscCallMPI(MPI_Comm_free(&link->row_comm));
    PetscCallMPI(MPI_Comm_free(&link->column_comm));
  }
  PetscCall(PetscFree3(link->n_owned, link->count, link->first));
  PetscCall(PetscFree(link->tile));
  PetscCall(PetscFree(link->rows));
  PetscCall(PetscFree(link->values));
  PetscCall(PetscFree(link->D));
  PetscCall(MeritMarkersDestroy(&link->markers));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMESetPrecision - Precision of the genotype products of applications to come; nothing where there are none. Logically collective. */
PetscErrorCode MeritMMESetPrecision(Mat C, bool mixed)
{
  MeritMME *mme;

  PetscFunctionBegin;
  PetscCall(MeritMMEGet(C, &mme));
  for (int i = 0; i < mme->n_snp; i++) PetscCall(MeritMarkersSetSingle(mme->snp[i].markers, mixed));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Room for at least n doubles in *work; contents are lost if it grows. */
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

/* Doubles that the SNPs of each rank of the grid column take in a vector over the tile's SNPs,
   and the number of this rank in the column. MPI counts are int, so more right-hand sides than
   fit are refused. */
static PetscErrorCode Counts(MeritSnpLink *link, int width, PetscMPIInt *row)
{
  PetscFunctionBegin;
  PetscCheck((int64_t)link->n_used * width < INT32_MAX, link->column_comm, PETSC_ERR_SUP,
             "%d SNPs x %d right-hand sides pass 2^31: use fewer right-hand sides at once", link->n_used, width);
  for (int r = 0; r < link->grid_rows; r++) {
    link->count[r] = link->n_owned[r] * width;
    link->first[r] = r ? link->first[r - 1] + link->count[r - 1] : 0;
  }
  PetscCallMPI(MPI_Comm_rank(link->column_comm, row));
  PetscCall(Grow((size_t)link->n_cols * (size_t)width, &link->room_tile, &link->tile));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Effects of the tile's SNPs from the ranks of the column */
static PetscErrorCode Gather(MeritSnpLink *link, PetscMPIInt row, const double *effects)
{
  PetscFunctionBegin;
  PetscCallMPI(MPI_Allgatherv(effects, link->count[row], MPI_DOUBLE, link->tile, link->count, link->first, MPI_DOUBLE, link->column_comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpForward - rows = M effects for the tile's rows, complete on grid column 0. Collective. */
PetscErrorCode MeritSnpForward(MeritSnpLink *link, int width, const double *effects, double **rows)
{
  PetscMPIInt row;

  PetscFunctionBegin;
  PetscCall(Counts(link, width, &row));
  PetscCall(MeritSnpRows(link, width, rows));
  PetscCall(Gather(link, row, effects));
  PetscCall(MeritMarkersForward(link->markers, width, link->tile, *rows));
  if (link->row_comm == MPI_COMM_NULL) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritSumFirst(link->row_comm, link->n_rows * width, *rows));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* effects += sum over the ranks of the column of the vectors over the tile's SNPs */
static PetscErrorCode Deliver(MeritSnpLink *link, PetscMPIInt row, double *effects)
{
  double *mine;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(link->count[row] + 1, &mine));
  PetscCallMPI(MPI_Reduce_scatter(link->tile, mine, link->count, MPI_DOUBLE, MPI_SUM, link->column_comm));
  for (PetscMPIInt i = 0; i < link->count[row]; i++) effects[i] += mine[i];
  PetscCall(PetscFree(mine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpAdjoint - effects += M' rows (squares: with M squared element by element); rows are given on grid column 0. Collective. */
PetscErrorCode MeritSnpAdjoint(MeritSnpLink *link, int width, bool squares, double *rows, double *effects)
{
  PetscMPIInt row;

  PetscFunctionBegin;
  PetscCall(Counts(link, width, &row));
  if (link->row_comm != MPI_COMM_NULL) PetscCall(MeritBroadcastFirst(link->row_comm, link->n_rows * width, rows));
  PetscCall(PetscArrayzero(link->tile, (size_t)link->n_cols * (size_t)width));
  if (squares) PetscCall(MeritMarkersSquares(link->markers, width, rows, link->tile));
  else PetscCall(MeritMarkersAdjoint(link->markers, width, rows, link->tile));
  PetscCall(Deliver(link, row, effects));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritSnpNormal - Both products at once, on a grid of one column: values = M effects, rows += D values, to += M' rows. Collective.

  effects, to - [n_owned * n_eq * k] of this rank's SNPs
  rows        - [n_rows * n_eq * k], in and out
  values      - the same, borrowed until the next product
*/
PetscErrorCode MeritSnpNormal(MeritSnpLink *link, int k, const double *effects, double *rows, double **values, double *to)
{
  const int   width = link->n_eq * k;
  PetscMPIInt row;

  PetscFunctionBegin;
  PetscCall(Counts(link, width, &row));
  PetscCall(Grow((size_t)link->n_rows * (size_t)width, &link->room_values, &link->values));
  *values = link->values;
  PetscCall(Gather(link, row, effects));
  PetscCall(MeritMarkersNormal(link->markers, link->n_eq, k, link->D, link->tile, *values, rows, link->tile));
  PetscCall(Deliver(link, row, to));
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
  PetscCall(MeritSnpForward(link, k, X, &rows));
  for (int64_t row = 0; row < link->n_rows; row++)
    for (int j = 0; j < k; j++) rows[row * k + j] *= weight[row];
  PetscCall(PetscArrayzero(Y, (size_t)mme->term[term].n_owned * (size_t)k));
  PetscCall(MeritSnpAdjoint(link, k, false, rows, Y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  SNPs by blocks: neighbouring SNPs have a block of C together, which is inverted exactly.
  Neighbours are in linkage disequilibrium, so that much of what a SNP has in common with others
  is within its block. A block ends where a rank's SNPs end, and at multiples of `width` in the
  order of all SNPs.

  A block is M_b' D M_b + I x G^-1, D being J' R^-1 J of the genotyped animals. Its Gram matrix
  is a sum over genotype rows of all ranks, so all ranks work on each block, and the sum goes to
  the rank that owns the SNPs.
*/
#include "snp_impl.h"

/* First SNP behind the block that begins at `at`, of SNPs up to `end`: the next multiple of
   width, or end. */
static int32_t BlockEnd(int32_t at, int32_t end, int32_t width) { return PetscMin(end, (at / width + 1) * width); }

/* Where the blocks of this rank's SNPs [first, first + n) begin, and room for their inverses,
   one after another. n / width + 3 holds a part of a block at either end. */
static PetscErrorCode Cut(int32_t first, int32_t n, int n_eq, int32_t width, MeritSnpBlocks *snp)
{
  size_t room = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)(n / width + 3), &snp->start, (size_t)(n / width + 3), &snp->position));
  snp->start[0] = 0;
  for (int32_t at = first; at < first + n; snp->n_blocks++) {
    const int32_t end  = BlockEnd(at, first + n, width);
    const size_t  size = (size_t)(end - at) * (size_t)n_eq;

    snp->position[snp->n_blocks]  = room;
    snp->start[snp->n_blocks + 1] = end - first;
    room += size * size;
    at = end;
  }
  PetscCall(PetscMalloc1(room + 1, &snp->inverse));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A block of C out of the Gram matrix of n SNPs: gram[(a * n + b) * n_eq^2 + .] for SNPs a and
   b, block row-major by SNP, then equation. state[n * n_eq]: constrained equations are those of the
   identity. */
static void Assemble(const MeritTermView *t, const uint8_t state[], int32_t n, const double *gram, double *block)
{
  const int     n_eq = t->n_eq;
  const int64_t size = (int64_t)n * n_eq;

  for (int32_t a = 0; a < n; a++)
    for (int32_t b = 0; b < n; b++)
      for (int i = 0; i < n_eq; i++)
        for (int j = 0; j < n_eq; j++) {
          const int64_t row = (int64_t)a * n_eq + i, column = (int64_t)b * n_eq + j;
          double        c = gram[(((int64_t)a * n + b) * n_eq + i) * n_eq + j];

          if (a == b) c += t->G_inverse[i * n_eq + j];
          if (state[row] != MERIT_EQ_OK || state[column] != MERIT_EQ_OK) c = row == column;
          block[row * size + column] = c;
        }
}

/* Blocks of all ranks one after another: each is summed over the genotype rows of all ranks, at
   the rank that has its SNPs, which inverts it. n_owned[ranks]: SNPs of each rank; D [n_rows *
   n_eq^2]. Collective. */
static PetscErrorCode Fill(MeritModel model, const MeritTermView *t, int32_t width, const PetscMPIInt n_owned[], const double *D, MeritSnpBlocks *snp,
                           bool *definite)
{
  const int   n_eq = t->n_eq, k = n_eq * n_eq;
  MPI_Comm    comm = MeritModelComm(model);
  PetscMPIInt rank, size;
  int32_t     first = 0;
  double     *gram;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc1((size_t)width * (size_t)width * (size_t)k, &gram));
  for (PetscMPIInt r = 0; r < size; first += n_owned[r++])
    for (int32_t at = first, end, block = 0; at < first + n_owned[r]; at = end, block++) {
      int32_t n;

      end = BlockEnd(at, first + n_owned[r], width);
      n   = end - at;
      PetscCall(MeritMarkersGram(MeritGenotypesMarkers(MeritModelGenotypes(model)), at, n, k, D, gram));
      PetscCallMPI(MPI_Reduce(r == rank ? MPI_IN_PLACE : gram, gram, n * n * k, MPI_DOUBLE, MPI_SUM, r, comm));
      if (r != rank) continue;
      Assemble(t, MeritModelEquationState(model) + t->eq_owned + (at - first) * n_eq, n, gram, snp->inverse + snp->position[block]);
      *definite = MeritDenseSweep(n * n_eq, NULL, snp->inverse + snp->position[block]) == 0 && *definite;
    }
  PetscCall(PetscFree(gram));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpBlocksSetUp - Invert the blocks of one SNP term. Collective. */
PetscErrorCode MeritSnpBlocksSetUp(Mat C, int term, int32_t width, MeritSnpBlocks *snp, bool *definite)
{
  const MeritTermView *t;
  MeritModel           model;
  MPI_Comm             comm;
  PetscMPIInt         *owned, mine, rank, size;
  int                  grid_cols;
  int32_t              first = 0;
  double              *D;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(C, &model));
  MeritModelTerms(model, &t);
  t += term;
  comm      = MeritModelComm(model);
  mine      = t->n_owned;
  grid_cols = MeritGenotypesTile(MeritModelGenotypes(model))->grid_cols;
  if (grid_cols > 1)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "solver.snp",
                         "blocks need genotypes on a grid of one column: give genotypes.grid as many rows as ranks"));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc1(size, &owned));
  PetscCallMPI(MPI_Allgather(&mine, 1, MPI_INT, owned, 1, MPI_INT, comm));
  for (PetscMPIInt r = 0; r < rank; r++) first += owned[r];
  PetscCall(Cut(first, mine, t->n_eq, width, snp));
  PetscCall(MeritMMEGenotypedBlocks(C, term, NULL, &D));
  PetscCall(Fill(model, t, width, owned, D, snp, definite));
  PetscCall(PetscFree(D));
  PetscCall(PetscFree(owned));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One block [n * n] times X, Y [n * k]. One right-hand side has a loop of its own, whose sum
   stays in a register. */
static void Multiply(int64_t n, int k, const double *inverse, const double *X, double *Y)
{
  for (int64_t a = 0; a < n; a++) {
    for (int j = 0; j < k; j++) Y[a * k + j] = 0.0;
    if (k == 1) {
      double sum = 0.0;

      for (int64_t b = 0; b < n; b++) sum += inverse[a * n + b] * X[b];
      Y[a] = sum;
      continue;
    }
    for (int64_t b = 0; b < n; b++)
      for (int j = 0; j < k; j++) Y[a * k + j] += inverse[a * n + b] * X[b * k + j];
  }
}

/* MeritSnpBlocksApply - Y = blocks X for the SNPs of one term, X, Y [n_owned * n_eq * k].
   Threads take blocks, so nothing is added across threads. Not collective. */
void MeritSnpBlocksApply(const MeritTermView *t, const MeritSnpBlocks *snp, int k, const double X[], double Y[])
{

#pragma omp parallel for schedule(static)
  for (int block = 0; block < snp->n_blocks; block++) {
    const int64_t first = (int64_t)snp->start[block] * t->n_eq, n = (int64_t)snp->start[block + 1] * t->n_eq - first;
    const int64_t at = first * k;

    Multiply(n, k, snp->inverse + snp->position[block], X + at, Y + at);
  }
}

/* MeritSnpBlocksFree - See the header. Not collective. */
PetscErrorCode MeritSnpBlocksFree(MeritSnpBlocks *snp)
{
  PetscFunctionBegin;
  PetscCall(PetscFree2(snp->start, snp->position));
  PetscCall(PetscFree(snp->inverse));
  PetscFunctionReturn(PETSC_SUCCESS);
}

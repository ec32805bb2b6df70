/* What a sweep over blocks of columns (SNPs, ridge) needs: weights of the rows, Gram matrices, replicated effects. */
#include "gsru_impl.h"
#include <math.h>
#include <merit/pieces.h>
#include <string.h>

/* Numbers the columns of a ridge block may have on a rank before they are made fewer than asked for, down to the least; genotypes
   stay packed */
enum { LEAST_WIDTH = 8, MOST_DECODED = 1 << 23 };

static int Blocks(const GsruDense *d) { return (d->n_cols + d->width - 1) / d->width; }

/* Rows here and the width of a block; the same width on all ranks */
static PetscErrorCode Sizes(Gsru *gs, GsruTerm *term)
{
  GsruDense *d = &term->dense;
  int64_t    most;

  PetscFunctionBegin;
  d->n_rows = gs->records->n_records;
  if (term->view->kind == MERIT_TERM_SNP)
    PetscCall(MeritGenotypesTile(MeritModelGenotypes(gs->model), NULL, NULL, NULL, &d->n_rows, NULL, NULL));
  d->n_cols = (int32_t)term->view->n_levels;
  PetscCallMPI(MPI_Allreduce(&d->n_rows, &most, 1, MPI_INT64_T, MPI_MAX, gs->solver->comm));
  d->width = gs->afresh ? 1 : PetscMin(gs->solver->block, d->n_cols);
  if (term->view->kind == MERIT_TERM_RIDGE)
    d->width = (int32_t)PetscMin(PetscMax(MOST_DECODED / PetscMax(most, 1), LEAST_WIDTH), d->width);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruDenseCreate - Memory of a dense term. Collective. */
PetscErrorCode GsruDenseCreate(Gsru *gs, GsruTerm *term)
{
  GsruDense   *d = &term->dense;
  const size_t n = (size_t)term->view->n_eq;

  PetscFunctionBegin;
  PetscCall(Sizes(gs, term));
  PetscCall(PetscCalloc1(Blocks(d) + 1, &d->gram));
  PetscCall(PetscMalloc1((size_t)d->n_cols * n * n + 1, &d->inverse));
  PetscCall(PetscMalloc2((size_t)d->n_cols * n, &d->x, (size_t)d->n_cols * n, &d->delta));
  PetscCall(PetscMalloc2((size_t)d->n_rows * n + 1, &d->s, (size_t)d->n_rows * n + 1, &d->shift));
  if (term->view->kind == MERIT_TERM_RIDGE)
    PetscCall(PetscMalloc1((size_t)d->n_rows * (size_t)d->width + 1, &d->Z));
  PetscCall(PetscMalloc2((size_t)d->n_rows * n + 1, &d->z, (size_t)gs->n_threads * (size_t)d->width * n, &d->sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruDenseDestroy - Not collective. */
PetscErrorCode GsruDenseDestroy(GsruTerm *term)
{
  GsruDense *d = &term->dense;

  PetscFunctionBegin;
  for (int block = 0; d->gram && block < Blocks(d); block++) PetscCall(PetscFree(d->gram[block]));
  PetscCall(PetscFree(d->gram));
  PetscCall(PetscFree(d->D));
  PetscCall(PetscFree(d->weight));
  PetscCall(PetscFree(d->B));
  PetscCall(PetscFree(d->inverse));
  PetscCall(PetscFree2(d->x, d->delta));
  PetscCall(PetscFree2(d->s, d->shift));
  PetscCall(PetscFree(d->Z));
  PetscCall(PetscFree2(d->z, d->sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruDenseReplicate - Values of the owned equations of a term -> [n_cols * n_eq] on every rank. Collective. */
PetscErrorCode GsruDenseReplicate(Gsru *gs, GsruTerm *term, const double *owned, double *all)
{
  const MeritTermView *t     = term->view;
  const int            n     = t->n_eq;
  const size_t         n_all = (size_t)term->dense.n_cols * (size_t)n;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(all, n_all));
  for (int32_t i = 0; i < t->n_owned; i++)
    PetscCall(PetscArraycpy(all + t->canonical[i] * n, owned + t->eq_owned + i * n, n));
  PetscCheck(n_all < INT32_MAX, gs->solver->comm, PETSC_ERR_SUP, "too many SNP equations for one reduction");
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, all, (PetscMPIInt)n_all, MPI_DOUBLE, MPI_SUM, gs->solver->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* J' R^-1 J of the records of a ridge term, J being the traits its components (or, with L, equations) go to */
static PetscErrorCode RecordBlocks(Gsru *gs, GsruTerm *term, double **all)
{
  const MeritTermView    *t       = term->view;
  const MeritRecordsView *records = gs->records;
  const int               n = t->n_eq, n_traits = records->n_traits;
  const int32_t          *offset = t->n_regressors ? t->design[0].offset : NULL;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)records->n_records * (size_t)(n * n) + 1, all));
  for (int32_t record = 0; record < records->n_records; record++)
    for (int a = 0; a < n; a++) {
      double *D = *all + ((int64_t)record * n + a) * n, w[32] = {0.0}, q[32];

      for (int i = 0; i < n_traits; i++)
        if (offset[i] >= 0) w[i] = t->L ? t->L[offset[i] * n + a] : (double)(offset[i] == a);
      GsruWeigh(records, record, w, q);
      for (int i = 0; i < n_traits; i++)
        for (int b = 0; b < n && offset[i] >= 0; b++)
          D[b] += q[i] * (t->L ? t->L[offset[i] * n + b] : (double)(offset[i] == b));
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* gram[(a * n + b) * k + .] = sum over the records of values of columns first + a, first + b and weights */
static void RecordGram(const GsruTerm *term, int32_t first, int32_t n, int k, const double *weight, double *gram)
{
  const GsruDense *d = &term->dense;

  memset(gram, 0, (size_t)n * (size_t)n * (size_t)k * sizeof(*gram));
  for (int64_t row = 0; row < d->n_rows; row++)
    for (int32_t a = 0; a < n; a++)
      for (int32_t b = 0; b < n; b++) {
        const double *va = term->view->design[first + a].value, *vb = term->view->design[first + b].value;
        const double  z = (va ? va[row] : 1.0) * (vb ? vb[row] : 1.0);

        for (int i = 0; i < k; i++) gram[(a * n + b) * k + i] += z * weight[row * k + i];
      }
}

/* Inverses of the diagonal blocks out of a Gram matrix and the penalty */
static void InvertBlock(GsruTerm *term, int32_t first, int32_t n, const double *gram)
{
  const GsruDense *d = &term->dense;
  const int        k = term->view->n_eq * term->view->n_eq;

  for (int32_t a = 0; a < n; a++) {
    double *inverse = d->inverse + (int64_t)(first + a) * k;

    for (int i = 0; i < k; i++)
      inverse[i] = (d->n_gram == 1 ? gram[a * n + a] * d->B[i] : gram[(a * n + a) * k + i]) + term->view->G_inverse[i];
    GsruInvert(term->view->n_eq, inverse);
  }
}

/* B, the same on all ranks: the block of D with the largest first element, of the lowest rank that has it. Collective. */
static PetscErrorCode LargestBlock(Gsru *gs, const GsruTerm *term, const double *D, double *B)
{
  const int   k = term->view->n_eq * term->view->n_eq;
  PetscMPIInt rank;
  int64_t     at = -1;
  struct {
    double size;
    int    rank;
  } best = {-1.0, 0};

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(gs->solver->comm, &rank));
  best.rank = rank;
  for (int64_t row = 0; row < term->dense.n_rows; row++)
    if (D[row * k] > best.size) {
      best.size = D[row * k];
      at        = row;
    }
  for (int i = 0; i < k; i++) B[i] = at < 0 ? 0.0 : D[at * k + i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_DOUBLE_INT, MPI_MAXLOC, gs->solver->comm));
  PetscCallMPI(MPI_Bcast(B, k, MPI_DOUBLE, best.rank, gs->solver->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Are all blocks of D multiples of B on this rank? *weight has the multiples; of rows without records 0 */
static bool AreMultiples(int64_t n_rows, int k, const double *D, const double *B, double *weight)
{
  if (!(B[0] > 0.0)) return false;
  for (int64_t row = 0; row < n_rows; row++) {
    weight[row] = D[row * k] / B[0];
    for (int i = 1; i < k; i++)
      if (fabs(D[row * k + i] - weight[row] * B[i]) > 4e-15 * fabs(D[row * k])) return false;
  }
  return true;
}

/* May the Gram matrices stay as they are with these numbers (weights or D), as those before up to rounding? On this rank */
static bool AreSame(int64_t n, const double *a, const double *b, double tolerance)
{
  for (int64_t i = 0; i < n; i++)
    if (fabs(a[i] - b[i]) > tolerance * fabs(a[i])) return false;
  return true;
}

/* What Gram matrices are made of now: weights and B, or D alone; *keep: those that are there still hold. Takes D over. Collective. */
static PetscErrorCode TakeWeights(Gsru *gs, GsruTerm *term, double *D, bool *keep)
{
  GsruDense    *d = &term->dense;
  const int     k = term->view->n_eq * term->view->n_eq;
  const int64_t n = d->n_rows;
  double       *weight;
  int           yes[2]; /* multiples, the same as before */

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n + 1, &weight));
  if (!d->B) PetscCall(PetscMalloc1(k, &d->B));
  PetscCall(LargestBlock(gs, term, D, d->B));
  yes[0] = AreMultiples(n, k, D, d->B, weight);
  yes[1] = d->n_gram == 1 ? AreSame(n, weight, d->weight, 4e-15) : d->n_gram > 1 && AreSame(n * k, D, d->D, 0.0);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, yes, 2, MPI_INT, MPI_MIN, gs->solver->comm));
  *keep = yes[1] && d->n_gram == (yes[0] ? 1 : k);
  PetscCall(PetscFree(d->D));
  d->D = D;
  if (*keep && d->n_gram == 1) {
    PetscCall(PetscFree(weight));
  } else {
    PetscCall(PetscFree(d->weight));
    d->weight = weight;
  }
  d->n_gram = yes[0] ? 1 : k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The Gram matrices of all blocks. Collective. */
static PetscErrorCode MakeGrams(Gsru *gs, GsruTerm *term)
{
  GsruDense    *d      = &term->dense;
  const int     k      = d->n_gram;
  const double *weight = k == 1 ? d->weight : d->D;

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("solve.gram"));
  for (int block = 0; block < Blocks(d); block++) {
    const int32_t first = block * d->width, n = PetscMin(d->width, d->n_cols - first);

    PetscCall(PetscFree(d->gram[block]));
    PetscCall(PetscMalloc1((size_t)n * (size_t)n * (size_t)k, &d->gram[block]));
    if (term->view->kind == MERIT_TERM_SNP)
      PetscCall(MeritGenotypesGram(MeritModelGenotypes(gs->model), first, n, k, weight, d->gram[block]));
    else
      RecordGram(term, first, n, k, weight, d->gram[block]);
    PetscCall(MeritSumAll(gs->solver->comm, (int64_t)n * n * k, d->gram[block]));
  }
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruDenseNumbers - Everything that hangs on the variances; Gram matrices only if these change them. Collective. */
PetscErrorCode GsruDenseNumbers(Gsru *gs, GsruTerm *term)
{
  GsruDense *d = &term->dense;
  double    *D;
  bool       keep;

  PetscFunctionBegin;
  if (term->view->kind == MERIT_TERM_SNP)
    PetscCall(MeritMMECarrierBlocks(gs->solver->C, term->index, &D));
  else
    PetscCall(RecordBlocks(gs, term, &D));
  PetscCall(TakeWeights(gs, term, D, &keep));
  if (!keep) PetscCall(MakeGrams(gs, term));
  for (int block = 0; block < Blocks(d); block++) {
    const int32_t first = block * d->width, n = PetscMin(d->width, d->n_cols - first);

    InvertBlock(term, first, n, d->gram[block]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

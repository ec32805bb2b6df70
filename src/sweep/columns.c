/*
  What a sweep over blocks of columns (SNPs, ridge) needs: weights of the rows, Gram matrices,
  replicated effects.

  The weight of row i of M is D_i = J' R^-1 J, summed over the records of the row; J [traits *
  n_eq] goes from the equations of a column to the traits. The block of C for columns a and b is
  the sum over rows of m_ia m_ib D_i. These Gram matrices are computed for the pairs of columns
  within a block only, summed over ranks, and kept on every rank.

  Often all D_i are multiples w_i B of one matrix: with one trait, or if all traits are observed
  with equal weights. Then the sum of m_ia m_ib w_i is kept, one number for a pair. It does not
  depend on the variances, so new variances need only a new B. Otherwise Gram matrices are
  computed again when D changes.
*/
#include "sweep_impl.h"
#include <math.h>
#include <merit/log.h>
#include <merit/pieces.h>

/* Numbers that the decoded columns of a block may have on a rank before they are made fewer
   than asked for, down to the least */
enum { LEAST_WIDTH = 8, MOST_DECODED = 1 << 23 };
/* Relative differences that are rounding: of multiples of one block, and of weights that Gram
   matrices were made of */
static const double SAME_DIFFERENCE = 4e-15;

/* Number of blocks of the term; the last one may be narrower */
static int Blocks(const SweepColumns *c) { return (c->n_cols + c->width - 1) / c->width; }

/* Numbers that a Gram matrix has for a pair of columns */
static int GramSize(const SweepTerm *term) { return term->columns.multiples ? 1 : term->view->n_eq * term->view->n_eq; }

/* Rows here and the width of a block. The width is the same on all ranks: it comes from the
   rank with most rows, as decoded columns of a block take n_rows * width numbers. Collective. */
static PetscErrorCode Sizes(MeritSweep s, SweepTerm *term)
{
  SweepColumns *c = &term->columns;
  int64_t       most;

  PetscFunctionBegin;
  PetscCall((*term->rows->count)(s, term, &c->n_rows));
  c->n_cols = (int32_t)term->view->n_levels;
  PetscCallMPI(MPI_Allreduce(&c->n_rows, &most, 1, MPI_INT64_T, MPI_MAX, s->comm));
  c->width = s->settings.recompute ? 1 : PetscMin(s->settings.block, c->n_cols);
  if (term->rows->decoded) c->width = (int32_t)PetscMin(PetscMax(MOST_DECODED / PetscMax(most, 1), LEAST_WIDTH), c->width);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepColumnsCreate - Memory of a term; x and delta begin at 0. D, weights and Gram
   matrices come with the variances. Collective. */
PetscErrorCode MeritSweepColumnsCreate(MeritSweep s, SweepTerm *term)
{
  SweepColumns *c = &term->columns;
  const size_t  n = (size_t)term->view->n_eq;

  PetscFunctionBegin;
  PetscCall(Sizes(s, term));
  PetscCall(PetscCalloc1(Blocks(c) + 1, &c->gram));
  PetscCall(PetscMalloc1((size_t)c->n_cols * n * n + 1, &c->inverse));
  PetscCall(PetscCalloc2((size_t)c->n_cols * n, &c->x, (size_t)c->n_cols * n, &c->delta));
  PetscCall(PetscMalloc2((size_t)c->n_rows * n + 1, &c->s, (size_t)c->n_rows * n + 1, &c->shift));
  if (term->rows->decoded) PetscCall(PetscMalloc1((size_t)c->n_rows * (size_t)c->width + 1, &c->Z));
  PetscCall(PetscMalloc2((size_t)c->n_rows * n + 1, &c->z, (size_t)s->n_threads * (size_t)c->width * n, &c->sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepColumnsDestroy - Not collective. */
PetscErrorCode MeritSweepColumnsDestroy(SweepColumns *c)
{
  PetscFunctionBegin;
  for (int block = 0; c->gram && block < Blocks(c); block++) PetscCall(PetscFree(c->gram[block]));
  PetscCall(PetscFree(c->gram));
  PetscCall(PetscFree(c->D));
  PetscCall(PetscFree(c->weight));
  PetscCall(PetscFree(c->B));
  PetscCall(PetscFree(c->inverse));
  PetscCall(PetscFree2(c->x, c->delta));
  PetscCall(PetscFree2(c->s, c->shift));
  PetscCall(PetscFree(c->Z));
  PetscCall(PetscFree2(c->z, c->sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepReplicate - Values of the owned equations of a term -> [n_cols * n_eq] on every
   rank, by canonical number. Each entry comes from one rank, the others add 0. Collective. */
PetscErrorCode MeritSweepReplicate(MeritSweep s, SweepTerm *term, const double *owned, double *all)
{
  const MeritTermView *t     = term->view;
  const int            n     = t->n_eq;
  const size_t         n_all = (size_t)term->columns.n_cols * (size_t)n;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(all, n_all));
  for (int32_t i = 0; i < t->n_owned; i++) PetscCall(PetscArraycpy(all + t->canonical[i] * n, owned + t->eq_owned + i * n, n));
  PetscCheck(n_all < INT32_MAX, s->comm, PETSC_ERR_SUP, "too many SNP equations for one reduction");
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, all, (PetscMPIInt)n_all, MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Inverses of the diagonal blocks of C for the columns of one block: the diagonal of the Gram
   matrix, times B for multiples, plus the prior precision */
static void InvertBlock(SweepTerm *term, int32_t first, int32_t n, const double *gram)
{
  const SweepColumns *c = &term->columns;
  const int           k = term->view->n_eq * term->view->n_eq;

  for (int32_t a = 0; a < n; a++) {
    const double *precision = SweepPrecision(term, first + a);
    double       *inverse   = c->inverse + (int64_t)(first + a) * k;

    for (int i = 0; i < k; i++) inverse[i] = (c->multiples ? gram[a * n + a] * c->B[i] : gram[(a * n + a) * k + i]) + precision[i];
    MeritSweepInvert(term->view->n_eq, inverse);
  }
}

/* MeritSweepColumnsInvert - See the header. Every rank does all columns. Not collective. */
void MeritSweepColumnsInvert(SweepTerm *term)
{
  const SweepColumns *c = &term->columns;

  for (int block = 0; block < Blocks(c); block++) {
    const int32_t first = block * c->width, n = PetscMin(c->width, c->n_cols - first);

    InvertBlock(term, first, n, c->gram[block]);
  }
}

/* B, the same on all ranks: the block of D with the largest first element, of the lowest rank
   that has it. The largest, so that weights are at most 1; rows without records have 0.
   Collective. */
static PetscErrorCode LargestBlock(MeritSweep s, const SweepTerm *term, const double *D, double *B)
{
  const int   k = term->view->n_eq * term->view->n_eq;
  PetscMPIInt rank;
  int64_t     at = -1;
  struct {
    double size;
    int    rank;
  } best = {-1.0, 0};

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(s->comm, &rank));
  best.rank = rank;
  for (int64_t row = 0; row < term->columns.n_rows; row++)
    if (D[row * k] > best.size) {
      best.size = D[row * k];
      at        = row;
    }
  for (int i = 0; i < k; i++) B[i] = at < 0 ? 0.0 : D[at * k + i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_DOUBLE_INT, MPI_MAXLOC, s->comm));
  PetscCallMPI(MPI_Bcast(B, k, MPI_DOUBLE, best.rank, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Are all blocks of D multiples of B on this rank? weight[row] = the multiple; of rows without
   records 0. Differences are relative to the first element of the row's block. */
static bool AreMultiples(int64_t n_rows, int k, const double *D, const double *B, double *weight)
{
  if (!(B[0] > 0.0)) return false;
  for (int64_t row = 0; row < n_rows; row++) {
    weight[row] = D[row * k] / B[0];
    for (int i = 1; i < k; i++)
      if (fabs(D[row * k + i] - weight[row] * B[i]) > SAME_DIFFERENCE * fabs(D[row * k])) return false;
  }
  return true;
}

/* Are these numbers the same on this rank, to a relative tolerance? */
static bool AreSame(int64_t n, const double *a, const double *b, double tolerance)
{
  for (int64_t i = 0; i < n; i++)
    if (fabs(a[i] - b[i]) > tolerance * fabs(a[i])) return false;
  return true;
}

/* Inputs of the Gram matrices: weights and B, or D alone. *keep: the Gram matrices at hand
   remain valid. This is so if weights are the same to rounding, or D exactly, on all ranks.
   The old weights stay then, so that differences of rounding do not add up. Takes D over.
   Collective. */
static PetscErrorCode TakeWeights(MeritSweep s, SweepTerm *term, double *D, bool *keep)
{
  SweepColumns *c = &term->columns;
  const int     k = term->view->n_eq * term->view->n_eq;
  const int64_t n = c->n_rows;
  double       *weight;
  int           yes[2]; /* multiples, the same as before */

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n + 1, &weight));
  if (!c->B) PetscCall(PetscMalloc1(k, &c->B));
  PetscCall(LargestBlock(s, term, D, c->B));
  yes[0] = AreMultiples(n, k, D, c->B, weight);
  yes[1] = c->ready && (c->multiples ? AreSame(n, weight, c->weight, SAME_DIFFERENCE) : AreSame(n * k, D, c->D, 0.0));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, yes, 2, MPI_INT, MPI_MIN, s->comm));
  *keep = yes[1] && c->multiples == (bool)yes[0];
  PetscCall(PetscFree(c->D));
  c->D = D;
  if (*keep && c->multiples) {
    PetscCall(PetscFree(weight));
  } else {
    PetscCall(PetscFree(c->weight));
    c->weight = weight;
  }
  c->multiples = yes[0];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The Gram matrices of all blocks: parts of this rank's rows, then their sums over ranks.
   Collective. */
static PetscErrorCode MakeGrams(MeritSweep s, SweepTerm *term)
{
  SweepColumns *c      = &term->columns;
  const int     k      = GramSize(term);
  const double *weight = c->multiples ? c->weight : c->D;

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("solve.gram"));
  for (int block = 0; block < Blocks(c); block++) {
    const int32_t first = block * c->width, n = PetscMin(c->width, c->n_cols - first);

    PetscCall(PetscFree(c->gram[block]));
    PetscCall(PetscMalloc1((size_t)n * (size_t)n * (size_t)k, &c->gram[block]));
    PetscCall((*term->rows->gram)(s, term, first, n, k, weight, c->gram[block]));
    PetscCall(MeritSumAll(s->comm, (int64_t)n * n * k, c->gram[block]));
  }
  c->ready = true;
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepColumnsNumbers - Everything that depends on the variances; Gram matrices only if
   these change them. Collective. */
PetscErrorCode MeritSweepColumnsNumbers(MeritSweep s, SweepTerm *term)
{
  double *D;
  bool    keep;

  PetscFunctionBegin;
  PetscCall((*term->rows->blocks)(s, term, &D));
  PetscCall(TakeWeights(s, term, D, &keep));
  if (!keep) PetscCall(MakeGrams(s, term));
  MeritSweepColumnsInvert(term);
  PetscFunctionReturn(PETSC_SUCCESS);
}

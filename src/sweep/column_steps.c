/*
  One sweep over a term that goes by columns, a block of columns at a time (block coordinate
  descent of Devarakonda et al. 2019, applied to Legarra and Misztal 2008):

  1. s = J' R^-1 e for each row, once at the beginning of the term.
  2. For each block, one reduction gives its gradients M' s on every rank.
  3. Every rank goes through the columns of the block one by one: step of column j, then the
     steps' effect on the gradients of the columns still to come, by the Gram matrix. The steps
     are those of the sweep column by column.
  4. z = M step for the rows of this rank, s <- s - D z, shift <- shift + z.
  5. After the last block, the residuals of the records change by `shift`.

  Effects x of the term are replicated: all ranks compute the same steps from the same numbers.
*/
#include "sweep_impl.h"

/* sums[j * n_eq + a] = equation a, column first + j of M' s over the rows of all ranks.
   Collective. */
static PetscErrorCode Adjoint(MeritSweep s, SweepTerm *term, int32_t first, int32_t n)
{
  PetscFunctionBegin;
  PetscCall((*term->rows->adjoint)(s, term, first, n));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, term->columns.sums, n * term->view->n_eq, MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take the step of column j out of the gradients of columns [from, to) of the block, which are
   still to come: g_i <- g_i - G_ij step. For multiples G_ij is a number times B, and B step is
   computed once. */
static void TakeOut(const SweepColumns *c, int n_eq, int32_t j, int32_t n, int32_t from, int32_t to, const double *gram, const double *step,
                    double *g)
{
  const double *row = gram + (int64_t)j * n * (c->multiples ? 1 : n_eq * n_eq);
  double        weighed[MERIT_MAX_COMPONENTS];

  if (c->multiples) {
    for (int a = 0; a < n_eq; a++) {
      weighed[a] = 0.0;
      for (int b = 0; b < n_eq; b++) weighed[a] += c->B[a * n_eq + b] * step[b];
    }
    if (n_eq == 1) {
#pragma omp simd
      for (int32_t i = from; i < to; i++) g[i] -= row[i] * *weighed;
      return;
    }
    for (int32_t i = from; i < to; i++)
      for (int a = 0; a < n_eq; a++) g[i * n_eq + a] -= row[i] * weighed[a];
    return;
  }
  for (int32_t i = from; i < to; i++)
    for (int a = 0; a < n_eq; a++)
      for (int b = 0; b < n_eq; b++) g[i * n_eq + a] -= row[((int64_t)i * n_eq + a) * n_eq + b] * step[b];
}

/* Step of column j of the term from its gradient g, over which it is written; returns the
   square of the gradient. g is M' s alone at first; delta and the prior are added here. */
static double Step(MeritSweep s, SweepTerm *term, int32_t j, double *g)
{
  const int     n_eq      = term->view->n_eq;
  const double *precision = SweepPrecision(term, j);
  const double *inverse   = term->columns.inverse + (int64_t)j * n_eq * n_eq;
  double       *x = term->columns.x + (int64_t)j * n_eq, gradient[MERIT_MAX_COMPONENTS], square = 0.0;

  for (int a = 0; a < n_eq; a++) {
    gradient[a] = g[a] + term->columns.delta[(int64_t)j * n_eq + a];
    for (int b = 0; b < n_eq; b++) gradient[a] -= precision[a * n_eq + b] * x[b];
    square += gradient[a] * gradient[a];
  }
  if (s->settings.visit) {
    /* the visitor gives new values; the step is their difference from x */
    MeritSweepAskVisitor(s, term, j, x, gradient, inverse, g);
    for (int a = 0; a < n_eq; a++) g[a] -= x[a];
  } else {
    for (int a = 0; a < n_eq; a++) {
      g[a] = 0.0;
      for (int b = 0; b < n_eq; b++) g[a] += s->settings.relaxation * inverse[a * n_eq + b] * gradient[b];
    }
  }
  for (int a = 0; a < n_eq; a++) x[a] += g[a];
  return square;
}

/* Substitution: the steps of columns first + [0, n) one after another, written over their
   gradients g; returns the squares of the gradients */
static double Substitute(MeritSweep s, SweepTerm *term, int32_t first, int32_t n, const double *gram, double *g)
{
  const int n_eq    = term->view->n_eq;
  double    squares = 0.0;

  for (int32_t turn = 0; turn < n; turn++) {
    const int32_t j    = s->work.backward ? n - 1 - turn : turn;
    double       *step = g + j * n_eq;

    squares += Step(s, term, first + j, step);
    if (s->work.backward) TakeOut(&term->columns, n_eq, j, n, 0, j, gram, step, g);
    else TakeOut(&term->columns, n_eq, j, n, j + 1, n, gram, step, g);
  }
  return squares;
}

/* z = M step of the block, shift <- shift + z, s <- s - D z for the rows of this rank. Not
   collective. */
static PetscErrorCode Forward(MeritSweep s, SweepTerm *term, int32_t first, int32_t n)
{
  SweepColumns *c    = &term->columns;
  const int     n_eq = term->view->n_eq;

  PetscFunctionBegin;
  PetscCall((*term->rows->forward)(s, term, first, n));
#pragma omp parallel for schedule(static) num_threads(s->n_threads)
  for (int64_t row = 0; row < c->n_rows; row++) {
    const double *D = c->D + row * n_eq * n_eq, *z = c->z + row * n_eq;

    if (n_eq == 1) {
      c->shift[row] += *z;
      c->s[row] -= *D * *z;
      continue;
    }
    for (int a = 0; a < n_eq; a++) {
      c->shift[row * n_eq + a] += z[a];
      for (int b = 0; b < n_eq; b++) c->s[row * n_eq + a] -= D[a * n_eq + b] * z[b];
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Copy the owned effects out of the replicated ones into x; add the squares of their steps to
   the sums of this rank */
static void KeepOwned(MeritSweep s, SweepTerm *term, double *x)
{
  const MeritTermView *t = term->view;

  for (int32_t i = 0; i < t->n_owned; i++)
    for (int a = 0; a < t->n_eq; a++) {
      const int32_t at  = t->eq_owned + i * t->n_eq + a;
      const double  now = term->columns.x[t->canonical[i] * t->n_eq + a], step = now - x[at];

      s->work.sums[term->index] += step * step;
      x[at] = now;
    }
}

/* Add squares of gradients to the sums of rank 0: all ranks have the same, and the caller adds
   over ranks */
static PetscErrorCode CountOnce(MeritSweep s, double squares)
{
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(s->comm, &rank));
  if (!rank) s->work.sums[s->n_terms] += squares;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The columns one after another, each from the data and all effects (solver gs): residuals are
   computed again for each column, so a sweep takes n m^2 operations for n animals and m SNPs.
   Blocks have one column here. Collective. */
static PetscErrorCode Recompute(MeritSweep s, SweepTerm *term, double *x)
{
  SweepColumns *c = &term->columns;

  PetscFunctionBegin;
  for (int32_t turn = 0; turn < c->n_cols; turn++) {
    const int32_t j = s->work.backward ? c->n_cols - 1 - turn : turn;

    PetscCall(MeritSweepRefresh(s, x));
    PetscCall((*term->rows->sums)(s, term));
    PetscCall(Adjoint(s, term, j, 1));
    PetscCall(CountOnce(s, Substitute(s, term, j, 1, c->gram[j], c->sums)));
    KeepOwned(s, term, x);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The blocks one after another, forward or backward, and the residuals of the records once at
   the end. Collective. */
static PetscErrorCode Blocks(MeritSweep s, SweepTerm *term, double *x)
{
  SweepColumns *c        = &term->columns;
  const int32_t n_blocks = (c->n_cols + c->width - 1) / c->width;

  PetscFunctionBegin;
  PetscCall((*term->rows->sums)(s, term));
  PetscCall(PetscArrayzero(c->shift, (size_t)c->n_rows * (size_t)term->view->n_eq));
  for (int32_t turn = 0; turn < n_blocks; turn++) {
    const int32_t first = (s->work.backward ? n_blocks - 1 - turn : turn) * c->width, n = PetscMin(c->width, c->n_cols - first);

    PetscCall(Adjoint(s, term, first, n));
    PetscCall(CountOnce(s, Substitute(s, term, first, n, c->gram[first / c->width], c->sums)));
    PetscCall(Forward(s, term, first, n));
  }
  PetscCall((*term->rows->update)(s, term));
  KeepOwned(s, term, x);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSweepRunColumns - See the header. Collective. */
PetscErrorCode MeritSweepRunColumns(MeritSweep s, SweepTerm *term, double *x)
{
  PetscFunctionBegin;
  if (s->settings.recompute) PetscCall(Recompute(s, term, x));
  else PetscCall(Blocks(s, term, x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  One sweep over a dense term, a block of columns at a time: every rank has the block's gradient after one reduction and goes through
  its columns one after another with the block's Gram matrix, so the steps are those of the sweep column by column (block coordinate
  descent of Devarakonda et al. 2019, applied to Legarra and Misztal 2008).
*/
#include "gsru_impl.h"
#include <omp.h>
#include <string.h>

/* J' R^-1 e of the rows of a ridge term: its records */
static void RecordSums(Gsru *gs, GsruTerm *term)
{
  const MeritTermView *t = term->view;
  const int            n = t->n_eq, n_traits = gs->records->n_traits;
  const int32_t       *offset = t->design[0].offset;

#pragma omp parallel for schedule(static) num_threads(gs->n_threads)
  for (int32_t record = 0; record < gs->records->n_records; record++) {
    double *s = term->dense.s + (int64_t)record * n, q[32];

    GsruWeigh(gs->records, record, gs->e + (int64_t)record * n_traits, q);
    for (int a = 0; a < n; a++) {
      s[a] = 0.0;
      for (int i = 0; i < n_traits; i++)
        if (offset[i] >= 0) s[a] += q[i] * (t->L ? t->L[offset[i] * n + a] : (double)(offset[i] == a));
    }
  }
}

/* The same for genotyped animals: the carriers' sums, added up at the genotype rows */
static PetscErrorCode CarrierSums(Gsru *gs, GsruTerm *term, MPI_Datatype unit)
{
  const GsruDense *d    = &term->dense;
  PetscSF          sf   = MeritModelCarriers(gs->model, term->index);
  const double    *leaf = gs->g + term->view->eq_carrier;

  PetscFunctionBegin;
  GsruGradient(gs, term, 0, term->view->n_carrier);
  PetscCall(PetscArrayzero(d->s, (size_t)d->n_rows * (size_t)term->view->n_eq));
  PetscCall(PetscSFReduceBegin(sf, unit, leaf, d->s, MPI_SUM));
  PetscCall(PetscSFReduceEnd(sf, unit, leaf, d->s, MPI_SUM));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take the change of the records' values out of e */
static void UpdateRecords(Gsru *gs, GsruTerm *term)
{
  const MeritTermView *t = term->view;
  const int            n = t->n_eq, n_traits = gs->records->n_traits;
  const int32_t       *offset = t->design[0].offset;

#pragma omp parallel for schedule(static) num_threads(gs->n_threads)
  for (int32_t record = 0; record < gs->records->n_records; record++) {
    const double *shift = term->dense.shift + (int64_t)record * n;

    for (int i = 0; i < n_traits; i++)
      for (int a = 0; a < n && offset[i] >= 0; a++)
        gs->e[(int64_t)record * n_traits + i] -=
            shift[a] * (t->L ? t->L[offset[i] * n + a] : (double)(offset[i] == a));
  }
}

static PetscErrorCode UpdateCarriers(Gsru *gs, GsruTerm *term, MPI_Datatype unit)
{
  PetscSF sf   = MeritModelCarriers(gs->model, term->index);
  double *leaf = gs->du + term->view->eq_carrier;

  PetscFunctionBegin;
  PetscCall(PetscSFBcastBegin(sf, unit, term->dense.shift, leaf, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(sf, unit, term->dense.shift, leaf, MPI_REPLACE));
  GsruUpdate(gs, term, 0, term->view->n_carrier);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The columns of a ridge block side by side */
static void GatherColumns(GsruTerm *term, int32_t first, int32_t n)
{
  GsruDense *d = &term->dense;

  for (int32_t j = 0; j < n; j++) {
    const double *value = term->view->design[first + j].value;

    for (int64_t row = 0; row < d->n_rows; row++) d->Z[row * n + j] = value ? value[row] : 1.0;
  }
}

/* sums = Z' s over this rank's records */
static void RecordAdjoint(Gsru *gs, GsruTerm *term, int32_t n)
{
  GsruDense   *d    = &term->dense;
  const int    n_eq = term->view->n_eq;
  const size_t size = (size_t)n * (size_t)n_eq;

  memset(d->sums, 0, size * (size_t)gs->n_threads * sizeof(*d->sums));
#pragma omp parallel num_threads(gs->n_threads)
  {
    const int     n_threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t last = d->n_rows * (thread + 1) / n_threads;
    double       *sums = d->sums + size * (size_t)thread;

    for (int64_t row = d->n_rows * thread / n_threads; row < last; row++)
      for (int32_t j = 0; j < n; j++)
        for (int a = 0; a < n_eq; a++) sums[j * n_eq + a] += d->Z[row * n + j] * d->s[row * n_eq + a];
  }
  for (int thread = 1; thread < gs->n_threads; thread++)
    for (size_t i = 0; i < size; i++) d->sums[i] += d->sums[size * (size_t)thread + i];
}

/* z = Z step */
static void RecordForward(Gsru *gs, GsruTerm *term, int32_t n)
{
  GsruDense *d    = &term->dense;
  const int  n_eq = term->view->n_eq;

#pragma omp parallel for schedule(static) num_threads(gs->n_threads)
  for (int64_t row = 0; row < d->n_rows; row++)
    for (int a = 0; a < n_eq; a++) {
      double sum = 0.0;

      for (int32_t j = 0; j < n; j++) sum += d->Z[row * n + j] * d->sums[j * n_eq + a];
      d->z[row * n_eq + a] = sum;
    }
}

/* sums[j * n_eq + a] = equation a, column j of M' s over all rows; genotypes stay packed */
static PetscErrorCode Adjoint(Gsru *gs, GsruTerm *term, int32_t first, int32_t n)
{
  GsruDense *d    = &term->dense;
  const int  n_eq = term->view->n_eq;

  PetscFunctionBegin;
  if (term->view->kind == MERIT_TERM_SNP) {
    PetscCall(MeritGenotypesAdjointRange(MeritModelGenotypes(gs->model), first, n, n_eq, d->s, d->sums));
  } else {
    GatherColumns(term, first, n);
    RecordAdjoint(gs, term, n);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, d->sums, n * n_eq, MPI_DOUBLE, MPI_SUM, gs->solver->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take the step of column j out of the gradients of columns [from, to), which are still to come */
static void TakeOut(const GsruDense *d, int n_eq, int32_t j, int32_t n, int32_t from, int32_t to, const double *gram, const double *step,
                    double *g)
{
  const double *row = gram + (int64_t)j * n * d->n_gram;
  double        weighed[64];

  if (d->n_gram == 1) {
    for (int a = 0; a < n_eq; a++) {
      weighed[a] = 0.0;
      for (int b = 0; b < n_eq; b++) weighed[a] += d->B[a * n_eq + b] * step[b];
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

/* Substitution: the columns' steps one after another, written over their gradients; returns the squares of the gradients met */
static double Substitute(Gsru *gs, GsruTerm *term, int32_t first, int32_t n, const double *gram, double *g)
{
  const int     n_eq    = term->view->n_eq;
  const double *G       = term->view->G_inverse;
  double        squares = 0.0;

  for (int32_t turn = 0; turn < n; turn++) {
    const int32_t j       = gs->backward ? n - 1 - turn : turn;
    const double *inverse = term->dense.inverse + (int64_t)(first + j) * n_eq * n_eq;
    double       *x       = term->dense.x + (int64_t)(first + j) * n_eq, gradient[64], step[64];

    for (int a = 0; a < n_eq; a++) {
      gradient[a] = g[j * n_eq + a] + term->dense.delta[(int64_t)(first + j) * n_eq + a];
      for (int b = 0; b < n_eq; b++) gradient[a] -= G[a * n_eq + b] * x[b];
      squares += gradient[a] * gradient[a];
    }
    for (int a = 0; a < n_eq; a++) {
      step[a] = 0.0;
      for (int b = 0; b < n_eq; b++) step[a] += gs->solver->relaxation * inverse[a * n_eq + b] * gradient[b];
    }
    for (int a = 0; a < n_eq; a++) {
      x[a] += step[a];
      g[j * n_eq + a] = step[a];
    }
    if (gs->backward) TakeOut(&term->dense, n_eq, j, n, 0, j, gram, step, g);
    else TakeOut(&term->dense, n_eq, j, n, j + 1, n, gram, step, g);
  }
  return squares;
}

/* z = M step, shift += z, s -= D z */
static PetscErrorCode Forward(Gsru *gs, GsruTerm *term, int32_t first, int32_t n)
{
  GsruDense *d    = &term->dense;
  const int  n_eq = term->view->n_eq;

  PetscFunctionBegin;
  if (term->view->kind == MERIT_TERM_SNP)
    PetscCall(MeritGenotypesForwardRange(MeritModelGenotypes(gs->model), first, n, n_eq, d->sums, d->z));
  else
    RecordForward(gs, term, n);
#pragma omp parallel for schedule(static) num_threads(gs->n_threads)
  for (int64_t row = 0; row < d->n_rows; row++) {
    const double *D = d->D + row * n_eq * n_eq, *z = d->z + row * n_eq;

    if (n_eq == 1) {
      d->shift[row] += *z;
      d->s[row] -= *D * *z;
      continue;
    }

    for (int a = 0; a < n_eq; a++) {
      d->shift[row * n_eq + a] += z[a];
      for (int b = 0; b < n_eq; b++) d->s[row * n_eq + a] -= D[a * n_eq + b] * z[b];
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Copy the owned effects out of the replicated ones; add their steps to the sums */
static void KeepOwned(Gsru *gs, GsruTerm *term, double *x)
{
  const MeritTermView *t = term->view;

  for (int32_t i = 0; i < t->n_owned; i++)
    for (int a = 0; a < t->n_eq; a++) {
      const int32_t at  = t->eq_owned + i * t->n_eq + a;
      const double  now = term->dense.x[t->canonical[i] * t->n_eq + a], step = now - x[at];

      gs->sums[2 * term->index] += step * step;
      x[at] = now;
    }
}

/* The columns one after another, each from the data and all effects: n animals times m SNPs for each of m SNPs */
static PetscErrorCode SweepAfresh(Gsru *gs, GsruTerm *term, MPI_Datatype unit, double *x)
{
  GsruDense  *d = &term->dense;
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(gs->solver->comm, &rank));
  for (int32_t turn = 0; turn < d->n_cols; turn++) {
    const int32_t j = gs->backward ? d->n_cols - 1 - turn : turn;
    double        squares;

    PetscCall(GsruRefresh(gs, x));
    if (term->view->kind == MERIT_TERM_SNP) PetscCall(CarrierSums(gs, term, unit));
    else RecordSums(gs, term);
    PetscCall(Adjoint(gs, term, j, 1));
    squares = Substitute(gs, term, j, 1, d->gram[j], d->sums);
    if (!rank) gs->sums[2 * gs->n_terms] += squares;
    KeepOwned(gs, term, x);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GsruSweepDense - See the header. Collective. */
PetscErrorCode GsruSweepDense(Gsru *gs, GsruTerm *term, double *x)
{
  GsruDense   *d    = &term->dense;
  const int    n_eq = term->view->n_eq;
  const bool   snp  = term->view->kind == MERIT_TERM_SNP;
  const int32_t n_blocks = (d->n_cols + d->width - 1) / d->width;
  PetscMPIInt  rank;
  MPI_Datatype unit;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(gs->solver->comm, &rank));
  PetscCallMPI(MPI_Type_contiguous(n_eq, MPI_DOUBLE, &unit));
  PetscCallMPI(MPI_Type_commit(&unit));
  if (gs->afresh) {
    PetscCall(SweepAfresh(gs, term, unit, x));
    PetscCallMPI(MPI_Type_free(&unit));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (snp)
    PetscCall(CarrierSums(gs, term, unit));
  else
    RecordSums(gs, term);
  PetscCall(PetscArrayzero(d->shift, (size_t)d->n_rows * (size_t)n_eq));
  for (int32_t turn = 0; turn < n_blocks; turn++) {
    const int32_t first = (gs->backward ? n_blocks - 1 - turn : turn) * d->width, n = PetscMin(d->width, d->n_cols - first);
    double        squares;

    PetscCall(Adjoint(gs, term, first, n));
    squares = Substitute(gs, term, first, n, d->gram[first / d->width], d->sums);
    if (!rank) gs->sums[2 * gs->n_terms] += squares;
    PetscCall(Forward(gs, term, first, n));
  }
  if (snp)
    PetscCall(UpdateCarriers(gs, term, unit));
  else
    UpdateRecords(gs, term);
  KeepOwned(gs, term, x);
  PetscCallMPI(MPI_Type_free(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

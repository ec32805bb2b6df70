/*
  SweepRows of a ridge term: M has columns of the records, so a row of M is a record and nothing
  goes between ranks. Column j is regressor j of the term; all have the same components, one for
  each trait that has the term. J, from the equations of a column to the traits, is a row of L for
  each such trait, or of the identity.
*/
#include "sweep_impl.h"
#include <omp.h>
#include <string.h>

/* Coefficient of equation a of a column in trait i, which has component offset[i] >= 0: u = L
   v, or u = v */
static inline double Coefficient(const MeritTermView *t, int component, int a)
{
  return t->L ? t->L[component * t->n_eq + a] : (double)(component == a);
}

/* Records of this rank */
static PetscErrorCode Count(MeritSweep s, const SweepTerm *term, int64_t *n_rows)
{
  PetscFunctionBegin;
  (void)term;
  *n_rows = s->records->n_records;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* D = J' R^-1 J of each record: R^-1 is applied to each column of J */
static PetscErrorCode RowBlocks(MeritSweep s, const SweepTerm *term, double **blocks)
{
  const MeritTermView    *t       = term->view;
  const MeritRecordsView *records = s->records;
  const int               n = t->n_eq, n_traits = records->n_traits;
  const int32_t          *offset = t->n_regressors ? t->design[0].offset : NULL;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)records->n_records * (size_t)(n * n) + 1, blocks));
  for (int32_t record = 0; record < records->n_records; record++)
    for (int a = 0; a < n; a++) {
      double *D = *blocks + ((int64_t)record * n + a) * n, w[MERIT_MAX_TRAITS] = {0.0}, q[MERIT_MAX_TRAITS];

      for (int i = 0; i < n_traits; i++)
        if (offset[i] >= 0) w[i] = Coefficient(t, offset[i], a);
      SweepWeigh(records, record, w, q);
      for (int i = 0; i < n_traits; i++)
        for (int b = 0; b < n && offset[i] >= 0; b++) D[b] += q[i] * Coefficient(t, offset[i], b);
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* gram of columns a and b: sum over the records of m_a m_b weight. A regressor without values
   is 1. */
static PetscErrorCode Gram(MeritSweep s, const SweepTerm *term, int32_t first, int32_t n, int k, const double *weight, double *gram)
{
  PetscFunctionBegin;
  (void)s;
  memset(gram, 0, (size_t)n * (size_t)n * (size_t)k * sizeof(*gram));
  for (int64_t row = 0; row < term->columns.n_rows; row++)
    for (int32_t a = 0; a < n; a++)
      for (int32_t b = 0; b < n; b++) {
        const double *va = term->view->design[first + a].value, *vb = term->view->design[first + b].value;
        const double  z = (va ? va[row] : 1.0) * (vb ? vb[row] : 1.0);

        for (int i = 0; i < k; i++) gram[(a * n + b) * k + i] += z * weight[row * k + i];
      }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* s = J' R^-1 e of each record */
static PetscErrorCode Sums(MeritSweep s, SweepTerm *term)
{
  const MeritTermView *t = term->view;
  const int            n = t->n_eq, n_traits = s->records->n_traits;
  const int32_t       *offset = t->design[0].offset;

  PetscFunctionBegin;
#pragma omp parallel for schedule(static) num_threads(s->n_threads)
  for (int32_t record = 0; record < s->records->n_records; record++) {
    double *sum = term->columns.s + (int64_t)record * n, q[MERIT_MAX_TRAITS];

    SweepWeigh(s->records, record, s->e + (int64_t)record * n_traits, q);
    for (int a = 0; a < n; a++) {
      sum[a] = 0.0;
      for (int i = 0; i < n_traits; i++)
        if (offset[i] >= 0) sum[a] += q[i] * Coefficient(t, offset[i], a);
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* e <- e - J shift of each record; traits without the term stay */
static PetscErrorCode Update(MeritSweep s, SweepTerm *term)
{
  const MeritTermView *t = term->view;
  const int            n = t->n_eq, n_traits = s->records->n_traits;
  const int32_t       *offset = t->design[0].offset;

  PetscFunctionBegin;
#pragma omp parallel for schedule(static) num_threads(s->n_threads)
  for (int32_t record = 0; record < s->records->n_records; record++) {
    const double *shift = term->columns.shift + (int64_t)record * n;

    for (int i = 0; i < n_traits; i++)
      for (int a = 0; a < n && offset[i] >= 0; a++) s->e[(int64_t)record * n_traits + i] -= shift[a] * Coefficient(t, offset[i], a);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The columns of a block side by side in Z [n_rows * n], so that a row is read in one pass */
static void GatherColumns(SweepTerm *term, int32_t first, int32_t n)
{
  SweepColumns *c = &term->columns;

  for (int32_t j = 0; j < n; j++) {
    const double *value = term->view->design[first + j].value;

    for (int64_t row = 0; row < c->n_rows; row++) c->Z[row * n + j] = value ? value[row] : 1.0;
  }
}

/* M' s of a block: each thread sums a fixed range of records, then the parts are added in the
   order of the threads */
static PetscErrorCode Adjoint(MeritSweep s, SweepTerm *term, int32_t first, int32_t n)
{
  SweepColumns *c    = &term->columns;
  const int     n_eq = term->view->n_eq;
  const size_t  size = (size_t)n * (size_t)n_eq;

  PetscFunctionBegin;
  GatherColumns(term, first, n);
  memset(c->sums, 0, size * (size_t)s->n_threads * sizeof(*c->sums));
#pragma omp parallel num_threads(s->n_threads)
  {
    const int     n_threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t last = c->n_rows * (thread + 1) / n_threads;
    double       *sums = c->sums + size * (size_t)thread;

    for (int64_t row = c->n_rows * thread / n_threads; row < last; row++)
      for (int32_t j = 0; j < n; j++)
        for (int a = 0; a < n_eq; a++) sums[j * n_eq + a] += c->Z[row * n + j] * c->s[row * n_eq + a];
  }
  for (int thread = 1; thread < s->n_threads; thread++)
    for (size_t i = 0; i < size; i++) c->sums[i] += c->sums[size * (size_t)thread + i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* z = M steps, with Z as `Adjoint` left it */
static PetscErrorCode Forward(MeritSweep s, SweepTerm *term, int32_t first, int32_t n)
{
  SweepColumns *c    = &term->columns;
  const int     n_eq = term->view->n_eq;

  PetscFunctionBegin;
  (void)first;
#pragma omp parallel for schedule(static) num_threads(s->n_threads)
  for (int64_t row = 0; row < c->n_rows; row++)
    for (int a = 0; a < n_eq; a++) {
      double sum = 0.0;

      for (int32_t j = 0; j < n; j++) sum += c->Z[row * n + j] * c->sums[j * n_eq + a];
      c->z[row * n_eq + a] = sum;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

const SweepRows MeritSweepRecordRows = {true, Count, RowBlocks, Gram, Sums, Adjoint, Forward, Update};

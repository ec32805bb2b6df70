/*
  The equations of MINQUE(0) where no matrix of observations fits: P is S, traces come from products with random signs z, tr(A_i A_j) from
  the products of A_i z and A_j z (Hutchinson 1990), so that a term costs as many products with K as there are samples.
*/
#include "moments.h"
#include <merit/random.h>

enum { PURPOSE_SKETCH = 0x534b, WIDTH = 32 };

/* Signs of the observations, [n_records * k], samples first .. */
static PetscErrorCode Signs(MeritVarcomp v, const SpectralSpace *s, int first, int k, double *z)
{
  const int64_t *line;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordLines(v->model, &line));
  for (int32_t i = 0; i < s->n_records; i++) {
    const MeritRandomKey key  = {.seed = (uint64_t)v->seed, .purpose = PURPOSE_SKETCH, .level = (uint64_t)line[i]};
    const uint64_t       bits = MeritRandomBits(&key, (uint32_t)(first / WIDTH));

    for (int j = 0; j < k; j++) z[(int64_t)i * k + j] = s->root[i] > 0.0 ? (bits >> j & 1 ? 1.0 : -1.0) : 0.0;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x -> S B S x (S x is lost); to [n_records * k] */
static PetscErrorCode Apply(SpectralSpace *s, int k, double *x, double *to)
{
  PetscFunctionBegin;
  PetscCall(SpectralProject(s, k, x));
  PetscCall(SpectralCovariance(s, k, false, x, to));
  PetscCall(SpectralProject(s, k, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One batch of samples: sums into e->S */
static PetscErrorCode Batch(MeritVarcomp v, SpectralSpace *s, int first, int k, double *z, double **to, Moments *e)
{
  const int m = e->m, n = m + 1;

  PetscFunctionBegin;
  for (int t = 0; t < m; t++) {
    PetscCall(Signs(v, &s[t], first, k, z));
    PetscCall(Apply(&s[t], k, z, to[t]));
  }
  for (int a = 0; a < m; a++)
    for (int b = 0; b < n; b++) {
      const double *y   = b < m ? to[b] : z; /* S z */
      double        sum = 0.0;

      for (int64_t i = 0; i < (int64_t)s->n_records * k; i++) sum += to[a][i] * y[i];
      e->S[a * n + b] += sum;
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MomentsSketch - See the header; every rank has the equations. Collective. */
PetscErrorCode MomentsSketch(MeritVarcomp v, int n_samples, Moments *e)
{
  const int      width = PetscMin(WIDTH, n_samples);
  const int      m = e->m, n = m + 1;
  SpectralSpace *s;
  double        *z, **to, *y;
  int            t = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(m, &s, m, &to));
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0) PetscCall(SpectralSpaceOf(v, "MINQUE", k, &s[t++]));
  PetscCall(PetscMalloc2((size_t)s->n_records * (size_t)width + 1, &z, s->n_records + 1, &y));
  for (t = 0; t < m; t++) PetscCall(PetscMalloc1((size_t)s->n_records * (size_t)width + 1, &to[t]));
  for (int first = 0; first < n_samples; first += WIDTH)
    PetscCall(Batch(v, s, first, PetscMin(WIDTH, n_samples - first), z, to, e));
  for (int i = 0; i < n * n; i++) e->S[i] /= n_samples;
  PetscCall(SpectralObservations(s, y));
  for (t = 0; t < n; t++) {
    if (t < m) PetscCall(SpectralCovariance(&s[t], 1, false, y, z));
    e->q[t] = 0.0;
    for (int32_t i = 0; i < s->n_records; i++) e->q[t] += y[i] * (t < m ? z[i] : y[i]);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, e->S, n * n, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, e->q, n, MPI_DOUBLE, MPI_SUM, v->comm));
  for (t = 0; t < m; t++) e->S[m * n + t] = e->S[t * n + m];
  e->S[n * n - 1] = (double)(v->n_observations - v->n_fixed);
  for (t = 0; t < m; t++) {
    PetscCall(PetscFree(to[t]));
    PetscCall(SpectralSpaceDestroy(&s[t]));
  }
  PetscCall(PetscFree2(z, y));
  PetscCall(PetscFree2(s, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

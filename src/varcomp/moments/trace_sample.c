/*
  The equations of MINQUE(0) where no matrix of observations has room: P is S.

  Traces come from products with random signs z: the mean of (A_i z)'(A_j z) is tr(A_i A_j)
  (Hutchinson 1990), with A_i = S B_i S. So a term costs as many products with K as there are
  samples. Each sample gives equations of its own; their spread at the estimates gives the Monte
  Carlo error (MomentsNoise).
*/
#include "moments.h"
#include <math.h>
#include <merit/pieces.h>
#include <merit/random.h>

enum { PURPOSE_SKETCH = 0x534b, WIDTH = 32 };

/*
  z [n_records * k]: random signs of the observations for samples first .. first + k, 0 where
  nothing is observed. They depend on the seed and the record's line in the file, not on ranks.
  first is a multiple of WIDTH.
*/
static PetscErrorCode SampleSigns(MeritVarcomp v, const RecordSpace *s, int first, int k, double *z)
{
  const int64_t *line;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordLines(v->model, &line));
  for (int32_t i = 0; i < s->n_records; i++) {
    const MeritRandomKey key  = {.seed = (uint64_t)v->settings.seed, .purpose = PURPOSE_SKETCH, .level = (uint64_t)line[i]};
    const uint64_t       bits = MeritRandomBits(&key, (uint32_t)(first / WIDTH));

    for (int j = 0; j < k; j++) z[(int64_t)i * k + j] = s->sqrt_weight[i] > 0.0 ? (bits >> j & 1 ? 1.0 : -1.0) : 0.0;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* to = S B S x for x [n_records * k]; x becomes S x. Collective. */
static PetscErrorCode ApplyProjected(RecordSpace *s, int k, double *x, double *to)
{
  PetscFunctionBegin;
  PetscCall(RecordSpaceProject(s, k, x));
  PetscCall(RecordSpaceCovariance(s, k, false, x, to));
  PetscCall(RecordSpaceProject(s, k, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  One batch of k samples: rows [k * m * n] of this rank's records, for each sample the equations
  of the m random terms, z'A_a A_b z, and with the residual z'A_a z. The signs are drawn anew
  for each term, as the product replaces them by S z; they are the same. Collective.
*/
static PetscErrorCode Batch(MeritVarcomp v, RecordSpace *s, int first, int k, double *z, double **to, int m, double *rows)
{
  const int n = m + 1;

  PetscFunctionBegin;
  for (int t = 0; t < m; t++) {
    PetscCall(SampleSigns(v, &s[t], first, k, z));
    PetscCall(ApplyProjected(&s[t], k, z, to[t]));
  }
  for (int a = 0; a < m; a++)
    for (int b = 0; b < n; b++) {
      const double *y          = b < m ? to[b] : z; /* S z */
      double        sum[WIDTH] = {0.0};

      for (int64_t i = 0; i < s->n_records; i++)
        for (int j = 0; j < k; j++) sum[j] += to[a][i * k + j] * y[i * k + j];
      for (int j = 0; j < k; j++) rows[(j * m + a) * n + b] = sum[j];
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  e->S as the mean over the samples. The row of the residual is the column of the others, since
  S is symmetric; its element with itself is tr(S), known.
*/
static void AverageRows(MeritVarcomp v, int n_samples, const double *rows, Moments *e)
{
  const int m = e->m, n = m + 1;

  for (int i = 0; i < m * n; i++) {
    e->S[i] = 0.0;
    for (int j = 0; j < n_samples; j++) e->S[i] += rows[(size_t)j * (size_t)(m * n) + (size_t)i] / n_samples;
  }
  for (int t = 0; t < m; t++) e->S[m * n + t] = e->S[t * n + m];
  e->S[n * n - 1] = (double)(v->run.n_observations - v->run.n_fixed);
}

/*
  e->q = y'S B_t S y and, last, y'S y, the same on all ranks; z is work. RecordSpaceObservations
  gives S y. Collective.
*/
static PetscErrorCode Quadratics(MeritVarcomp v, RecordSpace *s, double *z, Moments *e)
{
  const int n = e->m + 1;
  double   *y;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->n_records + 1, &y));
  PetscCall(RecordSpaceObservations(s, y));
  for (int t = 0; t < n; t++) {
    if (t < e->m) PetscCall(RecordSpaceCovariance(&s[t], 1, false, y, z));
    e->q[t] = 0.0;
    for (int32_t i = 0; i < s->n_records; i++) e->q[t] += y[i] * (t < e->m ? z[i] : y[i]);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, e->q, n, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscCall(PetscFree(y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MomentsSketch - See the header. Each term has a space of its own, so that the fixed effects
  are prepared once for each. Every rank has the equations. Collective.
*/
PetscErrorCode MomentsSketch(MeritVarcomp v, int n_samples, Moments *e, double **rows)
{
  const int     width = PetscMin(WIDTH, n_samples);
  const int     m = e->m, n = m + 1;
  RecordSpace  *s;
  double       *z, **to, *sums;
  const int64_t n_rows = (int64_t)n_samples * m * n;
  int           t      = 0;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)n_rows, &sums));
  PetscCall(PetscMalloc2(m + 1, &s, m + 1, &to));
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0) PetscCall(RecordSpaceCreateTerm(v, "MINQUE", k, &s[t++]));
  if (!m) PetscCall(RecordSpaceCreateTerm(v, "MINQUE", 0, &s[0])); /* no random term: for the observations without their fixed effects */
  PetscCall(PetscMalloc1((size_t)s->n_records * (size_t)width + 1, &z));
  for (t = 0; t < m; t++) PetscCall(PetscMalloc1((size_t)s->n_records * (size_t)width + 1, &to[t]));
  for (int first = 0; first < n_samples; first += WIDTH)
    PetscCall(Batch(v, s, first, PetscMin(WIDTH, n_samples - first), z, to, m, sums + (size_t)first * (size_t)(m * n)));
  PetscCall(MeritSumAll(v->comm, n_rows, sums));
  AverageRows(v, n_samples, sums, e);
  PetscCall(Quadratics(v, s, z, e));
  for (t = 0; t < m; t++) PetscCall(PetscFree(to[t]));
  for (t = 0; t < PetscMax(m, 1); t++) PetscCall(RecordSpaceDestroy(&s[t]));
  if (rows) *rows = sums;
  else PetscCall(PetscFree(sums));
  PetscCall(PetscFree(z));
  PetscCall(PetscFree2(s, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MomentsNoise - See the header. With S s = q, a small change of S changes s by -S^-1 (change of
  S) s. So side [n_samples * n], what each sample makes of S s, is averaged, and its covariance
  over the samples, divided by their number, is put between S^-1 and S^-1'. Not collective.
*/
PetscErrorCode MomentsNoise(MeritVarcomp v, const Moments *e, const double rows[])
{
  const int m = e->m, n = m + 1, R = v->results.n_samples;
  double   *side, *mean, *spread; /* what each sample says that q is */

  PetscFunctionBegin;
  PetscCall(PetscCalloc3((size_t)R * (size_t)n, &side, n, &mean, (size_t)(n * n), &spread));
  for (int j = 0; j < R; j++) {
    const double *S = rows + (size_t)j * (size_t)(m * n);
    double       *r = side + (size_t)j * (size_t)n;

    for (int a = 0; a < m; a++) {
      for (int b = 0; b < n; b++) r[a] += S[a * n + b] * e->estimate[b];
      r[m] += S[a * n + m] * e->estimate[a];
    }
    for (int a = 0; a < n; a++) mean[a] += r[a] / R;
  }
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      for (int j = 0; j < R; j++) spread[a * n + b] += (side[j * n + a] - mean[a]) * (side[j * n + b] - mean[b]);
      spread[a * n + b] = R > 1 ? spread[a * n + b] / (R - 1.0) / R : NAN;
    }
  v->results.has_monte_carlo = MomentsSandwich(e, spread, v->results.monte_carlo);
  PetscCall(PetscFree3(side, mean, spread));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  W'R^-1 W and its parts over the records of one rank.

  For each record: w = W x (Gather), q = D R^-1 D w with D = diag(sqrt weights) (Weigh), y += W'q
  (Scatter). R^-1 is that of the record's pattern of observed traits, with 0 for missing ones.
  Threads take contiguous chunks of records; levels that several threads write are redirected by
  MeritScatter. Few traits have faster loops in records_few.c.
*/
#include "records_few.h"
#include <merit/residual.h>
#include <string.h>

/* Right-hand sides are taken in groups of at most GROUP, so that w and q of a record stay on the
   stack */
enum { GROUP = 8 };

/* A range of regressors [first, last) */
typedef struct {
  int first, last;
} Range;

/* w[t * k + j] = sum over the regressors of value * x; stride is the number of right-hand sides in
   x */
static KERNEL void Gather(const MeritRecordKernel *r, Range range, int32_t record, int n_traits, int k, int stride, const double *x, double *w)
{
  for (int i = 0; i < n_traits * k; i++) w[i] = 0.0;
  for (int g = range.first; g < range.last; g++) {
    const int32_t slot  = r->slot[g][record];
    const double  value = r->value[g] ? r->value[g][record] : 1.0;

    if (slot < 0) continue;
    for (int t = 0; t < n_traits; t++) {
      const double *from;

      if (r->offset[g][t] < 0) continue; /* the trait has no such regressor */
      from = x + (int64_t)(slot + r->offset[g][t]) * stride;
      for (int j = 0; j < k; j++) w[t * k + j] += value * from[j];
    }
  }
}

/* q = D R^-1 D w of one record for k right-hand sides */
static KERNEL void Weigh(const MeritRecordKernel *r, int32_t record, int n_traits, int k, const double *w, double *q)
{
  MeritRecordInverseApply(MeritRecordInverseOf(r->R_inverse, r->pattern, r->sqrt_weight, n_traits, record), n_traits, k, w, q);
}

/* y += value * q at the levels of the record's regressors */
static KERNEL void Scatter(const MeritRecordKernel *r, Range range, int32_t record, int n_traits, int k, int stride, const double *q, double *y)
{
  for (int g = range.first; g < range.last; g++) {
    const int32_t slot  = r->scatter->target[g][record];
    const double  value = r->value[g] ? r->value[g][record] : 1.0;

    if (slot < 0) continue;
    for (int t = 0; t < n_traits; t++) {
      double *to;

      if (r->offset[g][t] < 0) continue;
      to = y + (int64_t)(slot + r->offset[g][t]) * stride;
      for (int j = 0; j < k; j++) to[j] += value * q[t * k + j];
    }
  }
}

/* The records of one thread; inlined with constant n_traits and k in the common cases */
static KERNEL void ApplyChunk(const MeritRecordKernel *r, int thread, int n_traits, int k, int stride, const double *x, double *y)
{
  const Range all = {0, r->n_regressors};
  double      w[MERIT_MAX_TRAITS * GROUP], q[MERIT_MAX_TRAITS * GROUP];

  for (int32_t record = (int32_t)r->scatter->chunk[thread]; record < r->scatter->chunk[thread + 1]; record++) {
    Gather(r, all, record, n_traits, k, stride, x, w);
    Weigh(r, record, n_traits, k, w, q);
    Scatter(r, all, record, n_traits, k, stride, q, y);
  }
}

/* MeritRecordsApply - y += W' R^-1 W x. Not collective, threaded; see the header for shapes. */
void MeritRecordsApply(const MeritRecordKernel *r, int k, const double *x, double *y)
{
#pragma omp parallel num_threads(r->scatter->n_threads)
  {
#pragma omp for schedule(static, 1)
    for (int thread = 0; thread < r->scatter->n_threads; thread++) {
      if (k == 1 && MeritRecordsFew(r, NULL, thread, 1.0, x, y)) continue;
      if (k == 1 && r->n_traits == 1) ApplyChunk(r, thread, 1, 1, 1, x, y);
      else if (k == 1 && r->n_traits == 2) ApplyChunk(r, thread, 2, 1, 1, x, y);
      else if (k == 1 && r->n_traits == 3) ApplyChunk(r, thread, 3, 1, 1, x, y);
      else if (k == 1) ApplyChunk(r, thread, r->n_traits, 1, 1, x, y);
      /* More right-hand sides than one, or any number of traits: in groups */
      else
        for (int j = 0; j < k; j += GROUP) ApplyChunk(r, thread, r->n_traits, k - j < GROUP ? k - j : GROUP, k, x + j, y + j);
    }
    AddPrivate(r->scatter, k, y);
  }
}

/* MeritRecordsProject - y += W' R^-1 values. Not collective, threaded. */
void MeritRecordsProject(const MeritRecordKernel *r, int k, const double *values, double *y)
{
#pragma omp parallel num_threads(r->scatter->n_threads)
  {
#pragma omp for schedule(static, 1)
    for (int thread = 0; thread < r->scatter->n_threads; thread++)
      for (int32_t record = (int32_t)r->scatter->chunk[thread]; record < r->scatter->chunk[thread + 1]; record++)
        for (int j = 0; j < k; j++) {
          double w[MERIT_MAX_TRAITS], q[MERIT_MAX_TRAITS];

          for (int t = 0; t < r->n_traits; t++) w[t] = values[((int64_t)record * r->n_traits + t) * k + j];
          Weigh(r, record, r->n_traits, 1, w, q);
          Scatter(r, (Range){0, r->n_regressors}, record, r->n_traits, 1, k, q, y + j);
        }
    AddPrivate(r->scatter, k, y);
  }
}

/* MeritRecordsFitted - fitted = W x. Not collective, threaded. */
void MeritRecordsFitted(const MeritRecordKernel *r, int k, const double *x, double *fitted)
{
#pragma omp parallel for schedule(static) num_threads(r->scatter->n_threads)
  for (int32_t record = 0; record < r->n_records; record++)
    for (int j = 0; j < k; j++) {
      double w[MERIT_MAX_TRAITS];

      Gather(r, (Range){0, r->n_regressors}, record, r->n_traits, 1, k, x + j, w);
      for (int t = 0; t < r->n_traits; t++) fitted[((int64_t)record * r->n_traits + t) * k + j] = w[t];
    }
}

/* One thread's part of MeritRecordsTransfer: only regressors with a role are read or written */
static void TransferChunk(const MeritRecordKernel *r, const uint8_t role[], int thread, double sign, int k, const double *x, double *y)
{
  for (int32_t record = (int32_t)r->scatter->chunk[thread]; record < r->scatter->chunk[thread + 1]; record++)
    for (int j = 0; j < k; j++) {
      double w[MERIT_MAX_TRAITS] = {0.0}, q[MERIT_MAX_TRAITS], part[MERIT_MAX_TRAITS];

      for (int g = 0; g < r->n_regressors; g++) {
        if (!(role[g] & MERIT_ROLE_FROM)) continue;
        Gather(r, (Range){g, g + 1}, record, r->n_traits, 1, k, x + j, part);
        for (int t = 0; t < r->n_traits; t++) w[t] += part[t];
      }
      Weigh(r, record, r->n_traits, 1, w, q);
      for (int t = 0; t < r->n_traits; t++) q[t] *= sign;
      for (int g = 0; g < r->n_regressors; g++)
        if (role[g] & MERIT_ROLE_TO) Scatter(r, (Range){g, g + 1}, record, r->n_traits, 1, k, q, y + j);
    }
}

/* MeritRecordsTransfer - y += sign W_to' R^-1 W_from x. Not collective, threaded. */
void MeritRecordsTransfer(const MeritRecordKernel *r, const uint8_t role[], double sign, int k, const double *x, double *y)
{
#pragma omp parallel num_threads(r->scatter->n_threads)
  {
#pragma omp for schedule(static, 1)
    for (int thread = 0; thread < r->scatter->n_threads; thread++) {
      if (k > 1 || !MeritRecordsFew(r, role, thread, sign, x, y)) TransferChunk(r, role, thread, sign, k, x, y);
    }
    AddPrivate(r->scatter, k, y);
  }
}

/* Add one record's contribution to the block of regressors g and h, if both have the same level */
static void AddPair(const MeritRecordKernel *r, int32_t record, int g, int h, const double *V, int stride, double *D)
{
  const int32_t slot  = r->slot[g][record];
  const double  value = (r->value[g] ? r->value[g][record] : 1.0) * (r->value[h] ? r->value[h][record] : 1.0);

  if (slot < 0 || slot != r->slot[h][record]) return;
  for (int t = 0; t < r->n_traits; t++)
    for (int s = 0; s < r->n_traits && r->offset[g][t] >= 0; s++)
      if (r->offset[h][s] >= 0) D[(int64_t)(slot + r->offset[g][t]) * stride + r->offset[h][s]] += value * V[t * r->n_traits + s];
}

/* V = D R^-1 D of one record, column by column */
static void WeightMatrix(const MeritRecordKernel *r, int32_t record, double *V)
{
  double w[MERIT_MAX_TRAITS], q[MERIT_MAX_TRAITS];

  for (int s = 0; s < r->n_traits; s++) {
    for (int t = 0; t < r->n_traits; t++) w[t] = t == s;
    Weigh(r, record, r->n_traits, 1, w, q);
    for (int t = 0; t < r->n_traits; t++) V[t * r->n_traits + s] = q[t];
  }
}

/* MeritRecordsDiagonal - Diagonal blocks of W' R^-1 W. Not collective. */
void MeritRecordsDiagonal(const MeritRecordKernel *r, const int first_regressor[], int n_terms, int stride, double *D)
{
  /* One trait and one component a level need no matrices */
  if (MeritRecordsDiagonalOne(r, first_regressor, n_terms, stride, D)) return;
  for (int32_t record = 0; record < r->n_records; record++) {
    double V[MERIT_MAX_TRAIT_BLOCK];

    WeightMatrix(r, record, V);
    for (int k = 0; k < n_terms; k++)
      for (int g = first_regressor[k]; g < first_regressor[k + 1]; g++)
        for (int h = first_regressor[k]; h < first_regressor[k + 1]; h++) AddPair(r, record, g, h, V, stride, D);
  }
}

/* MeritRecordsAbsorb - What eliminating the levels of one regressor takes from the blocks of others. Not collective. */
void MeritRecordsAbsorb(const MeritRecordKernel *r, int h, int width, const double *B, int first, int last, int stride, double *W)
{
  const int n = r->n_traits;

  /* E = -D R^-1 D B D R^-1 D, where B is the inverse block of the level of regressor h */
  for (int32_t record = 0; record < r->n_records; record++) {
    double        V[MERIT_MAX_TRAIT_BLOCK], E[MERIT_MAX_TRAIT_BLOCK];
    const int32_t slot = r->slot[h][record], *offset = r->offset[h];

    if (slot < 0) continue;
    WeightMatrix(r, record, V);
    for (int t = 0; t < n; t++)
      for (int s = 0; s < n; s++) {
        double sum = 0.0;

        for (int a = 0; a < n; a++)
          for (int b = 0; b < n && offset[a] >= 0; b++)
            if (offset[b] >= 0) sum += V[t * n + a] * B[(int64_t)(slot + offset[a]) * width + offset[b]] * V[b * n + s];
        E[t * n + s] = -sum;
      }
    for (int g = first; g < last; g++)
      for (int i = first; i < last; i++) AddPair(r, record, g, i, E, stride, W);
  }
}

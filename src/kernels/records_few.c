/* Products over records for one right-hand side and at most MERIT_FEW_TRAITS traits. Loops are
   compiled for each small number of traits or regressors, so that a record costs little more than
   its loads and stores. */
#include "records_few.h"
#include <merit/residual.h>

/* Regressors of many levels that have loops of their own */
enum { FEW = 3 };

/* Regressors that are read (from) or written (to): up to FEW with many levels, and at most one with
   a single level, which needs no list */
typedef struct {
  int            n;
  const int32_t *slot[FEW];
  const double  *value[FEW];  /* NULL: 1 */
  int32_t        offset[FEW]; /* component of the level */
  int32_t        one;         /* slot of the single level, -1 none */
} Side;

/* One record: reads `from`, adds to `to`, and returns what it added. n_from, n_to and `general`
   (coefficients and weights) are constants after inlining; `constant` is the value of the single
   level, added for every record. */
static KERNEL double Record(const MeritRecordKernel *r, int64_t i, const Side *from, int n_from, const Side *to, int n_to, bool general, double scale,
                            double constant, const double *x, double *y)
{
  double q = constant;

  for (int g = 0; g < n_from; g++) {
    const int32_t slot = from->slot[g][i];

    if (slot >= 0) q += general && from->value[g] ? from->value[g][i] * x[from->offset[g] + slot] : x[from->offset[g] + slot];
  }
  if (general) q *= MeritRecordInverseOne(MeritRecordInverseOf(r->R_inverse, r->pattern, r->sqrt_weight, 1, i));
  q *= scale;
  for (int g = 0; g < n_to; g++) {
    const int32_t slot = to->slot[g][i];

    if (slot >= 0) y[to->offset[g] + slot] += general && to->value[g] ? to->value[g][i] * q : q;
  }
  return q;
}

/* The records of one thread; returns the sum that belongs to the single level. x and y may be the
   same array if the sides have no level in common. Consecutive records often have the same class
   level, so each addition waits for the one before: two halves of the records are interleaved. */
static KERNEL double Pass(const MeritRecordKernel *r, int thread, const Side *from, int n_from, const Side *to, int n_to, bool general, double scale,
                          double constant, const double *x, double *y)
{
  const int64_t first = r->scatter->chunk[thread], last = r->scatter->chunk[thread + 1], half = (last - first) / 2;
  double        sum = 0.0, other = 0.0;

  for (int64_t i = first; i < first + half; i++) {
    sum += Record(r, i, from, n_from, to, n_to, general, scale, constant, x, y);
    other += Record(r, i + half, from, n_from, to, n_to, general, scale, constant, x, y);
  }
  for (int64_t i = first + 2 * half; i < last; i++) sum += Record(r, i, from, n_from, to, n_to, general, scale, constant, x, y);
  return sum + other;
}

/* Choose a compiled loop: common numbers of regressors are constants, others are variables. Without
   weights R^-1 is one factor for all. */
static double Choose(const MeritRecordKernel *r, int thread, const Side *from, const Side *to, double sign, double constant, const double *x,
                     double *y)
{
  const double scale = sign * r->R_inverse[0];
  bool         plain = !r->sqrt_weight && r->n_patterns == 1;

  for (int g = 0; g < from->n; g++) plain = plain && !from->value[g];
  for (int g = 0; g < to->n; g++) plain = plain && !to->value[g];
  if (!plain) {
    if (from->n == 1 && to->n == 1) return Pass(r, thread, from, 1, to, 1, true, sign, constant, x, y);
    if (from->n == 2 && to->n == 2) return Pass(r, thread, from, 2, to, 2, true, sign, constant, x, y);
    return Pass(r, thread, from, from->n, to, to->n, true, sign, constant, x, y);
  }
  if (from->n == 1 && to->n == 1) return Pass(r, thread, from, 1, to, 1, false, scale, constant, x, y);
  if (from->n == 1 && to->n == 2) return Pass(r, thread, from, 1, to, 2, false, scale, constant, x, y);
  if (from->n == 2 && to->n == 1) return Pass(r, thread, from, 2, to, 1, false, scale, constant, x, y);
  if (from->n == 2 && to->n == 2) return Pass(r, thread, from, 2, to, 2, false, scale, constant, x, y);
  if (from->n == 3 && to->n == 3) return Pass(r, thread, from, 3, to, 3, false, scale, constant, x, y);
  return Pass(r, thread, from, from->n, to, to->n, false, scale, constant, x, y);
}

/* The same for T traits (a constant after inlining) in consecutive equations; constant and sum are
   [T] */
static KERNEL void PassTraits(const MeritRecordKernel *r, int thread, const Side *from, const Side *to, int T, double sign, const double *constant,
                              const double *restrict x, double *restrict y, double *sum)
{
  double total[MERIT_FEW_TRAITS] = {0.0};

  for (int64_t i = r->scatter->chunk[thread]; i < r->scatter->chunk[thread + 1]; i++) {
    double w[MERIT_FEW_TRAITS], q[MERIT_FEW_TRAITS];

    for (int t = 0; t < T; t++) w[t] = constant[t];
    for (int g = 0; g < from->n; g++) {
      const int32_t slot  = from->slot[g][i];
      const double  value = from->value[g] ? from->value[g][i] : 1.0;
      const double *at    = x + slot + from->offset[g];

      for (int t = 0; t < T && slot >= 0; t++) w[t] += value * at[t];
    }
    MeritRecordInverseApply(MeritRecordInverseOf(r->R_inverse, r->pattern, r->sqrt_weight, T, i), T, 1, w, q);
    for (int t = 0; t < T; t++) {
      q[t] *= sign;
      total[t] += q[t];
    }
    for (int g = 0; g < to->n; g++) {
      const int32_t slot  = to->slot[g][i];
      const double  value = to->value[g] ? to->value[g][i] : 1.0;
      double       *at    = y + slot + to->offset[g];

      for (int t = 0; t < T && slot >= 0; t++) at[t] += value * q[t];
    }
  }
  for (int t = 0; t < T; t++) sum[t] = total[t];
}

/* Add a regressor to a side; false if it has FEW already */
static bool Take(const MeritRecordKernel *r, int g, const int32_t *slot, int64_t first, Side *side)
{
  if (side->one < 0 && r->single[g] && !r->value[g]) {
    side->one = slot[first] + r->offset[g][0];
    return true;
  }
  if (side->n == FEW) return false;
  side->slot[side->n]    = slot;
  side->offset[side->n]  = r->offset[g][0];
  side->value[side->n++] = r->value[g];
  return true;
}

/* Are the components of all traits of a regressor consecutive? */
static bool SideBySide(const MeritRecordKernel *r, int g)
{
  if (r->offset[g][0] < 0) return false;
  for (int t = 1; t < r->n_traits; t++)
    if (r->offset[g][t] != r->offset[g][0] + t) return false;
  return true;
}

/* Choose the loop for T traits */
static void ChooseTraits(const MeritRecordKernel *r, int thread, const Side *from, const Side *to, double sign, const double *x, double *y)
{
  const int T                          = r->n_traits;
  double    constant[MERIT_FEW_TRAITS] = {0.0}, sum[MERIT_FEW_TRAITS] = {0.0};

  for (int t = 0; t < T && from->one >= 0; t++) constant[t] = x[from->one + t];
  if (T == 2) PassTraits(r, thread, from, to, 2, sign, constant, x, y, sum);
  else if (T == 3) PassTraits(r, thread, from, to, 3, sign, constant, x, y, sum);
  else PassTraits(r, thread, from, to, T, sign, constant, x, y, sum);
  for (int t = 0; t < T && to->one >= 0; t++) y[to->one + t] += sum[t];
}

/* MeritRecordsFew - See the header. Not collective. */
bool MeritRecordsFew(const MeritRecordKernel *r, const uint8_t role[], int thread, double sign, const double *x, double *y)
{
  const int64_t first = r->scatter->chunk[thread];
  Side          from = {.one = -1}, to = {.one = -1};
  double        sum;

  if (r->n_traits > MERIT_FEW_TRAITS) return false;
  if (first == r->scatter->chunk[thread + 1]) return true;
  for (int g = 0; g < r->n_regressors; g++) {
    if (!SideBySide(r, g)) return false;
    if ((!role || role[g] & MERIT_ROLE_FROM) && !Take(r, g, r->slot[g], first, &from)) return false;
    if ((!role || role[g] & MERIT_ROLE_TO) && !Take(r, g, r->scatter->target[g], first, &to)) return false;
  }
  if (r->n_traits > 1) {
    ChooseTraits(r, thread, &from, &to, sign, x, y);
    return true;
  }
  sum = Choose(r, thread, &from, &to, sign, from.one < 0 ? 0.0 : x[from.one], x, y);
  if (to.one >= 0) y[to.one] += sum;
  return true;
}

/* MeritRecordsDiagonalOne - See the header. Not collective. */
bool MeritRecordsDiagonalOne(const MeritRecordKernel *r, const int first_regressor[], int n_terms, int stride, double *D)
{
  if (r->n_traits > 1 || stride > 1) return false;
  for (int k = 0; k < n_terms; k++)
    if (first_regressor[k + 1] - first_regressor[k] != 1) return false;
  for (int32_t i = 0; i < r->n_records; i++) {
    const double weight = MeritRecordInverseOne(MeritRecordInverseOf(r->R_inverse, r->pattern, r->sqrt_weight, 1, i));

    for (int k = 0; k < n_terms; k++) {
      const int    g     = first_regressor[k];
      const double value = r->value[g] ? r->value[g][i] : 1.0;

      if (r->slot[g][i] >= 0) D[r->slot[g][i]] += value * value * weight;
    }
  }
  return true;
}

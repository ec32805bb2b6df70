/* Records of one trait: nothing but loads, products and stores, compiled for each small number of regressors. */
#include "records_one.h"

/* Regressors of many levels that have loops of their own */
enum { FEW = 3 };

/* Regressors on one side of the product: those of many levels, and at most one of a single level, which needs no list */
typedef struct {
  int            n;
  const int32_t *slot[FEW];
  const double  *value[FEW];  /* NULL: 1 */
  int32_t        offset[FEW]; /* component of the level */
  int32_t        one;        /* slot of the single level, -1 none */
} Side;

/*
  n_from, n_to and `general` (coefficients and weights) are constants after inlining; `constant` is what the single level adds to
  every record. Returns the sum of what goes back to it. x and y may be one array if the sides share no level.
*/
static KERNEL double Pass(const MeritRecordKernel *r, int thread, const Side *from, int n_from, const Side *to, int n_to, bool general,
                          double scale, double constant, const double *x, double *y)
{
  const double *x_of[FEW];
  double       *y_of[FEW], sum = 0.0;

  for (int g = 0; g < n_from; g++) x_of[g] = x + from->offset[g];
  for (int g = 0; g < n_to; g++) y_of[g] = y + to->offset[g];
  for (int64_t i = r->scatter->chunk[thread]; i < r->scatter->chunk[thread + 1]; i++) {
    double q = constant;

    for (int g = 0; g < n_from; g++)
      if (from->slot[g][i] >= 0) q += general && from->value[g] ? from->value[g][i] * x_of[g][from->slot[g][i]] : x_of[g][from->slot[g][i]];
    if (general) {
      const double root = r->root_weight ? r->root_weight[i] : 1.0;

      q *= r->R_inverse[r->pattern[i]] * root * root;
    }
    q *= scale;
    sum += q;
    for (int g = 0; g < n_to; g++)
      if (to->slot[g][i] >= 0) y_of[g][to->slot[g][i]] += general && to->value[g] ? to->value[g][i] * q : q;
  }
  return sum;
}

/* The loops: what is common by itself, the rest by counts that are not known before */
static double Choose(const MeritRecordKernel *r, int thread, const Side *from, const Side *to, double sign, double constant,
                     const double *x, double *y)
{
  const double scale = sign * r->R_inverse[0];
  bool         plain = !r->root_weight && r->n_patterns == 1;

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

/* Add a regressor to a side; false when there is no room */
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

bool MeritRecordsOne(const MeritRecordKernel *r, const uint8_t role[], int thread, double sign, const double *x, double *y)
{
  const int64_t first = r->scatter->chunk[thread];
  Side          from = {.one = -1}, to = {.one = -1};
  double        sum;

  if (r->n_traits > 1) return false;
  if (first == r->scatter->chunk[thread + 1]) return true;
  for (int g = 0; g < r->n_regressors; g++) {
    if (r->offset[g][0] < 0) return false;
    if ((!role || role[g] & MERIT_ROLE_FROM) && !Take(r, g, r->slot[g], first, &from)) return false;
    if ((!role || role[g] & MERIT_ROLE_TO) && !Take(r, g, r->scatter->target[g], first, &to)) return false;
  }
  sum = Choose(r, thread, &from, &to, sign, from.one < 0 ? 0.0 : x[from.one], x, y);
  if (to.one >= 0) y[to.one] += sum;
  return true;
}

bool MeritRecordsDiagonalOne(const MeritRecordKernel *r, const int first_regressor[], int n_terms, int stride, double *D)
{
  if (r->n_traits > 1 || stride > 1) return false;
  for (int k = 0; k < n_terms; k++)
    if (first_regressor[k + 1] - first_regressor[k] != 1) return false;
  for (int32_t i = 0; i < r->n_records; i++) {
    const double root   = r->root_weight ? r->root_weight[i] : 1.0;
    const double weight = r->R_inverse[r->pattern[i]] * root * root;

    for (int k = 0; k < n_terms; k++) {
      const int    g     = first_regressor[k];
      const double value = r->value[g] ? r->value[g][i] : 1.0;

      if (r->slot[g][i] >= 0) D[r->slot[g][i]] += value * value * weight;
    }
  }
  return true;
}

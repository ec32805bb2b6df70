#include "small.h"
#include <math.h>
#include <stdlib.h>

static double *Draw(Dice *d, int n)
{
  double *z = calloc((size_t)n + 1, sizeof(*z));

  for (int i = 0; i < n; i++) z[i] = DiceNormal(d);
  return z;
}

/* Write the values over the observations that the model uses, in record and trait order */
static void Put(Small *s, const DenseModel *m, const double y[])
{
  for (int i = 0, a = 0; i < s->n_records; i++)
    for (int t = 0; t < s->n_traits; t++)
      if (!isnan(m->fitted[i * s->n_traits + t])) snprintf(s->column[s->trait_column[t]].cell[i], SMALL_TEXT, "%.3f", 50.0 + y[a++]);
}

int SmallSimulate(Small *s)
{
  DenseModel *m = SmallDense(s);
  double     *V, *z, *y;
  int         n, p, status;

  if (!m) return -1;
  DenseObservations(m, &n, NULL, &p, NULL);
  V = calloc((size_t)n * (size_t)n + 1, sizeof(*V));
  z = Draw(&s->dice, n);
  y = calloc((size_t)n + 1, sizeof(*y));
  DenseCovariance(m, n, V);
  status = DenseCholesky(n, V);
  for (int i = 0; i < n; i++)
    for (int k = 0; k <= i; k++) y[i] += V[i * n + k] * z[k];
  if (!status) Put(s, m, y);
  free(V), free(z), free(y);
  DenseDestroy(&m);
  return status;
}

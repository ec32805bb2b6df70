/*
  What a visitor sees of a block of equations. Given all other effects, the block has the normal
  distribution with mean x + C_bb^-1 g and covariance matrix C_bb^-1 = F F' (g the gradient). A
  Gibbs sampler draws mean + F z with standard normal z.
*/
#include "sweep_impl.h"
#include <math.h>

/* F lower triangular with F F' = A, which is positive semi-definite (Cholesky). Columns of
   pivots that are not positive are 0: these equations depend on those before them. */
static void Root(int n, const double *A, double *F)
{
  for (int j = 0; j < n; j++) {
    double pivot = A[j * n + j];

    for (int k = 0; k < j; k++) pivot -= F[j * n + k] * F[j * n + k];
    for (int i = 0; i < n; i++) F[i * n + j] = 0.0;
    if (!(pivot > 0.0)) continue;
    F[j * n + j] = sqrt(pivot);
    for (int i = j + 1; i < n; i++) {
      double sum = A[i * n + j];

      for (int k = 0; k < j; k++) sum -= F[i * n + k] * F[j * n + k];
      F[i * n + j] = sum / F[j * n + j];
    }
  }
}

/* MeritSweepAskVisitor - See the header. value[] has the mean when the visitor is called. Not
   collective. */
void MeritSweepAskVisitor(MeritSweep s, const SweepTerm *term, int64_t level, const double *x, double *gradient, const double *inverse, double *value)
{
  const int             n = term->view->n_eq;
  double                mean[MERIT_MAX_COMPONENTS], root[MERIT_MAX_COMPONENTS * MERIT_MAX_COMPONENTS];
  const MeritSweepBlock block = {term->index, level, n, x, gradient, inverse, mean, root};

  for (int a = 0; a < n; a++) {
    mean[a] = x[a];
    for (int b = 0; b < n; b++) mean[a] += inverse[a * n + b] * gradient[b];
    value[a] = mean[a];
  }
  Root(n, inverse, root);
  (*s->settings.visit)(&block, value, s->settings.visit_ctx);
}

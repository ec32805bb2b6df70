/*
  The likelihood and its derivatives from eigenvalues, or from Gauss quadratures that stand for
  them (Golub and Meurant 2010).

  In the space where the fixed effects are taken out, V = s_u S B S + s_e S. For a vector b,
  b'f(V) b = sum of w_i f(s_u x_i + s_e) over eigenvalues x_i with the squared lengths w_i of b
  along the eigenvectors. So y'P y has f(a) = 1 / a, y'P B P y has x / a^2, and so on; traces
  have w_i = 1, or are means over random vectors. theta = {s_u, s_e} throughout.
*/
#include "spectrum.h"
#include <math.h>

/*
  A log-likelihood with a larger Monte Carlo error than this is not given: differences between
  models would be noise
*/
static const double MOST_ERROR = 0.05;

/* SpectralQuadratureCreate - See the header. Nodes and weights are 0. Not collective. */
PetscErrorCode SpectralQuadratureCreate(int n, SpectralQuadrature *q)
{
  PetscFunctionBegin;
  q->n = n;
  PetscCall(PetscCalloc1(2 * (size_t)n + 1, &q->node));
  q->weight = q->node + n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SpectralQuadratureDestroy - See the header. Not collective. */
PetscErrorCode SpectralQuadratureDestroy(SpectralQuadrature *q)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(q->node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  One implicit QL step on rows l to m of the tridiagonal matrix with the diagonal d and e below
  it; z is the first row of the product of all rotations so far, which the eigenvectors end with
*/
static void Turn(int l, int m, double d[], double e[], double z[])
{
  double g = (d[l + 1] - d[l]) / (2.0 * e[l]), r = sqrt(g * g + 1.0), s = 1.0, c = 1.0, p = 0.0;
  int    i = m - 1;

  g = d[m] - d[l] + e[l] / (g + copysign(r, g));
  for (; i >= l; i--) {
    const double f = s * e[i], b = c * e[i], first = z[i + 1];

    e[i + 1] = r = sqrt(f * f + g * g);
    if (r == 0.0) break;
    s        = f / r;
    c        = g / r;
    g        = d[i + 1] - p;
    r        = (d[i] - g) * s + 2.0 * c * b;
    p        = s * r;
    d[i + 1] = g + p;
    g        = c * r - b;
    z[i + 1] = s * z[i] + c * first;
    z[i]     = c * z[i] - s * first;
  }
  if (i >= l) {
    d[i + 1] -= p;
    e[m] = 0.0;
    return;
  }
  d[l] -= p;
  e[l] = g;
  e[m] = 0.0;
}

/*
  SpectralGauss - See the header; Golub and Welsch (1969). Rows l on are reduced until e[l] is
  rounding; more than 60 steps for an eigenvalue are a failure. The weight of a node is the
  square of the first component of its eigenvector, times `total`. Not collective.
*/
bool SpectralGauss(double total, double below[], SpectralQuadrature *q)
{
  const int n = q->n;
  double   *d = q->node, *z = q->weight, most = 0.0;

  if (n) below[n - 1] = 0.0;
  for (int i = 0; i < n; i++) {
    most = PetscMax(most, fabs(d[i]) + fabs(below[i]));
    z[i] = i == 0;
  }
  for (int l = 0; l < n; l++) {
    int m = n;

    for (int turn = 0; m != l; turn++) {
      for (m = l; m < n - 1; m++)
        if (fabs(below[m]) <= PETSC_MACHINE_EPSILON * most) break;
      if (m == l) break;
      if (turn == 60) return false;
      Turn(l, m, d, below, z);
    }
  }
  for (int i = 0; i < n; i++) {
    if (d[i] < 100.0 * PETSC_MACHINE_EPSILON * most) d[i] = 0.0; /* B is semi-definite: this is rounding */
    z[i] *= z[i] * total;
  }
  return true;
}

/*
  form = y'Py, y'PBPy, y'PPy, y'PBPBPy, y'PBPPy, y'PPPy: all that likelihood, score and average
  information need of the data
*/
static void QuadraticForms(const SpectralQuadrature *y, const double theta[], double form[6])
{
  for (int k = 0; k < 6; k++) form[k] = 0.0;
  for (int i = 0; i < y->n; i++) {
    const double x = y->node[i], inverse = 1.0 / (theta[0] * x + theta[1]), one = y->weight[i] * inverse, two = one * inverse, three = two * inverse;

    form[0] += one;
    form[1] += two * x;
    form[2] += two;
    form[3] += three * x * x;
    form[4] += three * x;
    form[5] += three;
  }
}

/* SpectralTraces - tr(PB), tr(P) and log |V| of the space by one quadrature. Not collective. */
void SpectralTraces(const SpectralQuadrature *q, const double theta[], double trace[3])
{
  for (int k = 0; k < 3; k++) trace[k] = 0.0;
  for (int i = 0; i < q->n; i++) {
    const double x = q->node[i], a = theta[0] * x + theta[1], one = q->weight[i] / a;

    trace[0] += one * x;
    trace[1] += one;
    trace[2] += q->weight[i] * log(a);
  }
}

/*
  What sample r adds to the mean of the traces. The mean over all samples of the short
  quadratures is corrected by the mean difference of the first n_far to their long ones; so one
  of these counts as far * (long - short) + near * short.
*/
static void Part(const Spectrum *s, int r, const double theta[], double part[3])
{
  const double near = 1.0 / s->n_traces, far = s->n_far ? 1.0 / s->n_far : 0.0;
  double       better[3];

  SpectralTraces(&s->trace[r], theta, part);
  if (r < s->n_far) SpectralTraces(&s->far[r], theta, better);
  for (int k = 0; k < 3; k++) part[k] = r < s->n_far ? far * better[k] + (near - far) * part[k] : near * part[k];
}

/*
  Samples [first, last): their sum is added to mean, and the variance of that sum, n times that
  of one, to covariance [3 * 3]; nothing is added to it if the traces are exact
*/
static void AddGroup(const Spectrum *s, int first, int last, const double theta[], double mean[3], double covariance[9])
{
  const double n = last - first, factor = n > 1.0 ? n / (n - 1.0) : 0.0;
  double       sum[3] = {0.0}, part[3];

  for (int r = first; r < last; r++) {
    Part(s, r, theta, part);
    for (int k = 0; k < 3; k++) sum[k] += part[k];
  }
  for (int r = first; r < last && !s->exact; r++) {
    Part(s, r, theta, part);
    for (int k = 0; k < 9; k++) covariance[k] += factor * (part[k / 3] - sum[k / 3] / n) * (part[k % 3] - sum[k % 3] / n);
  }
  for (int k = 0; k < 3; k++) mean[k] += sum[k];
}

/*
  Mean of the traces, and its covariance [3 * 3] over random numbers. Samples with long
  quadratures and those without are two groups with variances of their own.
*/
static void MeanTraces(const Spectrum *s, const double theta[], double mean[3], double covariance[9])
{
  for (int k = 0; k < 3; k++) mean[k] = 0.0;
  for (int k = 0; k < 9; k++) covariance[k] = 0.0;
  if (s->n_far) AddGroup(s, 0, s->n_far, theta, mean, covariance);
  if (s->n_far < s->n_traces) AddGroup(s, s->n_far, s->n_traces, theta, mean, covariance);
}

/*
  SpectrumEvaluate - Log-likelihood, score, average information, and the covariance of the score
  over random numbers. Not collective.

  Notes: The log-likelihood is NaN where its standard error over random numbers is not below
  MOST_ERROR.
*/
void SpectrumEvaluate(const Spectrum *s, const double theta[], VarcompPoint *point)
{
  double form[6], trace[3], covariance[9];

  QuadraticForms(&s->y, theta, form);
  MeanTraces(s, theta, trace, covariance);
  point->log_likelihood = -0.5 * (s->constant + trace[2] + form[0]);
  if (!(0.5 * sqrt(covariance[8]) < MOST_ERROR)) point->log_likelihood = NAN;
  for (int a = 0; a < 2; a++) {
    point->score[a] = -0.5 * (trace[a] - form[1 + a]);
    for (int b = 0; b < 2; b++) {
      point->information[a * 2 + b]   = 0.5 * form[3 + a + b];
      point->mc_covariance[a * 2 + b] = 0.25 * covariance[a * 3 + b];
    }
  }
}

/*
  Derivative of the profile likelihood by the ratio s_u / s_e, up to a positive factor; positive
  below the maximum. The profile has s_e at its maximum for the ratio, y'P y / (n - p) with V in
  units of s_e.
*/
static double Slope(const Spectrum *s, double ratio)
{
  const double theta[2] = {ratio, 1.0};
  double       form[6], mean[3], covariance[9];

  QuadraticForms(&s->y, theta, form);
  MeanTraces(s, theta, mean, covariance);
  return (double)(s->ml ? s->n : s->n - s->p) * form[1] / form[0] - mean[0];
}

/*
  SpectrumMaximum - See the header. Ratios from 1e-6 to 1e7 of the one at which both parts weigh
  the same are searched by factors of 10 for the last at which the likelihood rises; above it
  the maximum is found by bisection of the logarithm. 0 if the likelihood rises nowhere. Not
  collective.
*/
void SpectrumMaximum(const Spectrum *s, double theta[2])
{
  double scale = 0.0, total = 0.0, low = 0.0, high = 0.0, form[6];

  for (int i = 0; i < s->trace[0].n; i++) {
    scale += s->trace[0].weight[i] * s->trace[0].node[i];
    total += s->trace[0].weight[i];
  }
  scale = scale > 0.0 ? total / scale : 1.0; /* a ratio at which both parts weigh the same */
  for (double step = 1e-6; step < 1e7; step *= 10.0)
    if (Slope(s, step * scale) > 0.0) {
      low  = step * scale;
      high = 10.0 * low;
    }
  for (int i = 0; i < 60 && low > 0.0; i++) {
    const double middle = sqrt(low * high);

    if (Slope(s, middle) > 0.0) low = middle;
    else high = middle;
  }
  theta[0] = low;
  theta[1] = 1.0;
  QuadraticForms(&s->y, theta, form);
  theta[1] = form[0] / (double)(s->ml ? s->n : s->n - s->p);
  theta[0] *= theta[1];
}

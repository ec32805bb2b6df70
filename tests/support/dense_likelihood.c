#include "dense_likelihood.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* V^-1 (inverse) and P of n observations, with what their determinants give */
typedef struct {
  int     n, p;
  double *inverse, *P, *y, *Py;
  double  log_v, log_x; /* log |V|, log |X'V^-1 X| */
} Space;

static double *Zeros(int n) { return calloc((size_t)(n > 0 ? n : 1), sizeof(double)); }

static double Dot(int n, const double a[], const double b[])
{
  double s = 0.0;

  for (int i = 0; i < n; i++) s += a[i] * b[i];
  return s;
}

static void Apply(int n, const double A[], const double x[], double y[])
{
  for (int i = 0; i < n; i++) y[i] = Dot(n, A + (size_t)i * (size_t)n, x);
}

static double LogDeterminant(int n, const double L[])
{
  double s = 0.0;

  for (int i = 0; i < n; i++) s += 2.0 * log(L[i * n + i]);
  return s;
}

DenseCoordinate *DenseCoordinates(const DenseModel *m, int *n)
{
  int              most = m->n_classes * m->n_traits * m->n_traits;
  DenseCoordinate *at;

  for (int k = 0; k < m->n_terms; k++) most += m->term[k].n_components * m->term[k].n_components;
  at = calloc((size_t)most + 1, sizeof(*at));
  *n = 0;
  for (int k = 0; k < m->n_terms; k++)
    for (int i = 0; i < m->term[k].n_components && m->term[k].random; i++)
      for (int j = 0; j <= i; j++) at[(*n)++] = (DenseCoordinate){k, 0, i, j};
  for (int c = 0; c < m->n_classes; c++)
    for (int i = 0; i < m->n_traits; i++)
      for (int j = 0; j <= i; j++) at[(*n)++] = (DenseCoordinate){-1, c, i, j};
  return at;
}

/* The matrix of order n that has the element */
static double *Matrix(const DenseModel *m, const DenseCoordinate *at, int *n)
{
  *n = at->term < 0 ? m->n_traits : m->term[at->term].n_components;
  return at->term < 0 ? m->R + at->residual * *n * *n : m->term[at->term].G;
}

double DenseGet(const DenseModel *m, const DenseCoordinate *at)
{
  int           n;
  const double *G = Matrix(m, at, &n);

  return G[at->row * n + at->column];
}

void DenseSet(DenseModel *m, const DenseCoordinate *at, double value)
{
  int     n;
  double *G = Matrix(m, at, &n);

  G[at->row * n + at->column] = G[at->column * n + at->row] = value;
}

/* V is linear in its variances: its derivative is V of a model where this element is 1 and all others are 0 */
static void Derivative(const DenseModel *m, const DenseCoordinate *at, int n, double D[])
{
  DenseModel unit = *m;
  int        R    = m->n_classes * m->n_traits * m->n_traits;

  unit.R    = Zeros(R);
  unit.term = calloc((size_t)m->n_terms + 1, sizeof(*unit.term));
  memcpy(unit.term, m->term, (size_t)m->n_terms * sizeof(*unit.term));
  for (int k = 0; k < m->n_terms; k++)
    if (unit.term[k].random) unit.term[k].G = Zeros(unit.term[k].n_components * unit.term[k].n_components);
  DenseSet(&unit, at, 1.0);
  DenseCovariance(&unit, n, D);
  for (int k = 0; k < m->n_terms; k++)
    if (unit.term[k].random) free(unit.term[k].G);
  free(unit.term), free(unit.R);
}

/* P from V^-1: Q = V^-1 X, X'Q = M M', and P = V^-1 - (M^-1 Q')' (M^-1 Q'), row by row of Q */
static void Project(Space *s, const double X[])
{
  int     n = s->n, p = s->p;
  double *Q = Zeros(n * p), *M = Zeros(p * p), *q = Zeros(p);

  for (int j = 0; j < p; j++) Apply(n, s->inverse, X + (size_t)j * (size_t)n, Q + (size_t)j * (size_t)n);
  for (int i = 0; i < p * p; i++) M[i] = Dot(n, X + (size_t)(i / p) * (size_t)n, Q + (size_t)(i % p) * (size_t)n);
  DenseCholesky(p, M);
  s->log_x = LogDeterminant(p, M);
  memcpy(s->P, s->inverse, (size_t)n * (size_t)n * sizeof(double));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < p; j++) q[j] = Q[(size_t)j * (size_t)n + (size_t)i];
    DenseCholeskySolve(p, M, true, q);
    for (int k = 0; k < n; k++)
      for (int j = 0; j < p; j++) s->P[(size_t)i * (size_t)n + (size_t)k] -= q[j] * Q[(size_t)j * (size_t)n + (size_t)k];
  }
  free(Q), free(M), free(q);
}

static void SpaceFree(Space *s) { free(s->inverse), free(s->P), free(s->y), free(s->Py); }

static int SpaceCreate(DenseModel *m, Space *s)
{
  int     most = m->n_records * m->n_traits, status = -1;
  double *V, *X                                     = Zeros(most * (most + 1));

  *s = (Space){.y = Zeros(most)};
  DenseObservations(m, &s->n, s->y, &s->p, X);
  V          = Zeros(s->n * s->n);
  s->inverse = Zeros(s->n * s->n);
  s->P       = Zeros(s->n * s->n);
  s->Py      = Zeros(s->n);
  DenseCovariance(m, s->n, V);
  if (s->n > 0 && DenseCholesky(s->n, V) == 0) {
    s->log_v = LogDeterminant(s->n, V);
    for (int i = 0; i < s->n; i++) {
      s->inverse[(size_t)i * (size_t)s->n + (size_t)i] = 1.0;
      DenseCholeskySolve(s->n, V, true, s->inverse + (size_t)i * (size_t)s->n);
    }
    Project(s, X);
    Apply(s->n, s->P, s->y, s->Py);
    status = 0;
  }
  free(V), free(X);
  return status;
}

int DenseLikelihood(DenseModel *m, bool restricted, int n, const DenseCoordinate at[], DensePoint *point)
{
  const double log_2pi = 1.8378770664093454836;
  Space        s;
  double      *D, *F, *PF;

  *point = (DensePoint){.score = Zeros(n), .information = Zeros(n * n)};
  if (SpaceCreate(m, &s)) {
    SpaceFree(&s);
    return -1;
  }
  point->n_obs = s.n, point->n_fixed = s.p;
  point->log_likelihood = -0.5 * ((restricted ? s.n - s.p : s.n) * log_2pi + s.log_v + (restricted ? s.log_x : 0.0) + Dot(s.n, s.y, s.Py));
  D = Zeros(s.n * s.n), F = Zeros(n * s.n), PF = Zeros(s.n);
  for (int i = 0; i < n; i++) {
    double *Fi = F + (size_t)i * (size_t)s.n;

    Derivative(m, at + i, s.n, D);
    Apply(s.n, D, s.Py, Fi);
    point->score[i] = 0.5 * (Dot(s.n, s.Py, Fi) - Dot(s.n * s.n, restricted ? s.P : s.inverse, D));
    Apply(s.n, s.P, Fi, PF);
    for (int j = 0; j <= i; j++) point->information[i * n + j] = point->information[j * n + i] = 0.5 * Dot(s.n, PF, F + (size_t)j * (size_t)s.n);
  }
  free(D), free(F), free(PF);
  SpaceFree(&s);
  return 0;
}

void DensePointFree(DensePoint *point)
{
  free(point->score), free(point->information);
  *point = (DensePoint){0};
}

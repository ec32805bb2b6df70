#include "dense.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* one observation: a trait of a record that is there with all it needs */
typedef struct {
  int record, trait;
} Observation;

static double *Zeros(int n) { return calloc((size_t)(n > 0 ? n : 1), sizeof(double)); }

DenseModel *DenseCreate(int n_records, int n_traits, int n_classes, int n_terms)
{
  DenseModel *m = calloc(1, sizeof(*m));

  m->n_records = n_records;
  m->n_traits  = n_traits;
  m->n_classes = n_classes;
  m->n_terms   = n_terms;
  m->y         = Zeros(n_records * n_traits);
  m->weight    = Zeros(n_records * n_traits);
  m->fitted    = Zeros(n_records * n_traits);
  m->class     = calloc((size_t)n_records + 1, sizeof(int));
  m->R         = Zeros(n_classes * n_traits * n_traits);
  m->term      = calloc((size_t)n_terms + 1, sizeof(*m->term));
  for (int i = 0; i < n_records * n_traits; i++) m->weight[i] = 1.0;
  return m;
}

void DenseTermInit(DenseModel *model, int term, bool random, int n_levels, int n_regressors, int n_components)
{
  DenseTerm *t = model->term + term;
  size_t     n = (size_t)(n_levels * n_components) + 1;

  t->random       = random;
  t->n_levels     = n_levels;
  t->n_regressors = n_regressors;
  t->n_components = n_components;
  t->W            = calloc((size_t)n_regressors, sizeof(*t->W));
  for (int r = 0; r < n_regressors; r++) t->W[r] = Zeros(model->n_records * n_levels);
  t->regressor = calloc((size_t)n_components, sizeof(int));
  t->trait     = calloc((size_t)n_components, sizeof(int));
  t->G         = random ? Zeros(n_components * n_components) : NULL;
  t->solution  = calloc(n, sizeof(double));
  t->aliased   = calloc(n, sizeof(bool));
  t->n         = calloc(n, sizeof(int));
}

void DenseDestroy(DenseModel **model)
{
  DenseModel *m = *model;

  if (!m) return;
  for (int k = 0; k < m->n_terms; k++) {
    DenseTerm *t = m->term + k;

    for (int r = 0; r < t->n_regressors; r++) free(t->W[r]);
    free(t->W), free(t->regressor), free(t->trait), free(t->K), free(t->G);
    free(t->solution), free(t->aliased), free(t->n), free(t->variance), free(t->z), free(t->s);
  }
  free(m->y), free(m->weight), free(m->class), free(m->R), free(m->term), free(m->fitted);
  free(m);
  *model = NULL;
}

/* a <- K w for the rows of a design, that is (W K) by symmetry of K */
static double *TimesStructure(const DenseModel *m, const DenseTerm *t, int r)
{
  double *WK = Zeros(m->n_records * t->n_levels);
  int     n  = t->n_levels;

  for (int i = 0; i < m->n_records; i++) {
    const double *w = t->W[r] + (size_t)i * (size_t)n;
    double       *a = WK + (size_t)i * (size_t)n;

    if (n == 0 || isnan(w[0])) continue;
    for (int l = 0; l < n; l++) {
      if (w[l] == 0.0) continue;
      if (!t->K) a[l] += w[l];
      else
        for (int j = 0; j < n; j++) a[j] += w[l] * t->K[l * n + j];
    }
  }
  return WK;
}

/* is the trait of the record there, and all that its terms need? */
static bool Usable(const DenseModel *m, int record, int trait)
{
  if (isnan(m->y[record * m->n_traits + trait])) return false;
  for (int k = 0; k < m->n_terms; k++) {
    const DenseTerm *e = m->term + k;

    for (int c = 0; c < e->n_components; c++)
      if (e->trait[c] == trait && e->n_levels > 0 && isnan(e->W[e->regressor[c]][record * e->n_levels])) return false;
  }
  return true;
}

bool DenseRecordUsed(const DenseModel *m, int record)
{
  for (int t = 0; t < m->n_traits; t++)
    if (Usable(m, record, t)) return true;
  return false;
}

/* the observations that can be used, in record and trait order */
static int Observed(const DenseModel *m, Observation *obs)
{
  int n = 0;

  for (int i = 0; i < m->n_records; i++)
    for (int t = 0; t < m->n_traits; t++)
      if (Usable(m, i, t)) obs[n++] = (Observation){i, t};
  return n;
}

static void AddResidual(const DenseModel *m, int n, const Observation *obs, double V[])
{
  int T = m->n_traits;

  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      const Observation *o = obs + a, *p = obs + b;

      if (o->record != p->record) continue;
      V[a * n + b] +=
          m->R[(m->class[o->record] * T + o->trait) * T + p->trait] / sqrt(m->weight[o->record * T + o->trait] * m->weight[p->record * T + p->trait]);
    }
}

/* V += Z (K (x) G) Z' of one random term */
static void AddTerm(const DenseModel *m, const DenseTerm *t, int n, const Observation *obs, double V[])
{
  int L = t->n_levels;

  for (int r = 0; r < t->n_regressors; r++) {
    double *WK = TimesStructure(m, t, r);

    for (int c = 0; c < t->n_components; c++) {
      if (t->regressor[c] != r) continue;
      for (int d = 0; d < t->n_components; d++) {
        double        g = t->G[c * t->n_components + d];
        const double *W = t->W[t->regressor[d]];

        if (g == 0.0) continue;
        for (int a = 0; a < n; a++)
          for (int b = 0; b < n; b++) {
            double s = 0.0;

            if (obs[a].trait != t->trait[c] || obs[b].trait != t->trait[d]) continue;
            for (int l = 0; l < L; l++) s += WK[obs[a].record * L + l] * W[obs[b].record * L + l];
            V[a * n + b] += g * s;
          }
      }
    }
    free(WK);
  }
}

/* V = R + sum of Z (K (x) G) Z' */
static void Covariance(const DenseModel *m, int n, const Observation *obs, double V[])
{
  memset(V, 0, (size_t)n * (size_t)n * sizeof(*V));
  AddResidual(m, n, obs, V);
  for (int k = 0; k < m->n_terms; k++)
    if (m->term[k].random) AddTerm(m, m->term + k, n, obs, V);
}

int DenseCholesky(int n, double A[])
{
  for (int j = 0; j < n; j++)
    for (int i = j; i < n; i++) {
      double s = A[i * n + j];

      for (int k = 0; k < j; k++) s -= A[i * n + k] * A[j * n + k];
      if (i == j && !(s > 0.0)) return -1;
      A[i * n + j] = i == j ? sqrt(s) : s / A[j * n + j];
    }
  return 0;
}

void DenseCholeskySolve(int n, const double L[], bool both, double x[])
{
  for (int i = 0; i < n; i++) {
    double s = x[i];

    for (int k = 0; k < i; k++) s -= L[i * n + k] * x[k];
    x[i] = s / L[i * n + i];
  }
  for (int i = n - 1; both && i >= 0; i--) {
    x[i] /= L[i * n + i];
    for (int k = 0; k < i; k++) x[k] -= L[i * n + k] * x[i];
  }
}

static double Dot(int n, const double a[], const double b[])
{
  double s = 0.0;

  for (int i = 0; i < n; i++) s += a[i] * b[i];
  return s;
}

/* remove from v what lies along the p orthonormal columns of Q; coefficients are added to h (may be NULL) */
static void Orthogonalize(int n, int p, const double Q[], double v[], double h[])
{
  for (int pass = 0; pass < 2; pass++)
    for (int j = 0; j < p; j++) {
      double s = Dot(n, Q + (size_t)j * (size_t)n, v);

      for (int i = 0; i < n; i++) v[i] -= s * Q[(size_t)j * (size_t)n + (size_t)i];
      if (h) h[j] += s;
    }
}

/* column of X: level l, component c of a fixed term over the observations; number of entries that are not 0 */
static int Column(const DenseTerm *t, int l, int c, int n, const Observation *obs, double x[])
{
  int count = 0;

  for (int a = 0; a < n; a++) {
    x[a] = obs[a].trait == t->trait[c] ? t->W[t->regressor[c]][obs[a].record * t->n_levels + l] : 0.0;
    count += x[a] != 0.0;
  }
  return count;
}

/* where in the model a kept column of X stands */
typedef struct {
  int term, level, component;
} Place;

/* Columns of X kept so far, orthonormal copies, and where they stand in the model */
typedef struct {
  int     n, p; /* observations, columns */
  double *X, *Q;
  Place  *position;
} Basis;

/* Add the columns of a fixed term that do not depend on those before: judged on X itself by Gram-Schmidt done twice */
static void AddColumns(DenseTerm *t, int k, const Observation *obs, Basis *basis)
{
  int     n = basis->n;
  double *x = Zeros(n);

  for (int lc = 0; lc < t->n_levels * t->n_components; lc++) {
    int    l = lc / t->n_components, c = lc % t->n_components, count = Column(t, l, c, n, obs, x);
    double before = sqrt(Dot(n, x, x)), after, *to = basis->X + (size_t)basis->p * (size_t)n;

    t->n[lc]       = count;
    t->aliased[lc] = true;
    if (count == 0 || basis->p == n) continue;
    memcpy(to, x, (size_t)n * sizeof(double));
    Orthogonalize(n, basis->p, basis->Q, x, NULL);
    after = sqrt(Dot(n, x, x));
    if (after <= 1e-9 * before) continue;
    t->aliased[lc] = false;
    for (int i = 0; i < n; i++) basis->Q[(size_t)basis->p * (size_t)n + (size_t)i] = x[i] / after;
    basis->position[basis->p++] = (Place){k, l, c};
  }
  free(x);
}

/* The independent columns of X, in formula, level and component order; their number */
static int Independent(DenseModel *m, int n, const Observation *obs, Place position[], double X[])
{
  Basis basis = {n, 0, X, Zeros(n * n), position};

  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < m->n_terms; k++)
      if (!m->term[k].random && m->term[k].first == (pass == 0)) AddColumns(m->term + k, k, obs, &basis);
  free(basis.Q);
  return basis.p;
}

/* Least squares of L^-1 y on L^-1 X by orthogonalization; b[p] */
static void LeastSquares(int n, int p, const double L[], const double X[], const double y[], double b[])
{
  double *Q = Zeros(n * p), *H = Zeros(p * p), *z = Zeros(n), *g = Zeros(p);

  for (int j = 0; j < p; j++) {
    double *q = Q + (size_t)j * (size_t)n, norm;

    memcpy(q, X + (size_t)j * (size_t)n, (size_t)n * sizeof(double));
    DenseCholeskySolve(n, L, false, q);
    Orthogonalize(n, j, Q, q, H + (size_t)j * (size_t)p);
    norm = sqrt(Dot(n, q, q));
    for (int i = 0; i < n; i++) q[i] /= norm;
    H[j * p + j] = norm;
  }
  memcpy(z, y, (size_t)n * sizeof(double));
  DenseCholeskySolve(n, L, false, z);
  Orthogonalize(n, p, Q, z, g);
  for (int j = p - 1; j >= 0; j--) {
    b[j] = g[j];
    for (int k = j + 1; k < p; k++) b[j] -= H[k * p + j] * b[k];
    b[j] /= H[j * p + j];
  }
  free(Q), free(H), free(z), free(g);
}

/* u = (K (x) G) Z' q with q = V^-1 (y - X b) by observation */
static void Predict(const DenseModel *m, DenseTerm *t, int n, const Observation *obs, const double q[])
{
  int     L = t->n_levels, C = t->n_components;
  double *s = Zeros(L * C);

  for (int d = 0; d < C; d++) {
    double *WK = TimesStructure(m, t, t->regressor[d]);

    for (int a = 0; a < n; a++)
      for (int l = 0; l < L && obs[a].trait == t->trait[d]; l++) {
        s[l * C + d] += q[a] * WK[obs[a].record * L + l];
        t->n[l * C + d] += t->W[t->regressor[d]][obs[a].record * L + l] != 0.0;
      }
    free(WK);
  }
  for (int l = 0; l < L; l++)
    for (int c = 0; c < C; c++) t->solution[l * C + c] = Dot(C, t->G + (size_t)c * (size_t)C, s + (size_t)l * (size_t)C);
  free(s);
}

static void Fit(DenseModel *m, int n, const Observation *obs)
{
  for (int i = 0; i < m->n_records * m->n_traits; i++) m->fitted[i] = NAN;
  for (int a = 0; a < n; a++) {
    double s = 0.0;

    for (int k = 0; k < m->n_terms; k++) {
      const DenseTerm *t = m->term + k;

      for (int c = 0; c < t->n_components; c++)
        for (int l = 0; l < t->n_levels && t->trait[c] == obs[a].trait; l++)
          s += t->W[t->regressor[c]][obs[a].record * t->n_levels + l] * t->solution[l * t->n_components + c];
    }
    m->fitted[obs[a].record * m->n_traits + obs[a].trait] = s;
  }
}

int DenseSolve(DenseModel *m)
{
  int          most = m->n_records * m->n_traits, n, p, status = -1;
  Observation *obs      = calloc((size_t)most + 1, sizeof(*obs));
  Place       *position = calloc((size_t)most + 1, sizeof(*position));
  double      *V, *X, *b, *q;

  n = Observed(m, obs);
  V = Zeros(n * n), X = Zeros(n * (n + 1)), b = Zeros(n), q = Zeros(n);
  Covariance(m, n, obs, V);
  if (n > 0 && DenseCholesky(n, V) == 0) {
    p = Independent(m, n, obs, position, X);
    for (int k = 0; k < m->n_terms; k++) memset(m->term[k].solution, 0, (size_t)(m->term[k].n_levels * m->term[k].n_components) * sizeof(double));
    for (int a = 0; a < n; a++) q[a] = m->y[obs[a].record * m->n_traits + obs[a].trait];
    LeastSquares(n, p, V, X, q, b);
    for (int j = 0; j < p; j++) {
      DenseTerm *t = m->term + position[j].term;

      t->solution[position[j].level * t->n_components + position[j].component] = b[j];
      for (int a = 0; a < n; a++) q[a] -= b[j] * X[(size_t)j * (size_t)n + (size_t)a];
    }
    DenseCholeskySolve(n, V, true, q);
    for (int k = 0; k < m->n_terms; k++)
      if (m->term[k].random) Predict(m, m->term + k, n, obs, q);
    Fit(m, n, obs);
    status = 0;
  }
  free(obs), free(position), free(V), free(X), free(b), free(q);
  return status;
}

/* Covariances of the effect (level l, component c) of a random term with the observations: w[n] */
static void Covariances(const DenseTerm *t, int l, int c, int n, const Observation *obs, double *const WK[], double w[])
{
  for (int a = 0; a < n; a++) {
    w[a] = 0.0;
    for (int d = 0; d < t->n_components; d++)
      if (t->trait[d] == obs[a].trait) w[a] += t->G[c * t->n_components + d] * WK[t->regressor[d]][obs[a].record * t->n_levels + l];
  }
}

double DensePrior(const DenseModel *m, int term, int i, int other, int j)
{
  const DenseTerm *t = m->term + term;
  int              C = t->n_components;

  if (term != other) return 0.0;
  return (t->K ? t->K[i / C * t->n_levels + j / C] : (double)(i / C == j / C)) * t->G[i % C * C + j % C];
}

double DensePev(const DenseModel *m, int term, int i, int other, int j)
{
  const DenseTerm *t = m->term + term, *u = m->term + other;
  size_t           n = (size_t)m->n_obs, p = (size_t)m->n_fixed;

  return DensePrior(m, term, i, other, j) - Dot(m->n_obs, t->z + (size_t)i * n, u->z + (size_t)j * n) +
         Dot(m->n_fixed, t->s + (size_t)i * p, u->s + (size_t)j * p);
}

/*
  Prediction errors of effects with covariances W with the observations: K (x) G - W V^-1 W' + W V^-1 X (X' V^-1 X)^-1 X' V^-1 W'. With
  V = L L' and X' V^-1 X = M M' the rows kept are z = L^-1 w and s = M^-1 X' V^-1 w; HX = L^-1 X.
*/
static void PredictionErrors(DenseModel *m, int k, const Observation *obs, const double L[], const double HX[], const double M[])
{
  DenseTerm *t = m->term + k;
  int        C = t->n_components, N = t->n_levels * C, n = m->n_obs, p = m->n_fixed;
  double   **WK = calloc((size_t)t->n_regressors, sizeof(*WK));

  t->z = Zeros(N * n), t->s = Zeros(N * p);
  for (int r = 0; r < t->n_regressors; r++) WK[r] = TimesStructure(m, t, r);
  for (int i = 0; i < N; i++) {
    double *z = t->z + (size_t)i * (size_t)n, *s = t->s + (size_t)i * (size_t)p;

    Covariances(t, i / C, i % C, n, obs, WK, z);
    DenseCholeskySolve(n, L, false, z);
    for (int j = 0; j < p; j++) s[j] = Dot(n, HX + (size_t)j * (size_t)n, z);
    DenseCholeskySolve(p, M, false, s);
    t->variance[i] = DensePev(m, k, i, k, i);
  }
  for (int r = 0; r < t->n_regressors; r++) free(WK[r]);
  free(WK);
}

void DenseErrors(DenseModel *m)
{
  int          most     = m->n_records * m->n_traits, n, p;
  Observation *obs      = calloc((size_t)most + 1, sizeof(*obs));
  Place       *position = calloc((size_t)most + 1, sizeof(*position));
  double      *V, *X, *M, *e;

  n = Observed(m, obs);
  V = Zeros(n * n), X = Zeros(n * (n + 1));
  Covariance(m, n, obs, V);
  DenseCholesky(n, V);
  p = Independent(m, n, obs, position, X);
  M = Zeros(p * p), e = Zeros(p);
  m->n_obs = n, m->n_fixed = p;
  for (int j = 0; j < p; j++) DenseCholeskySolve(n, V, false, X + (size_t)j * (size_t)n);
  for (int i = 0; i < p * p; i++) M[i] = Dot(n, X + (size_t)(i / p) * (size_t)n, X + (size_t)(i % p) * (size_t)n);
  DenseCholesky(p, M);
  for (int k = 0; k < m->n_terms; k++) {
    DenseTerm *t = m->term + k;

    t->variance = Zeros(t->n_levels * t->n_components);
    for (int i = 0; i < t->n_levels * t->n_components; i++) t->variance[i] = NAN;
    if (t->random) PredictionErrors(m, k, obs, V, X, M);
  }
  for (int j = 0; j < p; j++) {
    DenseTerm *t = m->term + position[j].term;

    memset(e, 0, (size_t)p * sizeof(*e));
    e[j] = 1.0;
    DenseCholeskySolve(p, M, false, e);
    t->variance[position[j].level * t->n_components + position[j].component] = Dot(p, e, e);
  }
  free(obs), free(position), free(V), free(X), free(M), free(e);
}

void DenseObservations(DenseModel *m, int *n, double y[], int *p, double X[])
{
  int          most     = m->n_records * m->n_traits;
  Observation *obs      = calloc((size_t)most + 1, sizeof(*obs));
  Place       *position = calloc((size_t)most + 1, sizeof(*position));

  *n = Observed(m, obs);
  for (int a = 0; a < *n && y; a++) y[a] = m->y[obs[a].record * m->n_traits + obs[a].trait];
  if (X) *p = Independent(m, *n, obs, position, X);
  free(obs), free(position);
}

void DenseCovariance(const DenseModel *m, int n, double V[])
{
  Observation *obs = calloc((size_t)(m->n_records * m->n_traits) + 1, sizeof(*obs));

  (void)Observed(m, obs);
  Covariance(m, n, obs, V);
  free(obs);
}

int DenseRelationship(int n, const int sire[], const int dam[], double A[])
{
  int *order = calloc((size_t)n + 1, sizeof(int)), *done = calloc((size_t)n + 1, sizeof(int)), count = 0, before;

  do { /* parents before offspring */
    before = count;
    for (int i = 0; i < n; i++) {
      if (done[i] || (sire[i] >= 0 && !done[sire[i]]) || (dam[i] >= 0 && !done[dam[i]])) continue;
      order[count++] = i;
      done[i]        = 1;
    }
  } while (count > before);
  for (int k = 0; k < count; k++) {
    int i = order[k], s = sire[i], d = dam[i];

    for (int m = 0; m < k; m++) {
      int j = order[m];

      A[i * n + j] = A[j * n + i] = 0.5 * ((s >= 0 ? A[j * n + s] : 0.0) + (d >= 0 ? A[j * n + d] : 0.0));
    }
    A[i * n + i] = 1.0 + (s >= 0 && d >= 0 ? 0.5 * A[s * n + d] : 0.0);
  }
  free(order), free(done);
  return count == n ? 0 : -1;
}

double DenseLegendre(int k, double x, double low, double high)
{
  double t = 2.0 * (x - low) / (high - low) - 1.0, p0 = 1.0, p1 = t;

  for (int j = 1; j < k; j++) {
    double p2 = ((2.0 * j + 1.0) * t * p1 - j * p0) / (j + 1.0);

    p0 = p1;
    p1 = p2;
  }
  return sqrt((2.0 * k + 1.0) / 2.0) * (k == 0 ? 1.0 : p1);
}

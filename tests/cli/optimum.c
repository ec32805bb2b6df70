#include "optimum.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16, ELEMENTS = MOST * (MOST + 1) / 2 }; /* order of a matrix */

static bool Row(const Sheet *s, int row, Estimates *e, int i)
{
  static const char *const words[]  = {"ok", "fixed", "boundary"};
  const char              *estimate = SheetCell(s, row, 3), *se = SheetCell(s, row, 4), *status = SheetCell(s, row, 6);

  e->estimate[i] = strtod(estimate, NULL);
  e->se[i]       = strcmp(se, "NA") ? strtod(se, NULL) : NAN;
  e->status[i]   = ELEMENT_OTHER;
  for (int k = 0; k < 3; k++)
    if (!strcmp(status, words[k])) e->status[i] = (ElementStatus)k;
  return strcmp(estimate, "NA") != 0;
}

/* lines of LABEL.genetic say the same again */
static bool Repeated(const char term[])
{
  const char *end = strrchr(term, '.');

  return end && !strcmp(end, ".genetic");
}

static double LogLikelihood(const char folder[])
{
  char   path[512], line[1024], *at;
  double value = NAN;
  FILE  *f;

  snprintf(path, sizeof(path), "%s/summary.json", folder);
  f = fopen(path, "r");
  while (f && fgets(line, sizeof(line), f))
    if ((at = strstr(line, "\"log_likelihood\":"))) value = strtod(at + strlen("\"log_likelihood\":"), NULL);
  if (f) fclose(f);
  return value;
}

Estimates EstimatesRead(const DenseModel *m, const char folder[])
{
  Estimates e = {0};
  char      path[512];
  Sheet    *s;
  int       n, i = 0;

  e.at = DenseCoordinates(m, &n);
  snprintf(path, sizeof(path), "%s/varcomp.tsv", folder);
  s          = SheetRead(path);
  e.estimate = calloc((size_t)n, sizeof(*e.estimate));
  e.se       = calloc((size_t)n, sizeof(*e.se));
  e.status   = calloc((size_t)n, sizeof(*e.status));
  for (int row = 0; s && s->n_columns >= 7 && row < s->n_rows; row++) {
    if (Repeated(SheetCell(s, row, 0))) continue;
    if (i < n && !Row(s, row, &e, i)) break;
    i++;
  }
  e.log_likelihood = LogLikelihood(folder);
  e.n              = i == n ? n : 0;
  SheetFree(&s);
  return e;
}

void EstimatesFree(Estimates *e)
{
  free(e->at), free(e->estimate), free(e->se), free(e->status);
  *e = (Estimates){0};
}

/*
  Directions: columns of J [n * n], m of them; bend [n * n]: score by second derivatives of the elements along them; uphill: see Optimum;
  lost: a matrix is not of what this is for
*/
typedef struct {
  int     n, m;
  double *J, *bend, uphill;
  bool    lost;
} Directions;

static int At(int i, int j) { return i > j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i; }

/* G = L L' by Cholesky with pivoting: rows of L in the order `order`; the rank */
static int Root(int n, const double g[], double L[MOST][MOST], int order[])
{
  double left[MOST], most = 0.0;
  int    r = 0;

  for (int i = 0; i < n; i++) order[i] = i, left[i] = g[At(i, i)], most = fmax(most, left[i]);
  for (; r < n; r++) {
    int best = r, swap;

    for (int i = r; i < n; i++)
      if (left[order[i]] > left[order[best]]) best = i;
    swap = order[r], order[r] = order[best], order[best] = swap;
    if (left[order[r]] <= 1e-9 * most) break;
    for (int i = r; i < n; i++) {
      double s = g[At(order[i], order[r])];

      for (int k = 0; k < r; k++) s -= L[order[i]][k] * L[order[r]][k];
      L[order[i]][r] = s / sqrt(left[order[r]]);
    }
    for (int i = r + 1; i < n; i++) left[order[i]] -= L[order[i]][r] * L[order[i]][r];
    L[order[r]][r] = sqrt(left[order[r]]);
    for (int i = 0; i < r; i++) L[order[i]][r] = 0.0;
  }
  return r;
}

/* Derivatives of L L' by the elements of L that pivoting leaves free; the second ones are of two elements of a column. at: elements of the matrix. */
static void Tangents(int n, int rank, double L[MOST][MOST], const int order[], const int at[], const double score[], Directions *d)
{
  for (int k = 0; k < rank; k++) {
    for (int i = k; i < n; i++) {
      const int y = order[i];

      for (int x = 0; x < n; x++) d->J[at[At(x, y)] * d->n + d->m + i - k] = x == y ? 2.0 * L[y][k] : L[x][k];
      for (int j = k; j < n; j++) d->bend[(d->m + i - k) * d->n + d->m + j - k] = (i == j ? 2.0 : 1.0) * score[At(y, order[j])];
    }
    d->m += n - k;
  }
}

/* v with v'G = 0 where the last row of L depends on those before; v'S v, S the symmetric matrix of derivatives by G */
static double Outside(int n, double L[MOST][MOST], const int order[], const double score[])
{
  double v[MOST] = {0.0}, sum = 0.0;

  v[order[n - 1]] = 1.0;
  for (int k = n - 2; k >= 0; k--) {
    double s = L[order[n - 1]][k];

    for (int i = k + 1; i < n - 1; i++) s += L[order[i]][k] * v[order[i]];
    v[order[k]] = -s / L[order[k]][k];
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) sum += v[i] * v[j] * score[At(i, j)];
  return sum;
}

/* The same from a matrix of 0, in any direction: below 0 where -S is definite, by its least pivot */
static double OutsideZero(int n, const double score[])
{
  double S[MOST * MOST], least = INFINITY;

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) S[i * n + j] = (i == j ? -1.0 : -0.5) * score[At(i, j)];
  if (DenseCholesky(n, S)) return INFINITY;
  for (int i = 0; i < n; i++) least = fmin(least, S[i * n + i] * S[i * n + i]);
  return -least;
}

/* One matrix of order n, at its elements, score the derivatives by all */
static void GroupDirections(const Estimates *e, int n, const int at[], const double score[], Directions *d)
{
  double L[MOST][MOST], g[ELEMENTS], s[ELEMENTS];
  int    order[MOST], rank;

  if (e->status[at[0]] != ELEMENT_BOUNDARY) {
    for (int i = 0; i < n * (n + 1) / 2; i++)
      if (e->status[at[i]] == ELEMENT_OK) d->J[at[i] * d->n + d->m++] = 1.0;
    return;
  }
  for (int i = 0; i < n * (n + 1) / 2; i++) g[i] = e->estimate[at[i]], s[i] = score[at[i]];
  rank    = Root(n, g, L, order);
  d->lost = d->lost || (rank && rank != n - 1);
  if (d->lost) return;
  Tangents(n, rank, L, order, at, s, d);
  d->uphill = fmax(d->uphill, rank ? Outside(n, L, order, s) : OutsideZero(n, s));
}

/* The matrix of order n whose elements begin at `first`: components that have no covariances with the others, which stay at 0, are matrices of their own */
static void MatrixDirections(const Estimates *e, int first, int n, const double score[], Directions *d)
{
  int group[MOST], at[ELEMENTS];

  for (int i = 0; i < n; i++) {
    group[i] = i;
    for (int j = 0; j < i; j++)
      for (int k = 0, from = group[j]; k < i && (e->status[first + At(i, j)] != ELEMENT_FIXED || e->estimate[first + At(i, j)] != 0.0); k++)
        if (group[k] == from) group[k] = i;
  }
  for (int g = 0; g < n; g++) {
    int order = 0, m = 0;

    for (int i = 0; i < n; i++) {
      order += group[i] == g;
      for (int j = 0; j <= i; j++)
        if (group[i] == g && group[j] == g) at[m++] = first + At(i, j);
    }
    if (order) GroupDirections(e, order, at, score, d);
  }
}

static Directions DirectionsOf(const Estimates *e, const double score[])
{
  Directions d = {.n = e->n, .uphill = -INFINITY};

  d.J    = calloc((size_t)(e->n * e->n) + 1, sizeof(double));
  d.bend = calloc((size_t)(e->n * e->n) + 1, sizeof(double));
  for (int i = 0; i < e->n;) {
    int n = 1;

    while (i + n * (n + 1) / 2 < e->n && e->at[i + n * (n + 1) / 2].row == n) n++;
    MatrixDirections(e, i, n, score, &d);
    i += n * (n + 1) / 2;
  }
  return d;
}

/* H = J'A J less what the curve of the boundary takes from it, factored; -1: not definite */
static int Information(const Directions *d, const double A[], double H[])
{
  for (int x = 0; x < d->m; x++)
    for (int y = 0; y < d->m; y++) {
      H[x * d->m + y] = -d->bend[x * d->n + y];
      for (int i = 0; i < d->n; i++)
        for (int j = 0; j < d->n; j++) H[x * d->m + y] += d->J[i * d->n + x] * A[i * d->n + j] * d->J[j * d->n + y];
    }
  return DenseCholesky(d->m, H);
}

/* x'H^-1 x of x = J'v; H is factored */
static double Quadratic(const Directions *d, const double H[], const double v[])
{
  double *x = calloc((size_t)d->m + 1, sizeof(*x)), sum = 0.0;

  for (int k = 0; k < d->m; k++)
    for (int i = 0; i < d->n; i++) x[k] += d->J[i * d->n + k] * v[i];
  DenseCholeskySolve(d->m, H, false, x);
  for (int k = 0; k < d->m; k++) sum += x[k] * x[k];
  free(x);
  return sum;
}

/* Standard errors are roots of the diagonal of J H^-1 J'; none where an element is given, or cannot move */
static double CompareErrors(const Estimates *e, const Directions *d, const double H[])
{
  double *one = calloc((size_t)e->n + 1, sizeof(*one)), worst = 0.0;

  for (int i = 0; i < e->n; i++) {
    double expected;

    one[i]   = 1.0;
    expected = sqrt(Quadratic(d, H, one));
    one[i]   = 0.0;
    if (isnan(e->se[i]) && expected == 0.0) continue;
    worst = fmax(worst, isfinite(e->se[i] / expected) ? fabs(e->se[i] / expected - 1.0) : INFINITY);
  }
  free(one);
  return worst;
}

/* The estimates to the model, what it had to `given` */
static void Exchange(DenseModel *m, const Estimates *e, double given[])
{
  for (int i = 0; i < e->n; i++) given[i] = DenseGet(m, e->at + i);
  for (int i = 0; i < e->n; i++) DenseSet(m, e->at + i, e->estimate[i]);
}

static void Count(const Estimates *e, const double given[], Optimum *o)
{
  for (int i = 0; i < e->n; i++) {
    o->n_boundary += e->status[i] == ELEMENT_BOUNDARY;
    o->n_fixed += e->status[i] == ELEMENT_FIXED;
    if (e->status[i] == ELEMENT_FIXED) o->given = fmax(o->given, fabs(e->estimate[i] - given[i]));
  }
}

Optimum OptimumOf(DenseModel *m, bool restricted, const Estimates *e)
{
  Optimum    o     = {.likelihood = NAN, .gradient = NAN, .error = NAN, .uphill = NAN};
  double    *given = calloc((size_t)e->n + 1, sizeof(*given)), *H;
  DensePoint point;
  Directions d;

  Exchange(m, e, given);
  Count(e, given, &o);
  if (DenseLikelihood(m, restricted, e->n, e->at, &point) == 0) {
    d = DirectionsOf(e, point.score);
    H = calloc((size_t)(d.m * d.m) + 1, sizeof(*H));
    if (!d.lost && Information(&d, point.information, H) == 0) {
      o.likelihood = fabs(point.log_likelihood - e->log_likelihood);
      o.gradient   = Quadratic(&d, H, point.score);
      o.error      = CompareErrors(e, &d, H);
      o.uphill     = d.uphill;
    }
    free(H), free(d.J), free(d.bend);
  }
  DensePointFree(&point);
  for (int i = 0; i < e->n; i++) DenseSet(m, e->at + i, given[i]);
  free(given);
  return o;
}

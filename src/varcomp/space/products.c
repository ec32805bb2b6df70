/*
  Least squares on the products of all pairs of observations, for any components, traits and
  residual classes, as starting values (guess.c).

  With fixed effects taken out by S, E[S y y'S] = sum_c s_c S D_c S, where D_c is what a
  component of 1 makes of the covariance matrix of the observations. Products of two traits are
  regressed on the components of these two traits alone. The equations are those of MINQUE(0):
  elements tr(S D_c S D_d), right-hand sides y'S D_c S y. Traces are means over random signs z
  (Hutchinson 1990): with w_c = S D_c S z, the mean of w_c'w_d.

  Random terms have a space each (RecordSpace); the fixed effects are in the first of them.
*/
#include "products.h"
#include <math.h>
#include <merit/pieces.h>
#include <merit/random.h>

enum { PURPOSE_PRODUCTS = 0x5052, WIDTH = 64 };
/* Other components explain one of which they leave less than this fraction */
static const double EXPLAINED = 1e-8;
/*
  What fixed effects leave of a component, or of the sum of squares of a trait, is rounding
  below this fraction
*/
static const double LEFT_IS_ROUNDING = 1e-10, SQUARE_IS_ROUNDING = 1e-20;

/*
  Spaces of the random terms, of which the first can take fixed effects out; the component of
  each vector
*/
typedef struct {
  MeritVarcomp v;
  RecordSpace *space; /* [n_terms], in the order of the terms */
  int          n_terms;
  double      *x, **to; /* vectors: S x, and S D_c S x of each component [v->n] */
} Work;

/* ProductsTrait - See the header. Not collective. */
int ProductsTrait(MeritVarcomp v, int c, int component)
{
  return v->component[c].term < 0 ? component : v->formula->term[v->component[c].term].component[component].trait;
}

/* Is the component estimated? Not if it is fixed or of the term that is left out. */
static bool Taken(MeritVarcomp v, int c)
{
  return !v->component[c].fixed && (v->settings.left_out < 0 || v->component[c].term != v->settings.left_out);
}

/*
  Spaces of the random terms, and vectors for `width` columns. Only the first space prepares to
  take the fixed effects out. Collective.
*/
static PetscErrorCode WorkCreate(MeritVarcomp v, int width, Work *w)
{
  PetscFunctionBegin;
  *w = (Work){.v = v};
  PetscCall(PetscMalloc1(v->formula->n_terms, &w->space));
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0) {
      PetscCall(RecordSpaceCreateTerm(v, w->n_terms ? NULL : "MINQUE", k, &w->space[w->n_terms]));
      w->n_terms++;
    }
  PetscCall(PetscMalloc1((size_t)w->space->n_values * (size_t)width + 1, &w->x));
  PetscCall(PetscCalloc1(v->n, &w->to));
  for (int c = 0; c < v->n; c++)
    if (Taken(v, c)) PetscCall(PetscMalloc1((size_t)w->space->n_values * (size_t)width + 1, &w->to[c]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what WorkCreate made. Collective. */
static PetscErrorCode WorkDestroy(Work *w)
{
  PetscFunctionBegin;
  for (int c = 0; c < w->v->n; c++) PetscCall(PetscFree(w->to[c]));
  for (int t = 0; t < w->n_terms; t++) PetscCall(RecordSpaceDestroy(&w->space[t]));
  PetscCall(PetscFree(w->to));
  PetscCall(PetscFree(w->x));
  PetscCall(PetscFree(w->space));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  w->x: random signs of the observations for samples first .. first + k, 0 where nothing is
  observed. A sign depends on the seed, the record's line in the file, the trait and the sample
  alone, so results do not depend on the ranks. All samples of a batch are in one word of random
  bits.
*/
static PetscErrorCode VectorSigns(Work *w, int first, int k)
{
  const RecordSpace *s = w->space;
  const int64_t     *line;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordLines(w->v->model, &line));
  for (int32_t i = 0; i < s->n_values; i++) {
    const MeritRandomKey key  = {.seed = (uint64_t)w->v->settings.seed, .purpose = PURPOSE_PRODUCTS, .level = (uint64_t)line[i / s->n_traits]};
    const uint64_t       bits = MeritRandomBits(&key, (uint32_t)(first / WIDTH * s->n_traits + i % s->n_traits));

    for (int j = 0; j < k; j++) w->x[(int64_t)i * k + j] = s->sqrt_weight[i] > 0.0 ? (bits >> (first % WIDTH + j) & 1 ? 1.0 : -1.0) : 0.0;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  y = D x of a residual component: records of its class that have both traits exchange their
  values of these. In the space of records, times the square root of the weight, a residual variance is
  I.
*/
static void ApplyResidual(const RecordSpace *s, const MeritComponent *c, int k, const double *x, double *y)
{
  for (int32_t i = 0; i < s->n_records; i++) {
    const double *from        = x + (int64_t)i * s->n_traits * k;
    double       *to          = y + (int64_t)i * s->n_traits * k;
    const double *sqrt_weight = s->sqrt_weight + (int64_t)i * s->n_traits;
    const bool has = s->records->residual_class[s->records->pattern[i]] == c->residual && sqrt_weight[c->row] > 0.0 && sqrt_weight[c->column] > 0.0;

    for (int j = 0; j < s->n_traits * k; j++) to[j] = 0.0;
    for (int j = 0; has && j < k; j++) {
      to[c->row * k + j]    = from[c->column * k + j];
      to[c->column * k + j] = from[c->row * k + j];
    }
  }
}

/*
  w->to = S D_c w->x of each component. Components of one term follow each other and have the
  levels K Z'x in common: these are computed once. Collective.
*/
static PetscErrorCode ApplyComponents(Work *w, int k)
{
  MeritVarcomp v     = w->v;
  int          ready = -1; /* space whose levels are those of x */

  PetscFunctionBegin;
  for (int c = 0; c < v->n; c++) {
    const MeritComponent *p = &v->component[c];
    int                   t = 0;

    if (!Taken(v, c)) continue;
    while (p->term >= 0 && w->space[t].term != p->term) t++;
    if (p->term < 0) ApplyResidual(w->space, p, k, w->x, w->to[c]);
    else {
      if (ready != t) PetscCall(RecordSpaceLevels(&w->space[t], k, false, w->x));
      ready = t;
      RecordSpaceRecords(&w->space[t], p->row, p->column, k, w->to[c]);
    }
    PetscCall(RecordSpaceProject(w->space, k, w->to[c]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  x'y over the observations of two traits, of both if they differ, k columns together; of this
  rank
*/
static double DotTraits(const RecordSpace *s, int a, int b, int k, const double *x, const double *y)
{
  double sum = 0.0;

  for (int side = 0; side < 1 + (a != b); side++)
    for (int32_t i = 0; i < s->n_records; i++) {
      const int64_t at = ((int64_t)i * s->n_traits + (side ? b : a)) * k;

      for (int j = 0; j < k; j++) sum += x[at + j] * y[at + j];
    }
  return sum;
}

/*
  Sums of one batch on this rank: S, tr(S D_c S), and the degrees of freedom tr(S) of each
  trait. Only components of the same pair of traits have an element in S that is not 0.
*/
static void AddBatch(const Work *w, int k, Products *p)
{
  const RecordSpace *s = w->space;
  const int          n = w->v->n;

  for (int c = 0; c < n; c++) {
    const int a = ProductsTrait(w->v, c, w->v->component[c].row), b = ProductsTrait(w->v, c, w->v->component[c].column);

    if (!w->to[c]) continue;
    p->left[c] += DotTraits(s, a, b, k, w->x, w->to[c]);
    for (int d = 0; d <= c; d++) {
      const int e = ProductsTrait(w->v, d, w->v->component[d].row), f = ProductsTrait(w->v, d, w->v->component[d].column);

      if (w->to[d] && ((a == e && b == f) || (a == f && b == e))) p->S[c * n + d] += DotTraits(s, a, b, k, w->to[c], w->to[d]);
    }
  }
  for (int t = 0; t < s->n_traits; t++) p->freedom[t] += DotTraits(s, t, t, k, w->x, w->x);
}

/*
  Sums of squares of the observations, what fixed effects leave of them, and q, of this rank:
  the same products with y in place of random signs. Collective.
*/
static PetscErrorCode AddObservations(Work *w, Products *p)
{
  const RecordSpace *s = w->space;

  PetscFunctionBegin;
  for (int32_t i = 0; i < s->n_values; i++) p->whole[i % s->n_traits] += pow(s->sqrt_weight[i] * s->records->y[i], 2.0);
  PetscCall(RecordSpaceObservations(w->space, w->x));
  PetscCall(ApplyComponents(w, 1));
  for (int t = 0; t < s->n_traits; t++) p->variance[t] = DotTraits(s, t, t, 1, w->x, w->x);
  for (int c = 0; c < w->v->n; c++)
    if (w->to[c])
      p->q[c] = DotTraits(s, ProductsTrait(w->v, c, w->v->component[c].row), ProductsTrait(w->v, c, w->v->component[c].column), 1, w->x, w->to[c]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  ProductsCreate - See the header. All results are in one array, so that one message sums them
  over the ranks; means over the samples then. Collective.
*/
PetscErrorCode ProductsCreate(MeritVarcomp v, int n_samples, int width, Products *p)
{
  const int64_t n = v->n, t = v->formula->n_traits, size = n * n + 2 * n + 3 * t;
  Work          w;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)size, &p->S));
  p->q = p->S + n * n, p->left = p->q + n, p->variance = p->left + n, p->freedom = p->variance + t, p->whole = p->freedom + t;
  PetscCall(WorkCreate(v, width, &w));
  for (int first = 0; first < n_samples; first += width) {
    PetscCall(VectorSigns(&w, first, width));
    PetscCall(RecordSpaceProject(w.space, width, w.x));
    PetscCall(ApplyComponents(&w, width));
    AddBatch(&w, width, p);
  }
  PetscCall(AddObservations(&w, p));
  PetscCall(MeritSumAll(v->comm, size, p->S));
  for (int64_t c = 0; c < n; c++) {
    p->left[c] /= n_samples;
    for (int64_t d = 0; d <= c; d++) p->S[c * n + d] = p->S[d * n + c] = p->S[c * n + d] / n_samples;
  }
  for (int64_t i = 0; i < t; i++) p->freedom[i] /= n_samples;
  PetscCall(WorkDestroy(&w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ProductsDestroy - Free what that made. Not collective. */
PetscErrorCode ProductsDestroy(Products *p)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(p->S));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  ProductsSolve - See the header. A component that others explain has a pivot below EXPLAINED of
  its own and is swept out as 0. A trait needs degrees of freedom and a variance beyond
  rounding. Collective.
*/
PetscErrorCode ProductsSolve(MeritVarcomp v, const double scale[], Products *p, double theta[], bool *found)
{
  const int n = v->n;
  double   *least;

  PetscFunctionBegin;
  *found = true;
  for (int t = 0; t < v->formula->n_traits; t++) {
    *found         = *found && p->freedom[t] > 0.5 && p->variance[t] > SQUARE_IS_ROUNDING * p->whole[t];
    p->variance[t] = p->variance[t] / p->freedom[t];
  }
  for (int c = 0; c < n; c++)
    if (Taken(v, c) && v->component[c].term >= 0 && v->component[c].row == v->component[c].column &&
        !(p->left[c] > LEFT_IS_ROUNDING * scale[c] * (double)v->run.n_observations))
      PetscCall(VarcompRaiseEmpty(v, c));
  PetscCall(PetscMalloc1(n, &least));
  for (int c = 0; c < n; c++) least[c] = EXPLAINED * p->S[c * (n + 1)];
  (void)MeritDenseSweep(n, least, p->S);
  for (int c = 0; c < n && *found; c++) {
    if (!Taken(v, c)) continue;
    theta[c] = 0.0;
    for (int d = 0; d < n; d++) theta[c] += p->S[c * n + d] * p->q[d];
  }
  PetscCall(PetscFree(least));
  PetscFunctionReturn(PETSC_SUCCESS);
}

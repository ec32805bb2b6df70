/*
  Henderson's method III against reductions by orthogonalised designs, column after column: sums of squares, degrees of freedom,
  coefficients of the expected mean squares, estimates; for unbalanced layouts on as many ranks as there are, some of which may have no record.
*/
#include "layouts.h"
#include <merit_test.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 2 * LAYOUT_TERMS + 1, MOST = LAYOUT_TERMS + 1 };

static const LayoutModel models[] = {
    {{MEAN}, {CLASS_A}, false, 100.0},
    {{MEAN, CLASS_A}, {CLASS_B, CELLS}, false, 1e4},
    {{MEAN, CLASS_A}, {CLASS_B, CELLS}, true, 0.0},
    {{MEAN, AGE, CLASS_A}, {CLASS_C, CLASS_B}, true, 100.0},
    {{CLASS_A, AGE}, {SLOPES, CLASS_C}, true, 100.0},
    {{MEAN, SLOPES}, {RIDGE, CLASS_C}, false, 100.0},
    {{MEAN, CLASS_A}, {CLASS_B, PED}, true, 100.0},
    {{MEAN, AGE}, {SNP, CLASS_C, CLASS_B}, true, 1e4},
};
enum { MODELS = sizeof(models) / sizeof(models[0]) };

/* Everything times the roots of the weights */
typedef struct {
  Layout layout;
  int    n, n_terms, m; /* fixed terms first; m random ones */
  Real  *y, *Q;         /* [n], orthonormal columns */
} Dense;

static const LayoutTerm *TermOf(const Dense *d, int k)
{
  return k < d->layout.n_fixed ? &d->layout.fixed[k] : &d->layout.random[k - d->layout.n_fixed];
}

static Dense DenseOf(const LayoutModel *model)
{
  Dense d;

  LayoutCreate(model, &d.layout);
  d.n       = d.layout.n;
  d.m       = d.layout.m;
  d.n_terms = d.layout.n_fixed + d.m;
  d.y       = malloc(sizeof(Real) * (size_t)d.n);
  d.Q       = malloc(sizeof(Real) * (size_t)(d.n * d.n));
  for (int i = 0; i < d.n; i++) {
    const Real root = sqrtl(d.layout.weight[i]);

    d.y[i] = root * d.layout.y[i];
    for (int k = 0; k < d.n_terms; k++) {
      const LayoutTerm *t = TermOf(&d, k);

      for (int j = 0; j < t->p; j++) t->Z[i * t->p + j] *= root;
      for (int j = 0; j < d.n; j++) t->V[i * d.n + j] *= root, t->V[j * d.n + i] *= root;
    }
  }
  return d;
}

static void DenseFree(Dense *d)
{
  free(d->y), free(d->Q);
  LayoutDestroy(&d->layout);
}

typedef struct {
  int  df;
  Real ss, coefficient[MOST];
} Row;

/* Of columns first .. end - 1 of Q */
static Row RowOf(const Dense *d, int first, int end)
{
  Row row = {.df = end - first};

  for (int l = first; l < end; l++) {
    const Real *q   = d->Q + l * d->n;
    Real        dot = 0.0L;

    for (int i = 0; i < d->n; i++) dot += q[i] * d->y[i];
    row.ss += dot * dot;
    for (int k = 0; k <= d->m; k++)
      for (int i = 0; i < d->n; i++)
        for (int j = 0; j < d->n; j++)
          row.coefficient[k] += (k == d->m ? (Real)(i == j) : d->layout.random[k].V[i * d->n + j]) * q[i] * q[j] / (end - first);
  }
  return row;
}

/* Rows of all terms and of the residual; last: those of random terms behind all others */
static void Table(const Dense *d, bool last, Row row[])
{
  int rank = 0;

  for (int k = 0; k < d->n_terms; k++) {
    const LayoutTerm *t = TermOf(d, k);
    int               end;

    if (last && k >= d->layout.n_fixed) {
      rank = 0;
      for (int l = 0; l < d->n_terms; l++)
        if (l != k) rank = RealSpan(d->n, TermOf(d, l)->p, TermOf(d, l)->Z, rank, d->Q);
    }
    end    = RealSpan(d->n, t->p, t->Z, rank, d->Q);
    row[k] = RowOf(d, rank, end);
    rank   = end;
  }
  for (int e = 0; e < d->n; e++) { /* what is left of the space: unit vectors */
    Real X[LAYOUT_RECORDS] = {0.0L};

    X[e] = 1.0L;
    if (!e) row[d->n_terms].df = rank;
    rank = RealSpan(d->n, 1, X, rank, d->Q);
  }
  row[d->n_terms] = RowOf(d, row[d->n_terms].df, d->n);
}

static void Near(const char what[], int line, int c, double is, Real reference, double tolerance, double scale)
{
  if (!(fabsl((Real)is - reference) <= (Real)(tolerance * scale)))
    fail_msg("%s of line %d, component %d, is %.12g, not %.12Lg", what, line, c, is, reference);
}

/* Mean squares of the random terms and the residual = their expectations */
static void Estimates(const Dense *d, const Row row[], Real estimate[])
{
  Real E[MOST * MOST];

  for (int i = 0; i <= d->m; i++) {
    const Row *r = &row[d->layout.n_fixed + i];

    estimate[i] = r->ss / r->df;
    for (int c = 0; c <= d->m; c++) E[i * (d->m + 1) + c] = r->coefficient[c];
  }
  assert_true(RealSolve(d->m + 1, 1, E, estimate));
}

static void Compare(const Dense *d, const Row row[], const MeritVarcompResult *is)
{
  Real estimate[MOST], most = 0.0L;

  assert_int_equal(is->n_lines, d->n_terms + 1);
  for (int l = 0; l <= d->n_terms; l++) {
    const MeritAnovaLine *line = &is->line[l];

    Near("df", l, -1, line->df, row[l].df, 0.0, 0.0);
    Near("ss", l, -1, line->ss, row[l].ss, 1e-10, (double)row[l].ss);
    Near("ms", l, -1, line->ms, row[l].ss / row[l].df, 1e-10, (double)row[l].ss);
    for (int c = 0; c <= d->m; c++) Near("coefficient", l, c, line->coefficient[c], row[l].coefficient[c], 1e-10, 1.0);
  }
  Estimates(d, row, estimate);
  for (int c = 0; c <= d->m; c++) most = fmaxl(most, fabsl(estimate[c]));
  for (int c = 0; c <= d->m; c++) {
    Near("estimate", -1, c, is->estimate[c], estimate[c], 1e-9, (double)most);
    assert_int_equal(is->state[c], estimate[c] < 0.0L ? MERIT_ESTIMATE_NEGATIVE : MERIT_ESTIMATE_OK);
  }
  assert_null(is->covariance);
}

/* Does a random term add nothing? */
static bool Empty(const Dense *d, const Row row[])
{
  for (int k = d->layout.n_fixed; k < d->n_terms; k++)
    if (!row[k].df) return true;
  return false;
}

static void Check(bool last)
{
  int n_empty = 0;

  for (int k = 0; k < MODELS; k++) {
    Dense     d = DenseOf(&models[k]);
    Row       row[MOST_LINES];
    LayoutRun r;

    Table(&d, last, row);
    if (Empty(&d, row)) { /* such as a class behind its cells with another */
      n_empty++;
      TestRaises(MERIT_ERROR_INPUT, "adds nothing to the terms before it", LayoutEstimate(&models[k], "method: anova", "anova: {order: last}", &r));
    } else {
      if (LayoutEstimate(&models[k], "method: anova", last ? "anova: {order: last}" : "", &r)) fail_msg("model %d: %s", k, MeritErrorLast()->text);
      Compare(&d, row, &r.result);
      LayoutFinish(&r);
    }
    DenseFree(&d);
  }
  assert_int_equal(n_empty, last ? 2 : 0); /* iid(b) behind iid(a:b) */
}

static void test_reductions_one_after_another(void **state)
{
  (void)state;
  Check(false);
}

static void test_reductions_behind_all_others(void **state)
{
  (void)state;
  Check(true);
}

/* What is below 0 becomes 0, the others stay what they are */
static void test_nonnegative(void **state)
{
  int n_negative = 0;

  (void)state;
  for (int k = 0; k < MODELS; k++) {
    Dense     d = DenseOf(&models[k]);
    Row       row[MOST_LINES];
    Real      estimate[MOST];
    LayoutRun r;

    Table(&d, false, row);
    Estimates(&d, row, estimate);
    TestCall(LayoutEstimate(&models[k], "method: anova, nonnegative: yes", "", &r));
    for (int c = 0; c <= d.m; c++) {
      if (estimate[c] < 0.0L) {
        n_negative++;
        assert_true(r.result.estimate[c] == 0.0);
        assert_int_equal(r.result.state[c], MERIT_ESTIMATE_BOUNDARY);
      } else assert_int_equal(r.result.state[c], MERIT_ESTIMATE_OK);
    }
    LayoutFinish(&r);
    DenseFree(&d);
  }
  assert_true(n_negative > 0);
}

static void test_what_leaves_nothing_is_named(void **state)
{
  static const LayoutModel saturated = {{MEAN}, {CLASS_A, EACH}, false, 100.0}, nested = {{MEAN}, {CELLS, CLASS_A}, false, 100.0};
  LayoutRun                r;

  (void)state;
  TestRaises(MERIT_ERROR_INPUT, "`iid(id)` saturates the model", LayoutEstimate(&saturated, "method: anova", "", &r));
  TestRaises(MERIT_ERROR_INPUT, "`iid(a)` adds nothing to the terms before it", LayoutEstimate(&nested, "method: anova", "", &r));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reductions_one_after_another),
    cmocka_unit_test(test_reductions_behind_all_others),
    cmocka_unit_test(test_nonnegative),
    cmocka_unit_test(test_what_leaves_nothing_is_named),
};

TEST_MAIN_WITH(tests, LayoutsCreate, LayoutsRemove)

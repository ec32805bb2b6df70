/*
  MINQUE, MIVQUE and Haseman-Elston regression against dense algebra on the covariance matrices of the observations, for unbalanced layouts,
  with as many ranks as there are, some of which may have no record.
*/
#include "layouts.h"
#include <merit_test.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = LAYOUT_TERMS + 1 };

static const LayoutModel models[] = {
    {{MEAN}, {CLASS_A}, false, 100.0},
    {{MEAN, CLASS_A}, {CLASS_B, CELLS}, true, 0.0},
    {{MEAN, CLASS_A, AGE}, {CLASS_B, CLASS_C, CELLS}, false, 1e4},
    {{MEAN, AGE}, {PED, CLASS_B}, true, 100.0},
    {{MEAN, CLASS_A}, {RIDGE, CLASS_C}, false, 100.0},
    {{CLASS_A}, {SNP, SLOPES, CLASS_C}, true, 100.0},
};
enum { MODELS = sizeof(models) / sizeof(models[0]) };

/* What every equation is made of: covariance matrices, the residual's last, and orthonormal columns of the fixed effects */
typedef struct {
  Layout layout;
  int    n, m, p;
  Real  *V[MOST], *Q, mean[MOST];
} Dense;

static Dense DenseOf(const LayoutModel *model)
{
  Dense d;
  int   n;

  LayoutCreate(model, &d.layout);
  n = d.n = d.layout.n;
  d.m     = d.layout.m;
  d.p     = 0;
  d.Q     = malloc(sizeof(Real) * (size_t)(n * n));
  for (int k = 0; k < d.layout.n_fixed; k++) d.p = RealSpan(n, d.layout.fixed[k].p, d.layout.fixed[k].Z, d.p, d.Q);
  d.V[d.m] = calloc((size_t)(n * n), sizeof(Real));
  for (int i = 0; i < n; i++) d.V[d.m][i * n + i] = 1.0L / d.layout.weight[i];
  for (int k = 0; k <= d.m; k++) {
    if (k < d.m) d.V[k] = d.layout.random[k].V;
    d.mean[k] = 0.0L;
    for (int i = 0; i < n; i++) d.mean[k] += d.layout.weight[i] * d.V[k][i * n + i] / n;
  }
  return d;
}

static void DenseFree(Dense *d)
{
  free(d->V[d->m]), free(d->Q);
  LayoutDestroy(&d->layout);
}

static Real *New(int n) { return calloc((size_t)n * (size_t)n, sizeof(Real)); }

/* P = V^-1 - V^-1 Q (Q'V^-1 Q)^-1 Q'V^-1 at V = sum of w_k V_k */
static Real *Projection(const Dense *d, const Real w[])
{
  const int n = d->n, p = d->p;
  Real     *V = New(n), *P = New(n), *VQ = calloc((size_t)(n * p), sizeof(Real)), *H = calloc((size_t)(p * p), sizeof(Real)), *side;

  for (int k = 0; k <= d->m; k++)
    for (int i = 0; i < n * n; i++) V[i] += w[k] * d->V[k][i];
  for (int i = 0; i < n; i++) P[i * n + i] = 1.0L;
  assert_true(RealSolve(n, n, V, P));
  for (int i = 0; i < n; i++)
    for (int j = 0; j < p; j++)
      for (int l = 0; l < n; l++) VQ[i * p + j] += P[i * n + l] * d->Q[j * n + l];
  for (int i = 0; i < p; i++)
    for (int j = 0; j < p; j++)
      for (int l = 0; l < n; l++) H[i * p + j] += d->Q[i * n + l] * VQ[l * p + j];
  side = malloc(sizeof(Real) * (size_t)(p * n));
  for (int i = 0; i < p; i++)
    for (int j = 0; j < n; j++) side[i * n + j] = VQ[j * p + i];
  assert_true(RealSolve(p, n, H, side));
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      for (int l = 0; l < p; l++) P[i * n + j] -= VQ[i * p + l] * side[l * n + j];
  free(V), free(VQ), free(H), free(side);
  return P;
}

/* y'M y */
static Real Form(int n, const Real *M, const Real *y)
{
  Real sum = 0.0L;

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) sum += y[i] * M[i * n + j] * y[j];
  return sum;
}

typedef struct {
  int  n;
  Real S[MOST * MOST], q[MOST], s[MOST];
  bool in[MOST];
} System;

/* S s = q of the terms that take part, and S^-1 of them */
static void SolveSystem(System *e, Real *inverse)
{
  int  at[MOST], N = 0;
  Real S[MOST * MOST], side[MOST * (MOST + 1)];

  for (int i = 0; i < e->n; i++)
    if (e->in[i]) at[N++] = i;
  for (int i = 0; i < N; i++)
    for (int j = 0; j <= N; j++) {
      if (j < N) S[i * N + j] = e->S[at[i] * e->n + at[j]];
      side[i * (N + 1) + j] = j < N ? i == j : e->q[at[i]];
    }
  assert_true(RealSolve(N, N + 1, S, side));
  for (int i = 0; i < e->n; i++) e->s[i] = 0.0L;
  for (int i = 0; i < e->n * e->n; i++) inverse[i] = 0.0L;
  for (int i = 0; i < N; i++) {
    e->s[at[i]] = side[i * (N + 1) + N];
    for (int j = 0; j < N; j++) inverse[at[i] * e->n + at[j]] = side[i * (N + 1) + j];
  }
}

/* Estimates; nonnegative: anew without those below 0, until there are none */
static void Solve(System *e, bool nonnegative, Real *inverse)
{
  bool again = true;

  for (int i = 0; i < e->n; i++) e->in[i] = true;
  while (again) {
    SolveSystem(e, inverse);
    again = false;
    for (int i = 0; i < e->n - 1; i++)
      if (nonnegative && e->in[i] && e->s[i] < 0.0L) e->in[i] = false, again = true;
  }
}

/* MINQUE at w, and the covariance matrix of its estimates, of normal data with the variances that it finds */
static System Minque(const Dense *d, const Real w[], bool nonnegative, Real covariance[])
{
  const int n = d->n, m = d->m + 1;
  Real     *P = Projection(d, w), *PV[MOST], *T[MOST], *V = New(n), *U = New(n), B[MOST * MOST], inverse[MOST * MOST];
  System    e = {.n = m};

  for (int i = 0; i < m; i++) {
    PV[i] = New(n), T[i] = New(n);
    RealProduct(n, P, d->V[i], PV[i]);
    RealProduct(n, PV[i], P, T[i]);
    e.q[i] = Form(n, T[i], d->layout.y);
  }
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) e.S[i * m + j] = RealTrace(n, PV[i], PV[j]);
  Solve(&e, nonnegative, inverse);
  for (int k = 0; k < m; k++)
    for (int i = 0; i < n * n; i++) V[i] += e.s[k] * d->V[k][i];
  for (int i = 0; i < m; i++) { /* P V_i P V */
    RealProduct(n, T[i], V, U);
    memcpy(T[i], U, sizeof(Real) * (size_t)(n * n));
  }
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) B[i * m + j] = 2.0L * RealTrace(n, T[i], T[j]);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) {
      covariance[i * m + j] = 0.0L;
      for (int k = 0; k < m; k++)
        for (int l = 0; l < m; l++) covariance[i * m + j] += inverse[i * m + k] * B[k * m + l] * inverse[j * m + l];
    }
  for (int i = 0; i < m; i++) free(PV[i]), free(T[i]);
  free(P), free(V), free(U);
  return e;
}

static void Near(const char what[], int i, double is, Real reference, double tolerance, double scale)
{
  if (!(fabsl((Real)is - reference) <= (Real)(tolerance * scale))) fail_msg("%s of component %d is %.12g, not %.12Lg", what, i, is, reference);
}

/* Largest part that a component has in the variance of an observation, so that small ones are not asked for more than rounding leaves */
static double Scale(const Dense *d, const Real s[], int i)
{
  Real most = 0.0L;

  for (int k = 0; k <= d->m; k++) most = fmaxl(most, fabsl(s[k] * d->mean[k]));
  return (double)(most / d->mean[i]);
}

static void Compare(const Dense *d, const System *e, const Real *covariance, const LayoutRun *r, double tolerance)
{
  const int m = d->m + 1;

  assert_int_equal(r->result.n, m);
  for (int i = 0; i < m; i++) {
    Near("estimate", i, r->result.estimate[i], e->s[i], tolerance, Scale(d, e->s, i));
    assert_int_equal(r->result.state[i], !e->in[i] ? MERIT_ESTIMATE_BOUNDARY : e->s[i] < 0.0L ? MERIT_ESTIMATE_NEGATIVE : MERIT_ESTIMATE_OK);
  }
  assert_int_equal(r->result.covariance != NULL, covariance != NULL);
  for (int i = 0; covariance && i < m; i++)
    for (int j = 0; j < m; j++)
      Near("covariance", i * m + j, r->result.covariance[i * m + j], covariance[i * m + j], 10.0 * tolerance,
           sqrt((double)(fmaxl(covariance[i * m + i] * covariance[j * m + j], 1e-12L))));
  assert_null(r->result.monte_carlo);
  assert_int_equal(r->result.n_samples, 0);
}

/* The library with these keys is MINQUE at w */
static void Check(const LayoutModel *model, const Dense *d, const char keys[], const char more[], const Real w[], bool nonnegative)
{
  Real      covariance[MOST * MOST];
  System    e = Minque(d, w, nonnegative, covariance);
  LayoutRun r;

  if (LayoutEstimate(model, keys, more, &r)) fail_msg("%s: %s", keys, MeritErrorLast()->text);
  Compare(d, &e, covariance, &r, 1e-9);
  LayoutFinish(&r);
}

/* Ratios to the residual variance, for terms that add 1 to the variance of an observation on average */
static void Ratios(const Dense *d, const double prior[], Real w[])
{
  for (int k = 0; k < d->m; k++) w[k] = prior[k] / d->mean[k];
  w[d->m] = 1.0L;
}

static void test_priors_of_0_and_1(void **state)
{
  static const double zero[MOST] = {0.0, 0.0, 0.0, 0.0}, one[MOST] = {1.0, 1.0, 1.0, 1.0};

  (void)state;
  for (int k = 0; k < MODELS; k++) {
    Dense d = DenseOf(&models[k]);
    Real  w[MOST];

    Ratios(&d, zero, w);
    Check(&models[k], &d, "method: minque1", "", w, false);
    Check(&models[k], &d, "method: mivque0", "", w, false);
    Check(&models[k], &d, "method: minque, prior: 0, nonnegative: yes", "", w, true);
    Ratios(&d, one, w);
    Check(&models[k], &d, "method: minque2", "", w, false);
    Check(&models[k], &d, "method: minque", "", w, false);
    Check(&models[k], &d, "method: minque2, nonnegative: yes", "", w, true);
    DenseFree(&d);
  }
}

static void test_a_list_of_priors(void **state)
{
  static const double      prior[MOST] = {0.4, 3.0, 0.0};
  static const char *const keys[] = {"", "method: minque, prior: [0.4]", "method: minque, prior: [0.4, 3]", "method: minque, prior: [0.4, 3, 0]"};

  (void)state;
  for (int k = 0; k < MODELS; k++) {
    Dense d = DenseOf(&models[k]);
    Real  w[MOST];

    Ratios(&d, prior, w);
    Check(&models[k], &d, keys[d.m], "", w, false);
    DenseFree(&d);
  }
}

static void test_the_variances_of_the_job_as_prior(void **state)
{
  static const Real        w[3]  = {2.0L, 5.0L, 1.6L};
  static const LayoutModel model = {{MEAN, CLASS_A}, {CLASS_B, CELLS}, true, 100.0}, animals = {{MEAN, AGE}, {PED, CLASS_B}, false, 100.0};
  Dense                    d = DenseOf(&model);

  (void)state;
  Check(&model, &d, "method: mivque", "variances: {iid(b): 2, iid(a:b): 5, residual: 1.6}", w, false);
  DenseFree(&d);
  d = DenseOf(&animals);
  Check(&animals, &d, "method: mivque", "variances: {ped(cow): 2, iid(b): 5, residual: 1.6}", w, false);
  DenseFree(&d);
}

/* The limit: what MINQUE at large priors goes to, by a parabola in 1 / w through f(w), f(2 w), f(4 w) */
static System Limit(const Dense *d)
{
  Real   w[MOST], covariance[MOST * MOST];
  System e[3];

  for (int far = 0; far < 3; far++) {
    for (int i = 0; i < d->m; i++) w[i] = 1e3L * (1 << far) / d->mean[i];
    w[d->m] = 1.0L;
    e[far]  = Minque(d, w, false, covariance);
  }
  for (int i = 0; i <= d->m; i++) e[0].s[i] = (8.0L * e[2].s[i] - 6.0L * e[1].s[i] + e[0].s[i]) / 3.0L;
  return e[0];
}

static void test_infinite_priors(void **state)
{
  (void)state;
  for (int k = 0; k < MODELS; k++) {
    Dense     d = DenseOf(&models[k]);
    System    e = Limit(&d);
    LayoutRun r;

    TestCall(LayoutEstimate(&models[k], k % 2 ? "method: minque3" : "method: minque, prior: inf", "", &r));
    Compare(&d, &e, NULL, &r, 1e-6);
    LayoutFinish(&r);
    DenseFree(&d);
  }
}

/* Iterated MINQUE is what it makes of itself, and restricted maximum likelihood */
static void test_iterated(void **state)
{
  (void)state;
  for (int k = 0; k < MODELS; k++) {
    Dense     d = DenseOf(&models[k]);
    Real      w[MOST], covariance[MOST * MOST];
    System    e;
    LayoutRun r, reml;

    TestCall(LayoutEstimate(&models[k], "method: minque, iterate: yes", "", &r));
    assert_int_equal(r.result.stop, MERIT_VARCOMP_CONVERGED);
    for (int i = 0; i <= d.m; i++) w[i] = r.result.estimate[i];
    e = Minque(&d, w, true, covariance);
    Compare(&d, &e, covariance, &r, 1e-8);
    TestCall(LayoutEstimate(&models[k], "engine: dense, tolerance: 1e-11", "", &reml));
    for (int i = 0; i <= d.m; i++) Near("REML", i, reml.result.estimate[i], e.s[i], 1e-8, Scale(&d, e.s, i));
    LayoutFinish(&r);
    LayoutFinish(&reml);
    DenseFree(&d);
  }
}

/* ---- Haseman-Elston: rows of the regression are pairs of observations */

/* M = S W^1/2 V W^1/2 S, S takes the fixed effects out of observations times the roots of their weights */
static Real *Residual(const Dense *d, const Real *S, const Real *V)
{
  const int n = d->n;
  Real     *M = New(n), *part = New(n);

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) M[i * n + j] = V[i * n + j] * sqrtl(d->layout.weight[i] * d->layout.weight[j]);
  RealProduct(n, S, M, part);
  RealProduct(n, part, S, M);
  free(part);
  return M;
}

static System HasemanElston(const Dense *d)
{
  const int n = d->n, m = d->m + 1;
  Real     *S = New(n), *X = calloc((size_t)(n * n), sizeof(Real)), *Q = New(n), *M[MOST], *r = calloc((size_t)n, sizeof(Real));
  Real      inverse[MOST * MOST];
  System    e = {.n = m};
  int       p = 0;

  for (int k = 0; k < d->layout.n_fixed; k++) {
    const LayoutTerm *t = &d->layout.fixed[k];

    for (int i = 0; i < n; i++)
      for (int j = 0; j < t->p; j++) X[i * t->p + j] = t->Z[i * t->p + j] * sqrtl(d->layout.weight[i]);
    p = RealSpan(n, t->p, X, p, Q);
  }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      S[i * n + j] = i == j;
      for (int l = 0; l < p; l++) S[i * n + j] -= Q[l * n + i] * Q[l * n + j];
      r[i] += S[i * n + j] * d->layout.y[j] * sqrtl(d->layout.weight[j]);
    }
  for (int k = 0; k < m; k++) M[k] = Residual(d, S, d->V[k]);
  /* E r_i r_j = sum of s_k M_k,ij: each pair i < j is a row; the residual's own equation is the sum of the r_i^2 */
  for (int i = 0; i < n; i++)
    for (int j = i; j < n; j++)
      for (int k = 0; k < m; k++) {
        const Real x = i == j ? (Real)(k == m - 1) : k == m - 1 ? 0.0L : M[k][i * n + j];

        e.q[k] += x * r[i] * r[j];
        for (int l = 0; l < m; l++) e.S[k * m + l] += x * M[l][i * n + j];
      }
  Solve(&e, false, inverse);
  for (int k = 0; k < m; k++) free(M[k]);
  free(S), free(X), free(Q), free(r);
  return e;
}

static void test_haseman_elston(void **state)
{
  (void)state;
  for (int k = 0; k < MODELS; k++) {
    Dense     d = DenseOf(&models[k]);
    System    e = HasemanElston(&d);
    LayoutRun r;

    TestCall(LayoutEstimate(&models[k], "method: he", "", &r));
    Compare(&d, &e, NULL, &r, 1e-9);
    LayoutFinish(&r);
    DenseFree(&d);
  }
}

/* ---- */

/* Three classes for records to follow: of four ranks one has none */
static void test_a_rank_may_have_no_record(void **state)
{
  PetscMPIInt size;
  int32_t     least;
  LayoutRun   r;

  (void)state;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  TestCall(LayoutEstimate(&models[0], "method: he", "", &r));
  least = MeritModelRecords(r.model)->n_records;
  MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_INT32_T, MPI_MIN, PETSC_COMM_WORLD);
  assert_int_equal(least == 0, size == 4);
  LayoutFinish(&r);
}

static void test_what_cannot_be_is_named(void **state)
{
  static const LayoutModel all = {{MEAN, CLASS_A}, {CLASS_B, EACH}, false, 0.0};
  LayoutRun                r;

  (void)state;
  TestRaises(MERIT_ERROR_USAGE, "infinite prior", LayoutEstimate(&models[1], "method: minque, prior: [inf, 1]", "", &r));
  TestRaises(MERIT_ERROR_USAGE, "2 values for 1", LayoutEstimate(&models[0], "method: minque, prior: [1, 1]", "", &r));
  TestRaises(MERIT_ERROR_USAGE, "mivque requires", LayoutEstimate(&models[0], "method: mivque", "variances: {iid(a): 1}", &r));
  TestRaises(MERIT_ERROR_INPUT, "needs residual degrees of freedom", LayoutEstimate(&all, "method: minque3", "", &r));
  TestRaises(MERIT_ERROR_INPUT, "`residual` and `iid(id)` cannot be distinguished", LayoutEstimate(&all, "method: minque2", "", &r));
  TestRaises(MERIT_ERROR_INPUT, "cannot be distinguished", LayoutEstimate(&all, "method: minque1", "", &r));
  TestRaises(MERIT_ERROR_INPUT, "cannot be distinguished", LayoutEstimate(&all, "method: he", "", &r));
  for (int k = 0; k < 3; k++) {
    static const char *const method[3] = {"method: he", "method: minque1", "method: anova"};

    TestRaises(MERIT_ERROR_USAGE, "estimates every variance", LayoutEstimate(&models[0], method[k], "variances: {iid(a): {value: 1, fix: yes}}", &r));
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_priors_of_0_and_1),
    cmocka_unit_test(test_a_list_of_priors),
    cmocka_unit_test(test_the_variances_of_the_job_as_prior),
    cmocka_unit_test(test_infinite_priors),
    cmocka_unit_test(test_iterated),
    cmocka_unit_test(test_haseman_elston),
    cmocka_unit_test(test_a_rank_may_have_no_record),
    cmocka_unit_test(test_what_cannot_be_is_named),
};

TEST_MAIN_WITH(tests, LayoutsCreate, LayoutsRemove)

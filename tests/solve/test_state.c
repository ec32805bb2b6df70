/* A solver that has solved once follows what the operator becomes: new variances, no fixed effects, and these again. */
#include "gsru_case.h"
#include "gsru_models.h"
#include <math.h>

static const char *const types[] = {"pcg", "ksp", "gsru", "gs", "lhs_gs", "cholesky"};

enum { N_TYPES = sizeof(types) / sizeof(*types) };

/* Solve from x and check by the operator as it is */
static void SolveAndCheck(const Problem *p, MeritSolver s, double *x)
{
  double          *r = calloc((size_t)p->n_owned + 1, sizeof(*r)), *y = calloc((size_t)p->n_owned + 1, sizeof(*y)), sum[2] = {0.0, 0.0};
  MeritSolveResult result;

  TestCall(MeritMMERightHandSide(p->C, r));
  TestCall(MeritSolverSolve(s, 1, r, x, &result));
  assert_true(result.stop == MERIT_STOP_CONVERGED || result.stop == MERIT_STOP_ROUNDING_FLOOR);
  TestCall(MeritMMEApplyBlock(p->C, 1, x, y));
  for (int32_t i = 0; i < p->n_owned; i++) {
    sum[0] += (r[i] - y[i]) * (r[i] - y[i]);
    sum[1] += r[i] * r[i];
  }
  MPI_Allreduce(MPI_IN_PLACE, sum, 2, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  assert_true(sqrt(sum[0] / sum[1]) < 1e-7);
  free(r), free(y);
}

/* Largest solution of a fixed equation */
static double Fixed(const Problem *p, const double *x)
{
  double most = 0.0;

  for (int k = 0; k < p->n_terms; k++)
    for (int32_t i = 0; p->term[k].kind == MERIT_TERM_FIXED && i < p->term[k].n_owned * p->term[k].n_eq; i++)
      most = fmax(most, fabs(x[p->term[k].eq_owned + i]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD);
  return most;
}

static void test_solvers_follow_the_operator(void **state)
{
  static const double pen[] = {2.0}, ped[] = {55.0}, R[] = {31.0};
  const double *const residual[] = {R};

  (void)state;
  for (int type = 0; type < N_TYPES; type++) {
    Problem       p    = MakeProblem(DATA[0], MODELS[0][0], MODELS[0][1], "");
    MeritSolver   s    = MakeSolver(&p, types[type], 1e-9, 20000);
    const double *G[8] = {NULL};
    double       *x    = calloc((size_t)p.n_owned + 1, sizeof(*x)), before;

    SolveAndCheck(&p, s, x);
    before = Fixed(&p, x);
    TestCall(MeritMMEDropFixed(p.C, true));
    for (int32_t i = 0; i < p.n_owned; i++) x[i] = 0.0; /* a start has 0 where an equation does not count */
    SolveAndCheck(&p, s, x);
    assert_true(before > 1.0 && Fixed(&p, x) < 1e-6);
    TestCall(MeritMMEDropFixed(p.C, false));
    SolveAndCheck(&p, s, x);
    assert_true(Fixed(&p, x) > 1.0);
    for (int k = 0; k < p.n_terms; k++) G[k] = p.term[k].kind == MERIT_TERM_IID ? pen : p.term[k].kind == MERIT_TERM_PED ? ped : NULL;
    TestCall(MeritModelSetVariances(p.model, G, residual));
    SolveAndCheck(&p, s, x);
    assert_true(Fixed(&p, x) > 1.0);
    TestCall(MeritSolverDestroy(&s));
    free(x);
    FreeProblem(&p);
  }
}

/* Another operator of the same genotypes stays in double precision */
static void test_precision_is_that_of_one_operator(void **state)
{
  Problem p = MakeProblem(DATA[4], MODELS[4][0], MODELS[4][1], "");
  double *x = malloc(sizeof(double) * ((size_t)p.n_owned + 1)), *y = malloc(sizeof(double) * ((size_t)p.n_owned + 1)),
         *z = malloc(sizeof(double) * ((size_t)p.n_owned + 1));
  Mat other;

  (void)state;
  for (int32_t i = 0; i < p.n_owned; i++) x[i] = sin(1.7 * p.number[i]);
  TestCall(MeritMatCreateMME(p.model, &other));
  TestCall(MeritMMEApplyBlock(other, 1, x, y));
  TestCall(MeritMMESetPrecision(p.C, true));
  TestCall(MeritMMEApplyBlock(other, 1, x, z));
  for (int32_t i = 0; i < p.n_owned; i++) assert_true(y[i] == z[i]);
  TestCall(MeritMMESetPrecision(p.C, false));
  TestCall(MatDestroy(&other));
  free(x), free(y), free(z);
  FreeProblem(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_solvers_follow_the_operator),
    cmocka_unit_test(test_precision_is_that_of_one_operator),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)

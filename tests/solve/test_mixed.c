#include "gsru_case.h"
#include "gsru_models.h"
#include <merit/packed.h>

/* Conjugate gradients whose products with genotypes are in single precision */

static double Relative(const Problem *p, const double *dense, const double *r, const double *x)
{
  double *all_r = ToAll(p, r), *all_x = ToAll(p, x), square = 0.0, size_r = 0.0;

  for (int i = 0; i < p->n; i++) {
    double q = all_r[i];

    for (int j = 0; j < p->n; j++) q -= dense[i * p->n + j] * all_x[j];
    square += q * q;
    size_r += all_r[i] * all_r[i];
  }
  free(all_r), free(all_x);
  return sqrt(square / size_r);
}

/* Largest difference of an application in the two precisions, beside its largest value */
static double Difference(const Problem *p)
{
  double *x = malloc(sizeof(double) * ((size_t)p->n_owned + 1)), *y = malloc(sizeof(double) * ((size_t)p->n_owned + 1));
  double *z = malloc(sizeof(double) * ((size_t)p->n_owned + 1)), most[2] = {0.0, 0.0};

  for (int32_t i = 0; i < p->n_owned; i++) x[i] = sin(1.7 * p->number[i]);
  TestCall(MeritMMEApplyBlock(p->C, 1, x, y));
  TestCall(MeritMMESetPrecision(p->C, true));
  TestCall(MeritMMEApplyBlock(p->C, 1, x, z));
  TestCall(MeritMMESetPrecision(p->C, false));
  for (int32_t i = 0; i < p->n_owned; i++) {
    most[0] = fmax(most[0], fabs(y[i] - z[i]));
    most[1] = fmax(most[1], fabs(y[i]));
  }
  MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD);
  free(x), free(y), free(z);
  return most[0] / most[1];
}

static MeritSolver Configured(const Problem *p, const char precision[], double rtol)
{
  MeritSolver s = MakeSolver(p, "pcg", 1e-8, 10);
  char        text[128];
  MeritNode   job;

  snprintf(text, sizeof(text), "solver: {precision: %s, rtol: %g, max_it: 5000}\n", precision, rtol);
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &job));
  TestCall(MeritSolverSetFromConfig(s, job));
  TestCall(MeritConfigDestroy(&job));
  return s;
}

/* A solve with k right-hand sides; returns the iterations */
static int64_t CheckSolve(const Problem *p, const double *dense, int k, const char precision[])
{
  const size_t n = (size_t)p->n_owned, width = (size_t)k;
  double      *r = malloc(sizeof(double) * (n * width + 1)), *x = calloc(n * width + 1, sizeof(double)), *one_r = malloc(sizeof(double) * (n + 1)),
         *one_x      = malloc(sizeof(double) * (n + 1));
  MeritSolver      s = Configured(p, precision, 1e-12);
  MeritSolveResult result;

  TestCall(MeritMMERightHandSide(p->C, one_r));
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < width; j++) r[width * i + j] = one_r[i] * (1.0 + (double)j * cos(0.3 * p->number[i]));
  TestCall(MeritSolverSolve(s, k, r, x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  assert_true(result.true_residual <= 1e-12);
  for (size_t j = 0; j < width; j++) {
    for (size_t i = 0; i < n; i++) one_r[i] = r[width * i + j], one_x[i] = x[width * i + j];
    assert_true(Relative(p, dense, one_r, one_x) <= 2e-12);
  }
  TestCall(MeritSolverDestroy(&s));
  free(r), free(x), free(one_r), free(one_x);
  return result.iterations;
}

static void test_the_true_residual_falls_to_1e_12(void **state)
{
  const int model[] = {2, 3, 4, 5}, width[] = {1, 3, 12};

  (void)state;
  for (int i = 0; i < 4; i++) {
    Problem p     = MakeProblem(DATA[model[i]], MODELS[model[i]][0], MODELS[model[i]][1], "");
    double *dense = ToDense(&p);

    for (int j = 0; j < 3; j++) {
      const int64_t exact = CheckSolve(&p, dense, width[j], "double"), mixed = CheckSolve(&p, dense, width[j], "mixed");

      if (mixed > 2 * exact + 5) fail_msg("%d iterations, %d in double", (int)mixed, (int)exact);
    }
    free(dense);
    FreeProblem(&p);
  }
}

static void test_mixed_precision_is_told_from_double_and_taken_back(void **state)
{
  Problem p = MakeProblem(DATA[4], MODELS[4][0], MODELS[4][1], "");

  (void)state;
  for (int level = MERIT_PACKED_PORTABLE; level <= MERIT_PACKED_AVX512; level++) {
    double difference;

    if ((int)MeritPackedUse((MeritPackedLevel)level) != level) continue;
    difference = Difference(&p);
    assert_true(difference < 1e-6);
    if (level > MERIT_PACKED_PORTABLE) assert_true(difference > 1e-12);
  }
  MeritPackedUse(MERIT_PACKED_AVX512);
  FreeProblem(&p);
}

/* criteria on changes hold too */
static void test_a_criterion_on_changes_holds_in_mixed_precision(void **state)
{
  Problem          p = MakeProblem(DATA[4], MODELS[4][0], MODELS[4][1], "");
  MeritSolver      s = Configured(&p, "mixed", 1e-8);
  double          *r = malloc(sizeof(double) * ((size_t)p.n_owned + 1)), *x = calloc((size_t)p.n_owned + 1, sizeof(double));
  MeritSolveResult result;

  (void)state;
  TestCall(MeritMMERightHandSide(p.C, r));
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_CHANGE, 1e-10, 5000));
  TestCall(MeritSolverSolve(s, 1, r, x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  assert_true(result.true_residual < 1e-7);
  TestCall(MeritSolverDestroy(&s));
  free(r), free(x);
  FreeProblem(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_true_residual_falls_to_1e_12),
    cmocka_unit_test(test_mixed_precision_is_told_from_double_and_taken_back),
    cmocka_unit_test(test_a_criterion_on_changes_holds_in_mixed_precision),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)

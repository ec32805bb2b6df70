/* Numbers that are none: every solver says that it broke down, soon, and never that it converged. */
#include "gsru_case.h"
#include "gsru_models.h"

typedef struct {
  const char *type, *pc;
} Way;
static const Way ways[] = {{"pcg", "auto"},  {"pcg", "jacobi"}, {"pcg", "block"},   {"ksp", "jacobi"},
                           {"gsru", "auto"}, {"gs", "auto"},    {"lhs_gs", "auto"}, {"cholesky", "auto"}};
enum { N_WAYS = 8, MOST = 40 };

static MeritSolver Make(const Problem *p, const Way *way, MeritCriterion criterion)
{
  MeritSolver s;

  TestCall(MeritSolverCreate(PETSC_COMM_WORLD, &s));
  TestCall(MeritSolverSetType(s, way->type));
  TestCall(MeritSolverSetPreconditioner(s, way->pc));
  TestCall(MeritSolverSetTolerance(s, criterion, 1e-8, MOST));
  TestCall(MeritSolverSetOperator(s, p->C));
  return s;
}

/* Solve for k right-hand sides with `bad` at one equation of the last of them (of r, or of the start); the outcome */
static MeritSolveResult Spoil(const Problem *p, const Way *way, MeritCriterion criterion, int k, bool start, double bad)
{
  MeritSolver      s = Make(p, way, criterion);
  double          *r = calloc((size_t)(p->n_owned * k) + 1, sizeof(double)), *x = calloc((size_t)(p->n_owned * k) + 1, sizeof(double));
  MeritSolveResult result;

  for (int32_t i = 0; i < p->n_owned; i++)
    for (int j = 0; j < k; j++) {
      r[i * k + j] = 1.0 + p->number[i] % 5;
      if (p->number[i] == p->n - 2 && j == k - 1) (start ? x : r)[i * k + j] = bad;
    }
  TestCall(MeritSolverSolve(s, k, r, x, &result));
  free(r), free(x);
  TestCall(MeritSolverDestroy(&s));
  return result;
}

static void test_a_start_that_is_no_number_is_a_breakdown(void **state)
{
  (void)state;
  for (int m = 0; m < 4; m += 2) {
    Problem p = MakeProblem(DATA[m], MODELS[m][0], MODELS[m][1], "");

    for (int w = 0; w < N_WAYS - 1; w++) /* the factor needs no start */
      for (int k = 1; k <= 2; k++)
        for (MeritCriterion c = MERIT_CRITERION_RESIDUAL; c <= MERIT_CRITERION_CHANGE_SQ; c++) {
          const MeritSolveResult result = Spoil(&p, &ways[w], c, k, true, NAN);

          if (result.stop != MERIT_STOP_BREAKDOWN || isfinite(result.true_residual) || (k == 1 && result.iterations > 1))
            fail_msg("%s %s, %d right-hand sides, criterion %d: stop %d, residual %g, %d iterations", ways[w].type, ways[w].pc, k, (int)c,
                     (int)result.stop, result.true_residual, (int)result.iterations);
        }
    FreeProblem(&p);
  }
}

static void test_a_right_hand_side_that_is_no_number_is_a_breakdown(void **state)
{
  static const double bad[] = {NAN, INFINITY, -INFINITY, 1e300};
  Problem             p     = MakeProblem(DATA[0], MODELS[0][0], MODELS[0][1], "");

  (void)state;
  for (int w = 0; w < N_WAYS; w++)
    for (int k = 1; k <= 2; k++)
      for (int b = 0; b < 4; b++) {
        const MeritSolveResult result = Spoil(&p, &ways[w], MERIT_CRITERION_RESIDUAL, k, false, bad[b]);

        if (result.stop != MERIT_STOP_BREAKDOWN)
          fail_msg("%s %s, %d right-hand sides, %g: stop %d, residual %g", ways[w].type, ways[w].pc, k, bad[b], (int)result.stop,
                   result.true_residual);
      }
  FreeProblem(&p);
}

static void test_nothing_on_the_right_gives_zero_from_any_start(void **state)
{
  Problem p = MakeProblem(DATA[0], MODELS[0][0], MODELS[0][1], "");

  (void)state;
  for (int w = 0; w < N_WAYS; w++) {
    MeritSolver      s = Make(&p, &ways[w], MERIT_CRITERION_RESIDUAL);
    double          *r = calloc((size_t)p.n_owned + 1, sizeof(double)), *x = calloc((size_t)p.n_owned + 1, sizeof(double));
    MeritSolveResult result;

    for (int32_t i = 0; i < p.n_owned; i++) x[i] = 3.0;
    TestCall(MeritSolverSolve(s, 1, r, x, &result));
    assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
    assert_true(result.true_residual == 0.0);
    for (int32_t i = 0; i < p.n_owned; i++) assert_true(x[i] == 0.0);
    free(r), free(x);
    TestCall(MeritSolverDestroy(&s));
  }
  FreeProblem(&p);
}

/* No message says nan: what is not known is said in words */
static void test_a_residual_that_is_no_number_is_not_printed(void **state)
{
  char text[256];

  (void)state;
  assert_string_equal(MeritResidualText(0.5, sizeof(text), text), "true residual 5.000e-01");
  assert_null(strstr(MeritResidualText(NAN, sizeof(text), text), "nan"));
  assert_null(strstr(MeritResidualText(INFINITY, sizeof(text), text), "inf"));
  assert_non_null(strstr(text, "the solution is not a number"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_residual_that_is_no_number_is_not_printed),
    cmocka_unit_test(test_a_start_that_is_no_number_is_a_breakdown),
    cmocka_unit_test(test_a_right_hand_side_that_is_no_number_is_a_breakdown),
    cmocka_unit_test(test_nothing_on_the_right_gives_zero_from_any_start),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)

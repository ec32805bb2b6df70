/* Several right-hand sides at once: each gets the dense solution, whatever the others are, and all need fewer iterations than one. */
#include "gsru_models.h"

enum { KINDS = 7 };

/* Right-hand side j by canonical number: any values; 0; twice the same; a sum of two; a unit vector */
static double Value(int j, int equation)
{
  unsigned state = (unsigned)(equation * 64 + j) * 2654435761u;

  switch (j % KINDS) {
  case 2:
    return 0.0;
  case 3:
    return Value(j - 3, equation);
  case 4:
    return Value(j - 4, equation) + 2.0 * Value(j - 3, equation);
  case 5:
    return equation == j;
  default:
    Uniform(&state);
    return Uniform(&state) - 0.5;
  }
}

static double *RightHandSides(const Problem *p, int k)
{
  const uint8_t *state = MeritModelEquationState(p->model);
  double        *r     = malloc(sizeof(double) * ((size_t)(p->n_owned * k) + 1));

  for (int32_t i = 0; i < p->n_owned; i++)
    for (int j = 0; j < k; j++) r[i * k + j] = state[i] == MERIT_EQ_OK ? Value(j, p->number[i]) : 0.0;
  return r;
}

/* Column j of a block */
static double *Column(const Problem *p, int k, int j, const double *x)
{
  double *one = malloc(sizeof(double) * ((size_t)p->n_owned + 1)), *all;

  for (int32_t i = 0; i < p->n_owned; i++) one[i] = x[i * k + j];
  all = ToAll(p, one);
  free(one);
  return all;
}

static void Check(int model, int k, const char *pc, double start)
{
  Problem          p = MakeProblem(DATA[model], MODELS[model][0], MODELS[model][1], "");
  double          *C = ToDense(&p), *r = RightHandSides(&p, k), *x = malloc(sizeof(double) * ((size_t)(p.n_owned * k) + 1));
  MeritSolver      s = MakeSolver(&p, "pcg", 1e-12, 2000);
  MeritSolveResult result;

  for (int i = 0; i < p.n_owned * k; i++) x[i] = MeritModelEquationState(p.model)[i / k] == MERIT_EQ_OK ? start * (i % 5) : 0.0;
  TestCall(MeritSolverSetPreconditioner(s, pc));
  TestCall(MeritSolverSolve(s, k, r, x, &result));
  if (result.stop != MERIT_STOP_CONVERGED && result.stop != MERIT_STOP_ROUNDING_FLOOR)
    fail_msg("model %d, %d right-hand sides, %s: stop %d, residual %g", model, k, pc, (int)result.stop, result.true_residual);
  assert_true(result.true_residual < 1e-11);
  for (int j = 0; j < k; j++) {
    double *mine = Column(&p, k, j, x), *theirs = Column(&p, k, j, r), *exact = DenseSolution(&p, C, theirs), most = 0.0, off = 0.0;

    for (int i = 0; i < p.n; i++) {
      most = fmax(most, fabs(exact[i]));
      off  = fmax(off, fabs(exact[i] - mine[i]));
    }
    if (off > 1e-8 * most) fail_msg("model %d, %s, right-hand side %d is off by %g of %g", model, pc, j, off, most);
    free(mine), free(theirs), free(exact);
  }
  TestCall(MeritSolverDestroy(&s));
  free(C), free(r), free(x);
  FreeProblem(&p);
}

static void test_every_right_hand_side_gets_its_solution(void **state)
{
  (void)state;
  for (int model = 0; model < 6; model++) Check(model, KINDS, "jacobi", 0.0);
  for (int model = 0; model < 6; model++)
    if (model != 3) Check(model, KINDS, model < 3 ? "merit_ped" : "merit_fixed", 3.0); /* 3: singular variances */
}

static void test_more_right_hand_sides_than_a_block_holds(void **state)
{
  (void)state;
  Check(2, 35, "jacobi", 0.0);
  Check(5, 33, "merit_block", 1.0);
}

/* A start that is far away leaves more rounding in the recursive residual than the tolerance: what counts is the true one, and it is what is reported */
static void test_a_far_start_does_not_hide_the_true_residual(void **state)
{
  (void)state;
  for (int model = 0; model < 6; model += 2) {
    Problem p = MakeProblem(DATA[model], MODELS[model][0], MODELS[model][1], "");
    double *C = ToDense(&p), *r = RightHandSides(&p, 1), *x = malloc(sizeof(double) * ((size_t)p.n_owned + 1)), *mine, *right, off = 0.0, all = 0.0;
    MeritSolver      s = MakeSolver(&p, "pcg", 1e-10, 2000);
    MeritSolveResult result;

    for (int i = 0; i < p.n_owned; i++) x[i] = MeritModelEquationState(p.model)[i] == MERIT_EQ_OK ? 1e9 * (1 + i % 5) : 0.0;
    TestCall(MeritSolverSetPreconditioner(s, "jacobi"));
    TestCall(MeritSolverSolve(s, 1, r, x, &result));
    assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
    mine = ToAll(&p, x), right = ToAll(&p, r);
    for (int i = 0; i < p.n; i++) {
      double row = right[i];

      for (int j = 0; j < p.n; j++) row -= C[i * p.n + j] * mine[j];
      off += row * row, all += right[i] * right[i];
    }
    off = sqrt(off / all);
    if (!(off <= 1e-10 && fabs(result.true_residual - off) <= 0.01 * off + 1e-14))
      fail_msg("model %d: residual %g, reported as %g", model, off, result.true_residual);
    TestCall(MeritSolverDestroy(&s));
    free(C), free(r), free(x), free(mine), free(right);
    FreeProblem(&p);
  }
}

static int64_t Iterations(const Problem *p, int k)
{
  double          *all = RightHandSides(p, 64), *r = malloc(sizeof(double) * ((size_t)(p->n_owned * k) + 1));
  double          *x = calloc((size_t)(p->n_owned * k) + 1, sizeof(double));
  MeritSolver      s = MakeSolver(p, "pcg", 1e-10, 2000);
  MeritSolveResult result;

  /* columns 0, 7, 14... are of the first kind */
  for (int i = 0; i < p->n_owned; i++)
    for (int j = 0; j < k; j++) r[i * k + j] = all[i * 64 + KINDS * j];
  TestCall(MeritSolverSetPreconditioner(s, "jacobi"));
  TestCall(MeritSolverSolve(s, k, r, x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  TestCall(MeritSolverDestroy(&s));
  free(all), free(r), free(x);
  return result.iterations;
}

static void test_together_they_need_fewer_iterations(void **state)
{
  Problem p   = MakeProblem(MANY, MODELS[4][0], MODELS[4][1], "");
  int64_t one = Iterations(&p, 1), four = Iterations(&p, 4), eight = Iterations(&p, 8);

  (void)state;
  if (!(four < one && eight < four)) fail_msg("%d, %d and %d iterations", (int)one, (int)four, (int)eight);
  assert_true(3 * eight < 2 * one);
  FreeProblem(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_right_hand_side_gets_its_solution),
    cmocka_unit_test(test_more_right_hand_sides_than_a_block_holds),
    cmocka_unit_test(test_a_far_start_does_not_hide_the_true_residual),
    cmocka_unit_test(test_together_they_need_fewer_iterations),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)

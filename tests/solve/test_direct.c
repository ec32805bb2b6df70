/* Solvers that form the left-hand side, and the matrix-free sweep, against elimination, dense equations and the sweeps of gsru. */
#include "gsru_case.h"
#include "gsru_models.h"

/* A problem with its dense equations, right-hand side and solution in canonical order */
typedef struct {
  Problem p;
  double *r, *x; /* [n_owned] */
  double *dense, *right, *exact;
} Case;

static Case MakeCase(int m)
{
  Case c = {.p = MakeProblem(DATA[m], MODELS[m][0], MODELS[m][1], "")};

  c.r = calloc((size_t)c.p.n_owned + 1, sizeof(double));
  c.x = calloc((size_t)c.p.n_owned + 1, sizeof(double));
  TestCall(MeritMMERightHandSide(c.p.C, c.r));
  c.dense = ToDense(&c.p);
  c.right = ToAll(&c.p, c.r);
  c.exact = DenseSolution(&c.p, c.dense, c.right);
  return c;
}

static void FreeCase(Case *c)
{
  free(c->r), free(c->x), free(c->dense), free(c->right), free(c->exact);
  FreeProblem(&c->p);
}

static double DistanceOwned(const Case *c, const double *x)
{
  double *all = ToAll(&c->p, x), d = Distance(&c->p, all, c->exact, c->exact);

  free(all);
  return d;
}

static void test_the_formed_matrix_is_the_operator(void **state)
{
  (void)state;
  for (int m = 0; m < 6; m++) {
    Case    c      = MakeCase(m);
    int    *number = calloc((size_t)c.p.n + 1, sizeof(int));
    int64_t first, entries, fullest, bytes;
    double  worst = 0.0, most = 0.0, *seen = calloc((size_t)c.p.n * (size_t)c.p.n + 1, sizeof(double));
    Mat     A;

    first = MeritModelLayout(c.p.model)->first;
    for (int32_t i = 0; i < c.p.n_owned; i++) number[first + i] = c.p.number[i];
    MPI_Allreduce(MPI_IN_PLACE, number, c.p.n, MPI_INT, MPI_SUM, PETSC_COMM_WORLD);
    TestCall(MeritMMEAssembledSize(c.p.C, &entries, &fullest, &bytes));
    TestCall(MeritMMEAssemble(c.p.C, &A));
    for (PetscInt i = 0; i < c.p.n_owned; i++) {
      const PetscInt    *column;
      const PetscScalar *value;
      PetscInt           n;

      TestCall(MatGetRow(A, (PetscInt)first + i, &n, &column, &value));
      for (PetscInt j = 0; j < n; j++) seen[c.p.number[i] * c.p.n + number[column[j]]] = value[j];
      entries -= size == 1 ? n : 0;
      TestCall(MatRestoreRow(A, (PetscInt)first + i, &n, &column, &value));
    }
    MPI_Allreduce(MPI_IN_PLACE, seen, c.p.n * c.p.n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
    for (int i = 0; i < c.p.n * c.p.n; i++) {
      worst = fmax(worst, fabs(seen[i] - c.dense[i]));
      most  = fmax(most, fabs(c.dense[i]));
    }
    assert_true(worst <= 1e-12 * most);
    assert_true(entries >= 0 && fullest > 0 && bytes > fullest);
    TestCall(MatDestroy(&A));
    free(number), free(seen);
    FreeCase(&c);
  }
}

static void test_cholesky_solves_every_model_in_one_step(void **state)
{
  (void)state;
  for (int m = 0; m < 6; m++) {
    Case             c = MakeCase(m);
    MeritSolver      s = MakeSolver(&c.p, "cholesky", 1e-10, 1);
    MeritSolveResult result;

    for (int32_t i = 0; i < c.p.n_owned; i++) c.x[i] = 7.0; /* the start does not matter */
    TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
    assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
    assert_int_equal(result.iterations, 1);
    assert_true(result.true_residual < 1e-11);
    assert_true(DistanceOwned(&c, c.x) < 1e-9);
    TestCall(MeritSolverDestroy(&s));
    FreeCase(&c);
  }
}

static void test_the_factor_gives_the_inverse_column_by_column(void **state)
{
  enum { K = 5 };
  (void)state;
  for (int m = 0; m < 4; m++) {
    Case             c    = MakeCase(m);
    MeritSolver      s    = MakeSolver(&c.p, "cholesky", 1e-10, 1);
    double          *unit = calloc((size_t)c.p.n_owned * K + 1, sizeof(double)), *X = calloc((size_t)c.p.n_owned * K + 1, sizeof(double));
    MeritSolveResult result;

    for (int first = 0; first < c.p.n; first += 3 * K) {
      for (int32_t i = 0; i < c.p.n_owned; i++)
        for (int j = 0; j < K; j++) unit[i * K + j] = c.p.number[i] == first + j;
      TestCall(MeritSolverSolve(s, K, unit, X, &result));
      for (int j = 0; j < K && first + j < c.p.n; j++) {
        double *e = calloc((size_t)c.p.n + 1, sizeof(double)), *column;

        e[first + j] = 1.0;
        column       = DenseSolution(&c.p, c.dense, e);
        for (int32_t i = 0; i < c.p.n_owned; i++) assert_true(fabs(X[i * K + j] - column[c.p.number[i]]) < 1e-9 * fmax(1.0, fabs(column[first + j])));
        free(e), free(column);
      }
    }
    free(unit), free(X);
    TestCall(MeritSolverDestroy(&s));
    FreeCase(&c);
  }
}

static void test_sweeps_without_a_residual_are_those_with_one(void **state)
{
  (void)state;
  for (int m = 0; m < 6; m++)
    for (int sweeps = 1; sweeps <= (m == 4 ? 1 : 7); sweeps += 3) {
      Case             c = MakeCase(m);
      MeritSolver      s[2];
      double          *x = calloc((size_t)c.p.n_owned + 1, sizeof(double)), *all[2];
      MeritSolveResult result[2];

      for (int32_t i = 0; i < c.p.n_owned; i++) c.x[i] = x[i] = c.p.number[i] % 3;
      s[0] = MakeSolver(&c.p, "gs", 1e-15, sweeps);
      s[1] = MakeSolver(&c.p, "gsru", 1e-15, sweeps);
      TestCall(MeritSolverSetRelaxation(s[0], 0.9));
      TestCall(MeritSolverSetRelaxation(s[1], 0.9));
      TestCall(MeritSolverSolve(s[0], 1, c.r, x, &result[0]));
      TestCall(MeritSolverSolve(s[1], 1, c.r, c.x, &result[1]));
      all[0] = ToAll(&c.p, x);
      all[1] = ToAll(&c.p, c.x);
      assert_int_equal(result[0].iterations, result[1].iterations);
      assert_true(Distance(&c.p, all[0], all[1], all[1]) < 1e-10);
      TestCall(MeritSolverDestroy(&s[0]));
      TestCall(MeritSolverDestroy(&s[1]));
      free(x), free(all[0]), free(all[1]);
      FreeCase(&c);
    }
}

/* Sweeps over dense equations in canonical order, in the textbook's way */
static void SweepDense(const Case *c, double relaxation, double *x)
{
  for (int i = 0; i < c->p.n; i++) {
    double sum = c->right[i];

    for (int j = 0; j < c->p.n; j++) sum -= c->dense[i * c->p.n + j] * x[j];
    x[i] += relaxation * sum / c->dense[i * c->p.n + i];
  }
}

static void test_sweeps_over_the_formed_matrix_are_those_of_the_textbook(void **state)
{
  (void)state;
  for (int m = 0; m < 6; m++) {
    Case             c        = MakeCase(m);
    MeritSolver      s        = MakeSolver(&c.p, "lhs_gs", 1e-15, 4);
    double          *expected = calloc((size_t)c.p.n + 1, sizeof(double)), *all;
    MeritSolveResult result;

    for (int i = 0; i < c.p.n; i++) expected[i] = i % 3;
    for (int32_t i = 0; i < c.p.n_owned; i++) c.x[i] = c.p.number[i] % 3;
    for (int sweep = 0; sweep < 4; sweep++) SweepDense(&c, 0.9, expected);
    TestCall(MeritSolverSetRelaxation(s, 0.9));
    TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
    all = ToAll(&c.p, c.x);
    assert_int_equal(result.stop, MERIT_STOP_MAX_IT);
    assert_int_equal(result.iterations, 4);
    assert_true(Distance(&c.p, all, expected, expected) < 1e-11);
    TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_RESIDUAL, 1e-12, 20000));
    if (DATA[m] != MANY) {
      TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
      assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
      assert_true(DistanceOwned(&c, c.x) < 1e-8);
    }
    TestCall(MeritSolverDestroy(&s));
    free(all), free(expected);
    FreeCase(&c);
  }
}

/* Variances of another run: one trait (model 0), two traits (model 2) */
static void ChangeVariances(Case *c, int m)
{
  static const double iid[] = {4}, one[] = {50}, R1[] = {45}, snp[] = {0.3, 0.0, 0.0, 0.4}, ridge[] = {2, 1, 1, 5}, ped[] = {9, 1, 1, 3},
                      R2[] = {30, -2, -2, 8};
  const double *G[8] = {NULL}, *residual[] = {m ? R2 : R1};

  for (int k = 0; k < c->p.n_terms; k++) switch (c->p.term[k].kind) {
    case MERIT_TERM_IID:
      G[k] = iid;
      break;
    case MERIT_TERM_SNP:
      G[k] = snp;
      break;
    case MERIT_TERM_RIDGE:
      G[k] = ridge;
      break;
    case MERIT_TERM_PED:
      G[k] = m ? ped : one;
      break;
    default:
      break;
    }
  TestCall(MeritModelSetVariances(c->p.model, G, residual));
  TestCall(MeritMMERightHandSide(c->p.C, c->r));
  free(c->dense), free(c->right), free(c->exact);
  c->dense = ToDense(&c->p);
  c->right = ToAll(&c->p, c->r);
  c->exact = DenseSolution(&c->p, c->dense, c->right);
}

static void test_a_factor_is_used_again_and_new_variances_make_another(void **state)
{
  static const char *const type[5] = {"cholesky", "lhs_gs", "gs", "pcg", "ksp"};

  (void)state;
  for (int i = 0; i < 10; i++) {
    const int        m = i % 2 ? 2 : 0;
    Case             c = MakeCase(m);
    MeritSolver      s = MakeSolver(&c.p, type[i / 2], 1e-12, 20000);
    MeritSolveResult result;

    for (int again = 0; again < 2; again++) {
      memset(c.x, 0, sizeof(double) * (size_t)c.p.n_owned);
      TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
      assert_true(DistanceOwned(&c, c.x) < 1e-8);
    }
    ChangeVariances(&c, m);
    assert_true(DistanceOwned(&c, c.x) > 1e-3);
    TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
    assert_in_range(result.stop, MERIT_STOP_CONVERGED, i < 6 ? MERIT_STOP_CONVERGED : MERIT_STOP_ROUNDING_FLOOR);
    assert_true(DistanceOwned(&c, c.x) < (i < 6 ? 1e-8 : 1e-6));
    TestCall(MeritSolverDestroy(&s));
    FreeCase(&c);
  }
}

static void test_what_does_not_fit_is_refused_with_the_figure(void **state)
{
  static const char *const type[2] = {"cholesky", "lhs_gs"};
  Case                     c       = MakeCase(2);

  (void)state;
  for (int i = 0; i < 2; i++) {
    MeritSolver s = MakeSolver(&c.p, type[i], 1e-10, 1);

    TestCall(MeritSolverSetMemory(s, 1000.0));
    TestRaises(MERIT_ERROR_USAGE, "iB per rank, more than 1000 B; use more ranks, or solver pcg", MeritSolverSetUp(s));
    TestCall(MeritSolverDestroy(&s));
  }
  FreeCase(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_formed_matrix_is_the_operator),
    cmocka_unit_test(test_cholesky_solves_every_model_in_one_step),
    cmocka_unit_test(test_the_factor_gives_the_inverse_column_by_column),
    cmocka_unit_test(test_sweeps_without_a_residual_are_those_with_one),
    cmocka_unit_test(test_sweeps_over_the_formed_matrix_are_those_of_the_textbook),
    cmocka_unit_test(test_a_factor_is_used_again_and_new_variances_make_another),
    cmocka_unit_test(test_what_does_not_fit_is_refused_with_the_figure),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)

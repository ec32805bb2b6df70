/* merit_ped: exact where nothing is dropped, symmetric, the same at any number of ranks, and worth its price. */
#include <merit/solver.h>
#include <math.h>
#include <model_files.h>

/* Every animal has at most one known parent and one record: no couple of parents to drop, so the factor is exact */
static const char half_sibs[] = "id,sire,dam\na1,0,0\na2,0,0\nb1,a1,0\nb2,a1,0\nb3,0,a2\nc1,b1,0\nc2,0,b3\nc3,b1,0\nd1,c1,0\n";
static const char one_each[]  = "cow,milk,fat\nb1,10,3\nb2,11,NA\nb3,9,2.5\nc1,12,3.5\nc2,8,2\nc3,NA,3.1\nd1,10.5,2.9\n";
static const char exact_job[] = "records: {file: r.csv}\npedigree: {file: p.csv}\n"
                                "model: [\"milk ~ 0 + ped(cow)\", \"fat ~ 0 + ped(cow)\"]\n"
                                "variances: {ped(cow): [[3, 1], [1, 2]], residual: [[5, 1], [1, 4]]}\n"
                                "solver: {rtol: 1.0e-12, preconditioner: merit_ped}\n";

static int64_t Iterations(MeritModel model, MeritNode job, const char *pc, double *true_residual)
{
  MeritSolver      solver;
  MeritSolveResult result;
  Mat              C;
  double          *r, *x;
  int32_t          n;

  n = MeritModelLayout(model)->n_owned;
  r = calloc((size_t)n + 1, sizeof(*r));
  x = calloc((size_t)n + 1, sizeof(*x));
  TestCall(MeritMatCreateMME(model, &C));
  TestCall(MeritMMERightHandSide(C, r));
  TestCall(MeritSolverCreate(PETSC_COMM_WORLD, &solver));
  TestCall(MeritSolverSetFromConfig(solver, job));
  TestCall(MeritSolverSetPreconditioner(solver, pc));
  TestCall(MeritSolverSetOperator(solver, C));
  TestCall(MeritSolverSolve(solver, 1, r, x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  *true_residual = result.true_residual;
  TestCall(MeritSolverDestroy(&solver));
  TestCall(MatDestroy(&C));
  free(r);
  free(x);
  return result.iterations;
}

static void TestFactorIsExactWithoutCouplesOfParents(void **state)
{
  TestModel t;
  double    residual;

  (void)state;
  TestModelBegin(&t);
  TestWriteFile(&t, "p.csv", half_sibs);
  TestWriteFile(&t, "r.csv", one_each);
  TestCall(TestModelSetUp(&t, exact_job));
  assert_int_equal(Iterations(t.model, t.job, "merit_ped", &residual), 1);
  assert_true(Iterations(t.model, t.job, "merit_block", &residual) > 3);
  TestModelEnd(&t);
}

/* Herds with many cows, couples with several calves, maternal effects, a permanent environment; ids shuffled so that parents stand anywhere */
enum { COWS = 300 };

static void WriteHerds(TestModel *t)
{
  static char ped[COWS * 40], rec[COWS * 60];
  size_t      p = (size_t)sprintf(ped, "id,sire,dam\n"), r = (size_t)sprintf(rec, "cow,dam,herd,age,milk\n");

  for (int line = 0; line < COWS; line++) {
    const int i = line * 77 % COWS, old = i < 40;
    char      sire[8] = "0", dam[8] = "0";

    if (!old && i % 11) snprintf(sire, sizeof(sire), "x%d", i / 2 % 37 % i);
    if (!old && i % 7) snprintf(dam, sizeof(dam), "x%d", 37 + (i * 5 % (i - 37)));
    p += (size_t)sprintf(ped + p, "x%d,%s,%s\n", i, sire, dam);
    for (int k = 0; !old && k < 1 + i % 3; k++)
      r += (size_t)sprintf(rec + r, "x%d,%s,h%d,%d,%.3f\n", i, dam, (i * 13 + k) % 29, 20 + i % 17, 30.0 + i % 23 + 0.5 * k);
  }
  TestWriteFile(t, "p.csv", ped);
  TestWriteFile(t, "r.csv", rec);
}

static const char herd_job[] = "records: {file: r.csv}\npedigree: {file: p.csv, sexes: free}\n"
                               "model: \"milk ~ herd + cov(age) + gen = ped(cow + dam) + pe = iid(cow)\"\n"
                               "variances: {gen: [[3, -0.3], [-0.3, 1]], pe: 1, residual: 5}\n"
                               "solver: {rtol: 1.0e-10}\n";

static double Dot(int32_t n, const double *x, const double *y)
{
  double sum = 0.0;

  for (int32_t i = 0; i < n; i++) sum += x[i] * y[i];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  return sum;
}

static void TestPreconditionerIsSymmetricDefiniteAndKnowsBlocks(void **state)
{
  TestModel t;
  Mat       C;
  PC        pc;
  int32_t   n;
  int64_t   first;
  double   *X, *Y, *x[2], *y[2];

  (void)state;
  TestModelBegin(&t);
  WriteHerds(&t);
  TestCall(TestModelSetUp(&t, herd_job));
  n     = MeritModelLayout(t.model)->n_owned;
  first = MeritModelLayout(t.model)->first;
  TestCall(MeritMatCreateMME(t.model, &C));
  TestCall(MeritPCRegisterAll());
  TestCall(PCCreate(PETSC_COMM_WORLD, &pc));
  TestCall(PCSetType(pc, "merit_ped"));
  TestCall(PCSetOperators(pc, C, C));
  X = calloc((size_t)n * 2 + 1, sizeof(*X)), Y = calloc((size_t)n * 2 + 1, sizeof(*Y));
  for (int j = 0; j < 2; j++) {
    x[j] = calloc((size_t)n + 1, sizeof(*X)), y[j] = calloc((size_t)n + 1, sizeof(*Y));
    for (int32_t i = 0; i < n; i++) X[2 * i + j] = x[j][i] = sin((double)(first + i) * (j + 1.3));
    TestCall(MeritPCApplyBlock(pc, 1, x[j], y[j]));
    assert_true(Dot(n, x[j], y[j]) > 0.0);
  }
  assert_true(fabs(Dot(n, x[0], y[1]) - Dot(n, x[1], y[0])) < 1e-11 * fabs(Dot(n, x[0], y[0])));
  TestCall(MeritPCApplyBlock(pc, 2, X, Y));
  for (int j = 0; j < 2; j++) {
    for (int32_t i = 0; i < n; i++) assert_true(fabs(Y[2 * i + j] - y[j][i]) < 1e-10 * (1.0 + fabs(y[j][i])));
    free(x[j]);
    free(y[j]);
  }
  free(X);
  free(Y);
  TestCall(PCDestroy(&pc));
  TestCall(MatDestroy(&C));
  TestModelEnd(&t);
}

static void TestIterationsAreFewAndTheSameAtAnyNumberOfRanks(void **state)
{
  TestModel t;
  double    residual;
  int64_t   few, many;

  (void)state;
  TestModelBegin(&t);
  WriteHerds(&t);
  TestCall(TestModelSetUp(&t, herd_job));
  few  = Iterations(t.model, t.job, "auto", &residual);
  many = Iterations(t.model, t.job, "merit_block", &residual);
  /* counted on one rank; rounding may move it by one */
  assert_in_range(few, 34, 36);
  if (many < 2 * few) fail_msg("%d and %d iterations", (int)few, (int)many);
  TestModelEnd(&t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestFactorIsExactWithoutCouplesOfParents),
    cmocka_unit_test(TestPreconditionerIsSymmetricDefiniteAndKnowsBlocks),
    cmocka_unit_test(TestIterationsAreFewAndTheSameAtAnyNumberOfRanks),
};

TEST_MAIN(tests)

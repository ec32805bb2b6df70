/* The joint passes of merit_ped: what preconditioner and operator give one after the other, and the sums. */
#include <merit/solver.h>
#include <math.h>
#include <model_files.h>
#include <string.h>

/* Couples with several calves, inbreeding, one to three records a cow but none of some, missing traits; grp follows from herd, so one level
   of it is aliased; ids shuffled so that parents stand anywhere */
enum { COWS = 1700, HERDS = 41 };

static void WriteFiles(TestModel *t)
{
  static char ped[COWS * 40], rec[COWS * 260];
  size_t      p = (size_t)sprintf(ped, "id,sire,dam\n"), r = (size_t)sprintf(rec, "cow,herd,grp,age,w,milk,fat,a,b,c\n");

  for (int line = 0; line < COWS; line++) {
    const int i = line * 77 % COWS, old = i < 60;
    char      sire[8] = "0", dam[8] = "0";

    if (!old && i % 11) snprintf(sire, sizeof(sire), "x%d", i / 2 % 37 % i);
    if (!old && i % 7) snprintf(dam, sizeof(dam), "x%d", 37 + (i * 5 % (i - 37)));
    p += (size_t)sprintf(ped + p, "x%d,%s,%s\n", i, sire, dam);
    for (int k = 0; i % 3 && k < 1 + i % 4; k++) {
      const int herd = (i / 3 + k) % HERDS;

      r += (size_t)sprintf(rec + r, "x%d,h%d,g%d,%d,%d,%.3f,", i, herd, herd % 3, 20 + (i + k) % 17, 1 + i % 3, 30.0 + i % 23 + 0.5 * k);
      r += (size_t)(i % 5 ? sprintf(rec + r, "%d,", 3 + i % 7) : sprintf(rec + r, "NA,"));
      r += (size_t)sprintf(rec + r, "%d,%d,%d\n", i % 19, i % 29, i % 31);
    }
  }
  TestWriteFile(t, "p.csv", ped);
  TestWriteFile(t, "r.csv", rec);
}

/* Three animals: one of four ranks has none */
static void WriteFew(TestModel *t)
{
  TestWriteFile(t, "p.csv", "id,sire,dam\na,0,0\nb,0,0\nc,a,b\n");
  TestWriteFile(t, "r.csv", "cow,herd,milk\nb,h1,4\nc,h1,7\nc,h2,5\n");
}

static double Sum(double value)
{
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  return value;
}

static double Largest(int32_t n, const double *x)
{
  double most = 0.0;

  for (int32_t i = 0; i < n; i++) most = PetscMax(most, fabs(x[i]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD);
  return most;
}

/* Largest difference over equations that are solved for, relative to the largest value */
static double Distance(MeritModel model, int32_t n, const double *x, const double *y)
{
  const uint8_t *state = MeritModelEquationState(model);
  double         most  = 0.0;

  for (int32_t i = 0; i < n; i++)
    if (state[i] == MERIT_EQ_OK) most = PetscMax(most, fabs(x[i] - y[i]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD);
  return most / Largest(n, y);
}

static void Make(TestModel *t, Mat *C, PC *pc, MeritFusedPass *joint)
{
  TestCall(MeritMatCreateMME(t->model, C));
  TestCall(MeritPCRegisterAll());
  TestCall(PCCreate(PETSC_COMM_WORLD, pc));
  TestCall(PCSetType(*pc, "merit_ped"));
  TestCall(PCSetOperators(*pc, *C, *C));
  TestCall(MeritPCGetFusedPass(*pc, joint));
}

/* Is equation i of a fixed effect? */
static bool Fixed(MeritModel model, int32_t i)
{
  const MeritTermView *term;
  const int            n = MeritModelTerms(model, &term);

  for (int k = 0; k < n; k++)
    if (i >= term[k].eq_owned && i < term[k].eq_owned + term[k].n_owned * term[k].n_eq) return term[k].kind == MERIT_TERM_FIXED;
  return false;
}

/* From a residual r of x = 0: after the start r is still that of x, and 0 for the fixed effects */
static void CheckStart(TestModel *t, Mat C, MeritFusedPass joint, int32_t n, double *room, double *r)
{
  double *x = calloc((size_t)n + 1, sizeof(*x)), *q = calloc((size_t)n + 1, sizeof(*q)), *before = calloc((size_t)n + 1, sizeof(*q));

  memcpy(before, r, (size_t)n * sizeof(*r));
  TestCall(MeritFusedPassStart(joint, room, x, r));
  TestCall(MeritMMEApplyBlock(C, 1, x, q));
  for (int32_t i = 0; i < n; i++) {
    if (Fixed(t->model, i)) assert_true(r[i] == 0.0);
    q[i] = before[i] - q[i];
  }
  for (int32_t i = 0; i < n; i++)
    if (fabs(q[i] - r[i]) > 1e-9 * (1.0 + fabs(before[i]))) fail_msg("equation %d: %.15g, and %.15g by the operator", (int)i, r[i], q[i]);
  free(x);
  free(q);
  free(before);
}

static void CheckJoint(TestModel *t)
{
  Mat            C;
  PC             pc;
  MeritFusedPass joint;
  int32_t        n;
  int64_t        first, room;
  double        *r, *u, *w, *U, *W, sums[2], ru = 0.0, uCu = 0.0;

  Make(t, &C, &pc, &joint);
  assert_non_null(joint);
  n     = MeritModelLayout(t->model)->n_owned;
  first = MeritModelLayout(t->model)->first;
  TestCall(MeritMMEWorkLength(C, 1, &room));
  r = calloc((size_t)n + 1, sizeof(*r)), U = calloc((size_t)n + 1, sizeof(*U)), W = calloc((size_t)n + 1, sizeof(*W));
  u = calloc((size_t)room + 1, sizeof(*u)), w = calloc((size_t)room + 1, sizeof(*w));
  for (int32_t i = 0; i < n; i++) r[i] = MeritModelEquationState(t->model)[i] == MERIT_EQ_OK ? sin(1.3 * (double)(first + i)) : 0.0;
  CheckStart(t, C, joint, n, u, r);
  TestCall(MeritPCApplyBlock(pc, 1, r, U));
  TestCall(MeritMMEApplyBlock(C, 1, U, W));
  for (int again = 0; again < 2; again++) {
    const MeritTermView *term;

    MeritModelTerms(t->model, &term);
    term += MeritFusedPassTerm(joint);
    memcpy(u, r, (size_t)n * sizeof(*r));
    TestCall(MeritFusedPassApply(joint, u, w, sums));
    /* in two parts, as by two threads, and cut within a block */
    MeritFusedPassFinish(joint, 0, term->n_owned / 3, u, w);
    MeritFusedPassFinish(joint, term->n_owned / 3, term->n_owned, u, w);
    if (Distance(t->model, n, u, U) > 1e-11) fail_msg("preconditioner: %g", Distance(t->model, n, u, U));
    if (Distance(t->model, n, w, W) > 1e-11) fail_msg("operator: %g", Distance(t->model, n, w, W));
  }
  for (int32_t i = 0; i < n; i++)
    if (MeritModelEquationState(t->model)[i] == MERIT_EQ_OK) ru += r[i] * U[i], uCu += U[i] * W[i];
  ru = Sum(ru), uCu = Sum(uCu);
  assert_true(fabs(Sum(sums[0]) - ru) < 1e-11 * ru);
  assert_true(fabs(Sum(sums[1]) - uCu) < 1e-11 * uCu);
  free(r), free(U), free(W), free(u), free(w);
  TestCall(PCDestroy(&pc));
  TestCall(MatDestroy(&C));
}

static void Check(void (*write)(TestModel *), const char *job)
{
  TestModel t;

  TestModelBegin(&t);
  write(&t);
  TestCall(TestModelSetUp(&t, job));
  CheckJoint(&t);
  TestModelEnd(&t);
}

#define FILES "records: {file: r.csv}\npedigree: {file: p.csv, sexes: free}\n"

static void TestOneTraitWithAnInterceptAndHerds(void **state)
{
  (void)state;
  Check(WriteFiles, FILES "model: \"milk ~ herd + ped(cow)\"\nvariances: {ped(cow): 3, residual: 5}\n");
}

static void TestOneTraitWithWeightsCovariatesAndAliasedClasses(void **state)
{
  (void)state;
  Check(WriteFiles, "records: {file: r.csv, weight: w}\npedigree: {file: p.csv, sexes: free}\n"
                    "model: \"milk ~ herd + grp + cov(age) + ped(cow)\"\nvariances: {ped(cow): 3, residual: 5}\n");
}

static void TestNoFixedEffects(void **state)
{
  (void)state;
  Check(WriteFiles, FILES "model: \"milk ~ 0 + ped(cow)\"\nvariances: {ped(cow): 3, residual: 5}\n");
}

static void TestTwoTraitsWithMissingValues(void **state)
{
  (void)state;
  Check(WriteFiles, FILES "model: [\"milk ~ herd + ped(cow)\", \"fat ~ herd + ped(cow)\"]\n"
                          "variances: {ped(cow): [[3, 1], [1, 2]], residual: [[5, 1], [1, 4]]}\n");
}

static void TestThreeTraits(void **state)
{
  (void)state;
  Check(WriteFiles, FILES "model: [\"milk ~ herd + ped(cow)\", \"a ~ herd + ped(cow)\", \"b ~ herd + ped(cow)\"]\n"
                          "variances: {ped(cow): [[3, 1, 1], [1, 2, 0.5], [1, 0.5, 3]], residual: [[5, 1, 0], [1, 4, 1], [0, 1, 7]]}\n");
}

static void TestThreeTraitsWithMissingValues(void **state)
{
  (void)state;
  Check(WriteFiles, FILES "model: [\"milk ~ herd + ped(cow)\", \"fat ~ herd + ped(cow)\", \"b ~ herd + ped(cow)\"]\n"
                          "variances: {ped(cow): [[3, 1, 1], [1, 2, 0.5], [1, 0.5, 3]], residual: [[5, 1, 0], [1, 4, 1], [0, 1, 7]]}\n");
}

static void TestFourTraits(void **state)
{
  (void)state;
  Check(WriteFiles, FILES "model: [\"milk ~ herd + ped(cow)\", \"fat ~ herd + ped(cow)\", \"a ~ herd + ped(cow)\", \"c ~ herd + ped(cow)\"]\n"
                          "variances: {ped(cow): [[3, 1, 0, 0], [1, 2, 0, 0], [0, 0, 4, 1], [0, 0, 1, 3]],\n"
                          "  residual: [[5, 1, 0, 0], [1, 4, 0, 1], [0, 0, 6, 0], [0, 1, 0, 7]]}\n");
}

static void TestRanksWithoutAnimals(void **state)
{
  TestModel   t;
  PetscMPIInt size;
  int32_t     n;

  (void)state;
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  TestModelBegin(&t);
  WriteFew(&t);
  TestCall(TestModelSetUp(&t, FILES "model: \"milk ~ herd + ped(cow)\"\nvariances: {ped(cow): 3, residual: 5}\n"));
  n = MeritModelLayout(t.model)->n_owned;
  MPI_Allreduce(MPI_IN_PLACE, &n, 1, MPI_INT32_T, MPI_MIN, PETSC_COMM_WORLD);
  if (size == 4) assert_int_equal(n, 0);
  CheckJoint(&t);
  TestModelEnd(&t);
}

/* Models that have none: a permanent environment, another random term, a maternal effect, traits of different effects */
static void TestOtherModelsHaveNoJoint(void **state)
{
  static const char *const jobs[] = {
      FILES "model: \"milk ~ herd + ped(cow) + pe = iid(cow)\"\nvariances: {ped(cow): 3, pe: 1, residual: 5}\n",
      FILES "model: \"milk ~ ped(cow) + iid(herd)\"\nvariances: {ped(cow): 3, iid(herd): 1, residual: 5}\n",
      FILES "model: [\"milk ~ herd + ped(cow)\", \"fat ~ ped(cow)\"]\nvariances: {ped(cow): [[3, 1], [1, 2]], residual: [[5, 1], [1, 4]]}\n",
  };

  (void)state;
  for (int i = 0; i < 3; i++) {
    TestModel      t;
    Mat            C;
    PC             pc;
    MeritFusedPass joint;

    TestModelBegin(&t);
    WriteFiles(&t);
    TestCall(TestModelSetUp(&t, jobs[i]));
    Make(&t, &C, &pc, &joint);
    assert_null(joint);
    TestCall(PCDestroy(&pc));
    TestCall(MatDestroy(&C));
    TestModelEnd(&t);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestOneTraitWithAnInterceptAndHerds),
    cmocka_unit_test(TestOneTraitWithWeightsCovariatesAndAliasedClasses),
    cmocka_unit_test(TestNoFixedEffects),
    cmocka_unit_test(TestTwoTraitsWithMissingValues),
    cmocka_unit_test(TestThreeTraits),
    cmocka_unit_test(TestThreeTraitsWithMissingValues),
    cmocka_unit_test(TestFourTraits),
    cmocka_unit_test(TestRanksWithoutAnimals),
    cmocka_unit_test(TestOtherModelsHaveNoJoint),
};

TEST_MAIN(tests)

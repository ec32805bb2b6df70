/* A solve that dies goes on from its checkpoint: to the bit at as many ranks, to the same solution at others. */
#include "gsru_case.h"
#include "gsru_models.h"
#include <merit/checkpoint.h>

/* A model on some of the ranks */
typedef struct {
  MPI_Comm       comm;
  Problem        p;
  double        *r, *x;
  const char    *type;
  MeritPrecision precision;
  int64_t        dies; /* in this iteration; 0: never */
} Run;

static void Start(Run *run, MPI_Comm comm, int which, const char *type, MeritPrecision precision)
{
  Problem *p = &run->p;
  char     text[4096];

  *run = (Run){.comm = comm, .type = type, .precision = precision};
  snprintf(text, sizeof(text),
           "records: {file: %s/%drecords.csv, weight: w}\npedigree: {file: %s/%dped.csv, sexes: free}\n"
           "genotypes: {text: %s/%dgeno.txt}\nmodel: %s\nvariances:\n%s",
           folder, (int)DATA[which], folder, (int)DATA[which], folder, (int)DATA[which], MODELS[which][0], MODELS[which][1]);
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &p->job));
  TestCall(MeritModelCreate(comm, &p->model));
  TestCall(MeritModelSetFromConfig(p->model, p->job));
  TestCall(MeritModelSetUp(p->model));
  TestCall(MeritMatCreateMME(p->model, &p->C));
  p->n_terms = MeritModelTerms(p->model, &p->term);
  p->n_owned = MeritModelLayout(p->model)->n_owned;
  run->r     = calloc((size_t)p->n_owned + 1, sizeof(double));
  run->x     = calloc((size_t)p->n_owned + 1, sizeof(double));
  TestCall(MeritMMERightHandSide(p->C, run->r));
}

static void End(Run *run)
{
  FreeProblem(&run->p);
  free(run->r), free(run->x);
}

static PetscErrorCode Die(const MeritIteration *it, void *ctx)
{
  return it->iteration && it->iteration == ((Run *)ctx)->dies ? PETSC_ERR_SIG : PETSC_SUCCESS;
}

/* One attempt; returns its iterations, -1 if it died */
static int64_t Attempt(Run *run, bool checkpoints, bool resume)
{
  MeritSolveResult result;
  MeritSolver      s;
  MeritCheckpoint  c = NULL;
  bool             found;
  int              code;

  TestCall(MeritSolverCreate(run->comm, &s));
  TestCall(MeritSolverSetType(s, run->type));
  TestCall(MeritSolverSetPrecision(s, run->precision));
  TestCall(MeritSolverSetOperator(s, run->p.C));
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_RESIDUAL, 1e-9, 100000));
  TestCall(MeritSolverSetMonitor(s, Die, run));
  if (checkpoints) {
    TestCall(MeritCheckpointCreate(run->comm, folder, 0.0, 3, &c));
    TestCall(MeritModelSetPositions(run->p.model, c));
    TestCall(MeritSolverSetCheckpoint(s, c));
  }
  if (resume) {
    TestCall(MeritCheckpointOpen(c, &found));
    assert_true(found);
  }
  for (int32_t i = 0; i < run->p.n_owned; i++) run->x[i] = 0.0;
  code = (int)MeritSolverSolve(s, 1, run->r, run->x, &result);
  if (run->dies) assert_int_equal(code, PETSC_ERR_SIG);
  else assert_int_equal(code, 0);
  TestCall(MeritCheckpointDestroy(&c));
  TestCall(MeritSolverDestroy(&s));
  return code ? -1 : result.iterations;
}

/* Values of all equations in canonical order, on the ranks of the run; owned by the caller */
static double *All(const Run *run, int *n)
{
  double *all = calloc(20000, sizeof(double));
  int     at  = 0;

  *n = 0;
  for (int k = 0; k < run->p.n_terms; k++) {
    const MeritTermView *t = &run->p.term[k];

    for (int32_t i = 0; i < t->n_owned; i++)
      for (int e = 0; e < t->n_eq; e++) all[*n + (int)t->canonical[i] * t->n_eq + e] = run->x[at++];
    *n += (int)t->n_levels * t->n_eq;
  }
  assert_true(*n < 20000);
  MPI_Allreduce(MPI_IN_PLACE, all, *n, MPI_DOUBLE, MPI_SUM, run->comm);
  return all;
}

/* Goes on from the checkpoint at each number of ranks; the whole run took `whole` iterations to `exact` */
static void OnOtherRanks(int which, const char *type, MeritPrecision precision, const double *exact, int64_t whole)
{
  for (int n = 1; n < size; n++) {
    MPI_Comm comm;

    MPI_Comm_split(PETSC_COMM_WORLD, rank < n ? 0 : MPI_UNDEFINED, rank, &comm);
    if (rank < n) {
      Run     run;
      int     n_all;
      double *x, most = 0.0, worst = 0.0;
      int64_t iterations;

      Start(&run, comm, which, type, precision);
      iterations = Attempt(&run, true, true);
      if ((double)iterations > 1.3 * (double)whole + 1.0)
        print_error("%lld iterations on %d ranks, %lld in one go on %d\n", (long long)iterations, n, (long long)whole, size);
      assert_true((double)iterations <= 1.3 * (double)whole + 1.0);
      x = All(&run, &n_all);
      for (int i = 0; i < n_all; i++) {
        most  = fmax(most, fabs(exact[i]));
        worst = fmax(worst, fabs(x[i] - exact[i]));
      }
      assert_true(worst <= 1e-5 * most);
      free(x);
      End(&run);
      MPI_Comm_free(&comm);
    }
    MPI_Barrier(PETSC_COMM_WORLD);
  }
}

static void Check(int which, const char *type, MeritPrecision precision, bool exactly)
{
  Run             run;
  double         *exact, *x;
  int             n;
  int64_t         whole;
  MeritCheckpoint c;

  Start(&run, PETSC_COMM_WORLD, which, type, precision);
  whole = Attempt(&run, false, false);
  exact = All(&run, &n);
  assert_true(whole >= 9);
  for (int turn = 0; turn < 2; turn++) { /* early, late */
    run.dies = turn ? whole - 1 : 5;
    assert_int_equal(Attempt(&run, true, false), -1);
    run.dies = 0;
    OnOtherRanks(which, type, precision, exact, whole);
    /* the ranks of others have written newer ones: die again */
    run.dies = turn ? whole - 1 : 5;
    assert_int_equal(Attempt(&run, true, false), -1);
    run.dies = 0;
    if (exactly) assert_int_equal(Attempt(&run, true, true), whole);
    else assert_true(Attempt(&run, true, true) <= whole + whole / 2 + 2);
    x = All(&run, &n);
    for (int i = 0; i < n && exactly; i++) assert_true(x[i] == exact[i]);
    for (int i = 0; i < n; i++) assert_true(fabs(x[i] - exact[i]) <= 1e-4 * fmax(1.0, fabs(exact[i])));
    free(x);
  }
  free(exact);
  End(&run);
  TestCall(MeritCheckpointCreate(PETSC_COMM_WORLD, folder, 0.0, 0, &c));
  TestCall(MeritCheckpointRemove(c));
  TestCall(MeritCheckpointDestroy(&c));
}

static void test_pcg(void **state)
{
  (void)state;
  Check(0, "pcg", MERIT_PRECISION_DOUBLE, true);
  Check(2, "pcg", MERIT_PRECISION_DOUBLE, true);
  Check(4, "pcg", MERIT_PRECISION_DOUBLE, true);
}

static void test_pcg_in_mixed_precision(void **state)
{
  (void)state;
  Check(4, "pcg", MERIT_PRECISION_MIXED, true);
}

static void test_gauss_seidel(void **state)
{
  static const char *const types[] = {"gsru", "gs", "lhs_gs"};

  (void)state;
  for (int t = 0; t < 3; t++) Check(0, types[t], MERIT_PRECISION_DOUBLE, true);
  Check(2, "gsru", MERIT_PRECISION_DOUBLE, true);
  Check(3, "gsru", MERIT_PRECISION_DOUBLE, true);
}

static void test_krylov_methods_of_petsc(void **state)
{
  (void)state;
  Check(0, "ksp", MERIT_PRECISION_DOUBLE, false);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_pcg), cmocka_unit_test(test_pcg_in_mixed_precision),
                                          cmocka_unit_test(test_gauss_seidel), cmocka_unit_test(test_krylov_methods_of_petsc)};
TEST_MAIN_WITH(tests, MakeData, RemoveData)

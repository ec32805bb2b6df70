/* Estimates that die in some round go on from the checkpoint: to the bit at as many ranks, to the same estimates at others. */
#include "population.h"
#include <merit_test.h>
#include <math.h>
#include <string.h>

enum { MOST = 4 };

static const char several[] = "y0 ~ sex + iid(herd) + ped(id)", one[] = "y0 ~ sex + herd + ped(id)", twice[] = "z0 ~ sex + iid(herd) + iid(pen)",
                  slopes[] = "y0 ~ sex + iid(pen+pen:cov(y1))";

typedef struct {
  double  estimate[MOST], covariance[MOST * MOST], log_likelihood, without; /* that of the fit without the first random term; NAN: none */
  int64_t rounds;
  int     died;
} Found;

typedef struct {
  int64_t dies, seen; /* in this round of all fits, 0: never; rounds so far */
} Fate;

static PetscErrorCode Watch(const MeritVarcompRound *round, void *ctx)
{
  Fate *fate = ctx;

  (void)round;
  return ++fate->seen == fate->dies ? PETSC_ERR_SIG : PETSC_SUCCESS;
}

/* The fit without term `left_out` of the model's (-1: none), then the whole */
static Found Estimate(MPI_Comm comm, const char formula[], const char keys[], int left_out, int64_t dies, bool checkpoints, bool resume)
{
  Fate            fate  = {dies, 0};
  Found           found = {.without = NAN, .died = 0};
  PopulationRun   r;
  MeritCheckpoint c = NULL;
  bool            open;

  TestCall(PopulationPrepare(comm, formula, keys, "", &r));
  TestCall(MeritVarcompSetMonitor(r.v, Watch, &fate));
  if (checkpoints) {
    TestCall(MeritCheckpointCreate(comm, PopulationFolder(), 0.0, 1, &c));
    TestCall(MeritModelSetPositions(r.model, c));
    TestCall(MeritVarcompSetCheckpoint(r.v, c));
  }
  if (resume) TestCall(MeritCheckpointOpen(c, &open));
  if (resume) assert_true(open);
  for (int fit = left_out < 0; fit < 2 && !found.died; fit++) {
    TestCall(MeritVarcompLeaveOut(r.v, fit ? -1 : left_out));
    found.died = (int)MeritVarcompRun(r.v, r.C, &r.result);
    if (!fit) found.without = r.result.log_likelihood;
  }
  if (!found.died) {
    assert_int_equal(r.result.stop, MERIT_VARCOMP_CONVERGED);
    for (int i = 0; i < r.result.n; i++) found.estimate[i] = r.result.estimate[i];
    for (int i = 0; i < r.result.n * r.result.n; i++) found.covariance[i] = r.result.covariance[i];
    found.log_likelihood = r.result.log_likelihood;
    found.rounds         = fate.seen;
    if (!resume) assert_true(fate.seen > 2);
  }
  PopulationFinish(&r);
  TestCall(MeritCheckpointDestroy(&c));
  return found;
}

static void Die(const char formula[], const char keys[], int left_out, int64_t round)
{
  const Found found = Estimate(PETSC_COMM_WORLD, formula, keys, left_out, round, true, false);

  assert_int_equal(found.died, PETSC_ERR_SIG);
}

static void Near(const Found *a, const Found *b, double tolerance)
{
  for (int i = 0; i < MOST; i++) assert_true(fabs(a->estimate[i] - b->estimate[i]) <= tolerance * fmax(1.0, fabs(b->estimate[i])));
}

static void Check(const char formula[], const char keys[], int left_out, bool exactly, double tolerance)
{
  const Found     whole = Estimate(PETSC_COMM_WORLD, formula, keys, left_out, 0, false, false);
  PetscMPIInt     rank, size;
  MeritCheckpoint c;

  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  for (int64_t round = 2; round <= whole.rounds; round++) {
    Found again;

    Die(formula, keys, left_out, round);
    again = Estimate(PETSC_COMM_WORLD, formula, keys, left_out, 0, true, true);
    assert_int_equal(again.died, 0);
    /* what was done is not done again; lanczos, with another basis, may want one round more */
    if (again.rounds > whole.rounds - round + 3 + !exactly)
      fail_msg("%s, %s: died in round %d of %d, and took %d more", formula, keys, (int)round, (int)whole.rounds, (int)again.rounds);
    if (exactly) {
      assert_memory_equal(again.estimate, whole.estimate, sizeof(whole.estimate));
      assert_memory_equal(again.covariance, whole.covariance, sizeof(whole.covariance));
      assert_memory_equal(&again.log_likelihood, &whole.log_likelihood, sizeof(double));
      assert_memory_equal(&again.without, &whole.without, sizeof(double));
    } else Near(&again, &whole, tolerance);
  }
  for (int n = 1; n < size; n++) {
    MPI_Comm comm;

    Die(formula, keys, left_out, whole.rounds);
    MPI_Comm_split(PETSC_COMM_WORLD, rank < n ? 0 : MPI_UNDEFINED, rank, &comm);
    if (rank < n) {
      const Found again = Estimate(comm, formula, keys, left_out, 0, true, true);

      assert_int_equal(again.died, 0);
      Near(&again, &whole, tolerance);
      MPI_Comm_free(&comm);
    }
    MPI_Barrier(PETSC_COMM_WORLD);
  }
  TestCall(MeritCheckpointCreate(PETSC_COMM_WORLD, PopulationFolder(), 0.0, 0, &c));
  TestCall(MeritCheckpointRemove(c));
  TestCall(MeritCheckpointDestroy(&c));
}

static void test_exact_engines(void **state)
{
  (void)state;
  Check(several, "engine: factor", -1, true, 1e-6);
  Check(several, "engine: factor, method: ml", -1, true, 1e-6);
  Check(twice, "engine: dense", -1, true, 1e-6);
  Check(one, "engine: eigen, start: share", -1, true, 1e-6);
  /* variances of one matrix with a state each */
  Check(slopes, "engine: factor}\nvariances: {\"iid(pen+pen:cov(y1))\": {structure: diag, value: [1, 1]}", -1, true, 1e-5);
}

/* Random numbers and solutions of the last round are part of where it was */
static void test_sampled_traces(void **state)
{
  (void)state;
  Check(several, "engine: sampled, samples: 16", -1, true, 1e-3);
  Check(several, "engine: sampled, samples: 16, method: ml", -1, true, 1e-3);
  Check(one, "engine: lanczos, start: share", -1, false, 1e-5);
}

/* The fit that is over is not begun again */
static void test_a_fit_that_is_over(void **state)
{
  (void)state;
  Check(several, "engine: factor", 2, true, 1e-6);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact_engines), cmocka_unit_test(test_sampled_traces),
                                          cmocka_unit_test(test_a_fit_that_is_over)};
TEST_MAIN_WITH(tests, PopulationCreate, PopulationRemove)

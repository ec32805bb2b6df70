/* What a factor is foreseen to take without the rows of columns and SNPs, against the factor of all equations; and the engines that models get. */
#include "population.h"
#include <merit_test.h>
#include <math.h>
#include <merit/factor.h>
#include <stdio.h>
#include <string.h>

/* A model with n columns of the records as one random term */
static void Formula(int n, size_t size, char text[])
{
  size_t at = (size_t)snprintf(text, size, "y0 ~ sex + iid(herd) + ped(id)");

  for (int i = 1; i <= n; i++) at += (size_t)snprintf(text + at, size - at, "%s%c%d", i > 1 ? " + " : " + ridge(", i % 2 ? 'y' : 'z', i);
  if (n) snprintf(text + at, size - at, ")");
}

static void Near(double seen, double real, double share, const char formula[])
{
  if (!(fabs(seen - real) <= share * real)) fail_msg("%s: %g foreseen, %g found", formula, seen, real);
}

/* Within a twentieth, and exact where there are no columns */
static void test_entries_and_operations_are_foreseen(void **state)
{
  (void)state;
  for (int n = 0; n <= 60; n = 3 * n + 7) {
    char            formula[600];
    double          bytes, entries, flops;
    bool           *full;
    PopulationRun   r;
    MeritFactorNeed need;
    MeritFactor     f;
    Mat             A;
    int             size;

    MPI_Comm_size(PETSC_COMM_WORLD, &size);
    Formula(n, sizeof(formula), formula);
    TestCall(PopulationPrepare(PETSC_COMM_WORLD, formula, "engine: factor", "", &r));
    TestCall(MeritMMEAssembleSparse(r.C, &A, &full));
    assert_int_equal(full != NULL, n > 0);
    TestCall(MeritFactorAnalyse(A, full, &f));
    TestCall(MeritFactorForesee(f, size, 1, &need));
    TestCall(MeritFactorDestroy(&f));
    TestCall(PetscFree(full));
    TestCall(MatDestroy(&A));
    TestCall(MeritMMEAssemble(r.C, &A));
    TestCall(MeritFactorCreate(A, &f));
    bytes   = MeritFactorSize(f)->bytes_inverse;
    entries = MeritFactorSize(f)->entries;
    flops   = MeritFactorSize(f)->flops;
    Near(need.entries, entries, n ? 0.05 : 0.0, formula);
    Near(need.flops, flops, n ? 0.05 : 0.0, formula);
    Near(need.bytes_inverse, bytes, 0.3, formula); /* threads */
    TestCall(MeritFactorDestroy(&f));
    TestCall(MatDestroy(&A));
    PopulationFinish(&r);
  }
}

/* engine: of the job; more: other lines of it */
static void Gets(const char formula[], const char engine[], const char more[], int ranks, double room, const char wanted[])
{
  char             keys[64];
  PopulationRun    r;
  MeritVarcompPlan plan;

  snprintf(keys, sizeof(keys), "engine: %s", engine);
  TestCall(PopulationPrepare(PETSC_COMM_WORLD, formula, keys, more, &r));
  TestCall(MeritVarcompForesee(r.v, r.C, ranks, 1, room, &plan));
  if (!wanted) assert_null(plan.engine);
  else if (!plan.engine || strcmp(plan.engine, wanted)) fail_msg("%s: engine %s, not %s", formula, plan.engine ? plan.engine : "none", wanted);
  assert_true(plan.bytes > 0.0 && plan.round > 0.0 && plan.seconds >= plan.before + plan.rounds * plan.round * 0.999);
  PopulationFinish(&r);
}

/* On any ranks the same, but for the memory */
static void test_the_engine_is_the_cheapest_that_fits(void **state)
{
  (void)state;
  for (int ranks = 1; ranks <= 64; ranks *= 8) {
    Gets("y0 ~ sex + iid(herd) + ped(id)", "auto", "", ranks, -1.0, "factor");
    Gets("y0 ~ sex + ridge(y1 + z2 + y3)", "auto", "", ranks, -1.0, "eigen");
    Gets("y0 ~ sex + iid(herd) + ped(id)", "dense", "", ranks, -1.0, "dense");
    Gets("y0 ~ sex + iid(herd) + ped(id)", "auto", "solver: {memory: 1K}", ranks, -1.0, NULL);
    Gets("y0 ~ sex + iid(herd) + ped(id)", "auto", "", ranks, 10.0, NULL);
  }
  /* a core that multiplies slowly: what has random numbers is taken where exact engines take minutes and three times as long */
  Gets("y0 ~ sex + iid(herd) + ped(id)", "auto", "plan: {rates: {products: 1}}", 1, -1.0, "sampled");
  Gets("y0 ~ sex + iid(herd) + ped(id)", "auto", "plan: {rates: {products: 1e6}}", 1, -1.0, "factor");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_entries_and_operations_are_foreseen),
    cmocka_unit_test(test_the_engine_is_the_cheapest_that_fits),
};

TEST_MAIN_WITH(tests, PopulationCreate, PopulationRemove)

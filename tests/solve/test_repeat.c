/* The same solve on the same ranks and threads gives the same bits. */
#include "gsru_case.h"
#include "gsru_models.h"

typedef struct {
  const char *type, *pc, *more; /* more: keys of the solver */
} Way;
static const Way ways[] = {{"pcg", "auto", "solver: {snp: nystrom, nystrom_rank: 30}"},
                           {"pcg", "auto", "solver: {precision: mixed}"},
                           {"pcg", "jacobi", ""},
                           {"pcg", "block", ""},
                           {"pcg", "merit_fixed", "solver: {snp: blocks, snp_block: 16}"},
                           {"ksp", "jacobi", ""},
                           {"gsru", "auto", ""},
                           {"gs", "auto", ""},
                           {"lhs_gs", "auto", ""},
                           {"cholesky", "auto", ""}};
enum { N_WAYS = 10, TIMES = 5, SWEEPS = 12 };

static const char *const PEDIGREE[2] = {"\"y ~ herd + cov(age) + iid(pen) + snp(cow) + ped(cow)\"",
                                        "  iid(pen): 8\n  snp(cow): 0.5\n  ped(cow): 30\n  residual: 60\n"};

static void SolveOnce(const Problem *p, const Way *way, int k, double *x)
{
  double          *r = calloc((size_t)(p->n_owned * k) + 1, sizeof(double));
  MeritSolver      s;
  MeritNode        job;
  MeritSolveResult result;

  for (int64_t i = 0; i < (int64_t)p->n_owned * k; i++) {
    r[i] = 1.0 / (1.0 + p->number[i / k] % 7 + (double)(i % k));
    x[i] = 0.0;
  }
  TestCall(MeritSolverCreate(PETSC_COMM_WORLD, &s));
  TestCall(MeritConfigParse("job.yaml", way->more, strlen(way->more), &job));
  if (way->more[0]) TestCall(MeritSolverSetFromConfig(s, job));
  TestCall(MeritSolverSetType(s, way->type));
  TestCall(MeritSolverSetPreconditioner(s, way->pc));
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_RESIDUAL, 1e-10, SWEEPS));
  TestCall(MeritSolverSetOperator(s, p->C));
  TestCall(MeritSolverSolve(s, k, r, x, &result));
  TestCall(MeritSolverDestroy(&s));
  TestCall(MeritConfigDestroy(&job));
  free(r);
}

static void test_every_solver_repeats_to_the_bit(void **state)
{
  const char *const *model[2] = {PEDIGREE, MANY_RECORDS};

  (void)state;
  for (int m = 0; m < 2; m++) {
    Problem      p = MakeProblem(MANY, model[m][0], model[m][1], "");
    const size_t n = (size_t)p.n_owned * 2 + 1;
    double      *x = calloc(n, sizeof(double)), *again = calloc(n, sizeof(double));

    for (int w = 0; w < N_WAYS; w++)
      for (int k = 1; k <= (w ? 1 : 2); k++) {
        SolveOnce(&p, &ways[w], k, x);
        for (int i = 1; i < TIMES; i++) {
          SolveOnce(&p, &ways[w], k, again);
          if (memcmp(x, again, (size_t)(p.n_owned * k) * sizeof(double)))
            fail_msg("model %d, %s %s %s, %d right-hand sides: run %d differs", m, ways[w].type, ways[w].pc, ways[w].more, k, i);
        }
      }
    free(x), free(again);
    FreeProblem(&p);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_solver_repeats_to_the_bit)};

TEST_MAIN_WITH(tests, MakeData, RemoveData)

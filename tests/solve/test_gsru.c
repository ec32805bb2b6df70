/* Gauss-Seidel with residual update against a textbook sweep over the dense equations, elimination, and conjugate gradients. */
#include "gsru_order.h"
#include <merit/log.h>
#include <omp.h>

/* Plain Gauss-Seidel over all levels of a term, their equations solved together */
static void TextbookTerm(const Problem *p, int k, const int *order, bool backward, double relaxation, const double *dense, const double *r, double *x)
{
  const int n_eq = p->term[k].n_eq, n = (int)p->term[k].n_levels;

  for (int turn = 0; turn < n; turn++) {
    const int i = backward ? n - 1 - turn : turn;
    int       index[8];
    double    b[8];

    for (int e = 0; e < n_eq; e++) {
      index[e] = p->base[k] + order[i] * n_eq + e;
      b[e]     = r[index[e]];
      for (int j = 0; j < p->n; j++) b[e] -= dense[index[e] * p->n + j] * x[j];
    }
    Eliminate(p->n, dense, n_eq, index, b);
    for (int e = 0; e < n_eq; e++) x[index[e]] += relaxation * b[e];
  }
}

/* Distance of the owned values x to those of all ranks, beside the solution */
static double DistanceOwned(const Case *c, const double *x, const double *all)
{
  double *mine = ToAll(&c->p, x), d = Distance(&c->p, mine, all, c->exact);

  free(mine);
  return d;
}

/* Relaxation, and columns of a block, as a job file gives them */
static void Configure(MeritSolver s, double relaxation, int block, bool symmetric)
{
  char      text[128];
  MeritNode job;

  snprintf(text, sizeof(text), "solver: {type: gsru, relaxation: %g, block: %d%s}\n", relaxation, block, symmetric ? ", sweep: symmetric" : "");
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &job));
  TestCall(MeritSolverSetFromConfig(s, job));
  TestCall(MeritConfigDestroy(&job));
}

static void CompareSweepsOf(int model, double relaxation, int block, bool symmetric)
{
  Case             c        = MakeCase(model);
  double          *textbook = calloc((size_t)c.p.n + 1, sizeof(double)), *at_once = calloc((size_t)c.p.n_owned + 1, sizeof(double));
  const double     tolerance = c.p.which == MANY ? 5e-12 : 1e-12; /* sums of thousands round more */
  int             *order[8];
  MeritSolveResult result;
  MeritSolver      s = MakeSolver(&c.p, "gsru", 1e-30, 1);

  Configure(s, relaxation, block, symmetric);
  for (int k = 0; k < c.p.n_terms; k++) order[k] = SweepOrder(&c.p, k, model == 1);
  for (int sweep = 0; sweep < 30; sweep++) {
    for (int k = 0; k < c.p.n_terms; k++) TextbookTerm(&c.p, k, order[k], false, relaxation, c.dense, c.r_all, textbook);
    for (int k = c.p.n_terms - 1; symmetric && k >= 0; k--) TextbookTerm(&c.p, k, order[k], true, relaxation, c.dense, c.r_all, textbook);
    TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
    assert_int_equal(result.stop, MERIT_STOP_MAX_IT);
    assert_int_equal(result.iterations, 1);
    assert_true(DistanceOwned(&c, c.x, textbook) < tolerance);
  }
  if (c.p.which != TINY && !symmetric)
    assert_true(Distance(&c.p, textbook, c.exact, c.exact) > 1e-11); /* so that the sweeps were told apart from the solution */
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_RESIDUAL, 1e-30, 30));
  TestCall(MeritSolverSolve(s, 1, c.r, at_once, &result));
  assert_int_equal(result.iterations, 30);
  assert_true(DistanceOwned(&c, at_once, textbook) < tolerance);
  TestCall(MeritSolverDestroy(&s));
  for (int k = 0; k < c.p.n_terms; k++) free(order[k]);
  free(textbook);
  free(at_once);
  FreeCase(&c);
}

static void CompareSweepsInBlocks(int model, double relaxation, int block) { CompareSweepsOf(model, relaxation, block, false); }

static void CompareSweeps(int model, double relaxation) { CompareSweepsInBlocks(model, relaxation, 64); }

static void test_sweeps_are_those_of_the_textbook_with_one_trait(void **state)
{
  (void)state;
  CompareSweeps(0, 1.0);
  CompareSweeps(0, 1.3);
}

static void test_sweeps_are_those_of_the_textbook_where_records_meet_two_levels(void **state)
{
  (void)state;
  CompareSweeps(1, 1.0);
}

static void test_sweeps_are_those_of_the_textbook_with_snps_in_blocks(void **state)
{
  (void)state;
  CompareSweeps(2, 1.0);
  CompareSweepsInBlocks(2, 0.8, 2);
}

static void test_sweeps_are_those_of_the_textbook_with_singular_variances(void **state)
{
  (void)state;
  CompareSweeps(3, 1.0);
}

static void test_sweeps_are_those_of_the_textbook_with_genotypes_and_records_on_several_ranks_and_threads(void **state)
{
  const int n_threads = omp_get_max_threads();

  (void)state;
  CompareSweeps(4, 1.0);
  omp_set_num_threads(3);
  CompareSweeps(4, 1.0);
  omp_set_num_threads(n_threads);
}

static void test_symmetric_sweeps_are_those_of_the_textbook(void **state)
{
  (void)state;
  CompareSweepsOf(0, 1.0, 64, true);
  CompareSweepsOf(1, 1.0, 64, true);
  CompareSweepsOf(2, 1.2, 7, true);
  CompareSweepsOf(3, 1.0, 64, true);
  CompareSweepsOf(4, 0.9, 32, true);
  CompareSweepsOf(5, 1.0, 64, true);
}

/* the change of a symmetric sweep is the whole one */
static PetscErrorCode KeepChange(const MeritIteration *it, void *ctx)
{
  if (it->iteration == 3) *(double *)ctx = it->change;
  return 0;
}

static void test_the_change_of_a_symmetric_sweep_is_that_there_and_back(void **state)
{
  Case             c      = MakeCase(2);
  MeritSolver      s      = MakeSolver(&c.p, "gsru", 1e-30, 2);
  double          *before = malloc(sizeof(double) * ((size_t)c.p.n_owned + 1)), sums[2] = {0.0, 0.0}, change = NAN;
  MeritSolveResult result;

  (void)state;
  Configure(s, 1.0, 64, true);
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_RESIDUAL, 1e-30, 2));
  TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
  memcpy(before, c.x, sizeof(double) * (size_t)c.p.n_owned);
  memset(c.x, 0, sizeof(double) * (size_t)c.p.n_owned);
  TestCall(MeritSolverSetMonitor(s, KeepChange, &change));
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_RESIDUAL, 1e-30, 3));
  TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
  for (int32_t i = 0; i < c.p.n_owned; i++) {
    sums[0] += (c.x[i] - before[i]) * (c.x[i] - before[i]);
    sums[1] += c.x[i] * c.x[i];
  }
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD);
  assert_true(fabs(change / sqrt(sums[0] / sums[1]) - 1.0) < 1e-10);
  TestCall(MeritSolverDestroy(&s));
  free(before);
  FreeCase(&c);
}

static void test_symmetric_sweeps_are_refused_where_there_are_none(void **state)
{
  const char  text[] = "solver: {type: pcg, sweep: symmetric}\n";
  MeritNode   job;
  MeritSolver s;

  (void)state;
  TestCall(MeritConfigParse("job.yaml", text, strlen(text), &job));
  TestCall(MeritSolverCreate(PETSC_COMM_WORLD, &s));
  TestRaises(MERIT_ERROR_USAGE, "gsru or gs", MeritSolverSetFromConfig(s, job));
  TestCall(MeritSolverDestroy(&s));
  TestCall(MeritConfigDestroy(&job));
}

static void test_ranks_without_records_or_levels_take_part(void **state)
{
  (void)state;
  CompareSweeps(5, 1.0);
}

static void test_the_solution_is_that_of_elimination_and_of_conjugate_gradients(void **state)
{
  (void)state;
  for (int model = 0; model < 4; model++)
    for (int over = 0; over <= (model == 2); over++) {
      Case             c = MakeCase(model);
      MeritSolveResult result;
      MeritSolver      s = MakeSolver(&c.p, "gsru", 1e-12, 20000), pcg = MakeSolver(&c.p, "pcg", 1e-13, 2000);
      const char      *pc;
      double          *mine, *x = calloc((size_t)c.p.n_owned + 1, sizeof(double));

      TestCall(MeritSolverGetPreconditioner(s, &pc));
      assert_string_equal(pc, "none");
      TestCall(MeritSolverSetRelaxation(s, over ? 1.2 : 1.0));
      TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
      assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
      assert_true(result.true_residual <= 1e-12 && result.iterations > 5);
      assert_true(DistanceOwned(&c, c.x, c.exact) < 1e-9);
      TestCall(MeritSolverSolve(pcg, 1, c.r, x, &result));
      mine = ToAll(&c.p, x);
      assert_true(DistanceOwned(&c, c.x, mine) < 1e-9);
      TestCall(MeritSolverDestroy(&s));
      TestCall(MeritSolverDestroy(&pcg));
      free(x);
      free(mine);
      FreeCase(&c);
    }
}

static void test_any_right_hand_sides_are_solved_from_any_start(void **state)
{
  (void)state;
  for (int model = 1; model < 4; model += 2) {
    Case             c = MakeCase(model);
    const size_t     n = (size_t)c.p.n_owned;
    double          *r = malloc(sizeof(double) * (2 * n + 1)), *x = malloc(sizeof(double) * (2 * n + 1)), *one = malloc(sizeof(double) * (n + 1));
    MeritSolveResult result;
    MeritSolver      s = MakeSolver(&c.p, "gsru", 1e-12, 20000);

    /* constrained equations too: C is the identity there */
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < 2; j++) {
        r[2 * i + j] = sin(0.7 * c.p.number[i] + (double)j);
        x[2 * i + j] = cos(1.3 * c.p.number[i]);
      }
    TestCall(MeritSolverSolve(s, 2, r, x, &result));
    assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
    for (size_t j = 0; j < 2; j++) {
      double *all, *exact;

      for (size_t i = 0; i < n; i++) one[i] = r[2 * i + j];
      all   = ToAll(&c.p, one);
      exact = DenseSolution(&c.p, c.dense, all);
      for (size_t i = 0; i < n; i++) one[i] = x[2 * i + j];
      assert_true(DistanceOwned(&c, one, exact) < 1e-9);
      free(all);
      free(exact);
    }
    TestCall(MeritSolverDestroy(&s));
    free(r), free(x), free(one);
    FreeCase(&c);
  }
}

typedef struct {
  int64_t n;
  double  change, residual;
  bool    term_changes;
} Seen;

static PetscErrorCode Watch(const MeritIteration *it, void *ctx)
{
  Seen *seen = ctx;

  seen->n        = it->iteration;
  seen->change   = it->change;
  seen->residual = it->residual;
  if (it->iteration == 1) seen->term_changes = it->term_change[0] > 0.0 && it->term_change[2] > 0.0;
  return 0;
}

static void test_the_monitor_sees_changes_of_terms_and_a_criterion_on_them_holds(void **state)
{
  Case             c    = MakeCase(0);
  Seen             seen = {0};
  MeritSolveResult result;
  MeritSolver      s = MakeSolver(&c.p, "gsru", 1e-8, 1000);

  (void)state;
  TestCall(MeritSolverSetTolerance(s, MERIT_CRITERION_CHANGE_SQ, 1e-20, 1000));
  TestCall(MeritSolverSetMonitor(s, Watch, &seen));
  TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  assert_true(seen.term_changes && seen.n == result.iterations && seen.change <= 1e-10);
  assert_true(seen.residual == result.true_residual && seen.residual < 1e-8);
  assert_true(DistanceOwned(&c, c.x, c.exact) < 1e-6);
  TestCall(MeritSolverDestroy(&s));
  FreeCase(&c);
}

static void test_a_goal_below_rounding_ends_at_the_floor(void **state)
{
  Case             c = MakeCase(0);
  MeritSolveResult result;
  MeritSolver      s = MakeSolver(&c.p, "gsru", 1e-30, 100000);

  (void)state;
  TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
  assert_int_equal(result.stop, MERIT_STOP_ROUNDING_FLOOR);
  assert_true(result.iterations < 2000 && result.true_residual < 1e-13);
  assert_true(DistanceOwned(&c, c.x, c.exact) < 1e-10);
  TestCall(MeritSolverDestroy(&s));
  FreeCase(&c);
}

static void test_new_variances_are_taken_over(void **state)
{
  Case             c     = MakeCase(2);
  const double     snp[] = {0.3, 0.0, 0.0, 0.4}, ridge[] = {2, 1, 1, 5}, ped[] = {9, 1, 1, 3}, R[] = {30, -2, -2, 8};
  const double    *G[8] = {NULL}, *residual[] = {R};
  MeritSolveResult result;
  MeritSolver      s = MakeSolver(&c.p, "gsru", 1e-12, 20000);
  double          *dense, *r, *exact;

  (void)state;
  TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
  for (int k = 0; k < c.p.n_terms; k++)
    G[k] = c.p.term[k].kind == MERIT_TERM_SNP ? snp : c.p.term[k].kind == MERIT_TERM_RIDGE ? ridge : c.p.term[k].kind == MERIT_TERM_PED ? ped : NULL;
  TestCall(MeritModelSetVariances(c.p.model, G, residual));
  TestCall(MeritMMERightHandSide(c.p.C, c.r));
  dense = ToDense(&c.p);
  r     = ToAll(&c.p, c.r);
  exact = DenseSolution(&c.p, dense, r);
  assert_true(DistanceOwned(&c, c.x, exact) > 1e-3);
  TestCall(MeritSolverSolve(s, 1, c.r, c.x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  assert_true(DistanceOwned(&c, c.x, exact) < 1e-9);
  TestCall(MeritSolverDestroy(&s));
  free(dense), free(r), free(exact);
  FreeCase(&c);
}

/* Seconds spent on Gram matrices so far */
static double GramSeconds(void)
{
  const char *const *names;
  const double      *seconds;
  const int          n = MeritPhases(&names, &seconds);

  for (int i = 0; i < n; i++)
    if (!strcmp(names[i], "solve.gram")) return seconds[i];
  return 0.0;
}

/* Solve for these variances; does that make Gram matrices? */
static bool MakesGrams(Case *c, MeritSolver s, const double *snp, const double *R)
{
  const double     ridge[] = {2, 1, 1, 5}, ped[] = {9, 1, 1, 3};
  const double    *G[8] = {NULL}, *residual[] = {R};
  const double     before = GramSeconds();
  MeritSolveResult result;
  double          *dense, *r, *exact;

  for (int k = 0; k < c->p.n_terms; k++)
    G[k] = c->p.term[k].kind == MERIT_TERM_SNP     ? snp
           : c->p.term[k].kind == MERIT_TERM_RIDGE ? ridge
           : c->p.term[k].kind == MERIT_TERM_PED   ? ped
                                                   : NULL;
  TestCall(MeritModelSetVariances(c->p.model, G, residual));
  TestCall(MeritMMERightHandSide(c->p.C, c->r));
  TestCall(MeritSolverSolve(s, 1, c->r, c->x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  dense = ToDense(&c->p);
  r     = ToAll(&c->p, c->r);
  exact = DenseSolution(&c->p, dense, r);
  assert_true(DistanceOwned(c, c->x, exact) < 1e-9);
  free(dense), free(r), free(exact);
  return GramSeconds() > before;
}

static void test_gram_matrices_are_kept_when_only_variances_change(void **state)
{
  const double one[] = {1.0}, three[] = {3.0}, fifty[] = {50.0}, seventy[] = {70.0};
  const double A[] = {0.6, 0.1, 0.1, 0.2}, B[] = {0.3, 0.0, 0.0, 0.4}, R[] = {40, 5, 5, 10}, S[] = {30, -2, -2, 8};
  Case         c = {.p = MakeProblem(FEW, "\"y ~ herd + snp(cow)\"", "  snp(cow): 1\n  residual: 60\n", "")};
  MeritSolver  s;

  (void)state;
  c.r     = malloc(sizeof(double) * ((size_t)c.p.n_owned + 1));
  c.x     = calloc((size_t)c.p.n_owned + 1, sizeof(double));
  c.dense = ToDense(&c.p);
  c.r_all = ToAll(&c.p, c.x);
  c.exact = calloc((size_t)c.p.n + 1, sizeof(double));
  for (int i = 0; i < c.p.n; i++) c.exact[i] = 1.0;
  s = MakeSolver(&c.p, "gsru", 1e-12, 20000);
  assert_true(MakesGrams(&c, s, one, fifty)); /* weights and repeated records: multiples of one number */
  assert_false(MakesGrams(&c, s, three, fifty));
  assert_false(MakesGrams(&c, s, three, seventy));
  TestCall(MeritSolverDestroy(&s));
  FreeCase(&c);

  c = MakeCase(2); /* traits missing here and there: R changes the blocks in proportion to each other */
  s = MakeSolver(&c.p, "gsru", 1e-12, 20000);
  assert_true(MakesGrams(&c, s, A, R));
  assert_false(MakesGrams(&c, s, B, R));
  assert_true(MakesGrams(&c, s, B, S));
  TestCall(MeritSolverDestroy(&s));
  FreeCase(&c);
}

static void test_genotypes_cut_by_columns_are_refused(void **state)
{
  Problem     p;
  MeritSolver s;

  (void)state;
  if (size % 2) skip();
  p = MakeProblem(FEW, "\"y ~ 1 + snp(cow)\"", "  snp(cow): 1\n  residual: 60\n", size == 2 ? ", grid: 1" : ", grid: 2");
  s = MakeSolver(&p, "gsru", 1e-8, 10);
  TestRaises(MERIT_ERROR_USAGE, "one column", MeritSolverSetUp(s));
  TestCall(MeritSolverDestroy(&s));
  FreeProblem(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sweeps_are_those_of_the_textbook_with_one_trait),
    cmocka_unit_test(test_sweeps_are_those_of_the_textbook_where_records_meet_two_levels),
    cmocka_unit_test(test_sweeps_are_those_of_the_textbook_with_snps_in_blocks),
    cmocka_unit_test(test_sweeps_are_those_of_the_textbook_with_singular_variances),
    cmocka_unit_test(test_sweeps_are_those_of_the_textbook_with_genotypes_and_records_on_several_ranks_and_threads),
    cmocka_unit_test(test_symmetric_sweeps_are_those_of_the_textbook),
    cmocka_unit_test(test_the_change_of_a_symmetric_sweep_is_that_there_and_back),
    cmocka_unit_test(test_symmetric_sweeps_are_refused_where_there_are_none),
    cmocka_unit_test(test_gram_matrices_are_kept_when_only_variances_change),
    cmocka_unit_test(test_ranks_without_records_or_levels_take_part),
    cmocka_unit_test(test_the_solution_is_that_of_elimination_and_of_conjugate_gradients),
    cmocka_unit_test(test_any_right_hand_sides_are_solved_from_any_start),
    cmocka_unit_test(test_the_monitor_sees_changes_of_terms_and_a_criterion_on_them_holds),
    cmocka_unit_test(test_a_goal_below_rounding_ends_at_the_floor),
    cmocka_unit_test(test_new_variances_are_taken_over),
    cmocka_unit_test(test_genotypes_cut_by_columns_are_refused),
};

TEST_MAIN_WITH(tests, MakeData, RemoveData)

/* What objects do not touch: messages that the program waits for on its own communicator, and the model once they are gone. */
#include "population.h"
#include <merit/solver.h>
#include <merit_test.h>

/* Solve with the solver for direct or iterative methods, which the caller's communicator is given to */
static void Solve(const PopulationRun *r, const char *type)
{
  const int32_t    n = MeritModelLayout(r->model)->n_owned;
  MeritSolveResult result;
  MeritSolver      solver;
  double          *b, *x;

  TestCall(PetscCalloc2(n + 1, &b, n + 1, &x));
  TestCall(MeritSolverCreate(PETSC_COMM_WORLD, &solver));
  TestCall(MeritSolverSetType(solver, type));
  TestCall(MeritSolverSetOperator(solver, r->C));
  TestCall(MeritMMERightHandSide(r->C, b));
  TestCall(MeritSolverSolve(solver, 1, b, x, &result));
  assert_int_equal(result.stop, MERIT_STOP_CONVERGED);
  TestCall(MeritSolverDestroy(&solver));
  TestCall(PetscFree2(b, x));
}

static void TestMessagesOfTheProgramAreNotTaken(void **state)
{
  static const char *const solvers[] = {"cholesky", "gsru", "pcg"};
  PopulationRun            r;
  MPI_Request              request;
  int                      got = -1, done;

  (void)state;
  MPI_Irecv(&got, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, PETSC_COMM_WORLD, &request);
  PopulationEstimate("y0 ~ sex + iid(herd)", "method: minque", "", &r);
  for (size_t s = 0; s < sizeof(solvers) / sizeof(*solvers); s++) Solve(&r, solvers[s]);
  PopulationFinish(&r);
  MPI_Test(&request, &done, MPI_STATUS_IGNORE);
  assert_false(done);
  MPI_Cancel(&request);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  assert_int_equal(got, -1);
}

/* The sparse engine has u = L v where a matrix is next to singular; after it, variances are taken as before */
static void TestAnEngineLeavesTheModelAsItWas(void **state)
{
  static const double G[] = {1.0, 0.999995, 0.999995, 1.0}, R[] = {1.0};
  const double *of_term[8] = {NULL}, *const residual[] = {R};
  const MeritLayout *layout;
  PopulationRun      r;

  (void)state;
  TestCall(PopulationPrepare(PETSC_COMM_WORLD, "y0 ~ sex + iid(herd + herd:cov(y1))", "engine: factor, max_rounds: 1", "", &r));
  layout                       = MeritModelLayout(r.model);
  of_term[layout->n_terms - 1] = G;
  TestCall(MeritVarcompRun(r.v, r.C, &r.result));
  TestCall(MeritModelSetVariances(r.model, of_term, residual));
  assert_non_null(layout->term[layout->n_terms - 1].L);
  TestCall(MeritVarcompDestroy(&r.v));
  TestCall(MeritModelSetVariances(r.model, of_term, residual));
  assert_null(layout->term[layout->n_terms - 1].L);
  PopulationFinish(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TestAnEngineLeavesTheModelAsItWas),
    cmocka_unit_test(TestMessagesOfTheProgramAreNotTaken),
};

TEST_MAIN_WITH(tests, PopulationCreate, PopulationRemove)

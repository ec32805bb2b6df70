/* A program that uses Merit as a library: solves the job file it is given and prints the estimates of the first term. */
#include <merit/merit.h>
#include <stdio.h>

#define Check(call)                                                                                                                                  \
  do {                                                                                                                                               \
    if (call) {                                                                                                                                      \
      fprintf(stderr, "consumer: %s\n", MeritErrorLast()->text);                                                                                     \
      return 1;                                                                                                                                      \
    }                                                                                                                                                \
  } while (0)

int main(int argc, char **argv)
{
  MeritNode            job;
  MeritModel           model;
  Mat                  C;
  MeritSolver          solver;
  MeritSolveResult     result;
  const MeritTermView *terms;
  const MeritLayout   *layout;
  double              *r, *x, *u;

  if (argc != 2) return 2;
  Check(PetscInitialize(&argc, &argv, NULL, NULL));
  Check(MeritConfigLoad(PETSC_COMM_WORLD, argv[1], &job));
  Check(MeritModelCreate(PETSC_COMM_WORLD, &model));
  Check(MeritModelSetFromConfig(model, job));
  Check(MeritModelSetUp(model));
  layout = MeritModelLayout(model);
  Check(PetscCalloc1(layout->n_owned, &r));
  Check(PetscCalloc1(layout->n_owned, &x));
  Check(PetscCalloc1(layout->n_slots, &u));
  Check(MeritMatCreateMME(model, &C));
  Check(MeritMMERightHandSide(C, r));
  Check(MeritSolverCreate(PETSC_COMM_WORLD, &solver));
  Check(MeritSolverSetFromConfig(solver, job));
  Check(MeritSolverSetOperator(solver, C));
  Check(MeritSolverSetUp(solver));
  Check(MeritSolverSolve(solver, 1, r, x, &result));
  Check(MeritModelToComponents(model, x, u));
  MeritModelTerms(model, &terms);
  printf("merit %s, %lld equations:", MERIT_VERSION, (long long)layout->n_all);
  for (int32_t level = 0; level < terms[0].n_owned; level++) printf(" %.4f", u[level]);
  printf("\n");
  Check(MeritSolverDestroy(&solver));
  Check(MatDestroy(&C));
  Check(MeritModelDestroy(&model));
  Check(MeritConfigDestroy(&job));
  Check(PetscFree(r));
  Check(PetscFree(x));
  Check(PetscFree(u));
  return PetscFinalize() ? 1 : 0;
}

/* Standard errors and reliabilities: exact, from a factor of the equations and its selected inverse, whichever solver found the solutions. */
#include "solve_impl.h"
#include <math.h>
#include <merit/log.h>
#include <merit/op.h>

/* output.se: auto computes them up to so many entries of C and operations: some seconds on two cores, and the same on every machine */
static const int64_t ENTRIES_MOST    = 5000000;
static const double  OPERATIONS_MOST = 3e10;

/* Is it foreseen to be quick? Else say how to have them. Collective. */
static PetscErrorCode Quick(const SolveRun *run, MeritSolver exact, bool *quick)
{
  double bytes, operations;

  PetscFunctionBegin;
  PetscCall(MeritSolverInverseCost(exact, MeritReportCrossesLevels(run->report), ENTRIES_MOST, &bytes, &operations));
  *quick = operations <= OPERATIONS_MOST;
  if (*quick) MeritLog(MERIT_LOG_INFO, "standard errors and reliabilities: exact, from a factor of the equations");
  else
    MeritLog(MERIT_LOG_INFO, "no standard errors and reliabilities: a factor of the equations is not foreseen to be quick; output.se: yes computes them");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is there a factor? What was not asked for by name does not end a run that has its solutions. */
static PetscErrorCode Factored(MeritSolver exact, bool *yes)
{
  char why[1300];

  PetscFunctionBegin;
  PetscCall(MeritSolverTryFactor(exact, sizeof(why), why));
  *yes = !*why;
  if (!*yes) MeritLog(MERIT_LOG_WARNING, "no standard errors and reliabilities: %s", why);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SolveErrors - See the header. Collective. */
PetscErrorCode SolveErrors(const SolveRun *run, MeritSolver solver, bool named)
{
  const MeritReportErrors wanted = MeritReportWantsErrors(run->report);
  MeritSolver             exact  = solver;
  MeritSolverCapabilities can;
  bool                    compute = true;

  PetscFunctionBegin;
  if (wanted == MERIT_ERRORS_NO) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritPhaseBegin("inverse"));
  PetscCall(MeritSolverGetCapabilities(solver, &can));
  if (!can.factors) {
    PetscCall(MeritSolverCreate(run->comm, &exact));
    PetscCall(MeritSolverSetFromConfig(exact, run->job));
    PetscCall(MeritSolverSetType(exact, "cholesky"));
    PetscCall(MeritSolverSetOperator(exact, run->C));
    named = false;
  }
  if (wanted == MERIT_ERRORS_AUTO && !named) PetscCall(Quick(run, exact, &compute));
  if (compute && wanted == MERIT_ERRORS_AUTO && exact != solver) PetscCall(Factored(exact, &compute));
  if (compute) {
    PetscCall(MeritSolverSetUp(exact));
    PetscCall(SolveInverse(run->model, run->C, exact, run->report));
  }
  if (exact != solver) PetscCall(MeritSolverDestroy(&exact));
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

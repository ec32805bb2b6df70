/*
  Standard errors and reliabilities: exact, from a factor of the equations and its selected inverse,
  whichever solver found the solutions.

  If the solver of the run has a factor, it is used. Else a second solver of type cholesky is made
  on the same operator. With output.se: auto this happens only where the analysis of the pattern
  foresees few operations.
*/
#include "run.h"
#include <merit/log.h>

/* Limits of output.se: auto: entries of C, and floating-point operations of factor and inverse over
   all ranks. They take some seconds on two cores. Counts, not seconds, so that every machine
   decides alike. */
static const int64_t ENTRIES_MOST    = 5000000;
static const double  OPERATIONS_MOST = 3e10;

/* Is it expected to be quick? Else say how to have them. Collective. */
static PetscErrorCode Quick(const MeritRun *run, MeritSolver exact, bool *quick)
{
  double bytes, operations;

  PetscFunctionBegin;
  PetscCall(MeritSolverInverseCost(exact, MeritReportCrossesLevels(run->report), ENTRIES_MOST, &bytes, &operations));
  *quick = operations <= OPERATIONS_MOST;
  if (*quick) MeritLog(MERIT_LOG_INFO, "standard errors and reliabilities: exact, from a factor of the equations");
  else
    MeritLog(MERIT_LOG_INFO,
             "no standard errors and reliabilities: a factor of the equations is not expected to be quick; output.se: yes computes them");
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

/* A column of the inverse goes from the solver to the report; ctx is the report */
static PetscErrorCode Take(void *ctx, int term, const double unit[], const double column[], const double *const genomic_unit[],
                           const double *const genomic_column[])
{
  PetscFunctionBegin;
  PetscCall(MeritReportInverseColumn((MeritReport)ctx, term, unit, column, genomic_unit, genomic_column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunErrors - See the header. Collective. */
PetscErrorCode RunErrors(MeritRun *run)
{
  const MeritReportErrors wanted = MeritReportWantsErrors(run->report);
  MeritSolverCapabilities can;
  MeritSolver             exact   = run->solver;
  bool                    compute = true;

  PetscFunctionBegin;
  if (wanted == MERIT_ERRORS_NO) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritPhaseBegin("inverse"));
  PetscCall(MeritSolverGetCapabilities(run->solver, &can));
  /* An iterative solver has no factor: the exact one is made beside it */
  if (!can.factors) {
    PetscCall(MeritSolverCreate(run->comm, &exact));
    PetscCall(MeritSolverSetFromConfig(exact, run->job));
    PetscCall(MeritSolverSetType(exact, "cholesky"));
    PetscCall(MeritSolverSetOperator(exact, run->C));
  }
  /* A user who named cholesky has paid for the factor already */
  if (wanted == MERIT_ERRORS_AUTO && !(can.factors && run->solver_named)) PetscCall(Quick(run, exact, &compute));
  if (compute && wanted == MERIT_ERRORS_AUTO && !can.factors) PetscCall(Factored(exact, &compute));
  if (compute) {
    PetscCall(MeritSolverSetUp(exact));
    PetscCall(MeritReportInverseBegin(run->report));
    PetscCall(MeritSolverInverseColumns(exact, MeritReportCrossesLevels(run->report), Take, run->report));
  }
  if (!can.factors) PetscCall(MeritSolverDestroy(&exact));
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

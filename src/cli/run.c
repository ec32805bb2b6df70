/* What runs of solve and varcomp have in common, from the job to the last message. */
#include "run.h"
#include "cli.h"
#include <math.h>
#include <merit/file.h>
#include <merit/log.h>
#include <merit/op.h>
#include <omp.h>

/* RunModel - See the header. Collective. */
PetscErrorCode RunModel(MeritRun *run)
{
  PetscFunctionBegin;
  PetscCall(MeritModelCreate(run->comm, &run->model));
  if (run->estimated) PetscCall(MeritModelSetEstimated(run->model));
  if (run->planned) PetscCall(MeritModelSetPlanned(run->model));
  PetscCall(MeritModelSetFromConfig(run->model, run->job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunReport - See the header. Collective. */
PetscErrorCode RunReport(MeritRun *run)
{
  PetscFunctionBegin;
  PetscCall(MeritReportCreate(run->model, &run->report));
  PetscCall(MeritReportSetFromConfig(run->report, run->job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunSolver - See the header. Collective. */
PetscErrorCode RunSolver(MeritRun *run)
{
  PetscBool option;

  PetscFunctionBegin;
  PetscCall(MeritSolverCreate(run->comm, &run->solver));
  PetscCall(MeritSolverSetFromConfig(run->solver, run->job));
  PetscCall(PetscOptionsHasName(NULL, NULL, "-solver_type", &option));
  run->solver_named = option || MeritNodeFind(run->job, "solver.type");
  if (!run->estimated) PetscCall(MeritSolverCheckModel(run->solver, run->model));
  if (!MeritNodeFind(run->job, "genotypes.grid")) PetscCall(MeritSolverChooseGrid(run->solver, run->model));
  PetscCall(MeritSolverTryOptions(run->solver));
  PetscCall(MeritOptionsCheck(run->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunEquations - See the header. Collective. */
PetscErrorCode RunEquations(MeritRun *run)
{
  int32_t n_owned;
  int64_t n_all;

  PetscFunctionBegin;
  PetscCall(MeritModelSetUp(run->model));
  PetscCall(RunPlaces(run));
  PetscCall(MeritPhaseBegin("operator"));
  PetscCall(MeritMatCreateMME(run->model, &run->C));
  PetscCall(MeritPhaseEnd());
  n_owned = MeritModelLayout(run->model)->n_owned;
  n_all   = MeritModelLayout(run->model)->n_all;
  PetscCall(PetscCalloc1(n_owned + 1, &run->x));
  MeritLog(MERIT_LOG_INFO, "%lld equations", (long long)n_all);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All tables, then summary.json, which makes the result whole */
static PetscErrorCode Write(MeritRun *run, const MeritRunSteps *steps, void *command)
{
  MeritRunSummary summary = {.command = run->command, .threads = omp_get_max_threads(), .lambda_min = NAN, .lambda_max = NAN, .error_bound = NAN};

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("write"));
  if (steps->write) PetscCall((*steps->write)(command));
  if (run->solved) PetscCall(RunTables(run));
  PetscCall(MeritReportConvergence(run->report, run->out));
  PetscCall(MeritReportExcluded(run->report, run->out));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritSolverGetType(run->solver, &summary.solver));
  PetscCall(MeritSolverGetPreconditioner(run->solver, &summary.preconditioner));
  PetscCall(MeritSolverGetTolerance(run->solver, NULL, &summary.rtol, NULL));
  PetscCall((*steps->summarise)(command, &summary));
  PetscCall(MeritReportSummary(run->report, run->out, run->job, &summary));
  PetscCall(MeritOutputCommit(&run->out, "summary.json"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunCommand - See the header. Collective. */
PetscErrorCode RunCommand(MeritRun *run, const MeritRunSteps *steps, void *command)
{
  PetscFunctionBegin;
  run->begun = MPI_Wtime();
  PetscCall(RunModel(run));
  PetscCall(RunReport(run));
  if (steps->prepare) PetscCall((*steps->prepare)(command));
  PetscCall(RunSolver(run));
  PetscCall(RunIsDone(run));
  if (run->done) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(RunOpenOutput(run->comm, run->job, &run->out));
  PetscCall(RunCheckpoint(run));
  PetscCall((*steps->compute)(command));
  PetscCall(Write(run, steps, command));
  PetscCall(MeritCheckpointRemove(run->checkpoint));
  PetscCall((*steps->conclude)(command));
  PetscCall(RunFinish(run));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunFree - See the header. Collective. */
PetscErrorCode RunFree(MeritRun *run)
{
  PetscFunctionBegin;
  PetscCall(MeritCheckpointDestroy(&run->checkpoint));
  PetscCall(MeritReportDestroy(&run->report));
  PetscCall(MeritSolverDestroy(&run->solver));
  PetscCall(MatDestroy(&run->C));
  PetscCall(MeritModelDestroy(&run->model));
  PetscCall(PetscFree(run->x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  What runs of solve and varcomp have in common, from the job to the last message. RunCommand() has
  the order: first all that can be wrong without data, then the output folder, then data and
  results, and last the tables. A fault in the job thus ends a run in a second, and an output folder
  that cannot be written ends it before hours of work.
*/
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
  if (run->estimated) PetscCall(MeritModelSetVariancesFree(run->model));
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
  /* A solver that the user has named is not replaced by another one later */
  run->solver_named = option || MeritNodeFind(run->job, "solver.type");
  /* Whether estimated matrices will be singular is not known yet */
  if (!run->estimated) PetscCall(MeritSolverCheckModel(run->solver, run->model));
  /* A process grid that the job has is kept */
  if (!MeritNodeFind(run->job, "genotypes.grid")) PetscCall(MeritSolverChooseGrid(run->solver, run->model));
  /* Once PETSc objects are set up on a small matrix, options that nothing has asked for are
     wrong */
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
  /* The model must be set up: positions in a checkpoint are those of its equations and records */
  PetscCall(RunPositions(run));
  PetscCall(MeritPhaseBegin("operator"));
  PetscCall(MeritMatCreateMME(run->model, &run->C));
  PetscCall(MeritPhaseEnd());
  n_owned = MeritModelLayout(run->model)->n_owned;
  n_all   = MeritModelLayout(run->model)->n_all;
  PetscCall(PetscCalloc1(n_owned + 1, &run->x));
  MeritLog(MERIT_LOG_INFO, "%lld equations", (long long)n_all);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All tables, then the summary. Tables are staged, and MeritOutputCommit() puts them in place with
   summary.json as the last: a folder with summary.json holds a whole result. Collective. */
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
  /* The command overwrites what is its own in the summary */
  PetscCall((*steps->summarise)(command, &summary));
  PetscCall(MeritReportSummary(run->report, run->out, run->job, &summary));
  PetscCall(MeritOutputCommit(&run->out, "summary.json"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RunCommand - See the header. Collective. The checkpoint is removed only when the result is in
   place. `conclude` comes after that, because it raises NOT_CONVERGED: the outputs of such a run
   are kept. */
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

/* RunFree - See the header. Collective. All calls accept NULL. */
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

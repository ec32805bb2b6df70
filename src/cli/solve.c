/* merit solve: best linear unbiased estimates and predictions with known variances. */
#include "cli.h"
#include "solve_impl.h"
#include <math.h>
#include <merit/file.h>
#include <merit/log.h>
#include <merit/model.h>
#include <merit/op.h>
#include <merit/report.h>
#include <merit/solver.h>
#include <omp.h>
#include <stdio.h>

/* Everything a run holds, so that one place frees it */
typedef struct {
  SolveRun         run;
  MeritSolver      solver;
  double          *r;                     /* [n_owned] */
  const char      *type, *preconditioner; /* borrowed from the solver */
  MeritCriterion   criterion;
  double           rtol, first; /* of the criterion in the first iteration that has it */
  MeritSolveResult result;
} Solve;

static const char *const criterion_names[] = {"residual", "residual_sq", "change", "change_sq"};

/* Value of the criterion that the run was asked to use */
static double Criterion(const Solve *s, const MeritIteration *it)
{
  double value = s->criterion == MERIT_CRITERION_RESIDUAL || s->criterion == MERIT_CRITERION_RESIDUAL_SQ
                     ? it->residual
                     : it->change;

  return s->criterion == MERIT_CRITERION_RESIDUAL_SQ || s->criterion == MERIT_CRITERION_CHANGE_SQ
             ? value * value
             : value;
}

/* ", residual 1.2e-03" into text, nothing where the solver does not have it at this iteration */
static void AddCriterion(const char name[], double value, size_t size, char text[])
{
  const size_t n = strlen(text);

  if (isfinite(value)) snprintf(text + n, size - n, "%s %s %.3e", n ? "," : "", name, value);
}

/* A line per iteration: criteria and, from the mean rate so far, what is left */
static PetscErrorCode Monitor(const MeritIteration *it, void *ctx)
{
  Solve                *s     = ctx;
  const MeritReportStep step  = {.iteration       = it->iteration,
                                 .residual        = it->residual,
                                 .change          = it->change,
                                 .residual_scaled = it->residual_scaled,
                                 .term_change     = it->term_change,
                                 .seconds         = it->seconds};
  double                value = Criterion(s, it), done, left = NAN;
  char                  criteria[80] = "";

  PetscFunctionBegin;
  PetscCall(MeritReportStepAdd(s->run.report, &step));
  if (!(s->first > 0) && value > 0) s->first = value;
  done = value > 0 && s->first > s->rtol ? log(s->first / value) / log(s->first / s->rtol) : NAN;
  if (done > 0 && done < 1 && it->iteration > 1) left = (double)it->iteration * (1 - done) / done;
  AddCriterion("residual", it->residual, sizeof(criteria), criteria);
  AddCriterion("change", it->change, sizeof(criteria), criteria);
  if (isfinite(left))
    MeritLogProgress(done, "iteration %lld:%s, about %.0f more", (long long)it->iteration, criteria, ceil(left));
  else
    MeritLogProgress(-1, "iteration %lld%s%s", (long long)it->iteration, criteria[0] ? ":" : "", criteria);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What can be wrong without data: the job, the output folder, the solver's options */
static PetscErrorCode Prepare(Solve *s)
{
  PetscFunctionBegin;
  PetscCall(MeritModelCreate(s->run.comm, &s->run.model));
  PetscCall(MeritModelSetFromConfig(s->run.model, s->run.job));
  PetscCall(MeritReportCreate(s->run.model, &s->run.report));
  PetscCall(MeritReportSetFromConfig(s->run.report, s->run.job));
  PetscCall(MeritSolverCreate(s->run.comm, &s->solver));
  PetscCall(MeritSolverSetFromConfig(s->solver, s->run.job));
  PetscCall(MeritSolverCheckModel(s->solver, s->run.model));
  if (!MeritNodeFind(s->run.job, "genotypes.grid")) PetscCall(MeritSolverChooseGrid(s->solver, s->run.model));
  PetscCall(MeritSolverTryOptions(s->solver));
  PetscCall(MeritOptionsCheck(s->run.comm));
  PetscCall(MeritSolverSetMonitor(s->solver, Monitor, s));
  PetscCall(MeritSolverGetType(s->solver, &s->type));
  PetscCall(MeritSolverGetPreconditioner(s->solver, &s->preconditioner));
  PetscCall(MeritSolverGetTolerance(s->solver, &s->criterion, &s->rtol, NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Start(Solve *s)
{
  char   *path = NULL;
  int64_t found;

  PetscFunctionBegin;
  PetscCall(MeritConfigPath(s->run.job, "solver.start", &path));
  if (path) PetscCall(MeritReportStart(s->run.report, path, s->run.x, &found));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Equations(Solve *s)
{
  const MeritLayout *layout;

  PetscFunctionBegin;
  PetscCall(MeritModelSetUp(s->run.model));
  PetscCall(SolvePlaces(&s->run, s->solver));
  PetscCall(MeritPhaseBegin("operator"));
  PetscCall(MeritMatCreateMME(s->run.model, &s->run.C));
  layout = MeritModelLayout(s->run.model);
  PetscCall(PetscCalloc1(layout->n_owned, &s->r));
  PetscCall(PetscCalloc1(layout->n_owned, &s->run.x));
  PetscCall(MeritMMERightHandSide(s->run.C, s->r));
  PetscCall(Start(s));
  PetscCall(MeritPhaseEnd());
  MeritLog(MERIT_LOG_INFO, "%lld equations", (long long)layout->n_all);
  PetscCall(MeritPhaseBegin("solve"));
  PetscCall(MeritSolverSetOperator(s->solver, s->run.C));
  PetscCall(MeritPhaseBegin("solve.preconditioner"));
  PetscCall(MeritSolverSetUp(s->solver));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritSolverSolve(s->solver, 1, s->r, s->run.x, &s->result));
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

static bool Converged(const Solve *s)
{
  return s->result.stop == MERIT_STOP_CONVERGED || s->result.stop == MERIT_STOP_ROUNDING_FLOOR;
}

static PetscErrorCode Write(Solve *s)
{
  const MeritRunSummary run = {.command        = "solve",
                               .solver         = s->type,
                               .preconditioner = s->preconditioner,
                               .criterion      = criterion_names[s->criterion],
                               .state          = SolveState(s->result.stop),
                               .exit_status    = Converged(s) ? MERIT_ERROR_NONE : MERIT_ERROR_NOT_CONVERGED,
                               .threads        = omp_get_max_threads(),
                               .iterations     = s->result.iterations,
                               .rtol           = s->rtol,
                               .true_residual  = s->result.true_residual,
                               .lambda_min     = s->result.lambda_min,
                               .lambda_max     = s->result.lambda_max,
                               .error_bound    = s->result.error_bound};

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("write"));
  PetscCall(SolveTables(&s->run));
  PetscCall(MeritReportConvergence(s->run.report, s->run.out));
  PetscCall(MeritReportExcluded(s->run.report, s->run.out));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritReportSummary(s->run.report, s->run.out, s->run.job, &run));
  PetscCall(MeritOutputCommit(&s->run.out, "summary.json"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The last word: how it ended, with the figure */
static PetscErrorCode Conclude(const Solve *s)
{
  const MeritSolveResult *r = &s->result;
  char                    text[256];

  PetscFunctionBegin;
  if (r->stop == MERIT_STOP_CONVERGED)
    MeritLog(MERIT_LOG_INFO, "converged in %lld iteration%s; true residual %.3e", (long long)r->iterations,
             r->iterations == 1 ? "" : "s", r->true_residual);
  else if (r->stop == MERIT_STOP_ROUNDING_FLOOR && isfinite(r->error_bound))
    MeritLog(MERIT_LOG_INFO,
             "rounding floor reached after %lld iterations; true residual %.3e, relative error at most %.1e",
             (long long)r->iterations, r->true_residual, r->error_bound);
  else if (r->stop == MERIT_STOP_ROUNDING_FLOOR)
    MeritLog(MERIT_LOG_INFO, "rounding floor reached after %lld iterations; true residual %.3e",
             (long long)r->iterations, r->true_residual);
  else if (!isfinite(r->true_residual))
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL,
                         "after %lld iterations %s", (long long)r->iterations, MeritResidualText(r->true_residual, sizeof(text), text)));
  else
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL,
                         "not converged after %lld iterations: true residual %.3e (%s %.1e asked for); the "
                         "outputs hold the last iterate",
                         (long long)r->iterations, r->true_residual, criterion_names[s->criterion], s->rtol));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritCommandSolve - merit solve JOB.

  Collective. After an error the caller ends the process: what is staged is abandoned there, the rest goes with
  the process.
*/
PetscErrorCode MeritCommandSolve(MPI_Comm comm, MeritNode job)
{
  Solve s = {.run = {.comm = comm, .job = job, .command = "solve", .begun = MPI_Wtime()}};

  PetscFunctionBegin;
  PetscCall(Prepare(&s));
  PetscCall(SolveOpenOutput(&s.run));
  if (!s.run.done) {
    PetscCall(SolveCheckpoint(&s.run));
    PetscCall(Equations(&s));
    if (Converged(&s)) PetscCall(SolveErrors(&s.run, s.solver, true));
    PetscCall(Write(&s));
    PetscCall(MeritCheckpointRemove(s.run.checkpoint));
  }
  PetscCall(MeritCheckpointDestroy(&s.run.checkpoint));
  PetscCall(MeritReportDestroy(&s.run.report));
  PetscCall(MeritSolverDestroy(&s.solver));
  PetscCall(MatDestroy(&s.run.C));
  PetscCall(MeritModelDestroy(&s.run.model));
  PetscCall(PetscFree(s.r));
  PetscCall(PetscFree(s.run.x));
  if (s.run.done) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Conclude(&s));
  PetscCall(SolveFinish(&s.run));
  PetscFunctionReturn(PETSC_SUCCESS);
}

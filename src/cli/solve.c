/*
  merit solve: best linear unbiased estimates and predictions (BLUE, BLUP) with known variances. The
  mixed model equations (Henderson 1984) are solved once; this file has the steps that a solve adds
  to a run (run.c): right-hand sides, a start from earlier solutions, the solver, standard errors,
  the figures of the summary and the last message.
*/
#include "cli.h"
#include "run.h"
#include <math.h>
#include <merit/log.h>
#include <merit/op.h>
#include <stdio.h>

/* One solve, and what its monitor needs */
typedef struct {
  MeritRun         run;
  double          *r;         /* [n_owned] right-hand sides; owned */
  MeritCriterion   criterion; /* of the solver, and its tolerance */
  double           rtol;
  double           first; /* the criterion in the first iteration that has it */
  MeritSolveResult result;
} Solve;

/* In the order of MeritCriterion */
static const char *const criterion_names[] = {"residual", "residual_sq", "change", "change_sq"};

/* Value of the criterion that ends the run; NaN where the solver does not have it. The squared
   criteria, as some other programs use them, are compared with rtol as they are. */
static double Criterion(const Solve *s, const MeritIteration *it)
{
  double value = s->criterion == MERIT_CRITERION_RESIDUAL || s->criterion == MERIT_CRITERION_RESIDUAL_SQ ? it->residual : it->change;

  return s->criterion == MERIT_CRITERION_RESIDUAL_SQ || s->criterion == MERIT_CRITERION_CHANGE_SQ ? value * value : value;
}

/* Append ", residual 1.2e-03" to text [size]; nothing where the solver does not have the value at
   this iteration */
static void AddCriterion(const char name[], double value, size_t size, char text[])
{
  const size_t n = strlen(text);

  if (isfinite(value)) snprintf(text + n, size - n, "%s %s %.3e", n ? "," : "", name, value);
}

/* A line per iteration, and a row of convergence.tsv. If the criterion falls by the same factor in
   each iteration, its logarithm falls in a straight line: from the first value f to the tolerance
   t, the fraction log(f / v) / log(f / t) of the way is done at the value v, and the iterations left
   follow from it. */
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
  /* A solver may lack the criterion in its first iterations */
  if (!(s->first > 0) && value > 0) s->first = value;
  done = value > 0 && s->first > s->rtol ? log(s->first / value) / log(s->first / s->rtol) : NAN;
  if (done > 0 && done < 1 && it->iteration > 1) left = (double)it->iteration * (1 - done) / done;
  AddCriterion("residual", it->residual, sizeof(criteria), criteria);
  AddCriterion("change", it->change, sizeof(criteria), criteria);
  if (isfinite(left)) MeritLogProgress(done, "iteration %lld:%s, about %.0f more", (long long)it->iteration, criteria, ceil(left));
  else MeritLogProgress(-1, "iteration %lld%s%s", (long long)it->iteration, criteria[0] ? ":" : "", criteria);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Start from the solutions of an earlier result, if solver.start names one; else x stays 0.
   Collective. */
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

/* From data to solutions and their standard errors. The set-up of the preconditioner is a phase of
   its own inside the phase "solve". Standard errors of a solve that has not converged are not
   computed. Collective. */
static PetscErrorCode Compute(void *command)
{
  Solve    *s   = command;
  MeritRun *run = &s->run;
  int32_t   n_owned;

  PetscFunctionBegin;
  PetscCall(MeritSolverSetMonitor(run->solver, Monitor, s));
  PetscCall(MeritSolverGetTolerance(run->solver, &s->criterion, &s->rtol, NULL));
  PetscCall(RunEquations(run));
  PetscCall(MeritPhaseBegin("operator"));
  n_owned = MeritModelLayout(run->model)->n_owned;
  PetscCall(PetscCalloc1(n_owned, &s->r));
  PetscCall(MeritMMERightHandSide(run->C, s->r));
  PetscCall(Start(s));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("solve"));
  PetscCall(MeritSolverSetOperator(run->solver, run->C));
  PetscCall(MeritPhaseBegin("solve.preconditioner"));
  PetscCall(MeritSolverSetUp(run->solver));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritSolverSolve(run->solver, 1, s->r, run->x, &s->result));
  PetscCall(MeritPhaseEnd());
  run->solved = true;
  if (RunConverged(s->result.stop)) PetscCall(RunErrors(run));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What summary.json says of this solve */
static PetscErrorCode Summarise(void *command, MeritRunSummary *summary)
{
  const Solve            *s = command;
  const MeritSolveResult *r = &s->result;

  PetscFunctionBegin;
  summary->criterion     = criterion_names[s->criterion];
  summary->state         = RunState(r->stop);
  summary->exit_status   = RunConverged(r->stop) ? MERIT_ERROR_NONE : MERIT_ERROR_NOT_CONVERGED;
  summary->iterations    = r->iterations;
  summary->true_residual = r->true_residual;
  summary->lambda_min    = r->lambda_min;
  summary->lambda_max    = r->lambda_max;
  summary->error_bound   = r->error_bound;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The last message: how the solve ended, with its true residual ||r - C x|| / ||r||. A rounding
   floor counts as success: a smaller residual cannot be reached in this precision. Errors:
   NOT_CONVERGED. */
static PetscErrorCode Conclude(void *command)
{
  const Solve            *s = command;
  const MeritSolveResult *r = &s->result;
  char                    text[256];

  PetscFunctionBegin;
  if (r->stop == MERIT_STOP_CONVERGED)
    MeritLog(MERIT_LOG_INFO, "converged in %lld iteration%s; true residual %.3e", (long long)r->iterations, r->iterations == 1 ? "" : "s",
             r->true_residual);
  else if (r->stop == MERIT_STOP_ROUNDING_FLOOR && isfinite(r->error_bound))
    MeritLog(MERIT_LOG_INFO, "rounding floor reached after %lld iterations; true residual %.3e, relative error at most %.1e",
             (long long)r->iterations, r->true_residual, r->error_bound);
  else if (r->stop == MERIT_STOP_ROUNDING_FLOOR)
    MeritLog(MERIT_LOG_INFO, "rounding floor reached after %lld iterations; true residual %.3e", (long long)r->iterations, r->true_residual);
  else if (!isfinite(r->true_residual))
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL, "after %lld iterations %s", (long long)r->iterations,
                         MeritResidualText(r->true_residual, sizeof(text), text)));
  else
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL,
                         "not converged after %lld iterations: true residual %.3e (%s %.1e asked for); the "
                         "outputs hold the last iterate",
                         (long long)r->iterations, r->true_residual, criterion_names[s->criterion], s->rtol));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCommandSolve - merit solve JOB. Collective. */
PetscErrorCode MeritCommandSolve(MPI_Comm comm, MeritNode job)
{
  static const MeritRunSteps steps = {.compute = Compute, .summarise = Summarise, .conclude = Conclude};
  Solve                      s     = {.run = {.comm = comm, .job = job, .command = "solve"}};

  PetscFunctionBegin;
  PetscCall(RunCommand(&s.run, &steps, &s));
  PetscCall(RunFree(&s.run));
  PetscCall(PetscFree(s.r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

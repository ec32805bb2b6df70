/*
  merit varcomp: variance components, and the solutions at them.

  1. Prepare: method, functions and tests, against the formula, before data are read.
  2. Compute: runs without the tested terms, then the estimation itself, then solutions at the
     estimates with their standard errors.
  3. Write: varcomp.tsv, functions, tests, analysis of variance, variances.yaml. Tables of solutions
     are written by run.c.
  4. Conclude: the estimates as a table for people; NOT_CONVERGED if rounds or solutions have not
     converged.

  An estimation may take days. So nothing that goes wrong after it (no memory for a factor, a
  singular matrix) may end the run before the estimates are written: see Try().
*/
#include "cli.h"
#include "varcomp_impl.h"
#include <math.h>
#include <merit/log.h>
#include <merit/op.h>
#include <stdio.h>

/* Up to this many equations they are solved exactly, since a dense inverse of so many takes
   seconds */
enum { EXACT_MOST_EQUATIONS = 5000 };

/* A round of the estimation: to the progress line and, unless it is a round of a test, to
   convergence.tsv. What the line shows depends on the method: likelihood and gradient, the gradient
   alone, or the change. Called on all ranks. */
static PetscErrorCode Monitor(const MeritVarcompRound *r, void *ctx)
{
  Varcomp               *s    = ctx;
  const MeritReportRound row  = {.round          = r->round,
                                 .n              = s->n,
                                 .estimate       = r->estimate,
                                 .log_likelihood = r->log_likelihood,
                                 .gradient       = r->gradient,
                                 .change         = r->change,
                                 .seconds        = r->seconds,
                                 .step           = r->step};
  const char            *test = s->testing ? "test, " : "";

  PetscFunctionBegin;
  MeritLogTask(NULL);
  if (!s->testing) PetscCall(MeritReportRoundAdd(s->run.report, &row));
  if (isfinite(r->log_likelihood))
    MeritLogProgress(-1, "%sround %lld: log-likelihood %.6f, gradient %.3e (%s)", test, (long long)r->round, r->log_likelihood, r->gradient, r->step);
  else if (isfinite(r->gradient)) MeritLogProgress(-1, "%sround %lld: gradient %.3e (%s)", test, (long long)r->round, r->gradient, r->step);
  else if (isfinite(r->change)) MeritLogProgress(-1, "%sround %lld: change %.3e (%s)", test, (long long)r->round, r->change, r->step);
  MeritLogTask("%sround %lld", test, (long long)r->round + 1);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Method, functions and tests as the job asks, against the formula of the model. Reads no data.
   Collective. Errors: USAGE. */
static PetscErrorCode Settings(Varcomp *s)
{
  MeritComponent *list;

  PetscFunctionBegin;
  PetscCall(MeritVarcompCreate(s->run.comm, &s->varcomp));
  PetscCall(MeritVarcompSetFromConfig(s->varcomp, s->run.model, s->run.job));
  PetscCall(MeritFormulaComponents(MeritModelFormula(s->run.model), &s->n, &list));
  PetscCall(PetscFree(list));
  PetscCall(VarcompFunctionsParse(s));
  PetscCall(VarcompTestsParse(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what the command has beside its run */
static PetscErrorCode VarcompFree(Varcomp *s)
{
  PetscFunctionBegin;
  PetscCall(VarcompTestsFree(s));
  PetscCall(VarcompFunctionsFree(s));
  PetscCall(MeritVarcompDestroy(&s->varcomp));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompCheck - See the header. Collective. The run of `s` borrows the model and is not freed. */
PetscErrorCode VarcompCheck(MPI_Comm comm, MeritModel model, MeritNode job)
{
  Varcomp s = {.run = {.comm = comm, .job = job, .model = model}};

  PetscFunctionBegin;
  PetscCall(Settings(&s));
  PetscCall(VarcompFree(&s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What can be wrong in the estimation without data */
static PetscErrorCode Prepare(void *command)
{
  Varcomp *s = command;

  PetscFunctionBegin;
  PetscCall(Settings(s));
  PetscCall(MeritVarcompSetMonitor(s->varcomp, Monitor, s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Tests of terms, then the estimation. MeritVarcompRun() leaves its estimates in the model, so that
   the run of the whole model must be the last. Collective. */
static PetscErrorCode Estimate(Varcomp *s)
{
  PetscFunctionBegin;
  PetscCall(RunEquations(&s->run));
  PetscCall(MeritVarcompSetCheckpoint(s->varcomp, s->run.checkpoint));
  PetscCall(MeritPhaseBegin("varcomp"));
  MeritLogTask(s->n_tests ? "test" : "first round");
  /* The whole model comes last, see above */
  PetscCall(VarcompTests(s)); /* first, so that the model has the estimates in the end */
  PetscCall(MeritVarcompRun(s->varcomp, s->run.C, &s->result));
  MeritLogTask(NULL);
  PetscCall(MeritPhaseEnd());
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Choose a preconditioner that works at the estimates. A model whose variances are estimated keeps
   all its equations when a matrix G gets singular, such as a variance of 0: then u = L v, and the
   equations are in v. Preconditioners that use the pedigree cannot work with these, merit_block
   can. Collective. */
static PetscErrorCode KeepEquations(Varcomp *s)
{
  const MeritTermView    *term;
  const int               n_terms  = MeritModelTerms(s->run.model, &term);
  bool                    singular = false;
  MeritSolverCapabilities can;

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++) singular = singular || term[k].L;
  PetscCall(MeritSolverGetCapabilities(s->run.solver, &can));
  if (!singular || !can.preconditioned) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritSolverSetPreconditioner(s->run.solver, "merit_block"));
  MeritLog(MERIT_LOG_INFO, "preconditioner merit_block: an estimated matrix is singular");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The solver that the user has named; else the exact one, cholesky, where the engine has factored
   the equations already or they are few; else the default. Collective. */
static PetscErrorCode ChooseSolver(Varcomp *s)
{
  int64_t n_all;

  PetscFunctionBegin;
  n_all = MeritModelLayout(s->run.model)->n_all;
  if (!s->run.solver_named && (s->result.factored || n_all <= EXACT_MOST_EQUATIONS)) PetscCall(MeritSolverSetType(s->run.solver, "cholesky"));
  PetscCall(KeepEquations(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Solutions by the solver as it is set. The operator takes the new variances first
   (MeritMMERefresh). Collective. */
static PetscErrorCode SolveBy(Varcomp *s)
{
  int32_t n_owned;
  double *r;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(s->run.model)->n_owned;
  PetscCall(PetscCalloc1(n_owned + 1, &r));
  PetscCall(MeritPhaseBegin("solve"));
  PetscCall(MeritMMERefresh(s->run.C));
  PetscCall(MeritMMERightHandSide(s->run.C, r));
  PetscCall(MeritSolverSetOperator(s->run.solver, s->run.C));
  PetscCall(MeritSolverSetUp(s->run.solver));
  PetscCall(MeritSolverSolve(s->run.solver, 1, r, s->run.x, &s->solved));
  PetscCall(MeritPhaseEnd());
  PetscCall(PetscFree(r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Standard errors of these solutions, in the form that Try() calls */
static PetscErrorCode ErrorsBy(Varcomp *s)
{
  PetscFunctionBegin;
  PetscCall(RunErrors(&s->run));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Do one part of the work after the estimation; its error becomes the text `why` [size], which is
   empty where it succeeds. Caught are errors of Merit, which all ranks hold alike, but not a
   request to stop. An error of PETSc may be of one rank and goes up. Phases that the part has left
   open are ended. Collective. */
static PetscErrorCode Try(Varcomp *s, PetscErrorCode (*part)(Varcomp *), size_t size, char why[])
{
  const int      depth = MeritPhaseDepth();
  PetscErrorCode code;

  PetscFunctionBegin;
  why[0] = 0;
  code   = part(s);
  if (!code) PetscFunctionReturn(PETSC_SUCCESS);
  if ((int)code < MERIT_ERR_BASE || MeritErrorLast()->kind == MERIT_ERROR_STOPPED) PetscCall(code);
  snprintf(why, size, "%s", MeritErrorLast()->text);
  MeritErrorClear();
  PetscCall(MeritPhaseUnwind(depth));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Solutions at the estimates. If no factor was found, and the job does not name the solver,
   conjugate gradients take its place. If there are no solutions at all, `unsolved` has the reason,
   and Conclude() raises it after the estimates are written. Collective. */
static PetscErrorCode Solve(Varcomp *s)
{
  const char             *type;
  MeritSolverCapabilities can;
  char                    why[sizeof(s->unsolved)];

  PetscFunctionBegin;
  PetscCall(ChooseSolver(s));
  PetscCall(MeritSolverGetType(s->run.solver, &type));
  PetscCall(MeritSolverGetCapabilities(s->run.solver, &can));
  PetscCall(Try(s, SolveBy, sizeof(s->unsolved), s->unsolved));
  if (s->unsolved[0] && !s->run.solver_named && can.factors) {
    MeritLog(MERIT_LOG_WARNING, "solver %s: %s; solver pcg is used instead", type, s->unsolved);
    PetscCall(MeritSolverSetType(s->run.solver, "pcg"));
    PetscCall(KeepEquations(s));
    PetscCall(Try(s, SolveBy, sizeof(s->unsolved), s->unsolved));
  }
  s->run.solved = !s->unsolved[0];
  if (!s->run.solved) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Try(s, ErrorsBy, sizeof(why), why));
  if (why[0]) MeritLog(MERIT_LOG_WARNING, "no standard errors of the solutions: %s", why);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Has the estimation converged? */
static bool Converged(const Varcomp *s) { return s->result.stop == MERIT_VARCOMP_CONVERGED; }

/* Have the solutions converged, or can there be none, as with a negative variance? */
static bool Solved(const Varcomp *s) { return !s->result.usable || (s->run.solved && RunConverged(s->solved.stop)); }

/* Why the rounds ended, for messages and summary.json */
static const char *Stop(const Varcomp *s)
{
  return Converged(s) ? "converged" : s->result.stop == MERIT_VARCOMP_MAX_ROUNDS ? "too many rounds" : "no step raises the likelihood";
}

/* What summary.json says of the estimation and of the solutions. n_free counts the components that
   were estimated and do not lie at the boundary. */
static PetscErrorCode Summarise(void *command, MeritRunSummary *summary)
{
  Varcomp                  *s = command;
  const MeritVarcompResult *r = &s->result;

  PetscFunctionBegin;
  s->summary = (MeritVarianceSummary){.method         = r->method,
                                      .engine         = r->engine,
                                      .stop           = Stop(s),
                                      .rounds         = r->rounds,
                                      .n_observations = r->n_observations,
                                      .n_fixed        = r->n_fixed,
                                      .n_samples      = r->n_samples,
                                      .likelihood     = r->likelihood,
                                      .restricted     = r->restricted,
                                      .log_likelihood = r->log_likelihood,
                                      .gradient       = r->gradient};
  for (int i = 0; i < r->n; i++) s->summary.n_free += r->state[i] == MERIT_ESTIMATE_OK || r->state[i] == MERIT_ESTIMATE_NEGATIVE;
  summary->variances     = &s->summary;
  summary->state         = s->run.solved ? RunState(s->solved.stop) : "no solutions";
  summary->criterion     = "residual";
  summary->exit_status   = Converged(s) && Solved(s) ? MERIT_ERROR_NONE : MERIT_ERROR_NOT_CONVERGED;
  summary->iterations    = s->solved.iterations;
  summary->true_residual = s->solved.true_residual;
  if (!s->run.solved) summary->solver = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Tables of the estimation. variances.yaml, which solve takes, is written only if every matrix is a
   covariance matrix. Collective. */
static PetscErrorCode Write(void *command)
{
  Varcomp                  *s     = command;
  const MeritVarcompResult *r     = &s->result;
  const MeritVarianceTable  table = {.n           = r->n,
                                     .component   = r->component,
                                     .estimate    = r->estimate,
                                     .covariance  = r->covariance,
                                     .monte_carlo = r->monte_carlo,
                                     .state       = r->state,
                                     .share       = r->share,
                                     .share_error = r->share_error,
                                     .converged   = Converged(s)};

  PetscFunctionBegin;
  PetscCall(MeritReportVariances(s->run.report, s->run.out, &table));
  PetscCall(VarcompFunctionsWrite(s));
  PetscCall(VarcompTestsWrite(s));
  PetscCall(VarcompAnovaWrite(s));
  if (r->usable) PetscCall(MeritReportVariancesYaml(s->run.report, s->run.out, &table));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Warn of estimates at the boundary and below 0 */
static PetscErrorCode Warn(const Varcomp *s)
{
  const MeritVarcompResult *r = &s->result;

  PetscFunctionBegin;
  PetscCall(VarcompBoundary(s));
  if (!r->usable) MeritLog(MERIT_LOG_WARNING, "a variance is estimated below 0, so there are no solutions; varcomp.nonnegative: yes makes it 0");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The last messages: estimates, and how they were found. What went wrong is raised in order of
   weight: rounds that did not converge, no solutions, solutions that did not converge. All outputs
   are in place by now. Errors: NOT_CONVERGED. */
static PetscErrorCode Conclude(void *command)
{
  const Varcomp            *s              = command;
  const MeritVarcompResult *r              = &s->result;
  const char               *plural         = r->rounds == 1 ? "" : "s";
  char                      likelihood[64] = "", residual[256];

  PetscFunctionBegin;
  PetscCall(VarcompShow(s));
  if (isfinite(r->log_likelihood)) snprintf(likelihood, sizeof(likelihood), "; log-likelihood %.6f", r->log_likelihood);
  if (!Converged(s) && isfinite(r->gradient))
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL,
                         "not converged after %lld round%s: %s%s, gradient %.3e standard errors; the outputs hold the best point",
                         (long long)r->rounds, plural, Stop(s), likelihood, r->gradient));
  if (!Converged(s))
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL, "not converged after %lld round%s; the outputs hold the last estimates",
                         (long long)r->rounds, plural));
  MeritLog(MERIT_LOG_INFO, "%s in %lld round%s%s", isfinite(r->gradient) ? "converged" : "estimated", (long long)r->rounds, plural, likelihood);
  if (s->unsolved[0])
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL, "the variances are estimated and written, but there are no solutions at them: %s",
                         s->unsolved));
  if (!Solved(s))
    PetscCall(MeritRaise(MERIT_ERROR_NOT_CONVERGED, NULL, 0, NULL,
                         "the variances are estimated, but the solutions at them have not converged after %lld iterations: %s",
                         (long long)s->solved.iterations, MeritResidualText(s->solved.true_residual, sizeof(residual), residual)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* From the data to estimates and solutions. Collective. */
static PetscErrorCode Compute(void *command)
{
  Varcomp *s = command;

  PetscFunctionBegin;
  PetscCall(Estimate(s));
  PetscCall(Warn(s)); /* before the summary, which lists warnings */
  if (s->result.usable) PetscCall(Solve(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCommandVarcomp - merit varcomp JOB. Collective. The true residual is NaN as long as nothing
   was solved. */
PetscErrorCode MeritCommandVarcomp(MPI_Comm comm, MeritNode job)
{
  static const MeritRunSteps steps = {Prepare, Compute, Write, Summarise, Conclude};
  Varcomp                    s     = {.run = {.comm = comm, .job = job, .command = "varcomp", .estimated = true}, .solved = {.true_residual = NAN}};

  PetscFunctionBegin;
  PetscCall(RunCommand(&s.run, &steps, &s));
  PetscCall(VarcompFree(&s));
  PetscCall(RunFree(&s.run));
  PetscFunctionReturn(PETSC_SUCCESS);
}

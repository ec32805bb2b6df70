/*
  The life of the object, and a run.

  A run goes in this order: count observations and fixed effects; for the analysis of variance
  and the moment methods hand over to anova.c or moments.c; for ml and reml choose an engine
  (choose.c), set it up, find starting values (start.c) and maximise the likelihood
  (likelihood/reml.c). At the end the fractions of the phenotypic variance are computed, the
  result is filled, and the model is given the estimates if equations can be solved at them.
*/
#include "varcomp_impl.h"
#include <math.h>

/* Names of the methods in results, in the order of MeritVarcompMethod */
static const char *const names[] = {"reml", "ml", "minque", "mivque", "he", "anova"};

/*
  MeritVarcompCreate - Make an object with the defaults. Collective; owned by the caller, free
  with `MeritVarcompDestroy()`.
*/
PetscErrorCode MeritVarcompCreate(MPI_Comm comm, MeritVarcomp *varcomp)
{
  MeritVarcomp v;

  PetscFunctionBegin;
  PetscCall(PetscNew(&v));
  PetscCall(PetscCommDuplicate(comm, &v->comm, NULL)); /* messages of the caller are none of ours */
  PetscCallMPI(MPI_Comm_rank(comm, &v->rank));
  PetscCallMPI(MPI_Comm_size(comm, &v->size));
  v->settings.tolerance  = 1e-7;
  v->settings.max_rounds = 100;
  v->settings.seed       = 1;
  v->settings.left_out   = -1;
  *varcomp               = v;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritVarcompSetCheckpoint - See the header. Logically collective. */
PetscErrorCode MeritVarcompSetCheckpoint(MeritVarcomp v, MeritCheckpoint checkpoint)
{
  PetscFunctionBegin;
  v->checkpoint = checkpoint;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritVarcompSetMonitor - See the header. Logically collective. */
PetscErrorCode MeritVarcompSetMonitor(MeritVarcomp v, MeritVarcompMonitor monitor, void *ctx)
{
  PetscFunctionBegin;
  v->monitor     = monitor;
  v->monitor_ctx = ctx;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritVarcompHasLikelihood - See the header. Not collective. */
PetscErrorCode MeritVarcompHasLikelihood(MeritVarcomp v, const char *without[])
{
  static const char *const methods[] = {NULL, NULL, "method minque", "method mivque", "method he", "method anova"};
  const VarcompEngine     *engine    = VarcompAskedEngine(v);

  PetscFunctionBegin;
  *without = methods[v->settings.method];
  if (!*without && engine && !engine->likelihood) *without = "engine sampled";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritVarcompLeaveOut - See the header. Logically collective. */
PetscErrorCode MeritVarcompLeaveOut(MeritVarcomp v, int term)
{
  PetscFunctionBegin;
  PetscCheck(term < 0 || v->first_of_term[term] >= 0, v->comm, PETSC_ERR_ARG_OUTOFRANGE, "term %d is not random", term);
  v->settings.left_out = term;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompCount - See the header. Collective.

  Observations are counted trait by trait: a record with two observed traits has two. Fixed
  equations that depend on others (aliased columns of X) have another state than MERIT_EQ_OK, so
  the number of the others is the rank of X. Each rank counts the equations that it owns.
*/
PetscErrorCode VarcompCount(MeritVarcomp v)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const uint8_t          *state   = MeritModelEquationState(v->model);
  const MeritTermView    *term;
  const int               n_terms = MeritModelTerms(v->model, &term);
  int64_t                 n[2]    = {0, 0};

  PetscFunctionBegin;
  for (int32_t i = 0; i < records->n_records; i++) n[0] += __builtin_popcount(records->observed[records->pattern[i]]);
  for (int k = 0; k < n_terms; k++)
    for (int32_t e = 0; term[k].fixed && e < term[k].n_owned * term[k].n_eq; e++) n[1] += state[term[k].eq_owned + e] == MERIT_EQ_OK;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, n, 2, MPI_INT64_T, MPI_SUM, v->comm));
  v->run.n_observations = n[0];
  v->run.n_fixed        = n[1];
  if (n[0] <= n[1])
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                         "%lld observations for %lld fixed effects: no degrees of freedom remain to estimate variances from", (long long)n[0],
                         (long long)n[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Can equations be solved at the estimates? Not if a moment method has made a variance negative,
  or the residual variance is not positive. ML and REML make no such matrices.
*/
static bool Usable(MeritVarcomp v)
{
  for (int i = 0; i < v->n; i++)
    if (v->results.state[i] == MERIT_ESTIMATE_NEGATIVE ||
        (v->component[i].term < 0 && v->component[i].row == v->component[i].column && !(v->run.solvable[i] > 0.0)))
      return false;
  return true;
}

/* The result as the caller has it. Its arrays are those of v and stay valid until the next run. */
static void FillResult(MeritVarcomp v, MeritVarcompResult *r)
{
  *r = (MeritVarcompResult){.n              = v->n,
                            .component      = v->component,
                            .estimate       = v->run.theta,
                            .covariance     = v->results.has_covariance ? v->results.covariance : NULL,
                            .monte_carlo    = v->results.has_monte_carlo ? v->results.monte_carlo : NULL,
                            .state          = v->results.state,
                            .share          = v->results.share,
                            .share_error    = v->results.share_error,
                            .n_observations = v->run.n_observations,
                            .n_fixed        = v->run.n_fixed,
                            .log_likelihood = v->results.log_likelihood,
                            .gradient       = v->results.gradient,
                            .rounds         = v->results.rounds,
                            .n_samples      = v->results.has_monte_carlo ? v->results.n_samples : 0,
                            .likelihood     = v->settings.method == MERIT_VARCOMP_REML || v->settings.method == MERIT_VARCOMP_ML,
                            .restricted     = v->settings.method == MERIT_VARCOMP_REML,
                            .factored       = v->run.engine && v->run.engine->factors,
                            .method         = names[v->settings.method],
                            .engine         = v->run.engine ? v->run.engine->name : "moments",
                            .stop           = v->results.stop,
                            .usable         = Usable(v),
                            .n_lines        = v->results.n_lines,
                            .line           = v->results.line};
}

/*@
  MeritVarcompRun - Estimate the variance components of the model of C.

  Collective on C.

  Output Parameter:
. result - what was found; arrays are borrowed until the next run or Destroy

  Notes:
  A run that does not converge is no error: `result->stop` says so. Where the estimates are usable
  the model has them afterwards; in place of a singular residual matrix it has one next to it, as
  equations need R^-1.

  Errors: INPUT for data that do not distinguish the components; USAGE, before anything is computed,
  where a term is left out but the engine has no likelihood.
@*/
PetscErrorCode MeritVarcompRun(MeritVarcomp v, Mat C, MeritVarcompResult *result)
{
  PetscFunctionBegin;
  v->run.C                  = C;
  v->run.began              = MPI_Wtime();
  v->results.log_likelihood = v->results.gradient = NAN;
  v->results.has_covariance = v->results.has_monte_carlo = false;
  v->results.rounds                                      = 0;
  v->results.stop                                        = MERIT_VARCOMP_CONVERGED;
  PetscCall(PetscArrayzero(v->results.state, v->n));
  PetscCall(VarcompCount(v));
  if (v->settings.method == MERIT_VARCOMP_ANOVA) PetscCall(VarcompAnova(v));
  else if (v->settings.method == MERIT_VARCOMP_REML || v->settings.method == MERIT_VARCOMP_ML) {
    /*
      An object that runs again, as for likelihood-ratio tests, keeps its engine and the
      engine's data
    */
    if (!v->run.engine) PetscCall(VarcompChooseEngine(v));
    if (v->settings.left_out >= 0 && !v->run.engine->likelihood)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.test", "engine %s computes no likelihood; to test a term use varcomp.engine: factor",
                           v->run.engine->name));
    PetscCall(VarcompBasisEnter(v));
    if (!v->run.engine_data) PetscCall(v->run.engine->setup(v));
    PetscCall(VarcompStart(v));
    PetscCall(VarcompLikelihood(v));
    PetscCall(VarcompBasisLeave(v));
  } else PetscCall(VarcompMoments(v));
  /* Moment methods have no states next to the boundary: equations have the estimates themselves */
  if (v->settings.method != MERIT_VARCOMP_REML && v->settings.method != MERIT_VARCOMP_ML)
    PetscCall(PetscArraycpy(v->run.solvable, v->run.theta, v->n));
  PetscCall(VarcompShares(v));
  FillResult(v, result);
  if (result->usable) PetscCall(VarcompSetVariances(v, v->run.solvable));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritVarcompDestroy - NULL-safe; sets the handle to NULL. Collective. */
PetscErrorCode MeritVarcompDestroy(MeritVarcomp *varcomp)
{
  MeritVarcomp v = *varcomp;

  PetscFunctionBegin;
  if (!v) PetscFunctionReturn(PETSC_SUCCESS);
  if (v->run.engine_data) PetscCall(v->run.engine->destroy(v));
  PetscCall(MatDestroy(&v->run.analysed));
  PetscCall(MeritFactorDestroy(&v->run.analysed_factor));
  PetscCall(VarcompBasisFree(v));
  PetscCall(PetscFree(v->settings.prior));
  PetscCall(PetscFree(v->component));
  PetscCall(PetscFree(v->first_of_term));
  PetscCall(PetscFree(v->first_of_residual));
  PetscCall(PetscFree(v->run.theta));
  PetscCall(PetscFree(v->run.solvable));
  PetscCall(PetscFree(v->results.covariance));
  PetscCall(PetscFree(v->results.monte_carlo));
  PetscCall(PetscFree(v->results.state));
  PetscCall(PetscFree2(v->results.share, v->results.share_error));
  if (v->results.line) PetscCall(PetscFree(v->results.line[0].coefficient));
  PetscCall(PetscFree(v->results.line));
  PetscCall(PetscCommDestroy(&v->comm));
  PetscCall(PetscFree(*varcomp));
  PetscFunctionReturn(PETSC_SUCCESS);
}

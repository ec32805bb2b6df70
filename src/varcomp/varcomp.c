/* The life of the object, and a run. */
#include "varcomp_impl.h"
#include <math.h>

static const char *const names[] = {"reml", "ml", "minque", "mivque", "he", "anova"};

/* MeritVarcompCreate - Make an object with the defaults. Collective; owned by the caller, free with `MeritVarcompDestroy()`. */
PetscErrorCode MeritVarcompCreate(MPI_Comm comm, MeritVarcomp *varcomp)
{
  MeritVarcomp v;

  PetscFunctionBegin;
  PetscCall(PetscNew(&v));
  v->comm = comm;
  PetscCallMPI(MPI_Comm_rank(comm, &v->rank));
  PetscCallMPI(MPI_Comm_size(comm, &v->size));
  v->tolerance  = 1e-7;
  v->max_rounds = 100;
  v->seed       = 1;
  v->left_out   = -1;
  *varcomp      = v;
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
  *without = methods[v->method];
  if (!*without && engine && !engine->likelihood) *without = "engine sampled";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritVarcompLeaveOut - See the header. Logically collective. */
PetscErrorCode MeritVarcompLeaveOut(MeritVarcomp v, int term)
{
  PetscFunctionBegin;
  PetscCheck(term < 0 || v->first_of_term[term] >= 0, v->comm, PETSC_ERR_ARG_OUTOFRANGE, "term %d is not random", term);
  v->left_out = term;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Observations, and fixed equations that do not depend on others */
/* VarcompCount - See the header. Collective. */
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
    for (int32_t e = 0; term[k].fixed && e < term[k].n_owned * term[k].n_eq; e++)
      n[1] += state[term[k].eq_owned + e] == MERIT_EQ_OK;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, n, 2, MPI_INT64_T, MPI_SUM, v->comm));
  v->n_observations = n[0];
  v->n_fixed        = n[1];
  if (n[0] <= n[1])
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL,
                         "%lld observations for %lld fixed effects: nothing is left to estimate variances from",
                         (long long)n[0], (long long)n[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Are all matrices covariance matrices, and can the equations have them? ML and REML make no others */
static bool Usable(MeritVarcomp v)
{
  for (int i = 0; i < v->n; i++)
    if (v->state[i] == MERIT_ESTIMATE_NEGATIVE || (v->component[i].term < 0 && v->component[i].row == v->component[i].column && !(v->solvable[i] > 0.0)))
      return false;
  return true;
}

static void Fill(MeritVarcomp v, MeritVarcompResult *r)
{
  *r = (MeritVarcompResult){.n              = v->n,
                            .component      = v->component,
                            .estimate       = v->theta,
                            .covariance     = v->has_covariance ? v->covariance : NULL,
                            .monte_carlo    = v->has_monte_carlo ? v->monte_carlo : NULL,
                            .state          = v->state,
                            .share          = v->share,
                            .share_error    = v->share_error,
                            .n_observations = v->n_observations,
                            .n_fixed        = v->n_fixed,
                            .log_likelihood = v->log_likelihood,
                            .gradient       = v->gradient,
                            .rounds         = v->rounds,
                            .n_samples      = v->has_monte_carlo ? v->n_samples : 0,
                            .likelihood     = v->method == MERIT_VARCOMP_REML || v->method == MERIT_VARCOMP_ML,
                            .restricted     = v->method == MERIT_VARCOMP_REML,
                            .factored       = v->engine && v->engine->factors,
                            .method         = names[v->method],
                            .engine         = v->engine ? v->engine->name : "moments",
                            .stop           = v->stop,
                            .usable         = Usable(v),
                            .n_lines        = v->n_lines,
                            .line           = v->line};
}

/*@
  MeritVarcompRun - Estimate the variance components of the model of C.

  Collective on C.

  Output Parameter:
. result - what was found; arrays are borrowed until the next run or Destroy

  Notes:
  A run that does not converge is no error: `result->stop` tells. Where the estimates are usable the model has them afterwards; in place of a singular residual
  matrix it has one next to it, as equations have R^-1.

  Errors: INPUT for data that do not tell the components apart; USAGE, before anything is computed, where a term is left out but the engine has no
  likelihood.
@*/
PetscErrorCode MeritVarcompRun(MeritVarcomp v, Mat C, MeritVarcompResult *result)
{
  PetscFunctionBegin;
  v->C              = C;
  v->start          = MPI_Wtime();
  v->log_likelihood = v->gradient = NAN;
  v->has_covariance = v->has_monte_carlo = false;
  v->rounds                        = 0;
  v->stop                          = MERIT_VARCOMP_CONVERGED;
  PetscCall(PetscArrayzero(v->state, v->n));
  PetscCall(VarcompCount(v));
  if (v->method == MERIT_VARCOMP_ANOVA) PetscCall(VarcompAnova(v));
  else if (v->method == MERIT_VARCOMP_REML || v->method == MERIT_VARCOMP_ML) {
    if (!v->engine) PetscCall(VarcompChooseEngine(v));
    if (v->left_out >= 0 && !v->engine->likelihood)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.test",
                           "engine %s computes no likelihood; to test a term use varcomp.engine: factor", v->engine->name));
    PetscCall(VarcompBasisEnter(v));
    if (!v->engine_data) PetscCall(v->engine->setup(v));
    PetscCall(VarcompStart(v));
    PetscCall(VarcompLikelihood(v));
    PetscCall(VarcompBasisLeave(v));
  } else PetscCall(VarcompMoments(v));
  if (v->method != MERIT_VARCOMP_REML && v->method != MERIT_VARCOMP_ML) PetscCall(PetscArraycpy(v->solvable, v->theta, v->n));
  PetscCall(VarcompShares(v));
  Fill(v, result);
  if (result->usable) PetscCall(VarcompSetVariances(v, v->solvable));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritVarcompDestroy - NULL-safe; sets the handle to NULL. Collective. */
PetscErrorCode MeritVarcompDestroy(MeritVarcomp *varcomp)
{
  MeritVarcomp v = *varcomp;

  PetscFunctionBegin;
  if (!v) PetscFunctionReturn(PETSC_SUCCESS);
  if (v->engine_data) PetscCall(v->engine->destroy(v));
  PetscCall(MatDestroy(&v->analysed));
  PetscCall(MeritFactorDestroy(&v->analysed_factor));
  PetscCall(VarcompBasisFree(v));
  PetscCall(PetscFree(v->prior));
  PetscCall(PetscFree(v->component));
  PetscCall(PetscFree(v->first_of_term));
  PetscCall(PetscFree(v->first_of_residual));
  PetscCall(PetscFree(v->theta));
  PetscCall(PetscFree(v->solvable));
  PetscCall(PetscFree(v->covariance));
  PetscCall(PetscFree(v->monte_carlo));
  PetscCall(PetscFree(v->state));
  PetscCall(PetscFree2(v->share, v->share_error));
  if (v->line) PetscCall(PetscFree(v->line[0].coefficient));
  PetscCall(PetscFree(v->line));
  PetscCall(PetscFree(*varcomp));
  PetscFunctionReturn(PETSC_SUCCESS);
}

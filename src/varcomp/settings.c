/*
  Keys of the job: method, algorithm, engine, priors.

  The order matters: the method first, then the components of the formula, then checks that need
  both. Values out of range and keys without effect for the method are USAGE errors with the
  line of the job file.
*/
#include "varcomp_impl.h"
#include <math.h>
#include <merit/memory.h>
#include <string.h>

/* Rounds of iterated MINQUE where the job gives none: they are quick, and converge linearly */
enum { ITERATE_ROUNDS = 1000 };

/* minque1, minque2, minque3 and mivque0 are methods with their prior: 0, 1, infinity, 0 */
static const char *const methods[] = {"reml", "ml", "minque", "mivque", "he", "anova", "minque1", "minque2", "minque3", "mivque0"};

/*
  The method, and the prior that its name implies. The first six words are in the order of
  MeritVarcompMethod. prior_value is NaN where the name implies none.
*/
static PetscErrorCode Method(MeritVarcomp v, MeritNode job)
{
  static const double named[] = {0.0, 1.0, INFINITY, 0.0};
  int                 word    = 0;

  PetscFunctionBegin;
  PetscCall(MeritConfigChoice(job, "varcomp.method", 10, methods, &word));
  v->settings.method      = word < 6 ? (MeritVarcompMethod)word : word < 9 ? MERIT_VARCOMP_MINQUE : MERIT_VARCOMP_MIVQUE;
  v->settings.prior_value = word < 6 ? NAN : named[word - 6];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A number from 0 to infinity (inf, .inf) */
static PetscErrorCode PriorValue(MeritNode node, double *value)
{
  PetscFunctionBegin;
  if (node->kind == MERIT_NODE_SCALAR && (!strcmp(node->text, "inf") || !strcmp(node->text, ".inf"))) {
    *value = INFINITY;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!MeritNodeReal(node, value) || !(*value >= 0.0))
    PetscCall(MeritNodeError(node, "varcomp.prior: expected a ratio to the residual variance, 0 or more, or inf"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  varcomp.prior: a number for all random terms, or a list with one for each random term in
  formula order. Plain minque without the key has 1. Methods with a prior in their name, and
  those that take the job's `variances`, refuse the key.
*/
static PetscErrorCode PriorFromConfig(MeritVarcomp v, MeritNode job)
{
  MeritNode node     = MeritNodeFind(job, "varcomp.prior");
  int       n_random = 0;

  PetscFunctionBegin;
  if (!node) {
    if (v->settings.method == MERIT_VARCOMP_MINQUE && isnan(v->settings.prior_value)) v->settings.prior_value = 1.0;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!isnan(v->settings.prior_value) || v->settings.method != MERIT_VARCOMP_MINQUE)
    PetscCall(MeritNodeError(node, "varcomp.prior is for method minque only; the other methods have a prior by definition, or take `variances`"));
  if (node->kind != MERIT_NODE_LIST) {
    PetscCall(PriorValue(node, &v->settings.prior_value));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  for (int k = 0; k < v->formula->n_terms; k++) n_random += !v->formula->term[k].fixed;
  if (node->n != n_random) PetscCall(MeritNodeError(node, "varcomp.prior has %d values for %d random terms", node->n, n_random));
  PetscCall(PetscMalloc1((size_t)n_random, &v->settings.prior));
  for (v->settings.n_prior = 0; v->settings.n_prior < n_random; v->settings.n_prior++)
    PetscCall(PriorValue(node->child[v->settings.n_prior], &v->settings.prior[v->settings.n_prior]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The components of the formula, and arrays with one number for each. first_of_term and
  first_of_residual are filled from the last component back, so that the first one stays.
*/
static PetscErrorCode Components(MeritVarcomp v)
{
  PetscFunctionBegin;
  PetscCall(MeritFormulaComponents(v->formula, &v->n, &v->component));
  PetscCall(PetscMalloc1(v->formula->n_terms, &v->first_of_term));
  PetscCall(PetscMalloc1(v->formula->n_residuals, &v->first_of_residual));
  for (int k = 0; k < v->formula->n_terms; k++) v->first_of_term[k] = -1;
  for (int i = v->n - 1; i >= 0; i--) {
    if (v->component[i].term < 0) v->first_of_residual[v->component[i].residual] = i;
    else v->first_of_term[v->component[i].term] = i;
  }
  PetscCall(PetscCalloc1(v->n, &v->run.theta));
  PetscCall(PetscCalloc1(v->n, &v->run.solvable));
  PetscCall(PetscCalloc1(v->n, &v->results.state));
  PetscCall(PetscCalloc2(v->n, &v->results.share, v->n, &v->results.share_error));
  PetscCall(PetscCalloc1((size_t)(v->n * v->n), &v->results.covariance));
  PetscCall(PetscCalloc1((size_t)(v->n * v->n), &v->results.monte_carlo));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Variances that moment methods take; they know scalars only */
enum { MOST_MOMENTS = 64 };
/*
  Moment methods are for one trait, one residual class, and terms of one component without
  `fix`: the only components then are one for each random term and, last, the residual's
*/
static PetscErrorCode CheckMoments(MeritVarcomp v, MeritNode job)
{
  MeritNode node = MeritNodeFind(job, "varcomp.method");

  PetscFunctionBegin;
  if (v->settings.method == MERIT_VARCOMP_REML || v->settings.method == MERIT_VARCOMP_ML) PetscFunctionReturn(PETSC_SUCCESS);
  if (v->formula->n_traits > 1) PetscCall(MeritNodeError(node, "method %s is for one trait; use reml or ml", node->text));
  if (v->formula->n_residuals > 1) PetscCall(MeritNodeError(node, "method %s is for one residual variance; use reml or ml", node->text));
  if (v->n > MOST_MOMENTS)
    PetscCall(MeritNodeError(node, "method %s is for at most %d random terms, not %d; use reml or ml", node->text, MOST_MOMENTS - 1, v->n - 1));
  for (int i = 0; i < v->n; i++) {
    if (v->component[i].row)
      PetscCall(MeritNodeError(node, "method %s is for terms of one component, `%s` has more; use reml or ml", node->text,
                               v->formula->term[v->component[i].term].label));
    if (v->component[i].fixed) PetscCall(MeritNodeError(node, "method %s estimates every variance; `fix` goes with reml and ml", node->text));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Groups of methods as bits, for the table of keys */
enum { LIKELIHOOD = 1, MINQUE = 2, MIVQUE = 4, HE = 8, ANOVA = 16 };

/* Which methods a key goes with: a key that would do nothing is refused */
static PetscErrorCode CheckKeys(MeritVarcomp v, MeritNode job)
{
  static const struct {
    const char *key, *with;
    int         methods;
  } keys[] = {
      {"varcomp.algorithm", "reml and ml", LIKELIHOOD},
      {"varcomp.engine", "reml and ml", LIKELIHOOD},
      {"varcomp.start", "reml and ml", LIKELIHOOD},
      {"varcomp.iterate", "minque", MINQUE},
      {"varcomp.nonnegative", "the moment methods; reml and ml keep to the parameter space", MINQUE | MIVQUE | HE | ANOVA},
      {"anova.order", "anova", ANOVA},
  };
  static const int of[] = {[MERIT_VARCOMP_REML] = LIKELIHOOD, [MERIT_VARCOMP_ML] = LIKELIHOOD, [MERIT_VARCOMP_MINQUE] = MINQUE,
                           [MERIT_VARCOMP_MIVQUE] = MIVQUE,   [MERIT_VARCOMP_HE] = HE,         [MERIT_VARCOMP_ANOVA] = ANOVA};

  PetscFunctionBegin;
  for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
    MeritNode node = MeritNodeFind(job, keys[k].key);

    if (node && !(keys[k].methods & of[v->settings.method])) PetscCall(MeritNodeError(node, "%s goes with %s", keys[k].key, keys[k].with));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritVarcompSetFromConfig - Take method and settings from the job.

  Logically collective. The model has its formula (MeritModelSetFromConfig), no data yet; model and
  job must outlive the object.

  Errors: USAGE at the position in the job file.
@*/
PetscErrorCode MeritVarcompSetFromConfig(MeritVarcomp v, MeritModel model, MeritNode job)
{
  static const char *const algorithms[] = {"ai", "em"};
  static const char *const orders[]     = {"formula", "last"};
  static const char *const starts[]     = {"auto", "he", "share"};
  static const char *const engines[]    = {"auto", "factor", "eigen", "sampled", "lanczos", "dense"};
  int                      algorithm = 0, order = 0, engine = 0, start = 0;
  int64_t                  n_samples = 0;

  PetscFunctionBegin;
  v->model   = model;
  v->formula = MeritModelFormula(model);
  v->job     = job;
  PetscCall(Method(v, job));
  PetscCall(Components(v));
  PetscCall(CheckMoments(v, job));
  PetscCall(CheckKeys(v, job));
  PetscCall(PriorFromConfig(v, job));
  PetscCall(MeritConfigChoice(job, "varcomp.algorithm", 2, algorithms, &algorithm));
  PetscCall(MeritConfigChoice(job, "varcomp.engine", 6, engines, &engine));
  PetscCall(MeritConfigChoice(job, "varcomp.start", 3, starts, &start));
  PetscCall(MeritConfigChoice(job, "anova.order", 2, orders, &order));
  PetscCall(MeritConfigBool(job, "varcomp.iterate", &v->settings.iterate));
  PetscCall(MeritConfigBool(job, "varcomp.nonnegative", &v->settings.nonnegative));
  PetscCall(MeritConfigReal(job, "varcomp.tolerance", 1e-15, 1.0, &v->settings.tolerance));
  if (v->settings.iterate) v->settings.max_rounds = ITERATE_ROUNDS;
  PetscCall(MeritConfigInt(job, "varcomp.max_rounds", 1, INT32_MAX, &v->settings.max_rounds));
  PetscCall(MeritConfigInt(job, "varcomp.seed", 0, INT64_MAX, &v->settings.seed));
  PetscCall(MeritConfigInt(job, "varcomp.samples", 1, 100000, &n_samples));
  PetscCall(MeritConfigBytes(job, "solver.memory", &v->settings.memory));
  PetscCall(MeritConfigRates(job, &v->settings.rates));
  PetscCall(MeritConfigReal(job, "varcomp.mc_share", 1e-4, 1.0, &v->settings.mc_share));
  v->settings.em_only    = algorithm == 1;
  v->settings.start_from = (VarcompStartChoice)start;
  v->settings.choice     = (VarcompEngineChoice)engine;
  v->settings.order_last = order == 1;
  v->settings.n_samples  = (int)n_samples;
  PetscFunctionReturn(PETSC_SUCCESS);
}

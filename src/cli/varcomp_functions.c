/*
  Functions of variance components that the job asks for, such as heritabilities, with standard
  errors by the delta method: Var(f) is g' V g, g the gradient of f at the estimates and V their
  covariance matrix.
*/
#include "varcomp_impl.h"
#include <math.h>

/* A g' V g below this fraction of the largest that it could be is rounding */
static const double CANCELLED = 1e-12;

/* VarcompFunctionsParse - See the header. Names are borrowed from the job. Logically collective.
   Errors: USAGE. */
PetscErrorCode VarcompFunctionsParse(Varcomp *s)
{
  MeritNode node = MeritNodeFind(s->run.job, "functions");

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (node->kind != MERIT_NODE_MAP) PetscCall(MeritNodeError(node, "`functions` must be `name: \"function of components\"` lines"));
  PetscCall(PetscCalloc3(node->n, &s->function, node->n, &s->name, node->n, &s->row));
  for (s->n_functions = 0; s->n_functions < node->n; s->n_functions++) {
    s->name[s->n_functions] = node->key[s->n_functions];
    PetscCall(MeritExpressionParse(MeritModelFormula(s->run.model), node->child[s->n_functions], &s->function[s->n_functions]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Standard error of a function with gradient g [n]: the square root of g' (V + what Monte Carlo adds) g.
   The largest it could be is sum |g_i| se_i. NaN where it is not known: without V; where the
   function depends on a component at the boundary, which has no variance there; and where the terms
   cancel, as of a correlation of 1. */
static double Error(const MeritVarcompResult *r, const double g[])
{
  double sum = 0.0, most = 0.0;

  if (!r->covariance) return NAN;
  for (int i = 0; i < r->n; i++) {
    if (g[i] != 0.0 && r->state[i] == MERIT_ESTIMATE_BOUNDARY && !(r->covariance[i * r->n + i] > 0.0)) return NAN;
    most += fabs(g[i]) * sqrt(r->covariance[i * r->n + i]);
    for (int j = 0; j < r->n; j++) sum += g[i] * (r->covariance[i * r->n + j] + (r->monte_carlo ? r->monte_carlo[i * r->n + j] : 0.0)) * g[j];
  }
  return sum > CANCELLED * most * most || most == 0.0 ? sqrt(sum) : NAN;
}

/* VarcompFunctionsWrite - See the header. Collective. `genetic` is the mean diagonal of MM' of the
   genotyped animals: LABEL.genetic is this times the variance of SNP effects. */
PetscErrorCode VarcompFunctionsWrite(Varcomp *s)
{
  const MeritVarcompResult *r       = &s->result;
  double                    genetic = 1.0, *g;

  PetscFunctionBegin;
  if (!s->n_functions) PetscFunctionReturn(PETSC_SUCCESS);
  if (MeritModelGenotypes(s->run.model)) genetic = MeritGenotypesMeanDiagonal(MeritModelGenotypes(s->run.model));
  PetscCall(PetscMalloc1(r->n, &g));
  for (int i = 0; i < s->n_functions; i++) {
    s->row[i].name = s->name[i];
    PetscCall(MeritExpressionEvaluate(s->function[i], r->n, r->estimate, genetic, &s->row[i].estimate, g));
    s->row[i].se = Error(r, g);
  }
  PetscCall(MeritReportFunctions(s->run.report, s->run.out, s->n_functions, s->row));
  PetscCall(PetscFree(g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompFunctionsFree - See the header. Not collective. */
PetscErrorCode VarcompFunctionsFree(Varcomp *s)
{
  PetscFunctionBegin;
  for (int i = 0; i < s->n_functions; i++) PetscCall(MeritExpressionDestroy(&s->function[i]));
  PetscCall(PetscFree3(s->function, s->name, s->row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

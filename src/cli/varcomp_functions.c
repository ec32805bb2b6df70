/* Functions of variance components that the job asks for, with standard errors by the delta method. */
#include "varcomp_impl.h"
#include <math.h>

/* What is left of a variance by rounding */
static const double CANCELLED = 1e-12;

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

/* Standard error of a function whose gradient is g, by the delta method: root of g' (covariance + what random numbers add) g. NaN if that is
   not known, as of a component that lies at the boundary, or of a correlation of 1 there, whose terms cancel. */
static double Error(const MeritVarcompResult *r, const double g[])
{
  double sum = 0.0, most = 0.0;

  if (!r->covariance) return NAN;
  for (int i = 0; i < r->n; i++) {
    if (g[i] != 0.0 && r->state[i] == MERIT_ESTIMATE_BOUNDARY && !(r->covariance[i * r->n + i] > 0.0)) return NAN;
    most += fabs(g[i]) * sqrt(r->covariance[i * r->n + i]);
    for (int j = 0; j < r->n; j++)
      sum += g[i] * (r->covariance[i * r->n + j] + (r->monte_carlo ? r->monte_carlo[i * r->n + j] : 0.0)) * g[j];
  }
  return sum > CANCELLED * most * most || most == 0.0 ? sqrt(sum) : NAN;
}

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

PetscErrorCode VarcompFunctionsFree(Varcomp *s)
{
  PetscFunctionBegin;
  for (int i = 0; i < s->n_functions; i++) PetscCall(MeritExpressionDestroy(&s->function[i]));
  PetscCall(PetscFree3(s->function, s->name, s->row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Functions of variance components that the job asks for, with standard errors by the delta method. */
#include "varcomp_impl.h"
#include <math.h>
#include <string.h>

PetscErrorCode VarcompFunctionsParse(Varcomp *s)
{
  MeritNode node = MeritNodeFind(s->run.job, "functions");

  PetscFunctionBegin;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (node->kind != MERIT_NODE_MAP) PetscCall(MeritNodeError(node, "`functions` must be `name: \"function of components\"` lines"));
  PetscCall(PetscCalloc2(node->n, &s->function, node->n, &s->name));
  for (s->n_functions = 0; s->n_functions < node->n; s->n_functions++) {
    s->name[s->n_functions] = node->key[s->n_functions];
    PetscCall(MeritExpressionParse(MeritModelFormula(s->run.model), node->child[s->n_functions], &s->function[s->n_functions]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Variance of a function whose gradient is g: g' (covariance + what random numbers add) g */
static double Variance(const MeritVarcompResult *r, const double g[])
{
  double sum = 0.0;

  for (int i = 0; i < r->n; i++)
    for (int j = 0; j < r->n; j++)
      sum += g[i] * (r->covariance[i * r->n + j] + (r->monte_carlo ? r->monte_carlo[i * r->n + j] : 0.0)) * g[j];
  return sum;
}

PetscErrorCode VarcompFunctionsWrite(Varcomp *s)
{
  const MeritVarcompResult *r    = &s->result;
  MeritText                 text = {0};
  double                    genetic = 1.0, *g;
  PetscMPIInt               rank;

  PetscFunctionBegin;
  if (!s->n_functions) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(s->run.comm, &rank));
  if (MeritModelGenotypes(s->run.model)) genetic = MeritGenotypesMeanDiagonal(MeritModelGenotypes(s->run.model));
  PetscCall(PetscMalloc1(r->n, &g));
  for (int i = 0; i < s->n_functions && !rank; i++) {
    double value, variance;

    PetscCall(MeritExpressionEvaluate(s->function[i], r->n, r->estimate, genetic, &value, g));
    variance = r->covariance ? Variance(r, g) : NAN;
    PetscCall(MeritTextAdd(&text, "%s\t", s->name[i]));
    PetscCall(MeritTextAddReal(&text, value));
    PetscCall(MeritTextAddBytes(&text, "\t", 1));
    PetscCall(MeritTextAddReal(&text, variance >= 0.0 ? sqrt(variance) : NAN));
    PetscCall(MeritTextAddBytes(&text, "\n", 1));
  }
  PetscCall(MeritOutputWrite(s->run.out, "functions.tsv", "name\testimate\tse\n", text.at, (int64_t)text.n));
  MeritTextFree(&text);
  PetscCall(PetscFree(g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode VarcompFunctionsFree(Varcomp *s)
{
  PetscFunctionBegin;
  for (int i = 0; i < s->n_functions; i++) PetscCall(MeritExpressionDestroy(&s->function[i]));
  PetscCall(PetscFree2(s->function, s->name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  An order of elimination that keeps the factor sparse: approximate minimum degree (Amestoy, Davis & Duff 1996) or nested dissection
  (Karypis & Kumar 1998), whichever makes less work. Rows that meet a great part of all others come last.
*/
#include "factor_impl.h"
#include <math.h>
#include <metis.h>
#include <suitesparse/amd.h>

/* Rows with more neighbours than this times the root of n are left out of the graph */
static const double DENSE = 10.0;

/* The graph of the other rows; number[n] of each there, -1 for those left out */
static PetscErrorCode Thin(const FactorGraph *graph, FactorGraph *thin, int32_t number[])
{
  const double most = PetscMax(16.0, DENSE * sqrt((double)graph->n));
  int64_t      n    = 0;

  PetscFunctionBegin;
  thin->n = 0;
  for (int32_t i = 0; i < graph->n; i++)
    number[i] = (double)(graph->start[i + 1] - graph->start[i]) > most ? -1 : thin->n++;
  PetscCall(PetscMalloc1(thin->n + 1, &thin->start));
  PetscCall(PetscMalloc1(graph->start[graph->n] + 1, &thin->neighbour));
  for (int32_t i = 0; i < graph->n; i++) {
    if (number[i] < 0) continue;
    thin->start[number[i]] = n;
    for (int64_t e = graph->start[i]; e < graph->start[i + 1]; e++)
      if (number[graph->neighbour[e]] >= 0) thin->neighbour[n++] = number[graph->neighbour[e]];
  }
  thin->start[thin->n] = n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* place[i] of row i of the whole graph from the order of the thin one; dense rows by their degree behind */
static void Widen(const FactorGraph *graph, const int32_t number[], const int32_t order[], int32_t n_thin, int32_t place[])
{
  int32_t behind = n_thin;

  for (int32_t i = 0; i < graph->n; i++) place[i] = number[i] >= 0 ? order[number[i]] : behind++;
}

static PetscErrorCode Degree(const FactorGraph *thin, int32_t order[])
{
  int32_t *start, *perm;
  double   control[AMD_CONTROL], info[AMD_INFO];
  int      code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(thin->n + 1, &start, thin->n + 1, &perm));
  for (int32_t i = 0; i <= thin->n; i++) start[i] = (int32_t)thin->start[i];
  amd_defaults(control);
  code = amd_order(thin->n, start, thin->neighbour, perm, control, info);
  PetscCheck(code == AMD_OK || code == AMD_OK_BUT_JUMBLED, PETSC_COMM_SELF, PETSC_ERR_LIB, "minimum degree ordering failed (%d)", code);
  for (int32_t i = 0; i < thin->n; i++) order[perm[i]] = i;
  PetscCall(PetscFree2(start, perm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Dissection(const FactorGraph *thin, int32_t order[])
{
  idx_t *start, *perm, n = thin->n, options[METIS_NOPTIONS];
  int    code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(thin->n + 1, &start, thin->n + 1, &perm));
  for (int32_t i = 0; i <= thin->n; i++) start[i] = (idx_t)thin->start[i];
  METIS_SetDefaultOptions(options);
  options[METIS_OPTION_SEED] = 1;
  code                       = METIS_NodeND(&n, start, thin->neighbour, NULL, options, perm, order);
  PetscCheck(code == METIS_OK, PETSC_COMM_SELF, PETSC_ERR_LIB, "nested dissection failed (%d)", code);
  PetscCall(PetscFree2(start, perm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorOrder - Fill tree->place. Not collective. */
PetscErrorCode FactorOrder(const FactorGraph *graph, FactorTree *tree)
{
  FactorGraph thin = {0};
  int32_t    *number, *order, *other;
  double      flops[2];

  PetscFunctionBegin;
  tree->n = graph->n;
  PetscCall(PetscMalloc1(graph->n + 1, &tree->place));
  PetscCall(PetscMalloc3(graph->n + 1, &number, graph->n + 1, &order, graph->n + 1, &other));
  PetscCall(Thin(graph, &thin, number));
  PetscCheck(thin.start[thin.n] < INT32_MAX, PETSC_COMM_SELF, PETSC_ERR_SUP, "more than 2^31 entries to order");
  PetscCall(Degree(&thin, order));
  Widen(graph, number, order, thin.n, tree->place);
  PetscCall(FactorFlops(graph, tree->place, &flops[0]));
  if (thin.n > 1000 && thin.start[thin.n] > 0) {
    PetscCall(Dissection(&thin, order));
    Widen(graph, number, order, thin.n, other);
    PetscCall(FactorFlops(graph, other, &flops[1]));
    if (flops[1] < flops[0]) PetscCall(PetscArraycpy(tree->place, other, graph->n));
  }
  PetscCall(PetscFree(thin.start));
  PetscCall(PetscFree(thin.neighbour));
  PetscCall(PetscFree3(number, order, other));
  PetscFunctionReturn(PETSC_SUCCESS);
}

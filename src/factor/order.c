/*
  Order of elimination with little fill: approximate minimum degree (Amestoy, Davis and Duff 1996)
  or nested dissection (Karypis and Kumar 1998), whichever needs fewer operations. Rows with very
  many neighbours are left out of the graph and come last: they fill in any order, and would slow
  down both methods.
*/
#include "factor_impl.h"
#include <math.h>
#include <metis.h>
#include <suitesparse/amd.h>

/* Rows with more than this times sqrt(n) neighbours are left out of the graph; rows with neighbours
   in more than half of all are not counted among the neighbours */
static const double DENSE = 10.0;

/* Which rows stay in the graph: number [n] there, or -1. Rows with neighbours in more than half of
   all rows are taken out first: they would make all others look dense, as 1,000 SNPs do with 2,000
   animals. */
static PetscErrorCode Keep(const FactorGraph *graph, int32_t *n, int32_t number[])
{
  const double size = (double)graph->n + graph->extra, most = PetscMax(16.0, DENSE * sqrt(size));
  bool        *full;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(graph->n + 1, &full));
  for (int32_t i = 0; i < graph->n; i++) {
    const double degree = (double)(graph->start[i + 1] - graph->start[i]);

    full[i] = degree + graph->extra > most && degree > 0.5 * graph->n;
  }
  *n = 0;
  for (int32_t i = 0; i < graph->n; i++) {
    int32_t degree = 0;

    for (int64_t e = graph->start[i]; e < graph->start[i + 1] && !full[i]; e++) degree += !full[graph->neighbour[e]];
    number[i] = full[i] || degree > most ? -1 : (*n)++;
  }
  PetscCall(PetscFree(full));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The graph of the rows that stay; number [n] of each row there, -1 for rows left out */
static PetscErrorCode Thin(const FactorGraph *graph, FactorGraph *thin, int32_t number[])
{
  int64_t n = 0;

  PetscFunctionBegin;
  PetscCall(Keep(graph, &thin->n, number));
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

/* position [row of the whole graph] from the order of the rows that stay; the others follow */
static void Widen(const FactorGraph *graph, const int32_t number[], const int32_t order[], int32_t n_thin, int32_t position[])
{
  int32_t behind = n_thin;

  for (int32_t i = 0; i < graph->n; i++) position[i] = number[i] >= 0 ? order[number[i]] : behind++;
}

/* Approximate minimum degree by AMD; order [row] = position */
static PetscErrorCode Degree(const FactorGraph *thin, int32_t order[], MeritFault *fault)
{
  int32_t *start, *perm;
  double   control[AMD_CONTROL], info[AMD_INFO];
  int      code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(thin->n + 1, &start, thin->n + 1, &perm));
  for (int32_t i = 0; i <= thin->n; i++) start[i] = (int32_t)thin->start[i];
  amd_defaults(control);
  code = amd_order(thin->n, start, thin->neighbour, perm, control, info);
  if (code != AMD_OK && code != AMD_OK_BUT_JUMBLED)
    MeritFaultSet(fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "not enough memory to order the equations (minimum degree, %d)", code);
  /* AMD returns the row at each position; the inverse permutation is stored */
  for (int32_t i = 0; i < thin->n && !fault->kind; i++) order[perm[i]] = i;
  PetscCall(PetscFree2(start, perm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Nested dissection by METIS with a fixed seed; order [row] = position */
static PetscErrorCode Dissection(const FactorGraph *thin, int32_t order[], MeritFault *fault)
{
  idx_t *start, *perm, n = thin->n, options[METIS_NOPTIONS];
  int    code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(thin->n + 1, &start, thin->n + 1, &perm));
  for (int32_t i = 0; i <= thin->n; i++) start[i] = (idx_t)thin->start[i];
  METIS_SetDefaultOptions(options);
  options[METIS_OPTION_SEED] = 1;
  code                       = METIS_NodeND(&n, start, thin->neighbour, NULL, options, perm, order);
  if (code != METIS_OK)
    MeritFaultSet(fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "not enough memory to order the equations (nested dissection, %d)", code);
  PetscCall(PetscFree2(start, perm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The order with fewer operations. Small graphs are not dissected, since minimum degree is good
   there. */
static PetscErrorCode Choose(const FactorGraph *graph, const FactorGraph *thin, const int32_t number[], int32_t position[], MeritFault *fault)
{
  int32_t *order, *other;
  double   flops[2];

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(graph->n + 1, &order, graph->n + 1, &other));
  PetscCall(Degree(thin, order, fault));
  if (!fault->kind) {
    Widen(graph, number, order, thin->n, position);
    PetscCall(FactorFlops(graph, position, &flops[0]));
  }
  if (!fault->kind && thin->n > 1000 && thin->start[thin->n] > 0) PetscCall(Dissection(thin, order, fault));
  if (!fault->kind && thin->n > 1000 && thin->start[thin->n] > 0) {
    Widen(graph, number, order, thin->n, other);
    PetscCall(FactorFlops(graph, other, &flops[1]));
    if (flops[1] < flops[0]) PetscCall(PetscArraycpy(position, other, graph->n));
  }
  PetscCall(PetscFree2(order, other));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorOrder - See the header. Not collective. */
PetscErrorCode FactorOrder(const FactorGraph *graph, FactorTree *tree, MeritFault *fault)
{
  FactorGraph thin = {0};
  int32_t    *number;

  PetscFunctionBegin;
  tree->n = graph->n;
  PetscCall(PetscMalloc1(graph->n + 1, &tree->position));
  PetscCall(PetscMalloc1(graph->n + 1, &number));
  PetscCall(Thin(graph, &thin, number));
  if (thin.start[thin.n] >= INT32_MAX)
    MeritFaultSet(fault, MERIT_ERROR_USAGE, NULL, 0, NULL, "%lld entries are too many to order for a factor, which takes 2^31 at most",
                  (long long)thin.start[thin.n]);
  else PetscCall(Choose(graph, &thin, number, tree->position, fault));
  PetscCall(PetscFree(thin.start));
  PetscCall(PetscFree(thin.neighbour));
  PetscCall(PetscFree(number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

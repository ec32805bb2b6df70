/*
  The factor object: analysis of the pattern, and distribution of what each rank needs.

  MeritFactorAnalyse gathers the graph of the matrix on rank 0, which finds an order of elimination
  (order.c) and the tree of supernodes (symbolic.c). MeritFactorComplete sends the tree to all
  ranks, divides it over them and plans the exchange of entries (map.c). Numbers follow in
  numeric.c, solves in solve.c, the inverse in inverse.c. Sizes are predicted by size.c.
*/
#include "factor_impl.h"
#include <merit/error.h>
#include <merit/log.h>
#include <omp.h>
#include <stdlib.h>

/* Columns of this rank's rows without the diagonal, row after row: *column [*n]; (*count)[row] is
   their number, -1 for a full row. Both are owned by the caller. */
static PetscErrorCode LocalGraph(Mat A, const bool full[], int64_t *n, int32_t **count, int32_t **column)
{
  PetscInt first, last;

  PetscFunctionBegin;
  PetscCall(MatGetOwnershipRange(A, &first, &last));
  PetscCall(PetscCalloc1((size_t)(last - first) + 1, count));
  *n = 0;
  /* First pass counts, second pass fills */
  for (int pass = 0; pass < 2; pass++) {
    if (pass) PetscCall(PetscMalloc1(*n + 1, column));
    *n = 0;
    for (PetscInt i = first; i < last; i++) {
      const PetscInt *at;
      PetscInt        m;

      if (full && full[i - first]) {
        (*count)[i - first] = -1;
        continue;
      }
      PetscCall(MatGetRow(A, i, &m, &at, NULL));
      for (PetscInt e = 0; e < m; e++) {
        if (at[e] == i) continue;
        if (pass) (*column)[*n] = (int32_t)at[e], (*count)[i - first]++;
        ++*n;
      }
      PetscCall(MatRestoreRow(A, i, &m, &at, NULL));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Items of all ranks on rank 0, in rank order. Collective; *all [*n_all] is owned by the caller. */
static PetscErrorCode Gather(MPI_Comm comm, int64_t n, const int32_t *mine, int32_t **all, int64_t *n_all)
{
  PetscMPIInt  *to;
  MeritExchange ex;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n + 1, &to));
  PetscCall(MeritExchangeCreate(comm, n, to, &ex));
  *n_all = MeritExchangeArriving(ex);
  PetscCall(PetscMalloc1(*n_all + 1, all));
  PetscCall(MeritExchangeForward(ex, sizeof(*mine), mine, *all));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree(to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Graph of the n rows from their neighbours (graph->neighbour, row after row) and the number count
   [n] of each. All rows that are full (-1) become one vertex, the last; graph->extra is the number
   of full rows beyond the first. */
static PetscErrorCode Build(int32_t n, const int32_t count[], FactorGraph *graph)
{
  const int32_t *from = graph->neighbour;
  int32_t       *number, *to, n_full = 0;
  int64_t        at = 0;

  PetscFunctionBegin;
  for (int32_t i = 0; i < n; i++) n_full += count[i] < 0, at += PetscMax(count[i], 0);
  PetscCall(PetscMalloc1(n + 1, &number));
  for (int32_t i = 0, next = 0; i < n; i++) number[i] = count[i] < 0 ? n - n_full : next++;
  graph->n     = n - n_full + (n_full > 0);
  graph->extra = n_full > 0 ? n_full - 1 : 0;
  PetscCall(PetscMalloc1(graph->n + 1, &graph->start));
  PetscCall(PetscMalloc1((size_t)(at + (n_full ? 2 * (int64_t)graph->n : 0) + 1), &to));
  at = 0;
  for (int32_t i = 0; i < n; i++) {
    if (count[i] < 0) continue;
    graph->start[number[i]] = at;
    for (const int32_t *end = from + count[i]; from < end; from++)
      if (count[*from] >= 0) to[at++] = number[*from];
    if (n_full) to[at++] = n - n_full; /* every row has the full ones as neighbours */
  }
  if (n_full) graph->start[n - n_full] = at;
  for (int32_t i = 0; n_full && i < n - n_full; i++) to[at++] = i;
  graph->start[graph->n] = at;
  PetscCall(PetscFree(graph->neighbour));
  PetscCall(PetscFree(number));
  graph->neighbour = to;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The graph on rank 0, empty on the others. Collective. USAGE error for 2^31 equations or more. */
static PetscErrorCode Graph(MPI_Comm comm, PetscMPIInt rank, Mat A, const bool full[], FactorGraph *graph)
{
  int32_t *count, *column, *all;
  PetscInt n_rows, N;
  int64_t  n = 0, n_all;

  PetscFunctionBegin;
  PetscCall(MatGetLocalSize(A, &n_rows, NULL));
  PetscCall(MatGetSize(A, &N, NULL));
  if ((int64_t)N >= INT32_MAX)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "%lld equations are too many for a factor, which has 2^31 at most", (long long)N));
  PetscCall(LocalGraph(A, full, &n, &count, &column));
  PetscCall(Gather(comm, n, column, &graph->neighbour, &n_all));
  PetscCall(Gather(comm, n_rows, count, &all, &n_all));
  PetscCall(Build(rank ? 0 : (int32_t)N, all, graph));
  PetscCall(PetscFree(count));
  PetscCall(PetscFree(column));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Broadcast an array of rank 0; the others allocate it. `array` points to its pointer. Collective. */
static PetscErrorCode Spread(MPI_Comm comm, PetscMPIInt rank, int64_t n, size_t bytes, void *array)
{
  char **at = array;

  PetscFunctionBegin;
  if (rank) PetscCall(PetscMalloc((size_t)n * bytes + 1, at));
  PetscCall(FactorSpread(comm, n * (int64_t)bytes, *at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Broadcast the tree. Collective. */
static PetscErrorCode SpreadTree(MPI_Comm comm, PetscMPIInt rank, FactorTree *t)
{
  int32_t size[2] = {t->n, t->n_nodes};

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(size, 2, MPI_INT32_T, 0, comm));
  t->n       = size[0];
  t->n_nodes = size[1];
  PetscCall(Spread(comm, rank, t->n, sizeof(int32_t), &t->position));
  PetscCall(Spread(comm, rank, t->n, sizeof(int32_t), &t->node));
  PetscCall(Spread(comm, rank, t->n_nodes + 1, sizeof(int32_t), &t->first));
  PetscCall(Spread(comm, rank, t->n_nodes, sizeof(int32_t), &t->parent));
  PetscCall(Spread(comm, rank, t->n_nodes, sizeof(int32_t), &t->child));
  PetscCall(Spread(comm, rank, t->n_nodes, sizeof(int32_t), &t->sibling));
  PetscCall(Spread(comm, rank, t->n_nodes + 1, sizeof(int64_t), &t->start));
  PetscCall(Spread(comm, rank, t->start[t->n_nodes], sizeof(int32_t), &t->row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFactorAnalyse - Order the pattern of a matrix and find the elimination tree.

  Collective.

  Input Parameters:
+ A    - MATAIJ with both triangles; only its positions count, the layout of its rows is that of all vectors to come
- full - see the header

  Output Parameter:
. factor - owned by the caller, free with `MeritFactorDestroy()`

  Notes:
  The graph goes to rank 0, which has order and tree alone until `MeritFactorComplete()`. Rows that are full stand in it once for all, so that
  sizes are known of a factor that is far too large. The number of OpenMP threads is taken here.

  Errors: USAGE for 2^31 equations, or as many neighbours of rows that are not dense; SYSTEM where memory lacks for the order.
@*/
PetscErrorCode MeritFactorAnalyse(Mat A, const bool full[], MeritFactor *factor)
{
  MeritFactor f;
  FactorGraph graph = {0};
  MeritFault  fault = {0};

  PetscFunctionBegin;
  /* Only the structure is analysed: numbers of A may change between analysis and factorisation */
  PetscCall(PetscNew(&f));
  *factor = f;
  PetscCall(PetscObjectGetComm((PetscObject)A, &f->comm));
  PetscCallMPI(MPI_Comm_rank(f->comm, &f->rank));
  PetscCallMPI(MPI_Comm_size(f->comm, &f->size));
  /* all ranks divide the tree alike, so rank 0's number of threads counts */
  f->n_threads = omp_get_max_threads();
  PetscCallMPI(MPI_Bcast(&f->n_threads, 1, MPI_INT, 0, f->comm));
  f->sizes_only = full != NULL;
  PetscCall(Graph(f->comm, f->rank, A, full, &graph));
  if (!f->rank) {
    MeritLogProgress(-1, "ordering %d equations for their factor", graph.n);
    PetscCall(FactorOrder(&graph, &f->tree, &fault));
    /* an order is useless if the memory for it was missing */
    if (!fault.kind) PetscCall(FactorSymbolic(&graph, &f->tree, &f->need.flops));
  }
  PetscCall(MeritFaultAgree(f->comm, &fault));
  PetscCall(PetscFree(graph.start));
  PetscCall(PetscFree(graph.neighbour));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFactorComplete - Make an analysed factor ready for numbers.

  Collective.

  Input Parameters:
+ factor - of `MeritFactorAnalyse()`, without full rows
- A      - the matrix that was analysed

  Notes:
  Every rank gets the order and the tree: 4 bytes for each row below a supernode. Numbers stay distributed.
@*/
PetscErrorCode MeritFactorComplete(MeritFactor f, Mat A)
{
  const double flops = f->need.flops;

  PetscFunctionBegin;
  PetscCheck(!f->sizes_only, f->comm, PETSC_ERR_ARG_WRONGSTATE, "a factor of which only the sizes are known");
  PetscCall(SpreadTree(f->comm, f->rank, &f->tree));
  PetscCall(FactorMap(f, A));
  PetscCall(FactorMeasure(f, &f->need));
  f->need.flops = flops;
  PetscCallMPI(MPI_Bcast(&f->need.flops, 1, MPI_DOUBLE, 0, f->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFactorCreate - Order and analyse the pattern of a matrix: `MeritFactorAnalyse()` and `MeritFactorComplete()`.

  Collective.

  Input Parameter:
. A - MATAIJ with both triangles

  Output Parameter:
. factor - owned by the caller, free with `MeritFactorDestroy()`
@*/
PetscErrorCode MeritFactorCreate(Mat A, MeritFactor *factor)
{
  PetscFunctionBegin;
  PetscCall(MeritFactorAnalyse(A, NULL, factor));
  PetscCall(MeritFactorComplete(*factor, A));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorForesee - See the header. Rank 0 has the tree: it divides a copy over the wanted ranks
   and threads, measures that, and broadcasts the result. Collective. */
PetscErrorCode MeritFactorForesee(MeritFactor factor, int ranks, int threads, MeritFactorNeed *need)
{
  struct _p_MeritFactor f = {.tree = factor->tree, .size = ranks, .n_threads = threads};

  PetscFunctionBegin;
  if (!factor->rank) {
    PetscCall(FactorShare(&f));
    PetscCall(FactorMeasure(&f, need));
    PetscCall(PetscFree(f.branch));
    PetscCall(PetscFree(f.owner));
    PetscCall(PetscFree(f.top));
    need->flops = factor->need.flops;
  }
  PetscCallMPI(MPI_Bcast(need, (int)(sizeof(*need) / sizeof(double)), MPI_DOUBLE, 0, factor->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorSize - See the header. Sizes are those of this run's ranks and threads, known since
   the analysis. Not collective. */
const MeritFactorNeed *MeritFactorSize(MeritFactor f) { return &f->need; }

/* MeritFactorLogDeterminant - See the header; log |A| = 2 sum log L_kk was summed at the
   factorisation. Not collective. */
PetscErrorCode MeritFactorLogDeterminant(MeritFactor f, double *log_determinant)
{
  PetscFunctionBegin;
  PetscCheck(f->definite, f->comm, PETSC_ERR_ORDER, "there is no factor");
  *log_determinant = f->log_determinant;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorDestroy - NULL-safe; sets the handle to NULL. Collective. */
PetscErrorCode MeritFactorDestroy(MeritFactor *factor)
{
  MeritFactor f = *factor;

  PetscFunctionBegin;
  if (!f) PetscFunctionReturn(PETSC_SUCCESS);
  for (int32_t j = 0; f->L && j < f->tree.n_nodes; j++) free(f->L[j]);
  PetscCall(PetscFree(f->L));
  PetscCall(FactorTreeDestroy(&f->tree));
  PetscCall(PetscFree(f->branch));
  PetscCall(PetscFree(f->owner));
  PetscCall(PetscFree(f->top));
  PetscCall(MeritExchangeDestroy(&f->entries));
  PetscCall(MeritExchangeDestroy(&f->rows));
  PetscCall(PetscFree(f->entry.start));
  PetscCall(PetscFree(f->entry.at));
  PetscCall(PetscFree(f->entry.source));
  PetscCall(PetscFree(f->entry.lower));
  PetscCall(PetscFree(f->arrived));
  PetscCall(PetscFree(*factor));
  PetscFunctionReturn(PETSC_SUCCESS);
}

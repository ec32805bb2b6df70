/* The life of a factor: its graph to rank 0, the analysis there, and what every rank needs of it. */
#include "factor_impl.h"
#include <merit/error.h>
#include <merit/log.h>
#include <omp.h>
#include <stdlib.h>

/* Columns of this rank's rows but the diagonal, and how many a row has */
static PetscErrorCode LocalGraph(Mat A, int64_t *n, int32_t **count, int32_t **column)
{
  PetscInt first, last;

  PetscFunctionBegin;
  PetscCall(MatGetOwnershipRange(A, &first, &last));
  PetscCall(PetscCalloc1((size_t)(last - first) + 1, count));
  *n = 0;
  for (int pass = 0; pass < 2; pass++) {
    if (pass) PetscCall(PetscMalloc1(*n + 1, column));
    *n = 0;
    for (PetscInt i = first; i < last; i++) {
      const PetscInt *at;
      PetscInt        m;

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

/* Items of all ranks to rank 0, in their order */
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

/* The graph on rank 0, empty on the others */
static PetscErrorCode Graph(MPI_Comm comm, PetscMPIInt rank, Mat A, FactorGraph *graph)
{
  int32_t *count, *column, *all;
  PetscInt n_rows, N;
  int64_t  n = 0, n_all;

  PetscFunctionBegin;
  PetscCall(MatGetLocalSize(A, &n_rows, NULL));
  PetscCall(MatGetSize(A, &N, NULL));
  if ((int64_t)N >= INT32_MAX)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "%lld equations are too many for a factor, which has 2^31 at most", (long long)N));
  PetscCall(LocalGraph(A, &n, &count, &column));
  PetscCall(Gather(comm, n, column, &graph->neighbour, &n_all));
  PetscCall(Gather(comm, n_rows, count, &all, &n_all));
  graph->n = rank ? 0 : (int32_t)N;
  PetscCall(PetscMalloc1(graph->n + 1, &graph->start));
  graph->start[0] = 0;
  for (int32_t i = 0; i < graph->n; i++) graph->start[i + 1] = graph->start[i] + all[i];
  PetscCall(PetscFree(count));
  PetscCall(PetscFree(column));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* An array of rank 0 to all, which make it */
static PetscErrorCode Spread(MPI_Comm comm, PetscMPIInt rank, int64_t n, size_t bytes, void *array)
{
  char **at = array;

  PetscFunctionBegin;
  if (rank) PetscCall(PetscMalloc((size_t)n * bytes + 1, at));
  PetscCall(FactorSpread(comm, n * (int64_t)bytes, *at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SpreadTree(MPI_Comm comm, PetscMPIInt rank, FactorTree *t)
{
  int32_t size[2] = {t->n, t->n_nodes};

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(size, 2, MPI_INT32_T, 0, comm));
  t->n       = size[0];
  t->n_nodes = size[1];
  PetscCall(Spread(comm, rank, t->n, sizeof(int32_t), &t->place));
  PetscCall(Spread(comm, rank, t->n, sizeof(int32_t), &t->node));
  PetscCall(Spread(comm, rank, t->n_nodes + 1, sizeof(int32_t), &t->first));
  PetscCall(Spread(comm, rank, t->n_nodes, sizeof(int32_t), &t->parent));
  PetscCall(Spread(comm, rank, t->n_nodes, sizeof(int32_t), &t->child));
  PetscCall(Spread(comm, rank, t->n_nodes, sizeof(int32_t), &t->sibling));
  PetscCall(Spread(comm, rank, t->n_nodes + 1, sizeof(int64_t), &t->start));
  PetscCall(Spread(comm, rank, t->start[t->n_nodes], sizeof(int32_t), &t->row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Bytes on the fullest rank: columns, and what is alive at most of fronts, for which the largest paths stand */
static PetscErrorCode Measure(MeritFactor f)
{
  const FactorTree *t = &f->tree;
  double            mine[2] = {0.0, 0.0}, *path;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(t->n_nodes + 1, &path));
  f->n_L = 0.0;
  for (int32_t j = t->n_nodes - 1; j >= 0; j--) {
    const double w = NodeWidth(t, j), b = NodeBelow(t, j);

    f->n_L += w * (w + 1.0) / 2.0 + w * b;
    path[j] = 8.0 * (w + b) * (w + b) + (t->parent[j] >= 0 && f->owner[t->parent[j]] == f->owner[j] ? path[t->parent[j]] : 0.0);
    if (f->owner[j] != f->rank) continue;
    mine[0] += 8.0 * w * (w + b);
    mine[1] = PetscMax(mine[1], path[j]);
  }
  mine[1] += mine[0];
  PetscCall(PetscFree(path));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, mine, 2, MPI_DOUBLE, MPI_MAX, f->comm));
  f->bytes         = mine[1]; /* fronts wait on their way up as they do on their way down */
  f->bytes_inverse = mine[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFactorCreate - Order and analyse the pattern of a matrix.

  Collective.

  Input Parameter:
. A - MATAIJ with both triangles; only its places count, the layout of its rows is that of all vectors to come

  Output Parameter:
. factor - owned by the caller, free with `MeritFactorDestroy()`

  Notes:
  The graph goes to rank 0, whose order and tree every rank gets: 4 bytes for each row below a supernode. Numbers stay distributed. The
  number of OpenMP threads is taken here.

  Errors: USAGE for 2^31 equations, or as many neighbours of rows that are not dense; SYSTEM where memory lacks for the order.
@*/
PetscErrorCode MeritFactorCreate(Mat A, MeritFactor *factor)
{
  MeritFactor f;
  FactorGraph graph = {0};
  MeritFault  fault = {0};

  PetscFunctionBegin;
  PetscCall(PetscNew(&f));
  *factor = f;
  PetscCall(PetscObjectGetComm((PetscObject)A, &f->comm));
  PetscCallMPI(MPI_Comm_rank(f->comm, &f->rank));
  PetscCallMPI(MPI_Comm_size(f->comm, &f->size));
  f->n_threads = omp_get_max_threads();
  PetscCallMPI(MPI_Bcast(&f->n_threads, 1, MPI_INT, 0, f->comm));
  PetscCall(Graph(f->comm, f->rank, A, &graph));
  if (!f->rank) {
    MeritLogProgress(-1, "ordering %d equations for their factor", graph.n);
    PetscCall(FactorOrder(&graph, &f->tree, &fault));
    if (!fault.kind) PetscCall(FactorSymbolic(&graph, &f->tree, &f->flops));
  }
  PetscCall(MeritFaultAgree(f->comm, &fault));
  PetscCall(PetscFree(graph.start));
  PetscCall(PetscFree(graph.neighbour));
  PetscCallMPI(MPI_Bcast(&f->flops, 1, MPI_DOUBLE, 0, f->comm));
  PetscCall(SpreadTree(f->comm, f->rank, &f->tree));
  PetscCall(FactorMap(f, A));
  PetscCall(Measure(f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorSize - See the header. Not collective. */
PetscErrorCode MeritFactorSize(MeritFactor f, double *bytes, double *bytes_inverse, double *entries, double *flops)
{
  PetscFunctionBegin;
  if (bytes) *bytes = f->bytes;
  if (bytes_inverse) *bytes_inverse = f->bytes_inverse;
  if (entries) *entries = f->n_L;
  if (flops) *flops = f->flops;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorLogDeterminant - See the header. Not collective. */
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

/* The elimination tree of an order (Liu 1990), supernodes of columns with the same rows below, and those rows. */
#include "factor_impl.h"
#include <stdlib.h>
#include <string.h>

/* Columns that may be put together although their rows differ: up to so many columns, with such a share of zeros */
static const struct {
  int32_t width;
  double  zeros;
} RELAX[] = {{4, 0.8}, {16, 0.1}, {48, 0.05}};

/* Columns by their places, with the neighbours before them */
typedef struct {
  int32_t  n;
  int32_t *row; /* [n] of the graph */
  int32_t *parent, *count; /* [n] elimination tree, entries of the column, the diagonal included */
} Columns;

static PetscErrorCode ColumnsCreate(const FactorGraph *graph, const int32_t place[], Columns *c)
{
  PetscFunctionBegin;
  c->n = graph->n;
  PetscCall(PetscMalloc3(c->n + 1, &c->row, c->n + 1, &c->parent, c->n + 1, &c->count));
  for (int32_t i = 0; i < c->n; i++) c->row[place[i]] = i;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode ColumnsDestroy(Columns *c)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(c->row, c->parent, c->count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Parents by paths that are made shorter as they are walked */
static PetscErrorCode EliminationTree(const FactorGraph *graph, const int32_t place[], Columns *c)
{
  int32_t *ancestor;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(c->n + 1, &ancestor));
  for (int32_t k = 0; k < c->n; k++) {
    const int32_t i = c->row[k];

    c->parent[k] = ancestor[k] = -1;
    for (int64_t e = graph->start[i]; e < graph->start[i + 1]; e++) {
      int32_t j = place[graph->neighbour[e]];

      while (j >= 0 && j < k) {
        const int32_t next = ancestor[j];

        ancestor[j] = k;
        if (next < 0) c->parent[j] = k;
        j = next;
      }
    }
  }
  PetscCall(PetscFree(ancestor));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Entries of each column: every row's neighbours climb the tree until they meet a column that has the row */
static PetscErrorCode Count(const FactorGraph *graph, const int32_t place[], Columns *c)
{
  int32_t *mark;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(c->n + 1, &mark));
  for (int32_t k = 0; k < c->n; k++) {
    const int32_t i = c->row[k];

    mark[k]     = k;
    c->count[k] = 1;
    for (int64_t e = graph->start[i]; e < graph->start[i + 1]; e++)
      for (int32_t j = place[graph->neighbour[e]]; j < k && mark[j] != k; j = c->parent[j]) {
        mark[j] = k;
        c->count[j]++;
      }
  }
  for (int32_t k = 0; k < c->n; k++) c->count[k] += graph->extra; /* the last row is in every column */
  PetscCall(PetscFree(mark));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorFlops - See the header. Not collective. */
PetscErrorCode FactorFlops(const FactorGraph *graph, const int32_t place[], double *flops)
{
  Columns c;

  PetscFunctionBegin;
  PetscCall(ColumnsCreate(graph, place, &c));
  PetscCall(EliminationTree(graph, place, &c));
  PetscCall(Count(graph, place, &c));
  *flops = 0.0;
  for (int32_t k = 0; k < c.n; k++) *flops += (double)c.count[k] * c.count[k]; /* those of extra columns are the same in any order */
  PetscCall(ColumnsDestroy(&c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Lists of children, the one with most rows at the end; c->n stands for the parent of roots */
static void Children(const Columns *c, int32_t head[], int32_t next[], int32_t most[])
{
  for (int32_t k = 0; k <= c->n; k++) head[k] = most[k] = -1;
  for (int32_t k = 0; k < c->n; k++) {
    const int32_t p = c->parent[k] < 0 ? c->n : c->parent[k];

    if (most[p] < 0 || c->count[k] > c->count[most[p]]) most[p] = k;
  }
  for (int32_t p = 0; p <= c->n; p++)
    if (most[p] >= 0) next[most[p]] = -1, head[p] = most[p];
  for (int32_t k = 0; k < c->n; k++) {
    const int32_t p = c->parent[k] < 0 ? c->n : c->parent[k];

    if (k != most[p]) next[k] = head[p], head[p] = k;
  }
}

/* place -> the same elimination, children before parents and subtrees together */
static PetscErrorCode Postorder(Columns *c, int32_t place[])
{
  int32_t *head, *next, *stack, *post, depth = 0, number = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc4(c->n + 1, &head, c->n + 1, &next, c->n + 1, &stack, c->n + 1, &post));
  Children(c, head, next, post);
  stack[depth++] = c->n;
  while (depth > 0) {
    const int32_t k = stack[depth - 1], child = head[k];

    if (child >= 0) {
      head[k]        = next[child];
      stack[depth++] = child;
    } else {
      depth--;
      if (k < c->n) post[k] = number++;
    }
  }
  for (int32_t i = 0; i < c->n; i++) place[i] = post[place[i]];
  PetscCall(PetscFree4(head, next, stack, post));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Supernodes of equal structure: a column joins the one before if that is its child and has just one entry more */
static PetscErrorCode Fundamental(const Columns *c, FactorTree *t)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1(c->n + 1, &t->first));
  t->n_nodes = 0;
  for (int32_t k = 0; k < c->n; k++)
    if (!k || c->parent[k - 1] != k || c->count[k - 1] != c->count[k] + 1) t->first[t->n_nodes++] = k;
  t->first[t->n_nodes] = c->n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* May a supernode of columns [first, middle) go together with the next, [middle, last), which is its parent? zeros: what both have already */
static bool Worth(const Columns *c, int32_t first, int32_t middle, int32_t last, double *zeros)
{
  const double one = middle - first, two = last - middle;
  const double more = one * (double)(c->count[middle] - (c->count[middle - 1] - 1)); /* rows that its columns lack */
  const double all  = (one + two) * (one + two + 1.0) / 2.0 + (one + two) * (c->count[last - 1] - 1.0);

  for (size_t r = 0; r < sizeof(RELAX) / sizeof(*RELAX); r++)
    if (one + two <= RELAX[r].width && *zeros + more <= RELAX[r].zeros * all) {
      *zeros += more;
      return true;
    }
  if (*zeros + more > 0.0) return false;
  return true;
}

/* Put supernodes together with their parents where that costs few zeros, from the left */
static PetscErrorCode Relax(const Columns *c, FactorTree *t)
{
  int32_t n     = 0;
  double  zeros = 0.0;

  PetscFunctionBegin;
  for (int32_t j = 0; j < t->n_nodes; j++) {
    const int32_t first = t->first[j], last = t->first[j + 1];

    /* the supernode before is the last child, so it stands next to its parent */
    if (n && c->parent[first - 1] == first && Worth(c, t->first[n - 1], first, last, &zeros))
      continue;
    t->first[n++] = first;
    zeros         = 0.0;
  }
  t->n_nodes  = n;
  t->first[n] = c->n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static int Ascending(const void *a, const void *b)
{
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

  return (x > y) - (x < y);
}

/* Rows below a supernode: its columns' neighbours and its children's rows; mark[n] is the node that met a row last */
static int32_t Rows(const FactorGraph *graph, const FactorTree *t, const Columns *c, int32_t j, int32_t child, const int32_t sibling[],
                    int32_t mark[], int32_t *to)
{
  const int32_t last = t->first[j + 1];
  int32_t       n    = 0;

  for (int32_t k = t->first[j]; k < last; k++)
    for (int64_t e = graph->start[c->row[k]]; e < graph->start[c->row[k] + 1]; e++) {
      const int32_t i = t->place[graph->neighbour[e]];

      if (i >= last && mark[i] != j) mark[i] = j, to[n++] = i;
    }
  for (; child >= 0; child = sibling[child])
    for (int64_t e = t->start[child]; e < t->start[child + 1]; e++)
      if (t->row[e] >= last && mark[t->row[e]] != j) mark[t->row[e]] = j, to[n++] = t->row[e];
  qsort(to, (size_t)n, sizeof(*to), Ascending);
  return n;
}

/* Rows and parents of all supernodes, from the leaves */
static PetscErrorCode Structure(const FactorGraph *graph, const Columns *c, FactorTree *t)
{
  int32_t *mark, *child, *sibling, *to;
  int64_t  room = 4 * (int64_t)c->n + 16;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(c->n + 1, &t->node));
  PetscCall(PetscMalloc1(t->n_nodes + 1, &t->parent));
  PetscCall(PetscMalloc1(t->n_nodes + 1, &t->start));
  PetscCall(PetscMalloc1(room, &t->row));
  PetscCall(PetscMalloc1(t->n_nodes + 1, &t->child));
  PetscCall(PetscMalloc1(t->n_nodes + 1, &t->sibling));
  PetscCall(PetscMalloc2(c->n + 1, &mark, c->n + 1, &to));
  child   = t->child;
  sibling = t->sibling;
  for (int32_t k = 0; k < c->n; k++) mark[k] = -1;
  for (int32_t j = 0; j < t->n_nodes; j++) {
    child[j] = sibling[j] = t->parent[j] = -1;
    for (int32_t k = t->first[j]; k < t->first[j + 1]; k++) t->node[k] = j;
  }
  t->start[0] = 0;
  for (int32_t j = 0; j < t->n_nodes; j++) {
    const int32_t n = Rows(graph, t, c, j, child[j], sibling, mark, to);

    if (t->start[j] + n > room) {
      room = 2 * room + n;
      PetscCall(PetscRealloc((size_t)room * sizeof(*t->row), &t->row));
    }
    PetscCall(PetscArraycpy(t->row + t->start[j], to, n));
    t->start[j + 1] = t->start[j] + n;
    if (!n) continue;
    t->parent[j]          = t->node[to[0]];
    sibling[j]            = child[t->parent[j]];
    child[t->parent[j]]   = j;
  }
  PetscCall(PetscFree2(mark, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sizes with the columns that the last one stands for: rows below all other supernodes */
static void Extend(FactorTree *t, int32_t extra)
{
  for (int32_t j = 0; j < t->n_nodes; j++) t->start[j + 1] += (int64_t)PetscMin(j + 1, t->n_nodes - 1) * extra;
  t->first[t->n_nodes] += extra;
}

/* FactorSymbolic - See the header. Not collective. */
PetscErrorCode FactorSymbolic(const FactorGraph *graph, FactorTree *tree, double *flops)
{
  Columns c;

  PetscFunctionBegin;
  for (int pass = 0; pass < 2; pass++) { /* in the order given, and in its postorder */
    PetscCall(ColumnsCreate(graph, tree->place, &c));
    PetscCall(EliminationTree(graph, tree->place, &c));
    PetscCall(Count(graph, tree->place, &c));
    if (!pass) {
      PetscCall(Postorder(&c, tree->place));
      PetscCall(ColumnsDestroy(&c));
    }
  }
  PetscCall(Fundamental(&c, tree));
  PetscCall(Relax(&c, tree));
  PetscCall(Structure(graph, &c, tree));
  if (graph->extra) Extend(tree, graph->extra);
  *flops = 0.0;
  for (int32_t j = 0; j < tree->n_nodes; j++)
    for (int32_t k = 0; k < NodeWidth(tree, j); k++) *flops += (double)(NodeOrder(tree, j) - k) * (NodeOrder(tree, j) - k);
  PetscCall(ColumnsDestroy(&c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorTreeDestroy - Free what a tree holds. Not collective. */
PetscErrorCode FactorTreeDestroy(FactorTree *t)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(t->place));
  PetscCall(PetscFree(t->first));
  PetscCall(PetscFree(t->parent));
  PetscCall(PetscFree(t->child));
  PetscCall(PetscFree(t->sibling));
  PetscCall(PetscFree(t->node));
  PetscCall(PetscFree(t->start));
  PetscCall(PetscFree(t->row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

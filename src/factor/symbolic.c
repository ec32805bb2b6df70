/*
  Symbolic factorisation: the elimination tree of an order (Liu 1990), supernodes, and the rows
  below each of them.

  Steps: parents by path compression (EliminationTree), entries of each column (Count), a postorder
  that keeps subtrees together (Postorder), supernodes of columns with equal structure
  (Fundamental), merging of small ones at the cost of a few zeros (Relax), lists of rows
  (Structure).
*/
#include "factor_impl.h"
#include <stdlib.h>
#include <string.h>

/* Supernodes may be merged up to these widths if at most this fraction of their entries is then
   zeros */
static const struct {
  int32_t width;
  double  zeros;
} RELAX[] = {{4, 0.8}, {16, 0.1}, {48, 0.05}};

/* Columns in the order of elimination */
typedef struct {
  int32_t  n;
  int32_t *row;            /* [n] of the graph */
  int32_t *parent, *count; /* [n] elimination tree, entries of the column, the diagonal included */
} Columns;

/* Columns for an order; free with ColumnsDestroy() */
static PetscErrorCode ColumnsCreate(const FactorGraph *graph, const int32_t position[], Columns *c)
{
  PetscFunctionBegin;
  c->n = graph->n;
  PetscCall(PetscMalloc3(c->n + 1, &c->row, c->n + 1, &c->parent, c->n + 1, &c->count));
  for (int32_t i = 0; i < c->n; i++) c->row[position[i]] = i;
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode ColumnsDestroy(Columns *c)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(c->row, c->parent, c->count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Parent of each column: the first row below it in L. Paths to the root are shortened as they are
   walked (Liu 1990). */
static PetscErrorCode EliminationTree(const FactorGraph *graph, const int32_t position[], Columns *c)
{
  int32_t *ancestor;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(c->n + 1, &ancestor));
  for (int32_t k = 0; k < c->n; k++) {
    const int32_t i = c->row[k];

    c->parent[k] = ancestor[k] = -1;
    for (int64_t e = graph->start[i]; e < graph->start[i + 1]; e++) {
      int32_t j = position[graph->neighbour[e]];

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

/* Number of entries of each column of L: for each row, its neighbours climb the tree until a column
   that is marked with this row */
static PetscErrorCode Count(const FactorGraph *graph, const int32_t position[], Columns *c)
{
  int32_t *mark;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(c->n + 1, &mark));
  for (int32_t k = 0; k < c->n; k++) {
    const int32_t i = c->row[k];

    mark[k]     = k;
    c->count[k] = 1;
    for (int64_t e = graph->start[i]; e < graph->start[i + 1]; e++)
      for (int32_t j = position[graph->neighbour[e]]; j < k && mark[j] != k; j = c->parent[j]) {
        mark[j] = k;
        c->count[j]++;
      }
  }
  for (int32_t k = 0; k < c->n; k++) c->count[k] += graph->extra; /* the last row is in every column */
  PetscCall(PetscFree(mark));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorFlops - See the header: the sum over columns of (entries of the column)^2. Not collective. */
PetscErrorCode FactorFlops(const FactorGraph *graph, const int32_t position[], double *flops)
{
  Columns c;

  PetscFunctionBegin;
  PetscCall(ColumnsCreate(graph, position, &c));
  PetscCall(EliminationTree(graph, position, &c));
  PetscCall(Count(graph, position, &c));
  *flops = 0.0;
  for (int32_t k = 0; k < c.n; k++) *flops += (double)c.count[k] * c.count[k]; /* those of extra columns are the same in any order */
  PetscCall(ColumnsDestroy(&c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Lists of children by node, the one with most rows last; node c->n is the parent of all roots */
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

/* Renumber by a postorder: the elimination stays the same, children come before parents and
   subtrees are contiguous */
static PetscErrorCode Postorder(Columns *c, int32_t position[])
{
  int32_t *head, *next, *stack, *post, depth = 0, number = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc4(c->n + 1, &head, c->n + 1, &next, c->n + 1, &stack, c->n + 1, &post));
  Children(c, head, next, post);
  /* Depth-first walk with an explicit stack: trees may be as deep as there are columns */
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
  for (int32_t i = 0; i < c->n; i++) position[i] = post[position[i]];
  PetscCall(PetscFree4(head, next, stack, post));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Supernodes of equal structure: a column joins the one before it if that is its child and has
   exactly one entry more */
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

/* May the supernode [first, middle) be merged with its parent [middle, last)? *zeros is the number
   of zeros stored so far. */
static bool Worth(const Columns *c, int32_t first, int32_t middle, int32_t last, double *zeros)
{
  const double one = middle - first, two = last - middle;
  const double more = one * (double)(c->count[middle] - (c->count[middle - 1] - 1)); /* rows that its columns lack */
  const double all  = (one + two) * (one + two + 1.0) / 2.0 + (one + two) * (c->count[last - 1] - 1.0);

  /* one, two: columns of each; more: zeros that the merge adds; all: entries of the merged
     supernode */
  for (size_t r = 0; r < sizeof(RELAX) / sizeof(*RELAX); r++)
    if (one + two <= RELAX[r].width && *zeros + more <= RELAX[r].zeros * all) {
      *zeros += more;
      return true;
    }
  if (*zeros + more > 0.0) return false;
  return true;
}

/* Merge supernodes with their parents where that costs few zeros, from left to right */
static PetscErrorCode Relax(const Columns *c, FactorTree *t)
{
  int32_t n     = 0;
  double  zeros = 0.0;

  PetscFunctionBegin;
  for (int32_t j = 0; j < t->n_nodes; j++) {
    const int32_t first = t->first[j], last = t->first[j + 1];

    /* the supernode before this one is its last child, so their columns are adjacent */
    if (n && c->parent[first - 1] == first && Worth(c, t->first[n - 1], first, last, &zeros)) continue;
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

/* Rows below a supernode, ascending: neighbours of its columns and rows of its children. mark [n]
   avoids duplicates. Returns their number. */
static int32_t Rows(const FactorGraph *graph, const FactorTree *t, const Columns *c, int32_t j, int32_t child, const int32_t sibling[],
                    int32_t mark[], int32_t *to)
{
  const int32_t last = t->first[j + 1];
  int32_t       n    = 0;

  for (int32_t k = t->first[j]; k < last; k++)
    for (int64_t e = graph->start[c->row[k]]; e < graph->start[c->row[k] + 1]; e++) {
      const int32_t i = t->position[graph->neighbour[e]];

      if (i >= last && mark[i] != j) mark[i] = j, to[n++] = i;
    }
  for (; child >= 0; child = sibling[child])
    for (int64_t e = t->start[child]; e < t->start[child + 1]; e++)
      if (t->row[e] >= last && mark[t->row[e]] != j) mark[t->row[e]] = j, to[n++] = t->row[e];
  qsort(to, (size_t)n, sizeof(*to), Ascending);
  return n;
}

/* Rows, parents, children and siblings of all supernodes, children first */
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
  /* Children come before their parents, so all rows of a node's children are known */
  for (int32_t j = 0; j < t->n_nodes; j++) {
    child[j] = sibling[j] = t->parent[j] = -1;
    for (int32_t k = t->first[j]; k < t->first[j + 1]; k++) t->node[k] = j;
  }
  t->start[0] = 0;
  for (int32_t j = 0; j < t->n_nodes; j++) {
    /* the first row below a supernode is a column of its parent */
    const int32_t n = Rows(graph, t, c, j, child[j], sibling, mark, to);

    if (t->start[j] + n > room) {
      room = 2 * room + n;
      PetscCall(PetscRealloc((size_t)room * sizeof(*t->row), &t->row));
    }
    PetscCall(PetscArraycpy(t->row + t->start[j], to, n));
    t->start[j + 1] = t->start[j] + n;
    if (!n) continue;
    t->parent[j]        = t->node[to[0]];
    sibling[j]          = child[t->parent[j]];
    child[t->parent[j]] = j;
  }
  PetscCall(PetscFree2(mark, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Add the full rows that the last vertex stands for to the sizes: they lie below all other
   supernodes */
static void Extend(FactorTree *t, int32_t extra)
{
  for (int32_t j = 0; j < t->n_nodes; j++) t->start[j + 1] += (int64_t)PetscMin(j + 1, t->n_nodes - 1) * extra;
  /* the last supernode gets the extra columns */
  t->first[t->n_nodes] += extra;
}

/* FactorSymbolic - See the header. Not collective.
   The order is changed to a postorder first: it has the same fill, and supernodes become ranges of
   columns. */
PetscErrorCode FactorSymbolic(const FactorGraph *graph, FactorTree *tree, double *flops)
{
  Columns c;

  PetscFunctionBegin;
  for (int pass = 0; pass < 2; pass++) { /* in the order given, and in its postorder */
    PetscCall(ColumnsCreate(graph, tree->position, &c));
    PetscCall(EliminationTree(graph, tree->position, &c));
    PetscCall(Count(graph, tree->position, &c));
    if (!pass) {
      PetscCall(Postorder(&c, tree->position));
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
  PetscCall(PetscFree(t->position));
  PetscCall(PetscFree(t->first));
  PetscCall(PetscFree(t->parent));
  PetscCall(PetscFree(t->child));
  PetscCall(PetscFree(t->sibling));
  PetscCall(PetscFree(t->node));
  PetscCall(PetscFree(t->start));
  PetscCall(PetscFree(t->row));
  PetscFunctionReturn(PETSC_SUCCESS);
}

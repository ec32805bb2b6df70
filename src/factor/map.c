/*
  Division of the elimination tree over ranks and threads, and the exchange of the matrix' entries
  and rows.

  Large subtrees are cut until each branch has a small part of the work. Branches go to the ranks
  so that their work is balanced. The nodes above all branches are the top, which rank 0 computes.
  An entry (row, column) of the matrix goes to the rank of the supernode of the column that is
  eliminated first; both (i, j) and (j, i) are sent, and one of them is used.
*/
#include "factor_impl.h"
#include <math.h>
#include <stdlib.h>

/* Most work of a branch, as a fraction of the work of one thread if all had the same */
static const double MOST_WORK_FRACTION = 0.25;

/* FactorWork - See the header: elimination of w columns with b rows below, and a constant for the
   overhead of a node. Not collective. */
double FactorWork(const FactorTree *t, int32_t j)
{
  const double w = NodeWidth(t, j), b = NodeBelow(t, j);

  return 100.0 + w * w * w / 3.0 + w * w * b + w * b * b;
}

/* work [n_nodes] of the subtree of each node, and its first node least [n_nodes]; children come
   before parents */
static void Subtrees(const FactorTree *t, double work[], int32_t least[])
{
  for (int32_t j = 0; j < t->n_nodes; j++) work[j] = 0.0, least[j] = j;
  for (int32_t j = 0; j < t->n_nodes; j++) {
    work[j] += FactorWork(t, j);
    if (t->parent[j] < 0) continue;
    work[t->parent[j]] += work[j];
    least[t->parent[j]] = PetscMin(least[t->parent[j]], least[j]);
  }
}

/* A subtree by its last node */
typedef struct {
  int32_t node;
  double  work;
} Candidate;

/* By descending work, then by node, so that all ranks get the same order */
static int MostWork(const void *a, const void *b)
{
  const Candidate *x = a, *y = b;

  return (x->work < y->work) - (x->work > y->work) + 2 * ((x->work == y->work) * ((x->node > y->node) - (x->node < y->node)));
}

/* Cut the tree: the root of a subtree with too much work goes to the top, and its children become
   subtrees. Returns their number in list. */
static int32_t Cut(MeritFactor f, const double work[], Candidate *list)
{
  const FactorTree *t     = &f->tree;
  double            total = 0.0, most;
  int32_t           n     = 0;

  for (int32_t j = 0; j < t->n_nodes; j++)
    if (t->parent[j] < 0) list[n++] = (Candidate){j, work[j]}, total += work[j];
  most = f->size * f->n_threads > 1 ? MOST_WORK_FRACTION * total / (f->size * f->n_threads) : INFINITY;
  for (int32_t i = 0; i < n;) {
    const int32_t j = list[i].node;

    if (list[i].work <= most || t->child[j] < 0) {
      i++;
      continue;
    }
    f->top[j] = true;
    list[i]   = list[--n];
    for (int32_t c = t->child[j]; c >= 0; c = t->sibling[c]) list[n++] = (Candidate){c, work[c]};
  }
  return n;
}

/* By node */
static int ByNode(const void *a, const void *b)
{
  const FactorBranch *x = a, *y = b;

  return (x->last > y->last) - (x->last < y->last);
}

/* FactorShare - See the header. The largest branch goes first, each to the rank with the least work
   so far (Graham 1969). Not collective. */
PetscErrorCode FactorShare(MeritFactor f)
{
  const FactorTree *t = &f->tree;
  double           *work, *load;
  int32_t          *least;
  Candidate        *list;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(t->n_nodes + 1, &f->owner));
  PetscCall(PetscCalloc1(t->n_nodes + 1, &f->top));
  PetscCall(PetscMalloc4(t->n_nodes + 1, &work, t->n_nodes + 1, &least, t->n_nodes + 1, &list, f->size, &load));
  Subtrees(t, work, least);
  f->n_branches = Cut(f, work, list);
  PetscCall(PetscMalloc1(f->n_branches + 1, &f->branch));
  qsort(list, (size_t)f->n_branches, sizeof(*list), MostWork);
  for (PetscMPIInt r = 0; r < f->size; r++) load[r] = 0.0;
  for (int32_t i = 0; i < f->n_branches; i++) {
    PetscMPIInt to = 0;

    for (PetscMPIInt r = 1; r < f->size; r++)
      if (load[r] < load[to]) to = r;
    /* ties go to the lowest rank */
    load[to] += list[i].work;
    f->branch[i] = (FactorBranch){least[list[i].node], list[i].node, to};
    for (int32_t j = least[list[i].node]; j <= list[i].node; j++) f->owner[j] = to;
  }
  qsort(f->branch, (size_t)f->n_branches, sizeof(*f->branch), ByNode);
  PetscCall(PetscFree4(work, least, list, load));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Index of (row, column) in the columns of the column's supernode; row >= column, both in the order
   of elimination */
static int64_t Place(const FactorTree *t, int32_t row, int32_t column)
{
  const int32_t j = t->node[column], width = NodeWidth(t, j);
  int64_t       low = t->start[j], high = t->start[j + 1];
  int32_t       at = row - t->first[j];

  /* A row below the supernode is found by bisection in its list */
  if (row >= t->first[j + 1]) {
    /* rows below the supernode ascend */
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;

      if (t->row[middle] <= row) low = middle;
      else high = middle;
    }
    at = width + (int32_t)(low - t->start[j]);
  }
  return (int64_t)(column - t->first[j]) * NodeOrder(t, j) + at;
}

/* Sort the n arriving entries by supernode: index, source, and which entry of a symmetric pair
   counts (the lower one) */
static PetscErrorCode Sort(MeritFactor f, int64_t n, const int32_t (*entry)[2])
{
  const FactorTree *t = &f->tree;
  FactorEntries    *e = &f->entry;
  int64_t          *next;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(t->n_nodes + 2, &e->start));
  PetscCall(PetscMalloc1(n + 1, &e->at));
  PetscCall(PetscMalloc1(n + 1, &e->source));
  PetscCall(PetscMalloc1(n + 1, &e->lower));
  for (int64_t i = 0; i < n; i++) e->start[t->node[PetscMin(entry[i][0], entry[i][1])] + 1]++;
  for (int32_t j = 0; j < t->n_nodes; j++) e->start[j + 1] += e->start[j];
  PetscCall(PetscMalloc1(t->n_nodes + 1, &next));
  PetscCall(PetscArraycpy(next, e->start, t->n_nodes + 1));
  for (int64_t i = 0; i < n; i++) {
    /* the earlier of row and column is the column of the lower triangle */
    const int32_t row = PetscMax(entry[i][0], entry[i][1]), column = PetscMin(entry[i][0], entry[i][1]);
    const int64_t to = next[t->node[column]]++;

    e->at[to]     = Place(t, row, column);
    e->source[to] = i;
    e->lower[to]  = entry[i][0] >= entry[i][1];
  }
  PetscCall(PetscFree(next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Plan the exchange of the entries of A from this rank's rows to the supernodes. Collective. */
static PetscErrorCode MapEntries(MeritFactor f, Mat A)
{
  const FactorTree *t = &f->tree;
  int32_t(*entry)[2], (*arrived)[2];
  PetscMPIInt *to;
  PetscInt     first, last;
  int64_t      n = 0, n_arrived;

  PetscFunctionBegin;
  PetscCall(MatGetOwnershipRange(A, &first, &last));
  f->n_own = last - first;
  for (PetscInt i = first; i < last; i++) {
    PetscInt m;

    PetscCall(MatGetRow(A, i, &m, NULL, NULL));
    n += m;
    PetscCall(MatRestoreRow(A, i, &m, NULL, NULL));
  }
  f->n_entries = n;
  PetscCall(PetscMalloc2(n + 1, &entry, n + 1, &to));
  n = 0;
  for (PetscInt i = first; i < last; i++) {
    const PetscInt *column;
    PetscInt        m;

    PetscCall(MatGetRow(A, i, &m, &column, NULL));
    for (PetscInt e = 0; e < m; e++, n++) {
      entry[n][0] = t->position[i];
      entry[n][1] = t->position[column[e]];
      to[n]       = f->owner[t->node[PetscMin(entry[n][0], entry[n][1])]];
    }
    PetscCall(MatRestoreRow(A, i, &m, &column, NULL));
  }
  PetscCall(MeritExchangeCreate(f->comm, n, to, &f->entries));
  n_arrived = MeritExchangeArriving(f->entries);
  PetscCall(PetscMalloc1(n_arrived + 1, &arrived));
  PetscCall(MeritExchangeForward(f->entries, sizeof(*entry), entry, arrived));
  PetscCall(Sort(f, n_arrived, (const int32_t(*)[2])arrived));
  PetscCall(PetscFree(arrived));
  PetscCall(PetscFree2(entry, to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Plan the exchange of the rows of A, for right-hand sides. Collective. */
static PetscErrorCode MapRows(MeritFactor f, Mat A)
{
  const FactorTree *t = &f->tree;
  PetscMPIInt      *to;
  int32_t          *column;
  PetscInt          first, last;

  PetscFunctionBegin;
  PetscCall(MatGetOwnershipRange(A, &first, &last));
  PetscCall(PetscMalloc2(f->n_own + 1, &to, f->n_own + 1, &column));
  for (PetscInt i = first; i < last; i++) {
    column[i - first] = t->position[i];
    to[i - first]     = f->owner[t->node[t->position[i]]];
  }
  PetscCall(MeritExchangeCreate(f->comm, f->n_own, to, &f->rows));
  PetscCall(PetscMalloc1(MeritExchangeArriving(f->rows) + 1, &f->arrived));
  PetscCall(MeritExchangeForward(f->rows, sizeof(*column), column, f->arrived));
  PetscCall(PetscFree2(to, column));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  FactorMap - See the header. Collective.
  Entries and rows have fixed plans from now on: a new factorisation sends only numbers.
*/
PetscErrorCode FactorMap(MeritFactor f, Mat A)
{
  PetscFunctionBegin;
  PetscCall(FactorShare(f));
  PetscCall(MapEntries(f, A));
  PetscCall(MapRows(f, A));
  PetscCall(PetscCalloc1(f->tree.n_nodes + 1, &f->L));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorRelative - See the header. Not collective.
   A row below the node is either a column of the parent (index 0 .. width - 1) or one of the rows
   below it (from width on). */
void FactorRelative(const FactorTree *t, int32_t node, int32_t to[])
{
  const int32_t p = t->parent[node], first = t->first[p], last = t->first[p + 1], width = last - first;
  int64_t       at = t->start[p];

  /* Both lists of rows are ascending, so one pass finds all positions */
  for (int64_t e = t->start[node]; e < t->start[node + 1]; e++) {
    const int32_t row = t->row[e];

    if (row < last) {
      *to++ = row - first;
      continue;
    }
    while (t->row[at] < row) at++;
    *to++ = width + (int32_t)(at - t->start[p]);
  }
}

/*
  FactorValues - See the header. Not collective.
  Entries are taken from the two sequential blocks of a MATMPIAIJ (own columns, other ranks'
  columns) in ascending order of the global column, which is the order of MatGetRow() without its
  copies.
*/
PetscErrorCode FactorValues(Mat A, bool scatter, double values[])
{
  Mat             part[2]  = {A, NULL};
  const PetscInt *start[2] = {NULL, NULL}, *column[2] = {NULL, NULL}, *garray = NULL;
  PetscScalar    *a[2] = {NULL, NULL};
  PetscBool       sequential, done;
  PetscInt        first, n_rows = 0;
  int64_t         n = 0;

  PetscFunctionBegin;
  PetscCall(MatGetOwnershipRange(A, &first, NULL));
  PetscCall(PetscObjectTypeCompare((PetscObject)A, MATSEQAIJ, &sequential));
  if (!sequential) PetscCall(MatMPIAIJGetSeqAIJ(A, &part[0], &part[1], &garray));
  for (int p = 0; p < 2 && part[p]; p++) {
    PetscCall(MatGetRowIJ(part[p], 0, PETSC_FALSE, PETSC_FALSE, &n_rows, &start[p], &column[p], &done));
    PetscCall(MatSeqAIJGetArray(part[p], &a[p]));
  }
  for (PetscInt i = 0; i < n_rows; i++) {
    PetscInt e[2] = {start[0][i], part[1] ? start[1][i] : 0}, end[2] = {start[0][i + 1], part[1] ? start[1][i + 1] : 0};

    /* columns of other ranks lie on both sides of this rank's own */
    while (e[0] < end[0] || e[1] < end[1]) {
      const int p  = e[0] == end[0] || (e[1] < end[1] && garray[column[1][e[1]]] < first) ? 1 : 0;
      double   *at = &a[p][e[p]++];

      if (scatter) *at = values[n++];
      else values[n++] = *at;
    }
  }
  for (int p = 0; p < 2 && part[p]; p++) {
    PetscCall(MatSeqAIJRestoreArray(part[p], &a[p]));
    PetscCall(MatRestoreRowIJ(part[p], 0, PETSC_FALSE, PETSC_FALSE, &n_rows, &start[p], &column[p], &done));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorSend - See the header. To one that receives as much. */
PetscErrorCode FactorSend(MPI_Comm comm, int64_t n, const double *x, PetscMPIInt to)
{
  const int64_t piece = PetscMax(MeritMaxMessage() / (int64_t)sizeof(*x), 1);

  PetscFunctionBegin;
  for (int64_t at = 0; at < n; at += piece) PetscCallMPI(MPI_Send(x + at, (int)PetscMin(piece, n - at), MPI_DOUBLE, to, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorSpread - See the header. Collective. */
PetscErrorCode FactorSpread(MPI_Comm comm, int64_t bytes, void *array)
{
  const int64_t piece = PetscMax(MeritMaxMessage(), 1);

  PetscFunctionBegin;
  for (int64_t at = 0; at < bytes; at += piece) PetscCallMPI(MPI_Bcast((char *)array + at, (int)PetscMin(piece, bytes - at), MPI_BYTE, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorReceive - See the header. */
PetscErrorCode FactorReceive(MPI_Comm comm, int64_t n, double *x, PetscMPIInt from)
{
  const int64_t piece = PetscMax(MeritMaxMessage() / (int64_t)sizeof(*x), 1);

  PetscFunctionBegin;
  for (int64_t at = 0; at < n; at += piece)
    PetscCallMPI(MPI_Recv(x + at, (int)PetscMin(piece, n - at), MPI_DOUBLE, from, 0, comm, MPI_STATUS_IGNORE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

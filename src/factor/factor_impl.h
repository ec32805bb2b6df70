#pragma once
/*
  Private to src/factor. Rows of the matrix are renumbered by an order of elimination with little fill; "column" means the new number.
  Columns with the same structure form supernodes, the nodes of the elimination tree. A front is the dense matrix of a supernode:
  its columns (J, `width` of them) and the rows below them (S, `below` of them), order = width + below, stored column-major.
*/
#include <merit/error.h>
#include <merit/exchange.h>
#include <merit/factor.h>

/* Elimination tree of supernodes: node j is columns first[j] .. first[j + 1] - 1, which have the rows below them in common. The same
   on every rank. */
typedef struct {
  int32_t  n;        /* columns */
  int32_t *position; /* [n] column of each row of the matrix: the order of elimination; owned */
  int32_t  n_nodes;
  int32_t *first;           /* [n_nodes + 1]; owned */
  int32_t *parent;          /* [n_nodes] -1: root; children come before their parents, subtrees are contiguous; owned */
  int32_t *child, *sibling; /* [n_nodes] last child of a node; the child before a child; -1: none; owned */
  int32_t *node;            /* [n] supernode of a column; owned */
  int64_t *start;           /* [n_nodes + 1] into row; owned */
  int32_t *row;             /* rows below the supernodes, ascending; owned */
} FactorTree;

/* A branch: a subtree, nodes first .. last, that one thread of rank `owner` computes */
typedef struct {
  int32_t     first, last;
  PetscMPIInt owner;
} FactorBranch;

/* Entries of A on the rank of their supernode, sorted by supernode */
typedef struct {
  int64_t *start;  /* [n_nodes + 1]; owned */
  int64_t *at;     /* index in the supernode's columns [order * width], column-major; owned */
  int64_t *source; /* number of the arriving entry; owned */
  bool    *lower;  /* true for one of each pair (i, j), (j, i): the one that is used; owned */
} FactorEntries;

/* Progress of a pass over the tree, in operations of this rank's fronts */
typedef struct {
  const char *what;            /* "factoring"; static */
  double      all, done, next; /* next: when to report */
} FactorProgress;

/* The factor. Numbers of a supernode are on the rank that owns it. */
struct _p_MeritFactor {
  MPI_Comm        comm;
  PetscMPIInt     rank, size;
  int             n_threads;
  FactorTree      tree;
  int32_t         n_branches;
  FactorBranch   *branch;  /* [n_branches] ascending nodes; owned */
  PetscMPIInt    *owner;   /* [n_nodes]; owned */
  bool           *top;     /* [n_nodes] above all branches: rank 0 computes these one after another; owned */
  int64_t         n_own;   /* rows of A here */
  MeritExchange   entries; /* entries of this rank's rows to the ranks of their supernodes; owned */
  int64_t         n_entries;
  FactorEntries   entry;
  MeritExchange   rows;    /* this rank's rows to the ranks of their supernodes; owned */
  int32_t        *arrived; /* [arriving rows] their columns; owned */
  double        **L;       /* [n_nodes] columns of own supernodes [order * width], column-major, lower; owned */
  bool            ready, definite;
  int32_t         lost; /* not definite: first column without a pivot, -1 none; its pivot as a fraction of its diagonal element */
  double          lost_pivot_ratio;
  double          log_determinant;
  MeritFactorNeed need;
  bool            sizes_only; /* full rows were left out of the graph: only sizes are known */
  FactorProgress  progress;
};

/* Columns of node j. Not collective, as the next two. */
static inline int32_t NodeWidth(const FactorTree *t, int32_t j) { return t->first[j + 1] - t->first[j]; }
/* Rows below node j. */
static inline int32_t NodeBelow(const FactorTree *t, int32_t j) { return (int32_t)(t->start[j + 1] - t->start[j]); }
/* Order of the front of node j. */
static inline int32_t NodeOrder(const FactorTree *t, int32_t j) { return NodeWidth(t, j) + NodeBelow(t, j); }

/* Graph of a symmetric pattern: the neighbours of each row, without the row itself */
typedef struct {
  int32_t  n;
  int32_t  extra;     /* full rows beyond the first: the last vertex stands for all full rows */
  int64_t *start;     /* [n + 1]; owned */
  int32_t *neighbour; /* owned */
} FactorGraph;
/* order.c: fill tree->position [n] by the better of minimum degree and nested dissection. Not collective. Faults: USAGE for too many entries,
   SYSTEM without memory. */
PetscErrorCode FactorOrder(const FactorGraph *graph, FactorTree *tree, MeritFault *fault);
/* symbolic.c: supernodes and their rows for the order tree->position, which is changed to an equivalent postorder; *flops of a factorisation. With
   extra rows the tree has the sizes of all supernodes, but not the numbers of the extra rows. Not collective. */
PetscErrorCode FactorSymbolic(const FactorGraph *graph, FactorTree *tree, double *flops);
/* *flops of a factorisation in the order position [n]. Not collective. */
PetscErrorCode FactorFlops(const FactorGraph *graph, const int32_t position[], double *flops);
/* Free the arrays of a tree. Not collective. */
PetscErrorCode FactorTreeDestroy(FactorTree *tree);
/* map.c: divide the tree into branches for f->size ranks of f->n_threads threads; sets owner, top, branch. Not collective. */
PetscErrorCode FactorShare(MeritFactor f);
/* The same, and the plans of exchange for entries and rows of A. Collective. */
PetscErrorCode FactorMap(MeritFactor f, Mat A);
/* Work to eliminate supernode j, about its floating-point operations. Not collective. */
double FactorWork(const FactorTree *t, int32_t j);
/* size.c: what a factor needs, from its tree and the division over ranks (FactorShare). Not collective. */
PetscErrorCode FactorMeasure(MeritFactor f, MeritFactorNeed *need);
/* Copy the entries of A's rows here to values[n_entries], row by row, or (scatter) back. Not collective. */
PetscErrorCode FactorValues(Mat A, bool scatter, double values[]);
/* to[below] = index, in the front of the parent, of each row below a node. Not collective. */
void FactorRelative(const FactorTree *t, int32_t node, int32_t to[]);
/* Send n doubles to a rank, in messages of at most MeritMaxMessage(). */
PetscErrorCode FactorSend(MPI_Comm comm, int64_t n, const double *x, PetscMPIInt to);
/* Receive n doubles from a rank that sends as many. */
PetscErrorCode FactorReceive(MPI_Comm comm, int64_t n, double *x, PetscMPIInt from);
/* Broadcast an array of rank 0, in messages of at most MeritMaxMessage(). Collective. */
PetscErrorCode FactorSpread(MPI_Comm comm, int64_t bytes, void *array);

/* front.c: dense work on one front; several threads if it is large. No PETSc calls, not collective. */

/* Factor the columns L [order * width] in place and subtract their update from U [below^2] (lower triangle). Returns the first column whose pivot
   is not positive, or -1. */
int32_t FrontFactor(int n_threads, int32_t width, int32_t below, double *L, double *U);
/* Z [order^2], lower triangle: given the inverse at the rows below, compute that of the columns from L. False without memory. */
bool FrontInverse(int n_threads, int32_t width, int32_t below, const double *L, double *Z);

#pragma once
/* Private to src/factor. */
#include <merit/error.h>
#include <merit/exchange.h>
#include <merit/factor.h>

/* Elimination tree of supernodes: columns first[j] .. first[j + 1] - 1 of the permuted matrix have the rows below them, ascending, in
   common. The same on every rank. */
typedef struct {
  int32_t  n;           /* columns */
  int32_t *place;       /* [n] column that a row of the matrix becomes; owned */
  int32_t  n_nodes;
  int32_t *first;       /* [n_nodes + 1]; owned */
  int32_t *parent;      /* [n_nodes] -1: root; children stand before their parents, subtrees together; owned */
  int32_t *child, *sibling; /* [n_nodes] last child, the child before; -1: none; owned */
  int32_t *node;        /* [n] supernode of a column; owned */
  int64_t *start;       /* [n_nodes + 1] into row; owned */
  int32_t *row;         /* rows below the supernodes, ascending; owned */
} FactorTree;

/* A subtree that one thread of one rank does: nodes first .. last */
typedef struct {
  int32_t     first, last;
  PetscMPIInt owner;
} FactorBranch;

/* Entries of A on the rank of their supernode, by supernodes */
typedef struct {
  int64_t *start;  /* [n_nodes + 1]; owned */
  int64_t *at;     /* place in the supernode's columns [order * width], column-major; owned */
  int64_t *source; /* which of the arriving entries; owned */
  bool    *lower;  /* it counts: of an entry and its mirror image one does; owned */
} FactorEntries;

/* How far a pass over the tree is, in operations of this rank's fronts */
typedef struct {
  const char *what; /* "factoring"; static */
  double      all, done, next; /* next: when to report */
} FactorProgress;

struct _p_MeritFactor {
  MPI_Comm       comm;
  PetscMPIInt    rank, size;
  int            n_threads;
  FactorTree     tree;
  int32_t        n_branches;
  FactorBranch  *branch;   /* [n_branches] by nodes; owned */
  PetscMPIInt   *owner;    /* [n_nodes]; owned */
  bool          *top;      /* [n_nodes] above all branches: rank 0's, one after another; owned */
  int64_t        n_own;    /* rows of A here */
  MeritExchange  entries;  /* entries of A here -> supernodes; owned */
  int64_t        n_entries;
  FactorEntries  entry;
  MeritExchange  rows;     /* rows of A here -> supernodes; owned */
  int32_t       *arrived;  /* [arriving rows] their columns; owned */
  double       **L;        /* [n_nodes] columns of own supernodes [order * width], column-major, lower; owned */
  bool           ready, definite;
  int32_t        lost;       /* not definite: first column without a pivot, and what is left of its diagonal, relative */
  double         lost_share;
  double         log_determinant;
  MeritFactorNeed need;
  bool           sizes_only; /* the tree of a pattern with full rows that were left out */
  FactorProgress progress;
};

static inline int32_t NodeWidth(const FactorTree *t, int32_t j) { return t->first[j + 1] - t->first[j]; }
static inline int32_t NodeBelow(const FactorTree *t, int32_t j) { return (int32_t)(t->start[j + 1] - t->start[j]); }
static inline int32_t NodeOrder(const FactorTree *t, int32_t j) { return NodeWidth(t, j) + NodeBelow(t, j); }

/* order.c, symbolic.c: a graph [n] without its diagonal; place[n] by the better of minimum degree and nested dissection. Not collective. */
typedef struct {
  int32_t  n;
  int32_t  extra;    /* columns, all full, that the last row stands for beside its own; what is neighbour to all is listed once */
  int64_t *start;    /* [n + 1]; owned */
  int32_t *neighbour; /* owned */
} FactorGraph;
/* What cannot be ordered goes to the fault. */
PetscErrorCode FactorOrder(const FactorGraph *graph, FactorTree *tree, MeritFault *fault);
/* Supernodes of the graph in the order of tree->place, which is made one by postorder; flops of a factorisation. Where the graph has extra columns
   the tree has the sizes of all, but not the numbers of their rows. */
PetscErrorCode FactorSymbolic(const FactorGraph *graph, FactorTree *tree, double *flops);
/* Flops of an order [n] alone */
PetscErrorCode FactorFlops(const FactorGraph *graph, const int32_t place[], double *flops);
PetscErrorCode FactorTreeDestroy(FactorTree *tree);
/* map.c: branches of the tree on f->size ranks of f->n_threads. Not collective. */
PetscErrorCode FactorShare(MeritFactor f);
/* Branches, and where entries and rows go. Collective. */
PetscErrorCode FactorMap(MeritFactor f, Mat A);
/* Operations of one supernode, about. */
double         FactorWork(const FactorTree *t, int32_t j);
/* size.c: what a factor whose branches are shared out takes, from its tree alone. Not collective. */
PetscErrorCode FactorMeasure(MeritFactor f, MeritFactorNeed *need);
/* values of A's entries on this rank, row by row: gather into values[n_entries], or scatter out of it */
PetscErrorCode FactorValues(Mat A, bool scatter, double values[]);
/* Places in the front of the parent of the rows below a node, [below]. Not collective. */
void FactorRelative(const FactorTree *t, int32_t node, int32_t to[]);
/* Doubles to and from a rank, in pieces. */
PetscErrorCode FactorSend(MPI_Comm comm, int64_t n, const double *x, PetscMPIInt to);
PetscErrorCode FactorReceive(MPI_Comm comm, int64_t n, double *x, PetscMPIInt from);
/* An array of rank 0 to all, in pieces. Collective. */
PetscErrorCode FactorSpread(MPI_Comm comm, int64_t bytes, void *array);

/* front.c: dense work on one front, on several threads if there are any and it is large. No PETSc calls. */
/* Columns L [order * width] and what they leave U [below^2] (lower, added to); the first column whose pivot is not positive, or -1 */
int32_t FrontFactor(int n_threads, int32_t width, int32_t below, double *L, double *U);
/* Z [order^2], lower, whose part of the rows below is there: the other columns from L */
bool FrontInverse(int n_threads, int32_t width, int32_t below, const double *L, double *Z);

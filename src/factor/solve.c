/*
  Solves with the factor, L L' X = R, along the tree.

  Right-hand sides go to the ranks of their supernodes and lie column by column there, w [k][n], in
  the order of elimination. Forward: each rank its branches, then rank 0 the top with the sum of
  all contributions. Backward: the top, whose solution is broadcast, then the branches.
*/
#include "factor_impl.h"
#include <merit/error.h>
#include <petscblaslapack.h>

static const double ONE = 1.0, MINUS = -1.0, ZERO = 0.0;

/* Forward step of node j, columns J and rows below S: x_J = L_JJ^-1 x_J, x_S -= L_SJ x_J; part
   [below * k] is scratch */
static void Forward(MeritFactor f, int32_t j, int k, double *w, double *part)
{
  const FactorTree *t     = &f->tree;
  PetscBLASInt      width = NodeWidth(t, j), below = NodeBelow(t, j), order = NodeOrder(t, j), n = t->n, n_right = k;
  double           *x = w + t->first[j];

  BLAStrsm_("L", "L", "N", "N", &width, &n_right, &ONE, f->L[j], &order, x, &n);
  if (!below) return;
  BLASgemm_("N", "N", &below, &n_right, &width, &ONE, f->L[j] + width, &order, x, &n, &ZERO, part, &below);
  for (int c = 0; c < k; c++)
    for (int32_t i = 0; i < below; i++) w[(int64_t)c * n + t->row[t->start[j] + i]] -= part[(int64_t)c * below + i];
}

/* Backward step of node j: x_J = L_JJ^-T (x_J - L_SJ' x_S) */
static void Backward(MeritFactor f, int32_t j, int k, double *w, double *part)
{
  const FactorTree *t     = &f->tree;
  PetscBLASInt      width = NodeWidth(t, j), below = NodeBelow(t, j), order = NodeOrder(t, j), n = t->n, n_right = k;
  double           *x = w + t->first[j];

  for (int c = 0; c < k; c++)
    for (int32_t i = 0; i < below; i++) part[(int64_t)c * below + i] = w[(int64_t)c * n + t->row[t->start[j] + i]];
  if (below) BLASgemm_("T", "N", &width, &n_right, &below, &MINUS, f->L[j] + width, &order, part, &below, &ONE, x, &n);
  BLAStrsm_("L", "L", "T", "N", &width, &n_right, &ONE, f->L[j], &order, x, &n);
}

/* Copy the rows of the top from w to values, or (put) back; returns their number times k */
static int64_t Top(MeritFactor f, int k, bool put, double *w, double *values)
{
  const FactorTree *t = &f->tree;
  int64_t           n = 0;

  for (int32_t j = 0; j < t->n_nodes; j++)
    for (int32_t i = t->first[j]; f->top[j] && i < t->first[j + 1]; i++)
      for (int c = 0; c < k; c++, n++) {
        if (put) w[(int64_t)c * t->n + i] = values[n];
        else values[n] = w[(int64_t)c * t->n + i];
      }
  return n;
}

/* Sum over all ranks, in pieces of bounded size. Collective. */
static PetscErrorCode Sum(MPI_Comm comm, int64_t n, double *x)
{
  const int64_t piece = PetscMax(MeritMaxMessage() / (int64_t)sizeof(*x), 1);

  PetscFunctionBegin;
  for (int64_t at = 0; at < n; at += piece)
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, x + at, (int)PetscMin(piece, n - at), MPI_DOUBLE, MPI_SUM, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Both substitutions. Collective. */
static PetscErrorCode Substitute(MeritFactor f, int k, double *w)
{
  const FactorTree *t    = &f->tree;
  int32_t           most = 0;
  double           *part, *top;
  int64_t           n_top = 0;

  PetscFunctionBegin;
  for (int32_t j = 0; j < t->n_nodes; j++) {
    most = PetscMax(most, NodeBelow(t, j));
    /* memory for the largest update, and for the rows of the top */
    if (f->top[j]) n_top += NodeWidth(t, j);
  }
  PetscCall(PetscMalloc2((size_t)most * (size_t)k + 1, &part, (size_t)n_top * (size_t)k + 1, &top));
  for (int32_t j = 0; j < t->n_nodes; j++)
    /* Contributions of branches to rows of the top are in w of each rank; their sum is what rank 0
       needs */
    if (!f->top[j] && f->owner[j] == f->rank) Forward(f, j, k, w, part);
  n_top = Top(f, k, false, w, top);
  PetscCall(Sum(f->comm, n_top, top));
  if (!f->rank) {
    (void)Top(f, k, true, w, top);
    for (int32_t j = 0; j < t->n_nodes; j++)
      if (f->top[j]) Forward(f, j, k, w, part);
    for (int32_t j = t->n_nodes - 1; j >= 0; j--)
      if (f->top[j]) Backward(f, j, k, w, part);
    (void)Top(f, k, false, w, top);
  }
  PetscCall(FactorSpread(f->comm, n_top * (int64_t)sizeof(*top), top));
  (void)Top(f, k, true, w, top);
  for (int32_t j = t->n_nodes - 1; j >= 0; j--)
    if (!f->top[j] && f->owner[j] == f->rank) Backward(f, j, k, w, part);
  PetscCall(PetscFree2(part, top));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFactorSolve - See the header. Collective.
   Rows of R go to the ranks that hold their columns in the tree, and rows of X come back by the
   same plan. */
PetscErrorCode MeritFactorSolve(MeritFactor f, int k, const double R[], double X[])
{
  const int64_t n     = MeritExchangeArriving(f->rows);
  const size_t  bytes = (size_t)k * sizeof(double);
  double       *arrived, *w;

  PetscFunctionBegin;
  PetscCheck(f->definite, f->comm, PETSC_ERR_ORDER, "there is no factor");
  PetscCall(PetscMalloc1((size_t)n * (size_t)k + 1, &arrived));
  PetscCall(PetscCalloc1((size_t)f->tree.n * (size_t)k + 1, &w));
  PetscCall(MeritExchangeForward(f->rows, bytes, R, arrived));
  for (int64_t i = 0; i < n; i++)
    for (int c = 0; c < k; c++) w[(int64_t)c * f->tree.n + f->arrived[i]] = arrived[i * k + c];
  PetscCall(Substitute(f, k, w));
  for (int64_t i = 0; i < n; i++)
    for (int c = 0; c < k; c++) arrived[i * k + c] = w[(int64_t)c * f->tree.n + f->arrived[i]];
  PetscCall(MeritExchangeBack(f->rows, bytes, arrived, X));
  PetscCall(PetscFree(arrived));
  PetscCall(PetscFree(w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

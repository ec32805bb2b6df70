/*
  What a factor needs, from the tree alone: entries, operations, and the most bytes on a rank.

  Memory is followed node by node as the passes run: updates live until the parent has added them,
  fronts of the inverse until the last child has copied from them. Branches of a rank run on its
  threads at once, so the peak of a branch counts for each thread.
*/
#include "factor_impl.h"

/* Bytes of a rank: its columns of L; peak of one branch in the factorisation and in the inverse;
   updates that branches pass to the top */
typedef struct {
  double columns, up, down, between;
} Moments;

/* Bytes of the update that a supernode keeps for its parent */
static double Left(const FactorTree *t, int32_t j) { return 8.0 * NodeBelow(t, j) * NodeBelow(t, j); }

/* Bytes of its front in the pass of the inverse */
static double Front(const FactorTree *t, int32_t j) { return 8.0 * NodeOrder(t, j) * NodeOrder(t, j); }

/* Peak of the factorisation of nodes first .. last of the top (or not of it), when `alive` bytes
   are held before */
static double Up(MeritFactor f, int32_t first, int32_t last, bool top, double alive)
{
  const FactorTree *t    = &f->tree;
  double            most = alive;

  for (int32_t j = first; j <= last; j++) {
    if (f->top[j] != top) continue;
    /* An update of another rank's branch is received, in addition to those held */
    for (int32_t c = t->child[j]; c >= 0; c = t->sibling[c]) alive += f->owner[c] != f->owner[j] ? Left(t, c) : 0.0; /* received */
    alive += Left(t, j);
    most = PetscMax(most, alive);
    for (int32_t c = t->child[j]; c >= 0; c = t->sibling[c]) alive -= Left(t, c);
  }
  return most;
}

/* The same for the fronts of the inverse; waiting [n_nodes] is scratch */
static double Down(MeritFactor f, int32_t first, int32_t last, bool top, int32_t waiting[])
{
  const FactorTree *t     = &f->tree;
  double            alive = 0.0, most = 0.0;

  for (int32_t j = last; j >= first; j--) {
    const int32_t p = t->parent[j];

    if (f->top[j] != top) continue;
    waiting[j] = 0;
    for (int32_t c = t->child[j]; c >= 0; c = t->sibling[c]) waiting[j] += f->top[c] == top;
    alive += Front(t, j);
    most = PetscMax(most, alive);
    if (!waiting[j]) alive -= Front(t, j);
    if (p >= 0 && p <= last && f->top[p] == top && --waiting[p] == 0) alive -= Front(t, p);
  }
  return most;
}

/* Peaks of the branches of each rank; updates of all branches wait for the top */
static void Branches(MeritFactor f, Moments of[], int32_t waiting[])
{
  for (int32_t i = 0; i < f->n_branches; i++) {
    const FactorBranch *b = &f->branch[i];
    Moments            *m = &of[b->owner];

    m->up   = PetscMax(m->up, Up(f, b->first, b->last, false, 0.0));
    m->down = PetscMax(m->down, Down(f, b->first, b->last, false, waiting));
    m->between += Left(&f->tree, b->last);
  }
}

/* Peak of one rank, factorisation or inverse */
static double Bytes(const MeritFactor f, const Moments *m, bool inverse)
{
  return m->columns + m->between + f->n_threads * (inverse ? m->down : m->up);
}

/* Operations and passed numbers that follow one another: the rank with most branches, then the top */
static PetscErrorCode InTurn(MeritFactor f, MeritFactorNeed *need)
{
  const FactorTree *t = &f->tree;
  double(*of)[2], top[2] = {0.0, 0.0}, most[2] = {0.0, 0.0};

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(f->size, &of));
  for (int32_t j = 0; j < t->n_nodes; j++) {
    double *to = f->top[j] ? top : of[f->owner[j]];

    to[0] += FactorWork(t, j);
    to[1] += Left(t, j) / 8.0;
    need->passed += Left(t, j) / 8.0;
  }
  /* of[rank][0]: operations, [1]: numbers passed to parents */
  for (int r = 0; r < f->size; r++)
    for (int i = 0; i < 2; i++) most[i] = PetscMax(most[i], of[r][i]);
  need->flops_in_turn  = (most[0] + top[0]) / f->n_threads;
  need->passed_in_turn = most[1] / f->n_threads + top[1];
  PetscCall(PetscFree(of));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorMeasure - See the header. Not collective.
   The fullest rank is one with branches (all its threads at their peak), or rank 0 while it does
   the top. */
PetscErrorCode FactorMeasure(MeritFactor f, MeritFactorNeed *need)
{
  const FactorTree *t = &f->tree;
  Moments          *of;
  int32_t          *waiting;

  PetscFunctionBegin;
  *need = (MeritFactorNeed){0};
  PetscCall(PetscCalloc1(f->size, &of));
  PetscCall(PetscMalloc1(t->n_nodes + 1, &waiting));
  for (int32_t j = 0; j < t->n_nodes; j++) {
    /* triangle of the columns, and the rows below them */
    const double w = NodeWidth(t, j), b = NodeBelow(t, j);

    need->entries += w * (w + 1.0) / 2.0 + w * b;
    of[f->owner[j]].columns += 8.0 * w * (w + b);
  }
  Branches(f, of, waiting);
  for (int r = 0; r < f->size; r++) {
    need->bytes         = PetscMax(need->bytes, Bytes(f, &of[r], false));
    need->bytes_inverse = PetscMax(need->bytes_inverse, Bytes(f, &of[r], true));
  }
  need->bytes         = PetscMax(need->bytes, of[0].columns + Up(f, 0, t->n_nodes - 1, true, of[0].between));
  need->bytes_inverse = PetscMax(need->bytes_inverse, of[0].columns + of[0].between + Down(f, 0, t->n_nodes - 1, true, waiting));
  need->bytes_inverse = PetscMax(need->bytes_inverse, need->bytes);
  PetscCall(InTurn(f, need));
  PetscCall(PetscFree(waiting));
  PetscCall(PetscFree(of));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What a factor takes: entries, operations, and the bytes that ranks hold at most, from the tree. */
#include "factor_impl.h"

/* A rank's fullest moments: columns of L that it keeps; what one branch holds on its way up and down at most; what branches leave and get */
typedef struct {
  double columns, up, down, between;
} Moments;

/* What a supernode leaves to its parent while this waits; its front of the inverse */
static double Left(const FactorTree *t, int32_t j) { return 8.0 * NodeBelow(t, j) * NodeBelow(t, j); }

static double Front(const FactorTree *t, int32_t j) { return 8.0 * NodeOrder(t, j) * NodeOrder(t, j); }

/* Most that is alive as the nodes first .. last that are `top` or not are eliminated, `alive` bytes having been there before */
static double Up(MeritFactor f, int32_t first, int32_t last, bool top, double alive)
{
  const FactorTree *t    = &f->tree;
  double            most = alive;

  for (int32_t j = first; j <= last; j++) {
    if (f->top[j] != top) continue;
    for (int32_t c = t->child[j]; c >= 0; c = t->sibling[c]) alive += f->owner[c] != f->owner[j] ? Left(t, c) : 0.0; /* received */
    alive += Left(t, j);
    most = PetscMax(most, alive);
    for (int32_t c = t->child[j]; c >= 0; c = t->sibling[c]) alive -= Left(t, c);
  }
  return most;
}

/* The same of the fronts of the inverse, which stay until the last child has its part; waiting[n_nodes] is work */
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

/* Branches work side by side on the threads of their rank; what they leave, and what they get of the inverse, waits for all of them */
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

static double Bytes(const MeritFactor f, const Moments *m, bool inverse)
{
  return m->columns + m->between + f->n_threads * (inverse ? m->down : m->up);
}

/* Work of branches on each rank, side by side, and then that of the top */
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
  for (int r = 0; r < f->size; r++)
    for (int i = 0; i < 2; i++) most[i] = PetscMax(most[i], of[r][i]);
  need->flops_in_turn  = (most[0] + top[0]) / f->n_threads;
  need->passed_in_turn = most[1] / f->n_threads + top[1];
  PetscCall(PetscFree(of));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FactorMeasure - See the header. Not collective. */
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

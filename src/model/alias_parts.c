/*
  Two classes of any size. Their levels are the nodes of a graph, records are its edges. In each
  connected part the levels of one class add up to the same column as those of the other, and their
  columns have nothing else in common (Weeks and Williams 1964). So the last level of the later
  class in each part is redundant. Parts are found by union-find within a rank, and over ranks by
  passing on the largest label until nothing changes.
*/
#include "alias.h"

/* The graph of two terms; nodes are local equations, owned and ghosts. view [0] is the
   earlier term, view [1] the later one. */
typedef struct {
  MeritModel           model;
  const MeritTermView *view[2];
  int32_t              at[2];  /* component of the trait in each term */
  int32_t             *parent; /* [n_local] union-find; owned */
  int64_t             *label;  /* [n_local] largest canonical level of the later term in the part, and 1; owned */
} Graph;

/* Is it a class without covariate? */
static bool PureClass(MeritModel model, const MeritAliasWork *work, int k)
{
  const MeritTermSpec *spec = &model->formula->term[k];

  return work->first[k] >= 0 && spec->n_regressors == 1 && spec->regressor[0].covariate == MERIT_COVARIATE_NONE;
}

/* Root of a node, with path halving */
static int32_t Find(int32_t *parent, int32_t node)
{
  while (parent[node] != node) node = parent[node] = parent[parent[node]];
  return node;
}

/* Node number i of term t: owned levels, then ghosts */
static int32_t Node(const Graph *g, int t, int32_t i) { return MeritTermEquation(g->view[t], i) + g->at[t]; }

/* Nodes of term t on this rank */
static int32_t Nodes(const Graph *g, int t) { return MeritTermRecordLevels(g->view[t]); }

/* Every node is a part, then records join parts. Labels of owned levels of the later term
   are their canonical numbers + 1. Only records in which the trait counts. The smaller
   node becomes the root. */
static void Unite(Graph *g, int trait)
{
  for (int t = 0; t < 2; t++)
    for (int32_t i = 0; i < Nodes(g, t); i++) {
      const int32_t node = Node(g, t, i);

      g->parent[node] = node;
      g->label[node]  = t && i < g->view[t]->n_owned ? g->view[t]->canonical[i] + 1 : 0;
    }
  for (int64_t row = 0; row < g->model->rows.n; row++) {
    int32_t a, b;

    if (!(g->model->rows.observed[row] >> trait & 1)) continue;
    a                         = Find(g->parent, MeritTermEquationOfSlot(g->view[0], g->view[0]->design[0].slot[row]) + g->at[0]);
    b                         = Find(g->parent, MeritTermEquationOfSlot(g->view[1], g->view[1]->design[0].slot[row]) + g->at[1]);
    g->parent[PetscMax(a, b)] = PetscMin(a, b);
  }
}

/* Give all nodes of a part on this rank its largest label; true if one changed */
static bool Spread(Graph *g)
{
  bool changed = false;

  for (int pass = 0; pass < 2; pass++)
    for (int t = 0; t < 2; t++)
      for (int32_t i = 0; i < Nodes(g, t); i++) {
        const int32_t node = Node(g, t, i), root = Find(g->parent, node);
        const int32_t from = pass ? root : node, to = pass ? node : root;

        if (g->label[from] <= g->label[to]) continue;
        g->label[to] = g->label[from];
        changed      = true;
      }
  return changed;
}

/* Repeat with the halo until no label changes on any rank. Collective. Ghosts give their
   labels to the owners, which keep the largest, and get it back. */
static PetscErrorCode Label(Graph *g)
{
  PetscSF  halo   = g->model->equations.halo;
  int64_t *ghosts = g->label + g->model->equations.layout.n_owned;
  bool     changed;

  PetscFunctionBegin;
  do {
    changed = Spread(g);
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &changed, 1, MPI_C_BOOL, MPI_LOR, g->model->comm));
    PetscCall(PetscSFReduceBegin(halo, MPI_INT64_T, ghosts, g->label, MPI_MAX));
    PetscCall(PetscSFReduceEnd(halo, MPI_INT64_T, ghosts, g->label, MPI_MAX));
    PetscCall(PetscSFBcastBegin(halo, MPI_INT64_T, g->label, ghosts, MPI_REPLACE));
    PetscCall(PetscSFBcastEnd(halo, MPI_INT64_T, g->label, ghosts, MPI_REPLACE));
  } while (changed);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mark the redundant levels of the later of two class terms. Collective. The label of a
   part is the largest level of the later term in it, + 1; the rank that owns this level
   marks it. Levels without observations are parts of their own; they are absent, and
   MeritAliasMark leaves them so. */
static PetscErrorCode Pair(Graph *g, int trait, int earlier, int later)
{
  const int terms[2] = {earlier, later};

  PetscFunctionBegin;
  for (int t = 0; t < 2; t++) {
    g->view[t] = &g->model->term[terms[t]].view;
    g->at[t]   = g->view[t]->design[0].offset[trait];
  }
  PetscCall(PetscArrayzero(g->label, g->model->equations.layout.n_local));
  Unite(g, trait);
  PetscCall(Label(g));
  for (int32_t i = 0; i < g->view[1]->n_owned; i++)
    if (g->label[Node(g, 1, i)] == g->view[1]->canonical[i] + 1) MeritAliasMark(g->model, later, trait, g->view[1]->canonical[i], 0);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAliasParts - See the header. Collective on the model. */
PetscErrorCode MeritAliasParts(MeritModel model, const MeritAliasWork *work, bool *complete)
{
  int   n_classes = 0;
  Graph g         = {.model = model};

  PetscFunctionBegin;
  *complete = true;
  PetscCall(PetscMalloc2(model->equations.layout.n_local + 1, &g.parent, model->equations.layout.n_local + 1, &g.label));
  for (int k = 0; k < work->n_terms; k++) {
    if (work->first[k] < 0) continue;
    *complete = *complete && PureClass(model, work, k);
    n_classes += model->term[k].view.n_levels > 1;
    for (int j = 0; j < work->n_terms && PureClass(model, work, k); j++)
      if (work->first[j] < work->first[k] && PureClass(model, work, j)) PetscCall(Pair(&g, work->trait, j, k));
  }
  *complete = *complete && n_classes <= 2;
  PetscCall(PetscFree2(g.parent, g.label));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Two classes of any size: their levels are the nodes of a graph whose edges are the records. In each connected part the levels of one class add up
  to the same column as those of the other, and that is all that their columns have in common (Weeks & Williams 1964): the last level of
  the later class in each part depends on what stands before it. Parts are found by the largest label that reaches a node, within a rank by
  union-find.
*/
#include "alias.h"

/* Nodes are equations of two terms on this rank, owned and ghosts */
typedef struct {
  MeritModel           model;
  const MeritTermView *view[2];
  int32_t              at[2];  /* component of the trait in each term */
  int32_t             *parent; /* [n_local] union-find; owned */
  int64_t             *label;  /* [n_local] largest canonical level of the later term in the part, and 1; owned */
} Graph;

static bool PureClass(MeritModel model, const MeritAliasWork *work, int k)
{
  const MeritTermSpec *spec = &model->formula->term[k];

  return work->first[k] >= 0 && spec->n_regressors == 1 && spec->regressor[0].covariate == MERIT_COVARIATE_NONE;
}

static int32_t Find(int32_t *parent, int32_t node)
{
  while (parent[node] != node) node = parent[node] = parent[parent[node]];
  return node;
}

/* The node number i of term t */
static int32_t Node(const Graph *g, int t, int32_t i)
{
  return MeritTermEquation(g->view[t], i) + g->at[t];
}

static int32_t Nodes(const Graph *g, int t) { return MeritTermRecordLevels(g->view[t]); }

/* Every node a part of its own, then parts joined by the records of this rank */
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
    a = Find(g->parent, MeritTermEquationOfSlot(g->view[0], g->view[0]->design[0].slot[row]) + g->at[0]);
    b = Find(g->parent, MeritTermEquationOfSlot(g->view[1], g->view[1]->design[0].slot[row]) + g->at[1]);
    g->parent[PetscMax(a, b)] = PetscMin(a, b);
  }
}

/* The largest label of each part on this rank to all its nodes; did one change? */
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

/* Until labels stay on all ranks */
static PetscErrorCode Label(Graph *g)
{
  PetscSF  halo   = g->model->halo;
  int64_t *ghosts = g->label + g->model->layout.n_owned;
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

/* Mark what the columns of the later of two terms have in common with those of the earlier */
static PetscErrorCode Pair(Graph *g, int trait, int earlier, int later)
{
  const int terms[2] = {earlier, later};

  PetscFunctionBegin;
  for (int t = 0; t < 2; t++) {
    g->view[t] = &g->model->term[terms[t]].view;
    g->at[t]   = g->view[t]->design[0].offset[trait];
  }
  PetscCall(PetscArrayzero(g->label, g->model->layout.n_local));
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
  PetscCall(PetscMalloc2(model->layout.n_local + 1, &g.parent, model->layout.n_local + 1, &g.label));
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

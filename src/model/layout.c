/*
  Equations and component slots of this rank: owned levels, ghosts, genotyped levels; the halo.
  docs/layout.md has the formulas.

  Order of MeritModelLayOut(): for each term fetch the rows of the structure and find
  the ghosts (CountLevels); number equations and slots (Number); send all ranks where
  everyone's equations begin (ShareFirsts); link ghosts to their owners (MakeHalo); give
  the structures the equations of their neighbours (BindRows). A neighbour of a level is
  a level that its row of the structure names, such as a parent.
*/
#include "model_impl.h"

/* A neighbour that is a ghost, until the ghosts have their slots */
enum { GHOST = -2 };

/* Lists of neighbours of a structure at most */
enum { MOST_LISTS = 2 };

/* The neighbours of a term's owned levels: first positions among the owned levels (-1 none,
   GHOST), then equations (BindRows). Arrays are made here and taken over by the
   structure. */
typedef struct {
  int32_t *position[MOST_LISTS]; /* given to the structure in the end */
} Neighbours;

/* Get the structure's rows of the levels owned here. Where the model is planned and the
   term has the levels of the animals, also their part of the work (term->work_before).
   Collective. */
static PetscErrorCode FetchRows(MeritModel model, MeritModelTerm *term)
{
  const MeritLevels   *levels    = &term->levels;
  const MeritPlacement placement = {levels->first, levels->n_block, levels->owner, levels->n_owned, levels->position_of};
  MeritExchange        ex;

  PetscFunctionBegin;
  PetscCall(MeritStructureFetch(term->structure, &placement));
  if (!model->placing.work_before || !MeritStructureSameLevels(term->structure, model->term[model->placing.key].structure))
    PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritExchangeCreate(model->comm, levels->n_block, levels->owner, &ex));
  PetscCall(MeritStructureDeliver(&placement, ex, sizeof(*model->placing.work_before), model->placing.work_before, &term->work_before));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Note a level that a record names as a ghost (or genotyped level) unless this rank owns it; a
   number below 0 is no level. Not collective. */
static PetscErrorCode NoteGhost(MeritModelTerm *term, int64_t number)
{
  int32_t code;

  PetscFunctionBegin;
  if (number >= 0 && MeritLevelsOwnedPosition(term->met, number) < 0) PetscCall(MeritIntegersIntern(term->ghosts, number, &code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Positions of one list of neighbours: -1 where there is none, GHOST where it is a ghost,
   which is noted. *position [n] goes to the structure in the end. Not collective. */
static PetscErrorCode FindNeighbours(MeritModelTerm *term, int64_t n, const int64_t number[], int32_t **position)
{
  int32_t code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n + 1, position));
  for (int64_t i = 0; i < n; i++) {
    (*position)[i] = number[i] < 0 ? -1 : MeritLevelsOwnedPosition(&term->levels, number[i]);
    if (number[i] < 0 || (*position)[i] >= 0) continue;
    PetscCall(MeritIntegersIntern(term->ghosts, number[i], &code));
    (*position)[i] = GHOST;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Find the ghosts of term k: levels that records name, then neighbours of owned levels,
   all that this rank does not own; sorted by canonical number. A regressor with the same
   numbers as the one before it is passed over. Without classes the level is that of the
   regressor (ridge: one for each column). Not collective. */
static PetscErrorCode FindGhosts(MeritModel model, int k, Neighbours *neighbours)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  MeritModelTerm      *term = &model->term[k];
  const int64_t       *numbers;
  int64_t              n;

  PetscFunctionBegin;
  PetscCall(MeritIntegersCreate(64, &term->ghosts));
  for (int r = 0; r < spec->n_regressors; r++) {
    const int number = term->number[r];

    if (number < 0 && model->rows.n) PetscCall(NoteGhost(term, spec->regressor[r].level));
    if (number < 0 || (r && number == term->number[r - 1])) continue;
    for (int64_t row = 0; row < model->rows.n; row++) PetscCall(NoteGhost(term, model->rows.number[number][row]));
  }
  for (int list = 0; MeritStructureNeighbours(term->structure, list, &n, &numbers); list++)
    PetscCall(FindNeighbours(term, n, numbers, &neighbours->position[list]));
  PetscCall(MeritIntegersSort(term->ghosts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First equation and component slot of each term in each group: owned levels of all terms
   (group 0), then ghosts (1), then genotyped levels (2); a term has levels of one of the last
   two. More of either than a rank can number is an error on all ranks. Collective. */
static PetscErrorCode Number(MeritModel model)
{
  int64_t eq = 0, slot = 0, components = 0;

  PetscFunctionBegin;
  for (int group = 0; group < 3; group++)
    for (int k = 0; k < model->formula->n_terms; k++) {
      MeritTermView *view = &model->term[k].view;
      const int32_t  n    = group == 0 ? view->n_owned : group == 1 ? view->n_ghost : view->n_genotyped;

      if (group == 0) {
        model->term[k].first_component = components;
        components += (int64_t)n * view->n_comp;
      }
      if (group == 0 || n) {
        *(group == 0 ? &view->eq_owned : &view->eq_other)     = (int32_t)eq;
        *(group == 0 ? &view->slot_owned : &view->slot_other) = (int32_t)slot;
      }
      eq += (int64_t)n * view->n_eq;
      slot += (int64_t)n * view->n_comp;
      if (group == 0) model->equations.layout.n_owned = (int32_t)eq;
    }
  PetscCall(MeritFitsRank(model->comm, PetscMax(eq, slot), "equations with those of other ranks that its records need"));
  model->equations.layout.n_local = (int32_t)eq;
  model->equations.layout.n_slots = (int32_t)slot;
  model->equations.n_components   = components;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First global equation of every rank, and the local one at which each term begins on
   every rank; all ranks have both. Collective. */
static PetscErrorCode ShareFirsts(MeritModel model)
{
  const int n_terms = model->formula->n_terms;
  int64_t   owned   = model->equations.layout.n_owned;
  int32_t  *mine;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(model->size + 1, &model->equations.rank_first));
  PetscCall(PetscMalloc1((size_t)(model->size * n_terms) + 1, &model->equations.rank_term_first));
  PetscCall(PetscMalloc1(n_terms + 1, &mine));
  for (int k = 0; k < n_terms; k++) mine[k] = model->term[k].view.eq_owned;
  PetscCallMPI(MPI_Allgather(mine, n_terms, MPI_INT32_T, model->equations.rank_term_first, n_terms, MPI_INT32_T, model->comm));
  PetscCallMPI(MPI_Allgather(&owned, 1, MPI_INT64_T, model->equations.rank_first + 1, 1, MPI_INT64_T, model->comm));
  model->equations.rank_first[0] = 0;
  for (PetscMPIInt r = 0; r < model->size; r++) model->equations.rank_first[r + 1] += model->equations.rank_first[r];
  model->equations.layout.first = model->equations.rank_first[model->rank];
  model->equations.layout.n_all = model->equations.rank_first[model->size];
  PetscCall(PetscFree(mine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The halo: ghost equation i of this rank is an owned equation of another. The owner of a
   ghost level and its position there come from the directory of levels; its equation on the
   owner is the first of the term there + position * n_eq + component. Collective. */
static PetscErrorCode MakeHalo(MeritModel model)
{
  const int    n_terms = model->formula->n_terms;
  PetscSFNode *remote;
  PetscInt     n_ghost = 0, at = 0;
  PetscMPIInt *owner;
  int32_t     *position;

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++) n_ghost += (PetscInt)model->term[k].view.n_ghost * model->term[k].view.n_eq;
  PetscCall(PetscMalloc1(n_ghost, &remote));
  for (int k = 0; k < n_terms; k++) {
    const MeritTermView *view = &model->term[k].view;
    const int32_t        n    = view->n_ghost;

    PetscCall(PetscMalloc2(n, &owner, n, &position));
    PetscCall(MeritLevelsLocate(&model->term[k].levels, n, MeritIntegersValues(model->term[k].ghosts), owner, position));
    for (int32_t i = 0; i < n; i++)
      for (int e = 0; e < view->n_eq; e++, at++) {
        remote[at].rank  = owner[i];
        remote[at].index = (PetscInt)model->equations.rank_term_first[owner[i] * n_terms + k] + (PetscInt)position[i] * view->n_eq + e;
      }
    PetscCall(PetscFree2(owner, position));
  }
  PetscCall(PetscSFCreate(model->comm, &model->equations.halo));
  PetscCall(PetscSFSetGraph(model->equations.halo, model->equations.layout.n_owned, n_ghost, NULL, PETSC_OWN_POINTER, remote, PETSC_OWN_POINTER));
  PetscCall(PetscSFSetUp(model->equations.halo));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* From positions of the neighbours of owned levels to first equations, which the structure
   takes over. Not collective. */
static PetscErrorCode BindRows(MeritModelTerm *term, Neighbours *neighbours)
{
  MeritTermView *view = &term->view;
  const int64_t *number;
  int64_t        n;

  PetscFunctionBegin;
  for (int list = 0; MeritStructureNeighbours(term->structure, list, &n, &number); list++)
    for (int64_t i = 0; i < n; i++) {
      int32_t *slot = &neighbours->position[list][i];

      if (*slot >= 0) *slot = MeritTermEquation(view, *slot);
      else if (*slot == GHOST) *slot = MeritTermEquation(view, view->n_recorded + MeritIntegersFind(term->ghosts, number[i]));
    }
  PetscCall(MeritStructureBind(term->structure, view->eq_owned, view->n_eq, neighbours->position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelOwnedPosition - Position of a level among those this rank owns, or -1. Not collective. */
int32_t MeritModelOwnedPosition(const MeritModelTerm *term, int64_t number) { return MeritLevelsOwnedPosition(&term->levels, number); }

/* MeritModelRecordLevel - Record level of a canonical number, -1 of numbers below 0:
   owned levels that records have by position, then the others by number. Not collective. */
int32_t MeritModelRecordLevel(const MeritModelTerm *term, int64_t number)
{
  int32_t position;

  if (number < 0) return -1;
  position = MeritLevelsOwnedPosition(term->met, number);
  if (position >= 0) return position;
  return MeritIntegersFind(term->ghosts, number) + term->view.n_recorded;
}

/* Count the levels of one term here: owned, and ghosts or, where rows of a factor are
   fed, genotyped levels. Then `met` has no levels, so that every row of the factor that a record
   names is a genotyped level. Collective. */
static PetscErrorCode CountLevels(MeritModel model, int k, Neighbours *neighbours)
{
  static const MeritLevels nobody = {0};
  MeritModelTerm          *term   = &model->term[k];
  const bool               fed    = MeritStructureFed(term->structure);

  PetscFunctionBegin;
  term->met = fed ? &nobody : &term->levels;
  PetscCall(FetchRows(model, term));
  PetscCall(FindGhosts(model, k, neighbours));
  term->view.n_owned                                     = term->levels.n_owned;
  term->view.n_recorded                                  = term->met->n_owned;
  term->view.canonical                                   = term->levels.canonical;
  *(fed ? &term->view.n_genotyped : &term->view.n_ghost) = MeritIntegersCount(term->ghosts);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelLayOut - Number equations and slots, make the halo and the links to the rows of
   factors. Collective. */
PetscErrorCode MeritModelLayOut(MeritModel model)
{
  const int   n_terms = model->formula->n_terms;
  Neighbours *neighbours;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_terms, &neighbours));
  for (int k = 0; k < n_terms; k++) PetscCall(CountLevels(model, k, &neighbours[k]));
  PetscCall(Number(model));
  PetscCall(ShareFirsts(model));
  PetscCall(MakeHalo(model));
  for (int k = 0; k < n_terms; k++) {
    MeritModelTerm *term = &model->term[k];

    PetscCall(MeritStructureFeed(term->structure, term->view.n_genotyped, MeritIntegersValues(term->ghosts), &term->genotyped));
    PetscCall(BindRows(term, &neighbours[k]));
  }
  PetscCall(PetscFree(model->placing.work_before));
  PetscCall(PetscFree(neighbours));
  PetscFunctionReturn(PETSC_SUCCESS);
}

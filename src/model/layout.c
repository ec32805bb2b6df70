/* Equations and component slots of this rank: owned levels, ghosts, carriers; the halo. docs/layout.md has the formulas. */
#include "model_impl.h"
#include <string.h>

/* Parents (canonical, -1 unknown) of the animals a ped term owns here, by their places */
typedef struct {
  int64_t *sire, *dam; /* [n_owned] */
} Parents;

/* A parent that is a ghost, until the ghosts have their slots */
enum { GHOST_PARENT = -2 };

/* What the pedigree's blocks have of the animals -> the animals owned here, by their places; *mine is owned by the caller */
static PetscErrorCode Fetch(const MeritLevels *levels, MeritExchange ex, size_t bytes, const void *block, void *mine)
{
  char  *arrived;
  char **at = mine;

  PetscFunctionBegin;
  PetscCall(PetscMalloc((size_t)levels->n_owned * bytes + 1, &arrived));
  PetscCall(MeritExchangeForward(ex, bytes, block, arrived));
  *at = arrived;
  if (!levels->place_of) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc((size_t)levels->n_owned * bytes + 1, at));
  for (int32_t i = 0; i < levels->n_owned; i++) memcpy(*at + (size_t)levels->place_of[i] * bytes, arrived + (size_t)i * bytes, bytes);
  PetscCall(PetscFree(arrived));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode FetchParents(MeritModel model, MeritModelTerm *term, Parents *parents)
{
  const int64_t *sire, *dam;
  const int32_t *generation;
  const double  *d;
  MeritExchange  ex;
  int64_t        n;

  PetscFunctionBegin;
  PetscCall(MeritPedigreeParents(model->pedigree, NULL, &n, &sire, &dam));
  PetscCall(MeritPedigreeInbreeding(model->pedigree, NULL, &d));
  PetscCall(MeritPedigreeGeneration(model->pedigree, &generation));
  PetscCall(MeritExchangeCreate(model->comm, n, term->levels.owner, &ex));
  PetscCall(Fetch(&term->levels, ex, sizeof(*sire), sire, &parents->sire));
  PetscCall(Fetch(&term->levels, ex, sizeof(*dam), dam, &parents->dam));
  PetscCall(Fetch(&term->levels, ex, sizeof(*d), d, &term->d));
  PetscCall(Fetch(&term->levels, ex, sizeof(*generation), generation, &term->generation));
  if (model->share) PetscCall(Fetch(&term->levels, ex, sizeof(*model->share), model->share, &term->share));
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode NoteGhost(MeritModelTerm *term, bool carriers, int64_t number)
{
  int32_t code;

  PetscFunctionBegin;
  if (number >= 0 && (carriers || MeritLevelsOwnedPlace(&term->levels, number) < 0))
    PetscCall(MeritIntegersIntern(term->ghosts, number, &code));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Places of one parent of each owned animal: -1 where it is unknown, GHOST_PARENT where it is a ghost, which is noted */
static PetscErrorCode FindParents(MeritModelTerm *term, const int64_t number[], int32_t **place)
{
  int32_t code;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(term->levels.n_owned + 1, place));
  for (int32_t i = 0; i < term->levels.n_owned; i++) {
    (*place)[i] = number[i] < 0 ? -1 : MeritLevelsOwnedPlace(&term->levels, number[i]);
    if (number[i] < 0 || (*place)[i] >= 0) continue;
    PetscCall(MeritIntegersIntern(term->ghosts, number[i], &code));
    (*place)[i] = GHOST_PARENT;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Levels met here that are not owned here: of records, and parents of owned animals */
static PetscErrorCode FindGhosts(MeritModel model, int k, const Parents *parents)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  MeritModelTerm      *term = &model->term[k];
  const bool           snp  = spec->kind == MERIT_TERM_SNP;

  PetscFunctionBegin;
  PetscCall(MeritIntegersCreate(64, &term->ghosts));
  for (int r = 0; r < spec->n_regressors; r++) {
    const int number = term->number[r];

    if (number < 0 && model->rows.n) PetscCall(NoteGhost(term, snp, spec->kind == MERIT_TERM_RIDGE ? r : 0));
    if (number < 0 || (r && number == term->number[r - 1])) continue;
    for (int64_t row = 0; row < model->rows.n; row++) PetscCall(NoteGhost(term, snp, model->rows.number[number][row]));
  }
  if (parents->sire) PetscCall(FindParents(term, parents->sire, &term->sire));
  if (parents->dam) PetscCall(FindParents(term, parents->dam, &term->dam));
  PetscCall(MeritIntegersSort(term->ghosts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First equation and component slot of each group: owned levels of all terms, then ghosts, then carriers */
static PetscErrorCode Number(MeritModel model)
{
  int64_t eq = 0, slot = 0, components = 0;

  PetscFunctionBegin;
  for (int group = 0; group < 3; group++)
    for (int k = 0; k < model->formula->n_terms; k++) {
      MeritTermView *view    = &model->term[k].view;
      int32_t       *n       = group == 0 ? &view->n_owned : group == 1 ? &view->n_ghost : &view->n_carrier;
      int32_t       *first_eq = group == 0 ? &view->eq_owned : group == 1 ? &view->eq_ghost : &view->eq_carrier;
      int32_t       *first_slot = group == 0 ? &view->slot_owned : group == 1 ? &view->slot_ghost : &view->slot_carrier;

      if (group == 0) {
        model->term[k].first_component = components;
        components += (int64_t)*n * view->n_comp;
      }
      *first_eq   = (int32_t)eq;
      *first_slot = (int32_t)slot;
      eq += (int64_t)*n * view->n_eq;
      slot += (int64_t)*n * view->n_comp;
      if (group == 0) model->layout.n_owned = (int32_t)eq;
    }
  PetscCall(MeritFitsRank(model->comm, PetscMax(eq, slot), "equations with those of other ranks that its records need"));
  model->layout.n_local      = (int32_t)eq;
  model->layout.n_slots      = (int32_t)slot;
  model->n_components = components;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First equation of every rank, and of every term on every rank */
static PetscErrorCode ShareFirsts(MeritModel model)
{
  const int n_terms = model->formula->n_terms;
  int64_t   owned   = model->layout.n_owned;
  int32_t  *mine;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(model->size + 1, &model->rank_first));
  PetscCall(PetscMalloc1((size_t)(model->size * n_terms) + 1, &model->rank_term_first));
  PetscCall(PetscMalloc1(n_terms + 1, &mine));
  for (int k = 0; k < n_terms; k++) mine[k] = model->term[k].view.eq_owned;
  PetscCallMPI(MPI_Allgather(mine, n_terms, MPI_INT32_T, model->rank_term_first, n_terms, MPI_INT32_T, model->comm));
  PetscCallMPI(MPI_Allgather(&owned, 1, MPI_INT64_T, model->rank_first + 1, 1, MPI_INT64_T, model->comm));
  model->rank_first[0] = 0;
  for (PetscMPIInt r = 0; r < model->size; r++) model->rank_first[r + 1] += model->rank_first[r];
  model->layout.first = model->rank_first[model->rank];
  model->layout.n_all    = model->rank_first[model->size];
  PetscCall(PetscFree(mine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The halo: ghost equation i of this rank is an owned equation of another */
static PetscErrorCode MakeHalo(MeritModel model)
{
  const int      n_terms = model->formula->n_terms;
  PetscSFNode   *remote;
  PetscInt       n_ghost = 0, at = 0;
  PetscMPIInt   *owner;
  int32_t       *place;

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++) n_ghost += (PetscInt)model->term[k].view.n_ghost * model->term[k].view.n_eq;
  PetscCall(PetscMalloc1(n_ghost, &remote));
  for (int k = 0; k < n_terms; k++) {
    const MeritTermView *view = &model->term[k].view;
    const int32_t        n    = view->n_ghost;

    PetscCall(PetscMalloc2(n, &owner, n, &place));
    PetscCall(MeritLevelsLocate(&model->term[k].levels, n, MeritIntegersValues(model->term[k].ghosts), owner, place));
    for (int32_t i = 0; i < n; i++)
      for (int e = 0; e < view->n_eq; e++, at++) {
        remote[at].rank  = owner[i];
        remote[at].index = (PetscInt)model->rank_term_first[owner[i] * n_terms + k] + (PetscInt)place[i] * view->n_eq + e;
      }
    PetscCall(PetscFree2(owner, place));
  }
  PetscCall(PetscSFCreate(model->comm, &model->halo));
  PetscCall(PetscSFSetGraph(model->halo, model->layout.n_owned, n_ghost, NULL, PETSC_OWN_POINTER, remote, PETSC_OWN_POINTER));
  PetscCall(PetscSFSetUp(model->halo));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Genotype rows (roots, on column 0 of the grid) feed the carriers of a term (leaves) */
static PetscErrorCode MakeCarriers(MeritModel model, MeritModelTerm *term)
{
  const int32_t  n      = term->view.n_carrier;
  const int64_t *row    = MeritIntegersValues(term->ghosts);
  int            grid_rows, grid_cols;
  int64_t        row_first, n_rows, *firsts;
  PetscSFNode   *remote;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesTile(model->genotypes, &grid_rows, &grid_cols, &row_first, &n_rows, NULL, NULL));
  PetscCall(PetscMalloc1(model->size, &firsts));
  PetscCallMPI(MPI_Allgather(&row_first, 1, MPI_INT64_T, firsts, 1, MPI_INT64_T, model->comm));
  PetscCall(PetscMalloc1(n, &remote));
  for (int32_t i = 0; i < n; i++) {
    PetscMPIInt owner = MeritGenotypesRowOwner(model->genotypes, row[i]);

    remote[i].rank  = owner;
    remote[i].index = (PetscInt)(row[i] - firsts[owner]);
  }
  if (model->rank >= grid_rows) n_rows = 0;
  PetscCall(PetscSFCreate(model->comm, &term->carriers));
  PetscCall(PetscSFSetGraph(term->carriers, (PetscInt)n_rows, n, NULL, PETSC_OWN_POINTER, remote, PETSC_OWN_POINTER));
  PetscCall(PetscSFSetUp(term->carriers));
  PetscCall(PetscFree(firsts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* From places of the parents of owned animals to equation slots */
static PetscErrorCode PlaceParents(MeritModelTerm *term, Parents *parents)
{
  const MeritTermView *view = &term->view;
  int32_t             *slot[2] = {term->sire, term->dam};
  int64_t             *number[2] = {parents->sire, parents->dam};

  PetscFunctionBegin;
  for (int p = 0; p < 2; p++) {
    for (int32_t i = 0; i < view->n_owned; i++) {
      const int32_t place = slot[p][i];

      if (place >= 0) slot[p][i] = MeritTermEquation(view, place);
      else if (place == GHOST_PARENT) slot[p][i] = MeritTermEquation(view, view->n_owned + MeritIntegersFind(term->ghosts, number[p][i]));
    }
    PetscCall(PetscFree(number[p]));
  }
  term->view.sire = term->sire;
  term->view.dam  = term->dam;
  term->view.d    = term->d;
  term->view.generation = term->generation;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelOwnedPlace - Place of a level among those this rank owns, or -1. Not collective. */
int32_t MeritModelOwnedPlace(const MeritModelTerm *term, int64_t number)
{
  return MeritLevelsOwnedPlace(&term->levels, number);
}

/* MeritModelRecordLevel - Record level of a canonical number, -1 of numbers below 0. Not collective. */
int32_t MeritModelRecordLevel(const MeritModelTerm *term, int64_t number)
{
  int32_t place;

  if (number < 0) return -1;
  if (term->view.has_carriers) return MeritIntegersFind(term->ghosts, number);
  place = MeritLevelsOwnedPlace(&term->levels, number);
  return place >= 0 ? place : term->view.n_owned + MeritIntegersFind(term->ghosts, number);
}

/* MeritModelLayOut - Number equations and slots, make the halo and the links to the genotype rows. Collective. */
PetscErrorCode MeritModelLayOut(MeritModel model)
{
  const int n_terms = model->formula->n_terms;
  Parents  *parents;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_terms, &parents));
  for (int k = 0; k < n_terms; k++) {
    MeritModelTerm *term = &model->term[k];
    const bool      snp  = term->view.kind == MERIT_TERM_SNP;

    if (term->view.kind == MERIT_TERM_PED) PetscCall(FetchParents(model, term, &parents[k]));
    PetscCall(FindGhosts(model, k, &parents[k]));
    term->view.has_carriers = snp;
    term->view.n_owned   = term->levels.n_owned;
    term->view.n_ghost   = snp ? 0 : MeritIntegersCount(term->ghosts);
    term->view.n_carrier = snp ? MeritIntegersCount(term->ghosts) : 0;
    term->view.canonical = term->levels.canonical;
  }
  PetscCall(Number(model));
  PetscCall(ShareFirsts(model));
  PetscCall(MakeHalo(model));
  for (int k = 0; k < n_terms; k++) {
    if (model->term[k].view.kind == MERIT_TERM_SNP) PetscCall(MakeCarriers(model, &model->term[k]));
    if (model->term[k].view.kind == MERIT_TERM_PED) PetscCall(PlaceParents(&model->term[k], &parents[k]));
  }
  PetscCall(PetscFree(model->share));
  PetscCall(PetscFree(parents));
  PetscFunctionReturn(PETSC_SUCCESS);
}

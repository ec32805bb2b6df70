/* Memory of records and levels, and what is sent between ranks, predicted for some
   number of ranks. With b->here it is the current use of this rank; else the largest number on a rank of
   b->ranks ranks, from counts over all ranks. */
#include "model_impl.h"
#include <merit/cost.h>

/* Bytes of a record beside its traits: pattern, line; of a trait: value, weight and the operator's
   copy; of a regressor: the slot */
enum { RECORD_BYTES = 12, TRAIT_BYTES = 24, SLOT_BYTES = 4 };
/* Bytes of a level: canonical number; owner and position; of an animal: parents and Mendelian
   variance */
enum { NUMBER_BYTES = 8, LOCATION_BYTES = 8, PARENT_BYTES = 16 };
/* Bytes of a ghost: canonical number and position */
enum { GHOST_BYTES = 16 };

/* Bytes of a record: values and weights of the traits, pattern, line, and for each
   regressor slot, coefficient, and column while it is read */
static int64_t RecordBytes(MeritModel model)
{
  int64_t bytes = RECORD_BYTES + TRAIT_BYTES * (int64_t)model->formula->n_traits;

  for (int t = 0; t < model->formula->n_terms; t++) {
    const MeritTermView *view = &model->term[t].view;

    for (int g = 0; g < view->n_regressors; g++) bytes += MERIT_COLUMN_BYTES + SLOT_BYTES + (view->design[g].value ? (int64_t)sizeof(double) : 0);
  }
  return bytes;
}

/* Bytes of a level: number, owner and position, label, observations and states of its
   components */
static int64_t LevelBytes(const MeritTermView *view)
{
  return NUMBER_BYTES + LOCATION_BYTES + MERIT_LABEL_BYTES + (int64_t)sizeof(int64_t) * view->n_comp + view->n_eq;
}

/* Ghosts (and genotyped levels) of a term on a rank: as they are in this run, else no more than
   the levels that the rank does not own, and no more than its records name */
static int64_t Ghosts(const MeritTermView *view, const MeritBytes *b, int64_t n_records)
{
  if (b->here) return view->n_ghost + view->n_genotyped;
  if (b->ranks == 1) return view->n_genotyped; /* those of SNP terms */
  return PetscMin(view->n_levels - MeritFullestBlock(view->n_levels, b->ranks), MeritFullestBlock(n_records, b->ranks) * view->n_regressors);
}

/* *n = records over all ranks. Collective. */
static PetscErrorCode Records(MeritModel model, int64_t *n)
{
  PetscFunctionBegin;
  *n = model->records.n_records;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, n, 1, MPI_INT64_T, MPI_SUM, model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelLevelCounts - See the header. Collective. */
PetscErrorCode MeritModelLevelCounts(MeritModel model, const MeritBytes *b, int64_t owned[], int64_t ghosts[])
{
  int64_t n_records;

  PetscFunctionBegin;
  PetscCall(Records(model, &n_records));
  for (int t = 0; t < model->formula->n_terms; t++) {
    const MeritTermView *view = &model->term[t].view;

    owned[t] = b->here ? view->n_owned : MeritFullestBlock(view->n_levels, b->ranks);
    if (ghosts) ghosts[t] = Ghosts(view, b, n_records);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelAddBytes - See the header. Collective. */
PetscErrorCode MeritModelAddBytes(MeritModel model, MeritBytes *b)
{
  const int  n = model->formula->n_terms;
  const int *linked, n_linked = MeritModelLinkedTerms(model, &linked);
  int64_t    n_records, n_lines, n_animals = 0, *owned, *ghosts;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(n, &owned, n, &ghosts));
  PetscCall(MeritModelLevelCounts(model, b, owned, ghosts));
  PetscCall(Records(model, &n_records));
  PetscCall(MeritModelRecordCounts(model, &n_lines, NULL));
  if (model->pedigree) PetscCall(MeritPedigreeSize(model->pedigree, &n_animals, NULL, NULL));
  if (model->genotypes) PetscCall(MeritGenotypesAddBytes(model->genotypes, b));
  b->records += RecordBytes(model) * (b->here ? model->records.n_records : MeritFullestBlock(n_records, b->ranks));
  for (int t = 0; t < n; t++) b->levels += LevelBytes(&model->term[t].view) * owned[t] + GHOST_BYTES * ghosts[t];
  /* levels with parents, and the pedigree's own arrays */
  for (int i = 0; i < n_linked; i++) b->levels += (PARENT_BYTES + MERIT_ANIMAL_BYTES) * owned[linked[i]];
  b->reading +=
      MeritFullestBlock(n_lines, b->ranks) * (MERIT_LINE_BYTES + RecordBytes(model)) + MeritFullestBlock(n_animals, b->ranks) * MERIT_LINE_BYTES;
  PetscCall(PetscFree2(owned, ghosts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *n = generations of the levels of a term over all ranks. Collective. */
static PetscErrorCode Generations(MeritModel model, const MeritTermView *view, int *n)
{
  int32_t most = 0;

  PetscFunctionBegin;
  for (int32_t i = 0; i < view->n_owned; i++) most = PetscMax(most, MeritStructureGeneration(view->structure)[i]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT32_T, MPI_MAX, model->comm));
  *n = most + 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelTraffic - See the header. Collective. */
PetscErrorCode MeritModelTraffic(MeritModel model, PetscMPIInt ranks, MeritTraffic *x)
{
  const int  n = model->formula->n_terms;
  const int *linked, *fed;
  int        n_fixed = 0;
  int64_t   *ghosts;

  PetscFunctionBegin;
  *x = (MeritTraffic){.n_ped = MeritModelLinkedTerms(model, &linked), .plain = true};
  PetscCall(Records(model, &x->n_records));
  PetscCall(PetscMalloc1(n + 1, &ghosts));
  PetscCall(MeritModelGhosts(model, ranks, ghosts));
  for (int k = 0; k < n; k++) {
    const MeritTermView *view = &model->term[k].view;

    x->equations += view->n_levels * view->n_eq;
    *(view->fixed ? &x->fixed : &x->others) += ghosts[k] * view->n_eq;
    n_fixed += view->fixed;
  }
  for (int i = 0; i < x->n_ped; i++) {
    const MeritTermView *view = &model->term[linked[i]].view;

    x->animals += ghosts[linked[i]] * view->n_eq;
    x->n_animals += view->n_levels;
    x->plain = x->plain && view->n_regressors == 1;
    PetscCall(Generations(model, view, &x->n_generations));
  }
  for (int i = MeritModelFedTerms(model, &fed) - 1; i >= 0; i--) {
    x->genotyped += ghosts[fed[i]] * model->term[fed[i]].view.n_eq;
    x->n_snp_eq += model->term[fed[i]].view.n_eq;
  }
  x->others -= x->animals + x->genotyped;
  x->plain = x->plain && x->n_ped == 1 && n_fixed + 1 == n;
  PetscCall(PetscFree(ghosts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

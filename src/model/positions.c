/* Positions of equations and records that do not depend on the number of ranks, for
   checkpoints: a run with other ranks finds its parts of a vector by them. An equation
   has its position by term, canonical level and component; a record has the number of its
   line in the file. */
#include "model_impl.h"
#include <merit/checkpoint.h>

/* Positions of the owned equations: term after term, canonical level, component.
   Collective. */
static PetscErrorCode Equations(MeritModel model, MeritCheckpoint checkpoint)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(model, &term);
  int64_t             *position, first = 0;
  int32_t              n_owned;

  PetscFunctionBegin;
  n_owned = MeritModelLayout(model)->n_owned;
  PetscCall(PetscMalloc1(n_owned + 1, &position));
  for (int k = 0; k < n_terms; k++) {
    const MeritTermView *t = &term[k];

    for (int32_t i = 0; i < t->n_owned; i++)
      for (int a = 0; a < t->n_eq; a++) position[t->eq_owned + i * t->n_eq + a] = first + t->canonical[i] * t->n_eq + a;
    first += t->n_levels * t->n_eq;
  }
  PetscCall(MeritCheckpointSetPositions(checkpoint, MERIT_STATE_EQUATIONS, n_owned, position, first));
  PetscCall(PetscFree(position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Positions of the records of this rank: their lines, so that positions of lines without a
   record stay empty. Collective. */
static PetscErrorCode Records(MeritModel model, MeritCheckpoint checkpoint)
{
  const int64_t *line, n         = MeritModelRecords(model)->n_records;
  int64_t       *position, n_all = 0;

  PetscFunctionBegin;
  PetscCall(MeritModelRecordLines(model, &line));
  PetscCall(PetscMalloc1((size_t)n + 1, &position));
  for (int64_t i = 0; i < n; i++) {
    position[i] = line[i];
    n_all       = PetscMax(n_all, line[i] + 1);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n_all, 1, MPI_INT64_T, MPI_MAX, model->comm));
  PetscCall(MeritCheckpointSetPositions(checkpoint, MERIT_STATE_RECORDS, n, position, n_all));
  PetscCall(PetscFree(position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Called by the checkpoint whenever it needs positions, which it frees in between; ctx is
   the model. Collective. */
static PetscErrorCode Positions(void *ctx, MeritCheckpoint checkpoint)
{
  PetscFunctionBegin;
  PetscCall(Equations(ctx, checkpoint));
  PetscCall(Records(ctx, checkpoint));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelSetPositions - See the header. Not collective. */
PetscErrorCode MeritModelSetPositions(MeritModel model, MeritCheckpoint checkpoint)
{
  PetscFunctionBegin;
  PetscCall(MeritCheckpointSetPositionSource(checkpoint, Positions, model));
  PetscFunctionReturn(PETSC_SUCCESS);
}

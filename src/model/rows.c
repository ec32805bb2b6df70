/* Row arrays of the records: they move between ranks together. */
#include "model_impl.h"

static PetscErrorCode MoveArray(MeritExchange ex, size_t bytes, void *array)
{
  void **at = (void **)array, *moved;

  PetscFunctionBegin;
  if (!*at) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc((size_t)MeritExchangeArriving(ex) * bytes + 1, &moved));
  PetscCall(MeritExchangeForward(ex, bytes, *at, moved));
  PetscCall(PetscFree(*at));
  *at = moved;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritRowsMove - Send row i of the records to rank dest[i] (-1: drop it).

  Collective on the model. Rows arrive ordered by their old place over all ranks, so file order is kept within a rank.
*/
PetscErrorCode MeritRowsMove(MeritModel model, const PetscMPIInt dest[])
{
  MeritRows    *rows     = &model->rows;
  const size_t  n_traits = (size_t)model->formula->n_traits;
  MeritExchange ex;

  PetscFunctionBegin;
  PetscCall(MeritExchangeCreate(model->comm, rows->n, dest, &ex));
  PetscCall(MoveArray(ex, sizeof(*rows->line), &rows->line));
  PetscCall(MoveArray(ex, n_traits * sizeof(*rows->y), &rows->y));
  PetscCall(MoveArray(ex, n_traits * sizeof(*rows->weight), &rows->weight));
  PetscCall(MoveArray(ex, sizeof(*rows->residual), &rows->residual));
  PetscCall(MoveArray(ex, sizeof(*rows->observed), &rows->observed));
  for (int r = 0; r < rows->n_numbers; r++) PetscCall(MoveArray(ex, sizeof(**rows->number), &rows->number[r]));
  for (int c = 0; c < model->n_covariates; c++) PetscCall(MoveArray(ex, sizeof(**rows->covariate), &rows->covariate[c]));
  rows->n = MeritExchangeArriving(ex);
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritRowsFree - Free the row arrays that only set-up needs (all but line, y and weight). Not collective. */
PetscErrorCode MeritRowsFree(MeritModel model)
{
  MeritRows *rows = &model->rows;

  PetscFunctionBegin;
  if (rows->number)
    for (int r = 0; r < rows->n_numbers; r++) PetscCall(PetscFree(rows->number[r]));
  if (rows->covariate)
    for (int c = 0; c < model->n_covariates; c++) PetscCall(PetscFree(rows->covariate[c]));
  PetscCall(PetscFree(rows->number));
  PetscCall(PetscFree(rows->covariate));
  PetscCall(PetscFree(rows->residual));
  PetscCall(PetscFree(rows->observed));
  PetscFunctionReturn(PETSC_SUCCESS);
}

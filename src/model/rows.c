/* Row arrays of the records (MeritRows). They move between ranks, and are sorted, all
   together: Treat() goes through all arrays and does the same to each. */
#include "model_impl.h"
#include <string.h>

/* What is done to an array of rows of so many bytes each; array: address of the pointer */
typedef PetscErrorCode (*Treatment)(void *ctx, size_t bytes, void *array);

/* Send the rows of an array by the exchange ctx; the array is replaced by the rows that
   arrive. Collective. */
static PetscErrorCode MoveArray(void *ctx, size_t bytes, void *array)
{
  MeritExchange ex = ctx;
  void        **at = array, *moved;

  PetscFunctionBegin;
  PetscCall(PetscMalloc((size_t)MeritExchangeArriving(ex) * bytes + 1, &moved));
  PetscCall(MeritExchangeForward(ex, bytes, *at, moved));
  PetscCall(PetscFree(*at));
  *at = moved;
  PetscFunctionReturn(PETSC_SUCCESS);
}

typedef struct {
  int64_t        n;
  const int32_t *row;
} Arrangement;

/* Permute the rows of an array by the arrangement ctx; the array is replaced */
static PetscErrorCode ArrangeArray(void *ctx, size_t bytes, void *array)
{
  const Arrangement *to = ctx;
  char             **at = array, *arranged;

  PetscFunctionBegin;
  PetscCall(PetscMalloc((size_t)to->n * bytes + 1, &arranged));
  for (int64_t i = 0; i < to->n; i++) memcpy(arranged + (size_t)i * bytes, *at + (size_t)to->row[i] * bytes, bytes);
  PetscCall(PetscFree(*at));
  *at = arranged;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Treat every row array; an array that is added to MeritRows needs a line here */
static PetscErrorCode Treat(MeritRows *rows, Treatment treat, void *ctx)
{
  const size_t n_traits = (size_t)rows->n_traits;

  PetscFunctionBegin;
  PetscCall(treat(ctx, sizeof(*rows->line), &rows->line));
  PetscCall(treat(ctx, n_traits * sizeof(*rows->y), &rows->y));
  if (rows->weight) PetscCall(treat(ctx, n_traits * sizeof(*rows->weight), &rows->weight));
  PetscCall(treat(ctx, sizeof(*rows->residual), &rows->residual));
  PetscCall(treat(ctx, sizeof(*rows->observed), &rows->observed));
  for (int r = 0; r < rows->n_numbers; r++) PetscCall(treat(ctx, sizeof(**rows->number), &rows->number[r]));
  for (int c = 0; c < rows->n_covariates; c++) PetscCall(treat(ctx, sizeof(**rows->covariate), &rows->covariate[c]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritRowsMove - Send row i of the records to rank dest[i] (-1: drop it).

  Collective on comm. Rows arrive ordered by their old position over all ranks, so file order is
  kept within a rank.
*/
PetscErrorCode MeritRowsMove(MPI_Comm comm, MeritRows *rows, const PetscMPIInt dest[])
{
  MeritExchange ex;

  PetscFunctionBegin;
  PetscCall(MeritExchangeCreate(comm, rows->n, dest, &ex));
  PetscCall(Treat(rows, MoveArray, ex));
  rows->n = MeritExchangeArriving(ex);
  PetscCall(MeritExchangeDestroy(&ex));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritRowsArrange - Row i becomes what row[i] was. Not collective. */
PetscErrorCode MeritRowsArrange(MeritRows *rows, const int32_t row[])
{
  Arrangement to = {rows->n, row};

  PetscFunctionBegin;
  PetscCall(Treat(rows, ArrangeArray, &to));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritRowsTrim - Free the row arrays that only set-up needs (all but line, y and weight). Not
   collective. */
PetscErrorCode MeritRowsTrim(MeritRows *rows)
{
  PetscFunctionBegin;
  if (rows->number)
    for (int r = 0; r < rows->n_numbers; r++) PetscCall(PetscFree(rows->number[r]));
  if (rows->covariate)
    for (int c = 0; c < rows->n_covariates; c++) PetscCall(PetscFree(rows->covariate[c]));
  PetscCall(PetscFree(rows->number));
  PetscCall(PetscFree(rows->covariate));
  PetscCall(PetscFree(rows->residual));
  PetscCall(PetscFree(rows->observed));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritRowsFree - Free all row arrays. Not collective. */
PetscErrorCode MeritRowsFree(MeritRows *rows)
{
  PetscFunctionBegin;
  PetscCall(MeritRowsTrim(rows));
  PetscCall(PetscFree(rows->line));
  PetscCall(PetscFree(rows->y));
  PetscCall(PetscFree(rows->weight));
  PetscFunctionReturn(PETSC_SUCCESS);
}

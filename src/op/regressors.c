/*
  The regressors of all terms as the record kernels take them: lists of slots, coefficients and
  offsets of the model's designs, and the plan of the scatter. Threads write to levels of their own
  and to private slots behind the slots, so y is longer than n_slots.
*/
#include "op_impl.h"

/* Have all records the same level, as they have that of the intercept? */
static bool Single(int32_t n_records, const int32_t slot[])
{
  for (int32_t i = 0; i < n_records; i++)
    if (slot[i] < 0 || slot[i] != slot[0]) return false;
  return true;
}

/* MeritRegressorsCreate - See the header. Not collective. */
PetscErrorCode MeritRegressorsCreate(const MeritRecordsView *records, int n_terms, const MeritTermView term[], int32_t n_slots, int n_threads,
                                     MeritRegressors *x)
{
  int32_t *width;
  int      n = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n_terms + 1, &x->first));
  for (int i = 0; i < n_terms; i++) n += term[i].n_regressors;
  PetscCall(PetscMalloc4(n, &x->slot, n, &x->offset, n, &x->value, n, &x->single));
  PetscCall(PetscMalloc1(n + 1, &width));
  n = 0;
  for (int i = 0; i < n_terms; i++) {
    x->first[i] = n;
    for (int r = 0; r < term[i].n_regressors; r++, n++) {
      x->slot[n]   = term[i].design[r].slot;
      x->value[n]  = term[i].design[r].value;
      x->offset[n] = term[i].design[r].offset;
      x->single[n] = Single(records->n_records, x->slot[n]);
      width[n]     = term[i].n_comp;
    }
  }
  x->first[n_terms] = n;
  PetscCall(MeritScatterCreate(n_threads, records->n_records, n, x->slot, width, n_slots, &x->scatter));
  x->kernel = (MeritRecordKernel){
      records->n_records, records->n_traits,   n,          x->slot, x->value, x->offset, records->pattern, records->R_inverse, records->sqrt_weight,
      x->single,          records->n_patterns, &x->scatter};
  PetscCall(PetscFree(width));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritRegressorsDestroy - Free the lists and the scatter. Not collective. */
PetscErrorCode MeritRegressorsDestroy(MeritRegressors *x)
{
  PetscFunctionBegin;
  PetscCall(MeritScatterDestroy(&x->scatter));
  PetscCall(PetscFree4(x->slot, x->offset, x->value, x->single));
  PetscCall(PetscFree(x->first));
  PetscFunctionReturn(PETSC_SUCCESS);
}

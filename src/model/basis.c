/* Orthogonal regressors of a random term, for as long as its variances are estimated. */
#include "model_impl.h"

/* May r have a multiple of q taken off? Where a trait has r it has q, too, and each record meets
   one level by both. */
static bool Joins(MeritModel model, const MeritModelTerm *term, int q, int r)
{
  for (int t = 0; t < model->formula->n_traits; t++)
    if (term->offset[r][t] >= 0 && term->offset[q][t] < 0) return false;
  for (int32_t row = 0; row < model->records.n_records; row++)
    if (term->slot[q][row] != term->slot[r][row]) return false;
  return true;
}

/* Sums of products of r with q and of q with itself over the records that have r */
static PetscErrorCode Products(MeritModel model, const MeritModelTerm *term, int q, int r, double sums[2])
{
  const MeritRecordsView *records = &model->records;
  const double           *x = term->value[q], *y = term->value[r];

  PetscFunctionBegin;
  sums[0] = sums[1] = 0.0;
  for (int32_t row = 0; row < model->records.n_records; row++)
    for (int t = 0; t < model->formula->n_traits; t++) {
      if (term->slot[r][row] < 0 || term->offset[r][t] < 0 || !(records->observed[records->pattern[row]] >> t & 1)) continue;
      sums[0] += (x ? x[row] : 1.0) * y[row];
      sums[1] += (x ? x[row] * x[row] : 1.0);
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* r less its regression on q; B [n * n] by regressors keeps what was done. Twice, as the first time
   leaves rounding. */
static PetscErrorCode TakeOff(MeritModel model, MeritModelTerm *term, int q, int r, double *B)
{
  const int n = term->view.n_regressors;

  PetscFunctionBegin;
  for (int pass = 0; pass < 2; pass++) {
    double sums[2], slope;

    PetscCall(Products(model, term, q, r, sums));
    if (!(sums[1] > 0.0)) break;
    slope = sums[0] / sums[1];
    for (int32_t row = 0; row < model->records.n_records; row++) term->value[r][row] -= slope * (term->value[q] ? term->value[q][row] : 1.0);
    for (int i = 0; i < n; i++) B[i * n + r] -= slope * B[i * n + q];
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The regressors' B as that of components */
static void Spread(MeritModel model, int k, const double *B, double *to)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  const int            n = spec->n_components, m = spec->n_regressors;

  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      const MeritComponentSpec *a = &spec->component[i], *b = &spec->component[j];

      to[i * n + j] = a->trait == b->trait ? B[a->regressor * m + b->regressor] : 0.0;
    }
}

/*@
  MeritModelOrthogonal - Make the coefficients of a random term's regressors orthogonal over the
  records (Gram-Schmidt), as covariates far from 0, or of very different sizes, leave little of the
  digits of their variances.

  Collective.

  Output Parameters:
+ B     - [n_comp^2] the components as the user has them are u = B v, where v are those of the new
          coefficients, z'u = (B'z)'v
- mixes - is B anything but the identity?

  Notes:
  What has the old coefficients, such as a solver that is set up, does not see the change; operators
  do. Until `MeritModelOriginal()` variances and equations are those of v.
@*/
PetscErrorCode MeritModelOrthogonal(MeritModel model, int k, double B[], bool *mixes)
{
  MeritModelTerm *term = &model->term[k];
  const int       n    = term->view.n_regressors;
  double         *own;

  PetscFunctionBegin;
  *mixes = false;
  PetscCheck(model->mode.estimated && !term->original, model->comm, PETSC_ERR_ARG_WRONGSTATE, "not a term as the user has it");
  if (MeritStructureForm(term->structure) != MERIT_FORM_RECURSION || n < 2) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1((size_t)(n * n), &own));
  PetscCall(PetscCalloc1(n, &term->original));
  for (int r = 0; r < n; r++) {
    own[r * n + r] = 1.0;
    if (!term->value[r]) continue;
    PetscCall(PetscMalloc1(model->records.n_records + 1, &term->original[r]));
    PetscCall(PetscArraycpy(term->original[r], term->value[r], model->records.n_records));
  }
  for (int plain = 1; plain >= 0; plain--) /* those of classes alone, which are 1, stay */
    for (int r = 0; r < n; r++)
      for (int q = 0; term->value[r] && q < (plain ? n : r); q++) {
        int joins = (term->value[q] == NULL) == plain && Joins(model, term, q, r);

        PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &joins, 1, MPI_INT, MPI_MIN, model->comm));
        if (joins) PetscCall(TakeOff(model, term, q, r, own));
        *mixes = *mixes || joins;
      }
  Spread(model, k, own, B);
  PetscCall(PetscFree(own));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelOriginal - See the header. Not collective. */
PetscErrorCode MeritModelOriginal(MeritModel model)
{
  PetscFunctionBegin;
  for (int k = 0; k < model->formula->n_terms; k++) {
    MeritModelTerm *term = &model->term[k];

    for (int r = 0; term->original && r < term->view.n_regressors; r++) {
      if (term->original[r]) PetscCall(PetscArraycpy(term->value[r], term->original[r], model->records.n_records));
      PetscCall(PetscFree(term->original[r]));
    }
    PetscCall(PetscFree(term->original));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

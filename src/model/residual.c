/* Residual covariance R^-1. A pattern is a residual class with a set of observed traits;
   all records of a pattern have the same R^-1 but for their weights. For each pattern the
   rows and columns of the observed traits of R of the class are inverted; those of other
   traits are 0, so that missing traits contribute nothing. Few patterns occur, so
   inverses are stored for each [n_patterns * n_traits^2]. */
#include "model_impl.h"
#include <merit/kernels.h>

/* pair_observed [n_traits^2]: which pairs of traits are observed on one line, over all
   ranks. A residual covariance of a pair that never is does not enter any R^-1; a message
   says so. Collective. */
static PetscErrorCode ObservedPairs(MeritModel model)
{
  const MeritFormula *formula = model->formula;
  const int           n       = formula->n_traits;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)(n * n), &model->pair_observed));
  for (int64_t row = 0; row < model->rows.n; row++)
    for (int s = 0; s < n; s++)
      for (int t = 0; t < n; t++)
        if (model->rows.observed[row] >> s & model->rows.observed[row] >> t & 1) model->pair_observed[s * n + t] = 1;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, model->pair_observed, n * n, MPI_UINT8_T, MPI_MAX, model->comm));
  for (int s = 0; s < n; s++)
    for (int t = 0; t < s; t++) {
      bool covariance = false;

      for (int c = 0; c < formula->n_residuals; c++) covariance = covariance || formula->residual[c].R[s * n + t] != 0.0;
      if (!model->pair_observed[s * n + t] && covariance)
        MeritLog(MERIT_LOG_INFO, "%s and %s are never observed on one line: their residual covariance does not count and is taken as 0",
                 formula->trait[t], formula->trait[s]);
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelPatterns - Number the patterns (residual class, observed traits) of the local
   records. Collective. Patterns get numbers in the order of their first records on this
   rank, so numbers differ between ranks. The key has the class in its high half and one
   bit for each trait in the low one. */
PetscErrorCode MeritModelPatterns(MeritModel model)
{
  MeritIntegers  pool;
  const int64_t *key;
  int32_t        n;

  PetscFunctionBegin;
  PetscCall(ObservedPairs(model));
  PetscCall(MeritIntegersCreate(16, &pool));
  PetscCall(PetscMalloc1(model->rows.n + 1, &model->pattern));
  for (int64_t row = 0; row < model->rows.n; row++)
    PetscCall(MeritIntegersIntern(pool, (int64_t)model->rows.residual[row] << 32 | model->rows.observed[row], &model->pattern[row]));
  n   = MeritIntegersCount(pool);
  key = MeritIntegersValues(pool);
  PetscCall(PetscMalloc1(n + 1, &model->pattern_observed));
  PetscCall(PetscMalloc1(n + 1, &model->pattern_class));
  for (int32_t p = 0; p < n; p++) {
    model->pattern_observed[p] = (uint32_t)key[p];
    model->pattern_class[p]    = (int32_t)(key[p] >> 32);
  }
  model->records.n_patterns = n;
  model->records.observed   = model->pattern_observed;
  model->records.residual_class = model->pattern_class;
  PetscCall(PetscMalloc1((size_t)((n + 1) * model->formula->n_traits * model->formula->n_traits), &model->R_inverse));
  model->records.R_inverse = model->R_inverse;
  PetscCall(MeritIntegersDestroy(&pool));
  PetscCall(MeritModelInvertResiduals(model));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelInvertResiduals - Inverse of the observed part of R for every pattern; other
   rows and columns are 0. Collective. Called again when variances change. */
PetscErrorCode MeritModelInvertResiduals(MeritModel model)
{
  const int  n     = model->formula->n_traits;
  MeritFault fault = {0};

  PetscFunctionBegin;
  for (int32_t p = 0; p < model->records.n_patterns; p++) {
    const double *R       = model->formula->residual[model->pattern_class[p]].R;
    double       *inverse = model->R_inverse + (int64_t)p * n * n, part[MERIT_MAX_TRAIT_BLOCK], part_inverse[MERIT_MAX_TRAIT_BLOCK];
    int           trait[MERIT_MAX_TRAITS], m = MeritDensePart(n, model->pattern_observed[p], R, trait, part);

    if (!MeritDenseInvert(m, part, part_inverse, NULL))
      MeritFaultSet(&fault, MERIT_ERROR_USAGE, NULL, 0, "residual", "the residual covariance matrix is not positive definite");
    PetscCall(PetscArrayzero(inverse, n * n));
    for (int i = 0; i < m; i++)
      for (int j = 0; j < m; j++) inverse[trait[i] * n + trait[j]] = part_inverse[i * m + j];
  }
  PetscCall(MeritFaultAgree(model->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Residual covariance R^-1. A pattern is a residual class with a set of observed traits;
   all records of a pattern have the same R^-1 but for their weights. For each pattern the
   rows and columns of the observed traits of R of the class are inverted; those of other
   traits are 0, so that missing traits contribute nothing. Few patterns occur, so
   inverses are stored for each [n_patterns * n_traits^2]. */
#include "model_impl.h"
#include <merit/kernels.h>

/* *pair_observed [n_traits^2]: which pairs of traits are observed on one line, over all
   ranks. A residual covariance of a pair that never is does not enter any R^-1; a message
   says so. Collective; the array is the caller's. */
static PetscErrorCode ObservedPairs(MPI_Comm comm, const MeritFormula *formula, const MeritRows *rows, uint8_t **pair_observed)
{
  const int n = formula->n_traits;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)(n * n), pair_observed));
  for (int64_t row = 0; row < rows->n; row++)
    for (int s = 0; s < n; s++)
      for (int t = 0; t < n; t++)
        if (rows->observed[row] >> s & rows->observed[row] >> t & 1) (*pair_observed)[s * n + t] = 1;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, *pair_observed, n * n, MPI_UINT8_T, MPI_MAX, comm));
  for (int s = 0; s < n; s++)
    for (int t = 0; t < s; t++) {
      bool covariance = false;

      for (int c = 0; c < formula->n_residuals; c++) covariance = covariance || formula->residual[c].R[s * n + t] != 0.0;
      if (!(*pair_observed)[s * n + t] && covariance)
        MeritLog(MERIT_LOG_INFO, "no record has both %s and %s: their residual covariance has no effect and is taken as 0", formula->trait[t],
                 formula->trait[s]);
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPatternsCreate - Number the patterns (residual class, observed traits) of the local
   records. Collective. Patterns get numbers in the order of their first records on this
   rank, so numbers differ between ranks. The key has the class in its high half and one
   bit for each trait in the low one. */
PetscErrorCode MeritPatternsCreate(MPI_Comm comm, const MeritFormula *formula, const MeritRows *rows, MeritPatterns *patterns)
{
  MeritIntegers  pool;
  const int64_t *key;
  int32_t        n;

  PetscFunctionBegin;
  PetscCall(ObservedPairs(comm, formula, rows, &patterns->pair_observed));
  PetscCall(MeritIntegersCreate(16, &pool));
  PetscCall(PetscMalloc1(rows->n + 1, &patterns->pattern));
  for (int64_t row = 0; row < rows->n; row++)
    PetscCall(MeritIntegersIntern(pool, (int64_t)rows->residual[row] << 32 | rows->observed[row], &patterns->pattern[row]));
  n   = MeritIntegersCount(pool);
  key = MeritIntegersValues(pool);
  PetscCall(PetscMalloc1(n + 1, &patterns->observed));
  PetscCall(PetscMalloc1(n + 1, &patterns->residual_class));
  for (int32_t p = 0; p < n; p++) {
    patterns->observed[p]       = (uint32_t)key[p];
    patterns->residual_class[p] = (int32_t)(key[p] >> 32);
  }
  patterns->n = n;
  PetscCall(PetscMalloc1((size_t)((n + 1) * formula->n_traits * formula->n_traits), &patterns->R_inverse));
  PetscCall(MeritIntegersDestroy(&pool));
  PetscCall(MeritPatternsInvert(comm, formula, patterns));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPatternsInvert - Inverse of the observed part of R for every pattern; other rows and
   columns are 0. Collective. Called again when variances change. */
PetscErrorCode MeritPatternsInvert(MPI_Comm comm, const MeritFormula *formula, MeritPatterns *patterns)
{
  const int  n     = formula->n_traits;
  MeritFault fault = {0};

  PetscFunctionBegin;
  for (int32_t p = 0; p < patterns->n; p++) {
    const double *R       = formula->residual[patterns->residual_class[p]].R;
    double       *inverse = patterns->R_inverse + (int64_t)p * n * n, part[MERIT_MAX_TRAIT_BLOCK], part_inverse[MERIT_MAX_TRAIT_BLOCK];
    int           trait[MERIT_MAX_TRAITS], m = MeritDensePart(n, patterns->observed[p], R, trait, part);

    if (!MeritDenseInvert(m, part, part_inverse, NULL))
      MeritFaultSet(&fault, MERIT_ERROR_USAGE, NULL, 0, "residual",
                    "the residual covariance matrix is not positive definite; change the variances or covariances of `residual`");
    PetscCall(PetscArrayzero(inverse, n * n));
    for (int i = 0; i < m; i++)
      for (int j = 0; j < m; j++) inverse[trait[i] * n + trait[j]] = part_inverse[i * m + j];
  }
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPatternsFree - Free all arrays. Not collective. */
PetscErrorCode MeritPatternsFree(MeritPatterns *patterns)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(patterns->pattern));
  PetscCall(PetscFree(patterns->observed));
  PetscCall(PetscFree(patterns->residual_class));
  PetscCall(PetscFree(patterns->R_inverse));
  PetscCall(PetscFree(patterns->pair_observed));
  PetscFunctionReturn(PETSC_SUCCESS);
}

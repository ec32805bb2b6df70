/* Elimination of a small Gram matrix in a given order: which columns depend on those before
   them. */
#include "alias.h"
#include <math.h>

/* Null vector of a dependent column: 1 at itself, -c at the kept columns, where L'c = row. Row kept
   [i] of `factor` is row i of L. */
static void NullVector(int n_kept, const int kept[], const double *factor, int stride, const double *row, int self, const int order[], double *vector)
{
  for (int i = n_kept - 1; i >= 0; i--) {
    double sum = row[i];

    /* vector holds -c already */
    for (int j = i + 1; j < n_kept; j++) sum += factor[(size_t)kept[j] * (size_t)stride + (size_t)i] * vector[order[kept[j]]];
    vector[order[kept[i]]] = -sum / factor[(size_t)kept[i] * (size_t)stride + (size_t)i];
  }
  vector[order[self]] = 1.0;
}

/* A pivot below this fraction of the squared length is examined further */
static const double DOUBTFUL = 1e-6;

/* Is a pivot rounding error? An error E of the Gram matrix, |E_ij| about epsilon * sqrt(G_ii G_jj),
   changes the pivot by c'E c, where c is the null vector of the column. This is large if many
   columns add up, as the levels of two large classes do. */
static bool Rounding(int n, const int order[], const double *norm, const double *vector, double pivot)
{
  double sum = 0.0;

  for (int i = 0; i < n; i++) sum += fabs(vector[order[i]]) * sqrt(norm[order[i]]);
  return pivot <= 4.0 * PETSC_MACHINE_EPSILON * sum * sum;
}

/*
  MeritAliasEliminate - Cholesky in a given order, leaving out the columns that depend on those
  before them.

  Not collective.

  Input Parameters:
+ n_small  - order of gram
. gram     - [n_small^2] symmetric
. norm     - [n_small] squared length of each column before anything was taken out; 0 for an absent
             column
. n, order - the columns to go through, and their order

  Output Parameters:
+ dependent    - [n]
. n_null       - number of dependent columns (not counting absent ones)
- null_vectors - [n_null * n_small], NULL if not wanted; owned by the caller, PetscFree
*/
PetscErrorCode MeritAliasEliminate(int n_small, const double *gram, const double *norm, int n, const int order[], uint8_t dependent[], int *n_null,
                                   double **null_vectors)
{
  double *factor, *vector, *vectors = NULL;
  int    *kept, n_kept = 0, found = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)n * (size_t)n + 1, &factor));
  PetscCall(PetscMalloc1(n + 1, &kept));
  PetscCall(PetscMalloc1(n_small + 1, &vector));
  for (int j = 0; j < n; j++) {
    double *row = factor + (size_t)j * (size_t)n, pivot = gram[(size_t)order[j] * (size_t)n_small + (size_t)order[j]];

    dependent[j] = 0;
    if (norm[order[j]] <= 0.0) continue;
    for (int i = 0; i < n_kept; i++) {
      const double *other = factor + (size_t)kept[i] * (size_t)n;
      double        sum   = gram[(size_t)order[j] * (size_t)n_small + (size_t)order[kept[i]]];

      for (int k = 0; k < i; k++) sum -= row[k] * other[k];
      row[i] = sum / other[i];
      pivot -= row[i] * row[i];
    }
    dependent[j] = pivot <= DOUBTFUL * norm[order[j]];
    if (dependent[j] && (null_vectors || pivot > MERIT_ALIAS_DEPENDENT * norm[order[j]])) {
      PetscCall(PetscArrayzero(vector, n_small));
      NullVector(n_kept, kept, factor, n, row, j, order, vector);
      dependent[j] = pivot <= MERIT_ALIAS_DEPENDENT * norm[order[j]] || Rounding(j + 1, order, norm, vector, pivot);
    }
    if (!dependent[j]) {
      row[n_kept]    = sqrt(pivot);
      kept[n_kept++] = j;
      continue;
    }
    if (null_vectors) {
      PetscCall(PetscRealloc((size_t)(found + 1) * (size_t)n_small * sizeof(*vectors), &vectors));
      PetscCall(PetscArraycpy(vectors + (size_t)found * (size_t)n_small, vector, n_small));
    }
    found++;
  }
  *n_null = found;
  if (null_vectors) *null_vectors = vectors;
  PetscCall(PetscFree(factor));
  PetscCall(PetscFree(kept));
  PetscCall(PetscFree(vector));
  PetscFunctionReturn(PETSC_SUCCESS);
}

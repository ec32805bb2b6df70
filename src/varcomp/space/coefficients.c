/*
  Sums of products of the coefficients in the rows of Z.

  One pass over the records for all regressors of a term: pairs of regressors are formed only
  where a record has both at one level, so that a wide term of columns, each a level of its own,
  costs a pass for each column and not for each pair. The sums say how much a matrix G adds to
  the variance of an observation: for starting values, for fractions of the phenotypic variance,
  and for scales.
*/
#include "varcomp_impl.h"

/*
  Product of the coefficients of regressors a and b in record i, times K of their levels, to the
  elements of M [n * n] of the components that they have for each observed trait. An offset
  below 0: the regressor has no component of this trait.
*/
static void AddPair(const MeritRecordsView *records, int n, int32_t i, const MeritDesignView *a, const MeritDesignView *b, double K, double *M)
{
  const double product = (a->value ? a->value[i] : 1.0) * (b->value ? b->value[i] : 1.0) * K;

  for (int t = 0; t < records->n_traits; t++) {
    const int x = a->offset[t], y = b->offset[t];

    if (!(records->observed[records->pattern[i]] >> t & 1) || x < 0 || y < 0) continue;
    M[x * n + y] += product;
    if (a != b) M[y * n + x] += product;
  }
}

/*
  Pairs of record i at one level, each regressor with itself, too. The regressors of a slot form
  a list: last [n_slots] is the latest regressor of a slot, before [n_regressors] the one before
  each. last is -1 everywhere at the begin, and again at the end.
*/
static void AddSameLevel(const MeritRecordsView *records, const MeritTermView *term, int32_t i, int32_t *last, int32_t *before, double *M)
{
  for (int32_t g = 0; g < term->n_regressors; g++) {
    const int32_t slot = term->design[g].slot[i];

    if (slot < 0) continue;
    before[g]  = last[slot];
    last[slot] = g;
    for (int32_t h = g; h >= 0; h = before[h]) AddPair(records, term->n_comp, i, &term->design[g], &term->design[h], 1.0, M);
  }
  for (int g = 0; g < term->n_regressors; g++)
    if (term->design[g].slot[i] >= 0) last[term->design[g].slot[i]] = -1;
}

/*
  Pairs of record i at different levels, as an animal and its dam. K is the element that such
  levels typically have, not that of these two levels.
*/
static void AddRelatives(const MeritRecordsView *records, const MeritTermView *term, int32_t i, double K, double *M)
{
  for (int g = 0; g < term->n_regressors; g++)
    for (int h = 0; h < g; h++) {
      const int32_t a = term->design[g].slot[i], b = term->design[h].slot[i];

      if (a >= 0 && b >= 0 && a != b) AddPair(records, term->n_comp, i, &term->design[g], &term->design[h], K, M);
    }
}

/* VarcompCoefficientSums - See the header. Collective. */
PetscErrorCode VarcompCoefficientSums(MeritVarcomp v, int k, bool relatives, double *M)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const MeritTermView    *term;
  int32_t                 n_slots, *last, *before;
  double                  diagonal, other; /* mean diagonal of K, and K of different levels as a fraction of that */

  PetscFunctionBegin;
  MeritModelTerms(v->model, &term);
  term += k;
  /* sums are in units of the mean diagonal of K, which is multiplied in at the end */
  diagonal = MeritStructureMeanDiagonal(term->structure);
  other    = MeritStructureTypicalElement(term->structure) / diagonal;
  n_slots  = MeritModelLayout(v->model)->n_slots;
  PetscCall(PetscMalloc2(n_slots + 1, &last, term->n_regressors, &before));
  for (int32_t s = 0; s < n_slots; s++) last[s] = -1;
  PetscCall(PetscArrayzero(M, term->n_comp * term->n_comp));
  for (int32_t i = 0; i < records->n_records; i++) {
    AddSameLevel(records, term, i, last, before, M);
    if (relatives && other != 0.0) AddRelatives(records, term, i, other, M);
  }
  PetscCall(PetscFree2(last, before));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, M, term->n_comp * term->n_comp, MPI_DOUBLE, MPI_SUM, v->comm));
  for (int i = 0; i < term->n_comp * term->n_comp; i++) M[i] *= diagonal;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompTraitCounts - See the header. Collective. */
PetscErrorCode VarcompTraitCounts(MeritVarcomp v, double count[])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(count, v->formula->n_traits));
  for (int32_t i = 0; i < records->n_records; i++)
    for (int t = 0; t < v->formula->n_traits; t++) count[t] += records->observed[records->pattern[i]] >> t & 1;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count, v->formula->n_traits, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

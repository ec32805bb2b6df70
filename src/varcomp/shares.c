/*
  Shares of the components in the variance of an observation. An observation of a trait has the
  variance sum_c a_c theta_c over the components of the trait, averaged over its records: a_c is
  the mean product of the coefficients and of K between the levels that a record has. For direct
  and maternal effects of an animal and its dam that is the phenotypic variance of Willham
  (1963): K is 1/2 between them, and their covariance counts once.
*/
#include "varcomp_impl.h"
#include <math.h>

/* Trait of a component; -1: a covariance of two traits, which is no part of either's variance */
static int Trait(MeritVarcomp v, int c)
{
  const MeritComponent *p = &v->component[c];
  const MeritTermSpec  *spec;

  if (p->term < 0) return p->row == p->column ? p->row : -1;
  spec = &v->formula->term[p->term];
  return spec->component[p->row].trait == spec->component[p->column].trait ? spec->component[p->row].trait : -1;
}

/*
  Sum over this rank's records of a residual class that have the trait of 1 / weight: the
  residual variance of a record is theta / weight, and sqrt_weight is the square root of the
  weight
*/
static double OfResidual(MeritVarcomp v, int residual, int trait)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const int               t       = records->n_traits;
  double                  sum     = 0.0;

  for (int32_t i = 0; i < records->n_records; i++) {
    const double sqrt_weight = records->sqrt_weight ? records->sqrt_weight[(int64_t)i * t + trait] : 1.0;

    if (records->observed[records->pattern[i]] >> trait & 1 && records->residual_class[records->pattern[i]] == residual)
      sum += 1.0 / (sqrt_weight * sqrt_weight);
  }
  return sum;
}

/*
  What a component of 1 adds to the variance of an observation of its trait, times the records
  that have the trait. Collective.
*/
static PetscErrorCode Coefficients(MeritVarcomp v, double a[])
{
  double *M;

  PetscFunctionBegin;
  for (int c = 0; c < v->n; c++) {
    const int trait = Trait(v, c);

    a[c] = trait >= 0 && v->component[c].term < 0 ? OfResidual(v, v->component[c].residual, trait) : 0.0;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, a, v->n, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscCall(PetscMalloc1((size_t)(v->n * v->n), &M));
  for (int k = 0; k < v->formula->n_terms; k++) {
    const int n = v->formula->term[k].n_components;

    if (v->first_of_term[k] < 0) continue;
    PetscCall(VarcompCoefficientSums(v, k, true, M));
    for (int i = 0, c = v->first_of_term[k]; i < n; i++)
      for (int j = 0; j <= i; j++, c++) a[c] = Trait(v, c) < 0 ? 0.0 : (i == j ? 1.0 : 2.0) * M[i * n + j];
  }
  PetscCall(PetscFree(M));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Standard error of the fraction f = a_c theta_c / all, all = sum_i a_i theta_i over the
  components of the trait, by the delta method: df/dtheta_i = ((i = c) all - a_c theta_c) a_i /
  all^2, and the variance is that gradient on both sides of the covariance of the estimates.
  Monte Carlo errors are added to the covariance. NaN where a variance of the trait lies at the
  boundary and has no standard error of its own.
*/
static double Error(MeritVarcomp v, const double a[], int c, int trait, double all)
{
  const int n   = v->n;
  double    sum = 0.0;

  for (int i = 0; i < n; i++) {
    if (v->results.state[i] == MERIT_ESTIMATE_BOUNDARY && a[i] > 0.0 && Trait(v, i) == trait && !(v->results.covariance[i * n + i] > 0.0)) return NAN;
    for (int j = 0; j < n; j++) {
      const double noise = v->results.has_monte_carlo ? v->results.monte_carlo[i * n + j] : 0.0;
      const double g     = Trait(v, i) == trait ? ((i == c) * all - a[c] * v->run.theta[c]) * a[i] / (all * all) : 0.0;
      const double h     = Trait(v, j) == trait ? ((j == c) * all - a[c] * v->run.theta[c]) * a[j] / (all * all) : 0.0;

      sum += g * h * (v->results.covariance[i * n + j] + noise);
    }
  }
  return sum > 0.0 ? sqrt(sum) : NAN;
}

/* VarcompShares - See the header. Collective. */
PetscErrorCode VarcompShares(MeritVarcomp v)
{
  double *a;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(v->n, &a));
  PetscCall(Coefficients(v, a));
  /* Numerator and denominator are sums over the same records: their number cancels */
  for (int c = 0; c < v->n; c++) {
    const int trait = Trait(v, c);
    double    all   = 0.0;

    v->results.share[c] = v->results.share_error[c] = NAN;
    if (v->component[c].row != v->component[c].column) continue;
    for (int i = 0; i < v->n; i++)
      if (Trait(v, i) == trait) all += a[i] * v->run.theta[i];
    if (!(all > 0.0)) continue;
    v->results.share[c] = a[c] * v->run.theta[c] / all;
    if (v->results.has_covariance) v->results.share_error[c] = Error(v, a, c, trait, all);
  }
  PetscCall(PetscFree(a));
  PetscFunctionReturn(PETSC_SUCCESS);
}

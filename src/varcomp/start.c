/*
  Starting values: those of the job, and for what it leaves open a fraction of the phenotypic
  variance, or what guess.c makes of it.

  VarcompStart first looks at the data: every trait must vary, every component must have a
  record with a non-zero coefficient, and every residual class must have its traits. Then half
  of the phenotypic variance of each trait is divided equally among the random terms, the other
  half is the residual's. guess.c may replace these values. A fit that a checkpoint has is not
  guessed again.
*/
#include "varcomp_impl.h"
#include <math.h>

/*
  M [n * n] of term k: mean products of the coefficients with which the components of a level
  occur in an observation, times the mean diagonal of K; 0 for components of different traits or
  levels. A matrix G adds tr(G M) to the variance of an observation, summed over traits.
  Collective.
*/
static PetscErrorCode MeanProducts(MeritVarcomp v, int k, double *M)
{
  const MeritTermSpec *spec = &v->formula->term[k];
  const int            n    = spec->n_components;
  double               count[MERIT_MAX_TRAITS];

  PetscFunctionBegin;
  PetscCall(VarcompTraitCounts(v, count));
  PetscCall(VarcompCoefficientSums(v, k, false, M));
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) M[i * n + j] *= 1.0 / PetscMax(count[spec->component[i].trait], 1.0);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompScales - See the header; off-diagonal components have 1. Collective. */
PetscErrorCode VarcompScales(MeritVarcomp v, double scale[])
{
  double *M;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)MERIT_MAX_BLOCK, &M));
  for (int c = 0; c < v->n; c++) scale[c] = 1.0;
  for (int k = 0; k < v->formula->n_terms; k++) {
    const int n = v->formula->term[k].n_components;

    if (v->first_of_term[k] < 0) continue;
    PetscCall(MeanProducts(v, k, M));
    for (int i = 0, c = v->first_of_term[k]; i < n; c += ++i + 1) {
      if (!(M[i * n + i] > 0.0))
        PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->formula->term[k].label,
                             "no record has a non-zero coefficient for a component of `%s`: its variance cannot be estimated",
                             v->formula->term[k].label));
      scale[c] = M[i * n + i];
    }
  }
  PetscCall(PetscFree(M));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The matrix of a term that adds variance[t] to an observation of each trait t, as much by each
  regressor. With regressors that are orthonormal over the observations G would be a multiple of
  I; converted to the user's regressors it is that multiple of M^-1, whatever their scale and
  centre. Covariances between traits are 0. Diagonal where elements of the matrix are fixed, and
  where M is singular.
*/
static PetscErrorCode TermMatrix(MeritVarcomp v, int k, const double variance[], double *G)
{
  const MeritTermSpec *spec = &v->formula->term[k];
  const int            n    = spec->n_components;
  double              *M;
  int                  regressors[MERIT_MAX_TRAITS] = {0};
  bool                 whole                        = !spec->diagonal && !spec->fix;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)(n * n), &M));
  PetscCall(MeanProducts(v, k, M));
  for (int i = 0; i < n; i++) regressors[spec->component[i].trait]++;
  if (!whole || !MeritDenseInvert(n, M, G, NULL))
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) G[i * n + j] = i == j ? 1.0 / M[i * n + i] : 0.0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      const int s = spec->component[i].trait, t = spec->component[j].trait;

      G[i * n + j] *= s == t ? variance[t] / regressors[t] : 0.0;
    }
  PetscCall(PetscFree(M));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Variance of the observations of each trait. Two passes, means first: sums of squares about 0
  lose the digits of a trait whose mean is much larger than its standard deviation. A trait
  whose variance is rounding beside its squared mean is an INPUT error. Collective.
*/
static PetscErrorCode Phenotypic(MeritVarcomp v, double variance[])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  const int               t       = records->n_traits;
  double                 *sums;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)(3 * t), &sums));
  for (int pass = 0; pass < 2; pass++) {
    for (int32_t i = 0; i < records->n_records; i++)
      for (int a = 0; a < t; a++) {
        const double y = records->y[(int64_t)i * t + a];

        if (!(records->observed[records->pattern[i]] >> a & 1)) continue;
        if (!pass) sums[a] += 1.0, sums[t + a] += y;
        else sums[2 * t + a] += (y - sums[t + a]) * (y - sums[t + a]);
      }
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, pass ? sums + 2 * t : sums, pass ? t : 2 * t, MPI_DOUBLE, MPI_SUM, v->comm));
    for (int a = 0; a < t && !pass; a++) sums[t + a] /= PetscMax(sums[a], 1.0);
  }
  for (int a = 0; a < t; a++) {
    variance[a] = sums[a] > 1.0 ? sums[2 * t + a] / (sums[a] - 1.0) : 0.0;
    if (!(variance[a] > 1e-28 * sums[t + a] * sums[t + a]))
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->formula->trait[a], "trait %s does not vary: there are no variances to estimate",
                           v->formula->trait[a]));
  }
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Residual components that the data cannot have. Two traits that no record of a class has
  together have no covariance there: it is fixed at 0. A trait that no record of a class has
  gives no variance there: an INPUT error. Ranks know only their own patterns, so these are
  joined first. Collective.
*/
static PetscErrorCode Pairs(MeritVarcomp v)
{
  const MeritRecordsView *records = MeritModelRecords(v->model);
  uint8_t                *seen;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(v->n, &seen));
  for (int32_t p = 0; p < records->n_patterns; p++)
    for (int c = 0; c < v->n; c++)
      if (v->component[c].term < 0 && v->component[c].residual == records->residual_class[p] &&
          records->observed[p] >> v->component[c].row & records->observed[p] >> v->component[c].column & 1)
        seen[c] = 1;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, seen, v->n, MPI_UINT8_T, MPI_MAX, v->comm));
  for (int c = 0; c < v->n; c++) {
    MeritComponent *p = &v->component[c];

    if (p->term >= 0 || seen[c]) continue;
    if (p->row == p->column && !p->fixed)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->formula->trait[p->row],
                           "no record of residual class `%s` has trait %s: its variance cannot be estimated", v->formula->residual[p->residual].label,
                           v->formula->trait[p->row]));
    if (p->row == p->column) continue;
    p->fixed        = true;
    v->run.theta[c] = 0.0;
  }
  PetscCall(PetscFree(seen));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  A start that the user gave must be positive: from a variance of 0 no step raises it. 0 only
  where it is fixed
*/
static PetscErrorCode CheckGivenStart(MeritVarcomp v, int c)
{
  const MeritComponent *p = &v->component[c];

  PetscFunctionBegin;
  if (p->row == p->column && p->term >= 0 && !p->fixed && !(v->run.theta[c] > 0.0))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, v->formula->term[p->term].label,
                         "the starting variance of `%s` must be positive; give a positive one, or fix: yes", v->formula->term[p->term].label));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Half of the phenotypic variance for the residual, half for the random terms, alike; and what
  the job gives
*/
static PetscErrorCode Shares(MeritVarcomp v, const double variance[])
{
  const MeritFormula *f        = v->formula;
  int                 n_random = 0;
  double             *G, half[MERIT_MAX_TRAITS];

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)MERIT_MAX_BLOCK, &G));
  for (int k = 0; k < f->n_terms; k++) n_random += v->first_of_term[k] >= 0;
  for (int t = 0; t < f->n_traits; t++) half[t] = 0.5 * variance[t] / PetscMax(n_random, 1);
  for (int k = 0; k < f->n_terms; k++) {
    const int n = f->term[k].n_components;

    if (v->first_of_term[k] < 0) continue;
    if (f->term[k].given) {
      PetscCall(PetscArraycpy(G, f->term[k].start, n * n));
      VarcompBasisMatrix(v, k, G);
    } else PetscCall(TermMatrix(v, k, half, G));
    for (int i = 0, c = v->first_of_term[k]; i < n; i++)
      for (int j = 0; j <= i; j++, c++) v->run.theta[c] = G[i * n + j];
  }
  for (int r = 0; r < f->n_residuals; r++)
    for (int i = 0, c = v->first_of_residual[r]; i < f->n_traits; i++)
      for (int j = 0; j <= i; j++, c++)
        v->run.theta[c] = f->residual[r].given ? f->residual[r].start[i * f->n_traits + j] : i == j ? 0.5 * variance[i] : 0.0;
  for (int c = 0; c < v->n; c++) PetscCall(CheckGivenStart(v, c));
  PetscCall(PetscFree(G));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompStart - See the header. Collective. */
PetscErrorCode VarcompStart(MeritVarcomp v)
{
  double *scale, *variance;
  char    fit[32];

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(v->n, &scale, v->formula->n_traits, &variance));
  PetscCall(VarcompScales(v, scale));
  PetscCall(Phenotypic(v, variance));
  PetscCall(Shares(v, variance));
  PetscCall(Pairs(v));
  snprintf(fit, sizeof(fit), "fit%d.theta", v->settings.left_out + 1);
  if (!MeritCheckpointHas(v->checkpoint, fit)) PetscCall(VarcompGuess(v, scale));
  PetscCall(PetscFree2(scale, variance));
  PetscFunctionReturn(PETSC_SUCCESS);
}

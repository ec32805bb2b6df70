/* Starting values: those of the job, and for what it leaves open a share of the phenotypic variance, or what guess.c makes of it. */
#include "blocks.h"
#include <math.h>

/* Mean square of the coefficients with which a regressor meets the records that have a trait, and how many those are */
static void MeanSquare(MeritVarcomp v, const MeritDesignView *d, int trait, double sums[2])
{
  const MeritRecordsView *records = MeritModelRecords(v->model);

  for (int32_t i = 0; i < records->n_records; i++) {
    if (d->offset[trait] < 0 || !(records->observed[records->pattern[i]] >> trait & 1)) continue;
    sums[1] += 1.0;
    if (d->slot[i] >= 0) sums[0] += d->value ? d->value[i] * d->value[i] : 1.0;
  }
}

/* Mean diagonal of K */
static double MeanDiagonal(MeritVarcomp v, int k)
{
  return v->formula->term[k].kind == MERIT_TERM_SNP ? MeritGenotypesMeanDiagonal(MeritModelGenotypes(v->model)) : 1.0;
}

/* VarcompScales - See the header; off-diagonal components have 1. Collective. */
PetscErrorCode VarcompScales(MeritVarcomp v, double scale[])
{
  const MeritTermView *term;

  PetscFunctionBegin;
  MeritModelTerms(v->model, &term);
  for (int c = 0; c < v->n; c++) {
    const MeritComponent *p   = &v->component[c];
    double                sum = 0.0, mean;

    scale[c] = 1.0;
    if (p->term < 0 || p->row != p->column) continue;
    mean = MeanDiagonal(v, p->term);
    for (int g = 0; g < term[p->term].n_regressors; g++)
      for (int t = 0; t < v->formula->n_traits; t++) {
        double sums[2] = {0.0, 0.0};

        if (term[p->term].design[g].offset[t] != p->row) continue;
        MeanSquare(v, &term[p->term].design[g], t, sums);
        PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, v->comm));
        if (sums[1] > 0.0) sum += sums[0] / sums[1];
      }
    if (sum > 0.0) scale[c] = mean * sum;
    else
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->formula->term[p->term].label,
                           "no record has anything of a component of `%s`: its variance cannot be estimated", v->formula->term[p->term].label));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Variance of the observations of each trait */
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

/* Traits that no record of a class has together have no covariance there; a trait that none has, no variance */
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
                           "no record of residual class `%s` has trait %s: its variance cannot be estimated",
                           v->formula->residual[p->residual].label, v->formula->trait[p->row]));
    if (p->row == p->column) continue;
    p->fixed    = true;
    v->theta[c] = 0.0;
  }
  PetscCall(PetscFree(seen));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A start that the user gave must be a covariance matrix from which there is a way on; 0 only where it stays */
static PetscErrorCode CheckGiven(MeritVarcomp v, int c)
{
  const MeritComponent *p = &v->component[c];

  PetscFunctionBegin;
  if (p->row == p->column && p->term >= 0 && !p->fixed && !(v->theta[c] > 0.0))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, v->formula->term[p->term].label,
                         "a start of 0 for a variance of `%s` leads nowhere; give a positive one, or fix: yes",
                         v->formula->term[p->term].label));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompStart - See the header. Collective. */
PetscErrorCode VarcompStart(MeritVarcomp v)
{
  int     n_random = 0;
  double *scale, *variance;
  char    fit[32];

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(v->n, &scale, v->formula->n_traits, &variance));
  PetscCall(VarcompScales(v, scale));
  PetscCall(Phenotypic(v, variance));
  for (int k = 0; k < v->formula->n_terms; k++) n_random += v->first_of_term[k] >= 0;
  for (int c = 0; c < v->n; c++) {
    const MeritComponent *p     = &v->component[c];
    const MeritTermSpec  *spec  = p->term < 0 ? NULL : &v->formula->term[p->term];
    const int             n     = spec ? spec->n_components : v->formula->n_traits;
    const bool            given = spec ? spec->given : v->formula->residual[p->residual].given;
    const int             trait = spec ? spec->component[p->row].trait : p->row;

    v->theta[c] = 0.0;
    if (given) {
      v->theta[c] = (spec ? spec->start : v->formula->residual[p->residual].start)[p->row * n + p->column];
      PetscCall(CheckGiven(v, c));
    } else if (p->row == p->column)
      v->theta[c] = 0.5 * variance[trait] / (spec ? n_random * n / v->formula->n_traits * scale[c] : 1.0);
  }
  PetscCall(Pairs(v));
  snprintf(fit, sizeof(fit), "fit%d.theta", v->left_out + 1);
  if (!MeritCheckpointHas(v->checkpoint, fit)) PetscCall(VarcompGuess(v, scale));
  PetscCall(PetscFree2(scale, variance));
  PetscFunctionReturn(PETSC_SUCCESS);
}

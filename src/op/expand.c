/*
  u = L v for every level of this rank, and its adjoint. Only models with a singular G come
  here.

  A term with a singular G = L L' has n_eq < n_comp equations v for each level, and penalty I;
  records use the components u = L v. Other terms of such a model have L = NULL, and their
  values are copied. Values of k right-hand sides are side by side: component c of a level,
  right-hand side j, is at [c * k + j] of the level.
*/
#include "op_impl.h"

/* u = L v for n levels that begin at `equations` and `slots`. */
static void ExpandLevels(const MeritTermView *t, int32_t n, int k, const double *equations, double *slots)
{
  for (int32_t level = 0; level < n; level++)
    for (int c = 0; c < t->n_comp; c++)
      for (int j = 0; j < k; j++) {
        const double *v   = equations + (int64_t)level * t->n_eq * k + j;
        double        sum = 0.0;

        for (int e = 0; t->L && e < t->n_eq; e++) sum += t->L[c * t->n_eq + e] * v[e * k];
        slots[((int64_t)level * t->n_comp + c) * k + j] = t->L ? sum : v[c * k];
      }
}

/* v += L' u for n levels. */
static void ContractLevels(const MeritTermView *t, int32_t n, int k, const double *slots, double *equations)
{
  for (int32_t level = 0; level < n; level++)
    for (int e = 0; e < t->n_eq; e++)
      for (int j = 0; j < k; j++) {
        const double *u   = slots + (int64_t)level * t->n_comp * k + j;
        double        sum = 0.0;

        for (int c = 0; t->L && c < t->n_comp; c++) sum += t->L[c * t->n_eq + e] * u[c * k];
        equations[((int64_t)level * t->n_eq + e) * k + j] += t->L ? sum : u[e * k];
      }
}

/* MeritExpand - slots = (I x L) equations for all local levels. Not collective. */
void MeritExpand(const MeritMME *mme, int k, const double *equations, double *slots)
{
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *t = &mme->term[i];

    ExpandLevels(t, t->n_owned, k, equations + (int64_t)t->eq_owned * k, slots + (int64_t)t->slot_owned * k);
    ExpandLevels(t, t->n_ghost + t->n_genotyped, k, equations + (int64_t)t->eq_other * k, slots + (int64_t)t->slot_other * k);
  }
}

/* MeritContract - equations += (I x L)' slots for all local levels. Not collective. */
void MeritContract(const MeritMME *mme, int k, const double *slots, double *equations)
{
  for (int i = 0; i < mme->n_terms; i++) {
    const MeritTermView *t = &mme->term[i];

    ContractLevels(t, t->n_owned, k, slots + (int64_t)t->slot_owned * k, equations + (int64_t)t->eq_owned * k);
    ContractLevels(t, t->n_ghost + t->n_genotyped, k, slots + (int64_t)t->slot_other * k, equations + (int64_t)t->eq_other * k);
  }
}

#pragma once
#include "model_impl.h"

/* A column that keeps less than this share of its squared length after those before it depends on them. Columns are centred and scaled, and
   covariates orthogonal to each other (alias_covariates.c), so that true dependencies leave 1e-15 or less. */
#define MERIT_ALIAS_DEPENDENT 1e-13

/*
  Redundant fixed equations of one trait. Columns of X for the trait in formula order, canonical level order, component. The dense search has
  the largest class term apart, the *big* one (its X'X is diagonal); all other columns are *small*.
*/
typedef struct {
  int       trait;
  int       n_terms;
  int       big;        /* term, or -1 */
  int64_t   n_columns;
  int64_t  *first;      /* [n_terms] first column, -1: none; owned */
  int      *width;      /* [n_terms] components of the trait per level; owned */
  double ***value;      /* [n_terms] -> [n_regressors] -> [n_rows] or NULL: 1; the model's, or own where a covariate has been changed; owned */
  int64_t   n_small;
  /* the dense search */
  int       n_before;   /* small columns that stand before the big term */
  int64_t  *offset;     /* [n_terms] first small column, or -1; owned */
  double   *gram;       /* [n_small^2] S'S, then the Schur complement S'S - S'A (A'A)^-1 A'S; owned */
  double   *norm;       /* [n_small] squared length of each column; owned */
  /* rows of A'S for the levels of this rank's block of the big term */
  int32_t   n_rows;
  int64_t  *level;      /* [n_rows] ascending; owned */
  double   *count;      /* [n_rows] observations of the level; owned */
  int32_t  *start;      /* [n_rows + 1]; owned */
  int32_t  *column;     /* [start[n_rows]]; owned */
  double   *entry;      /* [start[n_rows]]; owned */
} MeritAliasWork;

/* alias.c: has the term fixed columns for the trait, *width of them per level? */
bool MeritAliasHasTrait(const MeritTermSpec *spec, int trait, int *width);
/* Mark the equation of (term, canonical level, component of the trait number `at`) if this rank owns it */
void MeritAliasMark(MeritModel model, int k, int trait, int64_t level, int at);
/* alias_covariates.c: values of fixed covariates without levels, orthogonal to those before them. Collective. */
PetscErrorCode MeritAliasCovariates(MeritModel model, MeritAliasWork *work);
/* alias_dense.c: all columns but the big term's as a dense matrix. Collective. */
PetscErrorCode MeritAliasDense(MeritModel model, MeritAliasWork *work);
/* alias_rows.c */
PetscErrorCode MeritAliasGather(MeritModel model, MeritAliasWork *work);
PetscErrorCode MeritAliasSchur(MeritModel model, MeritAliasWork *work);
/* alias_eliminate.c: in-order elimination; dependent[j] = 1 where column order[j] depends on those before it. combination, if not NULL,
   receives for each dependent column the null vector [n_small] (1 at the column itself); owned by the caller */
PetscErrorCode MeritAliasEliminate(int n_small, const double *gram, const double *norm, int n, const int order[], uint8_t dependent[],
                                   int *n_null, double **null_vectors);
/* alias_parts.c: what two classes have in common, for every pair of them; *complete: there is nothing else to depend on. Collective. */
PetscErrorCode MeritAliasParts(MeritModel model, const MeritAliasWork *work, bool *complete);
/* alias_null.c: what is left, of any size. Collective. */
PetscErrorCode MeritAliasNull(MeritModel model, const MeritAliasWork *work);
/* alias_report.c: say what was set to 0. Collective. */
PetscErrorCode MeritAliasReport(MeritModel model);

/* *sum += x without loss: *rest is what rounding left out of *sum (Knuth's exact addition) */
static inline void MeritAliasAdd(double *sum, double *rest, double x)
{
  const double total = *sum + x, added = total - *sum;

  *rest += (*sum - (total - added)) + (x - added);
  *sum = total;
}

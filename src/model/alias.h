#pragma once
#include "model_impl.h"

/* A column is dependent if less than this fraction of its squared length is left after projection
   on those before it. Columns are centred and scaled, and covariates orthogonal to each other
   (alias_covariates.c), so that 1e-15 or less is left of truly dependent columns. */
#define MERIT_ALIAS_DEPENDENT 1e-13

/*
  Search for dependent fixed equations of one trait. The columns of X of the trait are in the order
  of formula, canonical level, component. The dense search eliminates the class term with most
  levels, the *big* term A, whose X'X is diagonal; all other columns are the *small* ones, S.
*/
typedef struct {
  int       trait;
  int       n_terms;
  int       big; /* term, or -1 */
  int64_t   n_columns;
  int64_t  *first; /* [n_terms] first column, -1: none; owned */
  int      *width; /* [n_terms] components of the trait per level; owned */
  double ***value; /* [n_terms] -> [n_regressors] -> [n_rows] or NULL: 1; those of the model, or a changed copy of a covariate; owned */
  int64_t   n_small;
  /* the dense search */
  int      n_before; /* small columns that come before the big term */
  int64_t *offset;   /* [n_terms] first small column, or -1; owned */
  double  *gram;     /* [n_small^2] S'S, then the Schur complement S'S - S'A (A'A)^-1 A'S; owned */
  double  *norm;     /* [n_small] squared length of each column; owned */
  /* rows of A'S for the levels of this rank's block of the big term */
  int32_t  n_rows;
  int64_t *level;  /* [n_rows] ascending; owned */
  double  *count;  /* [n_rows] observations of the level; owned */
  int32_t *start;  /* [n_rows + 1]; owned */
  int32_t *column; /* [start[n_rows]]; owned */
  double  *entry;  /* [start[n_rows]]; owned */
} MeritAliasWork;

/* alias.c: does the term have fixed columns for the trait, *width of them per level? Not
   collective. */
bool MeritAliasHasTrait(const MeritTermSpec *spec, int trait, int *width);
/* Mark the equation of a term, canonical level and component number `at` of the trait as aliased if
   this rank owns it. Not collective. */
void MeritAliasMark(MeritModel model, int k, int trait, int64_t level, int at);
/* alias_covariates.c: make the fixed covariates without levels orthogonal to the intercept and to
   those before them. Collective. */
PetscErrorCode MeritAliasCovariates(MeritModel model, MeritAliasWork *work);
/* alias_dense.c: the dense search, with the Schur complement of all small columns on every rank.
   Collective. */
PetscErrorCode MeritAliasDense(MeritModel model, MeritAliasWork *work);
/* alias_rows.c: form S'S on every rank, and A'S for the levels of this rank's block of the big
   term. Collective. */
PetscErrorCode MeritAliasGather(MeritModel model, MeritAliasWork *work);
/* gram <- S'S - S'A (A'A)^-1 A'S: the big term is eliminated. Collective. */
PetscErrorCode MeritAliasSchur(MeritModel model, MeritAliasWork *work);
/* alias_eliminate.c: in-order elimination; dependent[j] = 1 where column order[j] depends on those
   before it. combination, if not NULL, receives for each dependent column the null vector [n_small]
   (1 at the column itself); owned by the caller */
PetscErrorCode MeritAliasEliminate(int n_small, const double *gram, const double *norm, int n, const int order[], uint8_t dependent[], int *n_null,
                                   double **null_vectors);
/* alias_parts.c: dependencies between every pair of classes (Weeks and Williams 1964); *complete:
   there can be no others. Collective. */
PetscErrorCode MeritAliasParts(MeritModel model, const MeritAliasWork *work, bool *complete);
/* alias_null.c: all other dependencies, from random null vectors of X by conjugate gradients
   (Kaasschieter 1988). Collective. */
PetscErrorCode MeritAliasNull(MeritModel model, const MeritAliasWork *work);
/* alias_report.c: log the equations that are set to 0. Collective. */
PetscErrorCode MeritAliasReport(MeritModel model);

/* *sum += x; the rounding error of the addition is added to *rest (exact addition, Knuth 1969) */
static inline void MeritAliasAdd(double *sum, double *rest, double x)
{
  const double total = *sum + x, added = total - *sum;

  *rest += (*sum - (total - added)) + (x - added);
  *sum = total;
}

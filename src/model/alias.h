#pragma once
#include "model_impl.h"

/*
  Redundant fixed equations of one trait. Columns of X for the trait in formula order, canonical level order, component: the largest
  class term is the *big* one (its X'X is diagonal), all other columns are *small* and handled densely. A term left out for its
  size has offset -1.
*/
typedef struct {
  int      trait;
  int      n_terms;
  int      big;         /* term, or -1 */
  int      n_before;    /* small columns that stand before the big term */
  int      n_small;
  int     *offset;      /* [n_terms] first small column, or -1; owned */
  int     *width;       /* [n_terms] components of the trait per level; owned */
  double  *gram;        /* [n_small^2] S'S, then the Schur complement S'S - S'A (A'A)^-1 A'S; owned */
  double  *norm;        /* [n_small] squared length of each column; owned */
  /* rows of A'S for the levels of this rank's block of the big term */
  int32_t  n_rows;
  int64_t *level;       /* [n_rows] ascending; owned */
  double  *count;       /* [n_rows] observations of the level; owned */
  int32_t *start;       /* [n_rows + 1]; owned */
  int32_t *column;      /* [start[n_rows]]; owned */
  double  *value;       /* [start[n_rows]]; owned */
} MeritAliasWork;

/* alias_rows.c */
PetscErrorCode MeritAliasGather(MeritModel model, MeritAliasWork *work);
PetscErrorCode MeritAliasSchur(MeritModel model, MeritAliasWork *work);
/* alias_dense.c: in-order elimination; dependent[j] = 1 where column order[j] depends on those before it. combination, if not NULL,
   receives for each dependent column the null vector [n_small] (1 at the column itself); owned by the caller */
PetscErrorCode MeritAliasEliminate(int n_small, const double *gram, const double *norm, int n, const int order[], uint8_t dependent[],
                                   int *n_null, double **null_vectors);

#pragma once
#include <merit/formula.h>

/*
  Functions of variance components, "ped(cow) / (ped(cow) + residual)": numbers, + - * / ^, parentheses, sqrt, log, exp, abs, cor(label, a, b), and
  components: label (of one component), label[row, column], label[row] (a variance), residual, residual.CLASS; rows are names as in
  varcomp.tsv or numbers from 1; snp terms also as LABEL.genetic.
*/
typedef struct _p_MeritExpression *MeritExpression;

/* Parse the text of a node; unknown names are USAGE errors with file, line and column. Not collective. */
MERIT_EXTERN PetscErrorCode MeritExpressionParse(const MeritFormula *formula, MeritNode node, MeritExpression *expression);
/* Value and, if not NULL, derivatives by the n components at theta[n]; genetic is what LABEL.genetic multiplies. Not collective. */
MERIT_EXTERN PetscErrorCode MeritExpressionEvaluate(MeritExpression expression, int n, const double theta[], double genetic, double *value,
                                                    double gradient[]);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritExpressionDestroy(MeritExpression *expression);

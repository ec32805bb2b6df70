/* Regressors of a term: made from the products of a formula, compared, and named. A
   product with leg(x, order, ..) is order + 1 regressors, one a degree; any other product
   is one regressor. */
#include "formula_impl.h"
#include <stdio.h>
#include <string.h>

/* Equal texts, or both NULL */
static bool SameText(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

/* Equal lists of class columns. The order of the columns counts: a:b and b:a are two
   lists. */
static bool SameClasses(const MeritRegressorSpec *a, const MeritRegressorSpec *b)
{
  if (a->n_class != b->n_class) return false;
  for (int c = 0; c < a->n_class; c++) {
    if (strcmp(a->class_column[c], b->class_column[c])) return false;
  }
  return true;
}

/* FormulaRegressorSame - See the header. Names and traits do not count. Not
   collective. */
bool FormulaRegressorSame(const MeritRegressorSpec *a, const MeritRegressorSpec *b)
{
  return SameClasses(a, b) && a->covariate == b->covariate && SameText(a->column, b->column) && a->degree == b->degree && a->low == b->low &&
         a->high == b->high;
}

/* FormulaRegressorDestroy - See the header. Not collective. */
PetscErrorCode FormulaRegressorDestroy(MeritRegressorSpec *r)
{
  PetscFunctionBegin;
  for (int c = 0; r->class_column && c < r->n_class; c++) PetscCall(PetscFree(r->class_column[c]));
  PetscCall(PetscFree(r->class_column));
  PetscCall(PetscFree(r->column));
  PetscCall(PetscFree(r->name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fill r, which is 0, for one product and, with leg(), one degree; strings are copied */
static PetscErrorCode FillRegressor(const FormulaProduct *x, int degree, MeritRegressorSpec *r)
{
  PetscFunctionBegin;
  r->covariate = x->covariate;
  r->degree    = degree;
  r->low       = x->low;
  r->high      = x->high;
  if (x->column) PetscCall(PetscStrallocpy(x->column, &r->column));
  PetscCall(PetscCalloc1((size_t)x->n_class + 1, &r->class_column));
  for (r->n_class = 0; r->n_class < x->n_class; r->n_class++) {
    PetscCall(PetscStrallocpy(x->class_column[r->n_class], &r->class_column[r->n_class]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  FormulaExpand - See the header. Not collective.
  leg() gives one regressor for each degree. A plain fixed leg() next to an intercept has no degree
  0, which would be the intercept again. *n counts complete regressors also after an error.
*/
PetscErrorCode FormulaExpand(const FormulaTerm *term, bool intercept, int *n, MeritRegressorSpec **regressors)
{
  static const FormulaProduct mean       = {0};
  const int                   n_products = term->one ? 1 : term->n_products;
  const FormulaProduct       *product    = term->one ? &mean : term->product;
  size_t                      room       = 0;

  PetscFunctionBegin;
  *n = 0;
  for (int i = 0; i < n_products; i++) room += (size_t)product[i].order + 1;
  PetscCall(PetscCalloc1(room, regressors));
  for (int i = 0; i < n_products; i++) {
    const FormulaProduct *x     = product + i;
    const bool            plain = term->kind == MERIT_TERM_FIXED && x->covariate == MERIT_COVARIATE_LEGENDRE && !x->n_class;

    for (int degree = plain && intercept; degree <= x->order; degree++) {
      PetscCall(FillRegressor(x, degree, *regressors + *n));
      ++*n;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *name = class columns joined by colons (if `classes`) and the covariate or "leg" with
   its degree, such as "dam:leg2"; "1" if there is nothing to name. Owned by the
   caller. */
static PetscErrorCode JoinName(const MeritRegressorSpec *r, bool classes, char **name)
{
  char   degree[16] = "";
  size_t length = sizeof(degree) + 2, used = 0;
  char  *s;

  PetscFunctionBegin;
  for (int c = 0; classes && c < r->n_class; c++) length += strlen(r->class_column[c]) + 1;
  if (r->column) length += strlen(r->column);
  PetscCall(PetscCalloc1(length, &s));
  for (int c = 0; classes && c < r->n_class; c++) {
    used += (size_t)snprintf(s + used, length - used, "%s%s", c ? ":" : "", r->class_column[c]);
  }
  if (r->covariate == MERIT_COVARIATE_LEGENDRE) snprintf(degree, sizeof(degree), "leg%d", r->degree);
  if (r->covariate != MERIT_COVARIATE_NONE) {
    snprintf(s + used, length - used, "%s%s", used ? ":" : "", r->covariate == MERIT_COVARIATE_LEGENDRE ? degree : r->column);
  } else if (!used) {
    snprintf(s, length, "1");
  }
  *name = s;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaNameRegressors - See the header. Class columns are part of the names only where
   regressors differ in them; a single regressor is called 1 (but not in ridge(), where it
   is the column). Not collective. */
PetscErrorCode FormulaNameRegressors(MeritNode model, MeritTermSpec *term)
{
  bool classes = false; /* do class columns differ between the regressors? */

  PetscFunctionBegin;
  for (int r = 1; r < term->n_regressors; r++) classes |= !SameClasses(term->regressor, term->regressor + r);
  for (int r = 0; r < term->n_regressors; r++) {
    MeritRegressorSpec *x = term->regressor + r;

    if (term->n_regressors == 1 && term->kind != MERIT_TERM_RIDGE) {
      PetscCall(PetscStrallocpy("1", &x->name));
    } else {
      PetscCall(JoinName(x, classes, &x->name));
    }
    for (int q = 0; q < r; q++) {
      if (strcmp(x->name, term->regressor[q].name)) continue;
      PetscCall(FormulaErrorAt(model, term->line, term->column,
                               "two regressors of `%s` are both called %s: columns and intervals of leg() must agree within "
                               "a term (the constants of two leg() are the same regressor)",
                               term->label, x->name));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

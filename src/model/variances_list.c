/* List of variance components: the elements of all covariance matrices, in the order of
   varcomp.tsv. */
#include "formula_impl.h"

/* Elements of a lower triangle, row by row (to NULL: only count them). Elements off a diagonal
   structure, and those that the user fixes, are fixed. */
static int List(int term, int residual, int n, bool diagonal, const bool fix[], MeritComponent *to)
{
  int count = 0;

  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++, count++)
      if (to) to[count] = (MeritComponent){term, residual, i, j, (diagonal && i != j) || (fix && fix[i * n + j])};
  return count;
}

/* MeritFormulaComponents - See the header. Not collective. */
PetscErrorCode MeritFormulaComponents(const MeritFormula *f, int *n, MeritComponent **component)
{
  PetscFunctionBegin;
  *component = NULL;
  /* First pass counts, second pass fills */
  for (int pass = 0; pass < 2; pass++) {
    MeritComponent *to = *component;

    *n = 0;
    for (int k = 0; k < f->n_terms; k++)
      if (!f->term[k].fixed) *n += List(k, 0, f->term[k].n_components, f->term[k].diagonal, f->term[k].fix, to ? to + *n : NULL);
    for (int c = 0; c < f->n_residuals; c++) *n += List(-1, c, f->n_traits, f->residual[c].diagonal, f->residual[c].fix, to ? to + *n : NULL);
    if (!pass) PetscCall(PetscMalloc1((size_t)*n + 1, component));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

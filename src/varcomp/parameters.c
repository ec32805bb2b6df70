/*
  Components as one array theta, and as the matrices of terms and residual classes.

  theta has the lower triangles, row by row: those of the random terms in formula order, then
  those of the residual classes. v->component[i] says which element of which matrix component i
  is. Matrices are full, row-major, with both triangles.
*/
#include "varcomp_impl.h"

/* Components of a term, or of a residual class (term -1) */
static int MatrixOrder(MeritVarcomp v, int term) { return term < 0 ? v->formula->n_traits : v->formula->term[term].n_components; }

/* VarcompMatricesCreate - See the header. Fixed terms have no matrix: their pointer is NULL. */
PetscErrorCode VarcompMatricesCreate(MeritVarcomp v, VarcompMatrices *m)
{
  const size_t n_traits = (size_t)v->formula->n_traits;

  PetscFunctionBegin;
  PetscCall(PetscCalloc2(v->formula->n_terms, &m->G, v->formula->n_residuals, &m->R));
  for (int k = 0; k < v->formula->n_terms; k++)
    if (v->first_of_term[k] >= 0) PetscCall(PetscCalloc1((size_t)(MatrixOrder(v, k) * MatrixOrder(v, k)), &m->G[k]));
  for (int c = 0; c < v->formula->n_residuals; c++) PetscCall(PetscCalloc1(n_traits * n_traits, &m->R[c]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompMatricesFree - See the header. Not collective. */
PetscErrorCode VarcompMatricesFree(MeritVarcomp v, VarcompMatrices *m)
{
  PetscFunctionBegin;
  for (int k = 0; m->G && k < v->formula->n_terms; k++) PetscCall(PetscFree(m->G[k]));
  for (int c = 0; m->R && c < v->formula->n_residuals; c++) PetscCall(PetscFree(m->R[c]));
  PetscCall(PetscFree2(m->G, m->R));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompFill - theta -> matrices. Not collective. */
void VarcompFill(MeritVarcomp v, const double theta[], VarcompMatrices *m)
{
  for (int i = 0; i < v->n; i++) {
    const MeritComponent *c  = &v->component[i];
    const int             n  = MatrixOrder(v, c->term);
    double               *to = c->term < 0 ? m->R[c->residual] : m->G[c->term];

    to[c->row * n + c->column] = to[c->column * n + c->row] = theta[i];
  }
}

/* VarcompSetVariances - See the header. Collective. */
PetscErrorCode VarcompSetVariances(MeritVarcomp v, const double theta[])
{
  VarcompMatrices m;

  PetscFunctionBegin;
  PetscCall(VarcompMatricesCreate(v, &m));
  VarcompFill(v, theta, &m);
  PetscCall(MeritModelSetVariances(v->model, (const double *const *)m.G, (const double *const *)m.R));
  PetscCall(MeritMMERefresh(v->run.C));
  PetscCall(VarcompMatricesFree(v, &m));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompReport - A round is over. Every rank. */
PetscErrorCode VarcompReport(MeritVarcomp v, const MeritVarcompRound *round)
{
  PetscFunctionBegin;
  if (v->monitor) PetscCall(v->monitor(round, v->monitor_ctx));
  PetscFunctionReturn(PETSC_SUCCESS);
}

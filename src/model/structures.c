/* The covariance structures of the terms, one for each random term (merit/structure.h),
   and the lists of terms whose structures are fed or linked. Fixed terms have none. */
#include "model_impl.h"

/* MeritModelStructures - Make the structure of each random term; sources have no data
   yet, and a structure keeps references to them. column [n_regressors] is kept for the
   structure of ridge(), whose levels are the columns. Not collective. */
PetscErrorCode MeritModelStructures(MeritModel model)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc2(model->formula->n_terms, &model->fed.term, model->formula->n_terms, &model->linked.term));
  for (int k = 0; k < model->formula->n_terms; k++) {
    const MeritTermSpec *spec = &model->formula->term[k];
    MeritModelTerm      *term = &model->term[k];
    MeritSources         sources;

    PetscCall(PetscMalloc1(spec->n_regressors + 1, &term->column));
    for (int r = 0; r < spec->n_regressors; r++) term->column[r] = spec->regressor[r].column;
    sources = (MeritSources){model->comm, model->pedigree, model->genotypes, spec->n_regressors, term->column};
    PetscCall(MeritStructureCreate(spec->kind, &sources, &term->structure));
    term->view.kind      = spec->kind;
    term->view.fixed     = spec->fixed;
    term->view.structure = term->structure;
    MeritStructureList(term->structure, k, &model->fed.n, model->fed.term, &model->linked.n, model->linked.term);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelFedTerms - See the header. Not collective. */
int MeritModelFedTerms(MeritModel model, const int **term)
{
  *term = model->fed.term;
  return model->fed.n;
}

/* MeritModelLinkedTerms - See the header. Not collective. */
int MeritModelLinkedTerms(MeritModel model, const int **term)
{
  *term = model->linked.term;
  return model->linked.n;
}

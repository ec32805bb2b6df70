/*
  Genomic values M u of all SNP terms at once, for the tables of solutions: each rank gets those
  of the rows of its tile, complete on grid column 0.
*/
#include <merit/op.h>

/* MeritMMEGenomicTerms - See the header. Collective. */
PetscErrorCode MeritMMEGenomicTerms(Mat C, const double x[], double ***genomic)
{
  MeritModel          model;
  const MeritFormula *formula;
  const int          *fed;
  int64_t             n_rows;
  int                 n;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(C, &model));
  formula = MeritModelFormula(model);
  n       = MeritModelFedTerms(model, &fed);
  PetscCall(PetscCalloc1(formula->n_terms, genomic));
  for (int i = 0; i < n; i++) {
    const int t = fed[i];

    n_rows = MeritGenotypesTile(MeritModelGenotypes(model))->n_rows;
    PetscCall(PetscMalloc1((size_t)n_rows * (size_t)formula->term[t].n_components, &(*genomic)[t]));
    PetscCall(MeritMMEGenomicValues(C, t, x, (*genomic)[t]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMMEGenomicTermsFree - See the header. Not collective. */
PetscErrorCode MeritMMEGenomicTermsFree(Mat C, double ***genomic)
{
  MeritModel model;

  PetscFunctionBegin;
  if (!*genomic) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMMEGetModel(C, &model));
  for (int t = 0; t < MeritModelFormula(model)->n_terms; t++) PetscCall(PetscFree((*genomic)[t]));
  PetscCall(PetscFree(*genomic));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  SweepRows of an SNP term: M has the genotypes, a row of M is a genotyped animal, and records
  name animals. The records of an animal may be on other ranks than its genotypes. There the
  animal is a genotyped level, a level of the term that has no equations of C. The link between genotyped levels
  (leaves) and rows of M (roots) carries J' R^-1 e to the rows, and changes of genomic values to
  the genotyped levels.
*/
#include "sweep_impl.h"
#include <merit/unit.h>

/* Rows of this rank's tile; the grid has one column, so a tile has all SNPs */
static PetscErrorCode Count(MeritSweep s, const SweepTerm *term, int64_t *n_rows)
{
  PetscFunctionBegin;
  (void)term;
  *n_rows = MeritGenotypesTile(MeritModelGenotypes(s->model))->n_rows;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sums over the records of each animal; the data parts are kept in the cache */
static PetscErrorCode RowBlocks(MeritSweep s, const SweepTerm *term, double **blocks)
{
  PetscFunctionBegin;
  PetscCall(MeritMMEGenotypedBlocks(s->C, term->index, &s->cache, blocks));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* From packed genotypes; exact counts where weights are 0 or 1 */
static PetscErrorCode Gram(MeritSweep s, const SweepTerm *term, int32_t first, int32_t n, int k, const double *weight, double *gram)
{
  PetscFunctionBegin;
  (void)term;
  PetscCall(MeritMarkersGram(MeritGenotypesMarkers(MeritModelGenotypes(s->model)), first, n, k, weight, gram));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* s = J' R^-1 e: sums over the records of each genotyped level, added up at the rows of their animals.
   Collective. */
static PetscErrorCode Sums(MeritSweep s, SweepTerm *term)
{
  const SweepColumns *c    = &term->columns;
  PetscSF             sf   = MeritModelGenotypedLink(s->model, term->index);
  const double       *leaf = s->work.g + term->view->eq_other;
  MPI_Datatype        unit;

  PetscFunctionBegin;
  MeritSweepGradient(s, term, 0, term->view->n_genotyped);
  PetscCall(PetscArrayzero(c->s, (size_t)c->n_rows * (size_t)term->view->n_eq));
  PetscCall(MeritUnitCreate(term->view->n_eq, &unit));
  PetscCall(PetscSFReduceBegin(sf, unit, leaf, c->s, MPI_SUM));
  PetscCall(PetscSFReduceEnd(sf, unit, leaf, c->s, MPI_SUM));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* M' s of a block from packed genotypes, which are decoded again in `Forward` */
static PetscErrorCode Adjoint(MeritSweep s, SweepTerm *term, int32_t first, int32_t n)
{
  SweepColumns *c = &term->columns;

  PetscFunctionBegin;
  PetscCall(MeritMarkersAdjointRange(MeritGenotypesMarkers(MeritModelGenotypes(s->model)), first, n, term->view->n_eq, c->s, c->sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* z = M steps of the same columns */
static PetscErrorCode Forward(MeritSweep s, SweepTerm *term, int32_t first, int32_t n)
{
  SweepColumns *c = &term->columns;

  PetscFunctionBegin;
  PetscCall(MeritMarkersForwardRange(MeritGenotypesMarkers(MeritModelGenotypes(s->model)), first, n, term->view->n_eq, c->sums, c->z));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The change of the genomic values goes to the genotyped levels, and out of the residuals of their
   records. Collective. */
static PetscErrorCode Update(MeritSweep s, SweepTerm *term)
{
  PetscSF      sf   = MeritModelGenotypedLink(s->model, term->index);
  double      *leaf = s->work.du + term->view->eq_other;
  MPI_Datatype unit;

  PetscFunctionBegin;
  PetscCall(MeritUnitCreate(term->view->n_eq, &unit));
  PetscCall(PetscSFBcastBegin(sf, unit, term->columns.shift, leaf, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(sf, unit, term->columns.shift, leaf, MPI_REPLACE));
  PetscCall(MeritUnitFree(&unit));
  MeritSweepUpdate(s, term, 0, term->view->n_genotyped);
  PetscFunctionReturn(PETSC_SUCCESS);
}

const SweepRows MeritSweepGenotypeRows = {false, Count, RowBlocks, Gram, Sums, Adjoint, Forward, Update};

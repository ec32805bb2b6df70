/*
  ped: the numerator relationship matrix A of a pedigree, A = T D T' (Henderson 1976).

  The rows of the recursion are u_i = (u_s + u_d) / 2 + m_i, with s and d the sire and the dam of
  animal i. The variance of m_i, the Mendelian sampling, is d_i in units of the genetic variance.
  It depends on how many parents are known and on their inbreeding; the pedigree computes it.
  Levels are the animals of the pedigree, whether they have records or not. List 0 of neighbours
  has the sires, list 1 the dams.
*/
#include "structure_impl.h"
#include <math.h>

/* All animals of the pedigree, over all ranks */
static PetscErrorCode Levels(MeritStructure s, int64_t *n)
{
  PetscFunctionBegin;
  PetscCall(MeritPedigreeSize(s->sources.pedigree, n, NULL, NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Records name animals by their ids, which are the labels of the levels as well */
static PetscErrorCode Animals(MeritStructure s, MeritDict *dict)
{
  PetscFunctionBegin;
  PetscCall(MeritPedigreeDict(s->sources.pedigree, dict));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sires, dams, Mendelian variances (inbreeding of the parents included) and generations of the
   animals owned here. The pedigree has them by blocks of canonical numbers. Collective. */
static PetscErrorCode Fetch(MeritStructure s, const MeritPlacement *placement)
{
  const MeritPedigree ped = s->sources.pedigree;
  const int64_t      *sire, *dam;
  const int32_t      *generation;
  const double       *d;
  MeritExchange       ex;

  PetscFunctionBegin;
  PetscCall(MeritPedigreeParents(ped, NULL, NULL, &sire, &dam));
  PetscCall(MeritPedigreeInbreeding(ped, NULL, &d));
  PetscCall(MeritPedigreeGeneration(ped, &generation));
  PetscCall(MeritExchangeCreate(s->sources.comm, placement->n_block, placement->owner, &ex));
  PetscCall(MeritStructureDeliver(placement, ex, sizeof(*sire), sire, &s->neighbour[0]));
  PetscCall(MeritStructureDeliver(placement, ex, sizeof(*dam), dam, &s->neighbour[1]));
  PetscCall(MeritStructureDeliver(placement, ex, sizeof(*d), d, &s->d));
  PetscCall(MeritStructureDeliver(placement, ex, sizeof(*generation), generation, &s->generation));
  PetscCall(MeritExchangeDestroy(&ex));
  s->n_lists         = 2;
  s->n_neighbours[0] = s->n_neighbours[1] = placement->n_owned;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The general code has bound the two lists; here they become the parents of the rows */
static PetscErrorCode Bind(MeritStructure s, int32_t *slot[])
{
  PetscFunctionBegin;
  s->rows.sire = slot[0];
  s->rows.dam  = slot[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* 1 + F; not known where inbreeding is disregarded, since A then is not that of the pedigree */
static PetscErrorCode Diagonal(MeritStructure s, double **diagonal)
{
  const MeritPedigree ped     = s->sources.pedigree;
  const bool          outbred = MeritPedigreeOutbred(ped);
  const double       *F;
  int64_t             n;

  PetscFunctionBegin;
  PetscCall(MeritPedigreeParents(ped, NULL, &n, NULL, NULL));
  PetscCall(MeritPedigreeInbreeding(ped, &F, NULL));
  PetscCall(PetscMalloc1(n + 1, diagonal));
  for (int64_t i = 0; i < n; i++) (*diagonal)[i] = outbred ? NAN : 1.0 + F[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritStructureOps MeritStructure_Pedigree = {.name             = "ped",
                                                   .form             = MERIT_FORM_RECURSION,
                                                   .placing          = 2,
                                                   .without_pedigree = "the model has a ped() term, but the job file has no pedigree: file",
                                                   .linked           = true,
                                                   .animals          = true,
                                                   .levels           = Levels,
                                                   .individuals      = Animals,
                                                   .dict             = Animals,
                                                   .fetch            = Fetch,
                                                   .bind             = Bind,
                                                   .diagonal         = Diagonal,
                                                   .typical          = 0.5};

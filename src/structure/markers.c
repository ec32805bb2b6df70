/*
  snp: K = M M', with M the coded and scaled genotypes, animals by SNPs.

  The equations are in the SNP effects b, and the genomic values of the animals are u = M b. So
  the levels of the term are the SNPs in use, but records name animals, the rows of M. The
  genotypes have M in tiles; Feed links the rows of a tile to the animals that the records of each
  rank name.
*/
#include "structure_impl.h"

/* Only SNPs in use are levels: monomorphic ones have no column in M */
static PetscErrorCode Levels(MeritStructure s, int64_t *n)
{
  int32_t used;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(s->sources.genotypes, NULL, NULL, &used));
  *n = used;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Ids of the genotyped animals, by row of M */
static PetscErrorCode Animals(MeritStructure s, MeritDict *dict)
{
  PetscFunctionBegin;
  PetscCall(MeritGenotypesDict(s->sources.genotypes, dict));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Names of the SNPs in use by column of M; SNPs without a column are left out. The strings are
   borrowed from the genotypes. */
static PetscErrorCode Names(MeritStructure s, const char ***names)
{
  const MeritSnp *snp;
  int32_t         n, used;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(s->sources.genotypes, NULL, &n, &used));
  PetscCall(MeritGenotypesSnps(s->sources.genotypes, &snp));
  PetscCall(PetscMalloc1(used + 1, names));
  for (int32_t i = 0; i < n; i++)
    if (snp[i].column >= 0) (*names)[snp[i].column] = snp[i].name;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Rank that has the row of a genotyped animal */
static PetscMPIInt Home(MeritStructure s, int64_t number) { return MeritGenotypesRowOwner(s->sources.genotypes, number); }

/* Rows of the genotypes (roots, on column 0 of the grid) feed the animals that records name
   (leaves). Collective. */
static PetscErrorCode Feed(MeritStructure s, int32_t n, const int64_t row[], PetscSF *feed)
{
  const MPI_Comm   comm = s->sources.comm;
  const MeritTile *tile = MeritGenotypesTile(s->sources.genotypes);
  PetscMPIInt      rank, size;
  int64_t         *firsts;
  PetscSFNode     *remote;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc1(size, &firsts));
  /* A root is named by its rank and its row within the tile, so the first row of each tile is
     needed */
  PetscCallMPI(MPI_Allgather(&tile->row_first, 1, MPI_INT64_T, firsts, 1, MPI_INT64_T, comm));
  PetscCall(PetscMalloc1(n, &remote));
  for (int32_t i = 0; i < n; i++) {
    PetscMPIInt owner = MeritGenotypesRowOwner(s->sources.genotypes, row[i]);

    remote[i].rank  = owner;
    remote[i].index = (PetscInt)(row[i] - firsts[owner]);
  }
  PetscCall(PetscSFCreate(comm, feed));
  PetscCall(PetscSFSetGraph(*feed, rank < tile->grid_rows ? (PetscInt)tile->n_rows : 0, n, NULL, PETSC_OWN_POINTER, remote, PETSC_OWN_POINTER));
  PetscCall(PetscSFSetUp(*feed));
  PetscCall(PetscFree(firsts));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All genotyped animals, over all ranks */
static PetscErrorCode FactorRows(MeritStructure s, double *n)
{
  int64_t n_animals;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesSize(s->sources.genotypes, &n_animals, NULL, NULL));
  *n = (double)n_animals;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mean sum of squares of a row of M: the genetic variance of an animal in units of that of an
   effect */
static double MeanDiagonal(MeritStructure s) { return MeritGenotypesMeanDiagonal(s->sources.genotypes); }

/* The equations are in effects of scaled columns; times the scale they are those of one allele
   copy */
static PetscErrorCode Scale(MeritStructure s, const double **scale)
{
  double sum, diagonal;

  PetscFunctionBegin;
  PetscCall(MeritGenotypesScaling(s->sources.genotypes, scale, &sum, &diagonal));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritStructureOps MeritStructure_Markers = {.name    = "snp",
                                                  .form    = MERIT_FORM_FACTOR,
                                                  .placing = 1,
                                                  .without_genotypes =
                                                      "the model has an snp() term, but the job file has no genotypes: bfile or text",
                                                  .levels        = Levels,
                                                  .individuals   = Animals,
                                                  .names         = Names,
                                                  .home          = Home,
                                                  .factor_rows   = FactorRows,
                                                  .mean_diagonal = MeanDiagonal,
                                                  .scale         = Scale,
                                                  .feed          = Feed};

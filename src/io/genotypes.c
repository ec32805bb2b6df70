/*
  The genotypes object: settings, steps of loading, memory of the packed tile, access to
  results.

  Load: the reader of the format counts animals and SNPs and reads their ids and names
  (tables); the grid of ranks is chosen from these counts (genotypes_grid.c); the reader
  counts genotypes, has the SNPs to use chosen (genotypes_columns.c), and fills this rank's
  tile (columns). Then the missing genotypes are listed, the view of the model's coding is
  made (genotypes_product.c), and what looks wrong is reported (genotypes_check.c).

  A tile has 2 bits a genotype, as in merit/packed.h: a strip is 256 rows (animals), a
  column of a strip 8 words of 64 bits.
*/
#include "genotypes_private.h"
#include <merit/exchange.h>
#include <stdlib.h>
#include <string.h>

/*@
  MeritGenotypesCreate - Make an empty genotypes object.

  Collective on comm. Free with `MeritGenotypesDestroy()`.
@*/
PetscErrorCode MeritGenotypesCreate(MPI_Comm comm, MeritGenotypes *geno)
{
  MeritGenotypes g;

  PetscFunctionBegin;
  PetscCall(PetscNew(&g));
  PetscCall(PetscCommDuplicate(comm, &g->comm, NULL)); /* messages of the caller are none of ours */
  g->options.centred = true;
  PetscCallMPI(MPI_Comm_rank(comm, &g->rank));
  PetscCallMPI(MPI_Comm_size(comm, &g->size));
  *geno = g;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesSetScale - What the columns of M are multiplied by. Logically collective. */
PetscErrorCode MeritGenotypesSetScale(MeritGenotypes geno, MeritScale scale)
{
  PetscFunctionBegin;
  geno->options.scaling = scale;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritGenotypesSetCentre - Centre by twice the observed frequencies (default), by twice those of a
  file, or not at all.

  Logically collective; the path is copied. Without centring a missing genotype counts as its
  observed mean, else as the centre.
*/
PetscErrorCode MeritGenotypesSetCentre(MeritGenotypes geno, bool centre, const char frequency_file[])
{
  PetscFunctionBegin;
  geno->options.centred = centre;
  PetscCall(PetscFree(geno->options.frequency_file));
  if (centre && frequency_file) PetscCall(PetscStrallocpy(frequency_file, &geno->options.frequency_file));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesSetWhole - Make every SNP of the file a column of M, also those that do not vary:
   for effects estimated elsewhere. Logically collective. M holds copies as they are, a missing
   genotype none: views with a coding of their own are for use. */
PetscErrorCode MeritGenotypesSetWhole(MeritGenotypes geno, bool whole)
{
  PetscFunctionBegin;
  geno->options.whole = whole;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesSetGrid - Rows of the process grid, 0 for one column of ranks, MERIT_GRID_AUTO for
   the fastest foreseen. Logically collective. */
PetscErrorCode MeritGenotypesSetGrid(MeritGenotypes geno, int rows)
{
  PetscFunctionBegin;
  geno->options.asked_rows = rows;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoRoom - A tile of this rank's rows by n_cols columns with every genotype missing; without
   memory for it on any rank an error on all, for it is the largest array of a run. Collective;
   free(). */
PetscErrorCode GenoRoom(MeritGenotypes geno, int32_t n_cols, uint64_t **code)
{
  const size_t bytes = (size_t)MeritPackedStrips(geno->tile.n_rows) * (size_t)n_cols * MERIT_LINE * sizeof(**code);
  void        *at    = NULL;
  MeritFault   fault = {0};
  PetscMPIInt  rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(geno->comm, &rank));
  if (posix_memalign(&at, 64, bytes ? bytes : 64))
    MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "out of memory on rank %d: %.1f MB of genotypes; use more nodes", rank,
                  (double)bytes / 1e6);
  PetscCall(MeritFaultAgree(geno->comm, &fault));
  memset(at, 0xff, bytes);
  *code = at;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoShrink - Give back what a tile of n_cols columns does not need. Not collective; the
   tile may move. The kernels need an address that is a multiple of 64, which realloc does
   not promise; so the tile is copied once more where it lost that. */
PetscErrorCode GenoShrink(MeritGenotypes geno, uint64_t **code)
{
  const int64_t bytes = MeritGenotypesBytes(geno);
  void         *at = realloc(*code, (size_t)PetscMax(bytes, 64)), *aligned = NULL;

  PetscFunctionBegin;
  PetscCheck(at, PETSC_COMM_SELF, PETSC_ERR_MEM, "%lld bytes of genotypes", (long long)bytes);
  if ((uintptr_t)at % 64) { /* rare: realloc moved it */
    PetscCheck(!posix_memalign(&aligned, 64, (size_t)PetscMax(bytes, 64)), PETSC_COMM_SELF, PETSC_ERR_MEM, "%lld bytes of genotypes",
               (long long)bytes);
    memcpy(aligned, at, (size_t)bytes);
    free(at);
    at = aligned;
  }
  *code = at;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoSumCounts - Counts of this rank to those of all ranks. Collective. In messages of
   2^20 SNPs, 32 MiB each. */
PetscErrorCode GenoSumCounts(MeritGenotypes geno, int64_t count[])
{
  const int32_t step = 1 << 20;

  PetscFunctionBegin;
  for (int32_t j = 0; j < geno->n_snps; j += PetscMin(step, geno->n_snps - j))
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, count + 4 * (size_t)j, 4 * (int)PetscMin(step, geno->n_snps - j), MPI_INT64_T, MPI_SUM, geno->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritGenotypesLoad - Read and check the genotypes, count frequencies, choose the SNPs to use and
  lay out this rank's tile.

  Collective. Everything malformed is an INPUT error that names file, line and id; an SNP is used
  unless it is monomorphic or missing in all animals.
@*/
PetscErrorCode MeritGenotypesLoad(MeritGenotypes geno)
{
  void *reading = NULL;

  PetscFunctionBegin;
  PetscCheck(!geno->loaded, geno->comm, PETSC_ERR_ORDER, "genotypes are loaded already");
  if (!geno->options.reader) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "no genotype file was named"));
  PetscCall((*geno->options.reader->tables)(geno, &reading));
  PetscCall(GenoMakeGrid(geno));
  GenoPlaceRows(geno);
  PetscCall((*geno->options.reader->columns)(geno, reading));
  PetscCall(GenoFindGaps(geno));
  PetscCall(MeritMarkersCreate(geno, NULL, &geno->markers));
  PetscCall(GenoCheckAnimals(geno));
  PetscCall(GenoCheckNames(geno));
  geno->loaded = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesSize - Animals, SNPs of the file, SNPs used; any may be NULL. Not collective, after
   Load. */
PetscErrorCode MeritGenotypesSize(MeritGenotypes geno, int64_t *n_animals, int32_t *n_snps, int32_t *n_used)
{
  PetscFunctionBegin;
  if (n_animals) *n_animals = geno->n_animals;
  if (n_snps) *n_snps = geno->n_snps;
  if (n_used) *n_used = geno->columns.n_used;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesDict - Dictionary of the animals' ids, number = row of the file. Not collective;
   borrowed. */
PetscErrorCode MeritGenotypesDict(MeritGenotypes geno, MeritDict *dict)
{
  PetscFunctionBegin;
  *dict = geno->dict;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesNamed - Do the SNPs have names of their own? Not collective. */
bool MeritGenotypesNamed(MeritGenotypes geno) { return geno->options.reader->names != NULL; }

/* MeritGenotypesSnps - The SNP table, [n_snps] in file order. Not collective; borrowed. */
PetscErrorCode MeritGenotypesSnps(MeritGenotypes geno, const MeritSnp **snps)
{
  PetscFunctionBegin;
  *snps = geno->snps;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesTile - The grid and this rank's part of M; borrowed. Not collective, after Load. */
const MeritTile *MeritGenotypesTile(MeritGenotypes geno) { return &geno->tile; }

/* MeritGenotypesRowOwner - Rank of the grid's first column that holds a row. Not collective. */
PetscMPIInt MeritGenotypesRowOwner(MeritGenotypes geno, int64_t row)
{
  return MeritBlockOwner(MeritPackedStrips(geno->n_animals), geno->tile.grid_rows, row / MERIT_STRIP);
}

/* MeritGenotypesMeanDiagonal - Of MM' with its scale, over all genotyped animals. Not
   collective. */
double MeritGenotypesMeanDiagonal(MeritGenotypes geno) { return geno->columns.scaled_diagonal; }

/* MeritGenotypesScaling - Scale of each column of M, [n_used]; sum of 2pq; mean diagonal of MM'
   unscaled. Not collective; borrowed. */
PetscErrorCode MeritGenotypesScaling(MeritGenotypes geno, const double **scale, double *sum_2pq, double *mean_diagonal)
{
  PetscFunctionBegin;
  if (scale) *scale = geno->columns.scale;
  if (sum_2pq) *sum_2pq = geno->columns.sum_2pq;
  if (mean_diagonal) *mean_diagonal = geno->columns.mean_diagonal;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesCoding - Copies subtracted in each column of M and those a missing genotype counts
   as, [n_used]; either may be NULL. Not collective; borrowed. */
PetscErrorCode MeritGenotypesCoding(MeritGenotypes geno, const double **centre, const double **missing)
{
  PetscFunctionBegin;
  if (centre) *centre = geno->columns.centre;
  if (missing) *missing = geno->columns.missing;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesMarkers - The view of the model's coding, all columns, double precision; borrowed.
   Not collective, after Load. */
MeritMarkers MeritGenotypesMarkers(MeritGenotypes geno) { return geno->markers; }

/* MeritGenotypesBytes - Bytes of packed genotypes on this rank. Not collective. */
int64_t MeritGenotypesBytes(MeritGenotypes geno)
{
  return MeritPackedStrips(geno->tile.n_rows) * geno->tile.n_cols * MERIT_LINE * (int64_t)sizeof(uint64_t);
}

/* MeritGenotypesDestroy - Free the genotypes; NULL-safe, sets the handle to NULL. Collective. */
PetscErrorCode MeritGenotypesDestroy(MeritGenotypes *geno)
{
  MeritGenotypes g = *geno;

  PetscFunctionBegin;
  if (!g) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree(g->options.path));
  PetscCall(PetscFree(g->options.frequency_file));
  PetscCall(MeritDictDestroy(&g->dict));
  PetscCall(PetscFree(g->names));
  PetscCall(PetscFree(g->snps));
  PetscCall(PetscFree(g->columns.used));
  PetscCall(PetscFree3(g->columns.scale, g->columns.centre, g->columns.missing));
  PetscCall(MeritMarkersDestroy(&g->markers));
  PetscCall(MeritGapsDestroy(&g->gaps));
  free(g->code);
  PetscCall(PetscCommDestroy(&g->comm));
  PetscCall(PetscFree(*geno));
  PetscFunctionReturn(PETSC_SUCCESS);
}

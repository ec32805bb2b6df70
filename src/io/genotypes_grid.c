/*
  The process grid. A product with genotypes costs each rank its tile's genotypes and the messages
  of a vector of effects along the grid's columns and of a vector of animals along its rows. Cutting
  by animals only (one column) sends all effects to all ranks; where ranks times animals are few
  beside SNPs a second dimension sends less.
*/
#include "genotypes_private.h"
#include <merit/exchange.h>
#include <math.h>

/* Of a rank (bench/grid.sh); only their ratios matter, and those within a factor of two */
static const double RATE    = 20e9; /* genotypes a second through both products */
static const double PACE    = 3e9;  /* bytes a second in a message */
static const double LATENCY = 5e-6; /* seconds of a message */
static const double PAYS    = 0.9;  /* a second dimension must take at most this fraction of the time of one */

/*@
  MeritGenotypesGridSeconds - Foreseen seconds of M'(D M x) for one right-hand side on a grid of
  rows x columns ranks.

  Not collective. The largest tile, through both products; effects gathered and summed along a
  column by rings, animals summed and sent back along a row by trees.
@*/
double MeritGenotypesGridSeconds(int64_t n_animals, int32_t n_snps, int rows, int columns)
{
  const double tile_rows = (double)PetscMin(n_animals, (MeritPackedStrips(n_animals) + rows - 1) / rows * MERIT_STRIP);
  const double tile_cols = ceil((double)n_snps / columns);
  const double around    = 2.0 * (rows - 1) * (LATENCY + 8.0 * tile_cols / rows / PACE);
  const double along     = 2.0 * ceil(log2(columns)) * (LATENCY + 8.0 * tile_rows / PACE);

  return tile_rows * tile_cols / RATE + around + along;
}

/* MeritGenotypesGridRows - Rows of the grid that are foreseen to be fastest, one column if no other
   pays. Not collective. */
int MeritGenotypesGridRows(int64_t n_animals, int32_t n_snps, int size)
{
  double least = PAYS * MeritGenotypesGridSeconds(n_animals, n_snps, size, 1);
  int    best  = size;

  for (int rows = 1; rows < size; rows++) {
    const double seconds = size % rows ? HUGE_VAL : MeritGenotypesGridSeconds(n_animals, n_snps, rows, size / rows);

    if (seconds > least) continue;
    least = seconds;
    best  = rows;
  }
  return best;
}

/* GenoMakeGrid - The grid, once animals and SNPs are counted. Logically collective. Errors:
   USAGE. */
PetscErrorCode GenoMakeGrid(MeritGenotypes geno)
{
  int rows = geno->options.asked_rows;

  PetscFunctionBegin;
  if (rows == MERIT_GRID_AUTO) rows = MeritGenotypesGridRows(geno->n_animals, geno->n_snps, (int)geno->size);
  if (rows < 0 || (rows && geno->size % rows))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "%d rows of the genotypes' grid do not divide %d ranks", rows, (int)geno->size));
  geno->tile.grid_rows = rows ? rows : (int)geno->size;
  geno->tile.grid_cols = (int)geno->size / geno->tile.grid_rows;
  geno->grid_row       = (int)geno->rank % geno->tile.grid_rows;
  geno->grid_col       = (int)geno->rank / geno->tile.grid_rows;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoColumnsFirst - First used SNP of a grid column: the ranks of a column own the effects of
   their tiles. Not collective. */
int32_t GenoColumnsFirst(MeritGenotypes geno, int column)
{
  return (int32_t)MeritBlockFirst(geno->columns.n_used, geno->size, (PetscMPIInt)(column * geno->tile.grid_rows));
}

/* GenoPlaceRows - This rank's rows: nearly equal blocks of whole strips. Not collective. */
void GenoPlaceRows(MeritGenotypes geno)
{
  const int64_t strips = MeritPackedStrips(geno->n_animals);
  const int64_t first  = MeritBlockFirst(strips, geno->tile.grid_rows, geno->grid_row) * MERIT_STRIP;
  const int64_t last   = MeritBlockFirst(strips, geno->tile.grid_rows, geno->grid_row + 1) * MERIT_STRIP;

  geno->tile.row_first = PetscMin(first, geno->n_animals);
  geno->tile.n_rows    = PetscMin(last, geno->n_animals) - geno->tile.row_first;
}

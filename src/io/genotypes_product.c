/* Products with this rank's tile: the packed kernels on the tile's columns. */
#include "genotypes_private.h"

static MeritPacked Tile(MeritGenotypes geno)
{
  const MeritPacked tile = {.n_rows  = geno->n_rows,
                            .n_cols  = geno->n_cols,
                            .code    = geno->code,
                            .scale   = geno->scale + geno->col_first,
                            .centre  = geno->centre + geno->col_first,
                            .missing = geno->missing + geno->col_first};

  return tile;
}

/* MeritGenotypesForward - g = M_tile x for k right-hand sides. Not collective: the caller reduces along the
   grid row. */
PetscErrorCode MeritGenotypesForward(MeritGenotypes geno, int k, const double x[], double g[])
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCall(MeritPackedForward(&tile, k, x, g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesAdjoint - y = M_tile' s for k right-hand sides. Not collective: the caller reduces along the
   grid column. */
PetscErrorCode MeritGenotypesAdjoint(MeritGenotypes geno, int k, const double s[], double y[])
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCall(MeritPackedAdjoint(&tile, k, s, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesSquares - Weighted sums of squares of the tile's columns. Not collective: the caller reduces
   along the grid column. */
PetscErrorCode MeritGenotypesSquares(MeritGenotypes geno, int k, const double weight[], double q[])
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCall(MeritPackedSquares(&tile, k, weight, q));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesGram - Weighted products of n columns with each other. Not collective: the caller reduces
   along the grid column. */
PetscErrorCode MeritGenotypesGram(MeritGenotypes geno, int32_t first, int32_t n, int k, const double weight[],
                                  double gram[])
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCheck(first >= 0 && n >= 0 && first <= tile.n_cols - n, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "columns %d to %d of %d", first, first + n - 1, tile.n_cols);
  PetscCall(MeritPackedGram(&tile, first, n, k, weight, gram));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesDecode - Columns [first, first + n) of the tile as numbers, column fastest. Not collective. */
PetscErrorCode MeritGenotypesDecode(MeritGenotypes geno, int32_t first, int32_t n, double out[])
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCheck(first >= 0 && n >= 0 && first <= tile.n_cols - n, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "columns %d to %d of %d", first, first + n - 1, tile.n_cols);
  PetscCall(MeritPackedDecode(&tile, first, n, out));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Products with this rank's tile: the packed kernels on the tile's columns. */
#include "genotypes_private.h"

/* Columns [first, first + n) of the tile */
static MeritPacked Range(MeritGenotypes geno, int32_t first, int32_t n)
{
  const int32_t     column = geno->col_first + first;
  const MeritPacked range  = {.n_rows  = geno->n_rows,
                              .n_cols  = n,
                              .stride  = geno->n_cols,
                              .code    = geno->code + (size_t)first * MERIT_LINE,
                              .scale   = geno->scale + column,
                              .centre  = geno->centre + column,
                              .missing = geno->missing + column,
                              .gaps    = first % MERIT_GAP_COLUMNS ? NULL : &geno->gaps,
                              .first_gap = first / MERIT_GAP_COLUMNS,
                              .single    = geno->single};

  return range;
}

static MeritPacked Tile(MeritGenotypes geno) { return Range(geno, 0, geno->n_cols); }

/* MeritGenotypesSetSingle - Precision of the products to come. Not collective. */
PetscErrorCode MeritGenotypesSetSingle(MeritGenotypes geno, bool single)
{
  PetscFunctionBegin;
  geno->single = single;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoFindGaps - List the tile's missing genotypes. Not collective. */
PetscErrorCode GenoFindGaps(MeritGenotypes geno)
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCall(MeritPackedFindGaps(&tile, &geno->gaps));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode CheckRange(MeritGenotypes geno, int32_t first, int32_t n)
{
  PetscFunctionBegin;
  PetscCheck(first >= 0 && n >= 0 && first <= geno->n_cols - n, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "columns %d to %d of %d", first, first + n - 1, geno->n_cols);
  PetscFunctionReturn(PETSC_SUCCESS);
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

/* MeritGenotypesNormal - g = M_tile x, w += D g, y = M_tile' w with blocks D[n_rows * n * n], in one pass over the genotypes where
   that pays; n * k right-hand sides. Not collective: for a grid of one column; the caller reduces along it. */
PetscErrorCode MeritGenotypesNormal(MeritGenotypes geno, int n, int k, const double D[], const double x[], double g[], double w[],
                                    double y[])
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCall(MeritPackedNormal(&tile, n, k, D, x, g, w, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritGenotypesForwardRange - g = M x for columns [first, first + n) of the tile only, x[n * k].

  Not collective. For sweeps by blocks of columns: nothing is decoded.
*/
PetscErrorCode MeritGenotypesForwardRange(MeritGenotypes geno, int32_t first, int32_t n, int k,
                                          const double x[], double g[])
{
  const MeritPacked range = Range(geno, first, n);

  PetscFunctionBegin;
  PetscCall(CheckRange(geno, first, n));
  PetscCall(MeritPackedForward(&range, k, x, g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesAdjointRange - y = M' s for columns [first, first + n) of the tile only, y[n * k]. Not
   collective. */
PetscErrorCode MeritGenotypesAdjointRange(MeritGenotypes geno, int32_t first, int32_t n, int k,
                                          const double s[], double y[])
{
  const MeritPacked range = Range(geno, first, n);

  PetscFunctionBegin;
  PetscCall(CheckRange(geno, first, n));
  PetscCall(MeritPackedAdjoint(&range, k, s, y));
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
  PetscCall(CheckRange(geno, first, n));
  PetscCall(MeritPackedGram(&tile, first, n, k, weight, gram));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGenotypesDecode - Columns [first, first + n) of the tile as numbers, column fastest. Not collective. */
PetscErrorCode MeritGenotypesDecode(MeritGenotypes geno, int32_t first, int32_t n, double out[])
{
  const MeritPacked tile = Tile(geno);

  PetscFunctionBegin;
  PetscCall(CheckRange(geno, first, n));
  PetscCall(MeritPackedDecode(&tile, first, n, out));
  PetscFunctionReturn(PETSC_SUCCESS);
}

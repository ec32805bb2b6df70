/* Views of the genotypes. A view is the packed kernels (merit/packed.h) on this rank's tile
   with one coding: M_ij = scale_j (copies_ij - centre_j), a missing genotype having
   missing_j copies. The packed codes are those of the store; the coding is the store's or a
   copy. Products here are those of the tile alone: the caller adds over rows or columns of
   the grid. */
#include "genotypes_private.h"

struct _p_MeritMarkers {
  MeritPacked tile; /* handle of the kernels: code and lists of missing genotypes are the store's, the coding is own or the store's */
  double     *own;  /* [3 * n_used] scale, centre, missing; NULL: the store's; owned */
};

/*@
  MeritMarkersCreate - A view of loaded genotypes: all columns, in double precision until
  MeritMarkersSetSingle.

  Not collective. Free with `MeritMarkersDestroy()`; the genotypes must outlive it.

  Input Parameters:
+ geno   - the store
- coding - scale, centre, missing [n_used] of every column, copied; NULL: those the genotypes were
           loaded with
@*/
PetscErrorCode MeritMarkersCreate(MeritGenotypes geno, const MeritCoding *coding, MeritMarkers *markers)
{
  const GenoColumns *columns = &geno->columns;
  const size_t       n       = (size_t)columns->n_used;
  MeritCoding        c       = {columns->centre, columns->missing, columns->scale};
  MeritMarkers       m;

  PetscFunctionBegin;
  PetscCall(PetscNew(&m));
  if (coding) {
    PetscCall(PetscMalloc1(3 * n + 1, &m->own));
    PetscCall(PetscArraycpy(m->own, coding->centre, n));
    PetscCall(PetscArraycpy(m->own + n, coding->missing, n));
    PetscCall(PetscArraycpy(m->own + 2 * n, coding->scale, n));
    c = (MeritCoding){m->own, m->own + n, m->own + 2 * n};
  }
  m->tile  = (MeritPacked){.n_rows  = geno->tile.n_rows,
                           .n_cols  = geno->tile.n_cols,
                           .stride  = geno->tile.n_cols,
                           .code    = geno->code,
                           .centre  = c.centre + geno->tile.col_first,
                           .missing = c.missing + geno->tile.col_first,
                           .scale   = c.scale + geno->tile.col_first,
                           .gaps    = &geno->gaps};
  *markers = m;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersSetSingle - Precision of the products to come. Not collective. */
PetscErrorCode MeritMarkersSetSingle(MeritMarkers m, bool single)
{
  PetscFunctionBegin;
  m->tile.single = single;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersDestroy - Free a view; NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritMarkersDestroy(MeritMarkers *m)
{
  PetscFunctionBegin;
  if (!*m) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree((*m)->own));
  PetscCall(PetscFree(*m));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoFindGaps - List the tile's missing genotypes. Not collective. */
PetscErrorCode GenoFindGaps(MeritGenotypes geno)
{
  const MeritPacked tile = {.n_rows = geno->tile.n_rows, .n_cols = geno->tile.n_cols, .stride = geno->tile.n_cols, .code = geno->code};

  PetscFunctionBegin;
  PetscCall(MeritPackedFindGaps(&tile, &geno->gaps));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns [first, first + n) of the tile as a matrix of the kernels; nothing is copied. The
   list of missing genotypes goes by blocks of MERIT_GAP_COLUMNS columns, so it is used only
   where `first` begins a block. */
static PetscErrorCode Columns(MeritMarkers m, int32_t first, int32_t n, MeritPacked *columns)
{
  PetscFunctionBegin;
  PetscCheck(first >= 0 && n >= 0 && first <= m->tile.n_cols - n, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "columns %d to %d of %d", first,
             first + n - 1, m->tile.n_cols);
  *columns        = m->tile;
  columns->n_cols = n;
  columns->code += (size_t)first * MERIT_LINE;
  columns->scale += first;
  columns->centre += first;
  columns->missing += first;
  if (first % MERIT_GAP_COLUMNS) columns->gaps = NULL;
  columns->first_gap = first / MERIT_GAP_COLUMNS;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersForward - g = M_tile x for k right-hand sides. Not collective: the caller reduces
   along the grid row. */
PetscErrorCode MeritMarkersForward(MeritMarkers m, int k, const double x[], double g[])
{
  PetscFunctionBegin;
  PetscCall(MeritPackedForward(&m->tile, k, x, g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersAdjoint - y = M_tile' s for k right-hand sides. Not collective: the caller reduces
   along the grid column. */
PetscErrorCode MeritMarkersAdjoint(MeritMarkers m, int k, const double s[], double y[])
{
  PetscFunctionBegin;
  PetscCall(MeritPackedAdjoint(&m->tile, k, s, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersNormal - g = M_tile x, w += D g, y = M_tile' w with blocks D[n_rows * n * n], in one
   pass over the genotypes where that pays; n * k right-hand sides. Not collective: for a grid of
   one column; the caller reduces along it. */
PetscErrorCode MeritMarkersNormal(MeritMarkers m, int n, int k, const double D[], const double x[], double g[], double w[], double y[])
{
  PetscFunctionBegin;
  PetscCall(MeritPackedNormal(&m->tile, n, k, D, x, g, w, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersForwardRange - g = M x for columns [first, first + n) of the tile only, x[n * k]. Not
   collective; nothing is decoded. */
PetscErrorCode MeritMarkersForwardRange(MeritMarkers m, int32_t first, int32_t n, int k, const double x[], double g[])
{
  MeritPacked columns;

  PetscFunctionBegin;
  PetscCall(Columns(m, first, n, &columns));
  PetscCall(MeritPackedForward(&columns, k, x, g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersAdjointRange - y = M' s for columns [first, first + n) of the tile only, y[n * k].
   Not collective. */
PetscErrorCode MeritMarkersAdjointRange(MeritMarkers m, int32_t first, int32_t n, int k, const double s[], double y[])
{
  MeritPacked columns;

  PetscFunctionBegin;
  PetscCall(Columns(m, first, n, &columns));
  PetscCall(MeritPackedAdjoint(&columns, k, s, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersSquares - Weighted sums of squares of the tile's columns. Not collective: the caller
   reduces along the grid column. */
PetscErrorCode MeritMarkersSquares(MeritMarkers m, int k, const double weight[], double q[])
{
  PetscFunctionBegin;
  PetscCall(MeritPackedSquares(&m->tile, k, weight, q));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersGram - Weighted products of n columns with each other. Not collective: the caller
   reduces along the grid column. */
PetscErrorCode MeritMarkersGram(MeritMarkers m, int32_t first, int32_t n, int k, const double weight[], double gram[])
{
  MeritPacked columns;

  PetscFunctionBegin;
  PetscCall(Columns(m, first, n, &columns)); /* for its check */
  PetscCall(MeritPackedGram(&m->tile, first, n, k, weight, gram));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMarkersDecode - Columns [first, first + n) of the tile as numbers, column fastest. Not
   collective. */
PetscErrorCode MeritMarkersDecode(MeritMarkers m, int32_t first, int32_t n, double out[])
{
  MeritPacked columns;

  PetscFunctionBegin;
  PetscCall(Columns(m, first, n, &columns)); /* for its check */
  PetscCall(MeritPackedDecode(&m->tile, first, n, out));
  PetscFunctionReturn(PETSC_SUCCESS);
}

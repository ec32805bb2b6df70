/*
  Lists of missing genotypes, made once so that no product has to search for them.

  Lists are by blocks of 32 columns by one strip. An entry is row + 256 * column within the block.
  Neighbours in the list differ in row and column (they lie on a diagonal), so that consecutive
  additions do not wait for each other.
*/
#include "packed_impl.h"
#include <omp.h>

/* An entry costs 16 bits: above this fraction of missing genotypes a search in each product is
   cheaper than a list */
#define MOST_MISSING (1.0 / 32)

/* Columns of a block; the last block may have fewer */
static int32_t BlockColumns(const MeritPacked *m, int32_t block) { return PetscMin(MERIT_GAP_COLUMNS, m->n_cols - block * MERIT_GAP_COLUMNS); }

/* Number of missing genotypes of a block; bits beyond the last row do not count */
static int64_t CountBlock(const MeritPacked *m, int64_t strip, int32_t block)
{
  int64_t count = 0;

  for (int32_t c = 0; c < BlockColumns(m, block); c++) {
    const uint64_t *line = PackedLine(m, strip, block * MERIT_GAP_COLUMNS + c);

    for (int q = 0; q < MERIT_LINE; q++) count += __builtin_popcountll(MissingBits(line[q]) & RowBits(m->n_rows, strip, q));
  }
  return count;
}

/* Fill the list of a block, at [CountBlock]: entries are found column by column, then sorted by
   diagonal (counting sort) */
static void ListBlock(const MeritPacked *m, int64_t strip, int32_t block, uint16_t at[])
{
  uint16_t found[MERIT_GAP_COLUMNS * MERIT_STRIP];
  int      n = 0, first[MERIT_STRIP + 1] = {0};

  for (int32_t c = 0; c < BlockColumns(m, block); c++) {
    const uint64_t *line = PackedLine(m, strip, block * MERIT_GAP_COLUMNS + c);

    for (int q = 0; q < MERIT_LINE; q++)
      for (uint64_t b = MissingBits(line[q]) & RowBits(m->n_rows, strip, q); b; b &= b - 1)
        found[n++] = (uint16_t)(256 * c + 32 * q + __builtin_ctzll(b) / 2);
  }
#define DIAGONAL(entry) (((entry) + 8 * ((entry) >> 8)) & 255)
  for (int i = 0; i < n; i++) first[DIAGONAL(found[i]) + 1]++;
  for (int d = 0; d < MERIT_STRIP; d++) first[d + 1] += first[d];
  for (int i = 0; i < n; i++) at[first[DIAGONAL(found[i])]++] = found[i];
#undef DIAGONAL
}

/*@
  MeritPackedFindGaps - List the missing genotypes of a matrix.

  Not collective; threaded. Where more than one in 32 is missing no list is made, and the products look for themselves.

  Output Parameter:
. gaps - free with MeritGapsDestroy()
@*/
PetscErrorCode MeritPackedFindGaps(const MeritPacked *m, MeritGaps *gaps)
{
  const int64_t strips = MeritPackedStrips(m->n_rows);
  int64_t       blocks, n;

  PetscFunctionBegin;
  *gaps  = (MeritGaps){.blocks = (m->n_cols + MERIT_GAP_COLUMNS - 1) / MERIT_GAP_COLUMNS};
  blocks = strips * gaps->blocks;
  PetscCall(PetscMalloc1(blocks + 1, &gaps->start));
  gaps->start[0] = 0;
#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t b = 0; b < blocks; b++) gaps->start[b + 1] = CountBlock(m, b / gaps->blocks, (int32_t)(b % gaps->blocks));
  for (int64_t b = 0; b < blocks; b++) gaps->start[b + 1] += gaps->start[b];
  n = gaps->start[blocks];
  if ((double)n > MOST_MISSING * (double)m->n_rows * m->n_cols) {
    PetscCall(PetscFree(gaps->start));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(n + 1, &gaps->at));
#pragma omp parallel for schedule(static) if (WorthThreads(m))
  for (int64_t b = 0; b < blocks; b++) ListBlock(m, b / gaps->blocks, (int32_t)(b % gaps->blocks), gaps->at + gaps->start[b]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritGapsDestroy - Free a list. Not collective. */
PetscErrorCode MeritGapsDestroy(MeritGaps *gaps)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(gaps->start));
  PetscCall(PetscFree(gaps->at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PackedGaps - The list of a block of a strip; returns how many. Not collective. */
int64_t PackedGaps(const MeritPacked *m, int64_t strip, int32_t block, const uint16_t **at)
{
  const int64_t b = strip * m->gaps->blocks + m->first_gap + block;

  *at = m->gaps->at + m->gaps->start[b];
  return m->gaps->start[b + 1] - m->gaps->start[b];
}

/* Add the missing genotypes of quarters [q0, q1) to the sums of rows: acc[row] += mend[j] * back */
static void MendRows(const MeritPacked *m, int64_t strip, const double mend[], double back, int q0, int q1, double acc[MERIT_STRIP])
{
  for (int32_t block = 0; block * MERIT_GAP_COLUMNS < m->n_cols; block++) {
    const uint16_t *at;
    const int64_t   n                       = PackedGaps(m, strip, block, &at);
    double          term[MERIT_GAP_COLUMNS] = {0};

    if (!n) continue;
    for (int32_t c = 0; c < BlockColumns(m, block); c++) term[c] = mend[block * MERIT_GAP_COLUMNS + c] * back;
    /* The bit test is needed only where part of a strip is asked for */
    if (q1 - q0 == MERIT_QUARTERS)
      for (int64_t i = 0; i < n; i++) acc[at[i] & 255] += term[at[i] >> 8];
    else
      for (int64_t i = 0; i < n; i++)
        if (at[i] % 32 >= 8 * q0 && at[i] % 32 < 8 * q1) acc[at[i] & 255] += term[at[i] >> 8];
  }
}

/* Add the missing genotypes to the sums of columns [from, to): y[j] += mend[j] * sum of s[row * k]
   over them. `from` begins a block. */
static void MendColumns(const MeritPacked *m, int64_t strip, int32_t from, int32_t to, int k, const double s[], const double mend[], double y[])
{
  for (int32_t first = from; first < to; first += MERIT_GAP_COLUMNS) {
    const uint16_t *at;
    const int64_t   n                      = PackedGaps(m, strip, first / MERIT_GAP_COLUMNS, &at);
    double          sum[MERIT_GAP_COLUMNS] = {0};

    for (int64_t i = 0; i < n; i++) sum[at[i] >> 8] += s[(at[i] & 255) * k];
    for (int32_t j = first; n && j < PetscMin(to, first + MERIT_GAP_COLUMNS); j++) y[j] += mend[j] * sum[j - first];
  }
}

/* PackedForwardStrip - acc[row] += sums of copies, missing ones too, for the rows of quarters [q0, q1). Not collective. */
void PackedForwardStrip(const MeritPacked *m, const MeritPackedPath *path, const PackedEffects *e, int64_t strip, int q0, int q1,
                        double acc[MERIT_STRIP])
{
  const bool listed = PackedHasGaps(m) && !path->gaps_free;

  path->forward(m, strip, e->a, listed ? NULL : e->mend, e->factor, q0, q1, acc);
  if (listed) MendRows(m, strip, e->mend, 1 / e->factor, q0, q1, acc);
}

/* PackedAdjointStrip - y[j] += sums of copies times s[row * k] of a strip's rows, which are arranged as well. Not collective. */
void PackedAdjointStrip(const MeritPacked *m, const MeritPackedPath *path, int64_t strip, int32_t from, int32_t to, int k, const double s[],
                        const double arranged[MERIT_STRIP], const double mend[], double factor, double y[])
{
  const bool listed = PackedHasGaps(m);

  path->adjoint(m, strip, from, to, arranged, listed ? NULL : mend, factor, y);
  if (listed) MendColumns(m, strip, from, to, k, s, mend, y);
}

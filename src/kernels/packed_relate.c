/*
  Products between animals, M M' (genomic relationships).

  Genotypes are brought into animal order once: 32 columns of an animal in one word
  (MeritPackedRows). SNPs of one scale without missing genotypes have exact sums of allele counts
  (packed_counts.c). For the others, tables over three genotypes give the products of each animal
  with several others at once, as in packed_block.c, with a third of the multiply-adds of a plain
  product.
*/
#include "packed_block_impl.h"
#include "packed_counts.h"
#include <omp.h>
#include <stdlib.h>

/* Words of rows [from, to), which lie in one strip, for the 32 columns from `column` on; columns
   before 0 give code 0 */
static void StripWord(const MeritPacked *m, PackedTranspose transpose, int32_t column, const int32_t row[], const int32_t position[], int32_t from,
                      int32_t to, uint64_t word[])
{
  const int   shift = column < 0 ? -2 * column : 0; /* columns before the first are 0 */
  PackedLine8 line[32];

  PackedTransposeColumns(m, transpose, row[from] / MERIT_STRIP, PetscMax(column, 0), line);
  for (int32_t i = from; i < to; i++) word[position[i]] |= line[row[i] % 32][row[i] % MERIT_STRIP / 32] << shift;
}

/* MeritPackedRows - See the header. Not collective; threaded over words. */
void MeritPackedRows(const MeritPacked *m, int32_t from, int32_t n_words, int32_t n_rows, const int32_t row[], const int32_t position[], int32_t n,
                     uint64_t word[])
{
  const PackedTranspose transpose = PackedKernelsNow().transpose;

#pragma omp parallel for schedule(static) if ((int64_t)n_rows * n_words > 1024)
  for (int32_t g = 0; g < n_words; g++) {
    const int32_t column = from + 32 * g;

    /* Rows of one strip are handled together, since a transpose yields all rows of a strip */
    for (int32_t i = 0, end; i < n_rows && column > -32 && column < m->n_cols; i = end) {
      for (end = i + 1; end < n_rows && row[end] / MERIT_STRIP == row[i] / MERIT_STRIP; end++) {}
      StripWord(m, transpose, column, row, position, i, end, word + (size_t)g * (size_t)n);
    }
  }
}

/* Products of words [from, to) into all panels by tables. Not collective; threaded over columns of
   the panels, a few together. Errors: PETSC_ERR_MEM. */
static PetscErrorCode ByTables(const MeritPackedAnimals *all, int32_t from, int32_t to, int n_panels, const int32_t first[], double *const panel[])
{
  const PackedBlock *const *const blocks[] = {
      [MERIT_PACKED_PORTABLE] = packed_block_portable, [MERIT_PACKED_AVX2] = packed_block_avx2, [MERIT_PACKED_AVX512] = packed_block_avx512};
  const PackedBlock              *b       = blocks[MeritPackedLevelNow()][false];
  const int                       threads = omp_get_max_threads(), parts = MERIT_PANEL / b->lanes;
  const size_t                    each = (b->bytes + 63) & ~(size_t)63;
  const MeritPackedAnimals        some = {all->n,
                                          PetscMin(32 * to, all->n_cols) - 32 * from,
                                          all->word + (size_t)from * (size_t)all->n,
                                          all->scale + 32 * from,
                                          all->centre + 32 * from,
                                          all->missing + 32 * from};
  const MeritPackedAnimals *const m    = &some;
  void                           *room;

  PetscFunctionBegin;
  if (from == to) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCheck(!posix_memalign(&room, 64, (size_t)threads * each), PETSC_COMM_SELF, PETSC_ERR_MEM, "tables of %d threads", threads);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  /* A unit is one panel of columns and one group of lanes in it */
  for (int unit = 0; unit < n_panels * parts; unit++) {
    const int32_t start = first[unit / parts], part = unit % parts * b->lanes;
    void         *own = (char *)room + (size_t)omp_get_thread_num() * each;

    for (int32_t i = start; i < m->n && start + part < m->n; i += PACKED_SUMS)
      b->relate(m, start + part, i, PetscMin(i + PACKED_SUMS, m->n), panel[unit / parts] + (size_t)(i - start) * MERIT_PANEL + part, own);
  }
  free(room);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPackedRelate - See the header. Words that have exact sums go there, the runs of others between them to the tables. Not
   collective. */
PetscErrorCode MeritPackedRelate(const MeritPackedAnimals *m, int n_panels, const int32_t first[], double *const panel[])
{
  const int32_t words = (m->n_cols + 31) / 32;

  PetscFunctionBegin;
  for (int32_t from = 0, end; from < words; from = end) {
    PackedCounts c;
    int32_t      done = from;

    end = PetscMin(from + PACKED_COUNT_WORDS, words);
    PetscCall(PackedCountsFind(m, from, end, &c));
    for (int i = 0; i < c.n; done = c.word[i++] + 1) PetscCall(ByTables(m, done, c.word[i], n_panels, first, panel));
    PetscCall(ByTables(m, done, end, n_panels, first, panel));
    PetscCall(PackedCountsAdd(&c, n_panels, first, panel));
    PetscCall(PackedCountsFree(&c));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

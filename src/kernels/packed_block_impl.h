#pragma once
#include "packed_tables.h"
#include <string.h>

#define PACKED_SUMS 4096 /* sums of a thread: columns, or the 64 rows of each of PACKED_QUARTERS quarters */

/* Arguments of one product with right-hand sides [first, first + n) of k; all borrowed */
typedef struct {
  const MeritPacked *m;
  PackedTranspose    transpose;
  int                k, first, n;
  const double      *in;     /* [n_cols * k] or [n_rows * k] */
  const double      *factor; /* [k] powers of two that inputs are multiplied by */
  const double      *total;  /* [k] adjoint: sums of in */
  double            *out;
} PackedBlockCall;

/* Products of one width and precision: forward for quarters of strips [from, to), adjoint for columns [from, to) */
typedef struct {
  int    lanes; /* right-hand sides at once */
  size_t bytes; /* of scratch for a thread */
  void (*forward)(const PackedBlockCall *c, int64_t from, int64_t to, void *work);
  void (*adjoint)(const PackedBlockCall *c, int64_t from, int64_t to, void *work);
  /* doubles only: out[(i - from) * MERIT_PANEL + l] += products of animals i in [from, to), at most PACKED_SUMS, and column + l, l < lanes */
  void (*relate)(const MeritPackedAnimals *m, int32_t column, int32_t from, int32_t to, double out[], void *work);
} PackedBlock;

/* Code by instructions, [0] for doubles, [1] for floats; NULL where the compiler has none */
extern const PackedBlock *const packed_block_portable[2];
extern const PackedBlock *const packed_block_avx2[2];
extern const PackedBlock *const packed_block_avx512[2];

/* Lines of 32 columns from `from` on (0 beyond the last) of a strip, transposed: word w of line[f] has row 32 w + f. Not
   collective. */
static inline void PackedTransposeColumns(const MeritPacked *m, PackedTranspose transpose, int64_t strip, int32_t from, PackedLine8 line[32])
{
  const int32_t n = PetscMin(32, m->n_cols - from);

  memcpy(line, PackedLine(m, strip, from), (size_t)n * sizeof(*line));
  memset(line + n, 0, (size_t)(32 - n) * sizeof(*line));
  transpose(line);
}

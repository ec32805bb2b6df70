#pragma once
#include "packed_impl.h"

/* Words of 32 SNPs at once at most */
enum { PACKED_COUNT_WORDS = 64 };

/* Words whose products between animals are exact in whole numbers: one scale, nobody has a missing genotype */
typedef struct {
  int       n; /* words; 0: none */
  int32_t   animals, word[PACKED_COUNT_WORDS];
  double    scale;
  uint64_t *code;    /* [animals * n] the words, animal by animal; owned */
  double   *dot;     /* [animals] sum of centre times allele count over these words; owned */
  double    squares; /* sum of squared centres */
} PackedCounts;

/* Find these words among [from, to), at most PACKED_COUNT_WORDS. Not collective; threaded over animals. Free with PackedCountsFree.
   Errors: PETSC_ERR_MEM. */
PetscErrorCode PackedCountsFind(const MeritPackedAnimals *m, int32_t from, int32_t to, PackedCounts *c);
/* Add their products to the panels, as MeritPackedRelate does. Not collective; threaded over panels. Errors: PETSC_ERR_MEM. */
PetscErrorCode PackedCountsAdd(const PackedCounts *c, int n_panels, const int32_t first[], double *const panel[]);
/* Free what PackedCountsFind made. */
PetscErrorCode PackedCountsFree(PackedCounts *c);

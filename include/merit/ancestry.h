#pragma once
#include <merit/sys.h>

/*
  Recursions over a pedigree in plain arrays, with OpenMP inside. Animals are numbered by generation: animals
  of generation g are level_first[g] .. level_first[g + 1] - 1, founders are generation 0, and the parents of
  an animal are of lower generations.
*/
typedef struct {
  int32_t        n_levels;
  const int64_t *level_first; /* [n_levels + 1] */
  const int32_t *parents;     /* [2 x animals]: sire and dam of animal i at 2 i and 2 i + 1, -1 unknown */
  const double  *inbreeding;  /* [animals] */
} MeritAncestry;

/* Generation of an animal. Not collective. */
MERIT_EXTERN int32_t MeritAncestryLevel(const MeritAncestry *ancestry, int32_t animal);
/* Mendelian sampling variance of an animal, d_i in A = T D T', from the inbreeding of its parents. */
MERIT_EXTERN double MeritAncestryMendelian(const MeritAncestry *ancestry, int32_t animal);
/*
  Inbreeding of the offspring of n matings, a(sire, dam) / 2, matings of one sire next to each other. Needs the
  inbreeding of all generations older than each sire's. The same bits however the matings are divided over calls
  and threads. Not collective; threaded.
*/
MERIT_EXTERN PetscErrorCode MeritAncestryInbreeding(const MeritAncestry *ancestry, int64_t n, const int32_t sire[], const int32_t dam[],
                                                    double inbreeding[]);
/* Sort keys ascending, `value` along with them, equal keys in their old order. Not collective. */
MERIT_EXTERN PetscErrorCode MeritSortKeys(int64_t n, uint64_t key[], int32_t value[]);

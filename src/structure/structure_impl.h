#pragma once
#include <merit/structure.h>

/* What a kind can do; NULL: what most do. The comments say what that is. */
typedef struct {
  const char *name; /* the word of the formula */
  MeritForm   form;
  int         placing; /* see MeritStructurePlacing */
  bool        linked;  /* rows have parents */
  /* said of a job that has a term of this kind and no pedigree, no genotypes; NULL: these are not needed */
  const char *without_pedigree, *without_genotypes;
  /* how many levels; NULL: what the records have */
  PetscErrorCode (*levels)(MeritStructure s, int64_t *n);
  /* ids that records name; NULL: their own classes */
  PetscErrorCode (*individuals)(MeritStructure s, MeritDict *dict);
  /* labels as a dictionary, or as a list of names; NULL: the records' own classes */
  PetscErrorCode (*dict)(MeritStructure s, MeritDict *dict);
  PetscErrorCode (*names)(MeritStructure s, const char ***names);
  /* rank of what a record names; NULL: blocks of numbers */
  PetscMPIInt (*home)(MeritStructure s, int64_t number);
  /* fills `neighbour`, `d` and `generation`; NULL: rows without parents */
  PetscErrorCode (*fetch)(MeritStructure s, const MeritPlaces *places);
  /* makes `rows` from the equations of the neighbours; NULL: rows without parents */
  PetscErrorCode (*bind)(MeritStructure s, int32_t *slot[]);
  /* K_ii of the individuals, see the header; NULL: 1, or squares of M */
  PetscErrorCode (*diagonal)(MeritStructure s, double **diagonal);
  /* rows of M; NULL: the records' values */
  PetscErrorCode (*factor_rows)(MeritStructure s, double *n);
  /* mean K_ii; NULL: 1 */
  double (*mean_diagonal)(MeritStructure s);
  /* units of M's columns; NULL: 1 */
  PetscErrorCode (*scale)(MeritStructure s, const double **scale);
  double typical; /* see MeritStructureTypicalElement */
  /* link from the rows of M to those that records name; NULL: not fed */
  PetscErrorCode (*feed)(MeritStructure s, int32_t n, const int64_t number[], PetscSF *feed);
} MeritStructureOps;

/* Lists of neighbours at most */
enum { MOST_LISTS = 2 };

struct _p_MeritStructure {
  const MeritStructureOps *ops;
  MeritSources             sources;
  int32_t                  n_owned;
  int                      n_lists;
  int64_t                  n_neighbours[MOST_LISTS];
  int64_t                 *neighbour[MOST_LISTS]; /* canonical numbers until Bind; owned */
  int32_t                 *slot[MOST_LISTS];      /* equations from then on; owned */
  double                  *d;                     /* [n_owned], NULL: 1; owned */
  int32_t                 *generation;            /* [n_owned], NULL: 0; owned */
  MeritRecursion           rows;
};

extern const MeritStructureOps MeritStructure_Iid, MeritStructure_Pedigree, MeritStructure_Markers, MeritStructure_Columns;

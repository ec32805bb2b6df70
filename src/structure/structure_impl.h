#pragma once
/* What the files of src/structure have in common: one table of operations for each kind of
   covariance, and the structure itself. Private to src/structure. */
#include <merit/structure.h>

/* The operations of a kind. NULL: the kind has the default, which the comment on the operation
   gives. None is collective, but for `fetch` and `feed`. Arrays that an operation returns are
   owned by the caller (PetscFree), dictionaries and scales are borrowed. */
typedef struct {
  const char *name; /* the word of the formula */
  MeritForm   form;
  int         placing; /* see MeritStructurePlacing */
  bool        linked;  /* rows have parents */
  bool        animals; /* levels are the animals of the pedigree */
  /* message for a job that has a term of this kind but no pedigree, or no genotypes; NULL: the
     kind does not need them */
  const char *without_pedigree, *without_genotypes;
  /* number of levels over all ranks; NULL: the classes of the records */
  PetscErrorCode (*levels)(MeritStructure s, int64_t *n);
  /* ids that records name; NULL: their own classes */
  PetscErrorCode (*individuals)(MeritStructure s, MeritDict *dict);
  /* labels as a dictionary, or as a list of names; NULL: the records' own classes */
  PetscErrorCode (*dict)(MeritStructure s, MeritDict *dict);
  PetscErrorCode (*names)(MeritStructure s, const char ***names);
  /* rank that has the individual that a record names by its number; NULL: blocks of numbers */
  PetscMPIInt (*home)(MeritStructure s, int64_t number);
  /* get `neighbour`, `d`, `generation` and, for parents with coefficients, `start` and
     `coefficient` of the owned levels; collective. NULL: rows without parents */
  PetscErrorCode (*fetch)(MeritStructure s, const MeritPlacement *placement);
  /* give `rows` its parents, from the equations of the neighbours; NULL: rows without parents,
     or list 0 has the parents that `start` and `coefficient` are for */
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
  /* link from the rows of M to those that records name; collective. NULL: not fed */
  PetscErrorCode (*feed)(MeritStructure s, int32_t n, const int64_t number[], PetscSF *feed);
} MeritStructureOps;

/* Most lists of neighbours that a kind has: sires and dams */
enum { MOST_LISTS = 2 };

/* A structure. Arrays are by owned level, in the order of their equations. */
struct _p_MeritStructure {
  const MeritStructureOps *ops;
  MeritSources             sources; /* borrowed */
  int32_t                  n_owned; /* levels owned here; from Fetch on */
  int                      n_lists;
  int64_t                  n_neighbours[MOST_LISTS];
  int64_t                 *neighbour[MOST_LISTS]; /* canonical numbers until Bind; owned */
  int32_t                 *slot[MOST_LISTS];      /* equations from then on; owned */
  double                  *d;                     /* [n_owned], NULL: 1; owned */
  int32_t                 *generation;            /* [n_owned], NULL: 0; owned */
  int64_t                 *start;                 /* [n_owned + 1] first parent of each level in list 0, NULL: see `bind`; owned */
  double                  *coefficient;           /* [start[n_owned]] of each parent; owned */
  MeritRecursion           rows;                  /* of the penalty; from Bind on */
};

extern const MeritStructureOps MeritStructure_Iid, MeritStructure_Pedigree, MeritStructure_Markers, MeritStructure_Columns;

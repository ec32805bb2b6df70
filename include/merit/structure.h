#pragma once
#include <merit/dict.h>
#include <merit/exchange.h>
#include <merit/genotypes.h>
#include <merit/pedigree.h>
#include <merit/recursion.h>
#include <petscsf.h>

/*
  The covariance matrix K of a random term's levels, Var(b) = K x G, as an object with operations. There are kinds (one file each in
  src/structure), but users of a structure see only its form and its operations:

  - recursion: K^-1 = (I - P)' D^-1 (I - P) by sparse rows (merit/recursion.h). Independent levels have rows without parents, a pedigree two
    parents of 1/2.
  - factor: K = M M'. The equations are in the effects of M's columns, whose penalty is the identity (rows without parents). Where M is not in the records, its rows
    are fed: a record names a row of M, and what goes between rows and columns goes through M.

  Fixed terms have no structure: NULL, of MERIT_FORM_NONE.
*/
typedef struct _p_MeritStructure *MeritStructure;

typedef enum { MERIT_FORM_NONE, MERIT_FORM_RECURSION, MERIT_FORM_FACTOR } MeritForm;

/* The kinds, for the parser of formulas, which knows their words by MeritStructureWord. */
typedef enum {
  MERIT_TERM_FIXED, /* class, covariate, their products, fixed Legendre */
  MERIT_TERM_IID,
  MERIT_TERM_PED,
  MERIT_TERM_SNP,
  MERIT_TERM_RIDGE,
  MERIT_TERM_KINDS /* how many there are */
} MeritTermKind;

/* What structures are made from; borrowed, must outlive them. */
typedef struct {
  MPI_Comm           comm;
  MeritPedigree      pedigree;  /* NULL: none */
  MeritGenotypes     genotypes; /* NULL: none */
  int                n_columns;
  const char *const *column; /* [n_columns] columns of the records whose effects are the term's levels */
} MeritSources;

/* Where the levels of a structure were placed. */
typedef struct {
  int64_t            first;       /* canonical number of the first level of this rank's block */
  int64_t            n_block;     /* levels of this rank's canonical block */
  const PetscMPIInt *owner;       /* [n_block] owning rank */
  int32_t            n_owned;     /* levels owned here */
  const int32_t     *position_of; /* [n_owned] position of each of them in canonical order; NULL: positions ascend */
} MeritPlacement;

/* Input that terms of this kind need and the job does not have, as the end of a sentence of a message; NULL: nothing is missing. */
MERIT_EXTERN const char *MeritStructureLacks(MeritTermKind kind, bool pedigree, bool genotypes);
/* Make the structure of a kind; NULL for fixed terms. Sources may still be without their data. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureCreate(MeritTermKind kind, const MeritSources *sources, MeritStructure *s);
/* Add the number of a term to the lists of fed and of linked terms, if its structure is so (see below). Not collective. */
MERIT_EXTERN void MeritStructureList(MeritStructure s, int term, int *n_fed, int fed[], int *n_linked, int linked[]);
/* Its form; NULL has MERIT_FORM_NONE. */
MERIT_EXTERN MeritForm MeritStructureForm(MeritStructure s);
/* The word of a kind, as in formulas; "fixed" for fixed terms. Borrowed, literal. Not collective. */
MERIT_EXTERN const char *MeritStructureWord(MeritTermKind kind);
/* The pedigree whose animals are the levels; NULL: the levels are not animals. Borrowed. Not collective. */
MERIT_EXTERN MeritPedigree MeritStructurePedigree(MeritStructure s);

/* Before placement: levels and their names */

/* Number of levels that the structure defines, over all ranks; -1 if the records define them. Sources are read. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureLevels(MeritStructure s, int64_t *n);
/* The ids by which records name levels (or rows of M), NULL if they are class values of the records; borrowed. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureIndividuals(MeritStructure s, MeritDict *dict);
/* Labels of the levels: a dictionary (borrowed), or names[levels] (of each a string that is borrowed, the list is the caller's, PetscFree), or both
   NULL where they are the records' own classes. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureLabels(MeritStructure s, MeritDict *dict, const char ***names);
/* True if the levels of both come from one source. Then they are placed alike. */
MERIT_EXTERN bool MeritStructureSameLevels(MeritStructure a, MeritStructure b);
/* Priority for having records on the rank of their levels (rows of M): the term with the highest decides to which ranks records go. 0: as for any class. */
MERIT_EXTERN int MeritStructurePlacing(MeritStructure s);
/* Rank of what a record names by `number`, if the structure decides: of n numbers on `size` ranks, blocks or the rows of M. */
MERIT_EXTERN PetscMPIInt MeritStructureHome(MeritStructure s, int64_t n, PetscMPIInt size, int64_t number);

/* True if rows name other levels than their own. Such levels are placed near each other. */
MERIT_EXTERN bool MeritStructureLinked(MeritStructure s);

/* Placement: the rows of this rank */

/* Get the rows of the levels owned here. Collective. */
MERIT_EXTERN PetscErrorCode MeritStructureFetch(MeritStructure s, const MeritPlacement *placement);
/* What the blocks of canonical levels have (`bytes` each) -> the levels owned here, by position; ex is from blocks to owners, *mine is the caller's,
   PetscFree. Collective. */
MERIT_EXTERN PetscErrorCode MeritStructureDeliver(const MeritPlacement *placement, MeritExchange ex, size_t bytes, const void *block, void *mine);
/* Other levels named by the rows of this rank, in lists: canonical numbers of list `list` [n], -1 none; false: no such list. Borrowed
   until Bind. Not collective. */
MERIT_EXTERN bool MeritStructureNeighbours(MeritStructure s, int list, int64_t *n, const int64_t **number);
/* The rows get equations: `own` is that of the first owned level, n each; slot[list][i] the first equation of each neighbour, -1 none; the arrays
   are taken over. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureBind(MeritStructure s, int32_t own, int n, int32_t *slot[]);
/* For a factor that is fed: links rows of M (roots, on this rank) to n rows that records name here (leaves, by canonical number); else NULL.
   The caller destroys it. Collective. */
MERIT_EXTERN PetscErrorCode MeritStructureFeed(MeritStructure s, int32_t n, const int64_t number[], PetscSF *feed);
/* Is it a factor whose rows are fed? */
MERIT_EXTERN bool MeritStructureFed(MeritStructure s);

/* Operations on the rows of this rank, after Bind */

/* The rows of the penalty of the equations, (I - P)' D^-1 (I - P): K^-1 of a recursion, the identity of a factor; NULL for NULL. Borrowed. */
MERIT_EXTERN const MeritRecursion *MeritStructurePenalty(MeritStructure s);
/* Generation of each owned level: 0 without parents, else 1 + the largest of theirs; levels stand by generation. NULL: all 0. Borrowed. */
MERIT_EXTERN const int32_t *MeritStructureGeneration(MeritStructure s);
/* Diagonal of K at the individuals of this rank's canonical block, NAN where it is not known; NULL: 1, or sums of squares of the rows of M. The
   caller's, PetscFree. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureDiagonal(MeritStructure s, double **diagonal);
/* Rows of M of a factor; `values` where they are those of the records. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureFactorRows(MeritStructure s, double values, double *n);
/* Mean of the diagonal of K over the individuals, if the variance is not already that of one of them; else 1. Not collective. */
MERIT_EXTERN double MeritStructureMeanDiagonal(MeritStructure s);
/* Units of M's columns [levels]: the effect of one unit is that of the equation times this; NULL: 1. Borrowed. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureScale(MeritStructure s, const double **scale);
/* Off-diagonal element of K if it is the same for any two levels. */
MERIT_EXTERN double MeritStructureTypicalElement(MeritStructure s);
/* Free; NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritStructureDestroy(MeritStructure *s);

/* Exchange of equations with other ranks: n_local in all, the first n_owned are owned here; roots of sf are owned equations, leaves the others. */
typedef struct {
  MPI_Comm comm;
  PetscSF  sf;
  int32_t  n_owned, n_local;
} MeritHalo;
/* x = K x of a recursion (NULL: K = I) for k vectors fastest, x [n_local * k]; contributions of several ranks to one level are added first. Collective. */
MERIT_EXTERN PetscErrorCode MeritStructureProduct(MeritStructure s, const MeritHalo *halo, int k, double x[]);
/* Standard normals of the owned levels -> draws of covariance K, flat levels 0; x as above, ghosts are filled. Collective. */
MERIT_EXTERN PetscErrorCode MeritStructureDraw(MeritStructure s, const MeritHalo *halo, int k, double x[]);

/*
  The penalty K^-1 x G^-1 of a term as an operator on the equations of this rank. Products take x [n_local * k] and add to y [room * k], right-hand
  side fastest; what is behind the n_local equations of y is 0 before and after. All take NULL, which is the penalty 0.
*/
typedef struct _p_MeritPenalty *MeritPenalty;
/* Make it from rows that have equations (borrowed), for products by n_threads threads; NULL where there are no rows or no equations. Not collective. */
MERIT_EXTERN PetscErrorCode MeritPenaltyCreate(const MeritRecursion *rows, int n_threads, int32_t n_local, MeritPenalty *p);
/* Set the G^-1 [n * n] of later products; borrowed. */
MERIT_EXTERN void MeritPenaltySetInverse(MeritPenalty p, const double *G_inverse);
/* Length of y for one right-hand side: equations and, after them, private slots of threads. */
MERIT_EXTERN int32_t MeritPenaltyWorkLength(MeritPenalty p);
/* True if ApplyAcross overwrites the owned equations of the term instead of adding to them. Then it must be called first. */
MERIT_EXTERN bool MeritPenaltyOverwrites(MeritPenalty p, int k);
/* y += penalty x, if the penalty of each level is G^-1: needs no ghosts. Else nothing. Not collective. */
MERIT_EXTERN void MeritPenaltyApplyWithin(MeritPenalty p, int k, const double *x, double *y);
/* y += penalty x, if it is more than G^-1 for each level: x has the ghosts' values, and y gets what is for them. Else nothing. Not collective. */
MERIT_EXTERN PetscErrorCode MeritPenaltyApplyAcross(MeritPenalty p, int k, const double *x, double *y);
/* Free; NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritPenaltyDestroy(MeritPenalty *p);

#pragma once
#include <merit/dict.h>
#include <merit/checkpoint.h>
#include <merit/formula.h>
#include <merit/genotypes.h>
#include <merit/layout.h>
#include <merit/pedigree.h>
#include <merit/table.h>
#include <petscsf.h>
#include <petscvec.h>

/*
  The model over its data: records placed on ranks, levels of every term numbered and placed, equations laid out. Immutable after
  SetUp. Operators, preconditioners, solvers and reports read it through the views below, which are plain arrays.
*/
typedef struct _p_MeritModel *MeritModel;

/* This rank's records and their residual structure. */
typedef struct {
  int             n_traits;
  int32_t         n_records;
  const double   *y;           /* [n_records * n_traits], trait fastest; 0 where missing; borrowed */
  const int32_t  *pattern;     /* [n_records] row of R_inverse; borrowed */
  const double   *sqrt_weight; /* [n_records * n_traits] sqrt(weight), NULL: 1; borrowed */
  int             n_patterns;
  const double   *R_inverse;      /* [n_patterns * n_traits^2] zero rows and columns for missing traits; borrowed */
  const uint32_t *observed;       /* [n_patterns] bit t: trait t observed; borrowed */
  const int32_t  *residual_class; /* [n_patterns] residual class; borrowed */
} MeritRecordsView;

/* What the run left out, for excluded.tsv. */
typedef struct {
  const char *kind;        /* "record", "animal", "snp" */
  int64_t     line;        /* line of the records file, 0 if none */
  const char *id, *reason; /* borrowed */
} MeritExclusion;

/* Make an empty model. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelCreate(MPI_Comm comm, MeritModel *model);
/* The variances will be estimated: the job may leave them out, and an equation stays whatever the rank of G becomes (n_eq = n_comp). Before
   SetFromConfig. */
MERIT_EXTERN PetscErrorCode MeritModelSetVariancesFree(MeritModel model);
/* Keep, from the set-up, what MeritModelGhosts needs. Before SetUp. */
MERIT_EXTERN PetscErrorCode MeritModelSetPlanned(MeritModel model);
/* Take everything from a checked job tree: files, rules, formula, variances. Reads no data. */
MERIT_EXTERN PetscErrorCode MeritModelSetFromConfig(MeritModel model, MeritNode job);
/* Raise the error that the records have no column of this name, where the job names it. */
MERIT_EXTERN PetscErrorCode MeritModelUnknownColumn(MeritModel model, MeritTable table, const char name[]);
/* Read all data, place records and levels, lay out equations, find aliased ones. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelSetUp(MeritModel model);
/* New variances for the same data (REML): G per term and R per class in component order; bumps the state operators look at. */
MERIT_EXTERN PetscErrorCode MeritModelSetVariances(MeritModel model, const double *const G[], const double *const R[]);
/* From the next variances on use u = L v, Var(v) = I also if G is nearly singular, which avoids the rounding errors of its inverse. The model is
   one of MeritModelSetVariancesFree. */
MERIT_EXTERN PetscErrorCode MeritModelUseCholeskyCoefficients(MeritModel model, bool cholesky);
/* The coefficients of a random term's regressors become orthogonal over the records, until MeritModelOriginal: B [n_comp^2], u = B v; mixes: B is not
   the identity. For the estimation of variances; collective. */
MERIT_EXTERN PetscErrorCode MeritModelOrthogonal(MeritModel model, int term, double B[], bool *mixes);
/* All coefficients as the user has them. */
MERIT_EXTERN PetscErrorCode MeritModelOriginal(MeritModel model);
/* The first term whose matrix in the formula is singular, by the measure of set-up; -1: none. Not collective. */
MERIT_EXTERN int MeritModelSingularTerm(MeritModel model);
/* True if L is not diagonal, so that an equation of a level contributes to several components. */
MERIT_EXTERN bool MeritTermMixes(const MeritTermView *term);
/* Are its variances to be estimated (MeritModelSetVariancesFree)? */
MERIT_EXTERN bool MeritModelVariancesFree(MeritModel model);
/* Counts up at every change of variances. */
MERIT_EXTERN uint64_t MeritModelState(MeritModel model);

/* The communicator; borrowed. */
MERIT_EXTERN MPI_Comm MeritModelComm(MeritModel model);
/* Traits, terms, variances as given; borrowed. */
MERIT_EXTERN const MeritFormula *MeritModelFormula(MeritModel model);
/* Views; borrowed until Destroy (contents of L, G_inverse, R_inverse until SetVariances). */
MERIT_EXTERN int MeritModelTerms(MeritModel model, const MeritTermView **terms);
/* The records of this rank; borrowed. */
MERIT_EXTERN const MeritRecordsView *MeritModelRecords(MeritModel model);
/* Sizes of this rank's equations and slots, after SetUp; borrowed until Destroy. Not collective. */
MERIT_EXTERN const MeritLayout *MeritModelLayout(MeritModel model);
/* State of each owned equation (MeritEquationState); borrowed. */
MERIT_EXTERN const uint8_t *MeritModelEquationState(MeritModel model);
/* Observations of each owned level and component, in the order of ToComponents; borrowed. */
MERIT_EXTERN const int64_t *MeritModelObservations(MeritModel model);
/* The halo: roots = owned equations, leaves = ghost equations (leaf i is local slot n_owned + i). Borrowed. */
MERIT_EXTERN PetscSF MeritModelHalo(MeritModel model);
/* SNP terms: roots = genotype rows of this rank's tile, leaves = genotyped levels of the term (in order). Borrowed; units are levels. */
MERIT_EXTERN PetscSF MeritModelGenotypedLink(MeritModel model, int term);
/* Terms whose structure is fed (MeritStructureFed), in order; returns how many. Borrowed. */
MERIT_EXTERN int MeritModelFedTerms(MeritModel model, const int **term);
/* Terms whose levels are coupled (MeritStructureLinked), in order; returns how many. Borrowed. */
MERIT_EXTERN int MeritModelLinkedTerms(MeritModel model, const int **term);
/* The genotypes, NULL without; borrowed. */
MERIT_EXTERN MeritGenotypes MeritModelGenotypes(MeritModel model);
/* The pedigree, NULL without; borrowed. */
MERIT_EXTERN MeritPedigree MeritModelPedigree(MeritModel model);
/* Ghost levels of each term [n_terms] on this number of ranks, summed over ranks, counted from the data. For a model of
   MeritModelSetPlanned, set up. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelGhosts(MeritModel model, PetscMPIInt ranks, int64_t ghosts[]);
/* Sizes from which the cost of an iteration follows, over all ranks: equations of ghosts by the way they are exchanged, those of
   SNP terms being genotyped levels; of the model: records, equations, levels of pedigree terms, such terms, generations of the last of them,
   equations of SNP terms for each SNP; plain: one pedigree term of one regressor beside fixed terms. */
typedef struct {
  int64_t animals, fixed, others, genotyped;
  int64_t n_records, equations, n_animals;
  int     n_ped, n_generations, n_snp_eq;
  bool    plain;
} MeritTraffic;
/* Count that for a number of ranks. Of a model as MeritModelGhosts() needs it. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelTraffic(MeritModel model, PetscMPIInt ranks, MeritTraffic *traffic);
/* Levels of each term [n_terms] that the fullest rank owns, and (NULL allowed) its ghost levels, on the ranks of b: as they are in this run,
   else bounds from sizes. Collective, after SetUp. */
MERIT_EXTERN PetscErrorCode MeritModelLevelCounts(MeritModel model, const MeritBytes *b, int64_t owned[], int64_t ghosts[]);
/* Add the memory of records, levels and genotypes, and of reading them. Collective, after SetUp. */
MERIT_EXTERN PetscErrorCode MeritModelAddBytes(MeritModel model, MeritBytes *b);
/* Labels of a term's levels by canonical number, as MeritDictLabels ("1" for the single level). Collective. */
MERIT_EXTERN PetscErrorCode MeritModelLabels(MeritModel model, int term, int64_t n, const int64_t number[], char **at, int64_t **start);
/* "level `17` of `herd`": what a global equation is, and its term. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelDescribe(MeritModel model, int64_t equation, size_t size, char text[], int *term);
/* Canonical number of labels (one pool), -1 unknown; for warm starts and reports. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelFindLabels(MeritModel model, int term, MeritStrings pool, int64_t number[]);
/* Global equation number of (term, canonical level)'s first equation, and the owner; -1 if the level is unknown. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelLocate(MeritModel model, int term, int64_t n, const int64_t level[], int64_t equation[]);
/* Records in the file, and how many were dropped; over all ranks. */
MERIT_EXTERN PetscErrorCode MeritModelRecordCounts(MeritModel model, int64_t *n_lines, int64_t *n_dropped);
/* Let a checkpoint have the positions of the model's equations (term, canonical level, component) and records (line of the file), which do not
   depend on ranks; the model, set up when they are needed, must outlive it. Not collective. */
MERIT_EXTERN PetscErrorCode MeritModelSetPositions(MeritModel model, MeritCheckpoint checkpoint);
/* Line in the records file of each local record; borrowed. */
MERIT_EXTERN PetscErrorCode MeritModelRecordLines(MeritModel model, const int64_t **line);
/* Exclusions found on this rank. */
MERIT_EXTERN int64_t MeritModelExclusions(MeritModel model, const MeritExclusion **list);

/* Equations -> the form outputs have: components u = L v, covariates back on their own scale. x is [n_owned] equations; u is
   [sum over terms of n_owned levels * n_comp], same order. */
MERIT_EXTERN PetscErrorCode MeritModelToComponents(MeritModel model, const double x[], double u[]);
/* What is to be added to log |X'V^-1 X| of the equations for that of X as the user has it: covariates are scaled inside. Collective. */
MERIT_EXTERN PetscErrorCode MeritModelFixedScale(MeritModel model, double *log_scale);
/* The inverse, for warm starts (least squares where G is singular). */
MERIT_EXTERN PetscErrorCode MeritModelFromComponents(MeritModel model, const double u[], double x[]);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritModelDestroy(MeritModel *model);

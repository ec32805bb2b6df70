#pragma once
#include <merit/exchange.h>
#include <merit/integers.h>
#include <merit/log.h>
#include <merit/model.h>
#include <merit/table.h>

/* Bounds of traits and covariates: what the largest absolute value of a column may be, so that
   squares of it and of what is made of it stay within double precision */
#define MERIT_LARGEST  1e30
#define MERIT_SMALLEST 1e-30

/* Canonical numbers below 0 in a regressor's column of the records */
enum { NUMBER_MISSING = -1, NUMBER_UNKNOWN_PARENT = -2, NUMBER_NOT_IN_PEDIGREE = -3, NUMBER_NO_GENOTYPE = -4 };

/* An id in the records that the pedigree does not have */
enum { MERIT_ABSENT_ERROR, MERIT_ABSENT_FOUNDER, MERIT_ABSENT_DROP };

/* Which of 32 numbers in a row are owned, and how many numbers before them */
typedef struct {
  uint32_t bits;
  int32_t  before;
} MeritLevelsMap;

/* Owners of the levels of a term: canonical number -> (rank, position among the levels the rank
   owns). Held in canonical blocks. */
typedef struct {
  MPI_Comm        comm;
  int64_t         n_levels;
  int64_t         first; /* block of this rank: [first, first + n_block) */
  int64_t         n_block;
  PetscMPIInt    *owner;    /* [n_block]; owned */
  int32_t        *position; /* [n_block]; owned */
  int32_t         n_owned;
  int64_t        *canonical;   /* [n_owned] levels owned by this rank, by their positions; owned */
  int64_t        *sorted;      /* [n_owned] the same, ascending; owned, or canonical itself */
  int32_t        *position_of; /* [n_owned] position of each of sorted; NULL: positions ascend; owned */
  MeritLevelsMap *map;         /* where a number is in sorted: bits of 32 numbers an entry; owned */
  int32_t        *index;       /* or the first entry of each slice of numbers, where levels lie far apart; both NULL: one block; owned */
  int             slice;       /* a slice has 2^slice numbers */
} MeritLevels;

/* Records of this rank while the model is set up; row arrays move together (MeritRowsMove). After
   the set-up only line, y and weight are left. */
typedef struct {
  int64_t   n;
  int       n_traits;
  int64_t  *line;     /* [n] line in the file; owned */
  double   *y;        /* [n * n_traits]; owned */
  double   *weight;   /* [n * n_traits], NULL without weights; owned */
  int32_t  *residual; /* [n] residual class; owned */
  uint32_t *observed; /* [n] bit t: trait t counts; owned */
  int       n_numbers, n_covariates;
  int64_t **number;    /* [n_numbers] -> [n] canonical level, NUMBER_... below 0; owned */
  double  **covariate; /* [n_covariates] -> [n]; owned */
} MeritRows;

/* One term: what the view shows, and what it is made from */
typedef struct {
  MeritTermView      view;
  MeritDesignView   *design;         /* [n_regressors]; owned */
  int32_t          **slot;           /* [n_regressors] -> [n_records]; owned */
  double           **value;          /* [n_regressors] -> [n_records] or NULL; owned */
  double           **original;       /* [n_regressors] values while MeritModelOrthogonal has others in their place, else NULL; owned */
  int32_t          **offset;         /* [n_regressors] -> [n_traits]; owned */
  int               *number;         /* [n_regressors] index of the level numbers in MeritRows, -1: single level or ridge; owned */
  int               *covariate;      /* [n_regressors] index of the covariate column, or -1; owned */
  double            *centre, *scale; /* [n_regressors] value = (x - centre) / scale; owned */
  MeritDict          dict;           /* labels of class levels; NULL: pedigree, SNPs, ridge columns, single level */
  MeritStructure     structure;      /* owned; NULL for fixed terms */
  const char       **column;         /* [n_regressors] columns of the regressors, for the structure; owned */
  MeritLevels        levels;
  const MeritLevels *met;           /* where levels that records name are: levels; those of nobody where records name rows of a factor */
  MeritIntegers      ghosts;        /* canonical numbers of ghost or genotyped levels, ascending; owned */
  PetscSF            genotyped;     /* rows of a factor -> genotyped levels, NULL: none; owned */
  double            *L, *G_inverse; /* owned */
  double *work_before;     /* of a planned model, [n_owned] fraction of all work that is of animals before this one; NULL: other levels; owned */
  int64_t first_component; /* of the owned levels in the order of outputs */
} MeritModelTerm;

/* A numeric column some term uses as covariate */
typedef struct {
  char  *name;     /* borrowed from the formula */
  double mean, sd; /* over the records in the analysis */
} MeritCovariate;

/* A name that the job gives to a column of the records, and where */
typedef struct {
  char *name, *file; /* owned */
  int   line, column;
} MeritNamedColumn;

/* All of them (column_position.c) */
typedef struct {
  int               n;
  MeritNamedColumn *column; /* [n]; owned */
} MeritNamedColumns;

/* What the job says of the records and of the ids in them; config.c fills it, others read it */
typedef struct {
  char             *records; /* path of the file; owned */
  int               n_header, n_missing;
  char            **header, **missing; /* names of columns; words for a missing value; owned */
  char            **weight;            /* [n_traits] columns, NULL entries: no weight; NULL: no weights at all; owned */
  int               absent;            /* MERIT_ABSENT_... */
  int64_t           depth;             /* generations of ancestors kept, 0: all */
  int               n_unknown;
  char            **unknown; /* words for an unknown parent; owned */
  MeritNamedColumns named;
} MeritModelOptions;

/* How the caller uses the model; each has a function that sets it */
typedef struct {
  bool estimated; /* variances may be missing, and every component keeps its equation */
  bool planned;   /* the work before each animal is kept, for MeritModelGhosts */
  bool cholesky;  /* u = L v also where G is next to singular */
} MeritModelMode;

/* What the placement of animals and records goes by, until the equations are numbered */
typedef struct {
  int     number;      /* index in rows.number of the herds that animals are placed by, -1 none */
  int64_t n_keys;      /* number of these herds */
  int     key;         /* term whose level (of its first regressor) decides where a record goes, -1: none */
  double *work_before; /* of a planned model, [canonical block] fraction of all work that is of animals before this one; owned */
} MeritPlacing;

/* Terms in formula order */
typedef struct {
  int  n;
  int *term; /* [n]; owned */
} MeritTermList;

/* Patterns (residual class, observed traits) of the records here, and R^-1 of each (residual.c) */
typedef struct {
  int32_t   n;
  int32_t  *pattern;        /* [rows] of each record; owned */
  uint32_t *observed;       /* [n] bit t: trait t is observed; owned */
  int32_t  *residual_class; /* [n]; owned */
  double   *R_inverse;      /* [n * n_traits^2]; owned */
  uint8_t  *pair_observed;  /* [n_traits^2] pair observed on one line of any rank; owned */
} MeritPatterns;

/* Numbers of equations and component slots (layout.c) */
typedef struct {
  MeritLayout layout;          /* term and n_terms are set when SetUp ends */
  int64_t    *rank_first;      /* [size + 1] first equation of every rank; owned */
  int32_t    *rank_term_first; /* [size * n_terms] eq_owned of every rank and term; owned */
  int64_t     n_components;    /* of owned levels */
  PetscSF     halo;            /* owned equations to ghosts; owned */
} MeritEquations;

/* Observations, and equations that do not count for lack of them (design.c) or as redundant ones
   (alias.c) */
typedef struct {
  int64_t *observations; /* [n_components]; owned */
  uint8_t *state;        /* [n_owned] MeritEquationState; owned */
} MeritEquationCounts;

/* Texts are codes into the pool of exclusion texts */
typedef struct {
  const char *kind;
  int64_t     line;
  int32_t     id, reason;
} MeritExclusionNote;

/* What the analysis leaves out (exclusions.c) */
typedef struct {
  int64_t             n, room;
  MeritExclusionNote *note; /* [n]; owned */
  MeritStrings        text; /* owned */
  MeritExclusion     *list; /* [n] made on request; owned */
} MeritExclusions;

struct _p_MeritModel {
  MPI_Comm       comm;
  PetscMPIInt    rank, size;
  uint64_t       state; /* counts changes of variances */
  bool           ready; /* SetUp has ended */
  MeritModelMode mode;
  /* from SetFromConfig on; owned */
  MeritFormula     *formula;
  MeritModelOptions options;
  MeritPedigree     pedigree;  /* NULL: none */
  MeritGenotypes    genotypes; /* NULL: none */
  /* from SetUp on */
  int64_t             n_lines, n_dropped; /* records in the file, records left out; all ranks */
  MeritCovariate     *covariate;          /* [rows.n_covariates]; owned */
  MeritRows           rows;
  MeritPlacing        placing;
  MeritModelTerm     *term;        /* [n_terms]; owned */
  MeritTermView      *view;        /* [n_terms] copies of term[].view, those of layout; owned */
  MeritTermList       fed, linked; /* terms whose structure is so */
  MeritPatterns       patterns;
  MeritRecordsView    records; /* borrows from rows and patterns */
  MeritEquations      equations;
  MeritEquationCounts counts;
  MeritExclusions     excluded;
};

/* config.c: free what MeritModelSetFromConfig() stored of them; n_traits is that of the formula. Not
   collective. */
PetscErrorCode MeritModelOptionsFree(int n_traits, MeritModelOptions *options);
/* column_position.c: store where the job file names columns of the records (formulas, weights), so
   that errors about a column have line and column of the job file. Not collective. */
PetscErrorCode MeritNamedColumnsStore(MeritNode job, MeritNamedColumns *named);
/* Free what MeritNamedColumnsStore() stored. Not collective. */
PetscErrorCode MeritNamedColumnsFree(MeritNamedColumns *named);
/* Index *column of a column of the records file. Logically collective. USAGE error if the file has
   no such column. */
PetscErrorCode MeritModelColumn(MeritModel model, MeritTable table, const char name[], int *column);
/* structures.c: the covariance structures of the levels of all random terms, before data are read.
   Collective. */
PetscErrorCode MeritModelStructures(MeritModel model);
/* records.c: open the records file, select the columns that the model uses, and read them; *table
   is the caller's. Collective. USAGE errors: columns that are not there; INPUT errors: fields that
   are no numbers. */
PetscErrorCode MeritModelReadRecords(MeritModel model, MeritTable *table);
/* Copy lines, traits, weights, covariates and residual classes of the table into the rows.
   Collective. INPUT errors: class without R. */
PetscErrorCode MeritModelFillRows(MeritModel model, MeritTable table);
/* numbers.c: canonical level of every row for every regressor with classes. Collective. INPUT
   errors: unknown animals, class values. */
PetscErrorCode MeritModelNumberLevels(MeritModel model, MeritTable table);
/* Is a label one of the codes of an unknown parent? Not collective. */
bool MeritUnknownParent(const MeritModelOptions *options, const char *label);
/* select.c: find the observations that are used, note the others as exclusions, and drop rows
   without any. Collective. */
PetscErrorCode MeritModelSelectRows(MeritModel model, MeritTable table);
/* cells.c: bytes of a class value without a decimal part of zeros (3.0 is 3); -1 if it has other
   decimals. Not collective. */
int64_t MeritClassLength(const char *label, size_t length);
/* Is a class value of a fixed term, of which `keep` bytes remain, missing by its value as a number?
   Not collective. */
bool MeritMissingClass(const MeritModelOptions *options, const char *label, size_t length, int64_t keep);
/* code [rows] of the cells (combinations of class values) of a regressor in pool, -1: missing; both
   are the caller's. Collective. */
PetscErrorCode MeritModelCells(MeritModel model, MeritTable table, const MeritTermSpec *term, const MeritRegressorSpec *reg, int32_t **code,
                               MeritStrings *pool);
/* rows.c: send row i to rank dest[i], -1: drop it. Rows stay in file order within a rank.
   Collective. */
PetscErrorCode MeritRowsMove(MPI_Comm comm, MeritRows *rows, const PetscMPIInt dest[]);
/* Permute the rows: row i becomes what row[i] was. Not collective. */
PetscErrorCode MeritRowsArrange(MeritRows *rows, const int32_t row[]);
/* Free the arrays of the rows that only the set-up needs: all but line, y and weight. Not
   collective. */
PetscErrorCode MeritRowsTrim(MeritRows *rows);
/* Free all arrays of the rows. Not collective. */
PetscErrorCode MeritRowsFree(MeritRows *rows);
/* levels.c: directory of n_levels levels from the owners of this rank's block of numbers; the
   levels of an owner are by ascending order[] (NULL: by number). owner is taken over.
   Collective. */
PetscErrorCode MeritLevelsFromOwners(MPI_Comm comm, int64_t n_levels, PetscMPIInt *owner, const uint64_t order[], MeritLevels *levels);
/* Index of a level among those that this rank owns, -1: not owned. Not collective. */
int32_t MeritLevelsOwnedPosition(const MeritLevels *levels, int64_t number);
/* owner [n] of levels number [n], and their indices position [n] among the owner's levels; both -1 for
   numbers out of range. Collective. */
PetscErrorCode MeritLevelsLocate(const MeritLevels *levels, int64_t n, const int64_t number[], PetscMPIInt owner[], int32_t position[]);
/* Free the arrays of a directory. Not collective. */
PetscErrorCode MeritLevelsFree(MeritLevels *levels);
/* placement.c: choose the owners of all levels, and move the records to their ranks. Collective. */
PetscErrorCode MeritModelPlace(MeritModel model);
/* layout.c: ghosts, numbers of equations and component slots of every term, and the halo.
   Collective. */
PetscErrorCode MeritModelLayOut(MeritModel model);
/* design.c: slots and coefficients of every regressor of every term. Collective. */
PetscErrorCode MeritModelDesigns(MeritModel model);
/* Record level of a canonical number (layout.h), -1 of numbers below 0. The level is one that this
   rank has. Not collective. */
int32_t MeritModelRecordLevel(const MeritModelTerm *term, int64_t number);
/* Index of a level of a term among those that this rank owns, -1: not owned. Not collective. */
int32_t MeritModelOwnedPosition(const MeritModelTerm *term, int64_t number);
/* Count the observations of each owned level and component; equations of fixed levels without any
   become absent. Collective. */
PetscErrorCode MeritModelCountObservations(MeritModel model);
/* covariance.c: inverse or factor of the covariance matrix G of every random term. Not
   collective. */
PetscErrorCode MeritModelCovariances(MeritModel model);
/* residual.c: number the patterns (residual class, observed traits) of the local records, and make
   R^-1 of each from the R of the formula. Collective. */
PetscErrorCode MeritPatternsCreate(MPI_Comm comm, const MeritFormula *formula, const MeritRows *rows, MeritPatterns *patterns);
/* Inverse of the rows and columns of R of the observed traits, for every pattern; other rows and
   columns are 0. Collective. USAGE error: a matrix that is not positive definite. */
PetscErrorCode MeritPatternsInvert(MPI_Comm comm, const MeritFormula *formula, MeritPatterns *patterns);
/* Free what MeritPatternsCreate() made. Not collective. */
PetscErrorCode MeritPatternsFree(MeritPatterns *patterns);
/* alias.c: find the fixed equations that depend on earlier ones, mark them as aliased, and log
   them. Collective. */
PetscErrorCode MeritModelFindAliased(MeritModel model);
/* exclusions.c: note a row of excluded.tsv; kind is a literal, other texts are copied; line 0: none.
   Not collective. */
PetscErrorCode MeritExclude(MeritExclusions *excluded, const char kind[], int64_t line, const char id[], const char reason[]);
/* Free the notes and the list. Not collective. */
PetscErrorCode MeritExclusionsFree(MeritExclusions *excluded);

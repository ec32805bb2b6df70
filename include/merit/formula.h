#pragma once
#include <merit/config.h>
#include <merit/structure.h>

/*
  What the job file says of the model, before any data: traits, terms with their regressors and components, and the variance
  matrices as given. Plain data, the same on every rank; filled by MeritFormulaParse and MeritFormulaVariances.
  Component = (regressor, trait); components of a term are ordered regressor slowest, trait fastest.
*/
typedef enum { MERIT_COVARIATE_NONE, MERIT_COVARIATE_COLUMN, MERIT_COVARIATE_LEGENDRE } MeritCovariateKind;

/* One regressor: which level a record has, and with what coefficient. */
typedef struct {
  char              *name;         /* "calf", "dam", "leg0", "days", "1": the `component` column of the outputs; owned */
  int                n_class;      /* columns whose cells are the levels; 0: the one level "1" (or, in ridge, the column itself) */
  char             **class_column; /* [n_class]; owned */
  MeritCovariateKind covariate;
  char              *column;    /* covariate's column, NULL if none; owned */
  int                degree;    /* LEGENDRE: 0, 1, ... */
  double             low, high; /* LEGENDRE: interval */
  int                level;     /* where there are no classes: the level of all records */
  int                as;        /* components are those of this regressor: its own position, but 0 in ridge, where all share them */
} MeritRegressorSpec;

typedef struct {
  int         regressor, trait;
  const char *name; /* of the regressor, "1" where all regressors share the component; borrowed */
} MeritComponentSpec;

typedef struct {
  char               *label;        /* as given, or the term's text without blanks; "1" for the intercept; owned */
  char               *text;         /* the term as written, without blanks and label; owned */
  MeritTermKind       kind;         /* for the parser, and to make the structure from */
  bool                fixed;        /* no covariance, no structure */
  bool                scaled;       /* the variance is of one effect: the genetic one is it times the mean diagonal of K */
  bool                genetic;      /* values of individuals that a pedigree or genotypes name */
  bool                intercept;    /* the fixed term "1" */
  bool                centre;       /* ridge(..., centre) */
  int                 line, column; /* where in the job file it first stands */
  int                 n_regressors;
  MeritRegressorSpec *regressor; /* [n_regressors]; owned */
  int                 n_components;
  MeritComponentSpec *component; /* [n_components]; owned. In ridge one component per trait with regressor 0 (all regressors share it) */
  double             *G;         /* [n_components^2] row-major, NULL for fixed terms and before Variances; owned */
  bool                given;     /* G comes from the job; else it is a start that is still to be chosen */
  double             *start;     /* [n_components^2] G as the job gave it, whatever becomes of G; NULL: not given; owned */
  bool                diagonal;  /* structure: diag; the covariances are 0 and stay so in varcomp */
  bool               *fix;       /* [n_components^2] elements varcomp leaves as they are, NULL: none; owned */
} MeritTermSpec;

/* One residual class: its label in the data ("" when there are no classes) and R0. */
typedef struct {
  char   *label;    /* owned */
  double *R;        /* [n_traits^2] row-major; owned */
  bool    given;    /* as in MeritTermSpec */
  double *start;    /* [n_traits^2], as in MeritTermSpec; owned */
  bool    diagonal; /* as in MeritTermSpec */
  bool   *fix;      /* [n_traits^2], NULL: none; owned */
} MeritResidualSpec;

typedef struct {
  int                n_traits;
  char             **trait; /* [n_traits] column of each formula's left-hand side, distinct; owned */
  int                n_terms;
  MeritTermSpec     *term;        /* [n_terms] in order of first appearance over the formulas (the intercept first where it is implied); owned */
  char              *residual_by; /* class column of the residual variances, or NULL; owned */
  int                n_residuals;
  MeritResidualSpec *residual;   /* [n_residuals]; owned */
  int                n_warnings; /* texts for the user, e.g. two unlabelled ped() terms of different traits that differ */
  char             **warning;    /* owned */
} MeritFormula;

/*
  Parse the node "model": a string or a list of strings. Errors are USAGE with file:line:column inside the formula. Known but not
  available terms (dom, epi, ped_dom, user, ss, snp with set=) say so. Not collective.
*/
MERIT_EXTERN PetscErrorCode MeritFormulaParse(MeritNode model, MeritFormula **formula);
/*
  Read the node "variances" into G and R: a number, a symmetric matrix in component order, {value, rows, structure: us|diag, fix},
  `residual` perhaps {by: column, value: {class: matrix}}; keys match labels with blanks removed. Every random term and the residual
  is required, others are not allowed; symmetric to 1e-10, positive semi-definite (R definite), right size: else USAGE with line:column.
*/
MERIT_EXTERN PetscErrorCode MeritFormulaVariances(MeritFormula *formula, MeritNode variances);
/* The same where variances are to be estimated: those that are not there become identity matrices, not `given`. */
MERIT_EXTERN PetscErrorCode MeritFormulaStarts(MeritFormula *formula, MeritNode variances);
/* A variance component: an element of the covariance matrix of a term or of a residual class, lower triangle. */
typedef struct {
  int  term;        /* -1: residual */
  int  residual;    /* residual class, if term is -1 */
  int  row, column; /* components of the term, or traits; row >= column */
  bool fixed;       /* not estimated: fix, structure diag, traits never observed together */
} MeritComponent;

typedef enum {
  MERIT_ESTIMATE_OK,
  MERIT_ESTIMATE_FIXED,
  MERIT_ESTIMATE_BOUNDARY, /* its matrix is singular: a variance of 0, a correlation of 1 */
  MERIT_ESTIMATE_NEGATIVE  /* a moment method's variance below 0 */
} MeritEstimateState;

/* All components: terms in order, lower triangle row by row, then residual classes; owned by the caller, PetscFree. */
MERIT_EXTERN PetscErrorCode MeritFormulaComponents(const MeritFormula *formula, int *n, MeritComponent **component);
/* Name of a component as varcomp.tsv and `rows` use it: "trait", or "trait.regressor" in a term of several regressors. Owned by the caller, PetscFree. */
MERIT_EXTERN PetscErrorCode MeritFormulaComponentName(const MeritFormula *formula, int term, int component, char **name);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritFormulaDestroy(MeritFormula **formula);

#pragma once
/* Private to src/report. */
#include <merit/report.h>

/* Terms in solutions.tsv */
typedef enum { REPORT_ALL, REPORT_FIXED, REPORT_NONE } ReportChoice;

enum { REPORT_PARTS = 64 }; /* most values of one sum */

/* A genetic value with its weight, a part of a sum */
typedef struct {
  int    term, regressor;
  int    trait; /* -1: the trait of the column */
  double weight;
} ReportPart;

/* A linear combination of genetic values, from the key `ebv` */
typedef struct {
  char      *name;        /* owned */
  bool       over_traits; /* true: one column; false: one for every trait */
  int        n;
  ReportPart part[REPORT_PARTS];
} ReportSum;

typedef struct _ReportInverse ReportInverse; /* inverse.c */

/* The report: wanted tables, and what was collected for them */
struct _p_MeritReport {
  MPI_Comm             comm;
  PetscMPIInt          rank, size;
  MeritModel           model;   /* borrowed */
  const MeritFormula  *formula; /* borrowed from the model */
  ReportChoice         solutions;
  bool                 fitted; /* fitted.tsv is wanted */
  MeritReportErrors    errors;
  ReportInverse       *inverse; /* sums over the columns of C^-1; owned, NULL: no errors are computed */
  int                  n_sums;
  ReportSum           *sum;    /* [n_sums]; owned */
  MeritTraitSummary   *traits; /* owned, NULL until they are computed; likewise terms and counts */
  MeritTermSummary    *terms;
  int                  n_counts;
  MeritExclusionCount *counts;
  char                *count_text; /* texts of counts; owned */
  char                *start;      /* path of the solutions that the run started from; owned, NULL: none */
  MeritText            steps;      /* rows of convergence.tsv, rank 0 */
  bool                 rounds;     /* steps are rounds of an estimation */
};

/* Values of a term for this rank's block of canonical levels, component fastest; arrays are
   owned */
typedef struct {
  int64_t  first, n; /* levels of this rank's block */
  int      n_comp;
  double  *u;        /* [n * n_comp] */
  int64_t *observed; /* [n * n_comp] */
  uint8_t *state;    /* [n * n_comp] MeritEquationState */
} ReportBlock;

/* *u = components of all terms' owned levels from the equations x[n_owned]; owned by the
   caller, PetscFree. Collective. */
PETSC_INTERN PetscErrorCode ReportComponents(MeritReport report, const double x[], double **u);
/* Values, numbers of observations and states of a term for this rank's block, from the
   components u (ReportComponents). Collective. Free with ReportBlockDestroy. */
PETSC_INTERN PetscErrorCode ReportBlockCreate(MeritReport report, int term, const double u[], ReportBlock *block);
/* Free the arrays. Not collective. */
PETSC_INTERN PetscErrorCode ReportBlockDestroy(ReportBlock *block);
/* Index of a term's first owned equation, and of its first component in the arrays of owned
   components. Not collective. */
PETSC_INTERN void ReportTermFirst(MeritReport report, int term, int32_t *equation, int32_t *slot);
/* *scale [n_levels] of an SNP term by canonical level: allele effect = scale * u; NULL for
   other terms. Borrowed. Not collective. */
PETSC_INTERN PetscErrorCode ReportSnpScale(MeritReport report, int term, const double **scale);
/* Text of the column `component`: the name of the regressor, "1" in ridge(); borrowed. Not
   collective. */
PETSC_INTERN const char *ReportComponentName(const MeritTermSpec *term, int component);
/* Append a label as a field of a tab-separated table, in quotes if it holds a tab, quote, line
   end or outer blank. Not collective. */
PETSC_INTERN PetscErrorCode ReportAddField(MeritText *text, const char at[], size_t length);
/* *resolved = path, or path/name if path is a folder; owned by the caller, PetscFree.
   Collective. */
PETSC_INTERN PetscErrorCode ReportResolve(MPI_Comm comm, const char path[], const char name[], char **resolved);
/* Check the size and checksum of a table against the summary.json beside it, if there is one.
   Collective. Errors: INPUT. */
PETSC_INTERN PetscErrorCode ReportCheckResult(MPI_Comm comm, const char path[]);
/* Append the header line of convergence.tsv for rounds. Not collective. */
PETSC_INTERN PetscErrorCode ReportRoundsHeader(MeritReport report, MeritText *header);
/* *name = term of a component in tables: the label, residual, or residual.CLASS; owned by the
   caller, PetscFree. Not collective. */
PETSC_INTERN PetscErrorCode ReportComponentTerm(MeritReport report, const MeritComponent *component, char **name);
/* Parse the node `ebv` with the labels of the formula; sets report->sum. Not collective.
   Errors: USAGE with line and column. */
PETSC_INTERN PetscErrorCode ReportSumsParse(MeritReport report, MeritNode ebv);
/* Has a sum values of more than one term? Not collective. */
PETSC_INTERN bool ReportSumCrossesTerms(const ReportSum *sum);
/* Free; NULL-safe, sets *inverse to NULL. Not collective. */
PETSC_INTERN PetscErrorCode ReportInverseDestroy(ReportInverse **inverse);
/* *errors [slots] = standard errors of the components of owned levels, owned by the caller;
   NULL without an inverse. Not collective. */
PETSC_INTERN PetscErrorCode ReportErrors(MeritReport report, double **errors);
/* Reliability of a column of animals.tsv for row `row` of this rank (pedigree animals, then
   genotyped ones); NaN if unknown. Not collective. */
PETSC_INTERN double ReportReliability(MeritReport report, int64_t row, int column);

#pragma once
/* Private to src/report. */
#include <merit/report.h>

typedef enum { REPORT_ALL, REPORT_FIXED, REPORT_NONE } ReportChoice;

enum { REPORT_PARTS = 64 }; /* values of one sum */

/* A genetic value times its weight */
typedef struct {
  int    term, regressor;
  int    trait; /* -1: of whichever trait the column is */
  double weight;
} ReportPart;

/* A linear combination of genetic values asked for by `ebv` */
typedef struct {
  char      *name; /* owned */
  bool       over_traits; /* one column; else one for every trait */
  int        n;
  ReportPart part[REPORT_PARTS];
} ReportSum;

typedef struct _ReportInverse ReportInverse; /* inverse.c */

struct _p_MeritReport {
  MPI_Comm             comm;
  PetscMPIInt          rank, size;
  MeritModel           model;   /* borrowed */
  const MeritFormula  *formula; /* borrowed from the model */
  ReportChoice         solutions;
  bool                 fitted; /* asked for */
  MeritReportErrors    errors;
  ReportInverse       *inverse;        /* sums over the columns of the inverse; owned, NULL: none came */
  int                  n_sums;
  ReportSum           *sum;    /* [n_sums]; owned */
  MeritTraitSummary   *traits; /* owned, NULL until asked for; likewise the next two */
  MeritTermSummary    *terms;
  int                  n_counts;
  MeritExclusionCount *counts;
  char                *count_text; /* bytes the counts point into; owned */
  char                *start;      /* solutions the run started from; owned, NULL: none */
  MeritText            steps;      /* rows of convergence.tsv, rank 0 */
  bool                 rounds;     /* they are rounds of estimation */
};

/* A term's values on the rank whose block of canonical levels they fall in; component fastest */
typedef struct {
  int64_t  first, n; /* levels of this rank's block */
  int      n_comp;
  double  *u;        /* [n * n_comp] */
  int64_t *observed; /* [n * n_comp] */
  uint8_t *state;    /* [n * n_comp] MeritEquationState */
} ReportBlock;

/* Components u of all terms from equations x, and where each term begins in it. Free with PetscFree. Collective. */
PETSC_INTERN PetscErrorCode ReportComponents(MeritReport report, const double x[], double **u);
PETSC_INTERN PetscErrorCode ReportBlockCreate(MeritReport report, int term, const double u[],
                                              ReportBlock *block);
PETSC_INTERN PetscErrorCode ReportBlockDestroy(ReportBlock *block);
/* First owned equation and first owned component slot of a term in the arrays of owned ones */
PETSC_INTERN void ReportTermFirst(MeritReport report, int term, int32_t *equation, int32_t *slot);
/* Scale of one level of an SNP term: allele effect = scale * u; NULL for other terms and unit scales. Indexed
   by canonical level. */
PETSC_INTERN PetscErrorCode ReportSnpScale(MeritReport report, int term, const double **scale);
/* The `component` column: the regressor's name, "1" in ridge */
PETSC_INTERN const char *ReportComponentName(const MeritTermSpec *term, int component);
/* A label as a field of a tab-separated table: quoted where a tab, quote or line end demands it */
PETSC_INTERN PetscErrorCode ReportAddField(MeritText *text, const char at[], size_t length);
/* The file itself, or that of this name in the folder that was named; PetscFree. Collective. */
PETSC_INTERN PetscErrorCode ReportResolve(MPI_Comm comm, const char path[], const char name[], char **resolved);
/* A table of a result folder must be what its summary.json says. Collective. */
PETSC_INTERN PetscErrorCode ReportCheckResult(MPI_Comm comm, const char path[]);
/* Header of convergence.tsv where it has rounds */
PETSC_INTERN PetscErrorCode ReportRoundsHeader(MeritReport report, MeritText *header);
/* Term of a component as tables name it: the label, residual, residual.CLASS; PetscFree */
PETSC_INTERN PetscErrorCode ReportComponentTerm(MeritReport report, const MeritComponent *component, char **name);
/* Parse the node `ebv` against the formula */
PETSC_INTERN PetscErrorCode ReportSumsParse(MeritReport report, MeritNode ebv);
/* Does a sum have values of more than one term? */
PETSC_INTERN bool ReportSumCrossesTerms(const ReportSum *sum);
PETSC_INTERN PetscErrorCode ReportInverseDestroy(ReportInverse **inverse);
/* Standard errors of the components of owned levels; owned by the caller, NULL without an inverse */
PETSC_INTERN PetscErrorCode ReportErrors(MeritReport report, double **errors);
/* Reliability of a column of animals.tsv for a row of this rank: pedigree animals, then genotyped ones. NaN: not known */
PETSC_INTERN double ReportReliability(MeritReport report, int64_t row, int column);

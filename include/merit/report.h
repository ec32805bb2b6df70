#pragma once
#include <merit/file.h>
#include <merit/model.h>

/*
  What a run leaves behind: the tables of the output folder, summary.json, and the reading of earlier solutions
  for a warm start. Every file is written in parallel in canonical order: values go to the rank whose block of
  canonical numbers they fall in, so that the bytes do not depend on the number of ranks. Reports see the model
  and plain arrays, never an operator.
*/
typedef struct _p_MeritReport *MeritReport;

/* Summary of one trait over the records of the analysis. */
typedef struct {
  const char *name; /* borrowed from the formula */
  int64_t     n, n_missing;
  double      mean, sd, min, max; /* NaN where there are too few observations */
  int         n_suspects;
  struct {
    double  value; /* 0, -9, -99 or -999: far from all other values, yet frequent */
    int64_t n;
  } suspect[4];
} MeritTraitSummary;

/* A class whose levels are whole numbers and whose means go up or down with them: it may have been meant as a covariate. */
typedef struct {
  int     term, trait;
  int64_t n_levels;    /* with observations of the trait */
  double  correlation; /* of values and means of the levels */
} MeritClassTrend;

/* Size of one term over all ranks. */
typedef struct {
  int64_t n_levels;
  int     n_comp, n_eq; /* per level */
  int64_t equations;    /* those in the system, the aliased ones included */
  int64_t aliased, absent;
} MeritTermSummary;

/* How often one reason left something out. */
typedef struct {
  const char *kind, *reason; /* owned by the report */
  int64_t     n;
} MeritExclusionCount;

/* One iteration, for convergence.tsv; NaN where a solver does not have a criterion. */
typedef struct {
  int64_t       iteration;
  double        residual, change, residual_scaled;
  const double *term_change; /* [n_terms], NULL if not known; borrowed */
  double        seconds;
} MeritReportStep;

/* Variance components, as varcomp.tsv has them. */
typedef struct {
  int                       n;
  const MeritComponent     *component;           /* [n] */
  const double             *estimate;            /* [n] */
  const double             *covariance;          /* [n * n]; NULL: not known */
  const double             *monte_carlo;         /* [n * n] that random numbers add; NULL: exact */
  const MeritEstimateState *state;               /* [n] */
  const double             *share, *share_error; /* [n] of the variance of an observation, its standard error; NaN where there is none */
  bool                      converged;           /* false: no row has the status `ok` */
} MeritVarianceTable;

/* A function of components, a test of a term, a line of the analysis of variance; NaN where there is no value. Texts and arrays are borrowed. */
typedef struct {
  const char *name;
  double      estimate, se;
} MeritFunctionRow;

typedef struct {
  const char *term;
  double      statistic, p_value;
  int         df;           /* components that are not there without the term */
  const char *distribution; /* of the statistic where the term is nothing */
} MeritTestRow;

typedef struct {
  const char   *source;
  double        df, ss, ms;
  const double *coefficient; /* of each component in the expected mean square */
} MeritAnovaRow;

/* A round of estimation, for convergence.tsv; NaN where it has no value. */
typedef struct {
  int64_t       round;
  int           n;
  const double *estimate; /* [n] */
  double        log_likelihood, gradient, change, seconds;
  const char   *step;
} MeritReportRound;

/* What summary.json says of an estimation; NaN: not known. */
typedef struct {
  const char *method, *engine, *stop;
  int64_t     rounds, n_observations, n_fixed;
  int         n_free, n_samples;        /* components estimated; Monte Carlo samples, 0: exact */
  bool        likelihood, restricted;   /* by likelihood; restricted likelihood */
  double      log_likelihood, gradient; /* with all constants */
} MeritVarianceSummary;

/* What summary.json says of the run beside what the model and the output know. */
typedef struct {
  const char                 *command, *solver, *preconditioner, *criterion;
  const char                 *state; /* "converged", "rounding floor", "not converged"...; */
  int                         exit_status, threads;
  int64_t                     iterations;
  double                      rtol, true_residual, lambda_min, lambda_max, error_bound; /* NaN: not known */
  const MeritVarianceSummary *variances;                                                /* NULL: they were known */
} MeritRunSummary;

/* Make a report on a model after MeritModelSetFromConfig; the model must outlive it. Not collective. */
MERIT_EXTERN PetscErrorCode MeritReportCreate(MeritModel model, MeritReport *report);
/* Keys output.solutions, output.fitted, output.se and ebv.*; unknown labels are USAGE errors. Needs the formula, no data.
   Not collective. */
MERIT_EXTERN PetscErrorCode MeritReportSetFromConfig(MeritReport report, MeritNode job);
/* Is fitted.tsv asked for? */
MERIT_EXTERN bool MeritReportWantsFitted(MeritReport report);

typedef enum { MERIT_ERRORS_AUTO, MERIT_ERRORS_YES, MERIT_ERRORS_NO } MeritReportErrors;
/* Shall standard errors and reliabilities be computed? (output.se: auto where it is quick, yes, no; default auto) */
MERIT_EXTERN MeritReportErrors MeritReportWantsErrors(MeritReport report);

/* Standard errors and reliabilities: after Begin, every column of the inverse of C but those of aliased and absent equations, in any
   order; the tables then have them. unit[n_owned] is 1 at the equation, of `term`; column[n_owned] is C^-1 unit; genomic values as for
   MeritReportAnimals, read only where the term is genetic. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportInverseBegin(MeritReport report);
/* Do columns of animals.tsv sum values of several terms or of SNPs, so that covariances between levels count? */
MERIT_EXTERN bool MeritReportCrossesLevels(MeritReport report);
/* One such column, see above. A term whose levels are mapped each for itself may give one for all levels: unit 1 at the same component of each,
   column the level's own entries of the inverse; so may not single levels of fixed terms. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportInverseColumn(MeritReport report, int term, const double unit[], const double column[],
                                                     const double *const genomic_unit[], const double *const genomic_column[]);

/* Summaries of the data, borrowed from the report; after MeritModelSetUp. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportTraits(MeritReport report, const MeritTraitSummary **traits);
/* Sizes of the terms, [n_terms]. */
MERIT_EXTERN PetscErrorCode MeritReportTerms(MeritReport report, const MeritTermSummary **terms);
/* Classes that look like covariates; owned by the caller, PetscFree. */
MERIT_EXTERN PetscErrorCode MeritReportClassTrends(MeritReport report, int *n, MeritClassTrend **trends);
/* What was left out, by kind and reason. */
MERIT_EXTERN PetscErrorCode MeritReportExclusionCounts(MeritReport report, int *n, const MeritExclusionCount **counts);

/* Raise b->writing to the memory that the writing of the largest table takes. Not collective. */
MERIT_EXTERN PetscErrorCode MeritReportAddBytes(MeritReport report, MeritBytes *b);

/* solutions.tsv from equations x[n_owned]. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportSolutions(MeritReport report, MeritOutput out, const double x[]);
/* animals.tsv; genomic[term] holds the genomic values of this rank's genotype rows, [n_rows * n_comp], for SNP
   terms. Nothing is written without a pedigree or genotypes. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportAnimals(MeritReport report, MeritOutput out, const double x[], const double *const genomic[]);
/* snps.tsv; nothing without genotypes. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportSnps(MeritReport report, MeritOutput out, const double x[]);
/* fitted.tsv from fitted[n_records * n_traits]. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportFitted(MeritReport report, MeritOutput out, const double fitted[]);
/* excluded.tsv: everything left out, by kind, line and id. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportExcluded(MeritReport report, MeritOutput out);
/* Keep an iteration for convergence.tsv. Not collective; rank 0's count. */
MERIT_EXTERN PetscErrorCode MeritReportStepAdd(MeritReport report, const MeritReportStep *step);
/* convergence.tsv. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportConvergence(MeritReport report, MeritOutput out);
/* varcomp.tsv. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportVariances(MeritReport report, MeritOutput out, const MeritVarianceTable *table);
/* Write variances.yaml, which `--variances` of a later run takes. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportVariancesYaml(MeritReport report, MeritOutput out, const MeritVarianceTable *table);
/* functions.tsv; rows are rank 0's. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportFunctions(MeritReport report, MeritOutput out, int n, const MeritFunctionRow row[]);
/* tests.tsv, likewise. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportTests(MeritReport report, MeritOutput out, int n, const MeritTestRow row[]);
/* anova.tsv, likewise, with a column for each component. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportAnova(MeritReport report, MeritOutput out, int n, const MeritAnovaRow row[], int n_components,
                                             const MeritComponent component[]);
/* Keep a round for convergence.tsv, which then has rounds in place of iterations. Not collective; rank 0's count. */
MERIT_EXTERN PetscErrorCode MeritReportRoundAdd(MeritReport report, const MeritReportRound *round);
/* summary.json; to be staged last. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportSummary(MeritReport report, MeritOutput out, MeritNode job, const MeritRunSummary *run);

/* Fill x[n_owned] from the solutions.tsv of an earlier run (the file or its folder), 0 where it has nothing;
   *n_found counts the rows used. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportStart(MeritReport report, const char path[], double x[], int64_t *n_found);
/* Does the folder hold the whole result of this very job: version, command, keys (but for free ones, dotted) and the checksums of all inputs? Then
   *exit_status is that of the run. Collective. */
MERIT_EXTERN PetscErrorCode MeritReportIsDone(MPI_Comm comm, const char folder[], MeritNode job, const char command[], int n_free,
                                              const char *const free_keys[], bool *done, int *exit_status);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritReportDestroy(MeritReport *report);

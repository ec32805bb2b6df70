#pragma once
#include <merit/checkpoint.h>
#include <merit/config.h>
#include <merit/op.h>

/*
  Variance components of a model: analysis of variance, moment estimators (MINQUE, MIVQUE, Haseman-Elston), maximum likelihood and
  restricted maximum likelihood. The model must be one of MeritModelSetVariancesFree.
*/
typedef struct _p_MeritVarcomp *MeritVarcomp;

typedef enum {
  MERIT_VARCOMP_REML,
  MERIT_VARCOMP_ML,
  MERIT_VARCOMP_MINQUE,
  MERIT_VARCOMP_MIVQUE,
  MERIT_VARCOMP_HE,
  MERIT_VARCOMP_ANOVA
} MeritVarcompMethod;

/* One round, for monitors and convergence.tsv. */
typedef struct {
  int64_t       round;
  const double *estimate;       /* [n] after the round; borrowed */
  double        log_likelihood; /* NaN where there is none */
  double        gradient;       /* sqrt of g' I^-1 g of the free parameters, I the average information */
  double        change;         /* largest relative change of a component */
  const char   *step;           /* "start", "ai", "ai-em", "em", "boundary"...; borrowed */
  double        seconds;        /* since the run began */
} MeritVarcompRound;

typedef PetscErrorCode (*MeritVarcompMonitor)(const MeritVarcompRound *round, void *ctx);

/* A line of the table of the analysis of variance; NaN where it has none. */
typedef struct {
  const char   *source; /* label of the term, "residual"; borrowed */
  double        df, ss, ms;
  const double *coefficient; /* [n] of the components in the expected mean square; borrowed */
} MeritAnovaLine;

typedef enum { MERIT_VARCOMP_CONVERGED, MERIT_VARCOMP_MAX_ROUNDS, MERIT_VARCOMP_NO_ASCENT } MeritVarcompStop;

/* What a run found. All arrays are borrowed until the next run or Destroy. */
typedef struct {
  int                       n;           /* components: terms in formula order, lower triangle row by row, then residual classes */
  const MeritComponent     *component;   /* [n] */
  const double             *estimate;    /* [n] */
  const double             *covariance;  /* [n * n] of the estimates, 0 where fixed or at the boundary; NULL: not known */
  const double             *monte_carlo; /* [n * n] what random numbers add to it; NULL: nothing, exact */
  const MeritEstimateState *state;       /* [n] */
  const double         *share; /* [n] of a variance in that of an observation of its trait (heritability), mean over records; NaN for covariances */
  const double         *share_error;             /* [n] its standard error; NaN: not known */
  int64_t               n_observations, n_fixed; /* of the analysis; rank of X */
  double                log_likelihood;          /* with all constants; NaN: not known */
  double                gradient;
  int64_t               rounds;
  int                   n_samples;              /* of Monte Carlo traces, 0: exact */
  bool                  likelihood, restricted; /* by ml or reml; by reml */
  bool                  factored;               /* the engine factored the equations: they are cheap to solve exactly */
  const char           *method, *engine;        /* "reml"; "factor", "eigen", "sampled"... */
  MeritVarcompStop      stop;
  bool                  usable;  /* every matrix is a covariance matrix: solutions can be had at the estimates */
  int                   n_lines; /* anova */
  const MeritAnovaLine *line;    /* [n_lines] */
} MeritVarcompResult;

/* Make an object with the method reml. Collective. */
MERIT_EXTERN PetscErrorCode MeritVarcompCreate(MPI_Comm comm, MeritVarcomp *varcomp);
/* Keys varcomp.*, anova.* and, for sampled traces, solver.*; against the model's formula, before data are read. */
MERIT_EXTERN PetscErrorCode MeritVarcompSetFromConfig(MeritVarcomp varcomp, MeritModel model, MeritNode job);
/* Called after each round on every rank; NULL: none. */
MERIT_EXTERN PetscErrorCode MeritVarcompSetMonitor(MeritVarcomp varcomp, MeritVarcompMonitor monitor, void *ctx);
/* Save where a likelihood's rounds are when it is time, and go on from what the checkpoint has open; NULL: not. Its positions are those of the
   model. Runs that are over are kept in it. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritVarcompSetCheckpoint(MeritVarcomp varcomp, MeritCheckpoint checkpoint);
/* Do runs compute log-likelihoods? *without: the method or engine of the settings that computes none, as "method he"; NULL: they do, as far as the
   settings show. Constant. Not collective. */
MERIT_EXTERN PetscErrorCode MeritVarcompHasLikelihood(MeritVarcomp varcomp, const char *without[]);
/* Leave a term out in runs to come: its matrix is 0, for likelihood-ratio tests; -1: none. */
MERIT_EXTERN PetscErrorCode MeritVarcompLeaveOut(MeritVarcomp varcomp, int term);
/* Estimated cost of an estimation on some ranks and threads: the engine that would be used (moment methods: the method; NULL: none fits);
   bytes of the fullest rank beside the model's; seconds before the rounds, of a round, and of the rounds that are reckoned with. The cheapest
   other engine, NULL: none is for the model, and its seconds. Names are constant. */
typedef struct {
  const char *engine, *other;
  int         ranks, threads, rounds;
  double      bytes, before, round, seconds, other_bytes, other_seconds;
} MeritVarcompPlan;

/* Foresee it; room: bytes that a rank has for it, below 0: solver.memory, or on as many ranks as these what the machine has. Collective. */
MERIT_EXTERN PetscErrorCode MeritVarcompForesee(MeritVarcomp varcomp, Mat C, int ranks, int threads, double room, MeritVarcompPlan *plan);
/* Estimate; the model of C has the estimates afterwards where they are usable. Collective. */
MERIT_EXTERN PetscErrorCode MeritVarcompRun(MeritVarcomp varcomp, Mat C, MeritVarcompResult *result);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritVarcompDestroy(MeritVarcomp *varcomp);

#pragma once
/* Private to src/varcomp. */
#include <merit/kernels.h>
#include <merit/log.h>
#include <merit/varcomp.h>

/* What an engine finds at one set of variances, all with respect to the n components */
typedef struct {
  double  log_likelihood; /* NaN: the engine has none */
  double *score;          /* [n] derivatives of the (restricted) log-likelihood */
  double *information;    /* [n * n] average information */
  double *noise;          /* [n * n] covariance of the score over the engine's random numbers; 0 where it is exact */
} VarcompPoint;

/*
  An engine evaluates the likelihood of one model. theta[n] holds all components; every matrix in it is positive definite, or exactly 0
  where a term is left out or has no variance. Where a factor finds the point of a trial not definite, its score is NaN.
*/
typedef struct {
  const char *name;
  PetscErrorCode (*setup)(MeritVarcomp);
  PetscErrorCode (*evaluate)(MeritVarcomp, const double theta[], VarcompPoint *);
  PetscErrorCode (*destroy)(MeritVarcomp); /* what setup left in engine_data */
  int (*state)(MeritVarcomp, MeritState[]); /* parts of a checkpoint, at most 5, and how many; NULL: none */
} VarcompEngine;

extern const VarcompEngine VarcompEngine_Factor;  /* exact: sparse Cholesky and selected inverse of C */
extern const VarcompEngine VarcompEngine_Sampled; /* block conjugate gradients, traces by Monte Carlo */
extern const VarcompEngine VarcompEngine_Dense;   /* exact: the covariance matrix V of the observations, dense */
extern const VarcompEngine VarcompEngine_Eigen;   /* exact, one variance beside the residual's: eigenvalues of an n x n matrix */
extern const VarcompEngine VarcompEngine_Lanczos; /* one variance beside the residual's: quadrature by Lanczos, traces by Monte Carlo */

typedef enum { VARCOMP_AUTO, VARCOMP_FACTOR, VARCOMP_EIGEN, VARCOMP_SAMPLED, VARCOMP_LANCZOS, VARCOMP_DENSE } VarcompEngineChoice;

/* Where starting values come from that the job does not give */
typedef enum { VARCOMP_START_AUTO, VARCOMP_START_HE, VARCOMP_START_SHARE } VarcompStartChoice;

struct _p_MeritVarcomp {
  MPI_Comm            comm;
  PetscMPIInt         rank, size;
  /* set by SetFromConfig */
  MeritModel          model;   /* borrowed */
  const MeritFormula *formula; /* borrowed from the model */
  MeritNode           job;     /* borrowed */
  MeritCheckpoint     checkpoint; /* NULL: none; borrowed */
  MeritVarcompMethod  method;
  VarcompEngineChoice choice;
  bool                em_only;     /* varcomp.algorithm: em */
  VarcompStartChoice  start_from;
  bool                iterate;     /* minque: until the prior is the estimate */
  bool                nonnegative; /* moment methods: a negative variance becomes 0 and the others are estimated anew */
  bool                order_last;  /* anova: every term's reduction after all others */
  int                 n_prior;     /* minque: 0: prior_value for all */
  double              prior_value; /* INFINITY allowed */
  double             *prior;       /* [n_prior] ratios to the residual, one per random term in formula order; owned */
  double              tolerance;   /* of the gradient */
  int64_t             max_rounds;
  int64_t             seed;
  int                 n_samples;   /* 0: chosen from mc_share */
  double              mc_share;    /* what Monte Carlo may add to a standard error; 0: the engine's own */
  int                 left_out;    /* term, -1 none */
  MeritVarcompMonitor monitor;
  void               *monitor_ctx;
  /* components, from the formula */
  int                 n;
  MeritComponent     *component; /* [n]; owned */
  int                *first_of_term;     /* [n_terms] first component of a random term, -1 fixed; owned */
  int                *first_of_residual; /* [n_residuals]; owned */
  /* of a run */
  Mat                 C;         /* borrowed */
  double              start;     /* time */
  int64_t             n_observations, n_fixed;
  double             *theta;     /* [n]; owned */
  double             *solvable;  /* [n] theta, with residual matrices next to singular where they are singular: what equations can have; owned */
  bool                trying;    /* the engine is asked for a point that may be none: it says so by a score of NaN, and raises no error */
  double             *covariance, *monte_carlo; /* [n * n]; owned */
  MeritEstimateState *state;     /* [n]; owned */
  double             *share, *share_error; /* [n] of a variance in that of an observation; NaN: none; owned */
  double              log_likelihood, gradient;
  int64_t             rounds;
  MeritVarcompStop    stop;
  bool                has_covariance, has_noise;
  const VarcompEngine *engine;
  void               *engine_data;
  int                 n_lines;
  MeritAnovaLine     *line;      /* owned; coefficients in one array behind line[0] */
};

/* parameters.c */
/* Matrices of theta: G[term] (NULL for fixed terms), R[class]; one allocation, freed by VarcompMatricesFree */
typedef struct {
  double **G, **R;
} VarcompMatrices;
PetscErrorCode VarcompMatricesCreate(MeritVarcomp v, VarcompMatrices *m);
PetscErrorCode VarcompMatricesFree(MeritVarcomp v, VarcompMatrices *m);
void           VarcompFill(MeritVarcomp v, const double theta[], VarcompMatrices *m);
/* theta -> the model, and C follows. Collective. */
PetscErrorCode VarcompSetVariances(MeritVarcomp v, const double theta[]);
/* A round is over: tell the monitor. */
PetscErrorCode VarcompReport(MeritVarcomp v, const MeritVarcompRound *round);

/* shares.c: v->share and its standard errors from theta and its covariance. Collective. */
PetscErrorCode VarcompShares(MeritVarcomp v);
/* choose.c: the engine that fits the model and its size, with a word on why. Collective. */
PetscErrorCode VarcompChooseEngine(MeritVarcomp v);
/* start.c: v->theta from the job, or chosen. Collective. */
PetscErrorCode VarcompStart(MeritVarcomp v);
/* guess.c: better values than the shares of v->theta where the model and the choice allow it; says which. scale as of VarcompScales. Collective. */
PetscErrorCode VarcompGuess(MeritVarcomp v, const double scale[]);
/* check.c: refuse observations of whose mean square `all` the fixed effects leave rounding only. Logically collective. */
PetscErrorCode VarcompCheckLeft(double left, double all);
/* No values at this point: an engine's answer where v->trying. Not collective. */
void VarcompNoPoint(MeritVarcomp v, VarcompPoint *point);
/* reml.c: ml and reml by the engine from v->theta; leaves theta, solvable, state behind */
PetscErrorCode VarcompLikelihood(MeritVarcomp v);
/* moments.c: minque, mivque, he. anova.c. Both leave theta, state, covariance (if known) behind. */
PetscErrorCode VarcompMoments(MeritVarcomp v);
PetscErrorCode VarcompAnova(MeritVarcomp v);

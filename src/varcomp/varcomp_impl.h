#pragma once
/* Private to src/varcomp. */
#include <merit/factor.h>
#include <merit/kernels.h>
#include <merit/log.h>
#include <merit/rates.h>
#include <merit/varcomp.h>

/* What an engine finds at one set of variances, all with respect to the n components */
typedef struct {
  double  log_likelihood; /* NaN: the engine has none */
  double *score;          /* [n] derivatives of the (restricted) log-likelihood */
  double *information;    /* [n * n] average information */
  double *mc_covariance;  /* [n * n] covariance of the score over the engine's random numbers; 0 where it is exact */
} VarcompPoint;

typedef struct VarcompForesight VarcompForesight;
typedef struct VarcompSizes     VarcompSizes;

/*
  An engine evaluates the likelihood of one model. theta[n] holds all components; every matrix
  in it is positive definite, or exactly 0 where a term is left out or has no variance. Where a
  factor finds the point of a trial not definite, its score is NaN.
*/
typedef struct {
  const char *name;
  PetscErrorCode (*check)(MeritVarcomp, const char name[]); /* USAGE error for a model that it is not for; NULL: it is for any. Not collective */
  PetscErrorCode (*setup)(MeritVarcomp);
  PetscErrorCode (*evaluate)(MeritVarcomp, const double theta[], VarcompPoint *);
  PetscErrorCode (*destroy)(MeritVarcomp);                                           /* what setup left in engine_data */
  int (*state)(MeritVarcomp, MeritState[]);                                          /* parts of a checkpoint, at most 5, and how many; NULL: none */
  PetscErrorCode (*foresee)(MeritVarcomp, const VarcompSizes *, VarcompForesight *); /* costs for a model of these sizes */
  bool   likelihood;                                                                 /* it computes a log-likelihood, not the score alone */
  bool   factors;        /* it factors C: a factor analysed beforehand is of use, and the equations are cheap to solve exactly */
  bool   cheap_rounds;   /* a round costs next to nothing beside the set-up */
  double least_gradient; /* gradient, in standard errors, below which its random numbers hide the rest; 0: exact */
  double residual_floor; /* fraction of a trait's variance that replaces a residual variance of 0 */
} VarcompEngine;

extern const VarcompEngine VarcompEngine_Sparse;     /* exact: sparse Cholesky and selected inverse of C */
extern const VarcompEngine VarcompEngine_MonteCarlo; /* block conjugate gradients, traces by Monte Carlo */
extern const VarcompEngine VarcompEngine_DenseV;     /* exact: the covariance matrix V of the observations, dense */
extern const VarcompEngine VarcompEngine_Spectral;   /* exact, one variance beside the residual's: eigenvalues of an n x n matrix */
extern const VarcompEngine VarcompEngine_Lanczos;    /* one variance beside the residual's: quadrature by Lanczos, traces by Monte Carlo */

typedef enum { VARCOMP_AUTO, VARCOMP_FACTOR, VARCOMP_EIGEN, VARCOMP_SAMPLED, VARCOMP_LANCZOS, VARCOMP_DENSE } VarcompEngineChoice;

/* Where starting values come from that the job does not give */
typedef enum { VARCOMP_START_AUTO, VARCOMP_START_HE, VARCOMP_START_SHARE } VarcompStartChoice;

/* What the job asks for. Written by MeritVarcompSetFromConfig and MeritVarcompLeaveOut only. */
typedef struct {
  MeritVarcompMethod  method;
  VarcompEngineChoice choice;
  VarcompStartChoice  start_from;
  bool                em_only;     /* varcomp.algorithm: em */
  bool                iterate;     /* minque: until the prior is the estimate */
  bool                nonnegative; /* moment methods: a negative variance becomes 0 and the others are estimated anew */
  bool                order_last;  /* anova: every term's reduction after all others */
  int                 n_prior;     /* minque: 0: prior_value for all */
  double              prior_value; /* INFINITY allowed */
  double             *prior;       /* [n_prior] ratios to the residual, one per random term in formula order; owned */
  double              tolerance;   /* of the gradient, in standard errors */
  int64_t             max_rounds;
  int64_t             seed;
  int                 n_samples; /* 0: chosen from mc_share */
  double              mc_share;  /* fraction that Monte Carlo may add to a standard error; 0: the engine's own */
  double              memory;    /* bytes per rank that an engine may take; 0: what the machine has */
  MeritRates          rates;     /* of this machine, for what engines are foreseen to cost */
  int                 left_out;  /* term, -1 none */
} VarcompSettings;

/* State of a run; the engine and the analysed factor stay for further runs of the object. */
typedef struct {
  Mat                  C;                       /* borrowed */
  double               began;                   /* MPI_Wtime */
  int64_t              n_observations, n_fixed; /* over all ranks; independent fixed effects */
  double              *theta;                   /* [n] the current point; owned */
  double              *solvable;      /* [n] theta, with singular residual matrices replaced by ones next to them, which equations can have; owned */
  double             **basis, **back; /* [n_terms] NULL, or B [n_components^2] and its inverse while a fit has the variances of v in u = B v; owned */
  bool                 trying;        /* the engine is asked for a point that may be none: it answers by a score of NaN, and raises no error */
  const VarcompEngine *engine;
  void                *engine_data;     /* of the engine; owned by it */
  MeritFactor          analysed_factor; /* of C's pattern, to foresee a factor; NULL: none; owned until VarcompTakeAnalysis */
  Mat                  analysed;        /* C, if that factor can have numbers; owned likewise */
  uint64_t             analysed_mixing; /* terms that mixed their components then */
} VarcompRun;

/* What a run found beside theta */
typedef struct {
  bool                has_covariance, has_monte_carlo;
  double             *covariance, *monte_carlo; /* [n * n] of the estimates: by sampling, by random numbers; owned */
  MeritEstimateState *state;                    /* [n]; owned */
  double             *share, *share_error;      /* [n] fraction of a variance in that of an observation, its standard error; NaN: none; owned */
  double              log_likelihood, gradient; /* NaN: none; the gradient in standard errors */
  int64_t             rounds;
  int                 n_samples; /* of Monte Carlo traces; 0: none */
  MeritVarcompStop    stop;
  int                 n_lines;
  MeritAnovaLine     *line; /* owned; coefficients in one array behind line[0] */
} VarcompResults;

struct _p_MeritVarcomp {
  MPI_Comm            comm;
  PetscMPIInt         rank, size;
  MeritModel          model;      /* borrowed */
  const MeritFormula *formula;    /* borrowed from the model */
  MeritNode           job;        /* borrowed */
  MeritCheckpoint     checkpoint; /* NULL: none; borrowed */
  MeritVarcompMonitor monitor;
  void               *monitor_ctx;
  /* components, from the formula */
  int             n;
  MeritComponent *component;         /* [n]; owned */
  int            *first_of_term;     /* [n_terms] first component of a random term, -1 fixed; owned */
  int            *first_of_residual; /* [n_residuals]; owned */
  VarcompSettings settings;
  VarcompRun      run;
  VarcompResults  results;
};

/* parameters.c */
/*
  Matrices of theta: G[term] (NULL for fixed terms), R[class]; one allocation, freed by
  VarcompMatricesFree
*/
typedef struct {
  double **G, **R;
} VarcompMatrices;
/* Matrices of zeros of the model's orders. Freed by VarcompMatricesFree. Not collective. */
PetscErrorCode VarcompMatricesCreate(MeritVarcomp v, VarcompMatrices *m);
/* Free them; matrices that were never made are skipped. Not collective. */
PetscErrorCode VarcompMatricesFree(MeritVarcomp v, VarcompMatrices *m);
/* theta [n] to the matrices, both triangles. Not collective. */
void VarcompFill(MeritVarcomp v, const double theta[], VarcompMatrices *m);
/* theta -> the model, and C follows. Collective. */
PetscErrorCode VarcompSetVariances(MeritVarcomp v, const double theta[]);
/* Call the monitor, if there is one, with a round that is over. Every rank. */
PetscErrorCode VarcompReport(MeritVarcomp v, const MeritVarcompRound *round);

/*
  coefficients.c: M [n * n] of a term's n components: sums over the records, of the observations
  of each trait, of the products of two components' coefficients times K of their levels, which
  is its mean diagonal at one level. relatives: pairs at different levels of a pedigree count
  with K of parent and offspring, 1/2 (direct and maternal effects); otherwise they do not. 0
  for components of different traits. Collective.
*/
PetscErrorCode VarcompCoefficientSums(MeritVarcomp v, int term, bool relatives, double *M);
/* Observations of each trait, count [n_traits]. Collective. */
PetscErrorCode VarcompTraitCounts(MeritVarcomp v, double count[]);
/* shares.c: v->results.share and its standard errors from theta and its covariance. Collective. */
PetscErrorCode VarcompShares(MeritVarcomp v);
/*
  basis.c: from now on theta, engines and start have terms of several regressors in a basis that
  is orthogonal over the records. Collective.
*/
PetscErrorCode VarcompBasisEnter(MeritVarcomp v);
/*
  theta and covariances back to the components as the user has them, and the model, too. Not
  collective.
*/
PetscErrorCode VarcompBasisLeave(MeritVarcomp v);
/* Free what VarcompBasisEnter made; nothing after VarcompBasisLeave. Not collective. */
PetscErrorCode VarcompBasisFree(MeritVarcomp v);
/* theta of the basis -> to, of the user's components. Not collective. */
void VarcompBasisUser(MeritVarcomp v, const double theta[], double to[]);
/* A term's matrix as the user has it -> in the basis. Not collective. */
void VarcompBasisMatrix(MeritVarcomp v, int term, double *G);
/*
  room.c: bytes that an engine may take on a rank, solver.memory or what the machine has left;
  -1 not known. Collective.
*/
PetscErrorCode VarcompRoom(MeritVarcomp v, double *bytes);
/*
  Refuse what takes more bytes on the fullest rank than solver.memory (USAGE) or the machine
  (SYSTEM) gives: `what` needs them, `instead` says what else to do. Nothing of that size has
  been allocated yet. Collective.
*/
PetscErrorCode VarcompRefuse(MeritVarcomp v, const char what[], double bytes, const char instead[]);
/* spectral.c: bytes that it takes on each of so many ranks. Not collective. */
double VarcompEigenBytes(MeritVarcomp v, int ranks);
/*
  foresee.c: what an engine would take for the model of v->run.C: bytes of the fullest rank
  beside the model's; seconds before the rounds and of a round, on one core (work) and on the
  ranks and threads that were asked for.
*/
struct VarcompForesight {
  const VarcompEngine *engine;
  bool                 can, exact; /* for this model; no random numbers */
  double               bytes, work_before, work_round, before, round;
};
/* Sizes of the model over all ranks */
struct VarcompSizes {
  int    ranks, threads, m;       /* those foreseen for; random terms */
  bool   one;                     /* one trait, one random term of one component, one residual variance, nothing fixed */
  bool   scalar;                  /* one trait, one residual class, terms of one component */
  bool   genomic;                 /* some term is of SNPs or columns */
  double equations, full, values; /* equations; of SNPs and columns; records x traits */
  double animals, genotypes;      /* genotyped; times SNPs, of all terms */
  double n;                       /* observations */
};
/*
  Costs of each engine, its `foresee`: fills f, f->engine and f->exact being set. The sparse
  factor: C for every component, factor and inverse. Collective.
*/
PetscErrorCode VarcompForeseeSparse(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f);
/* V of the observations, on rank 0. Collective. */
PetscErrorCode VarcompForeseeDenseV(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f);
/* Eigenvalues of a matrix of the observations over all ranks. Collective. */
PetscErrorCode VarcompForeseeSpectral(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f);
/* Products of vectors with K. Collective. */
PetscErrorCode VarcompForeseeLanczos(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f);
/* Conjugate gradients for all samples at once. Collective. */
PetscErrorCode VarcompForeseeMonteCarlo(MeritVarcomp v, const VarcompSizes *s, VarcompForesight *f);
enum { VARCOMP_ENGINES = 5, VARCOMP_ROUNDS = 7 }; /* rounds that are reckoned with */
/* Engines in the order in which they are preferred if they cost the same. */
extern const VarcompEngine *const VarcompEngines[VARCOMP_ENGINES];
/* ranks 0: those of the run, with the threads of the run. Collective. */
PetscErrorCode VarcompForesee(MeritVarcomp v, const VarcompEngine *engine, int ranks, int threads, VarcompForesight *f);
/* Seconds of one core for the set-up and VARCOMP_ROUNDS rounds. Not collective. */
static inline double VarcompWork(const VarcompForesight *f) { return f->work_before + VARCOMP_ROUNDS * f->work_round; }
/*
  The analysis of C that foreseeing made, if there is one and it is for numbers; otherwise
  NULLs, and what there was is freed. Collective.
*/
PetscErrorCode VarcompTakeAnalysis(MeritVarcomp v, Mat *A, MeritFactor *factor);
/*
  choose.c: all of VarcompEngines, and the one to take, -1: none fits; room as for
  MeritVarcompForesee. Collective.
*/
PetscErrorCode VarcompForeseeAll(MeritVarcomp v, int ranks, int threads, double room, VarcompForesight all[], int *best);
/* VarcompRefuse for an engine. Collective. */
PetscErrorCode VarcompRefuseEngine(MeritVarcomp v, const VarcompEngine *engine, double bytes);
/* The engine that the job asks for; NULL: auto. Not collective. */
const VarcompEngine *VarcompAskedEngine(MeritVarcomp v);
/*
  The engine that is cheapest among those that fit, or that was asked for; refused where it does
  not fit. Collective.
*/
PetscErrorCode VarcompChooseEngine(MeritVarcomp v);
/*
  varcomp.c: v->run.n_observations, v->run.n_fixed. Errors: INPUT where fixed effects leave
  nothing. Collective.
*/
PetscErrorCode VarcompCount(MeritVarcomp v);
/* start.c: v->run.theta from the job, or chosen. Collective. */
PetscErrorCode VarcompStart(MeritVarcomp v);
/*
  start.c: what a variance of 1 of each component adds to the variance of an observation, on
  average; 1 for the residual. Collective.
*/
PetscErrorCode VarcompScales(MeritVarcomp v, double scale[]);
/* multiple.c: INPUT error if a trait is a multiple of another. Collective. */
PetscErrorCode VarcompCheckMultiples(MeritVarcomp v);
/*
  guess.c: better values than the shares of v->run.theta where the model and the choice allow
  it; says which. scale as of VarcompScales. Collective.
*/
PetscErrorCode VarcompGuess(MeritVarcomp v, const double scale[]);
/*
  check.c: refuse observations of whose mean square `all` the fixed effects leave rounding only.
  Logically collective.
*/
PetscErrorCode VarcompCheckLeft(double left, double all);
/*
  check.c: INPUT error that names a component of which fixed effects leave nothing. Logically
  collective.
*/
PetscErrorCode VarcompRaiseEmpty(MeritVarcomp v, int component);
/* No values at this point: an engine's answer where v->run.trying. Not collective. */
void VarcompNoPoint(MeritVarcomp v, VarcompPoint *point);
/*
  reml.c: ml and reml by the engine, from the starting values v->run.theta. Afterwards theta and
  solvable are the estimates, and v->results has state, covariance, likelihood, gradient and
  rounds. Collective.
*/
PetscErrorCode VarcompLikelihood(MeritVarcomp v);
/*
  moments.c: minque, mivque, he; leaves theta, state and, if known, covariance behind. Errors:
  INPUT where the equations determine no variances. Collective.
*/
PetscErrorCode VarcompMoments(MeritVarcomp v);
/*
  anova.c: analysis of variance; leaves theta, state and the lines of the table behind. Errors:
  INPUT where the lines determine no variances. Collective.
*/
PetscErrorCode VarcompAnova(MeritVarcomp v);

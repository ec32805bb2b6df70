#pragma once
#include <merit/config.h>
#include <merit/checkpoint.h>
#include <merit/pc.h>

/*
  One interface for all solvers of C x = r: pcg (own loop on public Mat and PC), ksp (any PETSc Krylov method), gsru, gs, lhs_gs, cholesky.
*/
typedef struct _p_MeritSolver *MeritSolver;

typedef enum { MERIT_CRITERION_RESIDUAL, MERIT_CRITERION_RESIDUAL_SQ, MERIT_CRITERION_CHANGE, MERIT_CRITERION_CHANGE_SQ } MeritCriterion;

typedef enum { MERIT_PRECISION_CHOOSE, MERIT_PRECISION_DOUBLE, MERIT_PRECISION_MIXED } MeritPrecision;

/* State of one iteration, for monitors and convergence.tsv. Norms over all equations of all ranks. */
typedef struct {
  int64_t       iteration;
  double        residual;        /* ||q|| / ||r||; NaN where a solver does not have it cheaply */
  double        residual_scaled; /* the same in the D^-1 norm */
  double        change;          /* ||dx|| / ||x|| */
  const double *term_change;     /* [n_terms] ||dx_k|| / ||x_k||; borrowed */
  double        seconds;         /* since the solve began */
} MeritIteration;

typedef PetscErrorCode (*MeritMonitor)(const MeritIteration *it, void *ctx);

/* Why it stopped. */
typedef enum { MERIT_STOP_NONE, MERIT_STOP_CONVERGED, MERIT_STOP_ROUNDING_FLOOR, MERIT_STOP_MAX_IT, MERIT_STOP_BREAKDOWN } MeritStop;

typedef struct {
  MeritStop stop;
  int64_t   iterations;
  double    true_residual;          /* computed afresh */
  double    lambda_min, lambda_max; /* of M^-1 C, estimated (PCG); NaN otherwise */
  double    error_bound;            /* bound on the relative error of x in the C norm from them; NaN otherwise */
} MeritSolveResult;

/* For messages: "true residual 1.234e-03", or that the solution is not a number, into text, which is returned. Not collective. */
MERIT_EXTERN const char *MeritResidualText(double residual, size_t size, char text[]);
/* Make a solver, pcg by default. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverCreate(MPI_Comm comm, MeritSolver *solver);
/* "pcg", "ksp", "gsru", "gs", "lhs_gs", "cholesky". Copied. */
MERIT_EXTERN PetscErrorCode MeritSolverSetType(MeritSolver solver, const char type[]);
/* Cut the model's genotypes over the ranks by cost, if the type allows; before the model is set up. */
MERIT_EXTERN PetscErrorCode MeritSolverChooseGrid(MeritSolver solver, MeritModel model);
/* The equations to solve; takes a reference. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverSetOperator(MeritSolver solver, Mat C);
/* When to stop: criterion below rtol, or max_it iterations. */
MERIT_EXTERN PetscErrorCode MeritSolverSetTolerance(MeritSolver solver, MeritCriterion criterion, double rtol, int64_t max_it);
/* pcg, ksp: name of the PC: "auto" (default), "none", "jacobi", "merit_block" (a level's components), "merit_ped" (pedigree). */
MERIT_EXTERN PetscErrorCode MeritSolverSetPreconditioner(MeritSolver solver, const char type[]);
/* pcg: products with genotypes in single precision between true residuals in double, or all in double; by default the faster one. */
MERIT_EXTERN PetscErrorCode MeritSolverSetPrecision(MeritSolver solver, MeritPrecision precision);
/* gsru, gs, lhs_gs: relaxation factor, 0 < w < 2 (1: plain Gauss-Seidel). */
MERIT_EXTERN PetscErrorCode MeritSolverSetRelaxation(MeritSolver solver, double relaxation);
/* gsru, gs: a sweep goes through all levels and then, against the order, through them again (symmetric), or once (at first). */
MERIT_EXTERN PetscErrorCode MeritSolverSetSymmetric(MeritSolver solver, bool symmetric);
/* cholesky, lhs_gs: most bytes per rank it may take, beyond which set-up refuses; 0 (default): what the machine has. */
MERIT_EXTERN PetscErrorCode MeritSolverSetMemory(MeritSolver solver, double bytes);
/* Keys solver.{type,rtol,max_it,criterion,preconditioner,precision,relaxation,sweep,block,memory} of the job, then PETSc's -solver_type, -solver_rtol, -solver_max_it,
   -pc_type, -ksp_type... (all -ksp_ and -pc_ options with type ksp). */
MERIT_EXTERN PetscErrorCode MeritSolverSetFromConfig(MeritSolver solver, MeritNode job);
/* Is the preconditioner that was named one for the model's covariance matrices? USAGE if not, before data are read. Not collective. */
MERIT_EXTERN PetscErrorCode MeritSolverCheckModel(MeritSolver solver, MeritModel model);
/* Try all options on a matrix of one equation, so that a misspelt one fails before data are read. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverTryOptions(MeritSolver solver);
/* What a type of solver can do */
typedef struct {
  bool preconditioned; /* takes a preconditioner, and options for it */
  bool sweeps;         /* goes over the equations one by one, in either direction */
  bool recomputes;     /* sweeps recompute residuals in each step instead of keeping them */
  bool factors;        /* exact, by a factor of C; standard errors come from it */
} MeritSolverCapabilities;

/* What the type in use can do. Not collective. */
MERIT_EXTERN PetscErrorCode MeritSolverGetCapabilities(MeritSolver solver, MeritSolverCapabilities *can);
/* Type in use; borrowed. */
MERIT_EXTERN PetscErrorCode MeritSolverGetType(MeritSolver solver, const char *type[]);
/* Criterion, tolerance and iterations in use. */
MERIT_EXTERN PetscErrorCode MeritSolverGetTolerance(MeritSolver solver, MeritCriterion *criterion, double *rtol, int64_t *max_it);
/* Name of the PC in use; borrowed. */
MERIT_EXTERN PetscErrorCode MeritSolverGetPreconditioner(MeritSolver solver, const char *type[]);
/* Called after every iteration on every rank; NULL: none. */
MERIT_EXTERN PetscErrorCode MeritSolverSetMonitor(MeritSolver solver, MeritMonitor monitor, void *ctx);
/* Save the state of Solve (one right-hand side) when it is time, and go on from what the checkpoint has open; NULL: not. Its positions are
   those of the model (`MeritModelSetPositions()`). pcg goes on as if nothing had been at the same ranks, else from its solution; gsru, gs and
   lhs_gs go on at any; ksp from its solution. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritSolverSetCheckpoint(MeritSolver solver, MeritCheckpoint checkpoint);
/* Prepare Solve: preconditioner, colours, work space. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverSetUp(MeritSolver solver);
/* Solve for k right-hand sides (pcg: together, by block conjugate gradients; gsru, gs, lhs_gs, ksp: one after another); x holds the start and the result. [n_owned * k]. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverSolve(MeritSolver solver, int k, const double r[], double x[], MeritSolveResult *result);
/* Form and factor the equations for a cholesky, which SetUp then takes as they are; why: empty, or why they have no factor. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverTryFactor(MeritSolver solver, size_t size, char why[]);
/* INPUT error that says why `who` has no factor of the equations of a model: equation number `equation` has this fraction of its diagonal left.
   Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverRaiseSingular(MeritModel model, const char who[], int64_t equation, double pivot_ratio);
/* Entries of the inverse on the pattern of the formed C, from the factor of a cholesky that has solved; NULL where there is no sparse one. Free
   with MatDestroy. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverInverse(MeritSolver solver, Mat *S);
/* Cost of factor and selected inverse of a cholesky: bytes of the rank with most, floating-point operations of all ranks; `columns`: every column of
   the inverse, by solves. INFINITY where C has more than `most` entries, operations also where a rank has no room. SetUp then uses the analysis of
   the pattern that this makes. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverInverseCost(MeritSolver solver, bool columns, int64_t most, double *bytes, double *operations);
/* Receives a column of the inverse of C: unit[n_owned] is 1 at its equation, of `term`; column[n_owned] is C^-1 unit; genomic values of both as of
   MeritMMEGenomicTerms() where the term is a pedigree or SNP term, else NULL. All are borrowed. Called on all ranks alike. */
typedef PetscErrorCode (*MeritInverseTake)(void *ctx, int term, const double unit[], const double column[], const double *const genomic_unit[],
                                           const double *const genomic_column[]);
/* Give every column of the inverse to `take`, but those of aliased and absent equations, by a solver that is set up and has a factor.
   between_levels false: covariances between levels do not count; where the factor is sparse, all levels of a term then come in one column for each
   component, with each level's own entries of the inverse, without genomic values. The monitor is taken off. NOT_CONVERGED where the factor is not
   accurate enough. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverInverseColumns(MeritSolver solver, bool between_levels, MeritInverseTake take, void *ctx);
/* Print what is in use. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverView(MeritSolver solver, PetscViewer viewer);
/* Add the memory of the vectors of pcg; the model is set up. Collective. */
MERIT_EXTERN PetscErrorCode MeritSolverAddBytes(MeritModel model, MeritBytes *b);
/* Add the work of an iteration of pcg beside operator and preconditioner. Not collective. */
MERIT_EXTERN PetscErrorCode MeritSolverAddWork(MeritModel model, const MeritTraffic *traffic, MeritWork *w);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritSolverDestroy(MeritSolver *solver);

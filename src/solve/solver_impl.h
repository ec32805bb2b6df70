#pragma once
#include <merit/log.h>
#include <merit/solver.h>

/* One solver type. setup is called once for an operator, and solve may be called again after its
   variances have changed: it must then make anew what depends on them. r, x [n * k]; view may be
   called after setup only; reset frees `data`. */
typedef struct {
  const char *name;
  PetscErrorCode (*setup)(MeritSolver);
  PetscErrorCode (*solve)(MeritSolver, int k, const double r[], double x[], MeritSolveResult *);
  PetscErrorCode (*view)(MeritSolver, PetscViewer);
  PetscErrorCode (*reset)(MeritSolver); /* drop what setup made */
  MeritSolverCapabilities can;
} MeritSolverOps;

/* What the caller asks for; set by the functions of merit/solver.h (solver.c) alone, but for pc_type, which set-up chooses where pc_auto */
typedef struct {
  char            pc_type[64];
  bool            pc_auto; /* chosen from the model at set-up */
  MeritSnpOptions snp;     /* what merit_ped and merit_fixed do with SNPs */
  MeritCriterion  criterion;
  double          rtol, relaxation;
  bool            symmetric; /* gsru, gs: sweeps go there and back */
  int64_t         max_it;
  MeritPrecision  precision;
  int32_t         block;  /* gsru: columns of a block */
  double          memory; /* bytes per rank that a solver may take that forms C; 0: what the machine has */
  MeritMonitor    monitor;
  void           *monitor_ctx;
} SolverSettings;

struct _p_MeritSolver {
  MPI_Comm              comm;
  const MeritSolverOps *ops;
  void                 *data;  /* of the type; owned by it */
  Mat                   C;     /* holds a reference */
  PC                    pc;    /* pcg: owned; ksp keeps its own */
  bool                  mixed; /* pcg: are products in single precision? */
  SolverSettings        settings;
  MeritCheckpoint       checkpoint; /* NULL: none; borrowed */
  bool                  ready;
  /* of the operator */
  int                  n_terms;
  const MeritTermView *term;
  int32_t              n;           /* owned equations */
  double              *D_inverse;   /* [n] reciprocal diagonal of C; owned */
  uint64_t             D_state;     /* of C, for which that is (MeritSolverState) */
  double               start;       /* time the solve began */
  double              *term_change; /* [n_terms]; owned */
};

extern const MeritSolverOps MeritSolver_PCG, MeritSolver_KSP, MeritSolver_GSRU, MeritSolver_GS, MeritSolver_LHSGS, MeritSolver_Cholesky;

/* State of the operator with its model's current variances, never 0: what was computed for another one is stale. Collective. */
PetscErrorCode MeritSolverState(MeritSolver s, uint64_t *state);
/* solver.c: sizes and terms of the operator as it is now, before its set-up. Collective. */
PetscErrorCode MeritSolverPrepare(MeritSolver solver);
/* common.c */
/* Value of the chosen criterion at an iteration. Not collective. */
double MeritSolverCriterion(MeritSolver solver, const MeritIteration *it);
/* q = r - C x for k right-hand sides [n * k], computed afresh, and the largest ||q|| / ||r||
   over them; NaN if one is, infinite where r is 0 and C x is not. Collective. */
PetscErrorCode MeritSolverTrueResidual(MeritSolver solver, int k, const double r[], const double x[], double q[], double *relative);
/* Give an iteration to the monitor, with the time since the solve began and the changes by term.
   Collective as the monitor is. */
PetscErrorCode MeritSolverReport(MeritSolver solver, MeritIteration *it);
/* The residual that the criterion asks for: rtol, or its square root for a squared one; 0 for criteria
   on the change. Not collective. */
double MeritSolverResidualGoal(MeritSolver solver);
/* Changes of an iteration, by term and in all, from sums of this rank: dx'dx by term, x'x by term, and n_more others, all of which become those of
   all ranks. Collective. */
PetscErrorCode MeritSolverChange(MeritSolver solver, int n_more, double sums[], MeritIteration *it);
/* Is the start good enough, beyond use, or no iteration allowed? MERIT_STOP_NONE: iterate. Not collective. */
MeritStop MeritSolverStart(MeritSolver solver, const MeritIteration *it);
/* Solve for k right-hand sides [n * k], one after another, by `solve`; *result is the worst of theirs. Collective. */
PetscErrorCode MeritSolverOneByOne(MeritSolver solver, int k, const double r[], double x[],
                                   PetscErrorCode (*solve)(MeritSolver, const double *r, double *x, MeritSolveResult *), MeritSolveResult *result);
/* block_cg.c: pcg for several right-hand sides */
PetscErrorCode MeritSolverBlockCG(MeritSolver solver, int k, const double r[], double x[], MeritSolveResult *result);
/* lanczos.c */
/* Least and largest eigenvalue estimate of M^-1 C from n steps of conjugate gradients, alpha[n]
   and beta[n]; NaN if n is 0. Not collective. */
PetscErrorCode MeritExtremeRitz(int n, const double alpha[], const double beta[], double *least, double *most);

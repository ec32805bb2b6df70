/*
  Any Krylov method of PETSc on the same operator and preconditioner, with all -ksp_ and -pc_
  options.

  PETSc's own test looks at its recursive residual, in a norm of the method. So after each
  KSPSolve() the true residual is computed here, and the method is started again from its
  solution while that is above the goal and still falls. Right-hand sides are solved one after
  another. A checkpoint has the solution and the number of iterations, not the state of the
  method.
*/
#include "solver_impl.h"
#include <merit/kernels.h>
#include <math.h>
#include <petscksp.h>
#include <string.h>

/* A method whose own residual drifts from the true one is started again from where it got, at most this often */
static const int MOST_STARTS = 20;

/* What is kept between solves, and the right-hand side under way. */
typedef struct {
  KSP         ksp; /* owned */
  MeritSolver solver;
  double      norm_r;
  int64_t     before; /* iterations of earlier starts */
} KspData;

/* Save the solution as it is, when it is time, from within the method. Not at iteration 0 of a
   start, whose solution was saved before. Collective. */
static PetscErrorCode SaveIfDue(KspData *data, PetscInt iteration)
{
  int64_t done = data->before + iteration;
  bool    due;
  Vec     x;
  double *a;

  PetscFunctionBegin;
  PetscCall(MeritCheckpointDue(data->solver->checkpoint, &due));
  if (!due || !iteration) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MatCreateVecs(data->solver->C, &x, NULL));
  PetscCall(KSPBuildSolution(data->ksp, x, NULL));
  PetscCall(VecGetArray(x, &a));
  {
    const MeritState state[] = {{"x", MERIT_STATE_EQUATIONS, 1, a}, {"iteration", MERIT_STATE_SAME, sizeof(done), &done}};

    PetscCall(MeritCheckpointSave(data->solver->checkpoint, done, 2, state));
  }
  PetscCall(VecRestoreArray(x, &a));
  PetscCall(VecDestroy(&x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Start from the solution of the checkpoint that is open, if any; iterations go on counting.
   Collective. */
static PetscErrorCode Resume(KspData *data, Vec x)
{
  double *a;
  bool    loaded;

  PetscFunctionBegin;
  PetscCall(VecGetArray(x, &a));
  {
    const MeritState state[] = {{"x", MERIT_STATE_EQUATIONS, 1, a}, {"iteration", MERIT_STATE_SAME, sizeof(data->before), &data->before}};

    PetscCall(MeritCheckpointLoad(data->solver->checkpoint, 2, state, &loaded));
    if (data->before < 0) PetscCall(MeritCheckpointDamaged(data->solver->checkpoint, "iteration"));
  }
  PetscCall(VecRestoreArray(x, &a));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Norms for the monitor: a method on unpreconditioned norms reports ||q||; others report what they have, kept as NaN here */
static PetscErrorCode Monitor(KSP ksp, PetscInt iteration, PetscReal norm, void *ctx)
{
  KspData       *data = (KspData *)ctx;
  KSPNormType    type;
  MeritIteration it = {data->before + iteration, NAN, NAN, NAN, NULL, 0.0};

  PetscFunctionBegin;
  PetscCall(KSPGetNormType(ksp, &type));
  if (type == KSP_NORM_UNPRECONDITIONED && data->norm_r > 0.0) it.residual = norm / data->norm_r;
  for (int i = 0; i < data->solver->n_terms; i++) data->solver->term_change[i] = NAN;
  if (iteration || !data->before) PetscCall(MeritSolverReport(data->solver, &it));
  PetscCall(SaveIfDue(data, iteration));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The methods of the conjugate gradient family, and Richardson's, can watch ||r - C x|| at no
   cost, and it is what the criterion is about. Others keep the norm that they have;
   -ksp_norm_type wins. */
static PetscErrorCode ChooseNorm(KSP ksp)
{
  static const char *const family[] = {KSPCG, KSPPIPECG, KSPGROPPCG, KSPFCG, KSPPIPEFCG, KSPRICHARDSON};
  KSPType                  type;
  PetscBool                given;

  PetscFunctionBegin;
  PetscCall(PetscOptionsHasName(NULL, NULL, "-ksp_norm_type", &given));
  if (given) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(KSPGetType(ksp, &type));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(family); i++)
    if (!strcmp(type, family[i])) PetscCall(KSPSetNormType(ksp, KSP_NORM_UNPRECONDITIONED));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Make the KSP: conjugate gradients and the preconditioner of the job, then options, which win.
   Starts are not 0. Collective. */
static PetscErrorCode SetUp_KSP(MeritSolver s)
{
  KspData *data;
  PC       pc;

  PetscFunctionBegin;
  PetscCall(PetscNew(&data));
  s->data      = data;
  data->solver = s;
  PetscCall(KSPCreate(s->comm, &data->ksp));
  PetscCall(KSPSetType(data->ksp, KSPCG));
  PetscCall(KSPGetPC(data->ksp, &pc));
  PetscCall(PCSetType(pc, s->settings.pc_type));
  PetscCall(KSPSetOperators(data->ksp, s->C, s->C));
  PetscCall(KSPSetInitialGuessNonzero(data->ksp, PETSC_TRUE));
  PetscCall(KSPSetFromOptions(data->ksp));
  /* after the options, as these may set another type; PETSc's options on SNPs win at set-up */
  PetscCall(MeritPCSetSnp(pc, &s->settings.snp));
  PetscCall(ChooseNorm(data->ksp));
  PetscCall(KSPMonitorSet(data->ksp, Monitor, data, NULL));
  PetscCall(KSPSetUp(data->ksp));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free all. */
static PetscErrorCode Reset_KSP(MeritSolver s)
{
  KspData *data = (KspData *)s->data;

  PetscFunctionBegin;
  PetscCall(KSPDestroy(&data->ksp));
  PetscCall(PetscFree(data));
  s->data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Print method, options and preconditioner, by PETSc. */
static PetscErrorCode View_KSP(MeritSolver s, PetscViewer viewer)
{
  PetscFunctionBegin;
  PetscCall(KSPView(((KspData *)s->data)->ksp, viewer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One right-hand side, as the head of the file says. Criteria on the change have no meaning for
   PETSc: the square root of rtol bounds the residual for them. Collective. */
static PetscErrorCode SolveOne(MeritSolver s, Vec r, Vec x, Vec q, MeritSolveResult *result)
{
  KspData     *data = (KspData *)s->data;
  const double goal = MeritSolverResidualGoal(s) > 0.0 ? MeritSolverResidualGoal(s) : sqrt(s->settings.rtol);
  PetscReal    norm, rtol, last;

  PetscFunctionBegin;
  PetscCall(VecNorm(r, NORM_2, &data->norm_r));
  if (data->norm_r == 0.0) PetscCall(VecSet(x, 0.0));
  data->before = 0;
  PetscCall(Resume(data, x));
  /* q = r - C x, the true residual */
  PetscCall(MatMult(s->C, x, q));
  PetscCall(VecAYPX(q, -1.0, r));
  PetscCall(VecNorm(q, NORM_2, &norm));
  /* so that the first start is never one that "no longer falls" */
  last = 2.0 * norm + data->norm_r;
  for (int start = 0; !(norm <= goal * data->norm_r); start++) {
    KSPConvergedReason reason;
    PetscInt           n;

    if (data->before >= s->settings.max_it || start >= MOST_STARTS) {
      result->stop = MERIT_STOP_MAX_IT;
      break;
    }
    /* a start that no longer lowers the residual: rounding, or no solution */
    if (!(norm < 0.9 * last)) {
      result->stop = norm < 1e-6 * data->norm_r ? MERIT_STOP_ROUNDING_FLOOR : MERIT_STOP_BREAKDOWN;
      break;
    }
    last = norm;
    /* PETSc measures against the smaller of the starting residual and the right-hand side */
    rtol = goal * data->norm_r / PetscMin(norm, data->norm_r);
    /* a little below the goal, as the true residual will be a little above the recursive one */
    PetscCall(
        KSPSetTolerances(data->ksp, PetscMax(PetscMin(0.9 * rtol, 0.9), 1e-15), 0.0, PETSC_DEFAULT, (PetscInt)(s->settings.max_it - data->before)));
    PetscCall(KSPSolve(data->ksp, r, x));
    PetscCall(KSPGetIterationNumber(data->ksp, &n));
    PetscCall(KSPGetConvergedReason(data->ksp, &reason));
    data->before += n;
    PetscCall(MatMult(s->C, x, q));
    PetscCall(VecAYPX(q, -1.0, r));
    PetscCall(VecNorm(q, NORM_2, &norm));
    if (reason == KSP_DIVERGED_NANORINF || PetscIsNanReal(norm)) {
      result->stop = MERIT_STOP_BREAKDOWN;
      break;
    }
  }
  if (result->stop == MERIT_STOP_NONE) result->stop = MERIT_STOP_CONVERGED;
  result->iterations    = PetscMax(result->iterations, data->before);
  result->true_residual = norm != 0.0 ? norm / data->norm_r : 0.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Right-hand sides one after another, each in vectors of its own; the result is the worst of
   theirs. */
static PetscErrorCode Solve_KSP(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  MeritSolveResult worst = *result;
  Vec              R, X, Q;
  double          *a;

  PetscFunctionBegin;
  PetscCall(MatCreateVecs(s->C, &R, &X));
  PetscCall(VecDuplicate(R, &Q));
  for (int j = 0; j < k; j++) {
    MeritSolveResult one = *result;

    PetscCall(VecGetArrayWrite(R, &a));
    for (int64_t i = 0; i < s->n; i++) a[i] = r[i * k + j];
    PetscCall(VecRestoreArrayWrite(R, &a));
    PetscCall(VecGetArrayWrite(X, &a));
    for (int64_t i = 0; i < s->n; i++) a[i] = x[i * k + j];
    PetscCall(VecRestoreArrayWrite(X, &a));
    PetscCall(SolveOne(s, R, X, Q, &one));
    PetscCall(VecGetArray(X, &a));
    for (int64_t i = 0; i < s->n; i++) x[i * k + j] = a[i];
    PetscCall(VecRestoreArray(X, &a));
    if (j == 0 || one.stop > worst.stop) worst.stop = one.stop;
    worst.iterations    = PetscMax(worst.iterations, one.iterations);
    worst.true_residual = j ? MeritWorst(worst.true_residual, one.true_residual) : one.true_residual;
  }
  *result = worst;
  PetscCall(VecDestroy(&R));
  PetscCall(VecDestroy(&X));
  PetscCall(VecDestroy(&Q));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_KSP = {"ksp", SetUp_KSP, Solve_KSP, View_KSP, Reset_KSP, .can.preconditioned = true};

/*
  Gauss-Seidel with residual update (Legarra and Misztal 2008): sweeps of merit/sweep.h until a
  criterion holds. gs is the same sweep, but each step computes its residual from the data and
  all effects as they are: no residual is kept (their method GS).

  The sweep itself gives the change of x by term, and an estimate of the residual: squares of
  the residuals of equations as they were when they were updated. The true residual costs a
  product with C, so with many equations it is computed only when these say that the end may be
  near (IsTimely), and every CHECK sweeps. By rounding, residuals that are updated move away
  from the true ones, so they are computed afresh every REFRESH sweeps.
*/
#include "solver_impl.h"
#include <math.h>
#include <merit/sweep.h>

/* REFRESH: sweeps after which residuals are computed afresh. FEW_EQUATIONS: up to that many the
   true residual is computed after every sweep, above it every CHECK sweeps. */
static const int64_t REFRESH = 50, FEW_EQUATIONS = 20000, CHECK = 10;
/* CHANGE_IS_ROUNDING: a step this small beside the solution is rounding. NO_BETTER: checks without a
   better residual that prove it. */
static const double CHANGE_IS_ROUNDING = 2e-14;
static const int    NO_BETTER          = 10;

/* What is kept between solves; the sweep has colours, blocks and Gram matrices. */
typedef struct {
  MeritSolver solver;
  MeritSweep  sweep;       /* owned */
  int64_t     n_equations; /* of all ranks */
  double     *sums;        /* [2 * n_terms + 1] of MeritSweepRun; owned */
  double     *q;           /* [n] true residual; owned */
} Gsru;

/* Free all; called also after a set-up that failed. */
static PetscErrorCode Reset_GSRU(MeritSolver s)
{
  Gsru *gs = (Gsru *)s->data;

  PetscFunctionBegin;
  if (!gs) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritSweepDestroy(&gs->sweep));
  PetscCall(PetscFree2(gs->sums, gs->q));
  PetscCall(PetscFree(s->data));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Settings that may change between solves without a new set-up: relaxation and direction. */
static PetscErrorCode Configure(MeritSolver s)
{
  const Gsru *gs = (const Gsru *)s->data;

  PetscFunctionBegin;
  PetscCall(MeritSweepSetRelaxation(gs->sweep, s->settings.relaxation));
  PetscCall(MeritSweepSetSymmetric(gs->sweep, s->settings.symmetric));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Make the sweep for the operator: colours of levels, blocks of columns. Collective. */
static PetscErrorCode SetUp_GSRU(MeritSolver s)
{
  Gsru      *gs;
  MeritModel model;
  bool       equations;

  PetscFunctionBegin;
  PetscCall(MeritMatIsMME(s->C, &equations));
  PetscCheck(equations, s->comm, PETSC_ERR_ARG_WRONG, "%s needs the mixed model equations of a model", s->ops->name);
  PetscCall(PetscNew(&gs));
  s->data    = gs;
  gs->solver = s;
  PetscCall(MeritMMEGetModel(s->C, &model));
  gs->n_equations = MeritModelLayout(model)->n_all;
  PetscCall(PetscMalloc2(2 * (size_t)s->n_terms + 1, &gs->sums, s->n + 1, &gs->q));
  PetscCall(MeritSweepCreate(s->C, &gs->sweep));
  PetscCall(MeritSweepSetBlock(gs->sweep, s->settings.block));
  PetscCall(MeritSweepSetRecompute(gs->sweep, s->ops->can.recomputes));
  PetscCall(Configure(s));
  PetscCall(MeritSweepSetUp(gs->sweep));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Print what the sweep says of itself: colours, blocks. */
static PetscErrorCode View_GSRU(MeritSolver s, PetscViewer viewer)
{
  PetscFunctionBegin;
  PetscCall(MeritSweepView(((const Gsru *)s->data)->sweep, viewer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The true residual into gs->q, and its norms relative to those of r: plain, and in the norm of
   D^-1. Collective. */
static PetscErrorCode Check(Gsru *gs, const double *r, const double *x, MeritIteration *it)
{
  MeritSolver s       = gs->solver;
  double      sums[2] = {0.0, 0.0};

  PetscFunctionBegin;
  PetscCall(MeritSolverTrueResidual(s, 1, r, x, gs->q, &it->residual));
  for (int32_t i = 0; i < s->n; i++) {
    sums[0] += gs->q[i] * gs->q[i] * s->D_inverse[i];
    sums[1] += r[i] * r[i] * s->D_inverse[i];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, s->comm));
  it->residual_scaled = sums[1] != 0.0 ? sqrt(sums[0] / sums[1]) : 0.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What the loop keeps from check to check; a checkpoint has it, too, but for `fresh`. */
typedef struct {
  double best;      /* least true residual so far */
  int    no_better; /* checks since it fell */
  bool   fresh;     /* the sweep started from fresh residuals */
  bool   refresh;   /* the next one is to */
} Progress;

/* Is it worth a true residual after this sweep? Yes where there are few equations, every CHECK
   sweeps, at the last one, if the estimate is near the goal (or the change meets its criterion),
   and if steps are as small as rounding. estimate: ||q|| / ||r|| from the sweep. */
static bool IsTimely(const Gsru *gs, const MeritIteration *it, double estimate)
{
  const double goal = MeritSolverResidualGoal(gs->solver);

  if (gs->n_equations <= FEW_EQUATIONS || it->iteration % CHECK == 0 || it->iteration >= gs->solver->settings.max_it) return true;
  if (goal > 0.0 ? estimate <= 2.0 * goal : MeritSolverCriterion(gs->solver, it) <= gs->solver->settings.rtol) return true;
  return !(it->change > CHANGE_IS_ROUNDING);
}

/* Stop after this check? A criterion on the change must hold in a sweep that started from fresh
   residuals (x could hardly change because the residuals are wrong); p->refresh asks for them.
   Rounding is proved by steps at its level while the true residual no longer falls. */
static MeritStop Judge(const Gsru *gs, const MeritIteration *it, Progress *p)
{
  const double goal = MeritSolverResidualGoal(gs->solver);

  if (!isfinite(it->residual) || !isfinite(it->change)) return MERIT_STOP_BREAKDOWN;
  if (it->residual <= goal) return MERIT_STOP_CONVERGED;
  if (goal <= 0.0 && MeritSolverCriterion(gs->solver, it) <= gs->solver->settings.rtol) {
    if (p->fresh) return MERIT_STOP_CONVERGED;
    p->refresh = true;
  }
  p->no_better = it->residual < 0.95 * p->best ? 0 : p->no_better + 1;
  p->best      = PetscMin(p->best, it->residual);
  if (it->change <= CHANGE_IS_ROUNDING) {
    p->refresh = true;
    if (p->no_better >= NO_BETTER) return MERIT_STOP_ROUNDING_FLOOR;
  }
  return it->iteration >= gs->solver->settings.max_it ? MERIT_STOP_MAX_IT : MERIT_STOP_NONE;
}

/* The parts of a checkpoint: those of the sweep, and the loop. Borrowed from the arguments. */
enum { N_STATE = MERIT_SWEEP_PARTS + 4 };
static PetscErrorCode State(Gsru *gs, double *x, MeritIteration *it, Progress *p, MeritState state[N_STATE])
{
  MeritState *loop = state + MERIT_SWEEP_PARTS;

  PetscFunctionBegin;
  PetscCall(MeritSweepState(gs->sweep, x, state));
  loop[0] = (MeritState){"iteration", MERIT_STATE_SAME, sizeof(it->iteration), &it->iteration};
  loop[1] = (MeritState){"best", MERIT_STATE_SAME, sizeof(p->best), &p->best};
  loop[2] = (MeritState){"no_better", MERIT_STATE_SAME, sizeof(p->no_better), &p->no_better};
  loop[3] = (MeritState){"refresh", MERIT_STATE_SAME, sizeof(p->refresh), &p->refresh};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take effects, residuals and loop as the checkpoint has them, if one is open. Collective. */
static PetscErrorCode Resume(Gsru *gs, double *x, MeritIteration *it, Progress *p, bool *resumed)
{
  MeritState state[N_STATE];

  PetscFunctionBegin;
  PetscCall(State(gs, x, it, p, state));
  PetscCall(MeritCheckpointLoad(gs->solver->checkpoint, N_STATE, state, resumed));
  if (!*resumed) PetscFunctionReturn(PETSC_SUCCESS);
  if (it->iteration < 0) PetscCall(MeritCheckpointDamaged(gs->solver->checkpoint, "iteration"));
  PetscCall(MeritSweepRestore(gs->sweep, x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Save between two sweeps, if it is time. Collective. */
static PetscErrorCode SaveIfDue(Gsru *gs, double *x, MeritIteration *it, Progress *p)
{
  MeritState state[N_STATE];
  bool       due;

  PetscFunctionBegin;
  PetscCall(MeritCheckpointDue(gs->solver->checkpoint, &due));
  if (!due) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(State(gs, x, it, p, state));
  PetscCall(MeritCheckpointSave(gs->solver->checkpoint, it->iteration, N_STATE, state));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One sweep, the criteria after it, and whether it was the last; norm_r = ||r||. Residuals that
   were not computed are NaN for the monitor. Collective. */
static PetscErrorCode Step(Gsru *gs, const double *r, double norm_r, double *x, MeritIteration *it, Progress *p, MeritStop *stop)
{
  MeritSolver s = gs->solver;
  bool        timely;

  PetscFunctionBegin;
  /* the first sweep too: residuals are those of the start x */
  if (p->refresh) PetscCall(MeritSweepRefresh(gs->sweep, x));
  p->fresh = p->refresh;
  PetscCall(MeritSweepRun(gs->sweep, x, gs->sums));
  PetscCall(MeritSolverChange(s, 1, gs->sums, it));
  it->iteration++;
  /* before Judge(), which may ask for one earlier */
  p->refresh   = it->iteration % REFRESH == 0;
  timely       = IsTimely(gs, it, sqrt(gs->sums[2 * s->n_terms]) / norm_r);
  it->residual = it->residual_scaled = NAN;
  if (timely) PetscCall(Check(gs, r, x, it));
  PetscCall(MeritSolverReport(s, it));
  if (timely) *stop = Judge(gs, it, p);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sweeps from x, or from a checkpoint, until Judge() ends them. A first check may show that x
   needs none. Collective. */
static PetscErrorCode Iterate(Gsru *gs, const double *r, double norm_r, double *x, MeritSolveResult *result)
{
  MeritSolver    s  = gs->solver;
  MeritIteration it = {0, NAN, NAN, NAN, NULL, 0.0};
  Progress       p  = {INFINITY, 0, false, true};
  bool           resumed;

  PetscFunctionBegin;
  PetscCall(Resume(gs, x, &it, &p, &resumed));
  PetscCall(Check(gs, r, x, &it));
  for (int k = 0; k < s->n_terms; k++) s->term_change[k] = NAN;
  if (!resumed) PetscCall(MeritSolverReport(s, &it));
  result->stop = MeritSolverStart(s, &it);
  while (result->stop == MERIT_STOP_NONE) {
    PetscCall(Step(gs, r, norm_r, x, &it, &p, &result->stop));
    if (result->stop == MERIT_STOP_NONE) PetscCall(SaveIfDue(gs, x, &it, &p));
  }
  result->iterations    = it.iteration;
  result->true_residual = it.residual;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One right-hand side. Constrained equations are rows of the identity and are set here, x = r; sweeps
   do not touch them. Collective. */
static PetscErrorCode SolveOne(MeritSolver s, const double *r, double *x, MeritSolveResult *result)
{
  Gsru          *gs     = (Gsru *)s->data;
  double         norm_r = 0.0;
  const uint8_t *state;

  PetscFunctionBegin;
  for (int32_t i = 0; i < s->n; i++) norm_r += r[i] * r[i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &norm_r, 1, MPI_DOUBLE, MPI_SUM, s->comm));
  norm_r = sqrt(norm_r);
  /* relative residuals have no meaning then, and the solution is 0 */
  if (norm_r == 0.0) {
    PetscCall(PetscArrayzero(x, s->n));
    result->stop          = MERIT_STOP_CONVERGED;
    result->true_residual = 0.0;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritMMEEquationState(s->C, &state));
  for (int32_t i = 0; i < s->n; i++)
    if (state[i] != MERIT_EQ_OK) x[i] = r[i];
  PetscCall(MeritSweepSetRightHandSide(gs->sweep, r));
  PetscCall(Iterate(gs, r, norm_r, x, result));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Right-hand sides one after another, with the present settings. */
static PetscErrorCode Solve_GSRU(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  PetscFunctionBegin;
  PetscCall(Configure(s));
  PetscCall(MeritSolverOneByOne(s, k, r, x, SolveOne, result));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_GSRU = {"gsru", SetUp_GSRU, Solve_GSRU, View_GSRU, Reset_GSRU, .can.sweeps = true};
const MeritSolverOps MeritSolver_GS   = {"gs", SetUp_GSRU, Solve_GSRU, View_GSRU, Reset_GSRU, .can = {.sweeps = true, .recomputes = true}};

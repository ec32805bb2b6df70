/*
  Gauss-Seidel with residual update (Legarra and Misztal 2008) over all terms in formula order and all levels in canonical order
  (colour by colour where levels interact). A pedigree edge is a record with value 0: its residual x_i - x_s / 2 - x_d / 2 is kept like
  those of the records. The iterates are those of one sequential sweep at any number of ranks.
*/
#include "gsru_impl.h"
#include <math.h>
#include <merit/kernels.h>
#include <omp.h>
#include <string.h>

/* Sweeps between fresh residuals; equations up to which the true residual is computed every sweep, and sweeps between it above */
static const int64_t REFRESH = 50, FEW_EQUATIONS = 20000, CHECK = 10;
/* A step this small beside the solution is rounding; checks without a better residual that prove it */
static const double ROUNDING  = 2e-14;
static const int    NO_BETTER = 10;

/* Everything that hangs on the variances */
static PetscErrorCode Numbers(Gsru *gs)
{
  double *block;

  PetscFunctionBegin;
  gs->state = MeritModelState(gs->model);
  PetscCall(PetscFree(gs->blocks));
  PetscCall(MeritMMEBlockDiagonal(gs->solver->C, &gs->blocks));
  block = gs->blocks;
  for (int k = 0; k < gs->n_terms; k++) {
    const MeritTermView *t = gs->term[k].view;
    const int64_t        n = t->n_eq * t->n_eq;

    gs->term[k].inverse = block;
    for (int32_t i = 0; i < t->n_owned; i++, block += n) GsruInvert(t->n_eq, block);
    if (t->n_eq && GsruIsDense(t)) PetscCall(GsruDenseNumbers(gs, &gs->term[k]));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode CreateTerm(Gsru *gs, int k)
{
  GsruTerm *term = &gs->term[k];

  PetscFunctionBegin;
  term->view  = &gs->solver->term[k];
  term->index = k;
  if (!term->view->n_eq) PetscFunctionReturn(PETSC_SUCCESS);
  if (GsruIsDense(term->view)) PetscCall(GsruDenseCreate(gs, term));
  if (term->view->kind != MERIT_TERM_RIDGE) PetscCall(GsruLevelsCreate(gs, term));
  if (term->view->kind == MERIT_TERM_PED)
    PetscCall(PetscCalloc1((size_t)term->view->n_owned * (size_t)term->view->n_eq + 1, &term->m));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Reset_GSRU(MeritSolver s)
{
  Gsru *gs = (Gsru *)s->data;

  PetscFunctionBegin;
  if (!gs) PetscFunctionReturn(PETSC_SUCCESS);
  for (int k = 0; gs->term && k < gs->n_terms; k++) {
    PetscCall(GsruLevelsDestroy(&gs->term[k].levels));
    PetscCall(GsruDenseDestroy(&gs->term[k]));
    PetscCall(PetscFree(gs->term[k].m));
  }
  PetscCall(PetscFree(gs->term));
  PetscCall(PetscFree(gs->blocks));
  PetscCall(PetscFree(gs->part));
  PetscCall(PetscFree2(gs->e, gs->delta));
  PetscCall(PetscFree2(gs->g, gs->du));
  PetscCall(PetscFree(gs->before));
  PetscCall(PetscFree(gs->sums));
  PetscCall(PetscFree(gs));
  s->data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A rank must have all SNPs of its animals */
static PetscErrorCode CheckGrid(MeritSolver s)
{
  MeritModel model;
  int        grid_cols = 1;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(s->C, &model));
  if (MeritModelGenotypes(model))
    PetscCall(MeritGenotypesTile(MeritModelGenotypes(model), NULL, &grid_cols, NULL, NULL, NULL, NULL));
  if (grid_cols > 1)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "genotypes.grid",
                         "solver %s needs genotypes on a grid of one column, not %d; give genotypes.grid as "
                         "many rows as ranks, or use solver pcg",
                         s->ops->name, grid_cols));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SetUp_GSRU(MeritSolver s)
{
  Gsru *gs;
  bool  equations;

  PetscFunctionBegin;
  PetscCall(MeritMatIsMME(s->C, &equations));
  PetscCheck(equations, s->comm, PETSC_ERR_ARG_WRONG, "%s needs the mixed model equations of a model", s->ops->name);
  PetscCall(CheckGrid(s));
  PetscCall(PetscNew(&gs));
  s->data       = gs;
  gs->solver    = s;
  gs->afresh    = s->ops == &MeritSolver_GS;
  gs->n_terms   = s->n_terms;
  gs->n_threads = omp_get_max_threads();
  PetscCall(MeritMMEGetModel(s->C, &gs->model));
  gs->records  = MeritModelRecords(gs->model);
  gs->eq_state = MeritModelEquationState(gs->model);
  gs->halo     = MeritModelHalo(gs->model);
  gs->n_owned = MeritModelLayout(gs->model)->n_owned;
  gs->n_local = MeritModelLayout(gs->model)->n_local;
  PetscCall(PetscCalloc1(gs->n_terms + 1, &gs->term));
  PetscCall(PetscCalloc1(2 * (size_t)gs->n_threads, &gs->part));
  PetscCall(PetscCalloc2((size_t)gs->records->n_records * (size_t)gs->records->n_traits, &gs->e, gs->n_owned,
                         &gs->delta));
  PetscCall(PetscMalloc1(gs->n_owned + 1, &gs->before));
  PetscCall(PetscCalloc2(gs->n_local, &gs->g, gs->n_local, &gs->du));
  PetscCall(PetscCalloc1(2 * (size_t)gs->n_terms + 1, &gs->sums));
  for (int k = 0; k < gs->n_terms; k++) PetscCall(CreateTerm(gs, k));
  PetscCall(Numbers(gs));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode View_GSRU(MeritSolver s, PetscViewer viewer)
{
  const Gsru         *gs      = (const Gsru *)s->data;
  const MeritFormula *formula = MeritModelFormula(gs->model);

  PetscFunctionBegin;
  PetscCall(PetscViewerASCIIPrintf(viewer, "  relaxation %g, %s sweeps\n", s->relaxation, s->symmetric ? "symmetric" : "forward"));
  for (int k = 0; k < gs->n_terms; k++) {
    const GsruTerm *term = &gs->term[k];

    if (GsruIsDense(term->view))
      PetscCall(PetscViewerASCIIPrintf(viewer, "  %s: blocks of %d columns\n", formula->term[k].label,
                                       term->dense.width));
    else
      PetscCall(PetscViewerASCIIPrintf(viewer, "  %s: %d colours\n", formula->term[k].label,
                                       term->levels.n_colours));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sum over ranks of the products of two vectors of owned equations */
static PetscErrorCode Norm(Gsru *gs, const double *a, double *norm)
{
  PetscFunctionBegin;
  *norm = 0.0;
  for (int32_t i = 0; i < gs->n_owned; i++) *norm += a[i] * a[i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, norm, 1, MPI_DOUBLE, MPI_SUM, gs->solver->comm));
  *norm = sqrt(*norm);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Split the right-hand side: r = W' R^-1 y + delta with the records' y, so that e has the size of residuals and not of fitted values;
  a right-hand side that has nothing to do with y is all delta.
*/
static PetscErrorCode Split(Gsru *gs, const double *r, double norm_r)
{
  double norm;

  PetscFunctionBegin;
  PetscCall(MeritMMERightHandSide(gs->solver->C, gs->delta));
  for (int32_t i = 0; i < gs->n_owned; i++) gs->delta[i] = r[i] - gs->delta[i];
  PetscCall(Norm(gs, gs->delta, &norm));
  gs->has_y = norm <= 1e-6 * norm_r;
  if (!gs->has_y) PetscCall(PetscArraycpy(gs->delta, r, gs->n_owned));
  for (int k = 0; k < gs->n_terms; k++)
    if (gs->term[k].view->n_eq && GsruIsDense(gs->term[k].view))
      PetscCall(GsruDenseReplicate(gs, &gs->term[k], gs->delta, gs->term[k].dense.delta));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* m = x_i - x_s / 2 - x_d / 2 of the owned animals; x has ghosts */
static void Edges(const MeritTermView *t, const double *x, double *m)
{
  for (int32_t i = 0; i < t->n_owned; i++)
    for (int a = 0; a < t->n_eq; a++) {
      double *to = m + (int64_t)i * t->n_eq + a;

      *to = x[t->eq_owned + i * t->n_eq + a];
      if (t->sire[i] >= 0) *to -= 0.5 * x[t->sire[i] + a];
      if (t->dam[i] >= 0) *to -= 0.5 * x[t->dam[i] + a];
    }
}

/* GsruRefresh - All residuals afresh from x. Collective. */
PetscErrorCode GsruRefresh(Gsru *gs, const double *x)
{
  const int64_t n = (int64_t)gs->records->n_records * gs->records->n_traits;

  PetscFunctionBegin;
  PetscCall(MeritMMEFitted(gs->solver->C, x, gs->e));
  for (int64_t i = 0; i < n; i++) gs->e[i] = (gs->has_y ? gs->records->y[i] : 0.0) - gs->e[i];
  PetscCall(PetscArraycpy(gs->du, x, gs->n_owned)); /* du is free between sweeps */
  PetscCall(PetscSFBcastBegin(gs->halo, MPI_DOUBLE, gs->du, gs->du + gs->n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(gs->halo, MPI_DOUBLE, gs->du, gs->du + gs->n_owned, MPI_REPLACE));
  for (int k = 0; k < gs->n_terms; k++) {
    GsruTerm *term = &gs->term[k];

    if (!term->view->n_eq) continue;
    if (GsruIsDense(term->view)) PetscCall(GsruDenseReplicate(gs, term, x, term->dense.x));
    if (term->view->kind == MERIT_TERM_PED) Edges(term->view, gs->du, term->m);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All terms once, in the order of the formula or (backward) against it; local sums of the changes and of the gradients met */
static PetscErrorCode SweepTerms(Gsru *gs, bool backward, double *x)
{
  PetscFunctionBegin;
  gs->backward = backward;
  PetscCall(PetscArrayzero(gs->sums, 2 * gs->n_terms + 1));
  for (int turn = 0; turn < gs->n_terms; turn++) {
    GsruTerm *term = &gs->term[backward ? gs->n_terms - 1 - turn : turn];

    if (!term->view->n_eq) continue;
    if (GsruIsDense(term->view)) PetscCall(GsruSweepDense(gs, term, x));
    else PetscCall(GsruSweepLevels(gs, term, x));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* There and, in a symmetric sweep, back again; the sums are then those of the whole change and of the gradients on the way back */
static PetscErrorCode SweepBothWays(Gsru *gs, double *x)
{
  PetscFunctionBegin;
  if (gs->solver->symmetric) PetscCall(PetscArraycpy(gs->before, x, gs->n_owned));
  PetscCall(SweepTerms(gs, false, x));
  if (gs->solver->symmetric) PetscCall(SweepTerms(gs, true, x));
  for (int k = 0; k < gs->n_terms; k++) {
    const MeritTermView *t = gs->term[k].view;

    if (gs->solver->symmetric) gs->sums[2 * k] = 0.0;
    for (int32_t i = t->eq_owned; i < t->eq_owned + t->n_owned * t->n_eq; i++) {
      gs->sums[2 * k + 1] += x[i] * x[i];
      if (gs->solver->symmetric) gs->sums[2 * k] += (x[i] - gs->before[i]) * (x[i] - gs->before[i]);
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One sweep over all terms; the changes, and a cheap estimate of the residual: the gradients met on the way */
static PetscErrorCode Sweep(Gsru *gs, double *x, double norm_r, MeritIteration *it, double *met)
{
  MeritSolver s  = gs->solver;
  double      dx = 0.0, xx = 0.0;

  PetscFunctionBegin;
  PetscCall(SweepBothWays(gs, x));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, gs->sums, 2 * gs->n_terms + 1, MPI_DOUBLE, MPI_SUM, s->comm));
  for (int k = 0; k < gs->n_terms; k++) {
    dx += gs->sums[2 * k];
    xx += gs->sums[2 * k + 1];
    s->term_change[k] = gs->sums[2 * k + 1] != 0.0 ? sqrt(gs->sums[2 * k] / gs->sums[2 * k + 1]) : 0.0;
  }
  it->change = xx != 0.0 ? sqrt(dx / xx) : 0.0;
  *met       = sqrt(gs->sums[2 * gs->n_terms]) / norm_r;
  it->iteration++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The true residual, plain and scaled */
static PetscErrorCode Check(Gsru *gs, const double *r, const double *x, double *q, MeritIteration *it)
{
  MeritSolver s       = gs->solver;
  double      sums[2] = {0.0, 0.0};

  PetscFunctionBegin;
  PetscCall(MeritSolverTrueResidual(s, 1, r, x, q, &it->residual));
  for (int32_t i = 0; i < s->n; i++) {
    sums[0] += q[i] * q[i] * s->D_inverse[i];
    sums[1] += r[i] * r[i] * s->D_inverse[i];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, s->comm));
  it->residual_scaled = sums[1] != 0.0 ? sqrt(sums[0] / sums[1]) : 0.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What the loop remembers from check to check */
typedef struct {
  double best;      /* least true residual so far */
  int    no_better; /* checks since it fell */
  bool   fresh;     /* the sweep started from fresh residuals */
} Progress;

/* Is it worth a true residual now? Above a few thousand equations it costs a good part of a sweep */
static bool IsTimely(const Gsru *gs, const MeritIteration *it, double met, int64_t n_all)
{
  const double goal = MeritSolverResidualGoal(gs->solver);

  if (n_all <= FEW_EQUATIONS || it->iteration % CHECK == 0 || it->iteration >= gs->solver->max_it)
    return true;
  if (goal > 0.0 ? met <= 2.0 * goal : MeritSolverCriterion(gs->solver, it) <= gs->solver->rtol) return true;
  return !(it->change > ROUNDING);
}

/*
  Stop after this check? A criterion on the change must hold in a sweep that started from fresh residuals; *refresh asks for them.
  Rounding is proved by steps at its level while the true residual falls no more.
*/
static MeritStop Judge(const Gsru *gs, const MeritIteration *it, Progress *p, bool *refresh)
{
  const double goal = MeritSolverResidualGoal(gs->solver);

  if (!isfinite(it->residual) || !isfinite(it->change)) return MERIT_STOP_BREAKDOWN;
  if (it->residual <= goal) return MERIT_STOP_CONVERGED;
  if (goal <= 0.0 && MeritSolverCriterion(gs->solver, it) <= gs->solver->rtol) {
    if (p->fresh) return MERIT_STOP_CONVERGED;
    *refresh = true;
  }
  p->no_better = it->residual < 0.95 * p->best ? 0 : p->no_better + 1;
  p->best      = PetscMin(p->best, it->residual);
  if (it->change <= ROUNDING) {
    *refresh = true;
    if (p->no_better >= NO_BETTER) return MERIT_STOP_ROUNDING_FLOOR;
  }
  return it->iteration >= gs->solver->max_it ? MERIT_STOP_MAX_IT : MERIT_STOP_NONE;
}

/* The parts of a checkpoint; m of all pedigree terms lies in gs->before, free between sweeps */
enum { N_STATE = 7 };
static void State(Gsru *gs, double *x, MeritIteration *it, Progress *p, bool *refresh, MeritState state[N_STATE])
{
  const MeritState all[N_STATE] = {{"x", MERIT_STATE_EQUATIONS, 1, x},
                                   {"edges", MERIT_STATE_EQUATIONS, 1, gs->before},
                                   {"e", MERIT_STATE_RECORDS, (size_t)gs->records->n_traits, gs->e},
                                   {"iteration", MERIT_STATE_SAME, sizeof(it->iteration), &it->iteration},
                                   {"best", MERIT_STATE_SAME, sizeof(p->best), &p->best},
                                   {"no_better", MERIT_STATE_SAME, sizeof(p->no_better), &p->no_better},
                                   {"refresh", MERIT_STATE_SAME, sizeof(*refresh), refresh}};

  memcpy(state, all, sizeof(all));
}

/* m of the pedigree terms to (or from) gs->before */
static void PackEdges(Gsru *gs, bool back)
{
  for (int k = 0; k < gs->n_terms; k++) {
    const MeritTermView *t = gs->term[k].view;
    const size_t         n = (size_t)t->n_owned * (size_t)t->n_eq;
    double              *at = gs->before + t->eq_owned;

    if (!gs->term[k].m) continue;
    if (back) memcpy(gs->term[k].m, at, n * sizeof(*at));
    else memcpy(at, gs->term[k].m, n * sizeof(*at));
  }
}

/* Residuals and effects as the checkpoint has them, if one is open */
static PetscErrorCode Resume(Gsru *gs, double *x, MeritIteration *it, Progress *p, bool *refresh, bool *resumed)
{
  MeritState state[N_STATE];

  PetscFunctionBegin;
  State(gs, x, it, p, refresh, state);
  PetscCall(MeritCheckpointLoad(gs->solver->checkpoint, N_STATE, state, resumed));
  if (!*resumed) PetscFunctionReturn(PETSC_SUCCESS);
  if (it->iteration < 0) PetscCall(MeritCheckpointMad(gs->solver->checkpoint, "iteration"));
  PackEdges(gs, true);
  for (int k = 0; k < gs->n_terms; k++)
    if (gs->term[k].view->n_eq && GsruIsDense(gs->term[k].view)) PetscCall(GsruDenseReplicate(gs, &gs->term[k], x, gs->term[k].dense.x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SaveIfDue(Gsru *gs, double *x, MeritIteration *it, Progress *p, bool *refresh)
{
  MeritState state[N_STATE];
  bool       due;

  PetscFunctionBegin;
  PetscCall(MeritCheckpointDue(gs->solver->checkpoint, &due));
  if (!due) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscArrayzero(gs->before, gs->n_owned));
  PackEdges(gs, false);
  State(gs, x, it, p, refresh, state);
  PetscCall(MeritCheckpointSave(gs->solver->checkpoint, it->iteration, N_STATE, state));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sweeps from x until Judge() ends them */
static PetscErrorCode Iterate(Gsru *gs, const double *r, double norm_r, double *x, double *q,
                              MeritSolveResult *result)
{
  MeritSolver    s       = gs->solver;
  MeritIteration it      = {0, NAN, NAN, NAN, NULL, 0.0};
  Progress       p       = {INFINITY, 0, false};
  bool           refresh = true, resumed;
  int64_t        n_all;

  PetscFunctionBegin;
  n_all = MeritModelLayout(gs->model)->n_all;
  PetscCall(Resume(gs, x, &it, &p, &refresh, &resumed));
  PetscCall(Check(gs, r, x, q, &it));
  for (int k = 0; k < s->n_terms; k++) s->term_change[k] = NAN;
  if (!resumed) PetscCall(MeritSolverReport(s, &it));
  if (it.residual <= MeritSolverResidualGoal(s))
    result->stop = MERIT_STOP_CONVERGED;
  else if (!isfinite(it.residual))
    result->stop = MERIT_STOP_BREAKDOWN;
  else if (s->max_it <= it.iteration)
    result->stop = MERIT_STOP_MAX_IT;
  while (result->stop == MERIT_STOP_NONE) {
    double met = 0.0;
    bool   timely;

    if (refresh) PetscCall(GsruRefresh(gs, x));
    p.fresh = refresh;
    PetscCall(Sweep(gs, x, norm_r, &it, &met));
    refresh     = it.iteration % REFRESH == 0;
    timely      = IsTimely(gs, &it, met, n_all);
    it.residual = it.residual_scaled = NAN;
    if (timely) PetscCall(Check(gs, r, x, q, &it));
    PetscCall(MeritSolverReport(s, &it));
    if (timely) result->stop = Judge(gs, &it, &p, &refresh);
    if (result->stop == MERIT_STOP_NONE) PetscCall(SaveIfDue(gs, x, &it, &p, &refresh));
  }
  result->iterations    = it.iteration;
  result->true_residual = it.residual;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Pinned equations are those of the identity */
static PetscErrorCode SolveOne(Gsru *gs, const double *r, double *x, double *q, MeritSolveResult *result)
{
  double norm_r;

  PetscFunctionBegin;
  PetscCall(Norm(gs, r, &norm_r));
  if (norm_r == 0.0) {
    PetscCall(PetscArrayzero(x, gs->n_owned));
    result->stop          = MERIT_STOP_CONVERGED;
    result->true_residual = 0.0;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  for (int32_t i = 0; i < gs->n_owned; i++)
    if (gs->eq_state[i] != MERIT_EQ_OK) x[i] = r[i];
  PetscCall(Split(gs, r, norm_r));
  PetscCall(Iterate(gs, r, norm_r, x, q, result));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Solve_GSRU(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  Gsru            *gs    = (Gsru *)s->data;
  MeritSolveResult worst = *result;
  double          *one_r, *one_x, *q;

  PetscFunctionBegin;
  PetscCall(MeritMMERefresh(s->C));
  if (gs->state != MeritModelState(gs->model)) PetscCall(Numbers(gs));
  PetscCall(PetscMalloc3(gs->n_owned, &one_r, gs->n_owned, &one_x, gs->n_owned, &q));
  for (int j = 0; j < k; j++) {
    MeritSolveResult one = *result;

    for (int64_t i = 0; i < gs->n_owned; i++) {
      one_r[i] = r[i * k + j];
      one_x[i] = x[i * k + j];
    }
    PetscCall(SolveOne(gs, one_r, one_x, q, &one));
    for (int64_t i = 0; i < gs->n_owned; i++) x[i * k + j] = one_x[i];
    if (one.stop > worst.stop) worst.stop = one.stop;
    worst.iterations    = PetscMax(worst.iterations, one.iterations);
    worst.true_residual = j ? MeritWorst(worst.true_residual, one.true_residual) : one.true_residual;
  }
  *result = worst;
  PetscCall(PetscFree3(one_r, one_x, q));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_GSRU = {"gsru", SetUp_GSRU, Solve_GSRU, View_GSRU, Reset_GSRU};
/* The same sweep, each step from the data and all effects as they are: no residual is kept (Legarra and Misztal 2008, their method GS) */
const MeritSolverOps MeritSolver_GS = {"gs", SetUp_GSRU, Solve_GSRU, View_GSRU, Reset_GSRU};

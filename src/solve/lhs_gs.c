/*
  Gauss-Seidel on the formed left-hand side: equations one after another in canonical order
  (term, level, equation), the whole of C on rank 0. It is the classical program, for problems
  that fit on one rank; its iterates are the same at any number of ranks, but for rounding.

  Set-up forms C on all ranks and gathers it on rank 0 in canonical order. A sweep is done on
  rank 0; its solution goes to the owners of the equations, who compute change and true residual
  with the operator, as for all solvers.
*/
#include "direct_impl.h"
#include <math.h>
#include <merit/kernels.h>

/* CHANGE_IS_ROUNDING: a change this small beside the solution is rounding. NO_BETTER: sweeps without a
   better residual that prove it. */
static const double CHANGE_IS_ROUNDING = 2e-14;
static const int    NO_BETTER          = 10;

/* What is kept between solves. Arrays of all equations have length 0 on other ranks. */
typedef struct {
  uint64_t     state; /* of the operator, for which C is */
  Mat          A;     /* rank 0: C in canonical order; owned */
  PetscMPIInt  rank, size;
  PetscMPIInt *count, *first; /* [size] equations of each rank; rank 0, owned */
  PetscInt    *order;         /* [n_all] global number by canonical position; rank 0, owned */
  PetscInt     n_all;
  double      *x, *r, *work; /* [n_all] by canonical position, and by global number; rank 0, owned */
} LhsGs;

/* Free all that Gather() makes. */
static PetscErrorCode Drop(LhsGs *g)
{
  PetscFunctionBegin;
  PetscCall(MatDestroy(&g->A));
  PetscCall(PetscFree2(g->count, g->first));
  PetscCall(PetscFree4(g->order, g->x, g->r, g->work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Canonical position of each owned equation: terms in formula order, then levels, then equations.
   Levels without equations leave gaps, which Order() closes. */
static PetscErrorCode Positions(MeritSolver s, PetscInt *position)
{
  int64_t base = 0;

  PetscFunctionBegin;
  for (int k = 0; k < s->n_terms; k++) {
    const MeritTermView *t = &s->term[k];

    for (int64_t i = 0; i < (int64_t)t->n_owned * t->n_eq; i++)
      position[t->eq_owned + i] = (PetscInt)(base + t->canonical[i / t->n_eq] * t->n_eq + i % t->n_eq);
    base += t->n_levels * t->n_eq;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* How many equations each rank has, and order[]: the global number (position in a gathered vector)
   of each equation in canonical order, for rank 0. Collective. */
static PetscErrorCode Order(MeritSolver s, LhsGs *g)
{
  PetscMPIInt n = (PetscMPIInt)s->n, n_all;
  PetscInt   *position, *all = NULL, *at = NULL, most = 0;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(&n, &n_all, 1, MPI_INT, MPI_SUM, s->comm));
  g->n_all = g->rank ? 0 : n_all;
  PetscCall(PetscCalloc2(g->size, &g->count, g->size, &g->first));
  PetscCall(PetscMalloc4(g->n_all + 1, &g->order, g->n_all + 1, &g->x, g->n_all + 1, &g->r, g->n_all + 1, &g->work));
  PetscCall(PetscMalloc1(s->n + 1, &position));
  PetscCall(PetscMalloc1(g->n_all + 1, &all));
  PetscCall(Positions(s, position));
  PetscCallMPI(MPI_Gather(&n, 1, MPI_INT, g->count, 1, MPI_INT, 0, s->comm));
  for (PetscMPIInt i = 1; i < g->size && !g->rank; i++) g->first[i] = g->first[i - 1] + g->count[i - 1];
  PetscCallMPI(MPI_Gatherv(position, n, MPIU_INT, all, g->count, g->first, MPIU_INT, 0, s->comm));
  for (PetscInt i = 0; i < g->n_all; i++) most = PetscMax(most, all[i] + 1);
  PetscCall(PetscMalloc1(most + 1, &at));
  /* at[canonical position]: global number, -1 in gaps; then order[] is at[] without gaps */
  for (PetscInt i = 0; i < most; i++) at[i] = -1;
  for (PetscInt i = 0; i < g->n_all; i++) at[all[i]] = i;
  for (PetscInt i = 0, n_placed = 0; i < most; i++)
    if (at[i] >= 0) g->order[n_placed++] = at[i];
  PetscCall(PetscFree(at));
  PetscCall(PetscFree(all));
  PetscCall(PetscFree(position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Form C and bring all of it to rank 0, as a sequential matrix in canonical order; other ranks
   ask for no rows. Collective. */
static PetscErrorCode Gather(MeritSolver s, LhsGs *g)
{
  Mat C, *part;
  IS  all;

  PetscFunctionBegin;
  PetscCall(Drop(g));
  PetscCall(MeritSolverState(s, &g->state));
  PetscCall(DirectAssemble(s, true, &C));
  PetscCall(Order(s, g));
  PetscCall(ISCreateGeneral(PETSC_COMM_SELF, g->n_all, g->order, PETSC_COPY_VALUES, &all));
  PetscCall(MatCreateSubMatrices(C, 1, &all, &all, MAT_INITIAL_MATRIX, &part));
  g->A = part[0];
  PetscCall(PetscObjectReference((PetscObject)g->A));
  PetscCall(MatDestroySubMatrices(1, &part));
  PetscCall(ISDestroy(&all));
  PetscCall(MatDestroy(&C));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free all. */
static PetscErrorCode Reset_LHSGS(MeritSolver s)
{
  LhsGs *g = (LhsGs *)s->data;

  PetscFunctionBegin;
  if (!g) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Drop(g));
  PetscCall(PetscFree(g));
  s->data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Set-up is Gather(): memory is refused before the solve. */
static PetscErrorCode SetUp_LHSGS(MeritSolver s)
{
  LhsGs *g;

  PetscFunctionBegin;
  PetscCall(PetscNew(&g));
  s->data = g;
  PetscCallMPI(MPI_Comm_rank(s->comm, &g->rank));
  PetscCallMPI(MPI_Comm_size(s->comm, &g->size));
  PetscCall(Gather(s, g));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Owned values [n] of all ranks -> canonical positions all[n_all] on rank 0. Collective. */
static PetscErrorCode ToRoot(MeritSolver s, LhsGs *g, const double *owned, double *all)
{
  PetscFunctionBegin;
  PetscCallMPI(MPI_Gatherv(owned, (PetscMPIInt)s->n, MPI_DOUBLE, g->work, g->count, g->first, MPI_DOUBLE, 0, s->comm));
  for (PetscInt i = 0; i < g->n_all; i++) all[i] = g->work[g->order[i]];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The reverse: canonical positions on rank 0 -> owned values. Collective. */
static PetscErrorCode FromRoot(MeritSolver s, LhsGs *g, const double *all, double *owned)
{
  PetscFunctionBegin;
  for (PetscInt i = 0; i < g->n_all; i++) g->work[g->order[i]] = all[i];
  PetscCallMPI(MPI_Scatterv(g->work, g->count, g->first, MPI_DOUBLE, owned, (PetscMPIInt)s->n, MPI_DOUBLE, 0, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One sweep on rank 0: x_i += relaxation * (r_i - sum_j C_ij x_j) / C_ii, with the x_j as they
   are. Other ranks wait. */
static PetscErrorCode SweepRoot(MeritSolver s, LhsGs *g)
{
  const PetscInt    *start, *column;
  const PetscScalar *value;
  PetscInt           n;
  PetscBool          done;

  PetscFunctionBegin;
  if (g->rank) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MatGetRowIJ(g->A, 0, PETSC_FALSE, PETSC_FALSE, &n, &start, &column, &done));
  PetscCall(MatSeqAIJGetArrayRead(g->A, &value));
  for (PetscInt i = 0; i < n; i++) {
    double sum = g->r[i], diagonal = 0.0;

    for (PetscInt e = start[i]; e < start[i + 1]; e++) {
      sum -= value[e] * g->x[column[e]];
      if (column[e] == i) diagonal = value[e];
    }
    /* an equation without a diagonal keeps its value */
    if (diagonal > 0.0) g->x[i] += s->settings.relaxation * sum / diagonal;
  }
  PetscCall(MatSeqAIJRestoreArrayRead(g->A, &value));
  PetscCall(MatRestoreRowIJ(g->A, 0, PETSC_FALSE, PETSC_FALSE, &n, &start, &column, &done));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What the sweep changed, by term and in all; x becomes the new solution `now` [n]. Collective. */
static PetscErrorCode Change(MeritSolver s, const double *now, double *x, MeritIteration *it)
{
  double *sums;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(2 * (size_t)s->n_terms + 1, &sums));
  for (int k = 0; k < s->n_terms; k++)
    for (int32_t i = s->term[k].eq_owned; i < s->term[k].eq_owned + s->term[k].n_owned * s->term[k].n_eq; i++) {
      sums[k] += (now[i] - x[i]) * (now[i] - x[i]);
      sums[s->n_terms + k] += now[i] * now[i];
      x[i] = now[i];
    }
  PetscCall(MeritSolverChange(s, 0, sums, it));
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Stop after this sweep? The criterion, rounding (steps at its level while the residual falls no
   more), or the iterations. */
static MeritStop Judge(MeritSolver s, const MeritIteration *it, double *best, int *no_better)
{
  const double goal = MeritSolverResidualGoal(s);

  if (!isfinite(it->residual) || !isfinite(it->change)) return MERIT_STOP_BREAKDOWN;
  if (goal > 0.0 ? it->residual <= goal : MeritSolverCriterion(s, it) <= s->settings.rtol) return MERIT_STOP_CONVERGED;
  *no_better = it->residual < 0.95 * *best ? 0 : *no_better + 1;
  *best      = PetscMin(*best, it->residual);
  if (it->change <= CHANGE_IS_ROUNDING && *no_better >= NO_BETTER) return MERIT_STOP_ROUNDING_FLOOR;
  return it->iteration >= s->settings.max_it ? MERIT_STOP_MAX_IT : MERIT_STOP_NONE;
}

/* One right-hand side, from x or from a checkpoint, which any number of ranks can take.
   Collective. */
static PetscErrorCode SolveOne(MeritSolver s, const double *r, double *x, MeritSolveResult *result)
{
  LhsGs           *g         = (LhsGs *)s->data;
  MeritIteration   it        = {0, NAN, NAN, NAN, NULL, 0.0};
  double           best      = INFINITY;
  int              no_better = 0;
  const MeritState state[]   = {{"x", MERIT_STATE_EQUATIONS, 1, x},
                                {"iteration", MERIT_STATE_SAME, sizeof(it.iteration), &it.iteration},
                                {"best", MERIT_STATE_SAME, sizeof(best), &best},
                                {"no_better", MERIT_STATE_SAME, sizeof(no_better), &no_better}};
  bool             due;
  double          *q, *now;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(s->n + 1, &q, s->n + 1, &now));
  PetscCall(MeritCheckpointLoad(s->checkpoint, 4, state, &due));
  if (it.iteration < 0) PetscCall(MeritCheckpointDamaged(s->checkpoint, "iteration"));
  PetscCall(MeritSolverTrueResidual(s, 1, r, x, q, &it.residual));
  if (isinf(it.residual)) PetscCall(PetscArrayzero(x, s->n)); /* nothing on the right, or a start beyond use */
  /* rank 0 sweeps on copies in canonical order; each sweep brings x back to its owners */
  PetscCall(ToRoot(s, g, r, g->r));
  PetscCall(ToRoot(s, g, x, g->x));
  PetscCall(MeritSolverTrueResidual(s, 1, r, x, q, &it.residual));
  for (int k = 0; k < s->n_terms; k++) s->term_change[k] = NAN;
  PetscCall(MeritSolverReport(s, &it));
  result->stop = MeritSolverStart(s, &it);
  while (result->stop == MERIT_STOP_NONE) {
    PetscCall(SweepRoot(s, g));
    PetscCall(FromRoot(s, g, g->x, now));
    PetscCall(Change(s, now, x, &it));
    it.iteration++;
    PetscCall(MeritSolverTrueResidual(s, 1, r, x, q, &it.residual));
    PetscCall(MeritSolverReport(s, &it));
    result->stop = Judge(s, &it, &best, &no_better);
    PetscCall(MeritCheckpointDue(s->checkpoint, &due));
    if (due && result->stop == MERIT_STOP_NONE) PetscCall(MeritCheckpointSave(s->checkpoint, it.iteration, 4, state));
  }
  result->iterations    = it.iteration;
  result->true_residual = it.residual;
  PetscCall(PetscFree2(q, now));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Form C anew if the variances have changed, then right-hand sides one after another. */
static PetscErrorCode Solve_LHSGS(MeritSolver s, int k, const double r[], double x[], MeritSolveResult *result)
{
  LhsGs   *g = (LhsGs *)s->data;
  uint64_t state;

  PetscFunctionBegin;
  PetscCall(MeritSolverState(s, &state));
  if (g->state != state) PetscCall(Gather(s, g));
  PetscCall(MeritSolverOneByOne(s, k, r, x, SolveOne, result));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Print the settings. */
static PetscErrorCode View_LHSGS(MeritSolver s, PetscViewer viewer)
{
  PetscFunctionBegin;
  PetscCall(PetscViewerASCIIPrintf(viewer, "  relaxation %g, the left-hand side on one rank\n", s->settings.relaxation));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const MeritSolverOps MeritSolver_LHSGS = {"lhs_gs", SetUp_LHSGS, Solve_LHSGS, View_LHSGS, Reset_LHSGS, .can.sweeps = false};

/*
  What all solvers have in common: criteria and what they ask of the residual, the true
  residual, changes by term, the monitor, and solving several right-hand sides one after
  another.

  Solvers end as converged only if the true residual r - C x, which is computed here by the
  operator, agrees with the criterion, whatever a recursion says. Squares are added over ranks
  before roots are taken, so all ranks have the same numbers and decide alike.
*/
#include "solver_impl.h"
#include <merit/kernels.h>
#include <math.h>
#include <stdio.h>

/* MeritSolverCriterion - Value of the chosen criterion at an iteration. Not collective. */
double MeritSolverCriterion(MeritSolver s, const MeritIteration *it)
{
  switch (s->settings.criterion) {
  case MERIT_CRITERION_RESIDUAL:
    return it->residual;
  case MERIT_CRITERION_RESIDUAL_SQ:
    return it->residual * it->residual;
  case MERIT_CRITERION_CHANGE:
    return it->change;
  default:
    return it->change * it->change;
  }
}

/* MeritSolverResidualGoal - Bound on ||q|| / ||r|| that the criterion sets, 0 if it looks at the change. Not collective. */
double MeritSolverResidualGoal(MeritSolver s)
{
  if (s->settings.criterion == MERIT_CRITERION_RESIDUAL) return s->settings.rtol;
  if (s->settings.criterion == MERIT_CRITERION_RESIDUAL_SQ) return sqrt(s->settings.rtol);
  return 0.0;
}

/* MeritSolverTrueResidual - See the header. k right-hand sides have one product with C and one
   reduction. A right-hand side of 0 with solution 0 does not count. Collective. */
PetscErrorCode MeritSolverTrueResidual(MeritSolver s, int k, const double r[], const double x[], double q[], double *relative)
{
  double *sums;

  PetscFunctionBegin;
  PetscCall(MeritMMEApplyBlock(s->C, k, x, q));
  PetscCall(PetscCalloc1(2 * (size_t)k, &sums));
  for (int32_t i = 0; i < s->n; i++)
    for (int j = 0; j < k; j++) {
      const int64_t at = (int64_t)i * k + j;

      q[at] = r[at] - q[at];
      sums[j] += q[at] * q[at];
      sums[k + j] += r[at] * r[at];
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2 * k, MPI_DOUBLE, MPI_SUM, s->comm));
  *relative = 0.0;
  for (int j = 0; j < k; j++)
    if (sums[j] != 0.0) *relative = MeritWorst(*relative, sqrt(sums[j] / sums[k + j])); /* infinite where r is 0 and C x is not */
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverReport - Hand an iteration to the monitor. Collective as the monitor is. */
PetscErrorCode MeritSolverReport(MeritSolver s, MeritIteration *it)
{
  PetscFunctionBegin;
  it->seconds     = MPI_Wtime() - s->start;
  it->term_change = s->term_change;
  if (s->settings.monitor) PetscCall((*s->settings.monitor)(it, s->settings.monitor_ctx));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverChange - See the header. sums: [n_terms] dx'dx, [n_terms] x'x, then n_more others
   of the caller: one reduction for all. Collective. */
PetscErrorCode MeritSolverChange(MeritSolver s, int n_more, double sums[], MeritIteration *it)
{
  double dx = 0.0, xx = 0.0;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2 * s->n_terms + n_more, MPI_DOUBLE, MPI_SUM, s->comm));
  /* a term whose effects are all 0 has change 0 */
  for (int k = 0; k < s->n_terms; k++) {
    const double change = sums[k], x = sums[s->n_terms + k];

    dx += change;
    xx += x;
    s->term_change[k] = x != 0.0 ? sqrt(change / x) : 0.0;
  }
  it->change = xx != 0.0 ? sqrt(dx / xx) : 0.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSolverStart - See the header. Criteria on the change say nothing of a start: with them
   only a residual of 0 has converged here. Not collective. */
MeritStop MeritSolverStart(MeritSolver s, const MeritIteration *it)
{
  if (it->residual <= MeritSolverResidualGoal(s)) return MERIT_STOP_CONVERGED;
  if (!isfinite(it->residual)) return MERIT_STOP_BREAKDOWN;
  return s->settings.max_it <= it->iteration ? MERIT_STOP_MAX_IT : MERIT_STOP_NONE;
}

/* MeritSolverOneByOne - See the header. Each right-hand side has its own start, x; the result is
   the worst stop, the most iterations, and the largest residual. Collective. */
PetscErrorCode MeritSolverOneByOne(MeritSolver s, int k, const double r[], double x[],
                                   PetscErrorCode (*solve)(MeritSolver, const double *, double *, MeritSolveResult *), MeritSolveResult *result)
{
  MeritSolveResult worst = *result;
  double          *one_r, *one_x;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(s->n + 1, &one_r, s->n + 1, &one_x));
  for (int j = 0; j < k; j++) {
    MeritSolveResult one = *result;

    for (int64_t i = 0; i < s->n; i++) {
      one_r[i] = r[i * k + j];
      one_x[i] = x[i * k + j];
    }
    PetscCall((*solve)(s, one_r, one_x, &one));
    for (int64_t i = 0; i < s->n; i++) x[i * k + j] = one_x[i];
    if (one.stop > worst.stop) worst.stop = one.stop;
    worst.iterations    = PetscMax(worst.iterations, one.iterations);
    worst.true_residual = j ? MeritWorst(worst.true_residual, one.true_residual) : one.true_residual;
  }
  *result = worst;
  PetscCall(PetscFree2(one_r, one_x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritResidualText - See the header. Not collective. */
const char *MeritResidualText(double residual, size_t size, char text[])
{
  if (isfinite(residual)) snprintf(text, size, "true residual %.3e", residual);
  else
    snprintf(text, size,
             "the solution is not a number: values of the data, variances or start are too large or too small to compute with; "
             "give them in other units");
  return text;
}

/* What all solvers share: criteria, the true residual, monitors. */
#include "solver_impl.h"
#include <merit/kernels.h>
#include <math.h>
#include <stdio.h>

/* MeritSolverCriterion - Value of the chosen criterion at an iteration. Not collective. */
double MeritSolverCriterion(MeritSolver s, const MeritIteration *it)
{
  switch (s->criterion) {
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
  if (s->criterion == MERIT_CRITERION_RESIDUAL) return s->rtol;
  if (s->criterion == MERIT_CRITERION_RESIDUAL_SQ) return sqrt(s->rtol);
  return 0.0;
}

/* MeritSolverTrueResidual - q = r - C x afresh, and the largest relative norm of the k right-hand sides, NaN if one is. Collective. */
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
  if (s->monitor) PetscCall((*s->monitor)(it, s->monitor_ctx));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritResidualText - See the header. Not collective. */
const char *MeritResidualText(double residual, size_t size, char text[])
{
  if (isfinite(residual)) snprintf(text, size, "true residual %.3e", residual);
  else
    snprintf(text, size, "the solution is not a number: values of the data, variances or start are too large or too small to compute with; "
                         "give them in other units");
  return text;
}

/* The cost of an iteration, and the time of a run. */
#include "plan_impl.h"
#include <merit/config.h>
#include <merit/memory.h>


static PetscErrorCode Table(const MeritCost *c, MeritText *text)
{
  char size[2][32];

  PetscFunctionBegin;
  MeritBytesText(c->bytes, sizeof(size[0]), size[0]);
  MeritBytesText(c->sent, sizeof(size[1]), size[1]);
  PetscCall(MeritTextAdd(text, "\nan iteration of pcg on %d rank%s x %d thread%s, foreseen for each rank\n", c->ranks, c->ranks == 1 ? "" : "s",
                         c->threads, c->threads == 1 ? "" : "s"));
  PetscCall(MeritTextAdd(text, "  %-24s %14s %12.3g s\n", "memory moved", size[0], c->seconds_memory));
  PetscCall(MeritTextAdd(text, "  %-24s %14.4g %12.3g s\n", "genotypes", c->genotypes, c->seconds_genotypes));
  PetscCall(MeritTextAdd(text, "  %-24s %14s %12.3g s in %.0f messages, %.0f reductions\n", "sent to others", size[1], c->seconds_network,
                         c->messages, c->reductions));
  PetscCall(MeritTextAdd(text, "  %-24s %14s %12.3g s\n", "in all", "", c->seconds));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanIteration(const PlanRun *run, const PlanShape *shape, double *seconds)
{
  MeritRates rates;
  MeritCost  cost;

  PetscFunctionBegin;
  PetscCall(MeritConfigRates(run->job, &rates));
  PetscCall(MeritReportCost(run->report, shape->ranks, shape->threads, &rates, &cost));
  *seconds = cost.seconds;
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanCost(MPI_Comm comm, MeritNode job, MeritReport report, const PlanShape *shape, double begun, MeritText *text, PlanNeed *need)
{
  int64_t     iterations = PLAN_ITERATIONS;
  const int   ranks      = shape->ranks;
  MeritRates  rates;
  MeritCost   cost;
  PetscMPIInt size;
  double      iterating;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &begun, 1, MPI_DOUBLE, MPI_MAX, comm));
  PetscCall(MeritConfigInt(job, "plan.iterations", 1, 1000000000, &iterations));
  PetscCall(MeritConfigRates(job, &rates));
  PetscCall(MeritReportCost(report, ranks, shape->threads, &rates, &cost));
  PetscCall(Table(&cost, text));
  begun *= (double)size / ranks;
  iterating     = (double)iterations * cost.seconds;
  need->seconds = begun + iterating + need->estimation;
  PetscCall(MeritTextAdd(text, "  a run of %lld iterations: %.3g s, of which reading and set-up %.3g s (from the %.3g s that this run took for it on %d rank%s)",
                         (long long)iterations, need->seconds, begun, begun * ranks / size, size, size == 1 ? "" : "s"));
  if (need->estimation > 0.0) PetscCall(MeritTextAdd(text, ", variances %.3g s", need->estimation));
  PetscCall(MeritTextAdd(text, "\n"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

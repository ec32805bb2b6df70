/*
  The plan of a run: its settings, and the whole forecast.

  The forecast is made in this order: the shape (nodes, ranks, threads), the bytes of a rank for the
  model, what an estimation of variances adds in the memory that this leaves, and the seconds of
  set-up, iterations and estimation. Each module foresees its own bytes and work; nothing is
  computed here but sums and maxima over ranks.
*/
#include "plan_impl.h"
#include <merit/log.h>
#include <merit/memory.h>

/* Iterations of a run, if the job does not say */
enum { ITERATIONS = 100 };

/* MeritPlanCreate - See the header. Not collective. */
PetscErrorCode MeritPlanCreate(MeritModel model, MeritReport report, MeritPlan *plan)
{
  MeritPlan p;

  PetscFunctionBegin;
  PetscCall(PetscNew(&p));
  p->comm       = MeritModelComm(model);
  p->model      = model;
  p->report     = report;
  p->iterations = ITERATIONS;
  *plan         = p;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPlanSetFromConfig - See the header. Not collective. */
PetscErrorCode MeritPlanSetFromConfig(MeritPlan p, MeritNode job)
{
  int64_t ranks = 0, threads = 0, cores = 0;

  PetscFunctionBegin;
  p->job = job;
  PetscCall(MeritConfigInt(job, "ranks", 1, 10000000, &ranks));
  PetscCall(MeritConfigInt(job, "plan.threads", 1, 100000, &threads));
  PetscCall(MeritConfigInt(job, "cores-per-node", 1, 100000, &cores));
  PetscCall(MeritConfigBytes(job, "plan.memory", &p->memory_limit));
  PetscCall(MeritConfigBytes(job, "memory-per-node", &p->node_memory));
  PetscCall(MeritConfigInt(job, "plan.iterations", 1, 1000000000, &p->iterations));
  PetscCall(MeritConfigRates(job, &p->rates));
  /* the memory of a node, if known, replaces plan.memory; both are bytes of a node */
  if (p->node_memory > 0.0) p->memory_limit = p->node_memory;
  if (p->node_memory > 0.0 && !cores) PetscCall(MeritNodeError(MeritNodeFind(job, "memory-per-node"), "is of use beside --cores-per-node only"));
  if (threads > cores && cores) PetscCall(MeritNodeError(MeritNodeFind(job, "cores-per-node"), "plan.threads are more than the cores of a node"));
  p->ranks   = (int)ranks;
  p->threads = (int)threads;
  p->cores   = (int)cores;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPlanSetVarcomp - See the header. Not collective. */
PetscErrorCode MeritPlanSetVarcomp(MeritPlan p, MeritVarcomp varcomp, Mat C)
{
  PetscFunctionBegin;
  p->varcomp = varcomp;
  p->C       = C;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Bytes of a rank, and what there is: measured and available where the ranks are those of this run */
static PetscErrorCode Memory(MeritPlan p, MeritPlanResult *r)
{
  double      peak = (double)MeritPeakMemory();
  PetscMPIInt size;

  PetscFunctionBegin;
  PetscCall(MeritPlanGetMemory(p, r->shape.ranks, &r->memory));
  r->program  = p->program;
  r->per_rank = (double)r->memory.total + p->program;
  r->measured = r->available = -1.0;
  r->on_node                 = 1;
  PetscCallMPI(MPI_Comm_size(p->comm, &size));
  /* another number of ranks: this run's peak says nothing about them */
  if (r->shape.ranks != size) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Allreduce(&peak, &r->measured, 1, MPI_DOUBLE, MPI_MAX, p->comm));
  /* the peak so far has all but the vectors, which plan does not allocate */
  r->per_rank = PetscMax(r->per_rank, r->measured + (double)r->memory.vectors);
  PetscCall(MeritMemoryAvailable(p->comm, &r->available, &r->on_node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The estimation of variances in what the model leaves of a node */
static PetscErrorCode Estimation(MeritPlan p, MeritPlanResult *r)
{
  const int on_node = r->shape.nodes ? r->shape.per_node : r->on_node;
  double    room    = -1.0;

  PetscFunctionBegin;
  r->estimated = p->varcomp != NULL;
  if (!r->estimated) PetscFunctionReturn(PETSC_SUCCESS);
  if (p->memory_limit > 0.0) room = PetscMax(0.0, (p->memory_limit / on_node - r->per_rank * MERIT_PLAN_MEMORY_MARGIN) / MERIT_PLAN_MEMORY_MARGIN);
  PetscCall(MeritVarcompForesee(p->varcomp, p->C, r->shape.ranks, r->shape.threads, room, &r->estimation));
  r->per_rank += r->estimation.bytes;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPlanForesee - See the header. Collective. */
PetscErrorCode MeritPlanForesee(MeritPlan p, double program, double setup, MeritPlanResult *r)
{
  PetscMPIInt size;

  PetscFunctionBegin;
  *r = (MeritPlanResult){.iterations = p->iterations};
  PetscCallMPI(MPI_Comm_size(p->comm, &size));
  PetscCallMPI(MPI_Allreduce(&program, &p->program, 1, MPI_DOUBLE, MPI_MAX, p->comm));
  PetscCall(PlanChooseShape(p, &r->shape));
  PetscCall(Memory(p, r));
  PetscCall(Estimation(p, r));
  PetscCallMPI(MPI_Allreduce(&setup, &r->setup_here, 1, MPI_DOUBLE, MPI_MAX, p->comm));
  PetscCall(MeritPlanGetIteration(p, r->shape.ranks, r->shape.threads, &r->iteration));
  r->ranks_here = size;
  /* reading and set-up are shared by the ranks */
  r->setup   = r->setup_here * (double)size / r->shape.ranks;
  r->seconds = r->setup + (double)p->iterations * r->iteration.seconds + r->estimation.seconds;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPlanDestroy - See the header. Not collective. */
PetscErrorCode MeritPlanDestroy(MeritPlan *plan)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(*plan));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Memory and an iteration: the sums of what the modules foresee.

  Each module adds its bytes to a MeritBytes and its work to a MeritWork; a new module needs one
  line in each function. Seconds follow from the rates of a machine (MeritRates): bytes of memory and
  genotypes a second of a core, seconds a message, bytes a second that a rank sends.
*/
#include "plan_impl.h"
#include <merit/solver.h>

/* MeritPlanGetMemory - See the header. Collective. */
PetscErrorCode MeritPlanGetMemory(MeritPlan p, int ranks, MeritPlanMemory *memory)
{
  PetscMPIInt     size;
  MeritBytes      b;
  MeritPlanMemory m;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(p->comm, &size));
  /* on the ranks of this run true sizes are counted, else the fullest of equal blocks */
  b = (MeritBytes){.ranks = ranks ? ranks : size, .here = !ranks || ranks == size};
  PetscCall(MeritModelAddBytes(p->model, &b));
  PetscCall(MeritMMEAddBytes(p->model, &b));
  PetscCall(MeritPCAddBytes(p->model, &b));
  PetscCall(MeritSolverAddBytes(p->model, &b));
  PetscCall(MeritReportAddBytes(p->report, &b));
  /* tables are read and written at different times, so that only the larger of both counts */
  m = (MeritPlanMemory){
      .records = b.records, .levels = b.levels, .genotypes = b.genotypes, .vectors = b.vectors, .files = PetscMax(b.reading, b.writing)};
  m.total = m.records + m.levels + m.genotypes + m.vectors + m.files;
  PetscCallMPI(MPI_Allreduce(&m, memory, 6, MPI_INT64_T, MPI_MAX, p->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPlanGetIteration - See the header. Collective. */
PetscErrorCode MeritPlanGetIteration(MeritPlan p, int ranks, int threads, MeritPlanIteration *i)
{
  MeritTraffic traffic;
  MeritWork    w = {.ranks = ranks};

  PetscFunctionBegin;
  PetscCall(MeritModelTraffic(p->model, ranks, &traffic));
  PetscCall(MeritMMEAddWork(p->model, &traffic, &w));
  PetscCall(MeritPCAddWork(&traffic, &w));
  PetscCall(MeritSolverAddWork(p->model, &traffic, &w));
  *i                   = (MeritPlanIteration){.work = w};
  i->seconds_memory    = w.bytes / (p->rates.memory * threads);
  i->seconds_genotypes = w.genotypes / (p->rates.genotypes * threads);
  /* a reduction over all ranks takes a message for each doubling of the ranks */
  i->seconds_network = p->rates.latency * (w.messages + MeritStages(ranks) * w.reductions) + w.sent / p->rates.network;
  i->seconds         = i->seconds_memory + i->seconds_genotypes + i->seconds_network;
  PetscFunctionReturn(PETSC_SUCCESS);
}

#include "plan_impl.h"
#include <merit/config.h>
#include <merit/log.h>
#include <merit/memory.h>
#include <stdio.h>

/* Print the estimate */
static PetscErrorCode Table(const MeritMemoryEstimate *e, double program, int ranks, MeritText *text)
{
  const struct {
    const char *what;
    double      bytes;
  } rows[] = {{"records and designs", (double)e->records}, {"levels and labels", (double)e->levels},
              {"genotypes", (double)e->genotypes},         {"solver vectors", (double)e->vectors},
              {"reading and writing", (double)e->files},   {"program", program},
              {"in all", (double)e->total + program}};
  char size[32];

  PetscFunctionBegin;
  PetscCall(MeritTextAdd(text, "\nmemory per rank on %d rank%s, estimated\n", ranks, ranks == 1 ? "" : "s"));
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    MeritBytesText(rows[i].bytes, sizeof(size), size);
    PetscCall(MeritTextAdd(text, "  %-24s %14s\n", rows[i].what, size));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanMemory(MPI_Comm comm, MeritReport report, int ranks, int64_t program, MeritText *text,
                          PlanNeed *need)
{
  MeritMemoryEstimate e;
  PetscMPIInt         n_ranks;
  double              peak = (double)MeritPeakMemory();
  char                size[32];

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(comm, &n_ranks));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &program, 1, MPI_INT64_T, MPI_MAX, comm));
  PetscCall(MeritReportMemory(report, ranks, &e));
  PetscCall(Table(&e, (double)program, ranks ? ranks : n_ranks, text));
  *need = (PlanNeed){.per_rank = (double)e.total + (double)program, .available = -1, .on_node = 1};
  if (ranks && ranks != n_ranks) PetscFunctionReturn(PETSC_SUCCESS); /* where those would run is not known */
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &peak, 1, MPI_DOUBLE, MPI_MAX, comm));
  MeritBytesText(peak, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "  %-24s %14s\n", "measured, without solver", size));
  need->per_rank = PetscMax(need->per_rank, peak + (double)e.vectors);
  PetscCall(MeritMemoryAvailable(comm, &need->available, &need->on_node));
  if (need->available < 0) PetscFunctionReturn(PETSC_SUCCESS);
  MeritBytesText(need->available, sizeof(size), size);
  PetscCall(MeritTextAdd(text, "  %-24s %14s (%d rank%s on the fullest node)\n", "available", size,
                         need->on_node, need->on_node == 1 ? "" : "s"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanRefuse(MeritNode job, const PlanNeed *need)
{
  MeritNode limit   = MeritNodeFind(job, "plan.memory");
  double    allowed = 0;
  char      size[2][32];

  PetscFunctionBegin;
  MeritBytesText(need->per_rank, sizeof(size[0]), size[0]);
  if (limit) {
    PetscCall(MeritConfigBytes(job, "plan.memory", &allowed));
    MeritBytesText(allowed, sizeof(size[1]), size[1]);
    if (need->per_rank * need->on_node > allowed)
      PetscCall(MeritNodeError(limit,
                               "%d rank%s of %s do not fit on a node of plan.memory %s; use more nodes",
                               need->on_node, need->on_node == 1 ? "" : "s", size[0], size[1]));
  }
  MeritBytesText(need->available, sizeof(size[1]), size[1]);
  if (need->available >= 0 && need->per_rank > need->available)
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL,
                         "%s per rank are needed, but a node has %s for each of its ranks; use more nodes",
                         size[0], size[1]));
  if (need->no_engine)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                         "no engine for the variances fits: %s per rank are needed; use nodes with more memory, or a higher solver.memory", size[0]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

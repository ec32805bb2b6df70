/* On how many nodes, ranks and threads a job is to run. */
#include "plan_impl.h"
#include <merit/config.h>
#include <merit/memory.h>
#include <omp.h>

/* With genotypes, whose table of SNPs and vector of effects every rank has; nodes that are tried */
enum { GENOTYPE_THREADS = 4, MOST_NODES = 1 << 20 };

/* Threads of a rank that use up the cores: one without genotypes, else the most that divides them, up to so many */
static int Threads(int cores, bool genotypes)
{
  int threads = genotypes ? GENOTYPE_THREADS : 1;

  while (cores % threads) threads--;
  return threads;
}

/* Do so many nodes hold a rank's memory as often as they have ranks? */
static PetscErrorCode Fits(MeritReport report, const PlanShape *s, double program, double memory, double *need, bool *fits)
{
  MeritMemoryEstimate e;

  PetscFunctionBegin;
  PetscCall(MeritReportMemory(report, s->ranks, &e));
  *need = PLAN_MEMORY_MARGIN * ((double)e.total + program);
  *fits = memory <= 0.0 || *need * s->per_node <= memory;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The fewest nodes that hold it: doubled until they do, then between the last two */
static PetscErrorCode FewestNodes(MeritReport report, double program, double memory, PlanShape *s, double *need, bool *fits)
{
  int low = 0, high = 1;

  PetscFunctionBegin;
  for (*fits = false; !*fits && high <= MOST_NODES; low = *fits ? low : high, high = *fits ? high : 2 * high) {
    s->nodes = high;
    s->ranks = high * s->per_node;
    PetscCall(Fits(report, s, program, memory, need, fits));
  }
  while (*fits && high - low > 1) {
    const int middle = (low + high) / 2;
    bool      enough = false;

    s->ranks = middle * s->per_node;
    PetscCall(Fits(report, s, program, memory, need, &enough));
    if (enough) high = middle;
    else low = middle;
  }
  s->nodes = high;
  s->ranks = high * s->per_node;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fewer ranks and more threads on each node, until some number of nodes holds it */
static PetscErrorCode Choose(MeritNode job, MeritReport report, int cores, double program, double memory, PlanShape *s)
{
  double need = 0.0;
  char   size[2][32];
  bool   fits = false;

  PetscFunctionBegin;
  for (int threads = s->threads; !fits && threads <= cores; threads++) {
    if (cores % threads) continue;
    s->threads  = threads;
    s->per_node = cores / threads;
    PetscCall(FewestNodes(report, program, memory, s, &need, &fits));
  }
  if (fits) PetscFunctionReturn(PETSC_SUCCESS);
  MeritBytesText(need, sizeof(size[0]), size[0]);
  MeritBytesText(memory, sizeof(size[1]), size[1]);
  PetscCall(MeritNodeError(MeritNodeFind(job, "memory-per-node"), "a rank needs %s on any number of nodes; a node has %s", size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* As many ranks as were asked for, on the nodes they fill */
static PetscErrorCode Place(MeritNode job, MeritReport report, int cores, double program, double memory, PlanShape *s)
{
  double need = 0.0;
  char   size[2][32];
  bool   fits = false;

  PetscFunctionBegin;
  s->per_node = PetscMin(s->ranks, PetscMax(1, cores / s->threads));
  s->nodes    = (s->ranks + s->per_node - 1) / s->per_node;
  PetscCall(Fits(report, s, program, memory, &need, &fits));
  if (fits) PetscFunctionReturn(PETSC_SUCCESS);
  MeritBytesText(need, sizeof(size[0]), size[0]);
  MeritBytesText(memory, sizeof(size[1]), size[1]);
  PetscCall(MeritNodeError(MeritNodeFind(job, "memory-per-node"), "%d ranks of %s each do not fit on a node of %s; leave --ranks out to have it chosen",
                           s->per_node, size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode PlanChooseShape(MPI_Comm comm, MeritNode job, MeritReport report, bool genotypes, int ranks, int64_t program, PlanShape *shape)
{
  int64_t     threads = 0, cores = 0;
  double      memory = 0.0, most;
  PetscMPIInt size;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &program, 1, MPI_INT64_T, MPI_MAX, comm));
  most = (double)program;
  PetscCall(MeritConfigInt(job, "plan.threads", 1, 100000, &threads));
  PetscCall(MeritConfigInt(job, "cores-per-node", 1, 100000, &cores));
  PetscCall(MeritConfigBytes(job, "memory-per-node", &memory));
  if (memory > 0.0 && !cores) PetscCall(MeritNodeError(MeritNodeFind(job, "memory-per-node"), "is of use beside --cores-per-node only"));
  if (threads > cores && cores) PetscCall(MeritNodeError(MeritNodeFind(job, "cores-per-node"), "plan.threads are more than the cores of a node"));
  *shape = (PlanShape){.memory = memory, .ranks = ranks ? ranks : size, .threads = threads ? (int)threads : omp_get_max_threads()};
  if (!cores) PetscFunctionReturn(PETSC_SUCCESS);
  if (!threads) shape->threads = Threads((int)cores, genotypes);
  if (ranks) PetscCall(Place(job, report, (int)cores, most, memory, shape));
  else PetscCall(Choose(job, report, (int)cores, most, memory, shape));
  PetscFunctionReturn(PETSC_SUCCESS);
}

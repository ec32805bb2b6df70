/*
  On how many nodes, ranks and threads a job is to run.

  Three cases. The cores of a node are not known: the ranks asked for, or those of this run. Ranks
  are asked for: as many nodes as they fill. Neither: the fewest nodes whose memory holds the model,
  with all their cores in use, and on these nodes the fewest ranks that are hardly slower than the
  best number. A rank needs its bytes times MERIT_PLAN_MEMORY_MARGIN.
*/
#include "plan_impl.h"
#include <math.h>
#include <merit/memory.h>
#include <omp.h>

/* With genotypes, whose table of SNPs and vector of effects every rank has; nodes that are tried */
enum { GENOTYPE_THREADS = 4, MOST_NODES = 1 << 20 };
/* More ranks have to pay: a number of them is as good as the best if it takes so many times its seconds at most, or so few seconds at all */
static const double HARDLY_LONGER = 1.05, SHORT_SECONDS = 5.0;

/* Threads of a rank that use up the cores: one without genotypes, else the most that divides them, up to so many */
static int Threads(int cores, bool genotypes)
{
  int threads = genotypes ? GENOTYPE_THREADS : 1;

  while (cores % threads) threads--;
  return threads;
}

/* Bytes of a rank: of the model, with the margin, and of the estimation in what that leaves of `memory` on a node (0: not known); fits: there is
   enough, and an engine for it. plan (NULL allowed) is the estimation's. */
static PetscErrorCode Fits(MeritPlan p, const MeritPlanShape *s, double memory, MeritVarcompPlan *plan, double *need, bool *fits)
{
  const double    most = memory > 0.0 ? memory / s->per_node : 0.0;
  MeritPlanMemory m;

  PetscFunctionBegin;
  PetscCall(MeritPlanGetMemory(p, s->ranks, &m));
  *need = MERIT_PLAN_MEMORY_MARGIN * ((double)m.total + p->program);
  *fits = memory <= 0.0 || *need <= most;
  if (!p->varcomp || !*fits || !plan) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritVarcompForesee(p->varcomp, p->C, s->ranks, s->threads, memory > 0.0 ? (most - *need) / MERIT_PLAN_MEMORY_MARGIN : -1.0, plan));
  /* engines are tried in the memory that the model leaves; without one that fits plan->engine is NULL */
  *need += MERIT_PLAN_MEMORY_MARGIN * plan->bytes;
  *fits = plan->engine && (memory <= 0.0 || *need <= most);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The fewest nodes that hold the model: doubled until they do, then between the last two */
static PetscErrorCode FewestNodes(MeritPlan p, double memory, MeritPlanShape *s, double *need, bool *fits)
{
  int low = 0, high = 1;

  PetscFunctionBegin;
  /* low nodes are too few, high nodes are enough once *fits */
  for (*fits = false; !*fits && high <= MOST_NODES; low = *fits ? low : high, high = *fits ? high : 2 * high) {
    s->nodes = high;
    s->ranks = high * s->per_node;
    PetscCall(Fits(p, s, memory, NULL, need, fits));
  }
  while (*fits && high - low > 1) {
    const int middle = (low + high) / 2;
    bool      enough = false;

    s->ranks = middle * s->per_node;
    PetscCall(Fits(p, s, memory, NULL, need, &enough));
    if (enough) high = middle;
    else low = middle;
  }
  s->nodes = high;
  s->ranks = high * s->per_node;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Seconds by which numbers of ranks are compared: of the estimation, and of as many iterations as a run has */
static PetscErrorCode Seconds(MeritPlan p, const MeritPlanShape *s, double memory, double *seconds, bool *fits)
{
  MeritVarcompPlan   plan = {0};
  MeritPlanIteration iteration;
  double             need;

  PetscFunctionBegin;
  PetscCall(Fits(p, s, memory, &plan, &need, fits));
  PetscCall(MeritPlanGetIteration(p, s->ranks, s->threads, &iteration));
  *seconds = iteration.seconds * (double)p->iterations + plan.seconds;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* On the nodes chosen, the fewest ranks (1, 2, 4, .. of a node, or all) that take hardly longer than the best of those numbers, or are done at
   once; all where memory lets none of them run, which is refused elsewhere */
static PetscErrorCode FewestRanks(MeritPlan p, double memory, MeritPlanShape *s)
{
  const int all    = s->per_node;
  double    best   = INFINITY, seconds;
  int       chosen = all;
  bool      fits   = false;

  PetscFunctionBegin;
  /* the first pass finds the best seconds, the second the fewest ranks near them */
  for (int pass = 0; pass < 2; pass++)
    for (int ranks = 1; ranks <= all; ranks = ranks < all ? PetscMin(2 * ranks, all) : all + 1) {
      const MeritPlanShape shape = {s->nodes, ranks, s->nodes * ranks, s->threads};

      PetscCall(Seconds(p, &shape, memory, &seconds, &fits));
      if (fits && !pass) best = PetscMin(best, seconds);
      if (!fits || !pass || seconds > PetscMax(HARDLY_LONGER * best, SHORT_SECONDS)) continue;
      chosen = ranks;
      break;
    }
  s->per_node = chosen;
  s->ranks    = s->nodes * chosen;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Fewer ranks and more threads on each node, until some number of nodes holds it */
static PetscErrorCode Choose(MeritPlan p, int cores, double memory, MeritPlanShape *s)
{
  double need = 0.0;
  char   size[2][32];
  bool   fits = false;

  PetscFunctionBegin;
  for (int threads = s->threads; !fits && threads <= cores; threads++) {
    if (cores % threads) continue;
    s->threads  = threads;
    s->per_node = cores / threads;
    PetscCall(FewestNodes(p, memory, s, &need, &fits));
  }
  if (fits) {
    PetscCall(FewestRanks(p, memory, s));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  MeritBytesText(need, sizeof(size[0]), size[0]);
  MeritBytesText(memory, sizeof(size[1]), size[1]);
  PetscCall(MeritNodeError(MeritNodeFind(p->job, "memory-per-node"), "a rank needs %s on any number of nodes; a node has %s", size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* As many ranks as were asked for, on the nodes they fill */
static PetscErrorCode Place(MeritPlan p, int cores, double memory, MeritPlanShape *s)
{
  double need = 0.0;
  char   size[2][32];
  bool   fits = false;

  PetscFunctionBegin;
  s->per_node = PetscMin(s->ranks, PetscMax(1, cores / s->threads));
  s->nodes    = (s->ranks + s->per_node - 1) / s->per_node;
  PetscCall(Fits(p, s, memory, NULL, &need, &fits));
  if (fits) PetscFunctionReturn(PETSC_SUCCESS);
  MeritBytesText(need, sizeof(size[0]), size[0]);
  MeritBytesText(memory, sizeof(size[1]), size[1]);
  PetscCall(MeritNodeError(MeritNodeFind(p->job, "memory-per-node"),
                           "%d ranks of %s each do not fit on a node of %s; leave --ranks out to have it chosen", s->per_node, size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PlanChooseShape - See the header. Collective. */
PetscErrorCode PlanChooseShape(MeritPlan p, MeritPlanShape *shape)
{
  PetscMPIInt size;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_size(p->comm, &size));
  *shape = (MeritPlanShape){.ranks = p->ranks ? p->ranks : size, .threads = p->threads ? p->threads : omp_get_max_threads()};
  if (!p->cores) PetscFunctionReturn(PETSC_SUCCESS);
  if (!p->threads) shape->threads = Threads(p->cores, MeritModelGenotypes(p->model) != NULL);
  if (p->ranks) PetscCall(Place(p, p->cores, p->node_memory, shape));
  else PetscCall(Choose(p, p->cores, p->node_memory, shape));
  PetscFunctionReturn(PETSC_SUCCESS);
}

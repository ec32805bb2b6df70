#pragma once
#include <merit/cost.h>
#include <merit/rates.h>
#include <merit/report.h>
#include <merit/varcomp.h>

/*
  What a run will take: memory and seconds, on the ranks and threads of the job or on the best ones for the nodes that it names. The figures come
  from the modules that own arrays and loops (Merit*AddBytes, Merit*AddWork, MeritVarcompForesee); nothing of the size of the model is made.
*/
typedef struct _p_MeritPlan *MeritPlan;

/* Factor on the memory estimate that is requested from a job scheduler, which ends jobs that need more: buffers of libraries are not in the estimate. */
#define MERIT_PLAN_MEMORY_MARGIN 1.5

/* Ranks, and on how many nodes; 0 nodes: not known. */
typedef struct {
  int nodes, per_node, ranks, threads;
} MeritPlanShape;

/* Bytes of the fullest rank; files: what reading or writing takes for a while. */
typedef struct {
  int64_t records, levels, genotypes, vectors, files, total;
} MeritPlanMemory;

/* An iteration of pcg on an average rank, and its estimated seconds. */
typedef struct {
  MeritWork work;
  double    seconds_memory, seconds_genotypes, seconds_network, seconds;
} MeritPlanIteration;

/* The whole run. */
typedef struct {
  MeritPlanShape     shape;
  MeritPlanMemory    memory;
  double             program;    /* bytes of a rank before anything was read */
  double             measured;   /* most bytes of a rank until now; -1: this run has other ranks */
  double             per_rank;   /* bytes that a rank needs, estimation included */
  double             available;  /* bytes that a node has for each of its ranks; -1: not known */
  int                on_node;    /* ranks on the fullest node */
  bool               estimated;  /* variances are estimated: */
  MeritVarcompPlan   estimation; /* how; engine NULL: none fits */
  MeritPlanIteration iteration;
  int64_t            iterations;
  double             setup;      /* seconds of reading and set-up */
  double             setup_here; /* those of this run, on so many ranks: */
  int                ranks_here;
  double             seconds; /* of the whole run */
} MeritPlanResult;

/* Make a plan of a run of a model; model and report must outlive it. Not collective. */
MERIT_EXTERN PetscErrorCode MeritPlanCreate(MeritModel model, MeritReport report, MeritPlan *plan);
/* Keys ranks, cores-per-node, memory-per-node and plan.*. USAGE errors. The job must outlive the plan. Not collective. */
MERIT_EXTERN PetscErrorCode MeritPlanSetFromConfig(MeritPlan plan, MeritNode job);
/* The variances are estimated by this object; C is the operator of the model, which is set up. Borrowed. Not collective. */
MERIT_EXTERN PetscErrorCode MeritPlanSetVarcomp(MeritPlan plan, MeritVarcomp varcomp, Mat C);
/* Memory on a number of ranks (0: those of this run, with its ghosts as they are), the estimation of variances not counted. Collective, after
   the set-up of a planned model (MeritModelSetPlanned). */
MERIT_EXTERN PetscErrorCode MeritPlanGetMemory(MeritPlan plan, int ranks, MeritPlanMemory *memory);
/* An iteration on a number of ranks and threads. Collective, as the former. */
MERIT_EXTERN PetscErrorCode MeritPlanGetIteration(MeritPlan plan, int ranks, int threads, MeritPlanIteration *iteration);
/* Estimate the run: `program` bytes a rank had before anything was read, `setup` seconds reading and set-up took here. Ranks and threads are those
   of the job; with cores-per-node as few nodes as have enough memory, and the smallest number of ranks that takes hardly longer than the best one. USAGE
   where no number of nodes would do. Collective, as the former. */
MERIT_EXTERN PetscErrorCode MeritPlanForesee(MeritPlan plan, double program, double setup, MeritPlanResult *result);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritPlanDestroy(MeritPlan *plan);

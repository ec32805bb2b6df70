#pragma once
/* merit plan: what is printed. Private to src/cli/plan*.c. */
#include <merit/file.h>
#include <merit/report.h>
#include <merit/varcomp.h>

/* What is asked of SLURM over the estimate, for SLURM ends what goes over: it leaves out buffers of libraries */
#define PLAN_MEMORY_MARGIN 1.5
/* Iterations of a run unless the job says (plan.iterations) */
#define PLAN_ITERATIONS 100

/* The columns of the records file each term and trait uses, and how they are read */
PetscErrorCode PlanColumns(const MeritFormula *formula, MeritNode job, MeritText *text);
PetscErrorCode PlanTraits(MeritReport report, const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanTerms(MeritReport report, const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanVariances(const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanAnimals(MeritModel model, MeritText *text);
PetscErrorCode PlanExclusions(MeritReport report, MeritText *text);
/* Bytes a rank needs; what there is for it (-1: not known); seconds of the estimation of variances, and of the run (0: not known); ranks on the
   fullest node. The same on all ranks. */
typedef struct {
  double per_rank, available, estimation, seconds;
  int    on_node;
  bool   no_engine; /* none for the estimation fits */
} PlanNeed;
/* What a job script asks for. 0 nodes: left to SLURM. */
typedef struct {
  int nodes, per_node, ranks, threads;
} PlanShape;
/* What the job runs: its report, and where variances are to be estimated who does it and for which equations (NULL: they are not) */
typedef struct {
  MPI_Comm     comm;
  MeritNode    job;
  MeritReport  report;
  MeritVarcomp varcomp;
  Mat          C;
  bool         genotypes;
  int64_t      program; /* bytes a rank had before anything was read */
} PlanRun;
/* Nodes, ranks and threads: as few nodes as their memory asks for, and on them as few ranks as take hardly longer than the best number; without
   cores-per-node the ranks (0: those of the run) and threads given. USAGE where no number of nodes would do. */
PetscErrorCode PlanChooseShape(const PlanRun *run, int ranks, PlanShape *shape);
/* plan_varcomp.c: bytes that a rank has for the estimation, on nodes of plan.memory or memory-per-node; -1: not known */
PetscErrorCode PlanRoom(MeritNode job, const PlanShape *shape, const PlanNeed *need, double *room);
/* The estimation, as it was foreseen */
PetscErrorCode PlanEstimation(const MeritVarcompPlan *e, MeritText *text, PlanNeed *need);
/* plan_cost.c: seconds of an iteration of pcg */
PetscErrorCode PlanIteration(const PlanRun *run, const PlanShape *shape, double *seconds);
/* Memory per rank, on this many ranks or (0) those of the run, and what the node has; `program` bytes were
   there before */
PetscErrorCode PlanMemory(MPI_Comm comm, MeritReport report, int ranks, int64_t program, MeritText *text,
                          PlanNeed *need);
/* What an iteration costs, and the seconds of a run whose reading and set-up took `begun` seconds here */
PetscErrorCode PlanCost(MPI_Comm comm, MeritNode job, MeritReport report, const PlanShape *shape, double begun, MeritText *text, PlanNeed *need);
/* Refuse what does not fit: USAGE where plan.memory sets the limit, SYSTEM where the node does */
PetscErrorCode PlanRefuse(MeritNode job, const PlanNeed *need);
/* The file of the job script is no input of the job, and new or to be replaced; before anything is read */
PetscErrorCode PlanScriptCheck(MPI_Comm comm, MeritNode job);
/* Write the job script that `sbatch` asks for, if it does, of `merit COMMAND` */
PetscErrorCode PlanScript(MPI_Comm comm, MeritNode job, const char command[], const PlanShape *shape, const PlanNeed *need);

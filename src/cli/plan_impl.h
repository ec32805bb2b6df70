#pragma once
/* merit plan: what is printed. Private to src/cli/plan*.c. */
#include <merit/file.h>
#include <merit/report.h>

/* What is asked of SLURM over the estimate, for SLURM ends what goes over: it leaves out buffers of libraries */
#define PLAN_MEMORY_MARGIN 1.5

/* The columns of the records file each term and trait uses, and how they are read */
PetscErrorCode PlanColumns(const MeritFormula *formula, MeritNode job, MeritText *text);
PetscErrorCode PlanTraits(MeritReport report, const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanTerms(MeritReport report, const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanVariances(const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanAnimals(MeritModel model, MeritText *text);
PetscErrorCode PlanExclusions(MeritReport report, MeritText *text);
/* Bytes a rank needs; what there is for it (-1: not known); seconds of the run (0: not known); ranks on the fullest node. The same on all
   ranks. */
typedef struct {
  double per_rank, available, seconds;
  int    on_node;
} PlanNeed;
/* What a job script asks for. 0 nodes: left to SLURM; 0 bytes of a node: not known. */
typedef struct {
  int    nodes, per_node, ranks, threads;
  double memory;
} PlanShape;
/* Nodes, ranks and threads: as many as the cores of nodes hold and their memory asks for; without cores-per-node the ranks (0: those of the run)
   and threads given. USAGE where no number of nodes would do. `program` as below. */
PetscErrorCode PlanChooseShape(MPI_Comm comm, MeritNode job, MeritReport report, bool genotypes, int ranks, int64_t program, PlanShape *shape);
/* Memory per rank, on this many ranks or (0) those of the run, and what the node has; `program` bytes were
   there before */
PetscErrorCode PlanMemory(MPI_Comm comm, MeritReport report, int ranks, int64_t program, MeritText *text,
                          PlanNeed *need);
/* What an iteration costs, and the seconds of a run whose reading and set-up took `begun` seconds here */
PetscErrorCode PlanCost(MPI_Comm comm, MeritNode job, MeritReport report, const PlanShape *shape, double begun, MeritText *text, PlanNeed *need);
/* Refuse what does not fit: USAGE where plan.memory sets the limit, SYSTEM where the node does */
PetscErrorCode PlanRefuse(MeritNode job, const PlanNeed *need);
/* Write the job script that `sbatch` asks for, if it does, of `merit COMMAND` */
PetscErrorCode PlanScript(MPI_Comm comm, MeritNode job, const char command[], const PlanShape *shape, const PlanNeed *need);

#pragma once
/* merit plan: what is printed. Private to src/cli/plan*.c. */
#include <merit/file.h>
#include <merit/report.h>

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
/* Memory per rank, on this many ranks or (0) those of the run, and what the node has; `program` bytes were
   there before */
PetscErrorCode PlanMemory(MPI_Comm comm, MeritReport report, int ranks, int64_t program, MeritText *text,
                          PlanNeed *need);
/* What an iteration costs on so many ranks (0: those of the run), and the seconds of a run whose reading and set-up took `begun` seconds here */
PetscErrorCode PlanCost(MPI_Comm comm, MeritNode job, MeritReport report, int ranks, double begun, MeritText *text, PlanNeed *need);
/* Refuse what does not fit: USAGE where plan.memory sets the limit, SYSTEM where the node does */
PetscErrorCode PlanRefuse(MeritNode job, const PlanNeed *need);
/* Write the job script that `sbatch` asks for, if it does */
PetscErrorCode PlanScript(MPI_Comm comm, MeritNode job, int ranks, const PlanNeed *need);

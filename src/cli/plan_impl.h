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
/* "1.25 GiB" */
void PlanBytes(double bytes, size_t size, char text[]);
/* Memory per rank, on this many ranks or (0) those of the run; what the node has; refuse what does not fit */
PetscErrorCode PlanMemory(MPI_Comm comm, MeritReport report, MeritNode job, int ranks, int64_t program,
                          MeritText *text);

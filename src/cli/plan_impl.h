#pragma once
/* merit plan: what is printed. Private to src/cli/plan*.c. Texts grow on all ranks, rank 0 prints its own. */
#include "run.h"
#include <merit/file.h>
#include <merit/plan.h>

/* The columns of the records file each term and trait uses, and how they are read */
PetscErrorCode PlanColumns(const MeritFormula *formula, MeritNode job, MeritText *text);
/* plan_print.c: tables of traits, terms, given variances, animals and what is left out, from the data. Collective. */
PetscErrorCode PlanTraits(MeritReport report, const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanTerms(MeritReport report, const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanVariances(const MeritFormula *formula, MeritText *text);
PetscErrorCode PlanAnimals(MeritModel model, MeritText *text);
PetscErrorCode PlanExclusions(MeritReport report, MeritText *text);
/* plan_quick.c: --quick: the header of the records has what the model needs, and sizes of all files, which must be there. Collective. */
PetscErrorCode PlanQuick(const MeritRun *run, MeritText *text);
/* plan_figures.c: memory, estimation of variances and time, as they were foreseen. Not collective. */
PetscErrorCode PlanFigures(const MeritPlanResult *r, MeritText *text);
/* Refuse what does not fit: USAGE where plan.memory sets the limit or no engine fits, SYSTEM where the node does. Collective. */
PetscErrorCode PlanRefuse(MeritNode job, const MeritPlanResult *r);
/* plan_sbatch.c: the file of the job script is no input of the job, and new or to be replaced, and the plan is not a quick one; before
   anything is read. Collective. */
PetscErrorCode PlanScriptCheck(MPI_Comm comm, MeritNode job);
/* Write the job script that `sbatch` asks for, if it does, of `merit COMMAND`. Collective. */
PetscErrorCode PlanScript(MPI_Comm comm, MeritNode job, const char command[], const MeritPlanResult *r);

#pragma once
/*
  merit plan: what is printed. Private to src/cli/plan*.c. Each function appends to `text`, which grows
  on all ranks alike; rank 0 prints its own.
*/
#include "run.h"
#include <merit/file.h>
#include <merit/plan.h>

/* plan_print.c: the columns of the records file that traits, terms and weights use, and how each is
   read. Needs no data. Not collective. */
PetscErrorCode PlanColumns(const MeritFormula *formula, MeritNode job, MeritText *text);
/* Observations, mean, standard deviation and range of each trait. The model is set up.
   Collective. */
PetscErrorCode PlanTraits(MeritReport report, const MeritFormula *formula, MeritText *text);
/* Kind, levels, equations and components of each term. The model is set up. Collective. */
PetscErrorCode PlanTerms(MeritReport report, const MeritFormula *formula, MeritText *text);
/* The covariance matrices that the job gives, and those that it leaves open. Not collective. */
PetscErrorCode PlanVariances(const MeritFormula *formula, MeritText *text);
/* Pedigree (animals, inbreeding) and genotypes (animals, SNPs, grid). The model is set up.
   Collective. */
PetscErrorCode PlanAnimals(MeritModel model, MeritText *text);
/* How many lines, animals and SNPs were left out, by reason. The model is set up. Collective. */
PetscErrorCode PlanExclusions(MeritReport report, MeritText *text);
/* plan_quick.c, --quick: the header of the records must have the columns that the model names, and
   all files must be there; appends columns, variances and sizes of files. Collective. Errors:
   INPUT, USAGE. */
PetscErrorCode PlanQuick(const MeritRun *run, MeritText *text);
/* plan_figures.c: memory (bytes), estimation of variances and time (seconds), as they were
   foreseen. Not collective. */
PetscErrorCode PlanFigures(const MeritPlanResult *r, MeritText *text);
/* Refuse what does not fit: USAGE where plan.memory sets the limit or no engine fits, SYSTEM where
   the node does. Collective. */
PetscErrorCode PlanRefuse(MeritNode job, const MeritPlanResult *r);
/* plan_sbatch.c, before anything is read: refuse a file for the job script that is an input of the
   job, or is there and may not be replaced, and a script of a quick plan. Collective. Errors:
   USAGE. */
PetscErrorCode PlanScriptCheck(MPI_Comm comm, MeritNode job);
/* Write the job script of `merit COMMAND`, if `sbatch` names a file for it. Rank 0 writes.
   Collective. Errors: USAGE if the file is there by now, SYSTEM if it cannot be written. */
PetscErrorCode PlanScript(MPI_Comm comm, MeritNode job, const char command[], const MeritPlanResult *r);

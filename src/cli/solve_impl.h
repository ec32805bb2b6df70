#pragma once
/* Parts of merit solve. Private to src/cli/solve*.c. */
#include <merit/report.h>
#include <merit/solver.h>

/* Genomic values of every SNP term from the equations x, for MeritReportAnimals; and their end. Collective. */
PetscErrorCode SolveGenomicValues(MeritModel model, Mat C, const double x[], double ***genomic);
PetscErrorCode SolveGenomicFree(MeritModel model, double ***genomic);
/* Give the report every column of the inverse of C. Collective. */
PetscErrorCode SolveInverse(MeritModel model, Mat C, MeritSolver solver, MeritReport report);

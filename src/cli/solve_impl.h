#pragma once
/* Parts of merit solve that merit varcomp shares. Private to src/cli. */
#include <merit/checkpoint.h>
#include <merit/report.h>
#include <merit/solver.h>

/* What the tables are made of */
typedef struct {
  MPI_Comm    comm;
  MeritNode   job; /* borrowed */
  MeritModel  model;
  MeritReport report;
  MeritOutput out;
  Mat         C;
  double     *x; /* [n_owned] solutions */
  const char *command;
  double      begun; /* time */
  MeritCheckpoint checkpoint;
  bool            done; /* an attempt before this one got to the end: there is nothing to do */
} SolveRun;

/* checkpoint.c: that of the output folder, opened if the job says restart. Collective. */
PetscErrorCode SolveCheckpoint(SolveRun *run);
/* Is it a restart of a run that is done? Collective. */
PetscErrorCode SolveIsDone(SolveRun *run, const char folder[]);
/* The model is set up: a stop asked for until now, places, and the solver has the checkpoint. Collective. */
PetscErrorCode SolvePlaces(SolveRun *run, MeritSolver solver);

/* Genomic values of every SNP term from the equations x, for MeritReportAnimals; and their end. Collective. */
PetscErrorCode SolveGenomicValues(MeritModel model, Mat C, const double x[], double ***genomic);
PetscErrorCode SolveGenomicFree(MeritModel model, double ***genomic);
/* Give the report what it needs of the inverse of C. Collective. */
PetscErrorCode SolveInverse(MeritModel model, Mat C, MeritSolver solver, MeritReport report);
/* solve_errors.c: standard errors and reliabilities as output.se asks; auto: where they are quick, or come with the cholesky that the user has
   named. The variances are those of the solutions. Collective. */
PetscErrorCode SolveErrors(const SolveRun *run, MeritSolver solver, bool named);
/* The lock and the staging folder: a result that must not be replaced is told at once. A restart of a run that is done sets run->done, or
   raises how it ended. Collective. */
PetscErrorCode SolveOpenOutput(SolveRun *run);
/* solutions.tsv, animals.tsv, snps.tsv, fitted.tsv. Collective. */
PetscErrorCode SolveTables(const SolveRun *run);
/* finish.c: how long the run took and where its results are. Collective. */
PetscErrorCode SolveFinish(const SolveRun *run);
/* How a solve ended, for summary.json */
const char *SolveState(MeritStop stop);

#pragma once
/*
  One run of a command that works on a model: solve, varcomp, plan. What they share is here; a command
  adds its own steps. Private to src/cli.
*/
#include <merit/checkpoint.h>
#include <merit/report.h>
#include <merit/solver.h>

/* The run owns its objects, made one after another; RunFree() frees them. The output ends with
   MeritOutputCommit(), job and command are borrowed. */
typedef struct {
  MPI_Comm        comm;
  MeritNode       job; /* borrowed */
  const char     *command;
  double          begun;     /* MPI_Wtime() */
  bool            estimated; /* variances may be open: the run estimates them */
  bool            planned;   /* other numbers of ranks are compared, nothing is solved */
  MeritModel      model;
  MeritReport     report;
  MeritSolver     solver;
  bool            solver_named; /* by the job or by -solver_type */
  MeritOutput     out;
  MeritCheckpoint checkpoint;
  bool            done; /* an attempt before this one has the whole result */
  Mat             C;
  double         *x;      /* [n_owned] solutions; owned */
  bool            solved; /* x holds solutions: their tables are written */
} MeritRun;

/* Steps of a command, in their order; each gets the command's own structure. NULL: there is none.
   All are collective. */
typedef struct {
  /* What can be wrong without data, beside model, report and solver */
  PetscErrorCode (*prepare)(void *command);
  /* From the data to results; makes C and x, sets run->solved */
  PetscErrorCode (*compute)(void *command);
  /* Tables beside those of solutions */
  PetscErrorCode (*write)(void *command);
  /* State, exit status and figures of the run, into what RunCommand has filled */
  PetscErrorCode (*summarise)(void *command, MeritRunSummary *);
  /* Last message; NOT_CONVERGED where that is how it ended */
  PetscErrorCode (*conclude)(void *command);
} MeritRunSteps;

/* Prepare, compute, write, summarise and conclude. The run has communicator, job, command and
   `estimated`; the caller frees it by RunFree() after what it keeps itself. After an error the
   caller ends the process. Collective. */
PetscErrorCode RunCommand(MeritRun *run, const MeritRunSteps *steps, void *command);
/* Free checkpoint, model, report, solver, operator and solutions; each may be NULL. Collective. */
PetscErrorCode RunFree(MeritRun *run);

/* Make the model as the job says; reads no data. Also for plan. Collective. Errors: USAGE. */
PetscErrorCode RunModel(MeritRun *run);
/* Make the report on the model, which is there; reads no data. Collective. Errors: USAGE. */
PetscErrorCode RunReport(MeritRun *run);
/* Make the solver and choose the process grid of genotypes; all PETSc options must be known. The
   model is there, without data. Collective. Errors: USAGE. */
PetscErrorCode RunSolver(MeritRun *run);
/* For steps that compute: read the data, make the operator C and x = 0. Raises STOPPED if a stop
   was requested while data were read. Collective. Errors: INPUT, SYSTEM, STOPPED. */
PetscErrorCode RunEquations(MeritRun *run);

/* run_output.c: take lock and staging folder of output.folder, and protect the inputs of the job. A
   result that is there is refused without `overwrite`. Collective. Errors: USAGE, SYSTEM. */
PetscErrorCode RunOpenOutput(MPI_Comm comm, MeritNode job, MeritOutput *out);
/* checkpoint.c: make the checkpoint of the output folder, and open an earlier one if the job says
   restart. Collective. Errors: USAGE where restart and overwrite do not say what to do with it. */
PetscErrorCode RunCheckpoint(MeritRun *run);
/* Does a restart find the whole result of this very job? Then run->done is set; NOT_CONVERGED is
   raised again if that run ended so. Before the output is opened. Collective. */
PetscErrorCode RunIsDone(MeritRun *run);
/* After the set-up of the model: raise STOPPED if a stop was requested until now, and give the
   checkpoint to the solver, with the positions of equations and records. Collective. */
PetscErrorCode RunPositions(MeritRun *run);
/* run_errors.c: standard errors and reliabilities as output.se asks; auto: where they are quick, or
   come with the cholesky that the user has named. The variances are those of the solutions.
   Collective. */
PetscErrorCode RunErrors(MeritRun *run);
/* run_tables.c: write solutions.tsv, animals.tsv, snps.tsv and fitted.tsv from run->x.
   Collective. */
PetscErrorCode RunTables(const MeritRun *run);
/* How a solve ended, for summary.json. Not collective. */
const char *RunState(MeritStop stop);
/* Did a solve reach the tolerance, or the floor that rounding sets? Not collective. */
bool RunConverged(MeritStop stop);
/* finish.c: how long the run took and where its results are. Collective. */
PetscErrorCode RunFinish(const MeritRun *run);

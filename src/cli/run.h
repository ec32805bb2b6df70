#pragma once
/* One run of a command that works on a model: solve, varcomp, plan. What they share is here, a command adds its own steps. Private to src/cli. */
#include <merit/checkpoint.h>
#include <merit/report.h>
#include <merit/solver.h>

typedef struct {
  MPI_Comm        comm;
  MeritNode       job; /* borrowed */
  const char     *command;
  double          begun;        /* MPI_Wtime() */
  bool            estimated;    /* variances may be open: the run estimates them */
  bool            planned;      /* other numbers of ranks are compared, nothing is solved */
  MeritModel      model;
  MeritReport     report;
  MeritSolver     solver;
  bool            solver_named; /* by the job or by -solver_type */
  MeritOutput     out;
  MeritCheckpoint checkpoint;
  bool            done;         /* an attempt before this one has the whole result */
  Mat             C;
  double         *x;            /* [n_owned] solutions; owned */
  bool            solved;       /* x holds solutions: their tables are written */
} MeritRun;

/* Steps of a command, in their order; each gets the command's own structure. NULL: there is none. All are collective. */
typedef struct {
  PetscErrorCode (*prepare)(void *command);                        /* what can be wrong without data, beside model, report and solver */
  PetscErrorCode (*compute)(void *command);                        /* from the data to results; makes C and x, sets run->solved */
  PetscErrorCode (*write)(void *command);                          /* tables beside those of solutions */
  PetscErrorCode (*summarise)(void *command, MeritRunSummary *);   /* state, exit status and figures of the run, into what RunCommand has filled */
  PetscErrorCode (*conclude)(void *command);                       /* last message; NOT_CONVERGED where that is how it ended */
} MeritRunSteps;

/* Prepare, compute, write, summarise and conclude. The run has communicator, job, command and `estimated`; the caller frees it by RunFree() after
   what it keeps itself. After an error the caller ends the process. Collective. */
PetscErrorCode RunCommand(MeritRun *run, const MeritRunSteps *steps, void *command);
/* Free model, report, solver, operator and solutions; those that are NULL too. Collective. */
PetscErrorCode RunFree(MeritRun *run);

/* Parts of the preparation, for plan: the model by the job, the report on it, and the solver with its options, all of which must be known. No data
   are read. USAGE errors. Collective. */
PetscErrorCode RunModel(MeritRun *run);
PetscErrorCode RunReport(MeritRun *run);
PetscErrorCode RunSolver(MeritRun *run);
/* For steps that compute: read the data, make the operator C and x = 0. A request to stop that came before is obeyed. Collective. */
PetscErrorCode RunEquations(MeritRun *run);

/* run_output.c: lock and staging folder of output.folder; inputs of the job are not replaced, nor a result without `overwrite`. Collective. */
PetscErrorCode RunOpenOutput(MPI_Comm comm, MeritNode job, MeritOutput *out);
/* checkpoint.c: that of the output folder, opened if the job says restart. Collective. */
PetscErrorCode RunCheckpoint(MeritRun *run);
/* Is it a restart of a run that is done? Sets run->done, or raises how that run ended. Collective. */
PetscErrorCode RunIsDone(MeritRun *run);
/* The model is set up: a stop asked for until now, places, and the solver has the checkpoint. Collective. */
PetscErrorCode RunPlaces(MeritRun *run);
/* run_errors.c: standard errors and reliabilities as output.se asks; auto: where they are quick, or come with the cholesky that the user has
   named. The variances are those of the solutions. Collective. */
PetscErrorCode RunErrors(MeritRun *run);
/* run_tables.c: solutions.tsv, animals.tsv, snps.tsv, fitted.tsv. Collective. */
PetscErrorCode RunTables(const MeritRun *run);
/* How a solve ended, for summary.json. Not collective. */
const char *RunState(MeritStop stop);
/* Did a solve reach the tolerance, or the floor that rounding sets? Not collective. */
bool RunConverged(MeritStop stop);
/* finish.c: how long the run took and where its results are. Collective. */
PetscErrorCode RunFinish(const MeritRun *run);

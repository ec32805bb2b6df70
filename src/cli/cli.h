#pragma once
#include <merit/config.h>

/*
  The frame of the command line: arguments are split, the job file is read and checked, and one
  function for each command does the rest. The terminal and the exit status are known in this folder
  only, MPI_COMM_WORLD in main.c only.
*/
typedef PetscErrorCode (*MeritCommandRun)(MPI_Comm comm, MeritNode job);

typedef struct {
  const char     *name;
  const char     *operand;            /* what stands behind it, for the usage line */
  const char     *help;               /* one line */
  const char     *example;            /* what one may type */
  MeritCommandRun run;                /* NULL: not available yet */
  int (*keys)(const MeritKey **keys); /* keys of its file and flags */
  bool stops;                         /* saves its state when asked to stop; signals end the others at once */
  bool options;                       /* sets up PETSc objects: calls MeritOptionsCheck() itself once that is done */
} MeritCommand;

/*
  Commands. Each gets the job (borrowed): a tree whose keys are checked, with the flags laid over the
  file. Each raises what goes wrong: USAGE, INPUT and SYSTEM errors, and those named below. All are
  collective.
*/

/* Check all inputs and foresee memory and time of a run. Writes at most the script of --sbatch. */
PetscErrorCode MeritCommandPlan(MPI_Comm comm, MeritNode job);
/* Solve the equations with known variances. NOT_CONVERGED, with outputs; STOPPED on request. */
PetscErrorCode MeritCommandSolve(MPI_Comm comm, MeritNode job);
/* Estimate variances, and solve at the estimates. NOT_CONVERGED, with outputs; STOPPED on
   request. */
PetscErrorCode MeritCommandVarcomp(MPI_Comm comm, MeritNode job);
/* Breeding values of other genotypes from estimated SNP effects. */
PetscErrorCode MeritCommandPredict(MPI_Comm comm, MeritNode job);
/* Make the population that a specification asks for, and write it. */
PetscErrorCode MeritCommandSimulate(MPI_Comm comm, MeritNode spec);
/* The table of commands; n is its length. Constant. Not collective. */
const MeritCommand *MeritCommands(int *n);

/*
  Tables of keys. Each function returns the number of keys; the table lives as long as the process. A
  key whose help begins with "yes | no" is a switch: its flag needs no value. Not collective.
*/

/* Keys of a job file. */
int MeritJobKeys(const MeritKey **keys);
/* These, and behind them the keys that `plan` alone has. */
int MeritPlanKeys(const MeritKey **keys);
/* Keys of the file of `predict`. */
int MeritPredictKeys(const MeritKey **keys);

/* A USAGE error if a PETSc option was given that nothing has asked for. Call it after the PETSc
   objects of the run are set up on something small, and before data are read. Collective. */
PetscErrorCode MeritOptionsCheck(MPI_Comm comm);

/* The command line, split. Strings are borrowed from argv or owned until the process ends. */
typedef struct {
  const char *key, *value;
} MeritFlag;

typedef struct {
  const MeritCommand *command; /* NULL: none */
  const char         *operand; /* NULL: none */
  bool                help, version;
  int                 n_flags, n_petsc;
  MeritFlag          *flag;       /* [n_flags] */
  char              **petsc;      /* [n_petsc] what PetscInitialize gets, argv[0] first */
  char                error[512]; /* "" or what is wrong */
} MeritArguments;

/* Split argv, which must outlive the arguments. Before MPI and PETSc are up, so that what is wrong
   is only noted, in `error`. Not collective. */
void MeritArgumentsSplit(int argc, char **argv, MeritArguments *arguments);
/* Read the job file, lay the flags over it, check all keys, and run the command. What is wrong with
   the command line is raised here too (USAGE). Collective. */
PetscErrorCode MeritArgumentsRun(MPI_Comm comm, const MeritArguments *arguments);
/* `output: out`, short for `output: {folder: out}`, brought to that form. Not collective. */
PetscErrorCode MeritJobExpandOutput(MeritNode job);
/* Paths of genotypes without the ending of one of their files: chip.bed becomes the prefix chip,
   unless there is a chip.bed.bed. Rank 0 looks. Collective. */
PetscErrorCode MeritJobPrefix(MPI_Comm comm, MeritNode job);
/* Answer what needs no run, before MPI and PETSc are up, which take longer than the answer: help,
   the version, a command line that is wrong. False: there is a run to make; else *status is the
   exit status. Each process calls; one of them prints. */
bool MeritArgumentsAnswer(const MeritArguments *arguments, int *status);
/* Print help on a command (NULL: on all of them) to stdout. Not collective: one rank calls. */
void MeritPrintHelp(const MeritCommand *command);
/* Print the versions of Merit, PETSc and MPI to stdout. Not collective: one rank calls. */
void MeritPrintVersion(void);

/* Keep PETSc from printing errors (not if MERIT_DEBUG is in the environment), but remember what
   they were. Not collective. */
PetscErrorCode MeritErrorsInstall(void);
/* Print why a run ended with an error code, once, and return the exit status; 0: no error. Does
   not return if the ranks do not hold the same error: MPI_Abort ends all. All ranks with an
   error call. */
int MeritErrorsReport(MPI_Comm comm, PetscErrorCode code);
/* Show messages, progress and requests to stop on stderr, those of rank 0. Not collective. */
void MeritProgressInstall(MPI_Comm comm);
/* Clear a progress line that is on the terminal, so that other text may be printed. Not
   collective. */
void MeritProgressEnd(void);

#pragma once
#include <merit/config.h>

/*
  The frame of the command line: arguments are split, the job file is read and checked, and one function per
  command does the rest.
  Only here are MPI_COMM_WORLD, the terminal and the exit status known.
*/
typedef PetscErrorCode (*MeritCommandRun)(MPI_Comm comm, MeritNode job);

typedef struct {
  const char     *name;
  const char     *operand;            /* what stands behind it, for the usage line */
  const char     *help;               /* one line */
  const char     *example;            /* what one may type */
  MeritCommandRun run;                /* NULL: not available yet */
  int (*keys)(const MeritKey **keys); /* keys of its file and flags */
  bool stops;   /* saves its state when asked to stop; signals end the others at once */
  bool options; /* sets up PETSc objects: calls MeritOptionsCheck() itself once that is done */
} MeritCommand;

/* Commands. Each gets the checked job with the flags laid over it, and raises what goes wrong. Collective. */
PetscErrorCode MeritCommandPlan(MPI_Comm comm, MeritNode job);
PetscErrorCode MeritCommandSolve(MPI_Comm comm, MeritNode job);
PetscErrorCode MeritCommandVarcomp(MPI_Comm comm, MeritNode job);
PetscErrorCode MeritCommandPredict(MPI_Comm comm, MeritNode job);
PetscErrorCode MeritCommandSimulate(MPI_Comm comm, MeritNode spec);
/* The table of them; n is its length. */
const MeritCommand *MeritCommands(int *n);

/* Keys of the job file, those and what only `plan` knows, and keys of `predict`. A key whose help begins with "yes | no" is a switch: its flag may
   stand alone. Returns how many. */
int MeritJobKeys(const MeritKey **keys);
int MeritPlanKeys(const MeritKey **keys);
int MeritPredictKeys(const MeritKey **keys);

/* A USAGE error if a PETSc option was given that nothing has asked for. Call it after the PETSc objects of the run are set up on
   something small, and before data are read. Collective. */
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

/* Split argv. Before MPI and PETSc are up, so what is wrong is noted in `error` only. */
void MeritArgumentsSplit(int argc, char **argv, MeritArguments *arguments);
/* Do what they ask for. Collective. */
PetscErrorCode MeritArgumentsRun(MPI_Comm comm, const MeritArguments *arguments);
/* Shorter forms of the job file brought to the full one: `output: out`, `genotypes.bfile: chip.bed`. */
PetscErrorCode MeritJobExpandOutput(MeritNode job);
PetscErrorCode MeritJobPrefix(MPI_Comm comm, MeritNode job);
/* Answer what needs no run, before MPI and PETSc are up, which take longer than the answer: help, the version, a command line that is
   wrong. False: there is a run to make; else *status is the exit status. */
bool MeritArgumentsAnswer(const MeritArguments *arguments, int *status);
/* Print help or version text to stdout; rank 0. */
void MeritPrintHelp(const MeritCommand *command);
void MeritPrintVersion(void);

/* Keep PETSc quiet about errors (MERIT_DEBUG in the environment: let it talk), but remember what they were. */
PetscErrorCode MeritErrorsInstall(void);
/* Say why a run ended with an error code, once, and return the exit status; does not return if the ranks do
   not agree. */
int MeritErrorsReport(MPI_Comm comm, PetscErrorCode code);
/* Show messages and progress on stderr (rank 0). */
void MeritProgressInstall(MPI_Comm comm);
/* End a progress line that is on the terminal. */
void MeritProgressEnd(void);

/*
  The program `merit`. Its steps, in order:

  1. Split the command line. Help, the version and a wrong command line are answered at once, before
     MPI and PETSc start, which takes longer than the answer.
  2. Catch signals, start PETSc (and MPI with it), install the handlers of errors and messages.
  3. Run the command. An error is printed once and becomes the exit status.
  4. End PETSc.

  Here alone MPI_COMM_WORLD is named; all other functions get a communicator.
*/
#include "cli.h"
#include <merit/checkpoint.h>
#include <merit/log.h>

int main(int argc, char **argv)
{
  MeritArguments arguments;
  bool           stops;
  int            status;

  MeritArgumentsSplit(argc, argv, &arguments);
  if (MeritArgumentsAnswer(&arguments, &status)) return status;
  stops = arguments.command->stops;
  /* A request to stop may come before PETSc is started */
  if (stops && MeritRequestsCatch()) return MERIT_ERROR_SYSTEM;
  arguments.petsc[arguments.n_petsc] = NULL;
  if (PetscInitialize(&arguments.n_petsc, &arguments.petsc, NULL, NULL)) return MERIT_ERROR_SYSTEM;
  /* PetscInitialize sets its own signal handlers, so that ours are set again */
  if (MeritErrorsInstall() || (stops && MeritRequestsCatch())) return MERIT_ERROR_SYSTEM;
  MeritProgressInstall(MPI_COMM_WORLD);
  status = MeritErrorsReport(MPI_COMM_WORLD, MeritArgumentsRun(MPI_COMM_WORLD, &arguments));
  MeritProgressEnd();
  MeritLogReset();
  if (status && PetscOptionsClear(NULL)) return MERIT_ERROR_SYSTEM; /* else PETSc lists those the run did not come to */
  if (PetscFinalize()) return MERIT_ERROR_SYSTEM;
  return status;
}

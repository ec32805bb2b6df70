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
  if (stops && MeritRequestsCatch()) return MERIT_ERROR_SYSTEM; /* a request may come before PETSc is there */
  arguments.petsc[arguments.n_petsc] = NULL;
  if (PetscInitialize(&arguments.n_petsc, &arguments.petsc, NULL, NULL)) return MERIT_ERROR_SYSTEM;
  if (MeritErrorsInstall() || (stops && MeritRequestsCatch())) return MERIT_ERROR_SYSTEM;
  MeritProgressInstall(MPI_COMM_WORLD);
  status = MeritErrorsReport(MPI_COMM_WORLD, MeritArgumentsRun(MPI_COMM_WORLD, &arguments));
  MeritProgressEnd();
  MeritLogReset();
  if (status && PetscOptionsClear(NULL))
    return MERIT_ERROR_SYSTEM; /* else PETSc lists those the run did not come to */
  if (PetscFinalize()) return MERIT_ERROR_SYSTEM;
  return status;
}

/* From the command line to the command: its file with the flags laid over it, checked. */
#include "cli.h"
#include <merit/memory.h>

/* The command's file, with the flags laid over it, checked */
static PetscErrorCode LoadJob(MPI_Comm comm, const MeritArguments *a, MeritNode *job)
{
  const MeritKey *keys;
  const int       n         = a->command->keys(&keys);
  const bool      variances = MeritConfigKnown("variances", n, keys, 0, NULL);

  PetscFunctionBegin;
  PetscCall(MeritConfigLoad(comm, a->operand, job));
  if (MeritConfigKnown("output.folder", n, keys, 0, NULL)) PetscCall(MeritJobExpandOutput(*job));
  if (variances) PetscCall(MeritConfigInclude(comm, *job, "variances", "variances.yaml"));
  for (int f = 0; f < a->n_flags; f++) {
    PetscCall(MeritConfigSet(*job, a->flag[f].key, a->flag[f].value));
    if (variances) PetscCall(MeritConfigInclude(comm, *job, "variances", "variances.yaml")); /* flags for one of them come on top */
  }
  PetscCall(MeritConfigCheck(*job, n, keys));
  PetscCall(MeritJobPrefix(comm, *job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritArgumentsRun - Do what the command line asks for; what is wrong with it is raised here. Collective. */
PetscErrorCode MeritArgumentsRun(MPI_Comm comm, const MeritArguments *a)
{
  MeritNode   job = NULL;
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (a->error[0]) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "%s", a->error));
  if (a->help || a->version) {
    if (rank == 0 && a->help)
      MeritPrintHelp(a->command);
    else if (rank == 0)
      MeritPrintVersion();
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (!a->command->options) PetscCall(MeritOptionsCheck(comm));
  PetscCall(LoadJob(comm, a, &job));
  PetscCheck(MeritBlasReserve(1), PETSC_COMM_SELF, PETSC_ERR_MEM, "no room for the work array of BLAS, 128 MiB");
  PetscCall(a->command->run(comm, job));
  PetscCall(MeritConfigDestroy(&job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  From the command line to the command. The job file is read, short forms are brought to the full
  ones, flags are laid over the file in the order of the command line, and every key must be known.
  Values are checked by those who use them.
*/
#include "cli.h"
#include <merit/memory.h>

/* The checked tree of the command's file and flags; the caller frees it. Collective. Errors:
   USAGE. */
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
    /* Flags for single variances come on top of a file of them */
    if (variances) PetscCall(MeritConfigInclude(comm, *job, "variances", "variances.yaml"));
  }
  PetscCall(MeritConfigCheck(*job, n, keys));
  PetscCall(MeritJobPrefix(comm, *job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritArgumentsRun - See the header. Collective. After an error the tree of the job is not freed:
   the process ends (rule 6 of docs/developing.md). */
PetscErrorCode MeritArgumentsRun(MPI_Comm comm, const MeritArguments *a)
{
  MeritNode   job = NULL;
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (a->error[0]) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "%s", a->error));
  if (a->help || a->version) {
    if (rank == 0 && a->help) MeritPrintHelp(a->command);
    else if (rank == 0) MeritPrintVersion();
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  /* A command without PETSc objects uses no options of PETSc but those that PETSc itself takes */
  if (!a->command->options) PetscCall(MeritOptionsCheck(comm));
  PetscCall(LoadJob(comm, a, &job));
  /* BLAS gets its work array before data fill the memory: OpenBLAS that is refused one later asks
     for ever */
  PetscCheck(MeritBlasReserve(1), PETSC_COMM_SELF, PETSC_ERR_MEM, "no room for the work array of BLAS, 128 MiB");
  PetscCall(a->command->run(comm, job));
  PetscCall(MeritConfigDestroy(&job));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The output folder of a command: opened before data are read, and its inputs protected.
*/
#include "inputs.h"
#include "run.h"

/* RunOpenOutput - See the header. Collective. */
PetscErrorCode RunOpenOutput(MPI_Comm comm, MeritNode job, MeritOutput *out)
{
  char *folder    = NULL;
  bool  overwrite = false;

  PetscFunctionBegin;
  PetscCall(MeritConfigPath(job, "output.folder", &folder));
  if (!folder) PetscCall(MeritNodeError(job, "the job file has no output: folder"));
  PetscCall(MeritConfigBool(job, "overwrite", &overwrite));
  PetscCall(MeritOutputOpen(comm, folder, overwrite, out));
  PetscCall(InputsKeep(job, *out));
  PetscCall(PetscFree(folder));
  PetscFunctionReturn(PETSC_SUCCESS);
}

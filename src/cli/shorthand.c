/*
  What a job file may say in a shorter or looser way, brought to the one form that all code behind
  it reads. Done before flags are laid over the file, or right after, and before keys are checked or
  values read.
*/
#include "cli.h"
#include <merit/genotypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* MeritJobExpandOutput - `output: out` is short for `output: {folder: out}`, so that a flag such as
   --output.se can be laid over either form. Not collective. */
PetscErrorCode MeritJobExpandOutput(MeritNode job)
{
  MeritNode output = MeritNodeFind(job, "output"), child;

  PetscFunctionBegin;
  if (!output || output->kind != MERIT_NODE_SCALAR) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscNew(&child));
  /* The text moves from the old node into the new child */
  *child         = *output;
  output->kind   = MERIT_NODE_MAP;
  output->text   = NULL;
  output->quoted = false;
  output->n      = 1;
  PetscCall(PetscMalloc1(1, &output->key));
  PetscCall(PetscMalloc1(1, &output->child));
  PetscCall(PetscStrallocpy("folder", &output->key[0]));
  output->child[0] = child;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One key of a format: cut the ending off its path, unless a file exists whose name has it twice.
   Rank 0 looks, and all ranks do the same. Collective. */
static PetscErrorCode Shorten(MPI_Comm comm, MeritNode job, const char key[])
{
  MeritNode   node = MeritNodeFind(job, key);
  char       *path = NULL, file[PETSC_MAX_PATH_LEN];
  const char *first;
  PetscMPIInt rank;
  int         exact;
  size_t      ending;

  PetscFunctionBegin;
  if (!node || node->kind != MERIT_NODE_SCALAR) PetscFunctionReturn(PETSC_SUCCESS);
  ending = MeritGenotypesEnding(key, node->text, &first);
  if (!ending) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(MeritConfigPath(job, key, &path));
  snprintf(file, sizeof(file), "%s%s", path, first);
  exact = !rank && !access(file, F_OK);
  PetscCallMPI(MPI_Bcast(&exact, 1, MPI_INT, 0, comm));
  /* The text of the node keeps its memory and ends earlier */
  if (!exact) node->text[strlen(node->text) - ending] = 0;
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritJobPrefix - `genotypes.bfile: chip.bed` means the prefix chip, unless there is a
   chip.bed.bed. Collective; rank 0 looks. */
PetscErrorCode MeritJobPrefix(MPI_Comm comm, MeritNode job)
{
  const MeritKey *format[MERIT_MOST_FORMATS];
  const int       n = MeritGenotypesFormats(format, MERIT_MOST_FORMATS);

  PetscFunctionBegin;
  for (int i = 0; i < n; i++) PetscCall(Shorten(comm, job, format[i]->path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

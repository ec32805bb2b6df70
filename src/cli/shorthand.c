/* What a job file may say in a shorter or looser way, brought to the one form that everything behind it reads. */
#include "cli.h"
#include <string.h>
#include <unistd.h>

/* MeritJobExpandOutput - `output: out` is short for `output: {folder: out}`, so that its keys can be laid over either. Not collective. */
PetscErrorCode MeritJobExpandOutput(MeritNode job)
{
  MeritNode output = MeritNodeFind(job, "output"), child;

  PetscFunctionBegin;
  if (!output || output->kind != MERIT_NODE_SCALAR) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscNew(&child));
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

/* Bytes of the ending .bed, .bim or .fam, 0 if there is none */
static size_t Ending(const char path[])
{
  const size_t length = strlen(path);

  if (length <= 4) return 0;
  path += length - 4;
  return strcmp(path, ".bed") && strcmp(path, ".bim") && strcmp(path, ".fam") ? 0 : 4;
}

/*
  MeritJobPrefix - `genotypes.bfile: chip.bed` means the prefix chip, unless there is a chip.bed.bed. Collective; rank 0 looks.
*/
PetscErrorCode MeritJobPrefix(MPI_Comm comm, MeritNode job)
{
  MeritNode   node = MeritNodeFind(job, "genotypes.bfile");
  char       *path = NULL, *bed;
  PetscMPIInt rank;
  int         exact;
  size_t      length;

  PetscFunctionBegin;
  if (!node || node->kind != MERIT_NODE_SCALAR || !Ending(node->text)) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(MeritConfigPath(job, "genotypes.bfile", &path));
  length = strlen(path) + 5;
  PetscCall(PetscMalloc1(length, &bed));
  snprintf(bed, length, "%s.bed", path);
  exact = !rank && !access(bed, F_OK);
  PetscCallMPI(MPI_Bcast(&exact, 1, MPI_INT, 0, comm));
  if (!exact) node->text[strlen(node->text) - Ending(node->text)] = 0;
  PetscCall(PetscFree(bed));
  PetscCall(PetscFree(path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

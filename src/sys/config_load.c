/* Reading of job files: rank 0 reads the bytes, all ranks parse them, so that all have the same
   tree. */
#include "config_private.h"
#include "file_private.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Most bytes of a job file, which is a page or two: a larger file is most likely data given by
   mistake */
enum { MAX_JOB_BYTES = 16 << 20 };

/* The whole file on this rank; *text is owned by the caller, NULL after a fault */
static PetscErrorCode ReadAll(const char path[], char **text, int64_t *length, MeritFault *fault)
{
  struct stat about;
  const int   opened = FileOpen(path, MERIT_ERROR_USAGE, &about, fault);
  FILE       *file;
  size_t      n = 0, room = 1 << 14, got;

  PetscFunctionBegin;
  *text = NULL;
  if (opened < 0) PetscFunctionReturn(PETSC_SUCCESS);
  file = fdopen(opened, "rb");
  if (!file) {
    MeritFaultSet(fault, MERIT_ERROR_USAGE, path, 0, NULL, "cannot be opened: %s", strerror(errno));
    close(opened);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscMalloc1(room, text));
  while ((got = fread(*text + n, 1, room - n, file)) > 0) {
    n += got;
    if (n > MAX_JOB_BYTES) break;
    if (n < room) continue;
    room *= 2;
    PetscCall(PetscRealloc(room, text));
  }
  if (n > MAX_JOB_BYTES) MeritFaultSet(fault, MERIT_ERROR_USAGE, path, 0, NULL, "too large for a job file (more than 16 MiB); is it a data file?");
  else if (ferror(file)) MeritFaultSet(fault, MERIT_ERROR_USAGE, path, 0, NULL, "cannot be read: %s", strerror(errno));
  fclose(file);
  *length = (int64_t)n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigLoad - Read a job file into a tree that is the same on every rank.

  Collective on comm; rank 0 alone touches the file.

  Input Parameters:
+ comm - the ranks
- path - the file

  Output Parameter:
. root - the tree, a MAP; free with `MeritConfigDestroy()`

  A file that cannot be read, and all that `MeritConfigParse()` refuses, are USAGE errors.
@*/
PetscErrorCode MeritConfigLoad(MPI_Comm comm, const char path[], MeritNode *root)
{
  MeritFault     fault  = {0};
  char          *text   = NULL;
  int64_t        length = 0;
  PetscMPIInt    rank;
  PetscErrorCode code;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) PetscCall(ReadAll(path, &text, &length, &fault));
  /* The text is freed before an error is raised */
  code = MeritFaultAgree(comm, &fault);
  if (code) PetscCall(PetscFree(text));
  PetscCall(code);
  PetscCallMPI(MPI_Bcast(&length, 1, MPI_INT64_T, 0, comm));
  if (rank) PetscCall(PetscMalloc1(length + 1, &text));
  PetscCallMPI(MPI_Bcast(text, (int)length, MPI_BYTE, 0, comm));
  code = MeritConfigParse(path, text, (size_t)length, root);
  PetscCall(PetscFree(text));
  PetscFunctionReturn(code);
}

/*
  State of input files.

  Only plain files are opened: a pipe or a device could block the run, and cannot be read twice.
  Size, inode and time of modification are noted when a file is opened, so that a change during the
  run is seen (MeritFileCheck, MeritFileChanged) and the result is not of a mixture of two files.
*/
#include "file_private.h"
#include <merit/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What identifies one content of a file */
typedef struct {
  char           *path; /* owned */
  dev_t           device;
  ino_t           inode;
  off_t           bytes;
  struct timespec modified;
} FileState;

/* Files of this process by path; a run has about a dozen, so the list is searched linearly */
static struct {
  int        n;
  FileState *file;
} known;

/* Text of an error for what is not a plain file */
static const char *KindOf(mode_t mode)
{
  if (S_ISDIR(mode)) return "is a folder, not a file";
  if (S_ISFIFO(mode)) return "is a pipe, not a file: write its content to a file, which is read more than once";
  if (S_ISSOCK(mode)) return "is a socket, not a file";
  return "is a device, not a file";
}

/* FileOpen - See the header. stat() comes before open(), since opening a pipe would wait for its
   writer. Not collective. */
int FileOpen(const char path[], MeritErrorKind kind, struct stat *about, MeritFault *fault)
{
  int file;

  if (stat(path, about)) {
    MeritFaultSet(fault, kind, path, 0, NULL, "cannot be opened: %s", strerror(errno));
    return -1;
  }
  if (!S_ISREG(about->st_mode)) {
    MeritFaultSet(fault, kind, path, 0, NULL, "%s", KindOf(about->st_mode));
    return -1;
  }
  file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* without waiting, if it has become a pipe since */
  if (file >= 0 && !fstat(file, about) && S_ISREG(about->st_mode)) return file;
  MeritFaultSet(fault, kind, path, 0, NULL, "cannot be opened: %s", file < 0 ? strerror(errno) : "it is not a plain file any more");
  if (file >= 0) close(file);
  return -1;
}

/* The note of a path, or NULL */
static FileState *Find(const char path[])
{
  for (int i = 0; i < known.n; i++)
    if (!strcmp(known.file[i].path, path)) return &known.file[i];
  return NULL;
}

/* FileRemember - See the header. Not collective. */
void FileRemember(const char path[], const struct stat *about)
{
  FileState *state = Find(path);

  if (!state) {
    FileState *more = realloc(known.file, (size_t)(known.n + 1) * sizeof(*more));
    char      *name = strdup(path);

    if (more) known.file = more;
    if (!more || !name) {
      free(name);
      return;
    }
    state       = &known.file[known.n++];
    state->path = name;
  }
  state->device   = about->st_dev;
  state->inode    = about->st_ino;
  state->bytes    = about->st_size;
  state->modified = about->st_mtim;
}

/* What happened to a file since it was noted; "" if it is unchanged or was never noted */
static void Compare(const char path[], size_t size, char what[])
{
  const FileState *was = Find(path);
  struct stat      is;

  what[0] = 0;
  if (!was) return;
  if (stat(path, &is)) snprintf(what, size, "went away");
  else if (is.st_size != was->bytes) snprintf(what, size, "changed from %lld to %lld bytes", (long long)was->bytes, (long long)is.st_size);
  else if (is.st_dev != was->device || is.st_ino != was->inode) snprintf(what, size, "was replaced by another file of its name");
  else if (is.st_mtim.tv_sec != was->modified.tv_sec || is.st_mtim.tv_nsec != was->modified.tv_nsec) snprintf(what, size, "was written anew");
}

/*@
  MeritFileOpen - Open an input for reading and remember what it is now.

  Not collective. *file is -1 after a fault: INPUT for what cannot be opened or is no plain file. The caller closes it.
@*/
PetscErrorCode MeritFileOpen(const char path[], int *file, int64_t *bytes, MeritFault *fault)
{
  struct stat about;

  PetscFunctionBegin;
  *bytes = 0;
  *file  = FileOpen(path, MERIT_ERROR_INPUT, &about, fault);
  if (*file < 0) PetscFunctionReturn(PETSC_SUCCESS);
  FileRemember(path, &about);
  *bytes = (int64_t)about.st_size;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFileCheck - A fault (INPUT) where an input is not what it was when it was opened to be read.

  Not collective; to be called at the end of a reading, on the rank that opened it.
@*/
PetscErrorCode MeritFileCheck(const char path[], MeritFault *fault)
{
  char what[128];

  PetscFunctionBegin;
  Compare(path, sizeof(what), what);
  if (what[0]) MeritFaultSet(fault, MERIT_ERROR_INPUT, path, 0, NULL, "%s while it was read; run again when the file is complete", what);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFileChanged - What became of an input since it was read, "" where it is what it was.

  Collective on comm; rank 0 looks. what[size] is a few words such as "was written anew".
@*/
PetscErrorCode MeritFileChanged(MPI_Comm comm, const char path[], size_t size, char what[])
{
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  memset(what, 0, size);
  if (rank == 0) Compare(path, size, what);
  PetscCallMPI(MPI_Bcast(what, (int)size, MPI_CHAR, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

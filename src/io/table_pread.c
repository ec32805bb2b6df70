#include "table_private.h"
#include <merit/exchange.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

PetscErrorCode TableFileSize(MPI_Comm comm, const char path[], int64_t *bytes)
{
  MeritFault  fault = {0};
  PetscMPIInt rank;
  struct stat about;

  PetscFunctionBegin;
  *bytes = 0;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &about) < 0)
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, path, 0, NULL, "cannot be read: %s", strerror(errno));
    else if (!S_ISREG(about.st_mode)) MeritFaultSet(&fault, MERIT_ERROR_INPUT, path, 0, NULL, "is not a file");
    else *bytes = (int64_t)about.st_size;
    if (fd >= 0) close(fd);
  }
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscCallMPI(MPI_Bcast(bytes, 1, MPI_INT64_T, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode TableFileRead(const char path[], int64_t offset, int64_t n, void *to, MeritFault *fault)
{
  int     fd   = open(path, O_RDONLY);
  int64_t done = 0;

  PetscFunctionBegin;
  while (fd >= 0 && done < n) {
    ssize_t got = pread(fd, (char *)to + done, (size_t)PetscMin(n - done, MeritMaxMessage()), (off_t)(offset + done));

    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += got;
  }
  if (done < n)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, path, 0, NULL, "cannot be read at byte %lld: %s", (long long)(offset + done),
                  fd < 0 || errno ? strerror(errno) : "the file ends early");
  if (fd >= 0) close(fd);
  PetscFunctionReturn(PETSC_SUCCESS);
}

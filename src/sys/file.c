/* Sizes, reading and checksums of input files. Requests are of bounded size, and errors name the
    file. */
#include "file_private.h"
#include <merit/exchange.h>
#include <merit/file.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* Size of a file in bytes on all ranks; rank 0 looks. remember: note its state for
   MeritFileChanged(). Collective. */
static PetscErrorCode Size(MPI_Comm comm, const char path[], bool remember, int64_t *bytes)
{
  MeritFault  fault = {0};
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) {
    struct stat about;
    const int   file = FileOpen(path, MERIT_ERROR_INPUT, &about, &fault);

    if (file >= 0) {
      if (remember) FileRemember(path, &about);
      *bytes = (int64_t)about.st_size;
      close(file);
    }
  }
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscCallMPI(MPI_Bcast(bytes, 1, MPI_INT64_T, 0, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFileSize - Size of a file in bytes, which is about to be read: rank 0 remembers what it is now.

  Collective on comm; rank 0 looks. A file that cannot be opened for reading, or is none, is an INPUT error
  that names it.
@*/
PetscErrorCode MeritFileSize(MPI_Comm comm, const char path[], int64_t *bytes)
{
  PetscFunctionBegin;
  PetscCall(Size(comm, path, true, bytes));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFileRead - Read n bytes at an offset, in requests of at most `MeritMaxMessage()`.

  Not collective. What goes wrong is noted in *fault: INPUT if the file cannot be opened or is shorter than
  that, SYSTEM if the disk fails.
@*/
PetscErrorCode MeritFileRead(const char path[], int64_t offset, int64_t n, void *to, MeritFault *fault)
{
  const int64_t limit = MeritMaxMessage();
  struct stat   about;
  int           file;

  PetscFunctionBegin;
  if (n <= 0) PetscFunctionReturn(PETSC_SUCCESS);
  file = FileOpen(path, MERIT_ERROR_INPUT, &about, fault);
  if (file < 0) PetscFunctionReturn(PETSC_SUCCESS);
  for (int64_t done = 0; done < n;) {
    const ssize_t got = pread(file, (char *)to + done, (size_t)PetscMin(limit, n - done), (off_t)(offset + done));

    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "cannot be read: %s", strerror(errno));
      break;
    }
    if (got == 0) {
      MeritFaultSet(fault, MERIT_ERROR_INPUT, path, 0, NULL,
                    "ends at byte %lld, but %lld bytes were expected; the file may have been changed while it was read", (long long)(offset + done),
                    (long long)(offset + n));
      break;
    }
    done += got;
  }
  close(file);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFileHash - Bytes and CRC-32 (zlib's) of a whole file: each rank takes a block, the values are combined.

  Collective on comm; the same on all ranks and for any number of them.
@*/
PetscErrorCode MeritFileHash(MPI_Comm comm, const char path[], int64_t *bytes, uint32_t *crc)
{
  const int64_t step  = PetscMin(MeritMaxMessage(), 1 << 22);
  MeritFault    fault = {0};
  PetscMPIInt   rank, size;
  int64_t       at, end;
  uint64_t      mine[2], *all;
  uLong         value = crc32(0, NULL, 0);
  char         *part;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(Size(comm, path, false, bytes));
  at  = MeritBlockFirst(*bytes, size, rank);
  end = MeritBlockFirst(*bytes, size, rank + 1);
  PetscCall(PetscMalloc1((size_t)step, &part));
  mine[1] = (uint64_t)(end - at);
  for (; at < end && fault.kind == MERIT_ERROR_NONE; at += step) {
    const int64_t n = PetscMin(step, end - at);

    PetscCall(MeritFileRead(path, at, n, part, &fault));
    if (fault.kind == MERIT_ERROR_NONE) value = crc32(value, (const Bytef *)part, (uInt)n);
  }
  PetscCall(PetscFree(part));
  PetscCall(MeritFaultAgree(comm, &fault));
  mine[0] = value;
  PetscCall(PetscMalloc1(2 * (size_t)size, &all));
  PetscCallMPI(MPI_Allgather(mine, 2, MPI_UINT64_T, all, 2, MPI_UINT64_T, comm));
  value = crc32(0, NULL, 0);
  /* Checksums of blocks that follow each other combine to that of the whole, so the value does not
     depend on ranks */
  for (PetscMPIInt r = 0; r < size; r++) value = crc32_combine(value, (uLong)all[2 * r], (z_off_t)all[2 * r + 1]);
  PetscCall(PetscFree(all));
  *crc = (uint32_t)value;
  PetscFunctionReturn(PETSC_SUCCESS);
}

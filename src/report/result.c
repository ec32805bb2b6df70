/* Tables of an earlier result as input (warm starts, SNP effects). If a summary.json lies beside
   the table, the table must have the size and checksum that it says: a table that was cut short or
   edited would give wrong results silently. */
#include "report_impl.h"
#include <cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Most bytes of a summary that is read; it is a few pages */
enum { MOST_BYTES = 64 << 20 };

/* Size and CRC-32 of a file by its summary, -1 if unknown */
typedef struct {
  int64_t bytes, crc;
} Said;

/* What the text of a summary says about a file */
static Said Look(const char text[], size_t n, const char name[])
{
  cJSON       *root = cJSON_ParseWithLength(text, n);
  const cJSON *item;
  Said         said = {-1, -1};

  cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "files"))
  {
    const char *file = cJSON_GetStringValue(cJSON_GetObjectItem(item, "file")), *crc = cJSON_GetStringValue(cJSON_GetObjectItem(item, "crc32"));

    if (!file || !crc || strcmp(file, name)) continue;
    said.bytes = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(item, "bytes"));
    /* checksums are written in hexadecimal */
    said.crc   = (int64_t)strtoul(crc, NULL, 16);
  }
  cJSON_Delete(root);
  return said;
}

/* The same on this rank from the summary in the folder of the table; unknown if there is none that
   can be read. Errors are ignored. */
static PetscErrorCode Ask(const char path[], Said *said)
{
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  char       *summary, *text;
  int64_t     bytes = 0;
  int         file;
  MeritFault  fault = {0};

  PetscFunctionBegin;
  *said = (Said){-1, -1};
  PetscCall(PetscMalloc1(strlen(path) + sizeof("summary.json"), &summary));
  sprintf(summary, "%.*ssummary.json", (int)(name - path), path);
  PetscCall(MeritFileOpen(summary, &file, &bytes, &fault));
  if (file >= 0) close(file);
  if (file >= 0 && bytes <= MOST_BYTES) {
    PetscCall(PetscMalloc1(bytes + 1, &text));
    PetscCall(MeritFileRead(summary, 0, bytes, text, &fault));
    if (fault.kind == MERIT_ERROR_NONE) *said = Look(text, (size_t)bytes, name);
    PetscCall(PetscFree(text));
  }
  MeritFaultForget(&fault);
  PetscCall(PetscFree(summary));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ReportCheckResult - See the header. Collective. Errors: INPUT for another size or checksum. */
PetscErrorCode ReportCheckResult(MPI_Comm comm, const char path[])
{
  Said        said = {-1, -1};
  int64_t     bytes;
  uint32_t    crc;
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) PetscCall(Ask(path, &said));
  PetscCallMPI(MPI_Bcast(&said, 2, MPI_INT64_T, 0, comm));
  /* a table without a summary is used as it is */
  if (said.crc < 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritFileHash(comm, path, &bytes, &crc));
  if (bytes != said.bytes || crc != (uint32_t)said.crc)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, path, 0, NULL,
                         "has %lld bytes with CRC-32 %08x, but %lld with %08x by the summary.json beside it: it was cut short or changed (a copy in "
                         "another folder is taken as it is)",
                         (long long)bytes, (unsigned)crc, (long long)said.bytes, (unsigned)said.crc));
  PetscFunctionReturn(PETSC_SUCCESS);
}

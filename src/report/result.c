/*
  Tables of an earlier result as input (warm starts, SNP effects).

  If a summary.json is in the folder of the table and names it, the table must have the size and
  checksum that are written there: a table that was cut short or edited would give wrong results
  without a message. A table in another folder is used as it is.
*/
#include "report_impl.h"
#include "summary_impl.h"
#include <stdlib.h>
#include <string.h>

/* Bytes and CRC-32 of a file by a summary, -1: nothing is known of it */
typedef struct {
  int64_t bytes, crc;
} Recorded;

/* What the summary in the folder of the table has of it; a path without a slash is in the
   present folder. On this rank; not collective. */
static Recorded Look(const char path[])
{
  const char  *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  char         folder[PETSC_MAX_PATH_LEN];
  cJSON       *root;
  const cJSON *item;
  Recorded     recorded = {-1, -1};

  snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
  root = SummaryRead(folder);
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "files"))
  {
    const char *file = cJSON_GetStringValue(cJSON_GetObjectItem(item, "file")), *crc = cJSON_GetStringValue(cJSON_GetObjectItem(item, "crc32"));

    if (!file || !crc || strcmp(file, name)) continue;
    recorded.bytes = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(item, "bytes"));
    recorded.crc   = (int64_t)strtoul(crc, NULL, 16);
  }
  cJSON_Delete(root);
  return recorded;
}

/* ReportCheckResult - See the header. Collective. Errors: INPUT for another size or checksum. */
PetscErrorCode ReportCheckResult(MPI_Comm comm, const char path[])
{
  Recorded    recorded = {-1, -1};
  int64_t     bytes;
  uint32_t    crc;
  PetscMPIInt rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) recorded = Look(path);
  PetscCallMPI(MPI_Bcast(&recorded, 2, MPI_INT64_T, 0, comm));
  if (recorded.crc < 0) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritFileHash(comm, path, &bytes, &crc));
  if (bytes != recorded.bytes || crc != (uint32_t)recorded.crc)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, path, 0, NULL,
                         "has %lld bytes with CRC-32 %08x, but %lld with %08x by the summary.json beside it: it was cut short or changed (a copy in "
                         "another folder is taken as it is)",
                         (long long)bytes, (unsigned)crc, (long long)recorded.bytes, (unsigned)recorded.crc));
  PetscFunctionReturn(PETSC_SUCCESS);
}

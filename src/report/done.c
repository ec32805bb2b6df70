/*
  Has a job been run already? (merit ... --restart auto)

  The summary.json in the output folder is compared with this run, in this order: version,
  command, keys of the job except those that do not change results, and the checksums of all
  inputs. Rank 0 reads the summary; all ranks compute the checksums, only if the rest is the same.
  summary.json is written last, so a run that was interrupted has none.
*/
#include "report_impl.h"
#include "summary_impl.h"
#include <merit/version.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Take "a.b" out of a tree; a map that becomes empty goes with it */
static void Drop(cJSON *tree, const char key[])
{
  const char *dot = strchr(key, '.');
  char        head[64];
  cJSON      *below;

  /* first segment of the key */
  snprintf(head, sizeof(head), "%.*s", dot ? (int)(dot - key) : (int)strlen(key), key);
  below = cJSON_GetObjectItemCaseSensitive(tree, head);
  if (dot && cJSON_IsObject(below)) Drop(below, dot + 1);
  if (!dot || (cJSON_IsObject(below) && !below->child)) cJSON_DeleteItemFromObjectCaseSensitive(tree, head);
}

/* Is the value of a key this word? */
static bool Says(const cJSON *root, const char key[], const char word[])
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, key);

  return cJSON_IsString(item) && !strcmp(item->valuestring, word);
}

/* Is the summary of the same version, command and job, apart from keys that do not matter? */
static bool IsOfJob(const cJSON *root, MeritNode job, const char command[], int n_free, const char *const free_keys[])
{
  cJSON *then = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(root, "job"), true), *now = SummaryTree(job);
  bool   same;

  for (int i = 0; i < n_free; i++) {
    Drop(then, free_keys[i]);
    Drop(now, free_keys[i]);
  }
  same = Says(root, "version", MERIT_VERSION) && Says(root, "command", command) && cJSON_Compare(then, now, true);
  cJSON_Delete(then);
  cJSON_Delete(now);
  return same;
}

/* *same becomes false unless all inputs have the checksums of the summary. Only rank 0 has the
   tree, and its answer counts. An input that cannot be read ends the comparison. Collective. */
static PetscErrorCode CompareInputs(MPI_Comm comm, PetscMPIInt rank, const cJSON *root, bool *same)
{
  const cJSON *list = rank ? NULL : cJSON_GetObjectItemCaseSensitive(root, "inputs");
  int          n    = rank ? 0 : cJSON_GetArraySize(list);

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(&n, 1, MPI_INT, 0, comm));
  for (int i = 0; i < n; i++) {
    const cJSON *item = cJSON_GetArrayItem(list, i), *file = cJSON_GetObjectItemCaseSensitive(item, "file");
    char         path[PETSC_MAX_PATH_LEN] = "", hex[16];
    int64_t      bytes;
    uint32_t     crc;

    if (cJSON_IsString(file) && !access(file->valuestring, R_OK)) snprintf(path, sizeof(path), "%s", file->valuestring);
    else *same = false;
    PetscCallMPI(MPI_Bcast(path, sizeof(path), MPI_CHAR, 0, comm));
    if (!path[0]) break;
    PetscCall(MeritFileHash(comm, path, &bytes, &crc));
    snprintf(hex, sizeof(hex), "%08x", (unsigned)crc);
    *same = *same && Says(item, "crc32", hex);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritReportIsDone - See the header. Collective; reads the inputs, if the job is the same.
*/
PetscErrorCode MeritReportIsDone(MPI_Comm comm, const char folder[], MeritNode job, const char command[], int n_free, const char *const free_keys[],
                                 bool *done, int *exit_status)
{
  int          answer[2] = {0, 0};
  cJSON       *root;
  const cJSON *status;
  PetscMPIInt  rank;
  bool         same;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  root = rank ? NULL : SummaryRead(folder);
  same = root && IsOfJob(root, job, command, n_free, free_keys);
  PetscCallMPI(MPI_Bcast(&same, 1, MPI_C_BOOL, 0, comm));
  if (same) PetscCall(CompareInputs(comm, rank, root, &same));
  status = root ? cJSON_GetObjectItemCaseSensitive(root, "exit") : NULL;
  /* a result without exit status is of another version */
  answer[0] = same && cJSON_IsNumber(status);
  answer[1] = answer[0] ? status->valueint : 0;
  cJSON_Delete(root);
  PetscCallMPI(MPI_Bcast(answer, 2, MPI_INT, 0, comm));
  *done        = answer[0];
  *exit_status = answer[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

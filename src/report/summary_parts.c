/* Parts of summary.json that all commands have: the job, inputs, times, memory, warnings, files. */
#include "summary_impl.h"
#include <math.h>
#include <merit/log.h>
#include <string.h>

/* SummaryObject - See the header. Not collective. */
cJSON *SummaryObject(cJSON *to, const char name[])
{
  cJSON *item = cJSON_CreateObject();

  if (to && cJSON_IsArray(to)) cJSON_AddItemToArray(to, item);
  else cJSON_AddItemToObject(to, name, item);
  return item;
}

/* SummaryReal - See the header: JSON has no NaN and no infinity. Not collective. */
void SummaryReal(cJSON *to, const char name[], double value)
{
  if (isfinite(value)) cJSON_AddNumberToObject(to, name, value);
  else cJSON_AddNullToObject(to, name);
}

/* SummaryTree - See the header. A scalar that reads as a finite number becomes a number, any
   other a string. Not collective. */
cJSON *SummaryTree(MeritNode node)
{
  cJSON *item;
  double value;

  switch (node->kind) {
  case MERIT_NODE_SCALAR:
    return MeritNodeReal(node, &value) && isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateString(node->text);
  case MERIT_NODE_LIST:
    item = cJSON_CreateArray();
    for (int32_t i = 0; i < node->n; i++) cJSON_AddItemToArray(item, SummaryTree(node->child[i]));
    return item;
  case MERIT_NODE_MAP:
    item = cJSON_CreateObject();
    for (int32_t i = 0; i < node->n; i++) cJSON_AddItemToObject(item, node->key[i], SummaryTree(node->child[i]));
    return item;
  default:
    return cJSON_CreateNull();
  }
}

/* SummaryInput - See the header. A file that changed during the run gets a warning instead of a
   checksum. Collective. */
PetscErrorCode SummaryInput(MPI_Comm comm, cJSON *list, const char key[], const char path[])
{
  char     hex[16], changed[128];
  int64_t  bytes;
  uint32_t crc;
  cJSON   *item = SummaryObject(list, NULL);

  PetscFunctionBegin;
  cJSON_AddStringToObject(item, "key", key);
  cJSON_AddStringToObject(item, "file", path);
  PetscCall(MeritFileChanged(comm, path, sizeof(changed), changed));
  if (!changed[0]) {
    PetscCall(MeritFileHash(comm, path, &bytes, &crc));
    PetscCall(MeritFileChanged(comm, path, sizeof(changed), changed)); /* again: reading for the checksum took time */
  }
  if (changed[0]) {
    /* the results themselves are complete */
    MeritLog(MERIT_LOG_WARNING, "%s %s after it was read: the results are complete, but summary.json has no checksum of this file", path, changed);
    cJSON_AddNullToObject(item, "bytes");
    cJSON_AddNullToObject(item, "crc32");
    cJSON_AddStringToObject(item, "changed", changed);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  snprintf(hex, sizeof(hex), "%08x", (unsigned)crc);
  cJSON_AddNumberToObject(item, "bytes", (double)bytes);
  cJSON_AddStringToObject(item, "crc32", hex);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SummaryGenotypes - See the header. Collective. */
PetscErrorCode SummaryGenotypes(const char key[], const char suffix[], const char path[], void *ctx)
{
  const SummaryList *files = ctx;

  PetscFunctionBegin;
  (void)suffix;
  PetscCall(SummaryInput(files->comm, files->list, key, path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SummaryPhases - See the header. If ranks have different phases only those of rank 0 are written.
   Collective. */
PetscErrorCode SummaryPhases(MPI_Comm comm, cJSON *root)
{
  static const char *const title[] = {"seconds", "cpu_seconds", "memory_by_phase"};
  const char *const       *names;
  const double            *seconds, *cpu;
  const int64_t           *memory;
  const int                n       = MeritPhases(&names, &seconds);
  int                      span[2] = {n, -n};
  double                  *most;

  PetscFunctionBegin;
  MeritPhasesUsed(&cpu, &memory);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, span, 2, MPI_INT, MPI_MAX, comm));
  PetscCall(PetscMalloc1(3 * (size_t)n, &most));
  for (int k = 0; k < n; k++) {
    most[k]         = seconds[k];
    most[n + k]     = cpu[k];
    most[2 * n + k] = (double)memory[k];
  }
  /* span is the largest n and the largest -n, so both agree if all ranks have the same number
     of phases */
  if (span[0] == -span[1]) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 3 * n, MPI_DOUBLE, MPI_MAX, comm));
  for (int i = 0; i < 3; i++) {
    cJSON *item = cJSON_AddObjectToObject(root, title[i]);

    for (int k = 0; k < n; k++) SummaryReal(item, names[k], most[i * n + k]);
  }
  PetscCall(PetscFree(most));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SummaryMemory - See the header. The least is found as the largest of the negative, in the
   same reduction. Collective. */
PetscErrorCode SummaryMemory(MPI_Comm comm, cJSON *root)
{
  int64_t span[2] = {MeritPeakMemory(), -MeritPeakMemory()};
  cJSON  *item    = cJSON_AddObjectToObject(root, "peak_memory_per_rank");

  PetscFunctionBegin;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, span, 2, MPI_INT64_T, MPI_MAX, comm));
  cJSON_AddNumberToObject(item, "min", (double)-span[1]);
  cJSON_AddNumberToObject(item, "max", (double)span[0]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SummaryWarnings - See the header. Not collective. */
void SummaryWarnings(cJSON *root)
{
  const char *const *texts;
  const int          n    = MeritLogWarnings(&texts);
  cJSON             *list = cJSON_AddArrayToObject(root, "warnings");

  for (int i = 0; i < n; i++) cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
}

/* SummaryFiles - See the header. Not collective. */
void SummaryFiles(cJSON *root, MeritOutput out)
{
  const char *const *names;
  const int64_t     *bytes;
  const uint32_t    *crc;
  const int          n    = MeritOutputFiles(out, &names, &bytes, &crc);
  cJSON             *list = cJSON_AddArrayToObject(root, "files");

  for (int i = 0; i < n; i++) {
    cJSON *item = SummaryObject(list, NULL);
    char   hex[16];

    snprintf(hex, sizeof(hex), "%08x", (unsigned)crc[i]);
    cJSON_AddStringToObject(item, "file", names[i]);
    cJSON_AddNumberToObject(item, "bytes", (double)bytes[i]);
    cJSON_AddStringToObject(item, "crc32", hex);
  }
}

/* SummaryWrite - See the header. Collective. Errors: SYSTEM. */
PetscErrorCode SummaryWrite(MPI_Comm comm, MeritOutput out, cJSON *root)
{
  MeritFault  fault = {0};
  PetscMPIInt rank;
  char       *text;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  text = rank ? NULL : cJSON_Print(root);
  if (!rank && !text) MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "no memory for summary.json");
  PetscCall(MeritFaultAgree(comm, &fault));
  /* other ranks write nothing */
  PetscCall(MeritOutputWrite(out, "summary.json", NULL, text, text ? (int64_t)strlen(text) : 0));
  PetscCall(MeritOutputWrite(out, "summary.json", NULL, "\n", rank ? 0 : 1));
  cJSON_free(text);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Writing: values go to the ranks that hold their chunks, which write them side by side; a name is given when all is on disk. */
#include "checkpoint_private.h"
#include <merit/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* This rank's file while it is written; the first fault counts */
typedef struct {
  char      *path;
  int        file;
  MeritFault fault;
} Writing;

static void Fault(Writing *w)
{
  if (w->fault.kind == MERIT_ERROR_NONE)
    MeritFaultSet(&w->fault, MERIT_ERROR_SYSTEM, w->path, 0, NULL, "the checkpoint cannot be written: %s", strerror(errno));
}

static void WriteAt(Writing *w, const void *from, size_t n, int64_t at)
{
  const char *next = from;

  while (n && w->fault.kind == MERIT_ERROR_NONE) {
    const ssize_t done = pwrite(w->file, next, PetscMin(n, (size_t)MeritMaxMessage()), (off_t)at);

    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      Fault(w);
      return;
    }
    next += done;
    n -= (size_t)done;
    at += done;
  }
}

/* Rank 0 makes the file, then everybody has it open */
static PetscErrorCode Begin(MeritCheckpoint c, Writing *w)
{
  PetscFunctionBegin;
  w->path = CheckpointPath(c, "writing");
  w->file = -1;
  if (c->rank == 0) {
    if (mkdir(c->folder, 0777) && errno != EEXIST) Fault(w);
    (void)FolderRemove(c->folder, false, "writing");
    w->file = FolderFile(c->folder, false, "writing", O_WRONLY | O_CREAT | O_EXCL);
    if (w->file < 0) Fault(w);
  }
  PetscCallMPI(MPI_Barrier(c->comm));
  if (c->rank) w->file = FolderFile(c->folder, false, "writing", O_WRONLY);
  if (w->file < 0) Fault(w);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The places of this rank's chunks from all ranks: mine [n_mine * size]; places that nobody has are 0 */
static PetscErrorCode Gather(CheckpointPlaces *p, size_t size, const double *data, double **mine)
{
  const int64_t n = MeritExchangeArriving(p->exchange);
  double       *in;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)p->n_mine * size + 1, mine));
  PetscCall(PetscMalloc1((size_t)n * size + 1, &in));
  PetscCall(MeritExchangeForward(p->exchange, size * sizeof(double), data, in));
  for (int64_t i = 0; i < n; i++)
    for (size_t j = 0; j < size; j++) (*mine)[(size_t)p->arriving[i] * size + j] = in[(size_t)i * size + j];
  PetscCall(PetscFree(in));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One part; checksums of this rank's chunks into crc [n_chunks], others' 0 */
static PetscErrorCode WritePart(MeritCheckpoint c, const CheckpointPart *p, const MeritState *s, Writing *w, uint32_t *crc)
{
  const size_t  bytes = CheckpointPlaceBytes(p);
  const int64_t last = CheckpointFirstChunk(p, c->size, c->rank + 1);
  int64_t       from = 0;
  double       *mine = NULL;
  const char   *at   = s->data;

  PetscFunctionBegin;
  if (s->kind != MERIT_STATE_SAME) {
    PetscCall(Gather(&c->places[s->kind], s->size, s->data, &mine));
    from = c->places[s->kind].first;
    at   = (const char *)mine;
  }
  for (int64_t k = CheckpointFirstChunk(p, c->size, c->rank); k < last; k++) {
    int64_t begin, end;
    size_t  n;

    CheckpointChunk(p, k, &begin, &end);
    n      = (size_t)(end - begin) * bytes;
    crc[k] = CheckpointCrc(at + (size_t)(begin - from) * bytes, n);
    WriteAt(w, at + (size_t)(begin - from) * bytes, n, p->begin + begin * (int64_t)bytes);
  }
  PetscCall(PetscFree(mine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* What the parts are and where they go; *end behind the last */
static PetscErrorCode Describe(MeritCheckpoint c, int n, const MeritState state[], CheckpointPart part[], int64_t *end)
{
  PetscFunctionBegin;
  *end = sizeof(CheckpointHead);
  PetscCheck(n <= MOST_PARTS, c->comm, PETSC_ERR_ARG_OUTOFRANGE, "%d parts of a checkpoint", n);
  for (int i = 0; i < n; i++) {
    const MeritState *s = &state[i];

    PetscCheck(strlen(s->name) < sizeof(part[i].name), c->comm, PETSC_ERR_ARG_OUTOFRANGE, "name of a part: %s", s->name);
    PetscCheck(s->kind != MERIT_STATE_SAME || s->size <= INT32_MAX, c->comm, PETSC_ERR_ARG_OUTOFRANGE, "%zu bytes of %s", s->size, s->name);
    PetscCheck(s->kind == MERIT_STATE_SAME || c->places[s->kind].given, c->comm, PETSC_ERR_ORDER, "places of %s", s->name);
    part[i] = (CheckpointPart){.kind = s->kind, .size = s->kind == MERIT_STATE_SAME ? 1 : (uint32_t)s->size, .begin = *end};
    strcpy(part[i].name, s->name);
    part[i].n_all    = s->kind == MERIT_STATE_SAME ? (int64_t)s->size : c->places[s->kind].n_all;
    part[i].n_chunks = CheckpointChunks(&part[i]);
    part[i].kept     = i >= n - c->n_kept;
    *end += part[i].n_all * (int64_t)CheckpointPlaceBytes(&part[i]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Table and head, by rank 0 */
static PetscErrorCode WriteTable(MeritCheckpoint c, int64_t progress, int n, const CheckpointPart part[], uint32_t *const crc[], int64_t end,
                                 Writing *w)
{
  CheckpointHead head  = {.magic = "MERITCP", .version = 1, .ranks = (uint32_t)c->size, .threads = (uint32_t)omp_get_max_threads(),
                          .n_parts = (uint32_t)n, .progress = progress, .table = end};
  MeritText      table = {0};
  const uint64_t lines = c->lines.n;

  PetscFunctionBegin;
  PetscCall(MeritTextAddBytes(&table, (const char *)&lines, sizeof(lines)));
  PetscCall(MeritTextAddBytes(&table, c->lines.at, c->lines.n));
  for (int i = 0; i < n; i++) {
    PetscCall(MeritTextAddBytes(&table, (const char *)&part[i], sizeof(part[i])));
    PetscCall(MeritTextAddBytes(&table, (const char *)crc[i], (size_t)part[i].n_chunks * sizeof(*crc[i])));
  }
  head.table_bytes = (int64_t)table.n;
  head.table_crc   = CheckpointCrc(table.at, table.n);
  head.crc         = CheckpointCrc(&head, offsetof(CheckpointHead, crc));
  WriteAt(w, table.at, table.n, end);
  WriteAt(w, &head, sizeof(head), 0);
  MeritTextFree(&table);
  PetscFunctionReturn(PETSC_SUCCESS);
}

static void Rename(MeritCheckpoint c, const char from[], const char to[], bool must, Writing *w)
{
  const int folder = FolderOpen(c->folder, false);

  if (folder < 0 || (renameat(folder, from, folder, to) && (must || errno != ENOENT))) Fault(w);
  if (folder >= 0) close(folder);
}

/* On disk everywhere, then under its name; what could not be written is removed */
static PetscErrorCode Finish(MeritCheckpoint c, Writing *w)
{
  PetscErrorCode code;

  PetscFunctionBegin;
  if (w->file >= 0 && (fsync(w->file) || close(w->file))) Fault(w);
  code = MeritFaultAgree(c->comm, &w->fault);
  if (!code) {
    if (c->rank == 0) {
      const int folder = FolderOpen(c->folder, false);

      Rename(c, "newest", "previous", false, w);
      if (w->fault.kind == MERIT_ERROR_NONE) Rename(c, "writing", "newest", true, w);
      if (folder >= 0) fsync(folder);
      if (folder >= 0) close(folder);
    }
    code = MeritFaultAgree(c->comm, &w->fault);
  } else if (c->rank == 0) (void)FolderRemove(c->folder, false, "writing");
  free(w->path);
  PetscFunctionReturn(code);
}

/* The parts of now, then those that are kept */
static PetscErrorCode Write(MeritCheckpoint c, int64_t progress, int n, const MeritState state[])
{
  CheckpointPart *part;
  uint32_t      **crc;
  Writing         w = {0};
  int64_t         end;

  PetscFunctionBegin;
  PetscCall(PetscCalloc2(n, &part, n, &crc));
  PetscCall(CheckpointIdentity(c));
  PetscCall(CheckpointPlace(c));
  PetscCall(Describe(c, n, state, part, &end));
  PetscCall(Begin(c, &w));
  for (int i = 0; i < n; i++) {
    PetscCall(PetscCalloc1((size_t)part[i].n_chunks + 1, &crc[i]));
    PetscCall(WritePart(c, &part[i], &state[i], &w, crc[i]));
    PetscCallMPI(MPI_Reduce(c->rank ? crc[i] : MPI_IN_PLACE, crc[i], (PetscMPIInt)part[i].n_chunks, MPI_UINT32_T, MPI_SUM, 0, c->comm));
  }
  if (c->rank == 0) PetscCall(WriteTable(c, progress, n, part, crc, end, &w));
  for (int i = 0; i < n; i++) PetscCall(PetscFree(crc[i]));
  PetscCall(PetscFree2(part, crc));
  PetscCall(CheckpointForget(c));
  PetscCall(Finish(c, &w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The marker for job scripts: a run that goes on when it is started again; its line tells whether it got anywhere. Then the run ends. */
static PetscErrorCode Stop(MeritCheckpoint c, int64_t progress, const char how[])
{
  MeritFault fault = {0};
  int        opened;
  char       marker[PETSC_MAX_PATH_LEN];

  PetscFunctionBegin;
  if (c->rank == 0) {
    FILE *file = NULL;

    if (!mkdir(c->folder, 0777) || errno == EEXIST) {
      (void)FolderRemove(c->folder, false, "RESUME");
      opened = FolderFile(c->folder, false, "RESUME", O_WRONLY | O_CREAT | O_EXCL);
      file   = opened < 0 ? NULL : fdopen(opened, "w");
    }
    if (!file || fprintf(file, "progress %lld\n", (long long)progress) < 0 || fflush(file) || fsync(fileno(file)))
      MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, c->folder, 0, NULL, "the marker RESUME cannot be written: %s", strerror(errno));
    if (file) fclose(file);
  }
  PetscCall(MeritFaultAgree(c->comm, &fault));
  snprintf(marker, sizeof(marker), "%s/RESUME", c->folder);
  PetscCall(MeritRaise(MERIT_ERROR_STOPPED, marker, 0, NULL, "stopped on request %s", how));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointSave - See the header. Collective. */
PetscErrorCode MeritCheckpointSave(MeritCheckpoint c, int64_t progress, int n, const MeritState state[])
{
  const double   begin = MPI_Wtime();
  char           how[64];
  MeritState    *all;
  PetscErrorCode code;

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("checkpoint"));
  PetscCall(PetscMalloc1((size_t)(n + c->n_kept) + 1, &all));
  PetscCall(PetscArraycpy(all, state, n));
  PetscCall(PetscArraycpy(all + n, c->kept, c->n_kept));
  code = Write(c, progress, n + c->n_kept, all);
  PetscCall(PetscFree(all));
  if (!code) PetscCall(CheckpointClose(c)); /* it has another name now */
  PetscCall(MeritPhaseEnd());
  c->last = MPI_Wtime();
  if (code && !c->stop && MeritErrorLast()->agreed && MeritErrorLast()->kind == MERIT_ERROR_SYSTEM) {
    MeritLog(MERIT_LOG_WARNING, "%s; the run goes on", MeritErrorLast()->text);
    MeritErrorClear();
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(code);
  MeritLog(MERIT_LOG_INFO, "checkpoint at %lld, %.2f s", (long long)progress, c->last - begin);
  if (!c->stop) PetscFunctionReturn(PETSC_SUCCESS);
  snprintf(how, sizeof(how), "at %lld; --restart goes on from there", (long long)progress);
  PetscCall(Stop(c, progress, how));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointStop - See the header. Collective. */
PetscErrorCode MeritCheckpointStop(MeritCheckpoint c)
{
  int stop = MeritRequested();

  PetscFunctionBegin;
  if (!c) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &stop, 1, MPI_INT, MPI_MAX, c->comm));
  if (!stop) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Stop(c, c->open ? c->head.progress : 0, "before an iteration; --restart goes on from the last checkpoint, if there is one"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Writing a checkpoint.

  The file is written as "writing", and renamed when it is on disk as a whole: "newest" becomes
  "previous", then "writing" becomes "newest". A crash at any time leaves at least one intact
  generation. Steps of Write(): offsets of all parts (Describe), rank 0 creates the file (Begin),
  vectors go to the ranks of their chunks, which write them in parallel (WritePart), rank 0 writes
  table and header (WriteTable), and Finish() renames. Errors of the disk are collected in
  Writing.fault and agreed on at the end, so that no rank leaves a collective call early.
*/
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

/* This rank's view of the file being written; only the first fault is kept */
typedef struct {
  char      *path;
  int        file;
  MeritFault fault;
} Writing;

/* Note errno as the fault of this rank, unless there is one already */
static void Fault(Writing *w)
{
  if (w->fault.kind == MERIT_ERROR_NONE)
    MeritFaultSet(&w->fault, MERIT_ERROR_SYSTEM, w->path, 0, NULL, "the checkpoint cannot be written: %s", strerror(errno));
}

/* Write n bytes at offset `at`, in requests of at most MeritMaxMessage() bytes; nothing after a
   fault */
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

/* Rank 0 creates the file; the others open it after the barrier, when it must exist. Collective. */
static PetscErrorCode Begin(MeritCheckpoint c, Writing *w)
{
  PetscFunctionBegin;
  w->path = CheckpointPath(c, "writing");
  w->file = -1;
  if (c->rank == 0) {
    if (mkdir(c->folder, 0777) && errno != EEXIST) Fault(w);
    /* O_EXCL: what an earlier run left is removed first, and a link that others made is not
       followed */
    (void)FolderRemove(c->folder, false, "writing");
    w->file = FolderFile(c->folder, false, "writing", O_WRONLY | O_CREAT | O_EXCL);
    if (w->file < 0) Fault(w);
  }
  PetscCallMPI(MPI_Barrier(c->comm));
  if (c->rank) w->file = FolderFile(c->folder, false, "writing", O_WRONLY);
  if (w->file < 0) Fault(w);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Gather - Values of this rank's chunks from the ranks that own them. Collective.
  data [positions.n * size] of this rank's equations; *mine [n_mine * size], owned by the caller;
  positions that no rank has are 0.
*/
static PetscErrorCode Gather(CheckpointPositions *p, size_t size, const double *data, double **mine)
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

/*
  WritePart - One part of the file. Collective.
  crc [n_chunks] gets the checksums of this rank's chunks and is 0 elsewhere: a sum over the ranks
  then gives all of them. A part that all ranks hold alike is written by rank 0.
*/
static PetscErrorCode WritePart(MeritCheckpoint c, const CheckpointPart *p, const MeritState *s, Writing *w, uint32_t *crc)
{
  const size_t  bytes = CheckpointPositionBytes(p);
  const int64_t last  = CheckpointFirstChunk(p, c->size, c->rank + 1);
  int64_t       from  = 0;
  double       *mine  = NULL;
  const char   *at    = s->data;

  PetscFunctionBegin;
  if (s->kind != MERIT_STATE_SAME) {
    PetscCall(Gather(&c->positions[s->kind], s->size, s->data, &mine));
    from = c->positions[s->kind].first;
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

/* Describe - Fill part [n] with kind, sizes and offset of each part; *end is the offset behind the
   last. Not collective. */
static PetscErrorCode Describe(MeritCheckpoint c, int n, const MeritState state[], CheckpointPart part[], int64_t *end)
{
  PetscFunctionBegin;
  *end = sizeof(CheckpointHead);
  PetscCheck(n <= MOST_PARTS, c->comm, PETSC_ERR_ARG_OUTOFRANGE, "%d parts of a checkpoint", n);
  for (int i = 0; i < n; i++) {
    const MeritState *s = &state[i];

    PetscCheck(strlen(s->name) < sizeof(part[i].name), c->comm, PETSC_ERR_ARG_OUTOFRANGE, "name of a part: %s", s->name);
    PetscCheck(s->kind != MERIT_STATE_SAME || s->size <= INT32_MAX, c->comm, PETSC_ERR_ARG_OUTOFRANGE, "%zu bytes of %s", s->size, s->name);
    PetscCheck(s->kind == MERIT_STATE_SAME || c->positions[s->kind].given, c->comm, PETSC_ERR_ORDER, "positions of %s", s->name);
    part[i] = (CheckpointPart){.kind = s->kind, .size = s->kind == MERIT_STATE_SAME ? 1 : (uint32_t)s->size, .begin = *end};
    strcpy(part[i].name, s->name);
    part[i].n_all    = s->kind == MERIT_STATE_SAME ? (int64_t)s->size : c->positions[s->kind].n_all;
    part[i].n_chunks = CheckpointChunks(&part[i]);
    /* Kept parts are last in the list */
    part[i].kept = i >= n - c->n_kept;
    *end += part[i].n_all * (int64_t)CheckpointPositionBytes(&part[i]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Table and header, by rank 0. The header is written last: without it the file does not pass as a
   checkpoint. */
static PetscErrorCode WriteTable(MeritCheckpoint c, int64_t progress, int n, const CheckpointPart part[], uint32_t *const crc[], int64_t end,
                                 Writing *w)
{
  CheckpointHead head  = {.magic    = "MERITCP",
                          .version  = 1,
                          .ranks    = (uint32_t)c->size,
                          .threads  = (uint32_t)omp_get_max_threads(),
                          .n_parts  = (uint32_t)n,
                          .progress = progress,
                          .table    = end};
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

/* Rename within the checkpoint folder; `must`: a missing `from` is a fault */
static void Rename(MeritCheckpoint c, const char from[], const char to[], bool must, Writing *w)
{
  const int folder = FolderOpen(c->folder, false);

  if (folder < 0 || (renameat(folder, from, folder, to) && (must || errno != ENOENT))) Fault(w);
  if (folder >= 0) close(folder);
}

/*
  Finish - Flush the file, then give it its name. Collective.
  All ranks must have flushed before rank 0 renames. The folder is flushed too, since the rename
  itself is only then sure to survive a crash of the machine. A file with a fault is removed.
*/
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

/* Write all parts; state [n] has the current parts first, then the kept ones. Collective. */
static PetscErrorCode Write(MeritCheckpoint c, int64_t progress, int n, const MeritState state[])
{
  CheckpointPart *part;
  uint32_t      **crc;
  Writing         w = {0};
  int64_t         end;

  PetscFunctionBegin;
  PetscCall(PetscCalloc2(n, &part, n, &crc));
  PetscCall(CheckpointIdentity(c));
  PetscCall(CheckpointSetPositions(c));
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
  PetscCall(CheckpointFreePositions(c));
  PetscCall(Finish(c, &w));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Write the marker RESUME, which tells job scripts to start this run again; its line has the
   progress, so that a script can see whether the run gets anywhere. Then raise STOPPED on all
   ranks. Collective. */
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
  if (!code) PetscCall(CheckpointClose(c)); /* the file opened for a restart is "previous" now, or gone */
  PetscCall(MeritPhaseEnd());
  c->last = MPI_Wtime();
  /* A full disk need not end a run of hours: it is a warning, unless the run is to stop on this
     checkpoint */
  if (code && !c->stop && MeritErrorLast()->agreed && MeritErrorLast()->kind == MERIT_ERROR_SYSTEM) {
    MeritLog(MERIT_LOG_WARNING, "%s; the run goes on", MeritErrorLast()->text);
    MeritErrorClear();
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(code);
  MeritLog(MERIT_LOG_INFO, "checkpoint at %lld, %.2f s", (long long)progress, c->last - begin);
  if (!c->stop) PetscFunctionReturn(PETSC_SUCCESS);
  snprintf(how, sizeof(how), "at %lld; --restart continues from there", (long long)progress);
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
  PetscCall(Stop(c, c->open ? c->head.progress : 0, "before an iteration; --restart continues from the last checkpoint, if one exists"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

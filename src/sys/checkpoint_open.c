/*
  Opening a checkpoint: the newest intact one of this run is found and its table kept in memory.

  For each generation, newest first: rank 0 reads the header and the table, all ranks check them
  (ReadTable, Unpack), compare the identity of the run line by line (Compare), and verify the
  checksums of the chunks, each rank its own (Verify). Damage is a warning and the older generation
  is tried; another run or another version is an error at once. No number of the file is used
  before it was checked, since a damaged file may hold any.
*/
#include "checkpoint_private.h"
#include <merit/log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* CheckpointClose - See the header. Not collective. */
PetscErrorCode CheckpointClose(MeritCheckpoint c)
{
  PetscFunctionBegin;
  for (uint32_t i = 0; c->crc && i < c->head.n_parts; i++) PetscCall(PetscFree(c->crc[i]));
  PetscCall(PetscFree(c->crc));
  PetscCall(PetscFree(c->part));
  free(c->open);
  c->open = NULL;
  c->head = (CheckpointHead){0};
  PetscFunctionReturn(PETSC_SUCCESS);
}

static void Damaged(const char *path, const char *what, MeritFault *fault)
{
  MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "the checkpoint is damaged (%s)", what);
}

/* Header of the file by rank 0. What is wrong goes to *fault: SYSTEM if damaged, USAGE if of
   another format. */
static void ReadHead(const char *path, CheckpointHead *head, MeritFault *fault)
{
  struct stat status;

  if (stat(path, &status) || status.st_size < (off_t)sizeof(*head)) {
    Damaged(path, "the file is shorter than its header", fault);
    return;
  }
  MeritFileRead(path, 0, sizeof(*head), head, fault);
  if (fault->kind != MERIT_ERROR_NONE) return;
  if (memcmp(head->magic, "MERITCP", 8) || head->crc != CheckpointCrc(head, offsetof(CheckpointHead, crc)))
    Damaged(path, "checksum of the header", fault);
  else if (head->version != 1)
    MeritFaultSet(fault, MERIT_ERROR_USAGE, path, 0, NULL, "the checkpoint has format %u, this version of Merit reads 1", head->version);
  else if (head->n_parts > MOST_PARTS || head->table < (int64_t)sizeof(*head) || head->table_bytes < 8 || head->table_bytes > INT32_MAX ||
           head->table > status.st_size - head->table_bytes)
    Damaged(path, "no table at the end of the file", fault);
}

/* Header and table on all ranks; *table holds head.table_bytes bytes, owned by the caller.
   Collective. */
static PetscErrorCode ReadTable(MeritCheckpoint c, const char *path, char **table)
{
  MeritFault fault = {0};

  PetscFunctionBegin;
  if (c->rank == 0) ReadHead(path, &c->head, &fault);
  PetscCall(MeritFaultAgree(c->comm, &fault));
  PetscCallMPI(MPI_Bcast(&c->head, sizeof(c->head), MPI_BYTE, 0, c->comm));
  PetscCall(PetscMalloc1((size_t)c->head.table_bytes + 1, table));
  if (c->rank == 0) {
    MeritFileRead(path, c->head.table, c->head.table_bytes, *table, &fault);
    if (fault.kind == MERIT_ERROR_NONE && CheckpointCrc(*table, (size_t)c->head.table_bytes) != c->head.table_crc)
      Damaged(path, "table of its parts", &fault);
  }
  PetscCallMPI(MPI_Bcast(*table, (PetscMPIInt)c->head.table_bytes, MPI_BYTE, 0, c->comm));
  PetscCall(MeritFaultAgree(c->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The line that begins at `at`; *length is its bytes without the line end */
static const char *Line(const char *at, const char *end, int *length)
{
  const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

  *length = (int)((stop ? stop : end) - at);
  return at;
}

/* Compare the n bytes of identity in the file with this run's, line by line; the first difference
   is a USAGE error. All ranks hold both texts, so that all raise alike. */
static PetscErrorCode Compare(MeritCheckpoint c, const char *path, const char *lines, size_t n)
{
  const char *a = lines, *b = c->lines.at, *a_end = lines + n, *b_end = c->lines.at + c->lines.n;

  PetscFunctionBegin;
  while (a < a_end || b < b_end) {
    int         k, m;
    const char *was = Line(a, a_end, &k), *is = Line(b, b_end, &m);

    if (k != m || memcmp(was, is, (size_t)k))
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, path, 0, NULL,
                           "the checkpoint is of another run: it has `%.*s`, this run has `%.*s`; to start over use --overwrite without --restart",
                           PetscMin(k, 400), was, PetscMin(m, 400), is));
    a += PetscMin(k + 1, a_end - a);
    b += PetscMin(m + 1, b_end - b);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Are the numbers of part i possible? The part must lie between header and table, have the number
   of chunks that its length implies, and a name that no earlier part has. Each number is checked
   before one that is computed from it, so that nothing overflows. */
static bool IsSound(const CheckpointHead *head, const CheckpointPart part[], uint32_t i)
{
  const CheckpointPart *p    = &part[i];
  const bool            same = p->kind == MERIT_STATE_SAME;
  const int64_t         room = head->table - p->begin;

  if (p->kind > MERIT_STATE_RECORDS || p->size < 1 || (same && p->size != 1) || p->begin < (int64_t)sizeof(*head) || room < 0) return false;
  if (p->n_all < 0 || p->n_all > room / (int64_t)CheckpointPositionBytes(p) || (same && p->n_all > INT32_MAX)) return false;
  if (p->n_chunks != CheckpointChunks(p) || p->kept < 0 || p->kept > 1 || (p->kept && !same)) return false;
  if (!p->name[0] || p->name[sizeof(p->name) - 1]) return false;
  for (uint32_t k = 0; k < i; k++)
    if (!strcmp(part[k].name, p->name)) return false;
  return true;
}

/* Parts and checksums out of the table: 8 bytes length of the identity, the identity, then for each
   part a CheckpointPart and n_chunks checksums of 4 bytes. Every step checks what is left before it
   reads. */
static PetscErrorCode Unpack(MeritCheckpoint c, const char *path, const char *table)
{
  const char *at = table, *end = table + c->head.table_bytes;
  uint64_t    n_lines;
  MeritFault  fault = {0};

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(c->head.n_parts + 1, &c->part));
  PetscCall(PetscCalloc1(c->head.n_parts + 1, &c->crc));
  memcpy(&n_lines, at, sizeof(n_lines));
  at += sizeof(n_lines);
  if (n_lines <= (uint64_t)(end - at)) {
    PetscCall(Compare(c, path, at, n_lines));
    at += n_lines;
  } else Damaged(path, "table of its parts", &fault);
  for (uint32_t i = 0; i < c->head.n_parts && fault.kind == MERIT_ERROR_NONE; i++) {
    CheckpointPart *p = &c->part[i];

    if (end - at < (int64_t)sizeof(*p)) {
      Damaged(path, "table of its parts", &fault);
      break;
    }
    memcpy(p, at, sizeof(*p));
    at += sizeof(*p);
    if (!IsSound(&c->head, c->part, i) || p->n_chunks > (end - at) / (int64_t)sizeof(uint32_t)) {
      Damaged(path, "table of its parts", &fault);
      break;
    }
    PetscCall(PetscMalloc1((size_t)p->n_chunks + 1, &c->crc[i]));
    memcpy(c->crc[i], at, (size_t)p->n_chunks * sizeof(uint32_t));
    at += p->n_chunks * (int64_t)sizeof(uint32_t);
  }
  PetscCall(MeritFaultAgree(c->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Compare the checksum of every chunk; each rank reads its own chunks. Collective. */
static PetscErrorCode Verify(MeritCheckpoint c, const char *path)
{
  MeritFault fault = {0};
  char      *chunk = NULL;

  PetscFunctionBegin;
  for (uint32_t i = 0; i < c->head.n_parts && fault.kind == MERIT_ERROR_NONE; i++) {
    const CheckpointPart *p     = &c->part[i];
    const size_t          bytes = CheckpointPositionBytes(p);

    PetscCall(PetscMalloc1((size_t)PetscMin(p->n_all, p->kind == MERIT_STATE_SAME ? CHUNK_BYTES : CHUNK_POSITIONS) * bytes + 1, &chunk));
    for (int64_t k = CheckpointFirstChunk(p, c->size, c->rank); k < CheckpointFirstChunk(p, c->size, c->rank + 1); k++) {
      int64_t first, last;

      CheckpointChunk(p, k, &first, &last);
      MeritFileRead(path, p->begin + first * (int64_t)bytes, (last - first) * (int64_t)bytes, chunk, &fault);
      if (fault.kind != MERIT_ERROR_NONE) break;
      if (CheckpointCrc(chunk, (size_t)(last - first) * bytes) != c->crc[i][k]) {
        Damaged(path, p->name, &fault);
        break;
      }
    }
    PetscCall(PetscFree(chunk));
  }
  PetscCall(MeritFaultAgree(c->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read and check one file. An error is returned, not raised further: the caller may try an older
    file. */
static PetscErrorCode Try(MeritCheckpoint c, const char *path)
{
  char          *table = NULL;
  PetscErrorCode code;

  PetscFunctionBegin;
  code = ReadTable(c, path, &table);
  if (!code) code = Unpack(c, path, table);
  if (!code) code = Verify(c, path);
  PetscCall(PetscFree(table));
  PetscFunctionReturn(code);
}

/* Take over the parts that the run before had finished, so that the next checkpoint holds them
   again. Collective. */
static PetscErrorCode TakeKept(MeritCheckpoint c)
{
  PetscFunctionBegin;
  PetscCall(CheckpointKeptFree(c));
  for (uint32_t i = 0; i < c->head.n_parts; i++) {
    if (!c->part[i].kept) continue;
    PetscCall(CheckpointKeep(c, c->part[i].name, (size_t)c->part[i].n_all, NULL));
    PetscCall(CheckpointLoadSame(c, &c->part[i], c->kept[c->n_kept - 1].data));
    c->part[i].name[0] = 0;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *there: does the file exist? Rank 0 looks, all get the answer. Collective. */
static PetscErrorCode There(MeritCheckpoint c, const char *path, bool *there)
{
  int found = c->rank == 0 && access(path, F_OK) == 0;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Bcast(&found, 1, MPI_INT, 0, c->comm));
  *there = found;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Files by age; the marker RESUME is left by a run that was stopped */
static const char *const generations[] = {"newest", "previous", "RESUME"};

/* Remove the marker: the run that it asked for has begun */
static PetscErrorCode Unmark(MeritCheckpoint c)
{
  PetscFunctionBegin;
  if (c->rank == 0) (void)FolderRemove(c->folder, false, "RESUME");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointExists - See the header. Collective. */
PetscErrorCode MeritCheckpointExists(MeritCheckpoint c, bool *exists)
{
  PetscFunctionBegin;
  *exists = false;
  for (int g = 0; g < 3 && !*exists; g++) {
    char *path = CheckpointPath(c, generations[g]);

    PetscCall(There(c, path, exists));
    free(path);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointOpen - See the header. Collective. */
PetscErrorCode MeritCheckpointOpen(MeritCheckpoint c, bool *found)
{
  int n_damaged = 0;

  PetscFunctionBegin;
  *found = false;
  PetscCall(CheckpointIdentity(c));
  for (int g = 0; g < 2 && !*found; g++) {
    char          *path = CheckpointPath(c, generations[g]);
    bool           there;
    PetscErrorCode code;

    /* Errors of the file are raised on all ranks alike (agreed); a SYSTEM error means damage and is
       not final */
    PetscCall(CheckpointClose(c));
    PetscCall(There(c, path, &there));
    code   = there ? Try(c, path) : PETSC_SUCCESS;
    *found = there && !code;
    if (*found) c->open = path;
    else free(path);
    if (code && (!MeritErrorLast()->agreed || MeritErrorLast()->kind != MERIT_ERROR_SYSTEM)) PetscCall(code);
    if (!code) continue;
    n_damaged++;
    MeritLog(MERIT_LOG_WARNING, "%s; %s", MeritErrorLast()->text, g ? "no older checkpoint is left" : "trying the one before it");
    MeritErrorClear();
  }
  PetscCall(Unmark(c));
  if (*found) PetscCall(TakeKept(c));
  if (*found)
    MeritLog(MERIT_LOG_INFO, "continues from the checkpoint at iteration %lld, written by %u ranks x %u threads", (long long)c->head.progress,
             c->head.ranks, c->head.threads);
  else if (n_damaged)
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, c->folder, 0, NULL, "no intact checkpoint found; to start over use --overwrite without --restart"));
  else PetscCall(CheckpointClose(c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

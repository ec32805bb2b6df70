/*
  The checkpoint object: its settings, the decision when to save, and the layout of a file.

  Vectors are stored by position (a number of an equation or record that does not depend on ranks).
  The positions of one kind are cut into chunks of CHUNK_POSITIONS; each rank writes and reads a block
  of consecutive chunks. MeritCheckpointSetPositions() plans the exchange between the owners of values
  and the ranks of the chunks; checkpoint_save.c and checkpoint_load.c use it in the two
  directions.
*/
/* The object: when to save, where each value has its position, what run it is. */
#include "checkpoint_private.h"
#include <merit/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Seconds between two comparisons of clocks over the ranks, and the most calls between them */
static const double  LOOK  = 0.25;
static const int64_t CALLS = 4096;

/* MeritCheckpointCreate - See the header. Collective. */
PetscErrorCode MeritCheckpointCreate(MPI_Comm comm, const char folder[], double seconds, int64_t calls, MeritCheckpoint *checkpoint)
{
  MeritCheckpoint c;
  const size_t    length = strlen(folder) + sizeof("/checkpoint");

  PetscFunctionBegin;
  PetscCall(PetscNew(&c));
  PetscCall(PetscMalloc1(length, &c->folder));
  snprintf(c->folder, length, "%s/checkpoint", folder);
  PetscCall(PetscCommDuplicate(comm, &c->comm, NULL)); /* messages of the caller are none of ours */
  c->seconds = seconds;
  c->calls   = calls;
  c->next    = 1;
  c->last = c->looked = MPI_Wtime();
  PetscCallMPI(MPI_Comm_rank(comm, &c->rank));
  PetscCallMPI(MPI_Comm_size(comm, &c->size));
  *checkpoint = c;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointSetIdentity - See the header. Not collective. */
PetscErrorCode MeritCheckpointSetIdentity(MeritCheckpoint c, MeritIdentity identity, void *ctx)
{
  PetscFunctionBegin;
  c->identity = identity;
  c->ctx      = ctx;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckpointIdentity - See the header. Collective. */
PetscErrorCode CheckpointIdentity(MeritCheckpoint c)
{
  PetscFunctionBegin;
  if (c->identity && !c->lines.n) PetscCall(c->identity(c->ctx, &c->lines));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* First position of a rank's chunks when the chunks of n_all positions are dealt out in blocks */
static int64_t FirstPosition(int64_t n_all, PetscMPIInt size, PetscMPIInt rank)
{
  return PetscMin(n_all, MeritBlockFirst((n_all + CHUNK_POSITIONS - 1) / CHUNK_POSITIONS, size, rank) * CHUNK_POSITIONS);
}

/* MeritCheckpointSetPositions - See the header. Collective. */
PetscErrorCode MeritCheckpointSetPositions(MeritCheckpoint c, MeritStateKind kind, int64_t n, const int64_t position[], int64_t n_all)
{
  CheckpointPositions *p        = &c->positions[kind];
  const int64_t        n_chunks = (n_all + CHUNK_POSITIONS - 1) / CHUNK_POSITIONS;
  PetscMPIInt         *dest;

  PetscFunctionBegin;
  PetscCall(MeritExchangeDestroy(&p->exchange));
  PetscCall(PetscFree(p->arriving));
  p->given = true;
  p->n     = n;
  /* The owner of position p sends its value to the rank of chunk p / CHUNK_POSITIONS. The positions
     that arrive are kept relative to this rank's first one, since they index its block of the file. */
  p->n_all  = n_all;
  p->first  = FirstPosition(n_all, c->size, c->rank);
  p->n_mine = FirstPosition(n_all, c->size, c->rank + 1) - p->first;
  PetscCall(PetscMalloc1((size_t)n + 1, &dest));
  for (int64_t i = 0; i < n; i++) dest[i] = MeritBlockOwner(n_chunks, c->size, position[i] / CHUNK_POSITIONS);
  PetscCall(MeritExchangeCreate(c->comm, n, dest, &p->exchange));
  PetscCall(PetscFree(dest));
  PetscCall(PetscMalloc1((size_t)MeritExchangeArriving(p->exchange) + 1, &p->arriving));
  PetscCall(MeritExchangeForward(p->exchange, sizeof(*position), position, p->arriving));
  for (int64_t i = 0; i < MeritExchangeArriving(p->exchange); i++) p->arriving[i] -= p->first;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointSetPositionSource - See the header. Not collective. */
PetscErrorCode MeritCheckpointSetPositionSource(MeritCheckpoint c, MeritPositionSource source, void *ctx)
{
  PetscFunctionBegin;
  c->source     = source;
  c->source_ctx = ctx;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckpointSetPositions - See the header. Collective. */
PetscErrorCode CheckpointSetPositions(MeritCheckpoint c)
{
  PetscFunctionBegin;
  if (c->source) PetscCall(c->source(c->source_ctx, c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode FreePositions(MeritCheckpoint c)
{
  PetscFunctionBegin;
  for (int k = 0; k < N_STATE_KINDS; k++) {
    PetscCall(MeritExchangeDestroy(&c->positions[k].exchange));
    PetscCall(PetscFree(c->positions[k].arriving));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckpointFreePositions - See the header. Not collective. */
PetscErrorCode CheckpointFreePositions(MeritCheckpoint c)
{
  PetscFunctionBegin;
  if (c->source) PetscCall(FreePositions(c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritCheckpointDue - See the header. Collective.
  Every rank calls this at each iteration, but a reduction at each would cost time on fast
  iterations. The ranks therefore communicate only about every LOOK seconds: from the time since
  the last reduction rank 0 estimates how many calls that is, and all skip that many. Saving by
  number of calls needs no communication.
*/
PetscErrorCode MeritCheckpointDue(MeritCheckpoint c, bool *due)
{
  int64_t word[3] = {MeritRequested(), 0, 0};
  double  now;

  PetscFunctionBegin;
  *due = false;
  if (!c) PetscFunctionReturn(PETSC_SUCCESS);
  c->n_calls++;
  *due = c->calls && c->n_calls % c->calls == 0;
  /* Requested by a signal; time since the last checkpoint; calls until the next reduction */
  if (c->n_calls < c->next) PetscFunctionReturn(PETSC_SUCCESS);
  now = MPI_Wtime();
  if (c->rank == 0) {
    word[1] = c->seconds > 0.0 && now - c->last >= c->seconds;
    word[2] = PetscMax(1, (int64_t)((double)(c->n_calls - c->since) * LOOK / PetscMax(now - c->looked, 1e-6)));
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, word, 3, MPI_INT64_T, MPI_MAX, c->comm));
  c->looked = now;
  c->since  = c->n_calls;
  c->next   = c->n_calls + PetscMin(word[2], CALLS);
  c->stop   = c->stop || word[0];
  *due      = *due || c->stop || word[1];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckpointPath - See the header. Not collective. */
char *CheckpointPath(MeritCheckpoint c, const char name[])
{
  const size_t length = strlen(c->folder) + strlen(name) + 2;
  char        *path   = malloc(length);

  if (path) snprintf(path, length, "%s/%s", c->folder, name);
  return path;
}

/* CheckpointPositionBytes - See the header. Not collective. */
size_t CheckpointPositionBytes(const CheckpointPart *p) { return p->kind == MERIT_STATE_SAME ? 1 : p->size * sizeof(double); }

/* Chunks of vectors count positions, chunks of a part that all ranks hold alike count bytes */
static int64_t ChunkPositions(const CheckpointPart *p) { return p->kind == MERIT_STATE_SAME ? CHUNK_BYTES : CHUNK_POSITIONS; }

/* CheckpointChunks - See the header. Not collective. */
int64_t CheckpointChunks(const CheckpointPart *p) { return (p->n_all + ChunkPositions(p) - 1) / ChunkPositions(p); }

/* CheckpointChunk - See the header. Not collective. */
void CheckpointChunk(const CheckpointPart *p, int64_t c, int64_t *first, int64_t *last)
{
  *first = c * ChunkPositions(p);
  *last  = PetscMin(p->n_all, *first + ChunkPositions(p));
}

/* CheckpointFirstChunk - See the header. Not collective. */
int64_t CheckpointFirstChunk(const CheckpointPart *p, PetscMPIInt size, PetscMPIInt rank)
{
  if (p->kind == MERIT_STATE_SAME) return rank == 0 ? 0 : p->n_chunks;
  return MeritBlockFirst(p->n_chunks, size, rank);
}

/* CheckpointCrc - See the header. Not collective. */
uint32_t CheckpointCrc(const void *at, size_t n) { return (uint32_t)crc32(crc32(0, NULL, 0), at, (uInt)n); }

/* Rank 0 removes the files by name, then the folder, which stays if it holds anything else */
/* MeritCheckpointRemove - See the header. Collective. */
PetscErrorCode MeritCheckpointRemove(MeritCheckpoint c)
{
  static const char *const names[] = {"writing", "newest", "previous", "RESUME"};

  PetscFunctionBegin;
  if (!c) PetscFunctionReturn(PETSC_SUCCESS);
  for (size_t i = 0; c->rank == 0 && i < PETSC_STATIC_ARRAY_LENGTH(names); i++) (void)FolderRemove(c->folder, false, names[i]);
  if (c->rank == 0) rmdir(c->folder);
  PetscCallMPI(MPI_Barrier(c->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointDestroy - See the header. Not collective. */
PetscErrorCode MeritCheckpointDestroy(MeritCheckpoint *checkpoint)
{
  MeritCheckpoint c = *checkpoint;

  PetscFunctionBegin;
  if (!c) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(FreePositions(c));
  PetscCall(CheckpointClose(c));
  PetscCall(CheckpointKeptFree(c));
  MeritTextFree(&c->lines);
  PetscCall(PetscFree(c->folder));
  PetscCall(PetscCommDestroy(&c->comm));
  PetscCall(PetscFree(*checkpoint));
  PetscFunctionReturn(PETSC_SUCCESS);
}

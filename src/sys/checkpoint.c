/* The object: when to save, where each value has its place, what run it is. */
#include "checkpoint_private.h"
#include <merit/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Seconds between looks at the clock together, and calls at most */
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
  c->comm    = comm;
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

/* Chunks of places over ranks in blocks: first place of a rank's */
static int64_t FirstPlace(int64_t n_all, PetscMPIInt size, PetscMPIInt rank)
{
  return PetscMin(n_all, MeritBlockFirst((n_all + CHUNK_PLACES - 1) / CHUNK_PLACES, size, rank) * CHUNK_PLACES);
}

/* MeritCheckpointSetPlaces - See the header. Collective. */
PetscErrorCode MeritCheckpointSetPlaces(MeritCheckpoint c, MeritStateKind kind, int64_t n, const int64_t place[], int64_t n_all)
{
  CheckpointPlaces *p        = &c->places[kind];
  const int64_t     n_chunks = (n_all + CHUNK_PLACES - 1) / CHUNK_PLACES;
  PetscMPIInt      *dest;

  PetscFunctionBegin;
  PetscCall(MeritExchangeDestroy(&p->exchange));
  PetscCall(PetscFree(p->arriving));
  p->given  = true;
  p->n      = n;
  p->n_all  = n_all;
  p->first  = FirstPlace(n_all, c->size, c->rank);
  p->n_mine = FirstPlace(n_all, c->size, c->rank + 1) - p->first;
  PetscCall(PetscMalloc1((size_t)n + 1, &dest));
  for (int64_t i = 0; i < n; i++) dest[i] = MeritBlockOwner(n_chunks, c->size, place[i] / CHUNK_PLACES);
  PetscCall(MeritExchangeCreate(c->comm, n, dest, &p->exchange));
  PetscCall(PetscFree(dest));
  PetscCall(PetscMalloc1((size_t)MeritExchangeArriving(p->exchange) + 1, &p->arriving));
  PetscCall(MeritExchangeForward(p->exchange, sizeof(*place), place, p->arriving));
  for (int64_t i = 0; i < MeritExchangeArriving(p->exchange); i++) p->arriving[i] -= p->first;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointSetPlacer - See the header. Not collective. */
PetscErrorCode MeritCheckpointSetPlacer(MeritCheckpoint c, MeritPlacer placer, void *ctx)
{
  PetscFunctionBegin;
  c->placer     = placer;
  c->placer_ctx = ctx;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckpointPlace - See the header. Collective. */
PetscErrorCode CheckpointPlace(MeritCheckpoint c)
{
  PetscFunctionBegin;
  if (c->placer) PetscCall(c->placer(c->placer_ctx, c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode FreePlaces(MeritCheckpoint c)
{
  PetscFunctionBegin;
  for (int k = 0; k < N_PLACES; k++) {
    PetscCall(MeritExchangeDestroy(&c->places[k].exchange));
    PetscCall(PetscFree(c->places[k].arriving));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckpointForget - See the header. Not collective. */
PetscErrorCode CheckpointForget(MeritCheckpoint c)
{
  PetscFunctionBegin;
  if (c->placer) PetscCall(FreePlaces(c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointDue - See the header. The ranks meet for it a few times a second only. Collective. */
PetscErrorCode MeritCheckpointDue(MeritCheckpoint c, bool *due)
{
  int64_t word[3] = {MeritRequested(), 0, 0};
  double  now;

  PetscFunctionBegin;
  *due = false;
  if (!c) PetscFunctionReturn(PETSC_SUCCESS);
  c->n_calls++;
  *due = c->calls && c->n_calls % c->calls == 0;
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

/* CheckpointPlaceBytes - See the header. Not collective. */
size_t CheckpointPlaceBytes(const CheckpointPart *p)
{
  return p->kind == MERIT_STATE_SAME ? 1 : p->size * sizeof(double);
}

static int64_t ChunkPlaces(const CheckpointPart *p)
{
  return p->kind == MERIT_STATE_SAME ? CHUNK_BYTES : CHUNK_PLACES;
}

/* CheckpointChunks - See the header. Not collective. */
int64_t CheckpointChunks(const CheckpointPart *p)
{
  return (p->n_all + ChunkPlaces(p) - 1) / ChunkPlaces(p);
}

/* CheckpointChunk - See the header. Not collective. */
void CheckpointChunk(const CheckpointPart *p, int64_t c, int64_t *first, int64_t *last)
{
  *first = c * ChunkPlaces(p);
  *last  = PetscMin(p->n_all, *first + ChunkPlaces(p));
}

/* CheckpointFirstChunk - See the header. Not collective. */
int64_t CheckpointFirstChunk(const CheckpointPart *p, PetscMPIInt size, PetscMPIInt rank)
{
  if (p->kind == MERIT_STATE_SAME) return rank == 0 ? 0 : p->n_chunks;
  return MeritBlockFirst(p->n_chunks, size, rank);
}

/* CheckpointCrc - See the header. Not collective. */
uint32_t CheckpointCrc(const void *at, size_t n)
{
  return (uint32_t)crc32(crc32(0, NULL, 0), at, (uInt)n);
}

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
  PetscCall(FreePlaces(c));
  PetscCall(CheckpointClose(c));
  PetscCall(CheckpointKeptFree(c));
  MeritTextFree(&c->lines);
  PetscCall(PetscFree(c->folder));
  PetscCall(PetscFree(*checkpoint));
  PetscFunctionReturn(PETSC_SUCCESS);
}

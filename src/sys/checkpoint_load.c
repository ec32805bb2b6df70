/*
  Reading parts of the checkpoint that is open.

  A vector is read in blocks: each rank reads the bytes of its own chunks, picks the values that
  other ranks asked for (the positions came with the exchange's plan), and sends them back to the
  ranks of the equations or records. A part that is the same on all ranks is read by rank 0 and
  broadcast.
*/
#include "checkpoint_private.h"
#include <stdlib.h>
#include <string.h>

/* CheckpointLoadSame - See the header. Collective. */
PetscErrorCode CheckpointLoadSame(MeritCheckpoint c, const CheckpointPart *p, void *data)
{
  MeritFault fault = {0};

  PetscFunctionBegin;
  if (c->rank == 0) MeritFileRead(c->open, p->begin, p->n_all, data, &fault);
  PetscCall(MeritFaultAgree(c->comm, &fault));
  PetscCallMPI(MPI_Bcast(data, (PetscMPIInt)p->n_all, MPI_BYTE, 0, c->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
  /* LoadPositions - Fill s->data [positions.n * size] of a vector part. Collective. */
}

static PetscErrorCode LoadPositions(MeritCheckpoint c, const CheckpointPart *p, const MeritState *s)
{
  CheckpointPositions *positions = &c->positions[s->kind];
  const size_t         bytes     = CheckpointPositionBytes(p);
  const int64_t        n         = MeritExchangeArriving(positions->exchange);
  MeritFault           fault     = {0};
  char                *mine, *answer;

  PetscFunctionBegin;
  /* Block of this rank's chunks, positions [first, first + n_mine) */
  PetscCall(PetscMalloc2((size_t)positions->n_mine * bytes + 1, &mine, (size_t)n * bytes + 1, &answer));
  MeritFileRead(c->open, p->begin + positions->first * (int64_t)bytes, positions->n_mine * (int64_t)bytes, mine, &fault);
  PetscCall(MeritFaultAgree(c->comm, &fault));
  for (int64_t i = 0; i < n; i++) memcpy(answer + (size_t)i * bytes, mine + (size_t)positions->arriving[i] * bytes, bytes);
  PetscCall(MeritExchangeBack(positions->exchange, bytes, answer, s->data));
  PetscCall(PetscFree2(mine, answer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointDamaged - See the header. Collective. */
PetscErrorCode MeritCheckpointDamaged(MeritCheckpoint c, const char name[])
{
  PetscFunctionBegin;
  PetscCall(
      MeritRaise(MERIT_ERROR_SYSTEM, c->folder, 0, NULL, "the checkpoint is damaged (%s); to start over use --overwrite without --restart", name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  LoadPart - Fill s->data from the part of its name, which must have the same kind and size.
  Collective.
  Errors: USAGE if it is missing or differs. A part can be loaded once: its name is then cleared in
  the table, so that a second solve of the same run starts from its own state, not from the file.
*/
static PetscErrorCode LoadPart(MeritCheckpoint c, const MeritState *s)
{
  const int64_t     n_all = s->kind == MERIT_STATE_SAME ? (int64_t)s->size : c->positions[s->kind].n_all;
  const uint32_t    size  = s->kind == MERIT_STATE_SAME ? 1 : (uint32_t)s->size;
  const MeritState *kept  = CheckpointKept(c, s->name);
  CheckpointPart   *part  = NULL;
  /* A kept part was read when the file was opened; it is taken from memory */
  bool right;

  PetscFunctionBegin;
  for (uint32_t i = 0; c->open && i < c->head.n_parts; i++)
    if (!strcmp(c->part[i].name, s->name)) part = &c->part[i];
  right = kept ? s->kind == MERIT_STATE_SAME && kept->size == s->size : part && part->kind == s->kind && part->size == size && part->n_all == n_all;
  if (!right)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, c->open, 0, NULL, "the checkpoint is of another solver or version: `%s` %s", s->name,
                         part || kept ? "has another size" : "is not in it"));
  if (kept) memcpy(s->data, kept->data, s->size);
  else if (s->kind == MERIT_STATE_SAME) PetscCall(CheckpointLoadSame(c, part, s->data));
  else PetscCall(LoadPositions(c, part, s));
  if (part) part->name[0] = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointSameRanks - See the header. Not collective. */
bool MeritCheckpointSameRanks(MeritCheckpoint c) { return c && c->open && c->head.ranks == (uint32_t)c->size; }

/* MeritCheckpointLoad - See the header. Collective. */
PetscErrorCode MeritCheckpointLoad(MeritCheckpoint c, int n, const MeritState state[], bool *loaded)
{
  PetscFunctionBegin;
  *loaded = n > 0 && MeritCheckpointHas(c, state[0].name);
  if (!*loaded) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(CheckpointSetPositions(c));
  for (int i = 0; i < n; i++) PetscCall(LoadPart(c, &state[i]));
  PetscCall(CheckpointFreePositions(c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

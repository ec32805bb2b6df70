/*
  Parts of a checkpoint that are final: results of a finished phase (say, of one term that was
  tested).

  A copy is kept in memory and written with every later checkpoint, so that a restart need not
  compute it again. The copies of a checkpoint that was opened are taken over (checkpoint_open.c).
*/
#include "checkpoint_private.h"
#include <string.h>

/* CheckpointKept - See the header. Not collective. */
const MeritState *CheckpointKept(MeritCheckpoint c, const char name[])
{
  for (int i = 0; i < c->n_kept; i++)
    if (!strcmp(c->kept[i].name, name)) return &c->kept[i];
  return NULL;
}

/* Names and data are copied: the caller's arrays may go as soon as this returns. data NULL: zeros. */
/* CheckpointKeep - See the header. Not collective. */
PetscErrorCode CheckpointKeep(MeritCheckpoint c, const char name[], size_t size, const void *data)
{
  MeritState *kept;
  char       *copy;

  PetscFunctionBegin;
  /* One list that grows by one; parts are few (below MOST_PARTS) */
  PetscCheck(!CheckpointKept(c, name), c->comm, PETSC_ERR_ARG_WRONGSTATE, "%s is kept already", name);
  PetscCall(PetscMalloc1((size_t)c->n_kept + 1, &kept));
  PetscCall(PetscArraycpy(kept, c->kept, c->n_kept));
  PetscCall(PetscFree(c->kept));
  c->kept = kept;
  kept += c->n_kept++;
  *kept = (MeritState){.kind = MERIT_STATE_SAME, .size = size};
  PetscCall(PetscStrallocpy(name, &copy));
  kept->name = copy;
  PetscCall(PetscCalloc1(size + 1, &copy));
  kept->data = copy;
  if (data) memcpy(kept->data, data, size);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* CheckpointKeptFree - See the header. Not collective. */
PetscErrorCode CheckpointKeptFree(MeritCheckpoint c)
{
  PetscFunctionBegin;
  for (int i = 0; i < c->n_kept; i++) {
    char *name = (char *)(uintptr_t)c->kept[i].name;

    PetscCall(PetscFree(name));
    PetscCall(PetscFree(c->kept[i].data));
  }
  PetscCall(PetscFree(c->kept));
  c->n_kept = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointKeep - See the header. Collective. */
PetscErrorCode MeritCheckpointKeep(MeritCheckpoint c, int n, const MeritState state[])
{
  PetscFunctionBegin;
  for (int i = 0; c && i < n; i++) {
    PetscCheck(state[i].kind == MERIT_STATE_SAME, c->comm, PETSC_ERR_ARG_WRONG, "%s is not the same on all ranks", state[i].name);
    PetscCall(CheckpointKeep(c, state[i].name, state[i].size, state[i].data));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCheckpointHas - See the header. Not collective. */
bool MeritCheckpointHas(MeritCheckpoint c, const char name[])
{
  if (!c) return false;
  for (uint32_t i = 0; c->open && i < c->head.n_parts; i++)
    if (!strcmp(c->part[i].name, name)) return true;
  return CheckpointKept(c, name) != NULL;
}

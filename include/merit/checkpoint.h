#pragma once
#include <merit/file.h>

/*
  State of a run on disk, so that what dies goes on where it was. A solver lists what it needs as parts; vectors are stored by places that
  do not depend on ranks (equation: term, canonical level, component; record: line), so that the file is the same on any number of ranks,
  and read on any other. Two generations are kept; a file is written under another name and renamed when it is on disk as a whole.
*/
typedef struct _p_MeritCheckpoint *MeritCheckpoint;

/* What a part holds: the same bytes on every rank, or doubles by place of the equations or of the records */
typedef enum { MERIT_STATE_SAME, MERIT_STATE_EQUATIONS, MERIT_STATE_RECORDS } MeritStateKind;

/* One part. SAME: size bytes; else size doubles for each of this rank's places, place after place. data is borrowed. */
typedef struct {
  const char    *name; /* at most 31 characters */
  MeritStateKind kind;
  size_t         size;
  void          *data;
} MeritState;

/* Lines "key value" that say what run it is: a checkpoint with other lines is refused. Filled in when first needed. Collective. */
typedef PetscErrorCode (*MeritIdentity)(void *ctx, MeritText *lines);

/* Checkpoints of the run that writes into `folder` (they are in folder/checkpoint): every `seconds` and every `calls` calls of
   `MeritCheckpointDue()`, 0: not by that. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointCreate(MPI_Comm comm, const char folder[], double seconds, int64_t calls, MeritCheckpoint *checkpoint);
/* What run it is; ctx must outlive the checkpoint. Not collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointSetIdentity(MeritCheckpoint checkpoint, MeritIdentity identity, void *ctx);
/* What gives the places by `MeritCheckpointSetPlaces()`, whenever they are needed: they are forgotten in between. Collective. */
typedef PetscErrorCode (*MeritPlacer)(void *ctx, MeritCheckpoint checkpoint);
/* Who knows the places; ctx must outlive the checkpoint. Not collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointSetPlacer(MeritCheckpoint checkpoint, MeritPlacer placer, void *ctx);
/* Places of this rank's n equations (or records), 0 .. n_all - 1, no place twice over all ranks; copied. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointSetPlaces(MeritCheckpoint checkpoint, MeritStateKind kind, int64_t n, const int64_t place[],
                                                     int64_t n_all);
/* Is there a checkpoint in the folder, of whatever state, or the marker of a run that stopped before it had one? The same on all ranks. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointExists(MeritCheckpoint checkpoint, bool *exists);
/*
  Find the newest whole checkpoint, which `MeritCheckpointLoad()` then reads; *found says whether there is one. A damaged one is told by a
  warning, and the one before is taken; SYSTEM if none is whole. USAGE, naming the first difference, if it is of another run or version.
  Removes the marker. Collective.
*/
MERIT_EXTERN PetscErrorCode MeritCheckpointOpen(MeritCheckpoint checkpoint, bool *found);
/* Fill the parts from the checkpoint opened, once: *loaded is false if it has not the first of them, or none is open. USAGE if it has others
   of them not, or of another size. NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointLoad(MeritCheckpoint checkpoint, int n, const MeritState state[], bool *loaded);
/* What was loaded as `name` cannot be: a SYSTEM error. Where all ranks find it. */
MERIT_EXTERN PetscErrorCode MeritCheckpointMad(MeritCheckpoint checkpoint, const char name[]);
/* Was the checkpoint opened written by as many ranks? Not collective. */
MERIT_EXTERN bool MeritCheckpointSameRanks(MeritCheckpoint checkpoint);
/* Is it time, or has somebody asked? NULL-safe (never). The same on all ranks. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointDue(MeritCheckpoint checkpoint, bool *due);
/*
  Write the parts; `progress` (iterations, rounds) is for the user. If a stop was asked for it ends with STOPPED, after the marker RESUME.
  A checkpoint that cannot be written is a warning, and the run goes on with the earlier one as it was; when a stop was asked for, an error.
  Collective.
*/
MERIT_EXTERN PetscErrorCode MeritCheckpointSave(MeritCheckpoint checkpoint, int64_t progress, int n, const MeritState state[]);
/* What is done: copies of these parts (SAME only) are in all later checkpoints of this run, and of those that go on from them. NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointKeep(MeritCheckpoint checkpoint, int n, const MeritState state[]);
/* Does the checkpoint opened, or what is kept, have a part of this name? NULL-safe. Not collective. */
MERIT_EXTERN bool MeritCheckpointHas(MeritCheckpoint checkpoint, const char name[]);
/* Ends with STOPPED if a stop was asked for, though there is nothing to save: what is there goes on from the last checkpoint. NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointStop(MeritCheckpoint checkpoint);
/* Remove both generations and the marker: the run is complete, or starts anew. NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointRemove(MeritCheckpoint checkpoint);
/* Free; NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointDestroy(MeritCheckpoint *checkpoint);

/*
  A request to stop: SIGUSR1, which mpirun hands to the ranks; where no mpirun is above, which would end them itself, TERM and INT too (a
  second INT ends the process). Call it first of all and again after PetscInitialize, which sets its own handlers. Not collective.
*/
MERIT_EXTERN PetscErrorCode MeritRequestsCatch(void);
typedef void (*MeritRequestNotice)(int signal);
/* Call this in the signal handler at each request, so that a user sees at once that it has arrived: it may do only what is safe there; NULL: nothing.
   Not collective. */
MERIT_EXTERN void MeritRequestsSetNotice(MeritRequestNotice notice);
/* Has a stop been asked of this process? Not collective. */
MERIT_EXTERN bool MeritRequested(void);

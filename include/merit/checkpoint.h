#pragma once
#include <merit/file.h>

/*
  State of a run on disk, so that a run that was stopped or lost continues from there. A solver lists what it needs as parts. Vectors are
  stored by position: a number that does not depend on ranks (equation: term, canonical level, component; record: line of the file). So the
  file is the same whatever the number of ranks, and is read on any other number. Two generations are kept; a file is written under another
  name and renamed when it is on disk as a whole.
*/
typedef struct _p_MeritCheckpoint *MeritCheckpoint;

/* What a part holds: the same bytes on every rank, or doubles by position of the equations or of the records */
typedef enum { MERIT_STATE_SAME, MERIT_STATE_EQUATIONS, MERIT_STATE_RECORDS } MeritStateKind;

/* One part. SAME: size bytes; else size doubles for each of this rank's positions, position after position. data is borrowed. */
typedef struct {
  const char    *name; /* at most 31 characters */
  MeritStateKind kind;
  size_t         size;
  void          *data;
} MeritState;

/* Lines "key value" that identify the run: a checkpoint with other lines is refused. Called when first needed. Collective. */
typedef PetscErrorCode (*MeritIdentity)(void *ctx, MeritText *lines);

/* Checkpoints of the run that writes into `folder` (in folder/checkpoint), every `seconds` and every `calls` calls of
   `MeritCheckpointDue()`; 0 switches either off. Collective. Free with `MeritCheckpointDestroy()`. */
MERIT_EXTERN PetscErrorCode MeritCheckpointCreate(MPI_Comm comm, const char folder[], double seconds, int64_t calls, MeritCheckpoint *checkpoint);
/* Set the callback that identifies the run; ctx must outlive the checkpoint. Not collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointSetIdentity(MeritCheckpoint checkpoint, MeritIdentity identity, void *ctx);
/* Sets positions by `MeritCheckpointSetPositions()`. Called whenever they are needed; they are freed in between. Collective. */
typedef PetscErrorCode (*MeritPositionSource)(void *ctx, MeritCheckpoint checkpoint);
/* Set that callback; ctx must outlive the checkpoint. Not collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointSetPositionSource(MeritCheckpoint checkpoint, MeritPositionSource source, void *ctx);
/* Positions of this rank's n equations (or records), 0 .. n_all - 1, none twice over all ranks; used once to plan the exchange. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointSetPositions(MeritCheckpoint checkpoint, MeritStateKind kind, int64_t n, const int64_t position[],
                                                        int64_t n_all);
/* Does the folder hold a checkpoint, intact or not, or the marker of a run that stopped before its first one? The same on all ranks. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointExists(MeritCheckpoint checkpoint, bool *exists);
/*
  Find the newest intact checkpoint, which `MeritCheckpointLoad()` then reads; *found is false if the folder has none. A damaged one gives a
  warning, and the one before is tried. Removes the marker. Collective. Errors: SYSTEM if none is intact; USAGE, naming the first difference,
  if it is of another run or version.
*/
MERIT_EXTERN PetscErrorCode MeritCheckpointOpen(MeritCheckpoint checkpoint, bool *found);
/* Fill the parts from the checkpoint opened, each once; *loaded is false if it lacks the first of them, or none is open. NULL-safe. Collective.
   Errors: USAGE if another of them is missing or has another size. */
MERIT_EXTERN PetscErrorCode MeritCheckpointLoad(MeritCheckpoint checkpoint, int n, const MeritState state[], bool *loaded);
/* Raise a SYSTEM error: the values loaded as `name` are impossible. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointDamaged(MeritCheckpoint checkpoint, const char name[]);
/* Was the checkpoint that is open written by as many ranks as this run has? Not collective. */
MERIT_EXTERN bool MeritCheckpointSameRanks(MeritCheckpoint checkpoint);
/* Is a checkpoint due, by time, by number of calls, or on request? NULL-safe (never). The same on all ranks. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointDue(MeritCheckpoint checkpoint, bool *due);
/*
  Write the parts; `progress` (iterations, rounds) is shown in messages. If a stop was requested, write the marker RESUME and raise STOPPED.
  A checkpoint that cannot be written is a warning, the earlier one is kept and the run continues; when a stop was requested it is an error.
  Collective.
*/
MERIT_EXTERN PetscErrorCode MeritCheckpointSave(MeritCheckpoint checkpoint, int64_t progress, int n, const MeritState state[]);
/* Final parts (SAME only): copies are written with all later checkpoints of this run, and of runs that continue from them. NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointKeep(MeritCheckpoint checkpoint, int n, const MeritState state[]);
/* Does the checkpoint opened, or the list of final parts, have a part of this name? NULL-safe. Not collective. */
MERIT_EXTERN bool MeritCheckpointHas(MeritCheckpoint checkpoint, const char name[]);
/* Raise STOPPED if a stop was requested, without saving: a restart continues from the last checkpoint. NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointStop(MeritCheckpoint checkpoint);
/* Remove both generations and the marker, when the run is complete or starts from the beginning. NULL-safe. Collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointRemove(MeritCheckpoint checkpoint);
/* Free; NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritCheckpointDestroy(MeritCheckpoint *checkpoint);

/*
  Catch requests to stop: SIGUSR1, which mpirun passes to the ranks. Without mpirun (which ends its ranks on TERM and INT) also TERM and INT; a
  second INT ends the process. To be called first of all and again after PetscInitialize, which sets its own handlers. Not collective.
*/
MERIT_EXTERN PetscErrorCode MeritRequestsCatch(void);
/* Called in the signal handler; may do only what is safe there. */
typedef void (*MeritRequestNotice)(int signal);
/* Set the function that is called at each request, so that the user sees at once that it has arrived; NULL: none. Not collective. */
MERIT_EXTERN void MeritRequestsSetNotice(MeritRequestNotice notice);
/* Did this process receive a request to stop? Not collective. */
MERIT_EXTERN bool MeritRequested(void);

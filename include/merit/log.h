#pragma once
#include <merit/sys.h>

/*
  What a run tells its user while it goes. The library only calls; the command line installs a sink that prints (rank 0's calls
  count, all ranks may call). Without a sink nothing happens.
*/
typedef enum { MERIT_LOG_INFO, MERIT_LOG_WARNING, MERIT_LOG_PROGRESS } MeritLogKind;

/* `fraction` 0..1 or -1 if unknown (PROGRESS only); `text` without newline. */
typedef void (*MeritLogSink)(MeritLogKind kind, double fraction, const char text[], void *ctx);

/* Install the sink (NULL: none); only rank 0's sink is called. Not collective. */
MERIT_EXTERN void MeritLogSetSink(MeritLogSink sink, void *ctx);
/* A line for the user. Warnings are also kept for summary.json. Not collective: rank 0's counts. */
MERIT_EXTERN void MeritLog(MeritLogKind kind, const char format[], ...) __attribute__((format(printf, 2, 3)));
/* What a command is at, such as "round 3": stands before the progress of all that is done for it, until the next call; NULL: nothing. Not collective. */
MERIT_EXTERN void MeritLogTask(const char format[], ...) __attribute__((format(printf, 1, 2)));
/* Progress of a long phase; the sink decides how often it shows. */
MERIT_EXTERN void MeritLogProgress(double fraction, const char format[], ...) __attribute__((format(printf, 2, 3)));
/* Warnings so far, for summary.json; borrowed. */
MERIT_EXTERN int MeritLogWarnings(const char *const **texts);

/* Phases ("read", "set-up", "solve", "write"...): seconds and bytes are kept per phase for summary.json and PETSc's -log_view. */
MERIT_EXTERN PetscErrorCode MeritPhaseBegin(const char name[]);
/* End the phase begun last. */
MERIT_EXTERN PetscErrorCode MeritPhaseEnd(void);
/* How many phases are open. */
MERIT_EXTERN int MeritPhaseDepth(void);
/* End all phases beyond so many, which an error that was caught has left open. */
MERIT_EXTERN PetscErrorCode MeritPhaseUnwind(int depth);
/* n phases in order of first begin; seconds of this rank. Borrowed. */
MERIT_EXTERN int MeritPhases(const char *const **names, const double **seconds);
/* Processor seconds (all threads) and peak memory at the end of each phase, this rank's, in the same order. Borrowed. */
MERIT_EXTERN void MeritPhasesUsed(const double **cpu, const int64_t **memory);
/* Peak resident memory of this rank in bytes. */
MERIT_EXTERN int64_t MeritPeakMemory(void);
/* Forget warnings and phases (between runs in one process). */
MERIT_EXTERN void MeritLogReset(void);

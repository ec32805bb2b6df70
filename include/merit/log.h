#pragma once
#include <merit/sys.h>

/*
  Messages of a run. The library hands them to a sink; the command line installs one on rank 0 that prints. All ranks may call; without a
  sink nothing happens.
*/
typedef enum { MERIT_LOG_INFO, MERIT_LOG_WARNING, MERIT_LOG_PROGRESS } MeritLogKind;

/* `fraction` 0..1 or -1 if unknown (PROGRESS only); `text` without newline. */
typedef void (*MeritLogSink)(MeritLogKind kind, double fraction, const char text[], void *ctx);

/* Install the sink (NULL: none); only rank 0's sink is called. Not collective. */
MERIT_EXTERN void MeritLogSetSink(MeritLogSink sink, void *ctx);
/* One line for the user. Warnings are also kept for summary.json. Not collective; only rank 0's is shown. */
MERIT_EXTERN void MeritLog(MeritLogKind kind, const char format[], ...) __attribute__((format(printf, 2, 3)));
/* Name the current task ("round 3"): it is put before each line of progress until the next call; NULL: none. Not collective. */
MERIT_EXTERN void MeritLogTask(const char format[], ...) __attribute__((format(printf, 1, 2)));
/* Progress of a long phase, a fraction of 1 (-1: unknown); the sink decides how often it shows. Not collective. */
MERIT_EXTERN void MeritLogProgress(double fraction, const char format[], ...) __attribute__((format(printf, 2, 3)));
/* Number of warnings of this rank so far and their texts, for summary.json; borrowed until the next one. Not collective. */
MERIT_EXTERN int MeritLogWarnings(const char *const **texts);

/* Phases ("read", "set-up", "solve", "write"...): seconds and bytes are kept per phase for summary.json and PETSc's -log_view. Begin one; phases nest. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritPhaseBegin(const char name[]);
/* End the phase begun last. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritPhaseEnd(void);
/* Number of phases that have begun and not ended. Not collective. */
MERIT_EXTERN int MeritPhaseDepth(void);
/* End phases until `depth` are open: for errors that were caught. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritPhaseUnwind(int depth);
/* n phases in order of first begin; seconds of this rank. Borrowed. */
MERIT_EXTERN int MeritPhases(const char *const **names, const double **seconds);
/* Processor seconds (all threads) and peak memory at the end of each phase, this rank's, in the same order. Borrowed. */
MERIT_EXTERN void MeritPhasesUsed(const double **cpu, const int64_t **memory);
/* Peak resident memory of this rank in bytes. */
MERIT_EXTERN int64_t MeritPeakMemory(void);
/* Forget warnings and phases (between runs in one process). */
MERIT_EXTERN void MeritLogReset(void);

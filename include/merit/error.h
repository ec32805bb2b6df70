#pragma once
#include <merit/sys.h>

/* Why a run ends; the value is the exit status of the command line. */
typedef enum {
  MERIT_ERROR_NONE          = 0,
  MERIT_ERROR_SYSTEM        = 1, /* memory, disk, or a defect of ours */
  MERIT_ERROR_USAGE         = 2, /* command line, job file, or a feature not available */
  MERIT_ERROR_INPUT         = 3, /* data malformed, inconsistent or degenerate */
  MERIT_ERROR_NOT_CONVERGED = 4,
  MERIT_ERROR_STOPPED       = 75 /* stopped on request, restart possible */
} MeritErrorKind;

/* Where and what: `text` is the whole message, "file:line: id: what". Plain data, may be copied. */
typedef struct {
  MeritErrorKind kind;
  bool           agreed;    /* every rank holds this very error */
  char           file[512]; /* "" when no file is concerned */
  int64_t        line;      /* 1-based, 0 when unknown */
  char           id[128];   /* "" when none */
  char           text[2048];
} MeritErrorInfo;

/* Most faults that one error names */
#define MERIT_FAULTS_NAMED 20

/* Faults that a rank found in its part of the data; start with {0}. */
typedef struct {
  MeritErrorKind  kind; /* of the lowest line; NONE: no fault */
  int64_t         n;    /* faults noted, also those not in list */
  int64_t         last; /* line noted last */
  int             kept; /* in list, at most MERIT_FAULTS_NAMED */
  MeritErrorInfo *list; /* by line; malloc */
} MeritFault;

/* PETSc error codes that Merit raises are this base + kind. */
#define MERIT_ERR_BASE 1000

/* Raise an error that every rank raises alike (same arguments); returns the code for PetscCall. */
MERIT_EXTERN PetscErrorCode MeritRaise(MeritErrorKind kind, const char file[], int64_t line, const char id[], const char format[], ...)
    __attribute__((format(printf, 5, 6)));
/* Note a fault on this rank. Only the first fault of a line counts, and the lowest lines are kept. Not collective, never fails. */
MERIT_EXTERN void MeritFaultSet(MeritFault *fault, MeritErrorKind kind, const char file[], int64_t line, const char id[], const char format[], ...)
    __attribute__((format(printf, 6, 7)));
/* Add `lines` to the line numbers of all faults noted so far, once the lines before this rank's part are counted. Not collective. */
MERIT_EXTERN void MeritFaultShift(MeritFault *fault, int64_t lines);
/* Add the faults of another list, which is then empty. Not collective. */
MERIT_EXTERN void MeritFaultMove(MeritFault *to, MeritFault *from);
/* Empty the list and free it. Not collective. */
MERIT_EXTERN void MeritFaultForget(MeritFault *fault);
/* Agree on the faults of the lowest lines (then ranks) over all ranks and raise them everywhere as one error; success if there is
   none. Collective. */
MERIT_EXTERN PetscErrorCode MeritFaultAgree(MPI_Comm comm, const MeritFault *fault);
/* Show them as warnings on all ranks instead, and empty the list. Collective. */
MERIT_EXTERN PetscErrorCode MeritFaultWarn(MPI_Comm comm, MeritFault *fault);
/* Raise on all ranks if any holds more of something (`what`, in the plural) than a rank can, MeritMaxLocal(). Collective. */
MERIT_EXTERN PetscErrorCode MeritFitsRank(MPI_Comm comm, int64_t n, const char what[]);
/* Most that one rank can hold of anything: 2^31 - 2, or what MERIT_MAX_LOCAL in the environment says (tests). */
MERIT_EXTERN int64_t MeritMaxLocal(void);
/* The error raised last; kind NONE if there is none. Borrowed until the next raise. */
MERIT_EXTERN const MeritErrorInfo *MeritErrorLast(void);
/* Faults raised together with it, by line, at most MERIT_FAULTS_NAMED - 1; *n_left more were not kept. Borrowed until the next raise. */
MERIT_EXTERN int MeritErrorFurther(const MeritErrorInfo **further, int64_t *n_left);
/* Forget the error raised last. */
MERIT_EXTERN void MeritErrorClear(void);
/* Replace control characters and bytes that are not UTF-8 by \n, \x1b, \u202e, in place; the text is cut at 2047 bytes or `size`. */
MERIT_EXTERN void MeritPrintable(size_t size, char text[]);
/* The same for the first character of a text; returns its bytes in the text. */
MERIT_EXTERN int MeritPrintableCharacter(const char text[], char shown[16]);
/* The candidate that a misspelt word most likely means: one that differs in case alone; else one with at most a third of the letters wrong;
   else the only one that begins with it; else NULL. Borrowed. */
MERIT_EXTERN const char *MeritNearest(const char word[], int n, const char *const candidates[]);

#pragma once
#include <merit/sys.h>

/* Why a run ends; the value is the exit status of the command line. */
typedef enum {
  MERIT_ERROR_NONE          = 0,
  MERIT_ERROR_SYSTEM        = 1,  /* memory, disk, or a defect of ours */
  MERIT_ERROR_USAGE         = 2,  /* command line, job file, or a feature not available */
  MERIT_ERROR_INPUT         = 3,  /* data malformed, inconsistent or degenerate */
  MERIT_ERROR_NOT_CONVERGED = 4,
  MERIT_ERROR_STOPPED       = 75  /* stopped on request, restart possible */
} MeritErrorKind;

/* Where and what: `text` is the whole message, "file:line: id: what". Plain data, may be copied. */
typedef struct {
  MeritErrorKind kind;
  bool           agreed;    /* every rank holds this very error */
  char           file[512]; /* "" when no file is to blame */
  int64_t        line;      /* 1-based, 0 when unknown */
  char           id[128];   /* "" when none */
  char           text[2048];
} MeritErrorInfo;

/* The first fault a rank found while it went through its part of the data; start with {0}. */
typedef MeritErrorInfo MeritFault;

/* PETSc error codes that Merit raises are this base + kind. */
#define MERIT_ERR_BASE 1000

/* Raise an error that every rank raises alike (same arguments); returns the code for PetscCall. */
MERIT_EXTERN PetscErrorCode MeritRaise(MeritErrorKind kind, const char file[], int64_t line, const char id[],
                                       const char format[], ...) __attribute__((format(printf, 5, 6)));
/* Note a fault on this rank; of several the one with the lowest line is kept. Not collective, never fails. */
MERIT_EXTERN void MeritFaultSet(MeritFault *fault, MeritErrorKind kind, const char file[], int64_t line,
                                const char id[], const char format[], ...)
  __attribute__((format(printf, 6, 7)));
/* Agree on the fault of lowest line (then rank) over all ranks and raise it everywhere; success if there is none. Collective. */
MERIT_EXTERN PetscErrorCode MeritFaultAgree(MPI_Comm comm, const MeritFault *fault);
/* The error raised last; kind NONE if there is none. Borrowed until the next raise. */
MERIT_EXTERN const MeritErrorInfo *MeritErrorLast(void);
/* Forget the error raised last. */
MERIT_EXTERN void MeritErrorClear(void);
/* Nearest of `n` candidates to a misspelt word (edit distance at most a third of its length), or NULL. Borrowed. */
MERIT_EXTERN const char *MeritNearest(const char word[], int n, const char *const candidates[]);

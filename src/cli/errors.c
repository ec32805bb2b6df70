/*
  How a run ends after an error.

  Errors of Merit (codes from MERIT_ERR_BASE) are the same on all ranks, and MeritErrorLast() has
  their text. Errors of PETSc may be of one rank: Handler() keeps where the last of them began.
  MeritErrorsReport() prints either, once, and finds the exit status.
*/
#include "cli.h"
#include <merit/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the error that PETSc reported last began */
static struct {
  PetscErrorCode code;
  int            line;
  char           function[64], file[128], text[1024];
} first;

/* Called by PETSc where an error begins (PETSC_ERROR_INITIAL) and again for each function that it
   passes through. Only the first call has the cause. Prints nothing unless MERIT_DEBUG is set,
   since an error that is caught must leave no trace on the terminal. */
static PetscErrorCode Handler(MPI_Comm comm, int line, const char *function, const char *file, PetscErrorCode code, PetscErrorType type,
                              const char *text, void *ctx)
{
  const char *slash = file ? strrchr(file, '/') : NULL;

  /* PETSc 3.18 has the line of the request where the code belongs */
  if (type == PETSC_ERROR_INITIAL && function && (!strcmp(function, "PetscMallocAlign") || !strcmp(function, "PetscReallocAlign")))
    code = PETSC_ERR_MEM;
  if (type == PETSC_ERROR_INITIAL && code < MERIT_ERR_BASE) {
    first.code = code;
    first.line = line;
    snprintf(first.function, sizeof(first.function), "%s", function ? function : "");
    snprintf(first.file, sizeof(first.file), "%s", slash ? slash + 1 : file ? file : "");
    snprintf(first.text, sizeof(first.text), "%s", text ? text : "");
  }
  if (getenv("MERIT_DEBUG")) (void)PetscTraceBackErrorHandler(comm, line, function, file, code, type, text, ctx);
  return code;
}

/* MeritErrorsInstall - See the header. Not collective. */
PetscErrorCode MeritErrorsInstall(void)
{
  PetscFunctionBegin;
  PetscCall(PetscPushErrorHandler(Handler, NULL));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One line about an error of one rank: what PETSc said, or the fault that this rank alone raised */
static void PrintCause(PetscMPIInt rank, PetscErrorCode code)
{
  const char *general = NULL, *text = first.text;
  char        number[32], shown[1024];

  if (code >= MERIT_ERR_BASE) {
    fprintf(stderr, "merit: %s (rank %d)\n", MeritErrorLast()->text, rank);
    return;
  }
  PetscErrorMessage(code, &general, NULL);
  if (!text[0]) text = general ? general : "unknown error";
  snprintf(number, sizeof(number), "error %d", (int)code);
  snprintf(shown, sizeof(shown), "%.*s", (int)strcspn(text, "\n"), text);
  MeritPrintable(sizeof(shown), shown);
  fprintf(stderr, "merit: %s on rank %d: %s (%s, %s:%d)\n", code == PETSC_ERR_MEM ? "out of memory" : number, rank, shown, first.function, first.file,
          first.line);
}

/* What is wrong, a line for each fault */
static void PrintAgreed(const MeritErrorInfo *e)
{
  const MeritErrorInfo *further;
  int64_t               n_left;
  const int             n = MeritErrorFurther(&further, &n_left);

  fprintf(stderr, "merit: %s\n", e->text);
  for (int i = 0; i < n; i++) fprintf(stderr, "merit: %s\n", further[i].text);
  if (n_left) fprintf(stderr, "merit: ... and %lld more\n", (long long)n_left);
}

/* MeritErrorsReport - See the header. An error that all ranks hold ends the run in order. After
   any other some ranks may wait for a message that never comes, so that MPI_Abort ends them all.
   Ranks other than 0 wait a second before they print: often all ranks fail alike, and one line
   is enough. */
int MeritErrorsReport(MPI_Comm comm, PetscErrorCode code)
{
  const MeritErrorInfo *e = MeritErrorLast();
  PetscMPIInt           rank;

  if (!code) return 0;
  MeritProgressEnd();
  MPI_Comm_rank(comm, &rank);
  /* Staged files are removed and the lock of the folder is released, also before MPI_Abort */
  (void)MeritOutputAbandonAll();
  if (e->agreed && code == MERIT_ERR_BASE + (PetscErrorCode)e->kind) {
    if (rank == 0) PrintAgreed(e);
    return (int)e->kind;
  }
  if (rank) usleep(1000000);
  PrintCause(rank, code);
  fflush(NULL);
  /* PETSC_ERR_ARG_UNKNOWN_TYPE: the user named a type that PETSc does not have (-ksp_type) */
  MPI_Abort(comm, code == PETSC_ERR_ARG_UNKNOWN_TYPE ? MERIT_ERROR_USAGE : MERIT_ERROR_SYSTEM);
  return MERIT_ERROR_SYSTEM;
}

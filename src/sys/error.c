/* Errors that all ranks raise alike. The text of an error is "file:line:column: id: what"; PETSc
   carries the code, and the last error is kept here so that the command line can print it and
   choose its exit status. */
#include "error_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The error raised last by this process: PETSc's codes carry no text, so it is kept beside them. */
static MeritErrorInfo last_error;
/* Further faults of the same check, and how many more there are */
static MeritErrorInfo last_further[MERIT_FAULTS_NAMED];
static int            last_n_further;
static int64_t        last_n_left;

/* Copy with truncation; NULL is the empty string */
static void Copy(char *to, size_t size, const char *from) { snprintf(to, size, "%s", from ? from : ""); }

/* MeritErrorPrefix - "file:line:column: id: ", what the text of an error begins with; its length. Not collective. */
size_t MeritErrorPrefix(const MeritErrorInfo *e, int64_t column, char text[], size_t size)
{
  size_t used = 0;

  text[0] = 0;
  if (e->file[0]) used = (size_t)snprintf(text, size, "%s:", e->file);
  if (e->line > 0) used += (size_t)snprintf(text + used, size - used, "%lld:", (long long)e->line);
  if (column > 0) used += (size_t)snprintf(text + used, size - used, "%lld:", (long long)column);
  if (used) used += (size_t)snprintf(text + used, size - used, " ");
  if (e->id[0]) used += (size_t)snprintf(text + used, size - used, "%s: ", e->id);
  return used;
}

/* MeritErrorFill - All of an error, its text included. Not collective. */
void MeritErrorFill(MeritErrorInfo *e, MeritErrorKind kind, const char file[], int64_t line, int64_t column, const char id[], const char format[],
                    va_list args)
{
  size_t used;

  memset(e, 0, sizeof(*e));
  e->kind = kind;
  e->line = line;
  Copy(e->file, sizeof(e->file), file);
  Copy(e->id, sizeof(e->id), id);
  used = MeritErrorPrefix(e, column, e->text, sizeof(e->text));
  vsnprintf(e->text + used, sizeof(e->text) - used, format, args);
  MeritPrintable(sizeof(e->text), e->text);
}

/* MeritErrorRaise - Raise an error that every rank holds, and keep those that follow it. Logically collective. */
PetscErrorCode MeritErrorRaise(const MeritErrorInfo *e, int n_further, const MeritErrorInfo further[], int64_t n_left)
{
  last_error        = *e;
  last_error.agreed = true;
  last_n_further    = n_further;
  last_n_left       = n_left;
  for (int i = 0; i < n_further; i++) last_further[i] = further[i];
  return PetscError(PETSC_COMM_SELF, __LINE__, "MeritRaise", __FILE__, MERIT_ERR_BASE + (PetscErrorCode)e->kind, PETSC_ERROR_INITIAL, "%s", e->text);
}

/*@
  MeritRaise - Raise an error that all ranks raise together with the same arguments.

  Logically collective.

  Input Parameters:
+ kind   - why; decides the exit status of the command line
. file   - the input file to blame, or NULL
. line   - its line, 1-based, or 0
. id     - the animal, level, key or column concerned, or NULL
- format - what is wrong and, where it helps, what would be right

  Returns the PETSc error code, to be handed to `PetscCall()`.
@*/
PetscErrorCode MeritRaise(MeritErrorKind kind, const char file[], int64_t line, const char id[], const char format[], ...)
{
  MeritErrorInfo e;
  va_list        args;

  va_start(args, format);
  MeritErrorFill(&e, kind, file, line, 0, id, format, args);
  va_end(args);
  return MeritErrorRaise(&e, 0, NULL, 0);
}

/* MeritRaiseAt - As `MeritRaise()`, with a column: "file:line:column: id: what". Logically collective. */
PetscErrorCode MeritRaiseAt(MeritErrorKind kind, const char file[], int64_t line, int64_t column, const char id[], const char format[], va_list args)
{
  MeritErrorInfo e;

  MeritErrorFill(&e, kind, file, line, column, id, format, args);
  return MeritErrorRaise(&e, 0, NULL, 0);
}

/* MeritErrorLast - The error raised last by this process; kind NONE if there is none. Not collective; borrowed. */
const MeritErrorInfo *MeritErrorLast(void) { return &last_error; }

/* MeritErrorFurther - Faults raised together with the last error, and how many more were not kept. Not collective; borrowed. */
int MeritErrorFurther(const MeritErrorInfo **further, int64_t *n_left)
{
  *further = last_further;
  *n_left  = last_n_left;
  return last_n_further;
}

/* MeritErrorClear - Forget the error raised last. Not collective. */
void MeritErrorClear(void)
{
  memset(&last_error, 0, sizeof(last_error));
  last_n_further = 0;
  last_n_left    = 0;
}

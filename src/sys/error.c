#include "error_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The error raised last by this process: PETSc's codes carry no text, so it is kept beside them. */
static MeritErrorInfo last_error;

static void Copy(char *to, size_t size, const char *from)
{
  snprintf(to, size, "%s", from ? from : "");
}

static void Fill(MeritErrorInfo *e, MeritErrorKind kind, const char file[], int64_t line, int64_t column,
                 const char id[], const char format[], va_list args)
{
  size_t used = 0;

  memset(e, 0, sizeof(*e));
  e->kind = kind;
  e->line = line;
  Copy(e->file, sizeof(e->file), file);
  Copy(e->id, sizeof(e->id), id);
  if (e->file[0]) used = (size_t)snprintf(e->text, sizeof(e->text), "%s:", e->file);
  if (line > 0) used += (size_t)snprintf(e->text + used, sizeof(e->text) - used, "%lld:", (long long)line);
  if (column > 0) used += (size_t)snprintf(e->text + used, sizeof(e->text) - used, "%lld:", (long long)column);
  if (used) used += (size_t)snprintf(e->text + used, sizeof(e->text) - used, " ");
  if (e->id[0]) used += (size_t)snprintf(e->text + used, sizeof(e->text) - used, "%s: ", e->id);
  vsnprintf(e->text + used, sizeof(e->text) - used, format, args);
}

static PetscErrorCode Raise(const MeritErrorInfo *e)
{
  last_error        = *e;
  last_error.agreed = true;
  return PetscError(PETSC_COMM_SELF, __LINE__, "MeritRaise", __FILE__, MERIT_ERR_BASE + (PetscErrorCode)e->kind,
                    PETSC_ERROR_INITIAL, "%s", e->text);
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
PetscErrorCode MeritRaise(MeritErrorKind kind, const char file[], int64_t line, const char id[],
                          const char format[], ...)
{
  MeritErrorInfo e;
  va_list        args;

  va_start(args, format);
  Fill(&e, kind, file, line, 0, id, format, args);
  va_end(args);
  return Raise(&e);
}

/* MeritRaiseAt - As `MeritRaise()`, with a column: "file:line:column: id: what". Logically collective. */
PetscErrorCode MeritRaiseAt(MeritErrorKind kind, const char file[], int64_t line, int64_t column, const char id[],
                            const char format[], va_list args)
{
  MeritErrorInfo e;

  Fill(&e, kind, file, line, column, id, format, args);
  return Raise(&e);
}

/*@
  MeritFaultSet - Note what is wrong in this rank's part of the data; of several faults the first line is kept.

  Not collective. `MeritFaultAgree()` raises it.
@*/
void MeritFaultSet(MeritFault *fault, MeritErrorKind kind, const char file[], int64_t line, const char id[],
                   const char format[], ...)
{
  va_list args;

  if (fault->kind != MERIT_ERROR_NONE && fault->line <= line) return;
  va_start(args, format);
  Fill(fault, kind, file, line, 0, id, format, args);
  va_end(args);
}

/*@
  MeritFaultAgree - Raise on all ranks the fault of the lowest line that any of them noted; success if there is none.

  Collective on comm. One reduction when all is well.
@*/
PetscErrorCode MeritFaultAgree(MPI_Comm comm, const MeritFault *fault)
{
  MeritErrorInfo e = *fault;
  int64_t        mine[2], all[2] = {0, 0};
  PetscMPIInt    rank, size;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  mine[0] = fault->kind == MERIT_ERROR_NONE ? INT64_MAX : fault->line;
  PetscCallMPI(MPI_Allreduce(mine, all, 1, MPI_INT64_T, MPI_MIN, comm));
  if (all[0] == INT64_MAX) PetscFunctionReturn(PETSC_SUCCESS);
  mine[1] = mine[0] == all[0] ? rank : size;
  PetscCallMPI(MPI_Allreduce(mine + 1, all + 1, 1, MPI_INT64_T, MPI_MIN, comm));
  PetscCallMPI(MPI_Bcast(&e, (int)sizeof(e), MPI_BYTE, (int)all[1], comm));
  PetscFunctionReturn(Raise(&e));
}

/* MeritErrorLast - The error raised last by this process; kind NONE if there is none. Not collective; borrowed. */
const MeritErrorInfo *MeritErrorLast(void)
{
  return &last_error;
}

/* MeritErrorClear - Forget the error raised last. Not collective. */
void MeritErrorClear(void)
{
  memset(&last_error, 0, sizeof(last_error));
}

/* Levenshtein distance of two words of at most 63 letters */
static int Distance(const char *a, const char *b)
{
  int row[64], n = (int)strlen(b);

  if (n > 63 || strlen(a) > 63) return 64;
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 1; a[i - 1]; i++) {
    int diagonal = row[0];

    row[0] = i;
    for (int j = 1; j <= n; j++) {
      int up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

      if (up + 1 < best) best = up + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = up;
      row[j]   = best;
    }
  }
  return row[n];
}

/* MeritNearest - The candidate a misspelt word most likely meant, or NULL. Not collective; borrowed from candidates. */
const char *MeritNearest(const char word[], int n, const char *const candidates[])
{
  const char *best  = NULL;
  int         limit = (int)strlen(word) / 3 + 1;

  for (int i = 0; i < n; i++) {
    int d = Distance(word, candidates[i]);

    if (d > limit || (best && d == limit)) continue;
    best  = candidates[i];
    limit = d;
  }
  return best;
}

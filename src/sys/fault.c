/*
  Faults of input data.

  While a rank reads its part of a file it notes what is wrong (MeritFaultSet); reading goes on, so
  that one run names up to MERIT_FAULTS_NAMED errors. MeritFaultAgree() then merges the lists of
  all ranks by line number and raises the same error everywhere. The list of a rank is sorted by
  line and keeps the lowest lines, so that the errors named do not depend on the number of ranks.
*/
#include "error_private.h"
#include <merit/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Are both faults of the same line? Faults without a line are the same if they say the same. */
static bool SameLine(const MeritErrorInfo *a, const MeritErrorInfo *b)
{
  return a->line == b->line && !strcmp(a->file, b->file) && (a->line > 0 || !strcmp(a->text, b->text));
}

/*@
  MeritFaultSet - Note what is wrong in this rank's part of the data: of a line the first, of lines the lowest.

  Not collective. `MeritFaultAgree()` raises it. Without memory for the list what is known already stays.
@*/
void MeritFaultSet(MeritFault *fault, MeritErrorKind kind, const char file[], int64_t line, const char id[], const char format[], ...)
{
  MeritErrorInfo e, *list;
  va_list        args;
  int            at;

  /* One fault for each line: what follows the first is often its consequence */
  if (line > 0 && fault->kept && line == fault->last) return;
  /* The list is full and this line lies behind all of it: it is only counted */
  if (fault->kept == MERIT_FAULTS_NAMED && line >= fault->list[fault->kept - 1].line) {
    fault->n++;
    fault->last = line;
    return;
  }
  va_start(args, format);
  MeritErrorFill(&e, kind, file, line, 0, id, format, args);
  va_end(args);
  for (int i = 0; i < fault->kept; i++)
    if (SameLine(fault->list + i, &e)) return;
  list        = fault->list ? fault->list : calloc(MERIT_FAULTS_NAMED, sizeof(*list));
  fault->kind = fault->kind == MERIT_ERROR_NONE ? kind : fault->kind;
  if (!list) return;
  fault->list = list;
  fault->n++;
  fault->last = line;
  if (fault->kept < MERIT_FAULTS_NAMED) fault->kept++;
  /* Insertion by line number */
  for (at = fault->kept - 1; at > 0 && list[at - 1].line > line; at--) list[at] = list[at - 1];
  list[at]    = e;
  fault->kind = list[0].kind;
}

/*@
  MeritFaultShift - Move the faults noted so far down by a number of lines, once it is known how many lie before a rank's part.

  Not collective.
@*/
void MeritFaultShift(MeritFault *fault, int64_t lines)
{
  for (int i = 0; i < fault->kept; i++) {
    /* The text begins with the old line number: it is composed anew behind the new one */
    MeritErrorInfo *e = fault->list + i;
    char            what[sizeof(e->text)];
    size_t          used = MeritErrorPrefix(e, 0, what, sizeof(what));

    memcpy(what, e->text, sizeof(what));
    e->line += lines;
    snprintf(e->text + MeritErrorPrefix(e, 0, e->text, sizeof(e->text)), 1024, "%.1023s", what + used);
  }
  fault->last += lines;
}

/* MeritFaultMove - Add the faults of another list, and empty that. Not collective. */
void MeritFaultMove(MeritFault *to, MeritFault *from)
{
  for (int i = 0; i < from->kept; i++) {
    const MeritErrorInfo *e = from->list + i;
    char                  prefix[sizeof(e->text)];

    MeritFaultSet(to, e->kind, e->file, e->line, e->id, "%s", e->text + MeritErrorPrefix(e, 0, prefix, sizeof(prefix)));
  }
  to->n += from->n - from->kept;
  MeritFaultForget(from);
}

/* MeritFaultForget - Nothing was noted; the list is freed. Not collective. */
void MeritFaultForget(MeritFault *fault)
{
  free(fault->list);
  memset(fault, 0, sizeof(*fault));
}

/*
  TakeNext - Merge step: the fault of the lowest line over all ranks, ties to the lowest rank.
  Collective.
  *head is this rank's next fault; it moves behind those that are equal to *e. *any is false when
  all lists are used up. Two reductions and a broadcast for each fault named; one reduction when
  there is none.
*/
static PetscErrorCode TakeNext(MPI_Comm comm, const MeritFault *fault, int *head, MeritErrorInfo *e, bool *any)
{
  const bool  bare = fault->kind != MERIT_ERROR_NONE && !fault->kept && !*head; /* a fault was seen, but there was no memory to note it */
  int64_t     mine[2], all[2] = {0, 0};
  PetscMPIInt rank, size;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  mine[0] = bare ? 0 : *head < fault->kept ? fault->list[*head].line : INT64_MAX;
  PetscCallMPI(MPI_Allreduce(mine, all, 1, MPI_INT64_T, MPI_MIN, comm));
  *any = all[0] < INT64_MAX;
  if (!*any) PetscFunctionReturn(PETSC_SUCCESS);
  mine[1] = mine[0] == all[0] ? rank : size;
  PetscCallMPI(MPI_Allreduce(mine + 1, all + 1, 1, MPI_INT64_T, MPI_MIN, comm));
  memset(e, 0, sizeof(*e));
  if (rank == all[1] && !bare) *e = fault->list[*head];
  if (rank == all[1] && bare) {
    e->kind = MERIT_ERROR_SYSTEM;
    snprintf(e->text, sizeof(e->text), "no memory to note what is wrong with the input");
  }
  PetscCallMPI(MPI_Bcast(e, (int)sizeof(*e), MPI_BYTE, (int)all[1], comm));
  if (bare) ++*head;
  while (*head < fault->kept && SameLine(fault->list + *head, e)) ++*head;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The first faults over all ranks in order, list [*n]; *n_left is how many more there are.
   Collective; one reduction if there is none. */
static PetscErrorCode Collect(MPI_Comm comm, const MeritFault *fault, MeritErrorInfo list[], int *n, int64_t *n_left)
{
  int     head = 0;
  int64_t left;
  bool    any = true;

  PetscFunctionBegin;
  for (*n = 0; any && *n < MERIT_FAULTS_NAMED; *n += any) PetscCall(TakeNext(comm, fault, &head, list + *n, &any));
  *n_left = 0;
  if (!*n) PetscFunctionReturn(PETSC_SUCCESS);
  left = fault->n - PetscMin(head, fault->kept);
  PetscCallMPI(MPI_Allreduce(&left, n_left, 1, MPI_INT64_T, MPI_SUM, comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFaultAgree - Raise on all ranks the faults that any of them noted; success if there is none.

  Collective on comm. One reduction when all is well. The fault of the lowest line is the error, with its kind; the next ones, at most
  MERIT_FAULTS_NAMED in all, go with it (`MeritErrorFurther()`).
@*/
PetscErrorCode MeritFaultAgree(MPI_Comm comm, const MeritFault *fault)
{
  /* Static: 20 faults take 55 KB, too much for the stack; used once before the error ends the run */
  static MeritErrorInfo list[MERIT_FAULTS_NAMED];
  int64_t               n_left;
  int                   n;

  PetscFunctionBegin;
  PetscCall(Collect(comm, fault, list, &n, &n_left));
  if (!n) PetscFunctionReturn(PETSC_SUCCESS);
  free(fault->list);
  PetscFunctionReturn(MeritErrorRaise(list, n - 1, list + 1, n_left));
}

/*@
  MeritFaultWarn - Tell on all ranks the faults that any of them noted, as warnings.

  Collective on comm. One reduction when there is none. The fault may be used anew.
@*/
PetscErrorCode MeritFaultWarn(MPI_Comm comm, MeritFault *fault)
{
  static MeritErrorInfo list[MERIT_FAULTS_NAMED];
  int64_t               n_left;
  int                   n;

  PetscFunctionBegin;
  PetscCall(Collect(comm, fault, list, &n, &n_left));
  for (int i = 0; i < n; i++) MeritLog(MERIT_LOG_WARNING, "%s", list[i].text);
  if (n_left) MeritLog(MERIT_LOG_WARNING, "... and %lld more", (long long)n_left);
  MeritFaultForget(fault);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritMaxLocal - Counts of a rank and one more are int32_t. Not collective. */
int64_t MeritMaxLocal(void)
{
  const char *text = getenv("MERIT_MAX_LOCAL");
  long long   most = text ? atoll(text) : 0;

  return most > 0 && most < INT32_MAX ? (int64_t)most : INT32_MAX - 1;
}

/*@
  MeritFitsRank - What a rank holds of something, n, can be counted there: else a SYSTEM error on all ranks, which names the rank.

  Collective on comm. One reduction when all is well; before anything else collective, so that no rank waits for one that gave up.
@*/
PetscErrorCode MeritFitsRank(MPI_Comm comm, int64_t n, const char what[])
{
  const int64_t most  = MeritMaxLocal();
  MeritFault    fault = {0};
  PetscMPIInt   rank;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (n > most)
    MeritFaultSet(&fault, MERIT_ERROR_SYSTEM, NULL, 0, NULL, "rank %d would hold %lld %s, and can hold %lld: use more ranks", rank, (long long)n,
                  what, (long long)most);
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

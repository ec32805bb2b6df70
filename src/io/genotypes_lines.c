/*
  Text files of genotypes and SNPs by lines. Text genotypes are several times larger than
  packed ones, so lines pass through a buffer and no rank holds its part of the text as a
  whole.

  The file is cut into byte ranges of equal size, one for each rank; a rank takes the
  lines that begin in its range. Opening reads the range once to count lines, and a prefix
  sum over ranks gives line and row numbers; then the caller reads the lines again with
  GenoLinesNext().
*/
#include "genotypes_private.h"
#include "table_private.h"
#include <merit/exchange.h>
#include <merit/file.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The buffer is filled in steps of so many bytes; it grows where one line needs more */
#define REQUEST ((int64_t)1 << 20) /* bytes of a read */

/* GenoReadAt - Read n bytes at an offset; a short or failed read is a fault. Not
   collective. Requests of at most MeritMaxMessage() bytes; a signal (EINTR) is no failure. */
PetscErrorCode GenoReadAt(int fd, const char path[], int64_t offset, int64_t n, void *to, MeritFault *fault)
{
  PetscFunctionBegin;
  for (int64_t done = 0; done < n;) {
    const ssize_t got = pread(fd, (char *)to + done, (size_t)PetscMin(n - done, MeritMaxMessage()), (off_t)(offset + done));

    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      MeritFaultSet(fault, MERIT_ERROR_SYSTEM, path, 0, NULL, "cannot be read at byte %lld: %s", (long long)(offset + done),
                    got ? strerror(errno) : "it became shorter while it was read");
      PetscFunctionReturn(PETSC_SUCCESS);
    }
    done += got;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoLinesRewind - Start again at this rank's first line. Not collective. The file is not
   closed; the buffer is emptied. */
void GenoLinesRewind(GenoLines *lines)
{
  lines->offset = lines->begin;
  lines->have = lines->at = 0;
  lines->line             = lines->first_line - 1;
}

/* Read up to REQUEST bytes behind what the buffer holds. Bytes in front that were consumed
   are dropped; the buffer is enlarged (at least doubled) only where rest and request do not
   fit. A read that fails sets lines->failed and a fault, and the loops over lines end. Not
   collective. */
static PetscErrorCode Refill(GenoLines *lines, MeritFault *fault)
{
  const int64_t rest = lines->have - lines->at, left = lines->size - (lines->offset + lines->have);
  int64_t       n   = PetscMin(REQUEST, left);
  MeritFault    why = {0};

  PetscFunctionBegin;
  if (rest + n > lines->room) {
    char *larger;

    lines->room = PetscMax(2 * lines->room, rest + n);
    PetscCall(PetscMalloc1(lines->room, &larger));
    if (rest) memcpy(larger, lines->buffer + lines->at, (size_t)rest);
    PetscCall(PetscFree(lines->buffer));
    lines->buffer = larger;
  } else if (rest) {
    memmove(lines->buffer, lines->buffer + lines->at, (size_t)rest);
  }
  lines->offset += lines->at;
  lines->have = rest;
  lines->at   = 0;
  PetscCall(GenoReadAt(lines->fd, lines->path, lines->offset + rest, n, lines->buffer + rest, &why));
  lines->failed = why.kind != MERIT_ERROR_NONE;
  if (lines->failed) MeritFaultMove(fault, &why);
  lines->have += n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The next line of this rank, blank or not, without its newline; *at NULL when there is
   none. A line belongs to this rank if its first byte lies before lines->end; its last
   bytes may lie behind, which is why it is read until a newline or the end of the file.
   `searched` bytes were looked at before a refill and are not looked at again. Not
   collective. */
static PetscErrorCode NextRaw(GenoLines *lines, const char **at, int64_t *length, MeritFault *fault)
{
  int64_t searched = 0;

  PetscFunctionBegin;
  *at = NULL;
  if (lines->failed || lines->offset + lines->at >= lines->end) PetscFunctionReturn(PETSC_SUCCESS);
  for (;;) {
    const int64_t rest = lines->have - lines->at;
    const char   *from = rest ? lines->buffer + lines->at : lines->buffer; /* NULL at first */
    const char   *stop = rest > searched ? memchr(from + searched, '\n', (size_t)(rest - searched)) : NULL;

    if (stop || lines->offset + lines->have == lines->size) {
      *at     = from;
      *length = stop ? stop - from : rest;
      lines->at += *length + (stop ? 1 : 0);
      lines->line++;
      break;
    }
    searched = rest;
    PetscCall(Refill(lines, fault));
    if (lines->failed) break;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Blanks between fields; a carriage return is one, so that CRLF line ends are dropped */
static bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* Is this a line that counts: not empty and not a comment? A zero byte is a fault once the
   number of the line is known (first_line is set), that is from the second pass on; the
   first pass counts such a line as any other. Not collective. */
static bool IsLine(const GenoLines *lines, const char *at, int64_t length, MeritFault *fault)
{
  if (!length || (lines->comment && *at == lines->comment)) return false;
  if (!lines->first_line || !memchr(at, 0, (size_t)length)) return true;
  MeritFaultSet(fault, MERIT_ERROR_INPUT, lines->path, lines->line, NULL, "NUL byte: this is not a text file");
  return false;
}

/* GenoLinesNext - The next line that is neither blank nor a comment, line end and byte order mark
   left out. Not collective; borrowed. */
PetscErrorCode GenoLinesNext(GenoLines *lines, const char **at, int64_t *length, MeritFault *fault)
{
  PetscFunctionBegin;
  do {
    PetscCall(NextRaw(lines, at, length, fault));
    if (!*at) break;
    if (lines->line == 1 && *length >= 3 && !memcmp(*at, "\xef\xbb\xbf", 3)) *at += 3, *length -= 3;
    while (*length && IsBlank((*at)[*length - 1])) (*length)--;
  } while (!IsLine(lines, *at, *length, fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoField - The next blank-separated field before `end`; its length, 0 when there is none. Not
   collective. */
int64_t GenoField(const char **at, const char *end, const char **field)
{
  const char *c = *at;

  while (c < end && IsBlank(*c)) c++;
  *field = c;
  while (c < end && !IsBlank(*c)) c++;
  *at = c;
  return c - *field;
}

/* GenoNumber - A whole field as a finite number; false if it is none. Not collective. */
bool GenoNumber(const char *field, int64_t size, double *value) { return TableNumberParse(field, (size_t)size, value) == TABLE_NUMBER_OK; }

/* GenoIsIdName - A name of the column of ids, such as IID, in any case. Not collective. */
bool GenoIsIdName(const char *field, int64_t size)
{
  static const char *const names[] = {"IID", "ID", "animal_id", "sample_id"};

  for (int i = 0; i < 4; i++)
    if ((size_t)size == strlen(names[i]) && !strncasecmp(field, names[i], (size_t)size)) return true;
  return false;
}

/* Move lines->begin to the first line that begins in the range; where no line does, it
   passes lines->end and the range is empty. Rank 0 starts at byte 0. Not collective. */
static PetscErrorCode FindFirstLine(GenoLines *lines, MeritFault *fault)
{
  const char *at;
  int64_t     length;

  PetscFunctionBegin;
  if (lines->begin == 0 || lines->begin >= lines->end) PetscFunctionReturn(PETSC_SUCCESS);
  lines->begin--; /* a line begins at the range's start if the byte before is a newline */
  GenoLinesRewind(lines);
  PetscCall(NextRaw(lines, &at, &length, fault));
  lines->begin = lines->offset + lines->at;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  GenoLinesOpen - Open a text file, find the lines of this rank and their numbers.

  Collective on comm. The file is gone through once to count lines. Close with GenoLinesClose, also
  after an error.
*/
PetscErrorCode GenoLinesOpen(MPI_Comm comm, const char path[], char comment, GenoLines *lines)
{
  MeritFault  fault   = {0};
  int64_t     here[2] = {0, 0}, before[2] = {0, 0}, length;
  const char *at;
  PetscMPIInt rank, size;

  PetscFunctionBegin;
  memset(lines, 0, sizeof(*lines));
  lines->path    = path;
  lines->comment = comment;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(MeritFileOpen(path, &lines->fd, &lines->size, &fault));
  PetscCall(MeritFaultAgree(comm, &fault));
  lines->begin = MeritBlockFirst(lines->size, size, rank);
  lines->end   = MeritBlockFirst(lines->size, size, rank + 1);
  PetscCall(FindFirstLine(lines, &fault));
  GenoLinesRewind(lines);
  lines->line = rank ? 1 : 0; /* a byte order mark can stand in the first line only */
  for (;;) {
    PetscCall(GenoLinesNext(lines, &at, &length, &fault));
    if (!at) break;
    here[1]++;
  }
  here[0] = lines->line - (rank ? 1 : 0);
  PetscCall(MeritFaultAgree(comm, &fault));
  PetscCallMPI(MPI_Exscan(here, before, 2, MPI_INT64_T, MPI_SUM, comm));
  if (!rank) before[0] = before[1] = 0;
  lines->first_line = before[0] + 1;
  lines->first_row  = before[1];
  lines->n_rows     = here[1];
  PetscCallMPI(MPI_Allreduce(here + 1, &lines->all_rows, 1, MPI_INT64_T, MPI_SUM, comm));
  GenoLinesRewind(lines);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoLinesClose - Close the file and free the buffer; was the file the same all the time? Not
   collective. */
PetscErrorCode GenoLinesClose(GenoLines *lines, MeritFault *fault)
{
  PetscFunctionBegin;
  PetscCall(MeritFileCheck(lines->path, fault));
  if (lines->fd >= 0) close(lines->fd);
  lines->fd = -1;
  PetscCall(PetscFree(lines->buffer));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* GenoGather - Every rank's bytes in rank order, on every rank. Collective; *out is owned
   by the caller, `PetscFree()`. One broadcast for each rank, in messages of at most
   MeritMaxMessage() bytes. */
PetscErrorCode GenoGather(MPI_Comm comm, int64_t n, const char at[], int64_t *all, char **out)
{
  const int64_t limit = MeritMaxMessage();
  PetscMPIInt   rank, size;
  int64_t      *count, first = 0;

  PetscFunctionBegin;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc1(size, &count));
  PetscCallMPI(MPI_Allgather(&n, 1, MPI_INT64_T, count, 1, MPI_INT64_T, comm));
  *all = 0;
  for (PetscMPIInt r = 0; r < size; r++) *all += count[r];
  PetscCall(PetscMalloc1(*all + 1, out));
  for (PetscMPIInt r = 0; r < size; first += count[r++]) {
    if (r == rank && n) memcpy(*out + first, at, (size_t)n);
    for (int64_t done = 0; done < count[r]; done += limit)
      PetscCallMPI(MPI_Bcast(*out + first + done, (int)PetscMin(limit, count[r] - done), MPI_BYTE, r, comm));
  }
  PetscCall(PetscFree(count));
  PetscFunctionReturn(PETSC_SUCCESS);
}

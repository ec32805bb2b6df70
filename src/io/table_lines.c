/* Lines from pieces of text. A line within one piece is handed out where it is; a line that
   ends in a later piece is kept in a buffer until then. A range of a file that does not
   begin at the start of a line skips to its first newline (skipping); the rank of the range
   before has that line. */
#include "table_private.h"
#include <stdlib.h>
#include <string.h>

/* Most bytes of a line; a longer one means that this is not a text file. Its rest is not stored. */
static const size_t longest_line = (size_t)1 << 30;

/* Append n bytes to the buffer of the unfinished line. Of an overlong line the part before
   the piece that is too much is kept. */
static PetscErrorCode Carry(TableLines *lines, const char *at, size_t n)
{
  PetscFunctionBegin;
  if (lines->carried + n > longest_line) {
    lines->overlong = true;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (lines->carried + n > lines->room) {
    size_t room  = 2 * (lines->carried + n);
    char  *carry = realloc(lines->carry, room);

    PetscCheck(carry, PETSC_COMM_SELF, PETSC_ERR_MEM, "a line of %zu bytes", room);
    lines->carry = carry;
    lines->room  = room;
  }
  if (n) memcpy(lines->carry + lines->carried, at, n);
  lines->carried += n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The current line ends with the n bytes at p; hand it to the action without its carriage
   return. The line is the buffer with these bytes where it began in an earlier piece. */
static PetscErrorCode Finish(TableLines *lines, char *p, size_t n)
{
  PetscFunctionBegin;
  if (lines->carried) {
    PetscCall(Carry(lines, p, n));
    p              = lines->carry;
    n              = lines->carried;
    lines->carried = 0;
  }
  if (n && p[n - 1] == '\r') n--;
  PetscCall(lines->action(lines->context, p, n, lines->overlong, &lines->done));
  lines->overlong = false;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* TableLinesFeed - See the header. A range ends with the first line whose newline is at
   lines->stop or behind it: the line after that has the newline before it outside the
   range. Without a newline the rest of the piece is carried over. Not collective. */
PetscErrorCode TableLinesFeed(TableLines *lines, char *piece, size_t n)
{
  char *p = piece, *end = piece + n;

  PetscFunctionBegin;
  while (p < end && !lines->done) {
    char *newline = memchr(p, '\n', (size_t)(end - p));

    if (!newline) {
      if (!lines->skipping) PetscCall(Carry(lines, p, (size_t)(end - p)));
      break;
    }
    lines->next = lines->at + (newline - piece) + 1;
    if (lines->skipping) lines->skipping = false;
    else PetscCall(Finish(lines, p, (size_t)(newline - p)));
    if (lines->next > lines->stop) lines->done = true;
    p = newline + 1;
  }
  lines->at += (int64_t)n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* TableLinesEnd - See the header. Without carried bytes the text ended with a newline and
   there is no further line. Not collective. */
PetscErrorCode TableLinesEnd(TableLines *lines)
{
  PetscFunctionBegin;
  if (!lines->done && lines->carried) {
    lines->next = lines->at;
    PetscCall(Finish(lines, NULL, 0));
  }
  lines->done = true;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* TableLinesFree - See the header. Not collective. */
void TableLinesFree(TableLines *lines)
{
  free(lines->carry);
  lines->carry = NULL;
}

#include "table_private.h"
#include <stdlib.h>
#include <string.h>

/* A longer line is no table: probably not a text file. What is behind is not kept. */
static const size_t longest_line = (size_t)1 << 30;

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

/* The line at p ends before `newline` (its line end there, or the end of the text) */
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

void TableLinesFree(TableLines *lines)
{
  free(lines->carry);
  lines->carry = NULL;
}

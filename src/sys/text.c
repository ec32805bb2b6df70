/* Buffers of text that grow, for tables and messages. Memory is by malloc; a failure is
   PETSC_ERR_MEM on this rank. */
#include "decimal.h"
#include <merit/file.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Make room for n more bytes and a 0; grows by half, so that appending is linear in total */
static PetscErrorCode Reserve(MeritText *text, size_t n)
{
  PetscFunctionBegin;
  if (text->n + n + 1 > text->room) {
    const size_t room = PetscMax(text->n + n + 1, text->room + text->room / 2 + 256);
    char        *at   = realloc(text->at, room);

    PetscCheck(at, PETSC_COMM_SELF, PETSC_ERR_MEM, "text of %zu bytes", room);
    text->at   = at;
    text->room = room;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTextAdd - Append formatted text; the buffer stays 0-terminated. Not collective. Start from {0}, free
   with `MeritTextFree()`. */
PetscErrorCode MeritTextAdd(MeritText *text, const char format[], ...)
{
  va_list args;
  int     n;

  PetscFunctionBegin;
  PetscCall(Reserve(text, 128));
  va_start(args, format);
  n = vsnprintf(text->at + text->n, text->room - text->n, format, args);
  va_end(args);
  PetscCheck(n >= 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "format \"%s\"", format);
  /* Too small: print again into a buffer of the length that vsnprintf returned */
  if ((size_t)n >= text->room - text->n) {
    PetscCall(Reserve(text, (size_t)n));
    va_start(args, format);
    vsnprintf(text->at + text->n, text->room - text->n, format, args);
    va_end(args);
  }
  text->n += (size_t)n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTextAddBytes - Append n bytes. Not collective. */
PetscErrorCode MeritTextAddBytes(MeritText *text, const char at[], size_t n)
{
  PetscFunctionBegin;
  PetscCall(Reserve(text, n));
  if (n) memcpy(text->at + text->n, at, n);
  text->n += n;
  text->at[text->n] = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTextAddReal - Append a number with 12 significant digits, "NA" for a NaN; zero has no sign. Not
   collective. */
PetscErrorCode MeritTextAddReal(MeritText *text, double value)
{
  PetscFunctionBegin;
  PetscCall(Reserve(text, DECIMAL_ROOM));
  if (isnan(value)) text->n += (size_t)snprintf(text->at + text->n, DECIMAL_ROOM, "NA");
  else if (value == 0) text->n += (size_t)snprintf(text->at + text->n, DECIMAL_ROOM, "0");
  else text->n += DecimalReal(value, text->at + text->n);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTextAddInteger - Append a whole number. Not collective. */
PetscErrorCode MeritTextAddInteger(MeritText *text, int64_t value)
{
  PetscFunctionBegin;
  PetscCall(Reserve(text, DECIMAL_ROOM));
  text->n += DecimalInteger(value, text->at + text->n);
  text->at[text->n] = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritTextFree - Free the bytes and start again from an empty buffer. Not collective. */
void MeritTextFree(MeritText *text)
{
  free(text->at);
  memset(text, 0, sizeof(*text));
}

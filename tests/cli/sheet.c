#include "sheet.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *ReadAll(const char path[])
{
  FILE  *f     = fopen(path, "rb");
  char  *bytes = NULL;
  size_t n = 0, room = 1 << 16, got;

  if (!f) return NULL;
  bytes = malloc(room + 2);
  while ((got = fread(bytes + n, 1, room - n, f)) > 0) {
    n += got;
    if (n == room) bytes = realloc(bytes, 2 * (room *= 2) + 2);
  }
  fclose(f);
  if (n && bytes[n - 1] != '\n') bytes[n++] = '\n';
  bytes[n] = 0;
  return bytes;
}

/* the field at `from`, unquoted in place; what ended it goes to *end, the position behind it is returned */
static char *Field(char *from, char delimiter, char *end)
{
  char *to = from, *c = from;

  if (*c == '"') {
    for (c++; *c && (*c != '"' || c[1] == '"'); c++) {
      c += *c == '"';
      *to++ = *c;
    }
    c += *c == '"';
  } else {
    while (*c && *c != delimiter && *c != '\n' && *c != '\r') *to++ = *c++;
  }
  if (*c == '\r') c++;
  *end = *c;
  *to  = 0;
  return *end ? c + 1 : c;
}

Sheet *SheetRead(const char path[])
{
  char  *bytes = ReadAll(path), *c = bytes, end, delimiter;
  Sheet *s;
  int    n = 0, room = 0;

  if (!bytes) return NULL;
  s         = calloc(1, sizeof(*s));
  s->bytes  = bytes;
  delimiter = memchr(bytes, '\t', strcspn(bytes, "\n")) ? '\t' : ',';
  while (*c) {
    if (n == room) s->cell = realloc(s->cell, (size_t)(room = 2 * room + 64) * sizeof(*s->cell));
    s->cell[n++] = c;
    c            = Field(c, delimiter, &end);
    if (end == '\n' && !s->n_columns) s->n_columns = n;
  }
  s->n_rows = s->n_columns ? n / s->n_columns - 1 : 0;
  return s;
}

const char *SheetCell(const Sheet *s, int row, int column) { return s->cell[(row + 1) * s->n_columns + column]; }

int SheetColumn(const Sheet *s, const char name[])
{
  for (int c = 0; c < s->n_columns; c++)
    if (strcmp(s->cell[c], name) == 0) return c;
  return -1;
}

int SheetFind(const Sheet *s, int column, const char text[])
{
  for (int r = 0; r < s->n_rows; r++)
    if (strcmp(SheetCell(s, r, column), text) == 0) return r;
  return -1;
}

void SheetFree(Sheet **s)
{
  if (!*s) return;
  free((*s)->cell);
  free((*s)->bytes);
  free(*s);
  *s = NULL;
}

/* Line and column within the text of a scalar, for errors in formulas and functions. */
#include "config_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* MeritNodePosition - See the header. Not collective. */
void MeritNodePosition(MeritNode node, size_t at, int *line, int *column)
{
  *line   = node->line;
  *column = node->column;
  if (!node->line || strchr(node->text, '\n')) return; /* a flag, or a block scalar: its lines start at columns that are not known */
  *column += node->quoted;
  /* Columns count characters: bytes 10xxxxxx continue one */
  for (size_t i = 0; i < at; i++) *column += ((unsigned char)node->text[i] & 0xC0) != 0x80;
}

/* MeritNodeErrorAt - See the header. Logically collective. */
PetscErrorCode MeritNodeErrorAt(MeritNode node, size_t at, const char format[], ...)
{
  struct _p_MeritNode there = *node;
  char                text[1600], near[48];
  size_t              n = 0;
  va_list             args;

  va_start(args, format);
  vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  MeritNodePosition(node, at, &there.line, &there.column);
  if (!node->text[at]) return MeritNodeError(&there, "%s, at the end", text);
  /* The text near the error, cut between characters */
  for (; node->text[at + n] && n < 24; n++) near[n] = node->text[at + n] == '\n' ? ' ' : node->text[at + n];
  while (n && ((unsigned char)node->text[at + n] & 0xC0) == 0x80) n--;
  near[n] = 0;
  return MeritNodeError(&there, "%s, near \"%s%s\"", text, near, node->text[at + n] ? "..." : "");
}

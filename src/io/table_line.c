/*
  Fields of a line of delimited text, as in RFC 4180 with other delimiters and blanks
  around fields. No state, no allocation, no reading beyond the buffer.

  Blanks before and behind a field do not belong to it, unless it is quoted. With the
  delimiter ' ' any run of blanks and tabs separates fields, and blanks at the ends of the
  line are no fields; with the others nothing between two delimiters is an empty
  field.
*/
#include "table_private.h"
#include <string.h>

/* Blank or tab, unless the tab is the delimiter */
static bool IsBlank(char c, char delimiter) { return c == ' ' || (c == '\t' && delimiter != '\t'); }

/* found [3] = do tab, semicolon and comma occur outside quotes? Without `quotes` a quote is
   an ordinary character. Returns false if the quotes are not in pairs. */
static bool FindDelimiters(const char *line, size_t n, bool quotes, bool found[3])
{
  bool inside = false;

  found[0] = found[1] = found[2] = false;
  for (size_t i = 0; i < n; i++) {
    if (quotes && line[i] == '"') inside = !inside;
    if (inside) continue;
    if (line[i] == '\t') found[0] = true;
    else if (line[i] == ';') found[1] = true;
    else if (line[i] == ',') found[2] = true;
  }
  return !inside;
}

/* TableDelimiterFind - See the header. If quotes are not in pairs they are taken as ordinary
   characters. Not collective. */
char TableDelimiterFind(const char line[], size_t n)
{
  bool found[3];

  if (!FindDelimiters(line, n, true, found)) FindDelimiters(line, n, false, found);
  return found[0] ? '\t' : found[1] ? ';' : found[2] ? ',' : ' ';
}

/* TableLineBlank - See the header. Not collective. */
bool TableLineBlank(const char line[], size_t n, char delimiter)
{
  size_t i = 0;

  while (i < n && IsBlank(line[i], delimiter)) i++;
  return i == n;
}

/* A quoted field, p at its quote: doubled quotes become one, so the bytes move together. Returns
   the position behind the field, NULL if it is not closed. */
static char *Quoted(char *p, char *end, TableField *field)
{
  char *to = ++p, *from = p;

  for (;;) {
    char *quote = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;

    if (!quote) return NULL;
    if (to != p) memmove(to, p, (size_t)(quote - p));
    to += quote - p;
    p = quote + 1;
    if (p == end || *p != '"') break;
    *to++ = '"';
    p++;
  }
  field->at     = from;
  field->length = (size_t)(to - from);
  return p;
}

/* An unquoted field without the blanks behind it; returns the position behind it */
static char *Unquoted(char *p, char *end, char delimiter, TableField *field)
{
  char *from = p, *last;

  if (delimiter == ' ')
    while (p < end && *p != ' ' && *p != '\t') p++;
  else
    while (p < end && *p != delimiter) p++;
  for (last = p; last > from && IsBlank(last[-1], delimiter);) last--;
  field->at     = from;
  field->length = (size_t)(last - from);
  return p;
}

/* TableLineSplit - See the header. Fields beyond `room` are counted and not stored, so that
   a message can say how many there are. Behind a closing quote only blanks and the
   delimiter may follow. Not collective. */
int TableLineSplit(char line[], size_t n, char delimiter, int room, TableField field[], TableLineFault *fault)
{
  char *p = line, *end = line + n;
  int   count = 0;

  *fault = TABLE_LINE_OK;
  for (;;) {
    TableField f;

    while (p < end && IsBlank(*p, delimiter)) p++;
    if (delimiter == ' ' && p == end) return count;
    if (p < end && *p == '"') {
      p = Quoted(p, end, &f);
      if (!p) {
        *fault = TABLE_LINE_UNCLOSED;
        return count + 1;
      }
      if (delimiter != ' ')
        while (p < end && IsBlank(*p, delimiter)) p++;
      if (p < end && *p != delimiter && !(delimiter == ' ' && *p == '\t')) {
        *fault = TABLE_LINE_AFTER_QUOTE;
        return count + 1;
      }
    } else {
      p = Unquoted(p, end, delimiter, &f);
    }
    if (count < room) field[count] = f;
    count++;
    if (delimiter == ' ') continue;
    if (p == end) return count;
    p++;
  }
}

/* Control characters in messages made visible. Ids and names come from files, and a terminal would
   act on escape sequences in them. Tables keep the bytes as they are. */
#include "config_private.h"
#include <stdio.h>
#include <string.h>

/* Control characters, line ends, and marks that change the direction of writing */
static bool IsControl(uint32_t c)
{
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
         c == 0xfeff;
}

/* MeritPrintableCharacter - See the header. Not collective. */
int MeritPrintableCharacter(const char text[], char shown[16])
{
  uint32_t  c = 0;
  const int n = MeritUtf8(text, &c);

  if (n && !IsControl(c)) {
    memcpy(shown, text, (size_t)n);
    shown[n] = 0;
  } else if (c == '\n' || c == '\r' || c == '\t') {
    snprintf(shown, 16, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
  } else {
    snprintf(shown, 16, n > 1 ? "\\u%04x" : "\\x%02x", n > 1 ? (unsigned)c : (unsigned)(unsigned char)text[0]);
  }
  return n ? n : 1; /* a byte that is no UTF-8 stands alone */
}

/* Is the text printable ASCII throughout, as nearly all messages are? */
static bool IsPlain(const char text[])
{
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f) return false;
  return true;
}

/* MeritPrintable - See the header. Not collective. */
void MeritPrintable(size_t size, char text[])
{
  char   copy[2048];
  size_t used = 0, length = strlen(text);
  int    n;

  if (IsPlain(text)) return;
  /* A longer text is cut to 2047 bytes before it is made visible */
  if (length >= sizeof(copy)) length = sizeof(copy) - 1;
  memcpy(copy, text, length);
  copy[length] = 0;
  for (const char *at = copy; *at; at += n) {
    char   shown[16];
    size_t bytes;

    n     = MeritPrintableCharacter(at, shown);
    bytes = strlen(shown);
    if (used + bytes + 1 > size) break;
    memcpy(text + used, shown, bytes);
    used += bytes;
  }
  text[used] = 0;
}

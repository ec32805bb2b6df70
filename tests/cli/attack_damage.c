/* Damage to a file: what goes wrong when files are made, moved and edited. */
#include "attack.h"
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 400 };

static const char *const odd_words[] = {"",        "NA", "nan", "inf", "-1e400",   "1e-320",   "0x1F", "1,5",
                                        "-9",      "0",  "00",  "*",   "?",        "-",        "'",    "\"",
                                        "unknown", "1e", "--",  "a b", "\x1b[31m", "\xc3\xa9", "\xff", "99999999999999999999"};
/* No slash: a path of a job must not lead out of the folder of the test */
static const char odd_bytes[] = "\t\n\r ,;:\"'`#*+-~()[]{}0159.aZ\x01\x7f\x80\xff";

FileText AttackRead(const char path[])
{
  FileText t = {NULL, 0};
  FILE    *f = fopen(path, "rb");

  if (!f) return t;
  fseek(f, 0, SEEK_END);
  t.n  = ftell(f);
  t.at = malloc((size_t)t.n + 1);
  rewind(f);
  if (fread(t.at, 1, (size_t)t.n, f) != (size_t)t.n) t.n = 0;
  t.at[t.n] = 0;
  fclose(f);
  return t;
}

int AttackWrite(const char path[], FileText t)
{
  FILE *f = fopen(path, "wb");

  if (!f || fwrite(t.at, 1, (size_t)t.n, f) != (size_t)t.n) return -1;
  return fclose(f);
}

/* Bytes [from, to) become these */
static void Splice(FileText *t, long from, long to, const char *with, long n)
{
  char *at = malloc((size_t)(t->n - (to - from) + n) + 1);

  memcpy(at, t->at, (size_t)from);
  memcpy(at + from, with, (size_t)n);
  memcpy(at + from + n, t->at + to, (size_t)(t->n - to));
  t->n += n - (to - from);
  at[t->n] = 0;
  free(t->at);
  t->at = at;
}

/* A random line [from, to) with its end */
static void Line(Dice *d, const FileText *t, long *from, long *to)
{
  *from = t->n ? DiceBelow(d, (int)t->n) : 0;
  while (*from > 0 && t->at[*from - 1] != '\n') --*from;
  *to = *from;
  while (*to < t->n && t->at[*to] != '\n') ++*to;
  *to += *to < t->n;
}

/* A random word [from, to) between delimiters */
static void Word(Dice *d, const FileText *t, long *from, long *to)
{
  static const char ends[] = ",;\t\n ";

  *from = t->n ? DiceBelow(d, (int)t->n) : 0;
  while (*from > 0 && !strchr(ends, t->at[*from - 1])) --*from;
  *to = *from;
  while (*to < t->n && t->at[*to] && !strchr(ends, t->at[*to])) ++*to;
}

static void DamageLines(Dice *d, FileText *t, int how)
{
  long  from, to, other, end;
  char *line;

  Line(d, t, &from, &to);
  line = strndup(t->at + from, (size_t)(to - from));
  if (how == 0) Splice(t, from, to, "", 0);
  if (how == 1) Splice(t, to, to, line, (long)strlen(line));
  if (how == 2) { /* moved */
    Splice(t, from, to, "", 0);
    Line(d, t, &other, &end);
    Splice(t, other, other, line, (long)strlen(line));
  }
  if (how == 3) { /* the first line once more */
    for (end = 0; end < t->n && t->at[end] != '\n'; end++) {}
    free(line);
    line = strndup(t->at, (size_t)end + 1);
    Splice(t, from, from, line, (long)strlen(line));
  }
  free(line);
}

static void DamageWords(Dice *d, FileText *t, int how)
{
  long        from, to, other, end;
  char        text[LONGEST + 1];
  const char *odd = odd_words[DiceBelow(d, (int)(sizeof(odd_words) / sizeof(*odd_words)))];

  Word(d, t, &from, &to);
  if (how == 0) Splice(t, from, to, odd, (long)strlen(odd));
  if (how == 1) Splice(t, from, to < t->n ? to + 1 : to, "", 0); /* with its delimiter */
  if (how == 2) Splice(t, to, to, ",7", 2);
  if (how == 3) { /* that of another position */
    Word(d, t, &other, &end);
    end = end - other > LONGEST ? other + LONGEST : end;
    memcpy(text, t->at + other, (size_t)(end - other));
    Splice(t, from, to, text, end - other);
  }
  if (how == 4) {
    memset(text, 'x', LONGEST);
    Splice(t, from, to, text, LONGEST);
  }
}

static void DamageBytes(Dice *d, FileText *t, int how)
{
  const long at   = t->n ? DiceBelow(d, (int)t->n) : 0;
  const char byte = odd_bytes[DiceBelow(d, (int)sizeof(odd_bytes) - 1)], zero = 0;

  if (how == 0) t->at[t->n = at] = 0;
  if (how == 1) Splice(t, at, at, &byte, 1);
  if (how == 2 && t->n) t->at[at] = byte;
  if (how == 3) t->at[t->n = 0] = 0;
  if (how == 4 && t->n) t->at[--t->n] = 0;
  if (how == 5) Splice(t, at, at, &zero, 1);
  if (how == 6) Splice(t, t->n, t->n, "zz,1,2\n", 7);
}

void AttackDamage(Dice *d, bool text, FileText *t)
{
  const int kind = text ? DiceBelow(d, 16) : 9 + DiceBelow(d, 7);

  if (kind < 4) DamageLines(d, t, kind);
  else if (kind < 9) DamageWords(d, t, kind - 4);
  else DamageBytes(d, t, kind - 9);
}

/* Every line end of DOS, with a byte order mark in front */
void AttackDos(FileText *t)
{
  for (long i = 0; i < t->n; i++)
    if (t->at[i] == '\n') Splice(t, i, i, "\r", 1), i++;
  Splice(t, 0, 0, "\xef\xbb\xbf", 3);
}

/* Tokens of a formula: names, numbers, marks. A name in backticks may have any
   characters; texts keep the backticks only where they are needed, since labels are made
   of them, so that `herd` and herd are one label. Blanks separate tokens and are
   dropped. */
#include "formula_impl.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Blanks, tabs and line ends separate tokens */
static bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Bytes of a name; letters of other scripts are bytes above 127 in UTF-8. A name may
   begin with a digit. */
static bool IsNameByte(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.' || (unsigned char)c > 127; }

/* Length of the number at s, with decimals and exponent but no sign; 0 if there is none,
   or if it is the beginning of a name (2nd, 1.2.3) */
static size_t NumberLength(const char *s)
{
  size_t n = 0, digits = 0;

  for (; isdigit((unsigned char)s[n]); n++) digits++;
  if (s[n] == '.') {
    for (n++; isdigit((unsigned char)s[n]); n++) digits++;
  }
  if (!digits) return 0;
  if (s[n] == 'e' || s[n] == 'E') {
    size_t m = n + 1 + (s[n + 1] == '-' || s[n + 1] == '+');

    if (isdigit((unsigned char)s[m])) {
      for (n = m; isdigit((unsigned char)s[n]);) n++;
    }
  }
  return IsNameByte(s[n]) ? 0 : n;
}

/* Would the name be read as something else without backticks: another character, or a
   number? */
static bool NeedsTicks(const char *name)
{
  for (const char *c = name; *c; c++) {
    if (!IsNameByte(*c)) return true;
  }
  return NumberLength(name) > 0;
}

/* FormulaErrorAt - See the header. A copy of the node gets the position, since errors
   take line and column from a node. Logically collective. */
PetscErrorCode FormulaErrorAt(MeritNode node, int line, int column, const char format[], ...)
{
  struct _p_MeritNode there = *node;
  char                text[1800];
  va_list             args;

  va_start(args, format);
  vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  there.line   = line;
  there.column = column;
  return MeritNodeError(&there, "%s", text);
}

/* Take a name in backticks at *at, which moves behind it; two backticks stand for one.
   Name and, where backticks are needed, text go to *out, which moves behind them. USAGE
   errors: no closing backtick, an empty name. */
static PetscErrorCode TakeTicked(FormulaParser *p, size_t *at, char **out, FormulaToken *t)
{
  const char *s = p->node->text;
  size_t      i = *at + 1;
  char       *o = *out;

  PetscFunctionBegin;
  t->kind = TOKEN_NAME;
  t->name = o;
  for (; s[i] && (s[i] != '`' || s[i + 1] == '`'); i++) {
    *o++ = s[i];
    i += s[i] == '`';
  }
  *o++ = 0;
  if (!s[i]) PetscCall(MeritNodeErrorAt(p->node, *at, "the backtick is not closed"));
  if (!t->name[0]) PetscCall(MeritNodeErrorAt(p->node, *at, "there is no name between the backticks"));
  t->text = t->name;
  if (NeedsTicks(t->name)) {
    t->text = o;
    memcpy(o, s + *at, i + 1 - *at);
    o += i + 1 - *at;
    *o++ = 0;
  }
  *at  = i + 1;
  *out = o;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaTokenise - See the header. The last token is END at the end of the text. A
   character that no token begins with is an error with a hint (formula_hints.c). Not
   collective. */
PetscErrorCode FormulaTokenise(FormulaParser *p)
{
  const char *s      = p->node->text;
  size_t      length = strlen(s), at = 0;
  char       *out;

  PetscFunctionBegin;
  /* a token has at least one byte of the formula; its name and text have at most twice its length
     and two zeros */
  PetscCall(PetscCalloc1(length + 1, &p->token));
  PetscCall(PetscMalloc1(4 * length + 4, &p->bytes));
  out = p->bytes;
  while (1) {
    FormulaToken *t = p->token + p->n_tokens++;
    size_t        n = 0;

    while (IsBlank(s[at])) at++;
    t->at   = at;
    t->text = "";
    if (!s[at]) break;
    if (s[at] == '`') {
      PetscCall(TakeTicked(p, &at, &out, t));
      continue;
    }
    if (strchr("~+=:(),-", s[at])) {
      t->kind = TOKEN_MARK;
      t->mark = s[at];
      n       = 1;
    } else if ((n = NumberLength(s + at))) {
      t->kind = TOKEN_NUMBER;
    } else {
      t->kind = TOKEN_NAME;
      while (IsNameByte(s[at + n])) n++;
      if (!n) PetscCall(FormulaForeignCharacter(p, at));
    }
    t->name = t->text = out;
    memcpy(out, s + at, n);
    out[n] = 0;
    out += n + 1;
    at += n;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaSameLabel - See the header. Blanks are passed over in both, then bytes are
   compared. Not collective. */
bool FormulaSameLabel(const char a[], const char b[])
{
  while (1) {
    while (IsBlank(*a)) a++;
    while (IsBlank(*b)) b++;
    if (*a != *b) return false;
    if (!*a) return true;
    a++;
    b++;
  }
}

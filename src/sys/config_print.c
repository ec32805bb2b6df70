/* A tree as YAML text. Maps are in block style, lists on one line. Scalars are quoted where they
   would be read back as something else; a tree that is printed and parsed is the same tree. */
#include "config_private.h"
#include <merit/file.h>
#include <string.h>

/* Is a plain scalar of these bytes read back as the same bytes, in block and in flow style? */
static bool IsPlain(const char *text)
{
  const size_t length = strlen(text);

  if (!length || MeritTextIsNull(text, length)) return false;
  if (strchr("!&*-?|>%@`\"'#,[]{}:~= ", text[0]) && !(text[0] == '-' && length > 1 && strchr(".0123456789", text[1])))
    /* A minus begins a list item unless a number follows */
    return false;
  if (text[length - 1] == ' ' || text[length - 1] == ':') return false;
  if (!strncmp(text, "...", 3)) return false; /* ends the document at the start of a line */
  for (size_t i = 0; i < length; i++) {
    const unsigned char c = (unsigned char)text[i];

    if (c < 0x20 || c >= 0x7f || strchr(",[]{}", c)) return false;
    if (c == ':' && strchr(" ?", text[i + 1])) return false; /* in a list the reader refuses ":?" */
    if (c == '#' && text[i - 1] == ' ') return false;
  }
  return true;
}

/* MeritUtf8 - The character that text begins with and its bytes, 0 if they are not UTF-8. Not collective. */
int MeritUtf8(const char text[], uint32_t *character)
{
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char  *c        = (const unsigned char *)text;
  const int             n        = c[0] < 0x80 ? 1 : c[0] < 0xc0 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf8 ? 4 : 0;

  /* Length from the first byte; overlong forms and surrogates are refused below (RFC 3629) */
  if (!n) return 0;
  *character = n == 1 ? c[0] : c[0] & (0x7fu >> n);
  for (int i = 1; i < n; i++) {
    if ((c[i] & 0xc0) != 0x80) return 0;
    *character = *character << 6 | (c[i] & 0x3fu);
  }
  return *character < least[n] || *character > 0x10ffff || (*character >= 0xd800 && *character < 0xe000) ? 0 : n;
}

/* Characters that YAML does not allow as they are, or takes for line ends */
static bool IsSpecial(uint32_t c)
{
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || (c & 0xfffe) == 0xfffe;
}

/* A scalar, plain where that is safe, else in double quotes with escapes */
static PetscErrorCode AddScalar(MeritText *out, const char *text, bool quoted)
{
  PetscFunctionBegin;
  if (!quoted && IsPlain(text)) {
    PetscCall(MeritTextAdd(out, "%s", text));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritTextAdd(out, "\""));
  while (*text) {
    uint32_t  c = 0;
    const int n = MeritUtf8(text, &c);

    if (c == '"' || c == '\\') PetscCall(MeritTextAdd(out, "\\%c", (int)c));
    else if (c == '\n') PetscCall(MeritTextAdd(out, "\\n"));
    else if (n && IsSpecial(c)) PetscCall(MeritTextAdd(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c));
    else PetscCall(MeritTextAddBytes(out, text, (size_t)PetscMax(n, 1)));
    text += PetscMax(n, 1);
  }
  PetscCall(MeritTextAdd(out, "\""));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The key and its colon; indent < 0 in flow style. A reader of YAML looks for the colon within 1024
   characters, so a longer key must be announced by "?"; a byte takes up to 4 characters when
   escaped. */
static PetscErrorCode AddKey(MeritText *out, const char *key, int indent)
{
  const bool announced = strlen(key) > 250;

  PetscFunctionBegin;
  if (announced) PetscCall(MeritTextAdd(out, "? "));
  PetscCall(AddScalar(out, key, false));
  if (announced && indent < 0) PetscCall(MeritTextAdd(out, " "));
  else if (announced) PetscCall(MeritTextAdd(out, "\n%*s", indent, ""));
  PetscCall(MeritTextAdd(out, ":"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A node on one line: scalars, lists, and all that is inside lists */
static PetscErrorCode AddFlow(MeritText *out, MeritNode node)
{
  const bool map = node->kind == MERIT_NODE_MAP;

  PetscFunctionBegin;
  if (node->kind == MERIT_NODE_NULL) PetscCall(MeritTextAdd(out, "null"));
  else if (node->kind == MERIT_NODE_SCALAR) PetscCall(AddScalar(out, node->text, node->quoted));
  else {
    PetscCall(MeritTextAdd(out, map ? "{" : "["));
    for (int32_t i = 0; i < node->n; i++) {
      if (i) PetscCall(MeritTextAdd(out, ", "));
      if (map) {
        PetscCall(AddKey(out, node->key[i], -1));
        PetscCall(MeritTextAdd(out, " "));
      }
      PetscCall(AddFlow(out, node->child[i]));
    }
    PetscCall(MeritTextAdd(out, map ? "}" : "]"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A map in block style, each key on its line */
static PetscErrorCode AddBlock(MeritText *out, MeritNode map, int indent)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < map->n; i++) {
    MeritNode child = map->child[i];

    PetscCall(MeritTextAdd(out, "%*s", indent, ""));
    PetscCall(AddKey(out, map->key[i], indent));
    if (child->kind == MERIT_NODE_MAP && child->n) {
      PetscCall(MeritTextAdd(out, "\n"));
      PetscCall(AddBlock(out, child, indent + 2));
    } else {
      PetscCall(MeritTextAdd(out, " "));
      PetscCall(AddFlow(out, child));
      PetscCall(MeritTextAdd(out, "\n"));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigPrint - The tree as YAML text that reads back as the same tree: maps in block style, lists on one
  line.

  Not collective. *text is owned by the caller, PetscFree.
@*/
PetscErrorCode MeritConfigPrint(MeritNode root, char **text)
{
  MeritText out = {0};

  PetscFunctionBegin;
  PetscCall(AddBlock(&out, root, 0));
  PetscCall(PetscStrallocpy(out.n ? out.at : "", text));
  MeritTextFree(&out);
  PetscFunctionReturn(PETSC_SUCCESS);
}

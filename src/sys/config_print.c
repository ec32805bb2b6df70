#include "config_private.h"
#include <merit/file.h>
#include <string.h>

/* May the bytes stand as a plain scalar anywhere, block or flow, and be read back as the same? */
static bool IsPlain(const char *text)
{
  const size_t length = strlen(text);

  if (!length || MeritTextIsNull(text, length)) return false;
  if (strchr("!&*-?|>%@`\"'#,[]{}:~= ", text[0]) &&
      !(text[0] == '-' && length > 1 && strchr(".0123456789", text[1])))
    return false;
  if (text[length - 1] == ' ' || text[length - 1] == ':') return false;
  for (size_t i = 0; i < length; i++) {
    const unsigned char c = (unsigned char)text[i];

    if (c < 0x20 || c >= 0x7f || strchr(",[]{}", c)) return false;
    if (c == ':' && text[i + 1] == ' ') return false;
    if (c == '#' && text[i - 1] == ' ') return false;
  }
  return strcmp(text, "---") && strcmp(text, "...");
}

static PetscErrorCode AddScalar(MeritText *out, const char *text, bool quoted)
{
  PetscFunctionBegin;
  if (!quoted && IsPlain(text)) {
    PetscCall(MeritTextAdd(out, "%s", text));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(MeritTextAdd(out, "\""));
  for (const char *at = text; *at; at++) {
    const unsigned char c = (unsigned char)*at;

    if (c == '"' || c == '\\')
      PetscCall(MeritTextAdd(out, "\\%c", c));
    else if (c == '\n')
      PetscCall(MeritTextAdd(out, "\\n"));
    else if (c < 0x20 || c == 0x7f)
      PetscCall(MeritTextAdd(out, "\\x%02x", c));
    else
      PetscCall(MeritTextAddBytes(out, at, 1));
  }
  PetscCall(MeritTextAdd(out, "\""));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* On one line: scalars, lists, and what is inside lists */
static PetscErrorCode AddFlow(MeritText *out, MeritNode node)
{
  const bool map = node->kind == MERIT_NODE_MAP;

  PetscFunctionBegin;
  if (node->kind == MERIT_NODE_NULL)
    PetscCall(MeritTextAdd(out, "null"));
  else if (node->kind == MERIT_NODE_SCALAR)
    PetscCall(AddScalar(out, node->text, node->quoted));
  else {
    PetscCall(MeritTextAdd(out, map ? "{" : "["));
    for (int32_t i = 0; i < node->n; i++) {
      if (i) PetscCall(MeritTextAdd(out, ", "));
      if (map) {
        PetscCall(AddScalar(out, node->key[i], false));
        PetscCall(MeritTextAdd(out, ": "));
      }
      PetscCall(AddFlow(out, node->child[i]));
    }
    PetscCall(MeritTextAdd(out, map ? "}" : "]"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode AddBlock(MeritText *out, MeritNode map, int indent)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < map->n; i++) {
    MeritNode child = map->child[i];

    PetscCall(MeritTextAdd(out, "%*s", indent, ""));
    PetscCall(AddScalar(out, map->key[i], false));
    PetscCall(MeritTextAdd(out, ":"));
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

/* Flags of the command line (--solver.rtol 1e-12) put into the tree of the job file; a flag
   replaces the value of the file. Keys that are labels of terms may hold dots and blanks: they are
   compared with the keys that exist before the flag is split at its dots. */
#include "config_private.h"
#include <string.h>

/* Bytes of `dotted` that spell `key` (blanks are ignored) up to a dot or the end; 0 if they do not */
static size_t Spells(const char dotted[], const char key[])
{
  size_t i = 0;

  for (;; i++) {
    while (*key == ' ') key++;
    while (dotted[i] == ' ') i++;
    if (!*key) return !dotted[i] || dotted[i] == '.' ? i : 0;
    if (dotted[i] != *key++) return 0;
  }
}

/* The value of a flag as a node: YAML if it begins with a bracket, brace or quote, else the bytes
   as they are */
static PetscErrorCode ParseValue(const char dotted[], const char value[], MeritNode *node)
{
  size_t length = strlen(value);

  PetscFunctionBegin;
  while (length && strchr(" \t", value[0])) value++, length--;
  while (length && strchr(" \t", value[length - 1])) length--;
  if (length && strchr("[{\"'", value[0])) {
    PetscErrorCode code = MeritNodeParse(merit_command_line, value, length, node);
    MeritErrorInfo why;

    if (!code) PetscFunctionReturn(PETSC_SUCCESS);
    /* The message of the parser, without its own name for the text */
    why = *MeritErrorLast();
    if (!strncmp(why.text, merit_command_line, strlen(merit_command_line)))
      memmove(why.text, why.text + strlen(merit_command_line) + 2, strlen(why.text) - strlen(merit_command_line) - 1);
    PetscFunctionReturn(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "--%s %.*s: %s", dotted, (int)length, value, why.text));
  }
  if (MeritTextIsNull(value, length)) PetscCall(MeritNodeCreate(MERIT_NODE_NULL, merit_command_line, 0, 0, NULL, 0, node));
  else PetscCall(MeritNodeCreate(MERIT_NODE_SCALAR, merit_command_line, 0, 0, value, length, node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Flags must be UTF-8, as job files are */
static PetscErrorCode CheckText(const char dotted[], const char value[])
{
  uint32_t character;

  PetscFunctionBegin;
  while (*value) {
    const int n = MeritUtf8(value, &character);

    if (!n) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "--%s: not UTF-8 text", dotted));
    value += n;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The child of a map whose key `dotted` begins with, created if absent; *used bytes of `dotted`
   name it, *index is its index */
static PetscErrorCode Descend(MeritNode map, const char dotted[], size_t *used, int32_t *index)
{
  MeritNode child;
  char     *key;

  PetscFunctionBegin;
  for (int32_t i = 0; i < map->n; i++) {
    *index = i;
    *used  = Spells(dotted, map->key[i]);
    if (*used) PetscFunctionReturn(PETSC_SUCCESS);
  }
  *used = MeritSegmentLength(dotted);
  PetscCall(PetscMalloc1(*used + 1, &key));
  PetscCall(PetscArraycpy(key, dotted, *used));
  key[*used] = 0;
  PetscCall(MeritNodeCreate(MERIT_NODE_NULL, merit_command_line, 0, 0, NULL, 0, &child));
  PetscCall(MeritNodeAppend(map, key, child));
  PetscCall(PetscFree(key));
  *index = map->n - 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigSet - Lay a flag over the tree; it then wins over what the file says.

  Not collective.

  Input Parameters:
+ root   - the tree, a MAP
. dotted - the key, "solver.rtol"; maps on the way are made as needed; blanks within labels do not matter
- value  - YAML if it begins with a bracket, brace or quote, else a plain scalar as it stands (so formulas
           need no second quoting)

  A key on the way that already has a single value or a list is a USAGE error, as is a value that is not UTF-8.
@*/
PetscErrorCode MeritConfigSet(MeritNode root, const char dotted[], const char value[])
{
  MeritNode   map   = root, node;
  const char *at    = dotted;
  int32_t     index = 0;
  size_t      used  = 0;

  PetscFunctionBegin;
  PetscCall(CheckText(dotted, dotted));
  PetscCall(CheckText(dotted, value));
  PetscCall(ParseValue(dotted, value, &node));
  for (;;) {
    if (map->kind == MERIT_NODE_NULL) map->kind = MERIT_NODE_MAP;
    if (map->kind != MERIT_NODE_MAP) {
      PetscCall(MeritNodeFree(&node));
      PetscFunctionReturn(MeritNodeError(map, "has a value of its own here, so --%s cannot be set below it", dotted));
    }
    PetscCall(Descend(map, at, &used, &index));
    at += used;
    if (!*at) break;
    at++;
    map = map->child[index];
  }
  PetscCall(MeritNodeFree(&map->child[index]));
  map->child[index] = node;
  PetscFunctionReturn(PETSC_SUCCESS);
}

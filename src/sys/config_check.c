/*
  Checks of a job tree against the table of known keys.

  Patterns are dotted paths; "*" stands for any one segment and "**" for anything below. The tree
  is walked from the top, `path` [depth] holds the keys down to the current node. A key must match
  a pattern; where the pattern ends a value is expected, where it goes on a map is.
*/
#include "config_keys.h"
#include "config_private.h"
#include <stdlib.h>
#include <string.h>

/* Compare one pattern with a path of n segments, each a string of its own */
static KeyMatch MatchOne(const char *pattern, int n, const char *const path[])
{
  for (int i = 0; i < n; i++) {
    const size_t length = strcspn(pattern, ".");

    /* "**" matches the rest of the path, empty or not */
    if (length == 2 && !strncmp(pattern, "**", 2)) return KEY_ANYTHING;
    if (!length) return KEY_MISS;
    if (!(length == 1 && *pattern == '*') && (strlen(path[i]) != length || strncmp(pattern, path[i], length))) return KEY_MISS;
    pattern += length;
    if (*pattern == '.') pattern++;
    else if (i + 1 < n) return KEY_MISS;
  }
  if (!strcmp(pattern, "**")) return KEY_ANYTHING;
  /* The path is used up: what is left of the pattern decides */
  return *pattern ? KEY_HEAD : KEY_EXACT;
}

/* MeritKeysMatch - See the header. Not collective. */
unsigned MeritKeysMatch(int n_keys, const MeritKey keys[], int n, const char *const path[])
{
  unsigned all = 0;

  for (int k = 0; k < n_keys; k++) all |= 1u << MatchOne(keys[k].path, n, path);
  return all;
}

/* The segments joined by dots; owned by the caller */
static PetscErrorCode Join(int n, const char *const path[], char **dotted)
{
  size_t length = 1;

  PetscFunctionBegin;
  for (int i = 0; i < n; i++) length += strlen(path[i]) + 1;
  PetscCall(PetscCalloc1(length, dotted));
  for (int i = 0; i < n; i++) {
    if (i) strcat(*dotted, ".");
    strcat(*dotted, path[i]);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigKnown - Is a dotted path one of the keys of a table, or the head of some?

  Not collective.

  Input Parameters:
+ dotted - the path; dots within parentheses and backticks belong to a label
. n      - length of the table
. keys   - the table
- size   - bytes of nearest

  Output Parameter:
. nearest - if the path is unknown, the key most likely meant, "" if none is near; NULL if size is 0
@*/
bool MeritConfigKnown(const char dotted[], int n, const MeritKey keys[], size_t size, char nearest[])
{
  char       *copy = strdup(dotted), *at = copy;
  const char *path[KEY_DEPTH];
  int         depth = 0;
  bool        known = true; /* so far: no segment is empty */

  if (size) nearest[0] = 0;
  if (!copy) return false;
  while (at && depth < KEY_DEPTH) {
    const size_t length = MeritSegmentLength(at);
    const bool   more   = at[length] == '.';

    known         = known && length;
    at[length]    = 0;
    path[depth++] = at;
    at            = more ? at + length + 1 : NULL;
  }
  known = known && !at && (MeritKeysMatch(n, keys, depth, path) & ~(1u << KEY_MISS));
  if (!known && size && !at) MeritKeysSuggest(n, keys, depth, path, size, nearest);
  free(copy);
  return known;
}

static PetscErrorCode CheckMap(MeritNode map, int n_keys, const MeritKey keys[], int depth, const char *path[]);

/* Raise the error for a key that matches no pattern, with the nearest known key or else the keys
   allowed there */
static PetscErrorCode UnknownKey(MeritNode node, int n_keys, const MeritKey keys[], int depth, const char *const path[])
{
  char *dotted, nearest[256] = "", below[600] = "";

  PetscFunctionBegin;
  PetscCall(Join(depth, path, &dotted));
  MeritKeysSuggest(n_keys, keys, depth, path, sizeof(nearest), nearest);
  if (nearest[0]) PetscCall(MeritNodeKeyError(node, "unknown key %s; did you mean %s?", dotted, nearest));
  if (depth > 1) MeritKeysBelow(n_keys, keys, depth - 1, path, sizeof(below), below);
  if (below[0]) PetscCall(MeritNodeKeyError(node, "unknown key %s; the keys of %s are %s", dotted, path[depth - 2], below));
  PetscCall(MeritNodeKeyError(node, "unknown key %s", dotted));
  PetscFunctionReturn(PETSC_ERR_PLIB);
}

/* Items of a list must be plain values: a map inside a list would need keys, and only "**"
   allows those */
static PetscErrorCode CheckList(MeritNode list, const char *key)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < list->n; i++) {
    MeritNode item = list->child[i];

    if (item->kind == MERIT_NODE_MAP)
      PetscCall(MeritNodeError(item, "%s: a list of plain values was expected; put an item that contains \": \" in quotes", key));
    if (item->kind == MERIT_NODE_LIST) PetscCall(CheckList(item, key));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Raise the error for a value where keys are expected. `solver: cholesky` is often meant as
   `solver: {type: cholesky}`: the message shows this form with the first key of the table. */
static PetscErrorCode NeedsKeys(MeritNode node, int n_keys, const MeritKey keys[], int depth, const char *path[])
{
  char below[600];

  PetscFunctionBegin;
  MeritKeysBelow(n_keys, keys, depth, path, sizeof(below), below);
  below[strcspn(below, ",")] = 0;
  if (node->kind != MERIT_NODE_SCALAR || !below[0])
    PetscCall(MeritNodeError(node, "%s needs keys below it (\"key: value\"), not a value", path[depth - 1]));
  PetscCall(MeritNodeError(node, "%s needs keys below it, like %s: {%s: %s}", path[depth - 1], path[depth - 1], below, node->text));
  PetscFunctionReturn(PETSC_ERR_PLIB);
}

/* One node and all below it: unknown keys, values where keys are expected, and the reverse */
static PetscErrorCode CheckChild(MeritNode node, int n_keys, const MeritKey keys[], int depth, const char *path[])
{
  const unsigned match = MeritKeysMatch(n_keys, keys, depth, path);
  const bool     head = match & 1u << KEY_HEAD, exact = match & 1u << KEY_EXACT;

  PetscFunctionBegin;
  if (match & 1u << KEY_ANYTHING) PetscFunctionReturn(PETSC_SUCCESS);
  if (!head && !exact) PetscCall(UnknownKey(node, n_keys, keys, depth, path));
  if (node->kind == MERIT_NODE_MAP) {
    if (!head) PetscCall(MeritNodeError(node, "%s has no keys below it; a value was expected", path[depth - 1]));
    PetscCall(CheckMap(node, n_keys, keys, depth, path));
  } else if (node->kind != MERIT_NODE_NULL && !exact) {
    PetscCall(NeedsKeys(node, n_keys, keys, depth, path));
  }
  if (node->kind == MERIT_NODE_LIST) PetscCall(CheckList(node, path[depth - 1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode CheckMap(MeritNode map, int n_keys, const MeritKey keys[], int depth, const char *path[])
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < map->n; i++) {
    path[depth] = map->key[i];
    PetscCall(CheckChild(map->child[i], n_keys, keys, depth + 1, path));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigCheck - Every key of a tree must be in a table, with a value where a value is wanted and keys
  where keys are.

  Logically collective.

  Input Parameters:
+ root - the tree
. n    - length of the table
- keys - the table

  The first offence is a USAGE error with line and column; for an unknown key it names the nearest known one.
@*/
PetscErrorCode MeritConfigCheck(MeritNode root, int n, const MeritKey keys[])
{
  const char *path[KEY_DEPTH];

  PetscFunctionBegin;
  PetscCall(CheckMap(root, n, keys, 0, path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

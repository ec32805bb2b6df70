#include "config_private.h"
#include <stdlib.h>
#include <string.h>

/* How a pattern of the key table meets a path: not at all, it goes on below, it ends there, or it allows
   anything below */
typedef enum { MISS, HEAD, EXACT, ANYTHING } Match;

/* `path` holds n segments, each with its 0 */
static Match MatchOne(const char *pattern, int n, const char *const path[])
{
  for (int i = 0; i < n; i++) {
    const size_t length = strcspn(pattern, ".");

    if (length == 2 && !strncmp(pattern, "**", 2)) return ANYTHING;
    if (!length) return MISS;
    if (!(length == 1 && *pattern == '*') && (strlen(path[i]) != length || strncmp(pattern, path[i], length)))
      return MISS;
    pattern += length;
    if (*pattern == '.')
      pattern++;
    else if (i + 1 < n)
      return MISS;
  }
  if (!strcmp(pattern, "**")) return ANYTHING;
  return *pattern ? HEAD : EXACT;
}

/* Bit sets, as a path may be both a key and the head of others ("records.weight", "records.weight.*") */
static unsigned MatchAll(int n_keys, const MeritKey keys[], int n, const char *const path[])
{
  unsigned all = 0;

  for (int k = 0; k < n_keys; k++) all |= 1u << MatchOne(keys[k].path, n, path);
  return all;
}

/* The path in one string; owned by the caller */
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

/* The last segment of a pattern */
static const char *Leaf(const char *pattern)
{
  const char *dot = strrchr(pattern, '.');

  return dot ? dot + 1 : pattern;
}

/* Likeliest key for an unknown path: misspelt as a whole, else one with the same last word elsewhere, else a
   misspelt last word */
static const char *Suggest(const char *dotted, const char *last, int n_keys, const MeritKey keys[])
{
  const char **words = calloc((size_t)n_keys + 1, sizeof(*words));
  const char  *best  = NULL;

  if (!words) return NULL;
  for (int k = 0; k < n_keys; k++) words[k] = keys[k].path;
  best = MeritNearest(dotted, n_keys, words);
  for (int k = 0; k < n_keys && !best; k++)
    if (!strcmp(Leaf(keys[k].path), last)) best = keys[k].path;
  if (!best) {
    for (int k = 0; k < n_keys; k++) words[k] = Leaf(keys[k].path);
    best = MeritNearest(last, n_keys, words);
    for (int k = 0; k < n_keys && best; k++)
      if (words[k] == best) {
        best = keys[k].path;
        break;
      }
  }
  free(words);
  return best;
}

/*@
  MeritConfigKnown - Is a dotted path one of the keys of a table, or the head of some?

  Not collective.

  Input Parameters:
+ dotted - the path; dots within parentheses and backticks belong to a label
. n      - length of the table
- keys   - the table

  Output Parameter:
. nearest - if the path is unknown, the key most likely meant or NULL; may be NULL; borrowed from the table
@*/
bool MeritConfigKnown(const char dotted[], int n, const MeritKey keys[], const char **nearest)
{
  enum { MAX_SEGMENTS = 64 };
  char       *copy = strdup(dotted), *at = copy;
  const char *path[MAX_SEGMENTS];
  int         depth = 0;
  bool        known = true; /* so far: no segment is empty */

  if (nearest) *nearest = NULL;
  if (!copy) return false;
  while (at && depth < MAX_SEGMENTS) {
    const size_t length = MeritSegmentLength(at);
    const bool   more   = at[length] == '.';

    known         = known && length;
    at[length]    = 0;
    path[depth++] = at;
    at            = more ? at + length + 1 : NULL;
  }
  known = known &&
          depth < MAX_SEGMENTS && (MatchAll(n, keys, depth, path) & (1u << HEAD | 1u << EXACT | 1u << ANYTHING));
  if (!known && nearest) *nearest = Suggest(dotted, path[depth - 1], n, keys);
  free(copy);
  return known;
}

static PetscErrorCode CheckMap(MeritNode map, int n_keys, const MeritKey keys[], int depth,
                               const char *path[]);

static PetscErrorCode UnknownKey(MeritNode node, int n_keys, const MeritKey keys[], int depth,
                                 const char *const path[])
{
  char       *dotted;
  const char *nearest;

  PetscFunctionBegin;
  PetscCall(Join(depth, path, &dotted));
  nearest = Suggest(dotted, path[depth - 1], n_keys, keys);
  if (nearest) PetscCall(MeritNodeError(node, "unknown key %s; did you mean %s?", dotted, nearest));
  PetscCall(MeritNodeError(node, "unknown key %s", dotted));
  PetscFunctionReturn(PETSC_ERR_PLIB);
}

/* Maps inside lists have no key of their own, so nothing allows them but `**` */
static PetscErrorCode CheckList(MeritNode list, const char *key)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < list->n; i++) {
    MeritNode item = list->child[i];

    if (item->kind == MERIT_NODE_MAP)
      PetscCall(
          MeritNodeError(item, "a list of plain values was expected for %s (quote what holds \": \")", key));
    if (item->kind == MERIT_NODE_LIST) PetscCall(CheckList(item, key));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode CheckChild(MeritNode node, int n_keys, const MeritKey keys[], int depth,
                                 const char *path[])
{
  const unsigned match = MatchAll(n_keys, keys, depth, path);
  const bool     head = match & 1u << HEAD, exact = match & 1u << EXACT;

  PetscFunctionBegin;
  if (match & 1u << ANYTHING) PetscFunctionReturn(PETSC_SUCCESS);
  if (!head && !exact) PetscCall(UnknownKey(node, n_keys, keys, depth, path));
  if (node->kind == MERIT_NODE_MAP) {
    if (!head)
      PetscCall(MeritNodeError(node, "%s has no keys below it; a value was expected", path[depth - 1]));
    PetscCall(CheckMap(node, n_keys, keys, depth, path));
  } else if (node->kind != MERIT_NODE_NULL && !exact) {
    PetscCall(MeritNodeError(node, "%s needs keys below it (\"key: value\"), not a value", path[depth - 1]));
  }
  if (node->kind == MERIT_NODE_LIST) PetscCall(CheckList(node, path[depth - 1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode CheckMap(MeritNode map, int n_keys, const MeritKey keys[], int depth,
                               const char *path[])
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
  const char *path[66]; /* deeper than any text that MeritConfigParse() accepts */

  PetscFunctionBegin;
  PetscCall(CheckMap(root, n, keys, 0, path));
  PetscFunctionReturn(PETSC_SUCCESS);
}

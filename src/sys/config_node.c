/*
  The tree of a job file: nodes, paths, and errors that name a node.

  A node is a scalar, a list, a map or null, with file, line and column (from 1; 0 for flags).
  Children of a map have keys; a map keeps the order of the file. The root owns the names of files
  that its nodes refer to.
*/
#include "config_private.h"
#include "error_private.h"
#include <string.h>

const char merit_command_line[] = "command line";

/* MeritNodeCreate - Make a node without children. Not collective; `text` (NULL: none) is copied. */
PetscErrorCode MeritNodeCreate(MeritNodeKind kind, const char file[], int32_t line, int32_t column, const char text[], size_t length, MeritNode *node)
{
  MeritNode n;

  PetscFunctionBegin;
  PetscCall(PetscNew(&n));
  n->kind   = kind;
  n->file   = file;
  n->line   = line;
  n->column = column;
  if (text) {
    PetscCall(PetscMalloc1(length + 1, &n->text));
    PetscCall(PetscArraycpy(n->text, text, length));
    n->text[length] = 0;
  }
  *node = n;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritNodeAppend - Give a list or map one more child, which it then owns. Not collective. */
PetscErrorCode MeritNodeAppend(MeritNode parent, const char key[], MeritNode child)
{
  const size_t n = (size_t)parent->n;

  PetscFunctionBegin;
  if ((n & (n - 1)) == 0) { /* room doubles when n is a power of two */
    const size_t room = n ? 2 * n : 1;

    PetscCall(PetscRealloc(room * sizeof(*parent->child), &parent->child));
    if (key) PetscCall(PetscRealloc(room * sizeof(*parent->key), &parent->key));
  }
  if (key) PetscCall(PetscStrallocpy(key, &parent->key[n]));
  parent->child[n] = child;
  parent->n++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what a node owns, but not the node itself */
static PetscErrorCode FreeContents(MeritNode node)
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < node->n; i++) {
    if (node->key) PetscCall(PetscFree(node->key[i]));
    PetscCall(MeritNodeFree(&node->child[i]));
  }
  PetscCall(PetscFree(node->key));
  PetscCall(PetscFree(node->child));
  PetscCall(PetscFree(node->text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritNodeFree - Free a node (not a root) with all below it; NULL-safe. Not collective. */
PetscErrorCode MeritNodeFree(MeritNode *node)
{
  PetscFunctionBegin;
  if (!*node) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(FreeContents(*node));
  PetscCall(PetscFree(*node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A root is a node that also owns the name its nodes point to, and the roots of files that were
   included (their nodes moved into this tree, but still point to their names). */
typedef struct _Root {
  struct _p_MeritNode node; /* first, so that a root is a node */
  char               *name; /* owned */
  struct _Root       *next; /* root of a file that was taken in, emptied; owned, or NULL */
} Root;

/*@
  MeritConfigParse - Read YAML text in memory into a tree.

  Not collective: every rank that calls has its own tree.

  Input Parameters:
+ name   - what messages call the text; also gives the folder that relative paths start from
. text   - the bytes, UTF-8
- length - how many

  Output Parameter:
. root - a MAP (without keys if the text has none); free with `MeritConfigDestroy()`

  Syntax errors, duplicate keys, anchors, aliases, tags, tabs in the indentation, several documents, and a
  text that is not a map are USAGE errors with line and column.
@*/
PetscErrorCode MeritConfigParse(const char name[], const char text[], size_t length, MeritNode *root)
{
  Root          *r;
  MeritNode      node;
  PetscErrorCode code;

  PetscFunctionBegin;
  PetscCall(PetscNew(&r));
  /* The name is copied first: all nodes point to it */
  PetscCall(PetscStrallocpy(name, &r->name));
  code = MeritNodeParse(r->name, text, length, &node);
  if (!code) {
    r->node = *node;
    PetscCall(PetscFree(node));
    if (r->node.kind == MERIT_NODE_NULL) r->node.kind = MERIT_NODE_MAP;
    if (r->node.kind != MERIT_NODE_MAP) code = MeritNodeError(&r->node, "keys with values (\"key: value\") were expected here");
  }
  *root = &r->node;
  if (code) PetscCall(MeritConfigDestroy(root));
  PetscFunctionReturn(code);
}

/* MeritConfigDestroy - Free a tree; NULL-safe, sets the handle to NULL. Not collective. */
PetscErrorCode MeritConfigDestroy(MeritNode *root)
{
  PetscFunctionBegin;
  for (Root *r = (Root *)*root, *next; r; r = next) {
    next = r->next;
    PetscCall(FreeContents(&r->node));
    PetscCall(PetscFree(r->name));
    PetscCall(PetscFree(r));
  }
  *root = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritNodeInclude - Move the keys of another tree to a scalar node of this one; the other tree becomes part of this. Not collective. */
PetscErrorCode MeritNodeInclude(MeritNode root, MeritNode node, MeritNode *other)
{
  Root     *r = (Root *)root, *o = (Root *)*other;
  MeritNode from = &o->node;

  PetscFunctionBegin;
  /* Children move from one node to the other; the emptied root stays in the list for its name alone */
  PetscCall(FreeContents(node));
  node->kind   = MERIT_NODE_MAP;
  node->quoted = false;
  node->text   = NULL;
  node->file   = from->file;
  node->line   = from->line;
  node->column = from->column;
  node->n      = from->n;
  node->key    = from->key;
  node->child  = from->child;
  from->n      = 0;
  from->key    = NULL;
  from->child  = NULL;
  while (r->next) r = r->next;
  r->next = o;
  *other  = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritNodeError - Raise a USAGE error that names the node's file, line and column. Logically collective. */
PetscErrorCode MeritNodeError(MeritNode node, const char format[], ...)
{
  PetscErrorCode code;
  va_list        args;

  va_start(args, format);
  code = MeritRaiseAt(MERIT_ERROR_USAGE, node->file, node->line, node->column, NULL, format, args);
  va_end(args);
  return code;
}

/* MeritNodeKeyError - The same at the node's key, for what is wrong with the key itself. Logically collective. */
PetscErrorCode MeritNodeKeyError(MeritNode node, const char format[], ...)
{
  const bool     key = node->key_line > 0;
  PetscErrorCode code;
  va_list        args;

  va_start(args, format);
  code = MeritRaiseAt(MERIT_ERROR_USAGE, node->file, key ? node->key_line : node->line, key ? node->key_column : node->column, NULL, format, args);
  va_end(args);
  return code;
}

/* MeritSegmentLength - Length of the first key of a dotted path. Not collective. */
size_t MeritSegmentLength(const char dotted[])
{
  int    depth = 0;
  bool   tick  = false;
  size_t i     = 0;

  for (; dotted[i]; i++) {
    const char c = dotted[i];

    /* Dots in brackets, parentheses and backticks belong to a label, say of variances: "leg(days,
       2):animal.dam" */
    if (c == '`') tick = !tick;
    if (!tick && (c == '(' || c == '[')) depth++;
    if (!tick && (c == ')' || c == ']') && depth > 0) depth--;
    if (c == '.' && !tick && depth == 0) break;
  }
  return i;
}

/* MeritNodeFind - The node at a dotted path below another, or NULL; a null value counts as absent. Not
   collective; borrowed. */
MeritNode MeritNodeFind(MeritNode root, const char dotted[])
{
  if (!root || root->kind == MERIT_NODE_NULL) return NULL;
  if (!dotted[0]) return root;
  if (root->kind != MERIT_NODE_MAP) return NULL;
  for (int32_t i = 0; i < root->n; i++) {
    const size_t length = strlen(root->key[i]);
    MeritNode    found  = NULL;

    if (strncmp(dotted, root->key[i], length)) continue; /* a free key may hold dots itself */
    if (!dotted[length]) found = MeritNodeFind(root->child[i], "");
    else if (dotted[length] == '.') found = MeritNodeFind(root->child[i], dotted + length + 1);
    if (found) return found;
  }
  return NULL;
}

/* Typed values of a job tree. A key that is absent leaves the caller's default alone. A value of
   the wrong type or outside its range is a USAGE error with line and column. All ranks hold the
   same tree and raise alike. */
#include "config_private.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* MeritNodeReal - Number of a plain scalar. False, and *value unchanged, if it is not a finite
   decimal number. Not collective. */
bool MeritNodeReal(MeritNode node, double *value)
{
  char  *end;
  double x;

  if (!node || node->kind != MERIT_NODE_SCALAR || node->quoted || !node->text[0]) return false;
  if (node->text[strspn(node->text, "+-.0123456789eE")]) return false; /* strtod also knows inf, nan and hexadecimal */
  x = strtod(node->text, &end);
  if (*end || !isfinite(x)) return false;
  *value = x;
  return true;
}

/* The scalar at a path, NULL if absent; a list or map there is a USAGE error */
static PetscErrorCode Scalar(MeritNode root, const char dotted[], MeritNode *node)
{
  PetscFunctionBegin;
  *node = MeritNodeFind(root, dotted);
  if (*node && (*node)->kind != MERIT_NODE_SCALAR)
    PetscCall(MeritNodeError(*node, "%s: a single value was expected, not a %s", dotted, (*node)->kind == MERIT_NODE_LIST ? "list" : "map"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigReal - A number of the tree within [least, most]; *value is left alone when the key is absent.

  Logically collective. Anything else than a number in the range is a USAGE error with line and column.
@*/
PetscErrorCode MeritConfigReal(MeritNode root, const char dotted[], double least, double most, double *value)
{
  MeritNode node;
  double    x;

  PetscFunctionBegin;
  PetscCall(Scalar(root, dotted, &node));
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (!MeritNodeReal(node, &x))
    PetscCall(MeritNodeError(node, "%s: '%s' is not a number%s", dotted, node->text,
                             strchr(node->text, ',') ? " (the decimal sign is a point)"
                             : node->quoted          ? " (leave out the quotes)"
                                                     : ""));
  if (x < least || x > most) {
    if (most >= PETSC_MAX_REAL) PetscCall(MeritNodeError(node, "%s: %s is too small, the least is %g", dotted, node->text, least));
    if (least <= PETSC_MIN_REAL) PetscCall(MeritNodeError(node, "%s: %s is too large, the most is %g", dotted, node->text, most));
    PetscCall(MeritNodeError(node, "%s: %s is outside the range from %g to %g", dotted, node->text, least, most));
  }
  *value = x;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Whole number of a scalar; 1e6 counts as one. False if it is none or beyond 2^53, where doubles
   have gaps. */
static bool NodeInt(MeritNode node, int64_t *value)
{
  char     *end;
  double    x;
  long long i;

  if (!MeritNodeReal(node, &x)) return false;
  errno = 0;
  i     = strtoll(node->text, &end, 10);
  if (*end || errno) {
    if (x != floor(x) || fabs(x) > 9007199254740992.0) return false;
    i = (long long)x;
  }
  *value = (int64_t)i;
  return true;
}

/*@
  MeritConfigInt - A whole number of the tree within [least, most]; *value is left alone when the key is
  absent.

  Logically collective. Anything else is a USAGE error with line and column.
@*/
PetscErrorCode MeritConfigInt(MeritNode root, const char dotted[], int64_t least, int64_t most, int64_t *value)
{
  MeritNode node;
  int64_t   i = 0;

  PetscFunctionBegin;
  PetscCall(Scalar(root, dotted, &node));
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (!NodeInt(node, &i)) PetscCall(MeritNodeError(node, "%s: '%s' is not a whole number", dotted, node->text));
  if (i < least || i > most) {
    if (most == INT64_MAX) PetscCall(MeritNodeError(node, "%s: %s is too small, the least is %lld", dotted, node->text, (long long)least));
    PetscCall(MeritNodeError(node, "%s: %s is outside the range from %lld to %lld", dotted, node->text, (long long)least, (long long)most));
  }
  *value = i;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritConfigBool - yes/no, true/false or on/off in any case; *value is unchanged when the key is
   absent. Logically collective. */
PetscErrorCode MeritConfigBool(MeritNode root, const char dotted[], bool *value)
{
  static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
  MeritNode                node;

  PetscFunctionBegin;
  PetscCall(Scalar(root, dotted, &node));
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  for (int i = 0; i < 6; i++) /* Odd entries of the list mean yes */
    if (!strcasecmp(node->text, words[i])) {
      *value = i % 2;
      PetscFunctionReturn(PETSC_SUCCESS);
    }
  PetscCall(MeritNodeError(node, "%s: '%s' is neither yes nor no", dotted, node->text));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritConfigString - Text of a scalar, borrowed from the tree; *value is left alone when the key is absent.
   Logically collective. */
PetscErrorCode MeritConfigString(MeritNode root, const char dotted[], const char **value)
{
  MeritNode node;

  PetscFunctionBegin;
  PetscCall(Scalar(root, dotted, &node));
  if (node) *value = node->text;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritConfigChoice - Index of the word that a scalar holds; *value is left alone when the key is absent.
   Logically collective. */
PetscErrorCode MeritConfigChoice(MeritNode root, const char dotted[], int n, const char *const words[], int *value)
{
  MeritNode   node;
  const char *nearest;
  char        list[1024] = "";

  PetscFunctionBegin;
  PetscCall(Scalar(root, dotted, &node));
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  for (int i = 0; i < n; i++) {
    if (!strcmp(node->text, words[i])) {
      *value = i;
      PetscFunctionReturn(PETSC_SUCCESS);
    }
    if (i) strncat(list, ", ", sizeof(list) - strlen(list) - 1);
    strncat(list, words[i], sizeof(list) - strlen(list) - 1);
  }
  nearest = MeritNearest(node->text, n, words);
  if (nearest) PetscCall(MeritNodeError(node, "%s: '%s' is not one of %s; did you mean %s?", dotted, node->text, list, nearest));
  PetscCall(MeritNodeError(node, "%s: '%s' is not one of %s", dotted, node->text, list));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritConfigPath - A path of the tree, as the process can open it.

  Logically collective.

  Output Parameter:
. value - owned by the caller, PetscFree; left alone when the key is absent. A relative path of a job file
          starts from the folder
          of that file, one of the command line from the working folder.
@*/
PetscErrorCode MeritConfigPath(MeritNode root, const char dotted[], char **value)
{
  MeritNode   node;
  const char *slash;
  char       *path;
  size_t      folder, length;

  PetscFunctionBegin;
  PetscCall(Scalar(root, dotted, &node));
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  if (!node->text[0]) PetscCall(MeritNodeError(node, "%s: an empty path", dotted));
  slash  = node->file == merit_command_line || node->text[0] == '/' ? NULL : strrchr(node->file, '/');
  folder = slash ? (size_t)(slash - node->file) + 1 : 0;
  length = strlen(node->text);
  PetscCall(PetscMalloc1(folder + length + 1, &path));
  PetscCall(PetscArraycpy(path, node->file, folder));
  PetscCall(PetscArraycpy(path + folder, node->text, length + 1));
  *value = path;
  PetscFunctionReturn(PETSC_SUCCESS);
}

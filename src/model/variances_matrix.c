/*
  A covariance matrix of the job file from its node: a number, rows of numbers, or a map
  {value, rows, structure, fix}.

  ReadInto(): options of the map; the order of the rows as given (ReadOrder); the
  numbers (ReadValue), as a full matrix, as its lower triangle, or as the variances of a
  diagonal one; symmetry; sorting to component order; definiteness (variances_check.c);
  fixed elements (ReadFix). Matrices are row-major. All errors are USAGE at the node.
*/
#include "variances_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* VarianceOrder - See the header. Not collective. A name that does not fit becomes ",
   ...", for which eight bytes are kept free. */
void VarianceOrder(const VarianceShape *s, size_t size, char text[])
{
  size_t used = 0;

  text[0] = 0;
  for (int i = 0; i < s->n; i++) {
    /* room for this name and, if it is not the last, for ", ..." */
    if (used + strlen(s->name[i]) + 8 > size) {
      snprintf(text + used, size - used, ", ...");
      return;
    }
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", s->name[i]);
  }
}

/* Raise the error for a wrong number of rows or columns; it names the components in order
   and what was found. A matrix of one component is called a number, the variance. */
static PetscErrorCode RaiseSize(MeritNode node, const VarianceShape *s, const char *found)
{
  char order[600];

  PetscFunctionBegin;
  VarianceOrder(s, sizeof(order), order);
  if (s->n == 1) PetscCall(MeritNodeError(node, "`%s` needs one number, the variance of %s; found %s", s->label, order, found));
  PetscCall(MeritNodeError(node, "`%s` needs a symmetric %d x %d matrix in the order %s; found %s", s->label, s->n, s->n, order, found));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *value = the finite number of a node */
static PetscErrorCode ReadNumber(MeritNode node, const VarianceShape *s, double *value)
{
  PetscFunctionBegin;
  if (node->kind != MERIT_NODE_SCALAR) PetscCall(MeritNodeError(node, "`%s`: expected a number", s->label));
  if (!MeritNodeReal(node, value)) PetscCall(MeritNodeError(node, "`%s`: \"%s\" is not a number", s->label, node->text));
  if (!isfinite(*value)) PetscCall(MeritNodeError(node, "`%s`: a variance must be finite", s->label));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read n rows of n numbers into v [n * n], or the lower triangle, rows of 1, 2, ..., n
   numbers, which is copied to the upper one. Rows are a triangle if the first has one
   number and n is above 1. */
static PetscErrorCode ReadRows(MeritNode node, const VarianceShape *s, double v[])
{
  const int  n     = s->n;
  const bool lower = n > 1 && node->child[0]->kind == MERIT_NODE_LIST && node->child[0]->n == 1;

  PetscFunctionBegin;
  for (int i = 0; i < n; i++) {
    MeritNode row  = node->child[i];
    const int need = lower ? i + 1 : n;
    char      found[80];

    snprintf(found, sizeof(found), "%d in row %d, where %d belong", row->kind == MERIT_NODE_LIST ? (int)row->n : 1, i + 1, need);
    if (row->kind != MERIT_NODE_LIST || row->n != need) PetscCall(RaiseSize(row, s, found));
    for (int j = 0; j < need; j++) {
      PetscCall(ReadNumber(row->child[j], s, v + i * n + j));
      if (lower) v[j * n + i] = v[i * n + j];
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read the numbers into v [n * n], 0 before: a single one, a list of variances
   (structure: diag), or rows. `found` is for the message about a wrong size. */
static PetscErrorCode ReadValue(MeritNode node, const VarianceShape *s, bool diagonal, double v[])
{
  const int n = s->n;
  char      found[40];

  PetscFunctionBegin;
  snprintf(found, sizeof(found), node->kind == MERIT_NODE_LIST ? "%d rows" : "a single number", (int)node->n);
  if (node->kind == MERIT_NODE_SCALAR) {
    if (n != 1) PetscCall(RaiseSize(node, s, found));
    PetscCall(ReadNumber(node, s, v));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (node->kind != MERIT_NODE_LIST) PetscCall(MeritNodeError(node, "`%s`: expected a number or a matrix", s->label));
  if (node->n != n) PetscCall(RaiseSize(node, s, found));
  if (diagonal && node->child[0]->kind == MERIT_NODE_SCALAR) {
    for (int i = 0; i < n; i++) PetscCall(ReadNumber(node->child[i], s, v + i * n + i));
  } else {
    PetscCall(ReadRows(node, s, v));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Elements (i, j) and (j, i) must agree to 1e-10 of the geometric mean of the variances
   (or of the larger element); both become their mean. With structure: diag elements
   beside the diagonal must be 0. */
static PetscErrorCode CheckSymmetric(MeritNode node, const VarianceShape *s, bool diagonal, double v[])
{
  const int n = s->n;

  PetscFunctionBegin;
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      const double a = v[i * n + j], b = v[j * n + i];
      /* roots before the product, which could leave the range of double precision */
      const double scale = fmax(fmax(fabs(a), fabs(b)), sqrt(fabs(v[i * n + i])) * sqrt(fabs(v[j * n + j])));

      if (fabs(a - b) > 1e-10 * scale) {
        PetscCall(MeritNodeError(node, "the matrix of `%s` is not symmetric: row %d column %d is %.10g, row %d column %d is %.10g", s->label, i + 1,
                                 j + 1, a, j + 1, i + 1, b));
      }
      if (diagonal && a != 0) {
        PetscCall(MeritNodeError(node, "`%s` has structure: diag, but row %d column %d is %g", s->label, i + 1, j + 1, a));
      }
      v[i * n + j] = v[j * n + i] = 0.5 * a + 0.5 * b;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Component with this name; -1: none, -2: two components have it */
static int FindName(const VarianceShape *s, const char *name)
{
  int found = -1;

  for (int i = 0; i < s->n; i++) {
    if (!strcmp(name, s->name[i])) found = found == -1 ? i : -2;
  }
  return found;
}

/* position [i] = component of row i of the given matrix, from the names in `rows`, each
   component once; without names the rows are in component order */
static PetscErrorCode ReadOrder(MeritNode rows, const VarianceShape *s, int position[])
{
  char order[600];

  PetscFunctionBegin;
  /* without names row i is component i */
  for (int i = 0; i < s->n; i++) position[i] = i;
  if (!rows) PetscFunctionReturn(PETSC_SUCCESS);
  VarianceOrder(s, sizeof(order), order);
  if (rows->kind != MERIT_NODE_LIST || rows->n != s->n) {
    PetscCall(MeritNodeError(rows, "`rows` of `%s` must be these %d names, in any order: %s", s->label, s->n, order));
  }
  for (int i = 0; i < s->n; i++) {
    MeritNode row = rows->child[i];

    position[i] = row->kind == MERIT_NODE_SCALAR ? FindName(s, row->text) : -1;
    /* -1 and -2 of FindName() have messages of their own */
    if (position[i] < 0) {
      PetscCall(MeritNodeError(row, "\"%s\" is %s of `%s`; its rows are %s", row->kind == MERIT_NODE_SCALAR ? row->text : "this",
                               position[i] == -1 ? "no component" : "the name of two components", s->label, order));
    }
    for (int j = 0; j < i; j++) {
      if (position[j] == position[i]) PetscCall(MeritNodeError(row, "the row %s of `%s` occurs twice", row->text, s->label));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *at = component of a row or column of an element to fix, given by its number from 1 in
   the given order, or by its name. A text that is a number is taken as a number, also
   where a component has that name. */
static PetscErrorCode ReadIndex(MeritNode node, const VarianceShape *s, const int position[], int *at)
{
  double number;

  PetscFunctionBegin;
  *at = -1;
  if (node->kind == MERIT_NODE_SCALAR) {
    if (!MeritNodeReal(node, &number)) *at = FindName(s, node->text);
    else if (number >= 1 && number <= s->n && number == floor(number)) *at = position[(int)number - 1];
  }
  if (*at < 0) PetscCall(MeritNodeError(node, "`fix` of `%s`: expected a row from 1 to %d, or its name", s->label, s->n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* fix [n * n] from the key fix: yes (all elements), no (none), or a list of elements [[i,
   j], ...], each with its mirror image. An element (i, j) of the given order is at (position
   [i], position [j]). */
static PetscErrorCode ReadFix(MeritNode node, const VarianceShape *s, const int position[], bool fix[])
{
  static const char *const yes[] = {"yes", "true", "Yes", "True", "YES", "TRUE"}, *const no[] = {"no", "false", "No", "False", "NO", "FALSE"};

  PetscFunctionBegin;
  if (node->kind == MERIT_NODE_SCALAR) {
    for (int w = 0; w < 6; w++) {
      if (!strcmp(node->text, no[w])) PetscFunctionReturn(PETSC_SUCCESS);
      if (strcmp(node->text, yes[w])) continue;
      for (int i = 0; i < s->n * s->n; i++) fix[i] = true;
      PetscFunctionReturn(PETSC_SUCCESS);
    }
  }
  if (node->kind != MERIT_NODE_LIST) PetscCall(MeritNodeError(node, "`fix` of `%s` must be yes, no or [[i, j], ..]", s->label));
  for (int32_t e = 0; e < node->n; e++) {
    MeritNode pair = node->child[e];
    int       i, j;

    if (pair->kind != MERIT_NODE_LIST || pair->n != 2) {
      PetscCall(MeritNodeError(pair, "`fix` of `%s`: expected a pair [row, column]", s->label));
    }
    PetscCall(ReadIndex(pair->child[0], s, position, &i));
    PetscCall(ReadIndex(pair->child[1], s, position, &j));
    fix[i * s->n + j] = fix[j * s->n + i] = true;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarianceOptionsTake - See the header. Options that the map does not have keep the
   values they had, so that those of all residual classes hold for each class. An empty
   value of a key counts as none. Not collective. */
PetscErrorCode VarianceOptionsTake(MeritNode node, bool may_have_by, const char label[], VarianceOptions *options, MeritNode *value)
{
  static const char *const keys[]   = {"value", "rows", "structure", "fix", "by"};
  const int                n_keys   = may_have_by ? 5 : 4;
  MeritNode                found[5] = {NULL, options->rows, options->structure, options->fix, NULL};

  PetscFunctionBegin;
  *value = node;
  if (node->kind != MERIT_NODE_MAP) PetscFunctionReturn(PETSC_SUCCESS);
  for (int32_t c = 0; c < node->n; c++) {
    int k = 0;

    while (k < n_keys && strcmp(node->key[c], keys[k])) k++;
    if (k == n_keys) {
      const char *near = MeritNearest(node->key[c], n_keys, keys);

      PetscCall(MeritNodeKeyError(node->child[c], "`%s`: unknown key `%s`%s%s%s (known: value, rows, structure, fix%s)", label, node->key[c],
                                  near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "", may_have_by ? ", by" : ""));
    }
    /* a key without a value changes nothing */
    if (node->child[c]->kind != MERIT_NODE_NULL) found[k] = node->child[c];
  }
  if (!found[0]) PetscCall(MeritNodeError(node, "`%s` has no `value`", label));
  *value   = found[0];
  *options = (VarianceOptions){.rows = found[1], .structure = found[2], .fix = found[3]};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *diagonal from the key structure: us (unstructured, also without the key) or diag */
static PetscErrorCode ReadStructure(MeritNode node, const VarianceShape *s, bool *diagonal)
{
  PetscFunctionBegin;
  *diagonal = false;
  if (!node) PetscFunctionReturn(PETSC_SUCCESS);
  *diagonal = node->kind == MERIT_NODE_SCALAR && !strcmp(node->text, "diag");
  if (!*diagonal && (node->kind != MERIT_NODE_SCALAR || strcmp(node->text, "us"))) {
    PetscCall(MeritNodeError(node, "`structure` of `%s` must be us (unstructured) or diag", s->label));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read a matrix into m, whose arrays exist and are 0; given [n * n], also 0, and position
   [n] are scratch */
static PetscErrorCode ReadInto(MeritNode node, const VarianceOptions *outer, const VarianceShape *s, double given[], int position[],
                               VarianceMatrix *m)
{
  VarianceOptions options = *outer;
  MeritNode       value;
  const int       n = s->n;

  PetscFunctionBegin;
  PetscCall(VarianceOptionsTake(node, false, s->label, &options, &value));
  PetscCall(ReadStructure(options.structure, s, &m->diagonal));
  PetscCall(ReadOrder(options.rows, s, position));
  PetscCall(ReadValue(value, s, m->diagonal, given));
  PetscCall(CheckSymmetric(value, s, m->diagonal, given));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) m->value[position[i] * n + position[j]] = given[i * n + j];
  }
  PetscCall(VarianceCheckDefinite(value, s, m->value));
  if (options.fix) PetscCall(ReadFix(options.fix, s, position, m->fix));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarianceMatrixRead - See the header. fix is NULL if no element is fixed. After an error
   nothing is left to free. Not collective. */
PetscErrorCode VarianceMatrixRead(MeritNode node, const VarianceOptions *options, const VarianceShape *s, VarianceMatrix *m)
{
  const size_t   n   = (size_t)s->n;
  bool           any = false;
  double        *given;
  int           *position;
  PetscErrorCode code;

  PetscFunctionBegin;
  PetscCall(PetscCalloc2(n * n, &given, n, &position));
  PetscCall(PetscCalloc1(n * n, &m->value));
  PetscCall(PetscCalloc1(n * n, &m->fix));
  code = ReadInto(node, options, s, given, position, m);
  PetscCall(PetscFree2(given, position));
  for (size_t i = 0; i < n * n; i++) any |= m->fix[i];
  if (code || !any) PetscCall(PetscFree(m->fix));
  if (code) PetscCall(PetscFree(m->value));
  PetscCall(code);
  PetscFunctionReturn(PETSC_SUCCESS);
}

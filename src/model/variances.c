/* The key `variances` of the job file: a covariance matrix for each random term, and one
   for the residual, or one for each class of a column. Matrices are read by
   variances_matrix.c and checked by variances_check.c. MeritFormulaVariances() needs all
   of them, for solve; MeritFormulaStarts() takes those there are as start values, for
   varcomp. */
#include "formula_impl.h"
#include "variances_impl.h"
#include <stdio.h>
#include <string.h>

/* The shape of the matrix of a term (-1: of the residual): label, and names of the rows,
   which are components or, for the residual, traits. Free with ShapeClose(). */
static PetscErrorCode ShapeOpen(const MeritFormula *f, int term, VarianceShape *s)
{
  const int n = term < 0 ? f->n_traits : f->term[term].n_components;

  PetscFunctionBegin;
  s->label    = term < 0 ? "residual" : f->term[term].label;
  s->definite = term < 0;
  PetscCall(PetscCalloc1((size_t)n, &s->name));
  for (s->n = 0; s->n < n; s->n++) {
    if (term < 0) PetscCall(PetscStrallocpy(f->trait[s->n], s->name + s->n));
    else PetscCall(MeritFormulaComponentName(f, term, s->n, s->name + s->n));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the names of a shape */
static PetscErrorCode ShapeClose(VarianceShape *s)
{
  PetscFunctionBegin;
  for (int i = 0; i < s->n; i++) PetscCall(PetscFree(s->name[i]));
  PetscCall(PetscFree(s->name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* text [size] = what terms first .. last need (term n_terms is the residual), such as
   "ped(cow): 2 x 2 in the order a, b; residual: a number". Fixed terms are passed over; a
   long text is cut off. */
static PetscErrorCode DescribeNeeds(const MeritFormula *f, int first, int last, size_t size, char text[])
{
  size_t used = 0;

  PetscFunctionBegin;
  text[0] = 0;
  for (int k = first; k <= last; k++) {
    const int     term = k < f->n_terms ? k : -1;
    VarianceShape s;
    char          order[400];

    if (term >= 0 && f->term[term].fixed) continue;
    PetscCall(ShapeOpen(f, term, &s));
    VarianceOrder(&s, sizeof(order), order);
    if (used < size) used += (size_t)snprintf(text + used, size - used, "%s%s: ", used ? "; " : "", s.label);
    if (used < size && s.n == 1) used += (size_t)snprintf(text + used, size - used, "a number");
    else if (used < size) used += (size_t)snprintf(text + used, size - used, "%d x %d in the order %s", s.n, s.n, order);
    PetscCall(ShapeClose(&s));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *term = term that key number c of the map names, n_terms for the residual; blanks in
   labels do not count. USAGE error for other keys, with the nearest label and all that is
   needed. */
static PetscErrorCode FindKey(const MeritFormula *f, MeritNode variances, int32_t c, int *term)
{
  const char *key = variances->key[c], *near, **known;
  char        needs[1200];
  int         n = 0;

  PetscFunctionBegin;
  for (*term = 0; *term < f->n_terms && !FormulaSameLabel(key, f->term[*term].label); ++*term) {}
  if (*term < f->n_terms && f->term[*term].fixed) {
    PetscCall(MeritNodeKeyError(variances->child[c], "`%s` is a fixed term and has no variance", key));
  }
  if (*term < f->n_terms || FormulaSameLabel(key, "residual")) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)f->n_terms + 1, &known));
  for (int k = 0; k < f->n_terms; k++) {
    if (!f->term[k].fixed) known[n++] = f->term[k].label;
  }
  known[n++] = "residual";
  near       = MeritNearest(key, n, known);
  PetscCall(PetscFree(known));
  PetscCall(DescribeNeeds(f, 0, f->n_terms, sizeof(needs), needs));
  PetscCall(MeritNodeKeyError(variances->child[c], "variances: no random term is called `%s`%s%s%s (needed are %s)", key,
                              near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "", needs));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *copy = the matrix [n * n], owned by the caller */
static PetscErrorCode Copy(int n, const double *matrix, double **copy)
{
  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)(n * n), copy));
  PetscCall(PetscArraycpy(*copy, matrix, n * n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read the matrix of a term into its G; `start` keeps the values as given, since G
   changes while variances are estimated */
static PetscErrorCode ReadTerm(MeritFormula *f, int term, MeritNode node)
{
  const VarianceOptions none = {0};
  VarianceShape         s;
  VarianceMatrix        m = {0};
  PetscErrorCode        code;

  PetscFunctionBegin;
  PetscCall(ShapeOpen(f, term, &s));
  code = VarianceMatrixRead(node, &none, &s, &m);
  PetscCall(ShapeClose(&s));
  PetscCall(code);
  f->term[term].G        = m.value;
  f->term[term].diagonal = m.diagonal;
  f->term[term].fix      = m.fix;
  f->term[term].given    = true;
  PetscCall(Copy(f->term[term].n_components, m.value, &f->term[term].start));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read the matrix of one residual class ("" without classes) and append it; f->residual
   has room. The matrix is read with the options of the outer map (`options`), which its
   own map may replace. */
static PetscErrorCode AddResidual(MeritFormula *f, const char *label, MeritNode node, const VarianceOptions *options)
{
  MeritResidualSpec *r = f->residual + f->n_residuals;
  VarianceShape      s;
  VarianceMatrix     m = {0};
  PetscErrorCode     code;

  PetscFunctionBegin;
  PetscCall(ShapeOpen(f, -1, &s));
  code = VarianceMatrixRead(node, options, &s, &m);
  PetscCall(ShapeClose(&s));
  PetscCall(code);
  r->R        = m.value;
  r->diagonal = m.diagonal;
  r->fix      = m.fix;
  r->given    = true;
  PetscCall(Copy(f->n_traits, m.value, &r->start));
  PetscCall(PetscStrallocpy(label, &r->label));
  f->n_residuals++;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read a residual by classes: {by: column, value: {class: matrix, ..}}. rows, structure
   and fix of the outer map hold for classes that do not have their own.
   VarianceOptionsTake() takes them from the outer map first. */
static PetscErrorCode ReadClasses(MeritFormula *f, MeritNode node, MeritNode by)
{
  VarianceOptions options = {0};
  MeritNode       value;

  PetscFunctionBegin;
  if (by->kind != MERIT_NODE_SCALAR || !by->text[0]) {
    PetscCall(MeritNodeError(by, "`by` of `residual` must be the name of a class column"));
  }
  PetscCall(VarianceOptionsTake(node, true, "residual", &options, &value));
  if (value->kind != MERIT_NODE_MAP || !value->n) {
    PetscCall(MeritNodeError(value, "`residual` by `%s` needs a value for each class, like {1: 40, 2: 35}", by->text));
  }
  PetscCall(PetscStrallocpy(by->text, &f->residual_by));
  PetscCall(PetscCalloc1((size_t)value->n, &f->residual));
  for (int32_t c = 0; c < value->n; c++) PetscCall(AddResidual(f, value->key[c], value->child[c], &options));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read the residual: one matrix, or classes if the map has a key `by` */
static PetscErrorCode ReadResidual(MeritFormula *f, MeritNode node)
{
  const VarianceOptions none = {0};

  PetscFunctionBegin;
  /* `by` without a value counts as not given, so a job file can leave it empty */
  for (int32_t c = 0; node->kind == MERIT_NODE_MAP && c < node->n; c++) {
    if (strcmp(node->key[c], "by") || node->child[c]->kind == MERIT_NODE_NULL) continue;
    PetscCall(ReadClasses(f, node, node->child[c]));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  PetscCall(PetscCalloc1(1, &f->residual));
  PetscCall(AddResidual(f, "", node, &none));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the matrices of an earlier call, so that variances can be read again */
static PetscErrorCode Clear(MeritFormula *f)
{
  PetscFunctionBegin;
  for (int k = 0; k < f->n_terms; k++) {
    PetscCall(PetscFree(f->term[k].G));
    PetscCall(PetscFree(f->term[k].fix));
    PetscCall(PetscFree(f->term[k].start));
    f->term[k].diagonal = f->term[k].given = false;
  }
  for (int i = 0; i < f->n_residuals; i++) {
    PetscCall(PetscFree(f->residual[i].label));
    PetscCall(PetscFree(f->residual[i].R));
    PetscCall(PetscFree(f->residual[i].fix));
    PetscCall(PetscFree(f->residual[i].start));
  }
  PetscCall(PetscFree(f->residual));
  PetscCall(PetscFree(f->residual_by));
  f->n_residuals = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* USAGE error if a random term or the residual has no matrix */
static PetscErrorCode CheckComplete(const MeritFormula *f, MeritNode variances)
{
  char needs[600];

  PetscFunctionBegin;
  for (int k = 0; k <= f->n_terms; k++) {
    /* k = n_terms is the residual */
    if (k < f->n_terms ? f->term[k].fixed || f->term[k].G : f->n_residuals > 0) continue;
    PetscCall(DescribeNeeds(f, k, k, sizeof(needs), needs));
    PetscCall(MeritNodeError(variances, "variances: one is missing: %s; `merit varcomp` estimates what is missing", needs));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *matrix = identity [n * n], owned by the caller */
static PetscErrorCode Identity(int n, double **matrix)
{
  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)(n * n), matrix));
  for (int i = 0; i < n; i++) (*matrix)[i * n + i] = 1.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Identity for every matrix that the job does not give, until start values are chosen;
   `given` stays false */
static PetscErrorCode FillOpen(MeritFormula *f)
{
  PetscFunctionBegin;
  for (int k = 0; k < f->n_terms; k++)
    if (!f->term[k].fixed && !f->term[k].G) PetscCall(Identity(f->term[k].n_components, &f->term[k].G));
  if (f->n_residuals) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1(1, &f->residual));
  PetscCall(PetscStrallocpy("", &f->residual->label));
  PetscCall(Identity(f->n_traits, &f->residual->R));
  f->n_residuals = 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Read all keys of the node; each term at most once. A key without a value counts as not
   given. Terms of the model without a key stay without a matrix; the caller decides what
   that means. */
static PetscErrorCode ReadAll(MeritFormula *f, MeritNode variances)
{
  int term;

  PetscFunctionBegin;
  if (variances->kind != MERIT_NODE_MAP) PetscCall(MeritNodeError(variances, "`variances` must be `label: value` lines"));
  for (int32_t c = 0; c < variances->n; c++) {
    MeritNode node = variances->child[c];

    PetscCall(FindKey(f, variances, c, &term));
    if (node->kind == MERIT_NODE_NULL) continue;
    /* a label with and without blanks is one label */
    if (term < f->n_terms ? f->term[term].G != NULL : f->n_residuals > 0) {
      PetscCall(MeritNodeError(node, "variances: `%s` occurs twice; remove one", variances->key[c]));
    }
    if (term < f->n_terms) PetscCall(ReadTerm(f, term, node));
    else PetscCall(ReadResidual(f, node));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFormulaStarts - See the header. `given` tells matrices of the job from those that
   are still to be chosen. Not collective. Earlier matrices are dropped. */
PetscErrorCode MeritFormulaStarts(MeritFormula *f, MeritNode variances)
{
  PetscFunctionBegin;
  PetscCall(Clear(f));
  if (variances && variances->kind != MERIT_NODE_NULL) PetscCall(ReadAll(f, variances));
  PetscCall(FillOpen(f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFormulaVariances - Read the variance matrices of all random terms and of the residual.

  Not collective; the same on every rank that has the same tree.

  Input Parameters:
+ formula   - what MeritFormulaParse made; its G and residuals are filled, earlier ones dropped
- variances - the node of the key `variances`; NULL raises an error that lists what is needed

  Matrices are in component order. A term may have variance 0 or a singular matrix, the residual may
  not. Errors are of kind USAGE.
@*/
PetscErrorCode MeritFormulaVariances(MeritFormula *f, MeritNode variances)
{
  char needs[1600];

  PetscFunctionBegin;
  PetscCall(Clear(f));
  if (!variances || variances->kind == MERIT_NODE_NULL) {
    PetscCall(DescribeNeeds(f, 0, f->n_terms, sizeof(needs), needs));
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "the job file has no `variances`: solve needs %s", needs));
  }
  PetscCall(ReadAll(f, variances));
  PetscCall(CheckComplete(f, variances));
  PetscFunctionReturn(PETSC_SUCCESS);
}

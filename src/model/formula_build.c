/*
  Terms of all formulas, merged by label.

  Each formula has one trait. Formulas share a term if its label is the same; the term
  has the union of their regressors, and mask [term][regressor] has a bit for each trait
  that has the regressor. After the last formula regressors are named, and components
  (regressor, trait) are laid out from the masks. The covariance matrix of a term is
  over its components, so a label in two formulas means a covariance between their
  traits.
*/
#include "formula_impl.h"
#include <stdio.h>
#include <string.h>

/* Add an empty term; term and mask grow together. A new term has no regressors and so no
   mask. */
static PetscErrorCode GrowTerms(FormulaBuilder *b)
{
  MeritFormula *f = b->formula;

  PetscFunctionBegin;
  if (f->n_terms == b->room) {
    b->room = b->room ? 2 * b->room : 8;
    PetscCall(PetscRealloc((size_t)b->room * sizeof(*f->term), &f->term));
    PetscCall(PetscRealloc((size_t)b->room * sizeof(*b->mask), &b->mask));
  }
  memset(f->term + f->n_terms, 0, sizeof(*f->term));
  b->mask[f->n_terms++] = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Move regressor r into the term, or free it if the term has it already; set the bit of
   the trait, `trait`, in its mask. r is empty afterwards. *mask grows with the
   regressors. */
static PetscErrorCode MergeRegressor(MeritTermSpec *term, uint32_t **mask, uint32_t trait, MeritRegressorSpec *r)
{
  int at = 0;

  PetscFunctionBegin;
  while (at < term->n_regressors && !FormulaRegressorSame(term->regressor + at, r)) at++;
  if (at < term->n_regressors) {
    PetscCall(FormulaRegressorDestroy(r));
  } else {
    PetscCall(PetscRealloc(((size_t)at + 1) * sizeof(*r), &term->regressor));
    PetscCall(PetscRealloc(((size_t)at + 1) * sizeof(**mask), mask));
    term->regressor[term->n_regressors++] = *r;
    (*mask)[at]                           = 0;
  }
  (*mask)[at] |= trait;
  memset(r, 0, sizeof(*r));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Check the class columns of a random term: every regressor needs them, as many as the
   first (`known`: as the first of the term so far); terms but iid() have one, the id; and
   in snp() it is the same column in all. USAGE errors. */
static PetscErrorCode CheckClasses(MeritNode node, const FormulaTerm *t, const MeritTermSpec *known)
{
  const char *const kind = MeritStructureWord(t->kind), *id;
  int               n_first;

  PetscFunctionBegin;
  if (t->kind == MERIT_TERM_FIXED || t->kind == MERIT_TERM_RIDGE) PetscFunctionReturn(PETSC_SUCCESS);
  n_first = known ? known->regressor[0].n_class : t->product[0].n_class;
  id      = known ? known->regressor[0].class_column[0] : t->product[0].class_column[0];
  for (int i = 0; i < t->n_products; i++) {
    const FormulaProduct *x = t->product + i;

    if (!x->n_class) {
      PetscCall(
          MeritNodeErrorAt(node, x->at, "a regressor of %s() needs a class column; a random slope on plain columns is ridge(column + column)", kind));
    }
    if (t->kind != MERIT_TERM_IID && x->n_class > 1) {
      PetscCall(MeritNodeErrorAt(node, x->at, "a regressor of %s() has one id column, not %d", kind, x->n_class));
    }
    if (x->n_class != n_first) {
      PetscCall(
          MeritNodeErrorAt(node, x->at, "all regressors of one term share its levels: %d class columns here, %d in the first", x->n_class, n_first));
    }
    if (t->kind == MERIT_TERM_SNP && strcmp(x->class_column[0], id)) {
      PetscCall(MeritNodeErrorAt(node, x->at, "snp() with two id columns (`%s` and `%s`) is not available", id, x->class_column[0]));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* USAGE error if a regressor occurs twice within a term, as in iid(s + s) */
static PetscErrorCode CheckTwice(MeritNode node, const FormulaTerm *t, int n, const MeritRegressorSpec r[])
{
  PetscFunctionBegin;
  for (int i = 1; i < n; i++) {
    for (int j = 0; j < i; j++) {
      if (FormulaRegressorSame(r + i, r + j)) PetscCall(MeritNodeErrorAt(node, t->at, "`%s` has the same regressor twice; remove one", t->text));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* May term t of a further formula join the known term of its label? Kinds must agree;
   texts must agree too for fixed and ridge() terms, and for terms without a label of
   their own. USAGE error if not. So the label of one term cannot by chance be the text of
   another one. ped(), snp() and iid() with a label may differ in their regressors between
   traits, as in milk ~ a = ped(cow) and weight ~ a = ped(calf + dam). */
static PetscErrorCode CheckJoin(MeritNode node, const FormulaTerm *t, const MeritTermSpec *known)
{
  const size_t at   = t->label ? t->label_at : t->at;
  const bool   same = !strcmp(t->text, known->text);

  PetscFunctionBegin;
  if (t->kind != known->kind || (!same && (t->kind == MERIT_TERM_FIXED || t->kind == MERIT_TERM_RIDGE))) {
    PetscCall(MeritNodeErrorAt(node, at, "the label `%s` is already used for `%s` (line %d), which cannot be joined with `%s`; use another label",
                               known->label, known->text, known->line, t->text));
  }
  if (!same && (!t->label || !strcmp(known->label, known->text))) {
    PetscCall(MeritNodeErrorAt(node, at, "the label `%s` is the text of another term, so it cannot be the label of `%s`; use another label",
                               known->label, t->label ? t->text : known->text));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Append a term with the label (or the text), kind and position of t, still without
   regressors. fixed, scaled and genetic follow from the kind. The position of the label in
   the job file is kept for later messages. */
static PetscErrorCode StartTerm(FormulaBuilder *b, MeritNode node, const FormulaTerm *t)
{
  MeritTermSpec *term;

  PetscFunctionBegin;
  PetscCall(GrowTerms(b));
  term = b->formula->term + b->formula->n_terms - 1;
  PetscCall(PetscStrallocpy(t->label ? t->label : t->text, &term->label));
  PetscCall(PetscStrallocpy(t->text, &term->text));
  term->kind      = t->kind;
  term->fixed     = t->kind == MERIT_TERM_FIXED;
  term->scaled    = t->kind == MERIT_TERM_SNP;
  term->genetic   = t->kind == MERIT_TERM_PED || t->kind == MERIT_TERM_SNP;
  term->intercept = t->one;
  term->centre    = t->centre;
  MeritNodePosition(node, t->label ? t->label_at : t->at, &term->line, &term->column);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Add the n regressors r of term t of one formula: to the term of its label, or to a new
   one; r is emptied. A label may be once in a formula. Labels are compared without
   blanks. */
static PetscErrorCode AddTerm(FormulaBuilder *b, MeritNode node, int trait, const FormulaTerm *t, int n, MeritRegressorSpec r[])
{
  MeritFormula  *f     = b->formula;
  const char    *label = t->label ? t->label : t->text;
  const uint32_t bit   = (uint32_t)1 << trait;
  int            k     = 0;

  PetscFunctionBegin;
  while (k < f->n_terms && !FormulaSameLabel(label, f->term[k].label)) k++;
  if (k < f->n_terms) {
    for (int i = 0; i < f->term[k].n_regressors; i++) {
      /* the bit of this trait is set only if an earlier term of this formula has the
         label */
      if (b->mask[k][i] & bit) {
        PetscCall(MeritNodeErrorAt(node, t->label ? t->label_at : t->at, "the label `%s` occurs twice in this formula; use another label", label));
      }
    }
    PetscCall(CheckJoin(node, t, f->term + k));
    PetscCall(CheckClasses(node, t, f->term + k));
  } else {
    PetscCall(CheckClasses(node, t, NULL));
    PetscCall(StartTerm(b, node, t));
  }
  PetscCall(CheckTwice(node, t, n, r));
  for (int i = 0; i < n; i++) PetscCall(MergeRegressor(f->term + k, b->mask + k, bit, r + i));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Expand term t into regressors and add them; r is freed also after an error. A fixed
   leg() of order 0 has no regressor next to an intercept: an error. */
static PetscErrorCode ExpandAndAdd(FormulaBuilder *b, MeritNode node, int trait, bool intercept, const FormulaTerm *t)
{
  MeritRegressorSpec *r = NULL;
  PetscErrorCode      code;
  int                 n = 0;

  PetscFunctionBegin;
  /* errors are kept until r is freed */
  code = FormulaExpand(t, intercept, &n, &r);
  if (!code && !n) code = MeritNodeErrorAt(node, t->at, "leg() of order 0 is the intercept, which the formula has already");
  if (!code) code = AddTerm(b, node, trait, t, n, r);
  for (int i = 0; i < n; i++) PetscCall(FormulaRegressorDestroy(r + i));
  PetscCall(PetscFree(r));
  PetscCall(code);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Check one formula: 1 and 0 exclude each other, no term occurs twice, the trait is not
   on the right side, and there is a term. *one, *zero: are they written? The trait is
   compared with class columns and covariates. All errors are USAGE, at the term or
   product. */
static PetscErrorCode CheckFormula(const FormulaParser *p, bool *one, bool *zero)
{
  PetscFunctionBegin;
  *one = *zero = false;
  for (int i = 0; i < p->n_terms; i++) {
    const FormulaTerm *t = p->term + i;

    if ((t->one && *zero) || (t->zero && *one))
      PetscCall(MeritNodeErrorAt(p->node, t->at, "1 (an intercept) and 0 (no intercept) exclude each other; remove one"));
    *one |= t->one;
    *zero |= t->zero;
    if (t->zero && p->n_terms == 1) PetscCall(MeritNodeErrorAt(p->node, t->at, "the formula has no term, not even an intercept"));
    for (int j = 0; j < i; j++) {
      if (!strcmp(t->text, p->term[j].text))
        PetscCall(MeritNodeErrorAt(p->node, t->at, "the term `%s` occurs twice in this formula; remove one", t->text));
    }
    for (int j = 0; j < t->n_products; j++) {
      const FormulaProduct *x    = t->product + j;
      bool                  self = x->column && !strcmp(x->column, p->trait.name);

      for (int c = 0; c < x->n_class; c++) self |= !strcmp(x->class_column[c], p->trait.name);
      if (self) PetscCall(MeritNodeErrorAt(p->node, x->at, "the trait `%s` is on both sides of `~`; remove it on the right", p->trait.name));
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaBuilderAdd - See the header. An intercept is implied unless 1 or 0 is written; a
   leg() without classes has no degree 0 next to an intercept. Trait t of the model is
   that of formula t. Not collective. */
PetscErrorCode FormulaBuilderAdd(FormulaBuilder *b, const FormulaParser *p)
{
  MeritFormula *f       = b->formula;
  FormulaTerm   implied = {.at = p->trait.at, .text = "1", .one = true};
  const int     trait   = f->n_traits;
  bool          one, zero;

  PetscFunctionBegin;
  if (trait == MERIT_MAX_TRAITS) PetscCall(MeritNodeErrorAt(p->node, p->trait.at, "a model may have %d traits at most", MERIT_MAX_TRAITS));
  for (int t = 0; t < trait; t++) {
    if (!strcmp(f->trait[t], p->trait.name)) {
      PetscCall(MeritNodeErrorAt(p->node, p->trait.at, "the trait `%s` already has a formula; a trait has one", p->trait.name));
    }
  }
  PetscCall(PetscStrallocpy(p->trait.name, &f->trait[trait]));
  f->n_traits++;
  PetscCall(CheckFormula(p, &one, &zero));
  /* the implied intercept comes first, as if 1 were the first term */
  if (!one && !zero) PetscCall(ExpandAndAdd(b, p->node, trait, true, &implied));
  for (int i = 0; i < p->n_terms; i++) {
    if (!p->term[i].zero) PetscCall(ExpandAndAdd(b, p->node, trait, !zero, p->term + i));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Lay out the components of a term: regressor slowest, trait fastest, only those whose
   bit is set. ridge() has one component for each trait, common to all its columns, which
   are its levels: regressor r then has level r, else 0. The names of components are
   borrowed from the regressors. */
static PetscErrorCode LayComponents(MeritTermSpec *term, const uint32_t mask[], int n_traits)
{
  const bool shared = term->kind == MERIT_TERM_RIDGE;
  const int  n_rows = shared ? 1 : term->n_regressors;

  PetscFunctionBegin;
  for (int r = 0; r < term->n_regressors; r++) {
    term->regressor[r].level = shared ? r : 0;
    term->regressor[r].as    = shared ? 0 : r;
  }
  PetscCall(PetscMalloc1((size_t)n_rows * (size_t)n_traits, &term->component));
  for (int r = 0; r < n_rows; r++) {
    for (int t = 0; t < n_traits; t++) {
      if (mask[r] >> t & 1) term->component[term->n_components++] = (MeritComponentSpec){r, t, shared ? "1" : term->regressor[r].name};
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* USAGE error for a term of more than MERIT_MAX_COMPONENTS components, which is the room
   that kernels and solvers have for the matrix of a level */
static PetscErrorCode CheckSize(MeritNode model, const MeritTermSpec *term)
{
  PetscFunctionBegin;
  if (term->n_components > MERIT_MAX_COMPONENTS) {
    PetscCall(FormulaErrorAt(model, term->line, term->column, "`%s` has %d components over all traits: more than %d are not available", term->label,
                             term->n_components, MERIT_MAX_COMPONENTS));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Traits that have term k, one bit each */
static uint32_t TraitsOf(const FormulaBuilder *b, int k)
{
  uint32_t all = 0;

  for (int r = 0; r < b->formula->term[k].n_regressors; r++) all |= b->mask[k][r];
  return all;
}

/* Lowest trait of a mask. The mask is not 0. */
static int FirstTrait(uint32_t mask)
{
  int t = 0;

  while (!(mask >> t & 1)) t++;
  return t;
}

/* Warn of two ped() terms of different traits without labels: most likely one term with a
   genetic covariance was meant. Labels that are equal to the texts were not given by the
   user. One warning for each later term. */
static PetscErrorCode WarnOfSplitPedigree(FormulaBuilder *b)
{
  MeritFormula *f = b->formula;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1((size_t)f->n_terms, &f->warning));
  for (int k = 0; k < f->n_terms; k++) {
    const MeritTermSpec *late = f->term + k;

    for (int j = 0; j < k; j++) {
      const MeritTermSpec *early = f->term + j;
      char                 text[1024];

      if (late->kind != MERIT_TERM_PED || early->kind != MERIT_TERM_PED || strcmp(late->label, late->text) || strcmp(early->label, early->text) ||
          (TraitsOf(b, k) & TraitsOf(b, j))) {
        continue;
      }
      snprintf(text, sizeof(text),
               "%s of %s and %s of %s are two terms without covariance between them; for a covariance, give both the same label (animal = %s)",
               early->text, f->trait[FirstTrait(TraitsOf(b, j))], late->text, f->trait[FirstTrait(TraitsOf(b, k))], late->text);
      PetscCall(PetscStrallocpy(text, &f->warning[f->n_warnings++]));
      break;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaBuilderFinish - See the header. Names come before components, which borrow them.
   Not collective. */
PetscErrorCode FormulaBuilderFinish(FormulaBuilder *b)
{
  MeritFormula *f = b->formula;

  PetscFunctionBegin;
  for (int k = 0; k < f->n_terms; k++) {
    PetscCall(FormulaNameRegressors(b->model, f->term + k));
    PetscCall(LayComponents(f->term + k, b->mask[k], f->n_traits));
    PetscCall(CheckSize(b->model, f->term + k));
  }
  PetscCall(WarnOfSplitPedigree(b));
  PetscFunctionReturn(PETSC_SUCCESS);
}

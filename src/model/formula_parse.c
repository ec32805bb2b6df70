/*
  Parser of one formula, by recursive descent; docs/models.md has the grammar. In short:

      formula = trait ~ term {+ term}
      term    = [label =] body
      body    = 1 | 0 | product | word(product {+ product}) | ridge(column {+ column} [, centre])
      word    = iid | ped | snp | ..., those of MeritStructureWord
      product = factor {: factor}
      factor  = column | cov(column) | leg(column, order, low, high)

  Functions are named after what they read. The text of a term, which is its label
  unless it has one, is collected while tokens are taken. The result is the terms as
  they are written; formula_build.c makes the terms of the model from them. All errors
  are USAGE, with line and column.
*/
#include "formula_impl.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Functions that are planned. They are refused by name, so that they are not taken for
   mistakes. */
static const char *const planned[] = {"dom", "epi", "ped_dom", "user", "ss"};

/* Indices of the functions: covariates, then the kinds of random terms, which are terms of
   their own */
enum { F_COV, F_LEG, F_RANDOM, F_COUNT = F_RANDOM + MERIT_TERM_KINDS - 1 };

/* The kind of random term that a function above F_LEG makes */
static MeritTermKind Kind(int function) { return (MeritTermKind)(function - F_RANDOM + MERIT_TERM_FIXED + 1); }

/* The word of a function */
static const char *Word(int function) { return function == F_COV ? "cov" : function == F_LEG ? "leg" : MeritStructureWord(Kind(function)); }

/* The token `ahead` positions behind the current one (0: itself); behind the last it is
   END */
static const FormulaToken *Peek(const FormulaParser *p, int ahead)
{
  const int i = p->next + ahead;

  return p->token + (i < p->n_tokens ? i : p->n_tokens - 1);
}

/* Is it this mark, a character such as + or (? */
static bool IsMark(const FormulaToken *t, char mark) { return t->kind == TOKEN_MARK && t->mark == mark; }

/* Take the current token: its text is appended to that of the term, and the next one
   becomes current. So the text has no blanks. */
static const FormulaToken *Take(FormulaParser *p)
{
  const FormulaToken *t = Peek(p, 0);
  const size_t        n = strlen(t->text);

  memcpy(p->text + p->used, t->text, n + 1);
  p->used += n;
  if (t->kind != TOKEN_END) p->next++;
  return t;
}

/* Take a mark that must follow; `where` completes the message "expected `c` ..." */
static PetscErrorCode Expect(FormulaParser *p, char mark, const char *where)
{
  PetscFunctionBegin;
  if (!IsMark(Peek(p, 0), mark)) PetscCall(MeritNodeErrorAt(p->node, Peek(p, 0)->at, "expected `%c` %s", mark, where));
  Take(p);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take a name that must follow, of a column or trait; `what` is named in the message.
   *name is borrowed from the parser. */
static PetscErrorCode TakeName(FormulaParser *p, const char *what, const char **name)
{
  const FormulaToken *t = Peek(p, 0);

  PetscFunctionBegin;
  if (t->kind == TOKEN_NUMBER) {
    PetscCall(MeritNodeErrorAt(p->node, t->at, "%s is a number, not %s; a column of that name goes in backticks", t->text, what));
  }
  if (t->kind != TOKEN_NAME) PetscCall(MeritNodeErrorAt(p->node, t->at, "expected %s", what));
  *name = Take(p)->name;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* *function = index of the function that the current token names, which has a parenthesis
   behind it. Functions that are planned, functions of other programs, and unknown ones
   are errors. */
static PetscErrorCode FindFunction(FormulaParser *p, int *function)
{
  const FormulaToken *t = Peek(p, 0);
  const char         *near, *words[F_COUNT];
  char                known[256];
  size_t              used = 0;

  PetscFunctionBegin;
  for (*function = 0; *function < F_COUNT && strcmp(t->name, Word(*function)); ++*function) {}
  if (*function < F_COUNT) PetscFunctionReturn(PETSC_SUCCESS);
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(planned); i++)
    if (!strcmp(t->name, planned[i])) PetscCall(MeritNodeErrorAt(p->node, t->at, "%s() is not available yet", t->name));
  PetscCall(FormulaForeignFunction(p, t));
  for (int f = 0; f < F_COUNT; f++) {
    words[f] = Word(f);
    used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", f ? ", " : "", words[f]);
    used = PetscMin(used, sizeof(known) - 1);
  }
  near = MeritNearest(t->name, F_COUNT, words);
  PetscCall(MeritNodeErrorAt(p->node, t->at, "unknown function `%s`%s%s%s (known: %s)", t->name, near ? "; did you mean `" : "", near ? near : "",
                             near ? "`?" : "", known));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take a bound of the interval of leg(), a finite number with an optional sign */
static PetscErrorCode TakeBound(FormulaParser *p, double *value)
{
  const FormulaToken *sign  = Peek(p, 0);
  const bool          minus = IsMark(sign, '-');

  PetscFunctionBegin;
  if (minus || IsMark(sign, '+')) Take(p);
  if (Peek(p, 0)->kind != TOKEN_NUMBER) {
    PetscCall(MeritNodeErrorAt(p->node, Peek(p, 0)->at, "expected a number for the interval of leg(column, order, low, high)"));
  }
  if (!isfinite(strtod(Peek(p, 0)->text, NULL))) PetscCall(MeritNodeErrorAt(p->node, Peek(p, 0)->at, "the interval of leg() must be finite"));
  *value = strtod(Take(p)->text, NULL);
  if (minus) *value = -*value;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take the rest of leg(column, order, low, high), behind the column: the order, 0 to
   FORMULA_DEGREE, and the interval that is mapped to [-1, 1], low < high. The width must
   be finite too. */
static PetscErrorCode TakeLegendre(FormulaParser *p, FormulaProduct *x)
{
  const FormulaToken *t;
  size_t              low_at;

  PetscFunctionBegin;
  x->covariate = MERIT_COVARIATE_LEGENDRE;
  PetscCall(Expect(p, ',', "and the order in leg(column, order, low, high)"));
  t = Take(p);
  /* digits only, two at most, so that atoi cannot overflow */
  if (t->kind != TOKEN_NUMBER || t->text[strspn(t->text, "0123456789")] || strlen(t->text) > 2 || atoi(t->text) > FORMULA_DEGREE) {
    PetscCall(MeritNodeErrorAt(p->node, t->at, "the order of leg() must be a whole number from 0 to %d", FORMULA_DEGREE));
  }
  x->order = atoi(t->text);
  if (IsMark(Peek(p, 0), ')')) {
    PetscCall(MeritNodeErrorAt(p->node, Peek(p, 0)->at, "leg(column, order, low, high) needs its interval: a value outside is an error"));
  }
  PetscCall(Expect(p, ',', "and the interval in leg(column, order, low, high)"));
  low_at = Peek(p, 0)->at;
  PetscCall(TakeBound(p, &x->low));
  PetscCall(Expect(p, ',', "and the upper end in leg(column, order, low, high)"));
  PetscCall(TakeBound(p, &x->high));
  if (!isfinite(x->high - x->low)) PetscCall(MeritNodeErrorAt(p->node, low_at, "the interval of leg() is too wide"));
  if (!(x->low < x->high)) PetscCall(MeritNodeErrorAt(p->node, low_at, "the interval of leg() must be ascending: low < high"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take cov(column) or leg(..), a factor of product x, which may have one of them. Other
   functions are terms of their own and refused here. */
static PetscErrorCode TakeCovariate(FormulaParser *p, FormulaProduct *x)
{
  const size_t at = Peek(p, 0)->at;
  int          function;

  PetscFunctionBegin;
  PetscCall(FindFunction(p, &function));
  if (function != F_COV && function != F_LEG) {
    PetscCall(MeritNodeErrorAt(p->node, at, "%s() is a term of its own: it cannot stand inside a product or another function", Word(function)));
  }
  if (x->covariate != MERIT_COVARIATE_NONE) {
    PetscCall(MeritNodeErrorAt(p->node, at, "a product may have one cov() or leg() at most"));
  }
  x->covariate = MERIT_COVARIATE_COLUMN;
  Take(p);
  Take(p);
  PetscCall(TakeName(p, "the column of a covariate", &x->column));
  if (function == F_LEG) PetscCall(TakeLegendre(p, x));
  PetscCall(Expect(p, ')', function == F_COV ? "after the column of cov()" : "after leg(column, order, low, high"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take a product of class columns and at most one covariate: factor (: factor)*. Its
   position in p->product was counted by the tokens, so there is room. A column may be in a
   product once. */
static PetscErrorCode TakeProduct(FormulaParser *p)
{
  FormulaProduct *x = p->product + p->n_products++;

  PetscFunctionBegin;
  x->at = Peek(p, 0)->at;
  while (1) {
    const FormulaToken *t = Peek(p, 0);
    const char         *name;

    if (t->kind == TOKEN_NAME && IsMark(Peek(p, 1), '(')) {
      PetscCall(TakeCovariate(p, x));
    } else {
      PetscCall(TakeName(p, "a column", &name));
      if (x->n_class == FORMULA_CLASSES) {
        PetscCall(MeritNodeErrorAt(p->node, t->at, "a product may have %d class columns at most", FORMULA_CLASSES));
      }
      for (int c = 0; c < x->n_class; c++) {
        if (!strcmp(name, x->class_column[c])) {
          PetscCall(MeritNodeErrorAt(p->node, t->at, "`%s` occurs twice in one product; remove one", name));
        }
      }
      x->class_column[x->n_class++] = name;
    }
    if (!IsMark(Peek(p, 0), ':')) break;
    Take(p);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take a column of ridge(), a plain name: a product without classes whose covariate is
   the column */
static PetscErrorCode TakeColumn(FormulaParser *p)
{
  FormulaProduct *x = p->product + p->n_products++;

  PetscFunctionBegin;
  x->at        = Peek(p, 0)->at;
  x->covariate = MERIT_COVARIATE_COLUMN;
  PetscCall(TakeName(p, "a column", &x->column));
  if (IsMark(Peek(p, 0), '(') || IsMark(Peek(p, 0), ':')) {
    PetscCall(MeritNodeErrorAt(p->node, x->at, "ridge() takes plain columns with + between them"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take ", option" behind the regressors of a random term: only ridge() has one,
   `centre` */
static PetscErrorCode TakeOption(FormulaParser *p, FormulaTerm *term)
{
  const FormulaToken *t;

  PetscFunctionBegin;
  Take(p);
  t = Peek(p, 0);
  if (term->kind == MERIT_TERM_RIDGE && t->kind == TOKEN_NAME && !strcmp(t->name, "centre")) {
    Take(p);
    term->centre = true;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (term->kind == MERIT_TERM_RIDGE) PetscCall(MeritNodeErrorAt(p->node, t->at, "the only option of ridge() is `centre`"));
  if (term->kind == MERIT_TERM_SNP && t->kind == TOKEN_NAME && !strcmp(t->name, "set")) {
    PetscCall(MeritNodeErrorAt(p->node, t->at, "snp(column, set = ..) is not available yet"));
  }
  PetscCall(MeritNodeErrorAt(p->node, t->at, "%s() takes no options; regressors are joined by +", MeritStructureWord(term->kind)));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take a random term, word(..): products (columns in ridge()) joined by +,
   which become regressors of one term */
static PetscErrorCode TakeRandom(FormulaParser *p, int function, FormulaTerm *term)
{
  PetscFunctionBegin;
  term->kind = Kind(function);
  Take(p);
  Take(p);
  while (1) {
    PetscCall(term->kind == MERIT_TERM_RIDGE ? TakeColumn(p) : TakeProduct(p));
    if (!IsMark(Peek(p, 0), '+')) break;
    Take(p);
  }
  if (IsMark(Peek(p, 0), ',')) PetscCall(TakeOption(p, term));
  PetscCall(Expect(p, ')', "or + here"));
  if (IsMark(Peek(p, 0), ':')) {
    PetscCall(MeritNodeErrorAt(p->node, Peek(p, 0)->at, "%s() cannot be multiplied from outside: write the product between its parentheses",
                               Word(function)));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Raise the error for a minus between terms */
static PetscErrorCode RefuseMinus(FormulaParser *p)
{
  PetscFunctionBegin;
  PetscCall(MeritNodeErrorAt(p->node, Peek(p, 0)->at, "`-` is not used here: leave the term out of the formula; `0` leaves out the intercept"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take a term without its label: 1, 0, a random term, or a product of fixed effects.
   term->product are its products among those of the formula, next to each other;
   term->text its text. A number other than 1 and 0 is an error of TakeProduct(). */
static PetscErrorCode TakeBody(FormulaParser *p, FormulaTerm *term)
{
  const FormulaToken *t        = Peek(p, 0);
  int                 function = F_COV;

  PetscFunctionBegin;
  term->at      = t->at;
  term->text    = p->text + p->used;
  term->product = p->product + p->n_products;
  if (IsMark(t, '-')) PetscCall(RefuseMinus(p));
  if (t->kind == TOKEN_NUMBER && (!strcmp(t->text, "1") || !strcmp(t->text, "0"))) {
    Take(p);
    term->one  = t->text[0] == '1';
    term->zero = !term->one;
  } else {
    const int first = p->n_products;

    if (t->kind == TOKEN_NAME && IsMark(Peek(p, 1), '(')) PetscCall(FindFunction(p, &function));
    PetscCall(function > F_LEG ? TakeRandom(p, function, term) : TakeProduct(p));
    term->n_products = p->n_products - first;
  }
  p->used++; /* keep the zero behind the text */
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Take a term: [label =] body. The label does not belong to the text. Some words cannot
   be labels: "residual", and "1" and "0", which stand for the intercept. */
static PetscErrorCode TakeTerm(FormulaParser *p)
{
  FormulaTerm *term = p->term + p->n_terms++;

  PetscFunctionBegin;
  /* a label is known by the = behind the first token */
  if (IsMark(Peek(p, 1), '=')) {
    term->label_at = Peek(p, 0)->at;
    if (Peek(p, 0)->kind != TOKEN_NAME) PetscCall(MeritNodeErrorAt(p->node, term->label_at, "a label must be a name"));
    term->label = Peek(p, 0)->name;
    if (!strcmp(term->label, "residual") || FormulaSameLabel(term->label, "1") || FormulaSameLabel(term->label, "0") ||
        FormulaSameLabel(term->label, "")) {
      PetscCall(MeritNodeErrorAt(p->node, term->label_at, "`%s` cannot be a label", term->label));
    }
    /* label and = are passed over without Take(): they are not part of the text */
    p->next += 2;
  }
  PetscCall(TakeBody(p, term));
  if (term->label && (term->one || term->zero)) {
    PetscCall(MeritNodeErrorAt(p->node, term->label_at, "the intercept has no label of its own: it is called 1"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaParserOpen - See the header. Arrays get room for as many products and terms as
   there are tokens. The trait is not part of the text of a term, so p->used begins anew
   behind it. Not collective. */
PetscErrorCode FormulaParserOpen(MeritNode node, FormulaParser *p)
{
  const size_t length = strlen(node->text);
  const char  *name;

  PetscFunctionBegin;
  memset(p, 0, sizeof(*p));
  p->node = node;
  PetscCall(FormulaTokenise(p));
  PetscCall(PetscCalloc1((size_t)p->n_tokens, &p->product));
  PetscCall(PetscCalloc1((size_t)p->n_tokens, &p->term));
  PetscCall(PetscCalloc1(2 * length + 2, &p->text)); /* the texts of all terms and a zero each */
  p->trait = *Peek(p, 0);
  PetscCall(FormulaForeignTrait(p));
  PetscCall(TakeName(p, "the trait in `trait ~ term + term`", &name));
  PetscCall(Expect(p, '~', "after the trait"));
  p->used = 0;
  while (1) {
    PetscCall(TakeTerm(p));
    if (!IsMark(Peek(p, 0), '+')) break;
    p->next++;
  }
  if (IsMark(Peek(p, 0), '-')) PetscCall(RefuseMinus(p));
  if (Peek(p, 0)->kind != TOKEN_END) {
    PetscCall(MeritNodeErrorAt(p->node, Peek(p, 0)->at, IsMark(Peek(p, 0), ')') ? "a `)` too many" : "expected + or the end"));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaParserClose - See the header. Not collective. Strings of terms that were not
   copied are gone. */
PetscErrorCode FormulaParserClose(FormulaParser *p)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(p->token));
  PetscCall(PetscFree(p->bytes));
  PetscCall(PetscFree(p->text));
  PetscCall(PetscFree(p->product));
  PetscCall(PetscFree(p->term));
  PetscFunctionReturn(PETSC_SUCCESS);
}

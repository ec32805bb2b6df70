/* Hints for formulas written as in other programs (R and lme4, ASReml, sommer, MiXBLUP): an unknown
   function or character is compared with what those programs have, and the error shows the form of
   this program. */
#include "formula_impl.h"
#include <ctype.h>
#include <string.h>

/* Names of functions, with blanks around each, and the hint; %1$s is replaced by the column in the
   parentheses */
static const struct {
  const char *names, *hint;
} functions[] = {
    {" factor as.factor ordered fac class C fixed ", "a bare column is a class: write %1$s"},
    {" numeric as.numeric num lin scale centre center covar covariate regression ", "a covariate is cov(%1$s)"},
    {" animal additive genetic nrm A ainv pedigree polygenic blup ", "the pedigree relationship is ped(%1$s)"},
    {" gblup snpblup grm G genomic markers rrblup ssgblup ", "genotypes enter as snp(%1$s)"},
    {" vm giv vs vsr vsm vsc ginv mmer ", "a term with relationships is ped(%1$s) by the pedigree, or snp(%1$s) by genotypes"},
    {" ide id idv idh random rand re ran group ", "independent random levels are iid(%1$s)"},
    {" us un unst usr corgh corh cor diag dsr fa xfa str ",
     "covariances come by the label of a term: give one formula for each trait, and a matrix (structure: us or diag) in `variances`"},
    {" at atr ", "an effect within classes is a product, class:%1$s or class:cov(column); residual classes are `residual: {by: class, value: ..}`"},
    {" poly pol polynomial ", "a curve is leg(%1$s, order, low, high)"},
    {" s spl spline splines ns bs te rcs pspline ", "splines are not available; a curve is leg(%1$s, order, low, high)"},
    {" I log ln log2 log10 sqrt exp abs round cut ifelse asin logit boxcox interaction offset lag ",
     "the records file needs a column with these values; cov(column) makes a covariate of it, a curve is leg(column, order, low, high)"},
    {" cbind c mv ", "several traits are a list of formulas, model: [\"milk ~ ..\", \"fat ~ ..\"]"},
};

/* Is a name in a list " a b c "? Blanks around each name make the end of a name
   certain. */
static bool InList(const char *list, const char *name)
{
  const size_t length = strlen(name);

  for (const char *at = strstr(list, name); at; at = strstr(at + 1, name))
    if (at[-1] == ' ' && at[length] == ' ') return true;
  return false;
}

/* Copy the hint to text [size] with every %1$s replaced by the column. A column that does
   not fit is left out; the rest is cut off. */
static void Fill(const char *hint, const char *column, size_t size, char text[])
{
  size_t used = 0;

  while (*hint && used + 1 < size) {
    const size_t length = strncmp(hint, "%1$s", 4) ? 0 : strlen(column);

    if (length && used + length < size) memcpy(text + used, column, length), used += length;
    else if (!length) text[used++] = *hint;
    hint += length ? 4 : 1;
  }
  text[used] = 0;
}

/* FormulaForeignFunction - See the header. The first name in the parentheses is taken for
   the column. A function that no program on the list has is no error here: the caller
   raises one. Not collective. */
PetscErrorCode FormulaForeignFunction(FormulaParser *p, const FormulaToken *t)
{
  const FormulaToken *argument = t + 2 < p->token + p->n_tokens ? t + 2 : p->token + p->n_tokens - 1;
  char                text[900];

  PetscFunctionBegin;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(functions); i++) {
    if (!InList(functions[i].names, t->name)) continue;
    Fill(functions[i].hint, argument->kind == TOKEN_NAME ? argument->text : "column", sizeof(text), text);
    PetscCall(MeritNodeErrorAt(p->node, t->at, "`%s()` is not used here: %s", t->name, text));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Bytes that names are made of */
static bool InName(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.' || (unsigned char)c > 127; }

/* Last name before byte `end` within the innermost parenthesis that is open there,
   numbers excluded; *n is its length, 0: none. Borrowed from text. */
static const char *NameBefore(const char *text, size_t end, size_t *n)
{
  size_t begin = end;
  int    depth = 0;

  *n = 0;
  for (; begin; begin--) {
    if (text[begin - 1] == ')') depth++;
    if (text[begin - 1] == '(' && depth-- == 0) break;
  }
  if (!begin) return text;
  for (size_t i = begin; i < end;) {
    size_t length = 0;

    while (i + length < end && InName(text[i + length])) length++;
    if (length && !isdigit((unsigned char)text[i])) {
      *n    = length;
      begin = i;
    }
    i += length ? length : 1;
  }
  return text + begin;
}

/* Raise the error for random effects as lme4 writes them, (1 | x) and (1 + days | x),
   with the iid() that means the same */
static PetscErrorCode Bar(FormulaParser *p, size_t at)
{
  const char *text = p->node->text, *name = text + at + 1, *slope;
  size_t      n_name = 0, n_slope;

  PetscFunctionBegin;
  while (*name == '|' || isspace((unsigned char)*name)) name++;
  while (InName(name[n_name])) n_name++;
  slope = NameBefore(text, at, &n_slope);
  if (!n_name) PetscCall(MeritNodeErrorAt(p->node, at, "`|` is not used here: a random effect is written iid(column)"));
  if (n_slope && n_slope < 200 && n_name < 200)
    PetscCall(MeritNodeErrorAt(p->node, at, "`|` is not used here: intercept and slope are iid(%.*s + %.*s:cov(%.*s))", (int)n_name, name,
                               (int)n_name, name, (int)n_slope, slope));
  PetscCall(MeritNodeErrorAt(p->node, at, "`|` is not used here: a random effect is written iid(%.*s)", (int)PetscMin(n_name, 200), name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaForeignCharacter - See the header. Always an error: operators of other programs
   get the form of Merit, other characters need backticks. Not collective. */
PetscErrorCode FormulaForeignCharacter(FormulaParser *p, size_t at)
{
  const char c = p->node->text[at];

  PetscFunctionBegin;
  if (c == '*') PetscCall(MeritNodeErrorAt(p->node, at, "`*` is not used here: write a + b + a:b"));
  if (c == '/') PetscCall(MeritNodeErrorAt(p->node, at, "`/` is not used here: b within a is written a:b; a column name with `/` goes in backticks"));
  if (c == '^')
    PetscCall(
        MeritNodeErrorAt(p->node, at, "`^` is not used here: a power is a column of the records file; a curve is leg(column, order, low, high)"));
  if (c == '|') PetscCall(Bar(p, at));
  PetscCall(MeritNodeErrorAt(p->node, at, "a column name with the character `%c` goes in backticks", c));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormulaForeignTrait - See the header. The second token decides: ( is a function such as
   cbind(), a comma or + several traits. Not collective. */
PetscErrorCode FormulaForeignTrait(FormulaParser *p)
{
  const FormulaToken *t = p->token + 1;

  PetscFunctionBegin;
  if (p->n_tokens < 2 || t->kind != TOKEN_MARK) PetscFunctionReturn(PETSC_SUCCESS);
  if (t->mark == '(' && p->token->kind == TOKEN_NAME) PetscCall(FormulaForeignFunction(p, p->token));
  if (t->mark == ',' || t->mark == '+')
    PetscCall(MeritNodeErrorAt(p->node, t->at,
                               "only one trait can be before `~`; for several traits give a list of formulas, model: [\"milk ~ ..\", \"fat ~ ..\"]"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

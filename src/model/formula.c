/*
  Parsing of all formulas of a model, and access to the result.

  Each formula is read by a parser of its own (formula_parse.c) and added to the builder
  (formula_build.c), which merges terms of equal label over the traits. The parser is closed after
  each formula: the builder keeps copies.
*/
#include "formula_impl.h"
#include <stdio.h>
#include <string.h>

/* One formula: parse it and add its terms */
static PetscErrorCode AddFormula(FormulaBuilder *builder, MeritNode node)
{
  FormulaParser  parser;
  PetscErrorCode code;

  PetscFunctionBegin;
  if (node->kind != MERIT_NODE_SCALAR) {
    PetscCall(MeritNodeError(node, "a formula must be text like \"y ~ herd + ped(cow)\"; put it in quotes if it has a colon with a "
                                   "blank behind it"));
  }
  code = FormulaParserOpen(node, &parser);
  if (!code) code = FormulaBuilderAdd(builder, &parser);
  PetscCall(FormulaParserClose(&parser));
  PetscCall(code);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A formula, or a list with one formula for each trait */
static PetscErrorCode ParseAll(MeritNode model, FormulaBuilder *builder)
{
  PetscFunctionBegin;
  if (model->kind == MERIT_NODE_LIST) {
    if (!model->n) PetscCall(MeritNodeError(model, "the list of formulas is empty"));
    for (int32_t i = 0; i < model->n; i++) PetscCall(AddFormula(builder, model->child[i]));
  } else {
    PetscCall(AddFormula(builder, model));
  }
  PetscCall(FormulaBuilderFinish(builder));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFormulaParse - Read the formulas of a model and merge their terms over the traits.

  Not collective; the same on every rank that has the same tree.

  Input Parameter:
. model - the node of the key `model`: a formula or a list of formulas, one per trait; NULL is an
          error

  Output Parameter:
. formula - the traits, terms, regressors and components, without variances; free with
            `MeritFormulaDestroy()`

  Errors are of kind USAGE and name file, line and column in the formula. On an error *formula is
  NULL.
@*/
PetscErrorCode MeritFormulaParse(MeritNode model, MeritFormula **formula)
{
  FormulaBuilder builder = {.model = model};
  PetscErrorCode code;

  PetscFunctionBegin;
  *formula = NULL;
  if (!model || model->kind == MERIT_NODE_NULL) {
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, NULL, "the job file has no `model`, like model: \"y ~ herd + ped(cow)\""));
  }
  PetscCall(PetscNew(&builder.formula));
  PetscCall(PetscCalloc1(MERIT_MAX_TRAITS, &builder.formula->trait));
  code = ParseAll(model, &builder);
  for (int k = 0; k < builder.formula->n_terms; k++) PetscCall(PetscFree(builder.mask[k]));
  PetscCall(PetscFree(builder.mask));
  if (code) PetscCall(MeritFormulaDestroy(&builder.formula));
  PetscCall(code);
  *formula = builder.formula;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFormulaComponentName - How outputs and `rows` call a component: "trait", or "trait.regressor"
  where a term has several regressors.

  Not collective. *name is freed by the caller with `PetscFree()`.
@*/
PetscErrorCode MeritFormulaComponentName(const MeritFormula *formula, int term, int component, char **name)
{
  const MeritTermSpec      *t     = formula->term + term;
  const MeritComponentSpec *c     = t->component + component;
  const char               *trait = formula->trait[c->trait], *regressor = t->regressor[c->regressor].name;
  size_t                    length;

  PetscFunctionBegin;
  if (t->n_regressors == 1 || t->kind == MERIT_TERM_RIDGE) {
    PetscCall(PetscStrallocpy(trait, name));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  length = strlen(trait) + strlen(regressor) + 2;
  PetscCall(PetscMalloc1(length, name));
  snprintf(*name, length, "%s.%s", trait, regressor);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what a term owns */
static PetscErrorCode DestroyTerm(MeritTermSpec *t)
{
  PetscFunctionBegin;
  for (int r = 0; r < t->n_regressors; r++) PetscCall(FormulaRegressorDestroy(t->regressor + r));
  PetscCall(PetscFree(t->regressor));
  PetscCall(PetscFree(t->component));
  PetscCall(PetscFree(t->label));
  PetscCall(PetscFree(t->text));
  PetscCall(PetscFree(t->G));
  PetscCall(PetscFree(t->start));
  PetscCall(PetscFree(t->fix));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFormulaDestroy - Free a formula with its variances; NULL-safe, sets the handle to NULL. Not
   collective. */
PetscErrorCode MeritFormulaDestroy(MeritFormula **formula)
{
  MeritFormula *f = *formula;

  PetscFunctionBegin;
  if (!f) PetscFunctionReturn(PETSC_SUCCESS);
  for (int t = 0; t < f->n_traits; t++) PetscCall(PetscFree(f->trait[t]));
  for (int k = 0; k < f->n_terms; k++) PetscCall(DestroyTerm(f->term + k));
  for (int i = 0; i < f->n_residuals; i++) {
    PetscCall(PetscFree(f->residual[i].label));
    PetscCall(PetscFree(f->residual[i].R));
    PetscCall(PetscFree(f->residual[i].fix));
    PetscCall(PetscFree(f->residual[i].start));
  }
  for (int i = 0; i < f->n_warnings; i++) PetscCall(PetscFree(f->warning[i]));
  PetscCall(PetscFree(f->trait));
  PetscCall(PetscFree(f->term));
  PetscCall(PetscFree(f->residual_by));
  PetscCall(PetscFree(f->residual));
  PetscCall(PetscFree(f->warning));
  PetscCall(PetscFree(*formula));
  PetscFunctionReturn(PETSC_SUCCESS);
}

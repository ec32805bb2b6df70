#pragma once
/* Formulas and variances out of job file text, for the tests of both. */
#include <merit_test.h>
#include <merit/formula.h>
#include <string.h>

/* Parse the text as "job.yaml" and its key `model` as a formula */
static inline PetscErrorCode ReadModel(const char *text, MeritNode *job, MeritFormula **formula)
{
  PetscFunctionBegin;
  *formula = NULL;
  PetscCall(MeritConfigParse("job.yaml", text, strlen(text), job));
  PetscCall(MeritFormulaParse(MeritNodeFind(*job, "model"), formula));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The same with the key `variances` */
static inline PetscErrorCode ReadBoth(const char *text, MeritNode *job, MeritFormula **formula)
{
  PetscFunctionBegin;
  PetscCall(ReadModel(text, job, formula));
  PetscCall(MeritFormulaVariances(*formula, MeritNodeFind(*job, "variances")));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static inline void CloseModel(MeritNode *job, MeritFormula **formula)
{
  TestCall(MeritFormulaDestroy(formula));
  TestCall(MeritConfigDestroy(job));
}

/* Term of a label, which must be there */
static inline const MeritTermSpec *TermOf(const MeritFormula *f, const char *label)
{
  for (int k = 0; k < f->n_terms; k++) {
    if (!strcmp(f->term[k].label, label)) return f->term + k;
  }
  fail_msg("no term `%s`", label);
  return NULL;
}

/* Component names of a term, joined by blanks */
static inline void ComponentNames(const MeritFormula *f, int term, size_t size, char text[])
{
  text[0] = 0;
  for (int c = 0; c < f->term[term].n_components; c++) {
    char *name;

    TestCall(MeritFormulaComponentName(f, term, c, &name));
    snprintf(text + strlen(text), size - strlen(text), "%s%s", c ? " " : "", name);
    TestCall(PetscFree(name));
  }
}

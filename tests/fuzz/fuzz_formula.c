/*
  Formulas and variances under arbitrary bytes: formulas line by line, then a line "%%", then the variances as YAML. A model that is
  read must name all its components, read the same when written again from its terms, and have variances that are variances.
*/
#include "fuzz.h"
#include <merit/file.h>
#include <merit/formula.h>
#include <math.h>
#include <string.h>

static bool Has(int trait, const MeritTermSpec *t)
{
  for (int c = 0; c < t->n_components; c++)
    if (t->component[c].trait == trait) return true;
  return false;
}

static bool HasIntercept(const MeritFormula *f, int trait)
{
  for (int k = 0; k < f->n_terms; k++)
    if (f->term[k].intercept && Has(trait, &f->term[k])) return true;
  return false;
}

/* Has a term the same regressors in every trait? Else its text is that of one trait only */
static bool Uniform(const MeritFormula *f)
{
  for (int k = 0; k < f->n_terms; k++) {
    const MeritTermSpec *t = &f->term[k];
    int                  n = 0;

    for (int trait = 0; trait < f->n_traits; trait++) n += Has(trait, t);
    if (t->kind != MERIT_TERM_RIDGE && t->n_components != n * t->n_regressors) return false;
  }
  return true;
}

static void AddName(MeritText *text, const char *name)
{
  FuzzDemand(!MeritTextAdd(text, "`"), "memory");
  for (; *name; name++) FuzzDemand(!MeritTextAdd(text, *name == '`' ? "``" : "%c", *name), "memory");
  FuzzDemand(!MeritTextAdd(text, "`"), "memory");
}

/* The formulas written again from traits, labels and texts mean the same terms */
static void CheckAgain(const MeritFormula *f)
{
  MeritFormula  *again = NULL;
  MeritText      text  = {0};
  FuzzLines      lines;
  PetscErrorCode code;

  if (!Uniform(f)) return;
  for (int trait = 0; trait < f->n_traits; trait++) {
    AddName(&text, f->trait[trait]);
    FuzzDemand(!MeritTextAdd(&text, HasIntercept(f, trait) ? " ~ 1" : " ~ 0"), "memory");
    for (int k = 0; k < f->n_terms; k++) {
      const MeritTermSpec *t = &f->term[k];

      if (!Has(trait, t) || t->intercept) continue;
      FuzzDemand(!MeritTextAdd(&text, " + "), "memory");
      if (strcmp(t->label, t->text)) {
        AddName(&text, t->label);
        FuzzDemand(!MeritTextAdd(&text, " = "), "memory");
      }
      FuzzDemand(!MeritTextAdd(&text, "%s", t->text), "memory");
    }
    FuzzDemand(!MeritTextAdd(&text, "\n"), "memory");
  }
  FuzzLinesOpen(&lines, (FuzzBytes){text.at, text.n});
  code = MeritFormulaParse(&lines.list, &again);
  if (code) fprintf(stderr, "%s%s\n", text.at, MeritErrorLast()->text);
  FuzzDemand(!code, "a formula written again does not read");
  FuzzDemand(again->n_traits == f->n_traits, "a formula written again has other traits");
  FuzzDemand(!MeritFormulaDestroy(&again), "free");
  FuzzLinesClose(&lines);
  MeritTextFree(&text);
}

static void CheckComponents(const MeritFormula *f)
{
  for (int k = 0; k < f->n_terms; k++) {
    FuzzDemand(f->term[k].n_components > 0, "a term without components");
    for (int c = 0; c < f->term[k].n_components; c++) {
      char *name = NULL;

      FuzzDemand(f->term[k].component[c].trait < f->n_traits, "a component of no trait");
      FuzzDemand(f->term[k].component[c].regressor < f->term[k].n_regressors, "a component of no regressor");
      FuzzDemand(!MeritFormulaComponentName(f, k, c, &name) && name[0], "a component without a name");
      FuzzDemand(!PetscFree(name), "free");
    }
  }
}

static void CheckMatrix(int n, const double *v, bool definite)
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      FuzzDemand(isfinite(v[i * n + j]) && v[i * n + j] == v[j * n + i], "a variance matrix that is not symmetric");
      FuzzDemand(i != j || v[i * n + j] > 0 || (!definite && v[i * n + j] == 0), "a variance that is negative");
    }
}

static void CheckVariances(const MeritFormula *f)
{
  for (int k = 0; k < f->n_terms; k++) {
    FuzzDemand((f->term[k].kind == MERIT_TERM_FIXED) == !f->term[k].G, "a random term without variances");
    if (f->term[k].G) CheckMatrix(f->term[k].n_components, f->term[k].G, false);
  }
  FuzzDemand(f->n_residuals > 0, "no residual");
  for (int i = 0; i < f->n_residuals; i++) CheckMatrix(f->n_traits, f->residual[i].R, true);
}

void FuzzOne(const uint8_t *data, size_t n)
{
  FuzzBytes     formulas  = FuzzPart(&data, &n);
  MeritFormula *formula   = NULL;
  MeritNode     variances = NULL;
  FuzzLines     lines;

  FuzzLinesOpen(&lines, formulas);
  if (FuzzCheck(MeritFormulaParse(&lines.list, &formula))) {
    CheckComponents(formula);
    CheckAgain(formula);
    if (FuzzCheck(MeritConfigParse("job.yaml", (const char *)data, n, &variances)) && FuzzCheck(MeritFormulaVariances(formula, variances)))
      CheckVariances(formula);
  } else {
    FuzzDemand(!formula, "a formula in spite of the error");
  }
  FuzzDemand(!MeritFormulaDestroy(&formula) && !MeritConfigDestroy(&variances), "free");
  FuzzLinesClose(&lines);
}

static const FuzzBytes seeds[] = {
    FUZZ_SEED("milk ~ herd + cov(age) + ped(cow) + pe = iid(cow)\n%%\nped(cow): 30\npe: 10\nresidual: 40\n"),
    FUZZ_SEED("ww ~ cg + animal = ped(calf + dam)\nyw ~ cg + animal = ped(calf)\n%%\nanimal: {value: [[2], [0.5, 1], [0, 0, 1]], rows: "
              "[ww.calf, yw.calf, ww.dam], fix: [[1, 2]]}\nresidual: [[4, 1], [1, 4]]\n"),
    FUZZ_SEED("y ~ 0 + a:b:c + sex:cov(age) + leg(dim, 2, 5, 305) + iid(s + s:cov(days))\n%%\niid(s+s:cov(days)): [[1, 0], [0, 1]]\nresidual: "
              "{by: parity, value: {1: 40, 2: 35}}\n"),
    FUZZ_SEED(
        "`a trait` ~ 1 + `b``c` + ped(cow:leg(dim, 1, -5, 3.5e2))\n%%\nped(cow:leg(dim,1,-5,3.5e2)): {value: [1, 2], structure: diag}\nresidual: "
        "{value: 2, fix: yes}\n"),
    FUZZ_SEED("y ~ snp(id) + ridge(x + z, centre)\n%%\nsnp(id): 0.1\nridge(x+z,centre): 0.2\nresidual: 1\n"),
    FUZZ_SEED("y ~ dom(cow) + epi(cow, aa)\n"),
    FUZZ_SEED("y ~ a | b\nz ~ a*b\n"),
    FUZZ_SEED("y ~ 0\n"),
    FUZZ_SEED("y ~ a - 1\n"),
};

FUZZ_TARGET(seeds, 20000);

#include "animals_impl.h"
#include <math.h>

int AnimalsFirstTerm(MeritReport report)
{
  for (int t = 0; t < report->formula->n_terms; t++)
    if (report->formula->term[t].genetic) return t;
  return -1;
}

static int ValueIndex(const Animals *a, int term, int component)
{
  for (int v = 0; v < a->n_values; v++)
    if (a->value[v].term == term && a->value[v].component == component) return v;
  return -1;
}

/* Component of (regressor, trait) in a term, -1 none */
static int ComponentOf(const MeritTermSpec *term, int regressor, int trait)
{
  for (int c = 0; c < term->n_components; c++)
    if (term->component[c].regressor == regressor && term->component[c].trait == trait) return c;
  return -1;
}

static void TermColumns(MeritReport report, int trait, int t, Animals *a)
{
  const MeritTermSpec *term = &report->formula->term[t];

  for (int c = 0; c < term->n_components; c++) {
    AnimalColumn *column = &a->column[a->n_columns];

    if (term->component[c].trait != trait) continue;
    snprintf(column->name, sizeof(column->name), "%s.%s%s%s", report->formula->trait[trait], term->label,
             term->n_regressors > 1 ? "." : "", term->n_regressors > 1 ? ReportComponentName(term, c) : "");
    column->n         = 1;
    column->value[0]  = ValueIndex(a, t, c);
    column->weight[0] = 1.0;
    a->n_columns++;
  }
}

/* A sum has a column for every trait that has one of its parts, where parts that the trait does not have add nothing; trait -1: the one
   column of a sum over traits */
static void SumColumn(MeritReport report, int trait, const ReportSum *sum, Animals *a)
{
  AnimalColumn *column = &a->column[a->n_columns];

  column->n = 0;
  for (int p = 0; p < sum->n; p++) {
    const ReportPart *part = &sum->part[p];
    int c = ComponentOf(&report->formula->term[part->term], part->regressor, trait < 0 ? part->trait : trait);

    if (c < 0) continue;
    column->weight[column->n]  = part->weight;
    column->value[column->n++] = ValueIndex(a, part->term, c);
  }
  if (!column->n) return;
  snprintf(column->name, sizeof(column->name), "%s%s%s", trait < 0 ? "" : report->formula->trait[trait], trait < 0 ? "" : ".", sum->name);
  a->n_columns++;
}

PetscErrorCode AnimalsColumns(MeritReport report, Animals *a)
{
  const MeritFormula *f = report->formula;
  int                 n = 0;

  PetscFunctionBegin;
  for (int t = 0; t < f->n_terms; t++)
    if (f->term[t].genetic) n += f->term[t].n_components;
  PetscCall(PetscMalloc1(n, &a->value));
  PetscCall(PetscCalloc1((size_t)(n + report->n_sums * f->n_traits), &a->column));
  for (int t = 0; t < f->n_terms; t++)
    for (int c = 0; f->term[t].genetic && c < f->term[t].n_components; c++)
      a->value[a->n_values++] = (AnimalValue){.term = t, .component = c};
  for (int trait = 0; trait < f->n_traits; trait++) {
    for (int t = 0; t < f->n_terms; t++)
      if (f->term[t].genetic) TermColumns(report, trait, t, a);
    for (int s = 0; s < report->n_sums; s++)
      if (!report->sum[s].over_traits) SumColumn(report, trait, &report->sum[s], a);
  }
  for (int s = 0; s < report->n_sums; s++)
    if (report->sum[s].over_traits) SumColumn(report, -1, &report->sum[s], a);
  a->width = a->n_values + 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

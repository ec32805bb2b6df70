/*
  Columns of animals.tsv, which are the same on all ranks.

  A value is one (genetic term, component), a column a linear combination of values: one value for
  each term, regressor and trait, then the sums of the key `ebv`. Order: trait after trait, within
  a trait terms in formula order, then sums; sums over traits last.
*/
#include "animals_impl.h"
#include <math.h>

/* AnimalsFirstTerm - See the header. Not collective. */
int AnimalsFirstTerm(MeritReport report)
{
  for (int t = 0; t < report->formula->n_terms; t++)
    if (report->formula->term[t].genetic) return t;
  return -1;
}

/* Index of a value in a->value, -1 if there is none */
static int ValueIndex(const Animals *a, int term, int component)
{
  for (int v = 0; v < a->n_values; v++)
    if (a->value[v].term == term && a->value[v].component == component) return v;
  return -1;
}

/* Component of (regressor, trait) in a term, -1 if it has none */
static int ComponentOf(const MeritTermSpec *term, int regressor, int trait)
{
  for (int c = 0; c < term->n_components; c++)
    if (term->component[c].regressor == regressor && term->component[c].trait == trait) return c;
  return -1;
}

/* Columns of one term for one trait: TRAIT.LABEL, with .REGRESSOR if there are several. Each
   is a plain value: one part with weight 1. */
static void TermColumns(MeritReport report, int trait, int t, Animals *a)
{
  const MeritTermSpec *term = &report->formula->term[t];

  for (int c = 0; c < term->n_components; c++) {
    AnimalColumn *column = &a->column[a->n_columns];

    /* a component is one regressor for one trait */
    if (term->component[c].trait != trait) continue;
    snprintf(column->name, sizeof(column->name), "%s.%s%s%s", report->formula->trait[trait], term->label, term->n_regressors > 1 ? "." : "",
             term->n_regressors > 1 ? ReportComponentName(term, c) : "");
    column->n         = 1;
    column->value[0]  = ValueIndex(a, t, c);
    column->weight[0] = 1.0;
    a->n_columns++;
  }
}

/* Column of a sum for one trait, or (trait -1) for a sum over traits. Values that the trait does
   not have add nothing; without any value there is no column. */
static void SumColumn(MeritReport report, int trait, const ReportSum *sum, Animals *a)
{
  AnimalColumn *column = &a->column[a->n_columns];

  column->n = 0;
  for (int p = 0; p < sum->n; p++) {
    const ReportPart *part = &sum->part[p];
    /* a sum over traits names the trait of each part, the others take the trait of the column */
    int c = ComponentOf(&report->formula->term[part->term], part->regressor, trait < 0 ? part->trait : trait);

    if (c < 0) continue;
    column->weight[column->n]  = part->weight;
    column->value[column->n++] = ValueIndex(a, part->term, c);
  }
  if (!column->n) return;
  snprintf(column->name, sizeof(column->name), "%s%s%s", trait < 0 ? "" : report->formula->trait[trait], trait < 0 ? "" : ".", sum->name);
  a->n_columns++;
}

/* AnimalsColumns - See the header. Values are listed before columns, which refer to them by
   index. Not collective. */
PetscErrorCode AnimalsColumns(MeritReport report, Animals *a)
{
  const MeritFormula *f = report->formula;
  int                 n = 0;

  PetscFunctionBegin;
  for (int t = 0; t < f->n_terms; t++)
    if (f->term[t].genetic) n += f->term[t].n_components;
  PetscCall(PetscMalloc1(n, &a->value));
  /* n is one value for each component of the genetic terms. The number of columns is at most
     this: one for each value, and one for each sum and trait. */
  PetscCall(PetscCalloc1((size_t)(n + report->n_sums * f->n_traits), &a->column));
  for (int t = 0; t < f->n_terms; t++)
    for (int c = 0; f->term[t].genetic && c < f->term[t].n_components; c++) a->value[a->n_values++] = (AnimalValue){.term = t, .component = c};
  for (int trait = 0; trait < f->n_traits; trait++) {
    for (int t = 0; t < f->n_terms; t++)
      if (f->term[t].genetic) TermColumns(report, trait, t, a);
    for (int s = 0; s < report->n_sums; s++)
      if (!report->sum[s].over_traits) SumColumn(report, trait, &report->sum[s], a);
  }
  for (int s = 0; s < report->n_sums; s++)
    if (report->sum[s].over_traits) SumColumn(report, -1, &report->sum[s], a);
  /* column 0 of the tables of values is the number of records */
  a->width = a->n_values + 1;
  PetscFunctionReturn(PETSC_SUCCESS);
}

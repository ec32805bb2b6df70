/*
  The table of SNP effects, a snps.tsv of this or another program: which columns are needed, and
  this rank's rows of them.

  Needed are snp, counted, other, and centre and mean or else frequency. Columns of effects are
  those whose names end in ".effect"; all of them are read, and each gives a column of breeding
  values. NA is a missing number.
*/
#include "predict_impl.h"
#include "report_impl.h"
#include <string.h>

/* End of the names of columns with effects */
static const char suffix[] = ".effect";

/* Length of an effect column's name without its suffix, 0 for other columns */
static size_t EffectName(const char column[])
{
  const size_t length = strlen(column), tail = sizeof(suffix) - 1;

  return length > tail && !strcmp(column + length - tail, suffix) ? length - tail : 0;
}

/* A column that must exist */
static PetscErrorCode Need(MeritPrediction p, PredictTable *t, const char name[], int *column)
{
  PetscFunctionBegin;
  *column = MeritTableFind(t->table, name);
  if (*column < 0) PetscCall(MeritRaise(MERIT_ERROR_INPUT, p->snps, 1, NULL, "predict.snps: no column '%s'; a snps.tsv is needed", name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns of effects, index [p->n_values], and their names without the suffix; index is owned by
   the caller */
static PetscErrorCode FindEffects(MeritPrediction p, PredictTable *t, int **index)
{
  const char *const *names;
  int                n;

  PetscFunctionBegin;
  PetscCall(MeritTableColumns(t->table, &n, &names));
  PetscCall(PetscMalloc1(n, index));
  PetscCall(PetscCalloc1(n, &p->name));
  for (int c = 0; c < n; c++) {
    const size_t length = EffectName(names[c]);

    if (!length) continue;
    PetscCall(PetscStrallocpy(names[c], &p->name[p->n_values]));
    p->name[p->n_values][length] = 0;
    (*index)[p->n_values++]      = c;
  }
  if (!p->n_values)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, p->snps, 1, NULL,
                         "predict.snps: no column 'TRAIT.TERM.effect'; the snps.tsv of a model with an snp() term is needed"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Select and read the columns; number [3] are frequency, centre and mean, -1 if the table has none.
   Collective. */
static PetscErrorCode Take(MeritPrediction p, PredictTable *t, const int text[3], const int number[3], const int effect[])
{
  const double **to[] = {&t->frequency, &t->centre, &t->mean};
  int64_t        first;

  PetscFunctionBegin;
  for (int k = 0; k < 3; k++) PetscCall(MeritTableSelect(t->table, text[k], MERIT_COLUMN_TEXT));
  for (int k = 0; k < 3; k++)
    if (number[k] >= 0) PetscCall(MeritTableSelect(t->table, number[k], MERIT_COLUMN_NUMBER));
  for (int k = 0; k < p->n_values; k++) PetscCall(MeritTableSelect(t->table, effect[k], MERIT_COLUMN_NUMBER));
  PetscCall(MeritTableRead(t->table));
  PetscCall(MeritTableRows(t->table, &t->n, &first));
  for (int k = 0; k < 3; k++) PetscCall(MeritTableText(t->table, text[k], &t->code[k], &t->pool[k]));
  for (int k = 0; k < 3; k++)
    if (number[k] >= 0) PetscCall(MeritTableNumbers(t->table, number[k], to[k]));
  PetscCall(PetscCalloc1(p->n_values, &t->effect));
  for (int k = 0; k < p->n_values; k++) PetscCall(MeritTableNumbers(t->table, effect[k], &t->effect[k]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  PredictRead - See the header. Collective.
  The columns `centre` and `mean` say how genotypes were coded. A table without them must have
  `frequency`; twice the frequency is then both.
*/
PetscErrorCode PredictRead(MeritPrediction p, PredictTable *t)
{
  static const char *const missing[] = {"NA"};
  int                      text[3], number[3], *effect;

  PetscFunctionBegin;
  PetscCall(ReportCheckResult(p->comm, p->snps));
  PetscCall(MeritTableOpen(p->comm, p->snps, 0, NULL, 1, missing, &t->table));
  PetscCall(MeritTableSetWhole(t->table));
  PetscCall(Need(p, t, "snp", &text[0]));
  PetscCall(Need(p, t, "counted", &text[1]));
  PetscCall(Need(p, t, "other", &text[2]));
  number[1] = MeritTableFind(t->table, "centre");
  number[2] = MeritTableFind(t->table, "mean");
  number[0] = MeritTableFind(t->table, "frequency");
  /* either both columns of the coding, or the frequency */
  if (number[1] < 0 || number[2] < 0) PetscCall(Need(p, t, "frequency", &number[0]));
  PetscCall(FindEffects(p, t, &effect));
  PetscCall(Take(p, t, text, number, effect));
  PetscCall(PetscFree(effect));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* PredictText - See the header. Not collective. */
const char *PredictText(const PredictTable *t, int column, int64_t row)
{
  const int32_t code = t->code[column][row];

  return code < 0 ? "" : MeritStringsGet(t->pool[column], code, NULL);
}

/* PredictTableFree - See the header. Not collective. */
PetscErrorCode PredictTableFree(PredictTable *t)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(t->effect));
  PetscCall(MeritTableDestroy(&t->table));
  PetscFunctionReturn(PETSC_SUCCESS);
}

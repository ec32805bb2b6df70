/* Records: open the file, select the columns that the model uses (traits, weights,
   covariates, classes, the column of residual classes), read them, and copy numbers into
   the rows of the model. Levels are numbered afterwards (numbers.c), observations
   selected after that (select.c). */
#include "model_impl.h"
#include <math.h>
#include <string.h>

/* MeritModelColumn - Index of a column of the records file; a name it does not have is a USAGE
   error. Logically collective. */
PetscErrorCode MeritModelColumn(MeritModel model, MeritTable table, const char name[], int *column)
{
  PetscFunctionBegin;
  *column = MeritTableFind(table, name);
  if (*column < 0) PetscCall(MeritModelUnknownColumn(model, table, name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Ask the table for a column by name; USAGE error if there is none. Logically collective.
   A column that was asked for before may be asked for again. */
static PetscErrorCode Select(MeritModel model, MeritTable table, const char name[], MeritColumnKind kind)
{
  int column;

  PetscFunctionBegin;
  PetscCall(MeritModelColumn(model, table, name, &column));
  PetscCall(MeritTableSelect(table, column, kind));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* List the covariate columns of all regressors, each once (model->covariate, names
   borrowed from the formula), and which one each regressor uses (-1: none). Not
   collective. */
static PetscErrorCode ListCovariates(MeritModel model)
{
  const MeritFormula *formula = model->formula;
  int                 most    = 0;

  PetscFunctionBegin;
  for (int k = 0; k < formula->n_terms; k++) most += formula->term[k].n_regressors;
  PetscCall(PetscCalloc1(most + 1, &model->covariate));
  for (int k = 0; k < formula->n_terms; k++) {
    const MeritTermSpec *spec = &formula->term[k];

    PetscCall(PetscMalloc1(spec->n_regressors, &model->term[k].covariate));
    for (int r = 0; r < spec->n_regressors; r++) {
      int c = 0;

      model->term[k].covariate[r] = -1;
      if (spec->regressor[r].covariate == MERIT_COVARIATE_NONE) continue;
      /* the columns are few: a search for each regressor */
      while (c < model->rows.n_covariates && strcmp(model->covariate[c].name, spec->regressor[r].column)) c++;
      if (c == model->rows.n_covariates) model->covariate[model->rows.n_covariates++].name = spec->regressor[r].column;
      model->term[k].covariate[r] = c;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelReadRecords - Open the records file and read the columns the model uses. A
   column may be used in several roles, such as covariate and class: it is then read as
   number and as text. Collective; the table is the caller's. */
PetscErrorCode MeritModelReadRecords(MeritModel model, MeritTable *table)
{
  const MeritFormula *formula = model->formula;
  int64_t             n;

  PetscFunctionBegin;
  PetscCall(MeritTableOpen(model->comm, model->options.records, PetscMax(model->options.n_header, 0), (const char *const *)model->options.header,
                           model->options.n_missing, (const char *const *)model->options.missing, table));
  PetscCall(MeritTableSetMissingKey(*table, "records.missing"));
  PetscCall(ListCovariates(model));
  for (int t = 0; t < formula->n_traits; t++) PetscCall(Select(model, *table, formula->trait[t], MERIT_COLUMN_NUMBER));
  for (int t = 0; model->options.weight && t < formula->n_traits; t++)
    if (model->options.weight[t]) PetscCall(Select(model, *table, model->options.weight[t], MERIT_COLUMN_NUMBER));
  for (int c = 0; c < model->rows.n_covariates; c++) PetscCall(Select(model, *table, model->covariate[c].name, MERIT_COLUMN_NUMBER));
  for (int k = 0; k < formula->n_terms; k++)
    for (int r = 0; r < formula->term[k].n_regressors; r++) {
      const MeritRegressorSpec *reg = &formula->term[k].regressor[r];

      for (int c = 0; c < reg->n_class; c++) PetscCall(Select(model, *table, reg->class_column[c], MERIT_COLUMN_TEXT));
    }
  if (formula->residual_by) PetscCall(Select(model, *table, formula->residual_by, MERIT_COLUMN_TEXT));
  PetscCall(MeritTableRead(*table));
  PetscCall(MeritTableRows(*table, &n, NULL));
  PetscCallMPI(MPI_Allreduce(&n, &model->n_lines, 1, MPI_INT64_T, MPI_SUM, model->comm));
  if (!model->n_lines) PetscCall(MeritRaise(MERIT_ERROR_INPUT, model->options.records, 0, NULL, "the file has no records"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Values [rows] of a column of numbers; borrowed from the table */
static PetscErrorCode ReadNumbers(MeritModel model, MeritTable table, const char name[], const double **value)
{
  int column;

  PetscFunctionBegin;
  PetscCall(MeritModelColumn(model, table, name, &column));
  PetscCall(MeritTableNumbers(table, column, value));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Is the class of the job file the label, of which `length` bytes count? Decimals of
   zeros do not count in either. */
static bool IsClass(const char *of_job, const char *label, int64_t length)
{
  const int64_t n = (int64_t)strlen(of_job), own = MeritClassLength(of_job, (size_t)n);

  return (own < 0 ? n : own) == length && !strncmp(of_job, label, (size_t)length);
}

/* Residual class of each row: index in formula->residual, -1 where its column is missing,
   0 for all where there are no classes. A class that the job does not list is a fault.
   Collective. */
static PetscErrorCode ResidualClasses(MeritModel model, MeritTable table)
{
  const MeritFormula *formula = model->formula;
  MeritRows          *rows    = &model->rows;
  MeritFault          fault   = {0};
  const int32_t      *code;
  MeritStrings        pool;
  int                 column;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(rows->n + 1, &rows->residual));
  if (!formula->residual_by) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritModelColumn(model, table, formula->residual_by, &column));
  PetscCall(MeritTableText(table, column, &code, &pool));
  for (int64_t row = 0; row < rows->n; row++) {
    const char *label;
    size_t      length;
    int64_t     keep;
    int         c = 0;

    rows->residual[row] = -1;
    if (code[row] < 0) continue;
    label = MeritStringsGet(pool, code[row], &length);
    /* as in classes of fixed terms, 1.0 and 1 are one class */
    keep = MeritClassLength(label, length);
    if (MeritMissingClass(&model->options, label, length, keep)) continue;
    while (c < formula->n_residuals && !IsClass(formula->residual[c].label, label, keep < 0 ? (int64_t)length : keep)) c++;
    if (c == formula->n_residuals)
      MeritFaultSet(&fault, MERIT_ERROR_INPUT, model->options.records, rows->line[row], label,
                    "this class of %s has no residual variance in the job file; add it to variances: residual", formula->residual_by);
    else rows->residual[row] = c;
  }
  PetscCall(MeritFaultAgree(model->comm, &fault));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelFillRows - Copy lines, traits, weights, covariates and residual classes into
   the rows, in file order. A trait without a weight column has weight 1 where others have
   one. Missing values are NaN. Collective. */
PetscErrorCode MeritModelFillRows(MeritModel model, MeritTable table)
{
  const MeritFormula *formula  = model->formula;
  const int           n_traits = formula->n_traits;
  MeritRows          *rows     = &model->rows;
  const double       *value;

  PetscFunctionBegin;
  rows->n_traits = n_traits;
  PetscCall(MeritTableRows(table, &rows->n, NULL));
  PetscCall(PetscMalloc1(rows->n + 1, &rows->line));
  PetscCall(PetscMalloc1((size_t)((rows->n + 1) * n_traits), &rows->y));
  for (int64_t row = 0; row < rows->n; row++) rows->line[row] = MeritTableLine(table, row);
  for (int t = 0; t < n_traits; t++) {
    PetscCall(ReadNumbers(model, table, formula->trait[t], &value));
    for (int64_t row = 0; row < rows->n; row++) rows->y[row * n_traits + t] = value[row];
  }
  if (model->options.weight) {
    PetscCall(PetscMalloc1((size_t)((rows->n + 1) * n_traits), &rows->weight));
    for (int t = 0; t < n_traits; t++) {
      value = NULL;
      if (model->options.weight[t]) PetscCall(ReadNumbers(model, table, model->options.weight[t], &value));
      for (int64_t row = 0; row < rows->n; row++) rows->weight[row * n_traits + t] = value ? value[row] : 1.0;
    }
  }
  PetscCall(PetscCalloc1(model->rows.n_covariates + 1, &rows->covariate));
  for (int c = 0; c < model->rows.n_covariates; c++) {
    PetscCall(ReadNumbers(model, table, model->covariate[c].name, &value));
    PetscCall(PetscMalloc1(rows->n + 1, &rows->covariate[c]));
    PetscCall(PetscArraycpy(rows->covariate[c], value, rows->n));
  }
  PetscCall(ResidualClasses(model, table));
  PetscFunctionReturn(PETSC_SUCCESS);
}

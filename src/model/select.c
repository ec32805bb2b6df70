/* Which observations count. For each row and trait: the trait itself, residual class,
   classes, individuals and covariates of the regressors that the trait has, and the
   weight are looked at in this order. Something missing excludes the observation and goes
   to the list of exclusions; something wrong (a value out of range, an animal that must
   be in the pedigree) is a fault. Rows without any observation are dropped. At the end
   each trait is checked for observations and variation. */
#include "model_impl.h"
#include <math.h>
#include <stdio.h>

/* Weights outside SMALLEST_WEIGHT .. 1 / SMALLEST_WEIGHT are refused */
static const double SMALLEST_WEIGHT = 1e-15;

/* The id that stands for a row in messages: the first ped or snp id column, else nothing */
typedef struct {
  const int32_t *code;
  MeritStrings   pool;
} RowNames;

/* Find the first term over individuals; its first id column names the rows. code is NULL
   without one. Logically collective. */
static PetscErrorCode FindRowNames(MeritModel model, MeritTable table, RowNames *names)
{
  const MeritFormula *formula = model->formula;
  int                 column;

  PetscFunctionBegin;
  names->code = NULL;
  for (int k = 0; k < formula->n_terms && !names->code; k++) {
    MeritDict dict;

    PetscCall(MeritStructureIndividuals(model->term[k].structure, &dict));
    if (!dict) continue;
    PetscCall(MeritModelColumn(model, table, formula->term[k].regressor[0].class_column[0], &column));
    PetscCall(MeritTableText(table, column, &names->code, &names->pool));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Id of a row for messages, "" where there is none; borrowed */
static const char *NameOf(const RowNames *names, int64_t row)
{
  return names->code && names->code[row] >= 0 ? MeritStringsGet(names->pool, names->code[row], NULL) : "";
}

/* Column that a message about a missing regressor names: the first class column, or the
   covariate */
static const char *ClassText(const MeritRegressorSpec *reg) { return reg->n_class ? reg->class_column[0] : reg->column; }

/* Why regressor r of term k makes the observations of a row missing; NULL if it does not.
   The text is constant, or written to text [size]. An unknown parent is no reason: the
   record then has no level there, and its covariate does not count either. */
static const char *MissingReason(MeritModel model, int k, int r, int64_t row, char *text, size_t size)
{
  const MeritTermSpec      *spec   = &model->formula->term[k];
  const MeritRegressorSpec *reg    = &spec->regressor[r];
  const MeritModelTerm     *term   = &model->term[k];
  const int64_t             number = term->number[r] < 0 ? 0 : model->rows.number[term->number[r]][row];
  const int                 c      = term->covariate[r];

  if (number == NUMBER_MISSING) {
    snprintf(text, size, "%s is missing", ClassText(reg));
    return text;
  }
  if (number == NUMBER_NO_GENOTYPE) return "the animal has no genotype";
  if (number == NUMBER_NOT_IN_PEDIGREE) return "the animal is not in the pedigree";
  if (c >= 0 && number != NUMBER_UNKNOWN_PARENT && isnan(model->rows.covariate[c][row])) {
    snprintf(text, size, "%s is missing", reg->column);
    return text;
  }
  return NULL;
}

/* Fault for a value beyond MERIT_LARGEST: squares of what the equations are made of must
   stay within double precision */
static void CheckSize(MeritModel model, const char *name, double x, int64_t row, const char *id, MeritFault *fault)
{
  if (fabs(x) > MERIT_LARGEST)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, model->options.records, model->rows.line[row], id, "%s = %g is beyond %g: choose another unit", name, x,
                  MERIT_LARGEST);
}

/* Faults of regressor r of term k in a row: an animal that is not in the pedigree (where
   the job wants an error), a value outside the interval of leg(), a covariate that is too
   large */
static void CheckRegressor(MeritModel model, int k, int r, int64_t row, const char *id, MeritFault *fault)
{
  const MeritRegressorSpec *reg    = &model->formula->term[k].regressor[r];
  const MeritModelTerm     *term   = &model->term[k];
  const int64_t             number = term->number[r] < 0 ? 0 : model->rows.number[term->number[r]][row];

  if (number == NUMBER_NOT_IN_PEDIGREE && model->options.absent == MERIT_ABSENT_ERROR)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, model->options.records, model->rows.line[row], id,
                  "the animal in column %s is not in the pedigree (see pedigree.absent: error, founder or drop)", reg->class_column[0]);
  if (reg->covariate == MERIT_COVARIATE_LEGENDRE) {
    double x = model->rows.covariate[term->covariate[r]][row];

    if (x < reg->low || x > reg->high)
      MeritFaultSet(fault, MERIT_ERROR_INPUT, model->options.records, model->rows.line[row], id,
                    "%s = %g lies outside the interval [%g, %g] of leg()", reg->column, x, reg->low, reg->high);
  }
  if (reg->covariate == MERIT_COVARIATE_COLUMN) CheckSize(model, reg->column, model->rows.covariate[term->covariate[r]][row], row, id, fault);
}

/* Fault for a weight of trait t that is missing, not positive, or out of range; traits
   without a weight column pass. Only observations that count so far are looked at. */
static void CheckWeight(MeritModel model, int t, int64_t row, const char *id, MeritFault *fault)
{
  double w;

  if (!model->options.weight || !model->options.weight[t]) return;
  w = model->rows.weight[row * model->formula->n_traits + t];
  if (!(w > 0.0) || isinf(w))
    MeritFaultSet(fault, MERIT_ERROR_INPUT, model->options.records, model->rows.line[row], id,
                  isnan(w) ? "the weight in column %s is missing" : "the weight in column %s is not a positive number", model->options.weight[t]);
  else if (w < SMALLEST_WEIGHT || w > 1.0 / SMALLEST_WEIGHT)
    MeritFaultSet(fault, MERIT_ERROR_INPUT, model->options.records, model->rows.line[row], id, "the weight %g in column %s is not between %g and %g",
                  w, model->options.weight[t], SMALLEST_WEIGHT, 1.0 / SMALLEST_WEIGHT);
}

/* *counts: does trait t of this row count? The reason why not goes to the exclusions (a
   missing trait itself is none). Regressors that share a component (`as`, the columns of
   ridge()) are all looked at. After a first reason no other is looked for, but faults
   are. */
static PetscErrorCode SelectTrait(MeritModel model, int t, int64_t row, const char *id, MeritFault *fault, bool *counts)
{
  const MeritFormula *formula = model->formula;
  char                text[256], reason[400];
  const char         *why = NULL;

  PetscFunctionBegin;
  *counts = !isnan(model->rows.y[row * formula->n_traits + t]);
  if (!*counts) PetscFunctionReturn(PETSC_SUCCESS);
  if (model->rows.residual[row] < 0) why = "the residual class is missing";
  for (int k = 0; k < formula->n_terms; k++) {
    const MeritTermSpec *spec = &formula->term[k];

    for (int c = 0; c < spec->n_components; c++) {
      if (spec->component[c].trait != t) continue;
      for (int r = spec->component[c].regressor; r < spec->n_regressors; r++) {
        if (spec->regressor[r].as != spec->component[c].regressor) continue;
        CheckRegressor(model, k, r, row, id, fault);
        if (!why) why = MissingReason(model, k, r, row, text, sizeof(text));
      }
    }
  }
  if (!why) CheckWeight(model, t, row, id, fault);
  if (!why) CheckSize(model, formula->trait[t], model->rows.y[row * formula->n_traits + t], row, id, fault);
  *counts = !why;
  if (why) {
    snprintf(reason, sizeof(reason), "%s: %s", formula->trait[t], why);
    PetscCall(MeritExclude(&model->excluded, "record", model->rows.line[row], id, reason));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every trait needs observations, some variation among them, and values that are not all
   tiny. range holds the maximum of y and of -y. Errors: INPUT. Collective. */
static PetscErrorCode CheckTraits(MeritModel model)
{
  const MeritFormula *formula = model->formula;

  PetscFunctionBegin;
  for (int t = 0; t < formula->n_traits; t++) {
    double  range[2] = {-INFINITY, -INFINITY};
    int64_t n        = 0;

    for (int64_t row = 0; row < model->rows.n; row++) {
      double y = model->rows.y[row * formula->n_traits + t];

      if (!(model->rows.observed[row] >> t & 1)) continue;
      n++;
      range[0] = PetscMax(range[0], y);
      range[1] = PetscMax(range[1], -y);
    }
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, range, 2, MPI_DOUBLE, MPI_MAX, model->comm));
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n, 1, MPI_INT64_T, MPI_SUM, model->comm));
    if (!n) PetscCall(MeritRaise(MERIT_ERROR_INPUT, model->options.records, 0, formula->trait[t], "no record of this trait is left"));
    if (n > 1 && range[0] == -range[1])
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, model->options.records, 0, formula->trait[t],
                           "all %lld observations of this trait are %g: no variation", (long long)n, range[0]));
    if (PetscMax(range[0], range[1]) > 0.0 && PetscMax(range[0], range[1]) < MERIT_SMALLEST)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, model->options.records, 0, formula->trait[t],
                           "all observations of this trait are below %g: choose another unit", MERIT_SMALLEST));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritModelSelectRows - Find the observations that count and drop the records without any.

  Collective. Fills rows.observed and the exclusions; what is not observed has y = 0 afterwards.
*/
PetscErrorCode MeritModelSelectRows(MeritModel model, MeritTable table)
{
  const int    n_traits = model->formula->n_traits;
  MeritRows   *rows     = &model->rows;
  MeritFault   fault    = {0};
  RowNames     names;
  PetscMPIInt *dest;
  int64_t      dropped = 0;

  PetscFunctionBegin;
  PetscCall(FindRowNames(model, table, &names));
  PetscCall(PetscCalloc1(rows->n + 1, &rows->observed));
  PetscCall(PetscMalloc1(rows->n + 1, &dest));
  for (int64_t row = 0; row < rows->n; row++) {
    const char *id    = NameOf(&names, row);
    bool        any_y = false;

    for (int t = 0; t < n_traits; t++) {
      bool counts;

      any_y = any_y || !isnan(rows->y[row * n_traits + t]);
      PetscCall(SelectTrait(model, t, row, id, &fault, &counts));
      if (counts) rows->observed[row] |= 1u << t;
      else rows->y[row * n_traits + t] = 0.0;
    }
    dest[row] = rows->observed[row] ? model->rank : -1;
    if (!rows->observed[row]) {
      dropped++;
      /* otherwise SelectTrait has noted the reason of each trait */
      if (!any_y) PetscCall(MeritExclude(&model->excluded, "record", rows->line[row], id, "no trait is observed"));
    }
  }
  PetscCall(MeritFaultAgree(model->comm, &fault));
  PetscCall(CheckTraits(model));
  PetscCallMPI(MPI_Allreduce(&dropped, &model->n_dropped, 1, MPI_INT64_T, MPI_SUM, model->comm));
  if (model->n_dropped) PetscCall(MeritRowsMove(model->comm, rows, dest));
  PetscCall(PetscFree(dest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

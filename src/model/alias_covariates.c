/*
  Fixed covariates without levels are made orthogonal to the intercept and to each other, in their
  order. Powers of a year, say, are nearly dependent, and their products would hide what is
  independent. Slopes within classes lose the mean of their covariate if the classes come before
  them. Subtracting earlier columns from a column changes no dependency.
*/
#include "alias.h"
#include <math.h>

/* Times that earlier columns are subtracted (Gram-Schmidt): twice is enough (Kahan), once more
   where little is left */
enum { TIMES = 3 };

/* Orthonormal columns, [n_rows] each over the rows of this rank, 0 where the trait is not
   observed. There is one for each independent column so far, the intercept first. */
typedef struct {
  int      n;
  double **q; /* [n]; owned */
} Basis;

/* Subtract from x its projections on the columns of the basis, with compensated sums.
   Collective. All projections are found first and then subtracted, with one sum over
   ranks. */
static PetscErrorCode TakeOut(MeritModel model, const Basis *b, double *x)
{
  double *rest, *product;

  PetscFunctionBegin;
  PetscCall(PetscCalloc2(b->n, &product, b->n, &rest));
  for (int j = 0; j < b->n; j++) {
    for (int64_t row = 0; row < model->rows.n; row++) MeritAliasAdd(&product[j], &rest[j], b->q[j][row] * x[row]);
    product[j] += rest[j];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, product, b->n, MPI_DOUBLE, MPI_SUM, model->comm));
  for (int j = 0; j < b->n; j++)
    for (int64_t row = 0; row < model->rows.n; row++) x[row] -= product[j] * b->q[j][row];
  PetscCall(PetscFree2(product, rest));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Squared length of x over all ranks, compensated. Collective. */
static PetscErrorCode SquaredLength(MeritModel model, const double *x, double *square)
{
  double rest = 0.0;

  PetscFunctionBegin;
  *square = 0.0;
  for (int64_t row = 0; row < model->rows.n; row++) MeritAliasAdd(square, &rest, x[row] * x[row]);
  *square += rest;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, square, 1, MPI_DOUBLE, MPI_SUM, model->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Add a column to the basis; its values become the orthogonal ones times
   sqrt(observations), or 0 if it depends on those before it. Collective. *value is
   replaced by a new array, which work owns; NULL (the intercept) stays. A column depends
   on the basis if less than MERIT_ALIAS_DEPENDENT of its squared length is left. Values
   of length sqrt(observations) are of size 1, as those of classes. */
static PetscErrorCode AddColumn(MeritModel model, const MeritAliasWork *work, double **value, Basis *b)
{
  double  whole, left, n = 0.0, scale;
  double *x;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(model->rows.n + 1, &x));
  for (int64_t row = 0; row < model->rows.n; row++) {
    const bool counts = model->rows.observed[row] >> work->trait & 1;

    x[row] = !counts ? 0.0 : *value ? (*value)[row] : 1.0;
    n += counts;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &n, 1, MPI_DOUBLE, MPI_SUM, model->comm));
  PetscCall(SquaredLength(model, x, &whole));
  for (int i = 0; i < TIMES && b->n; i++) PetscCall(TakeOut(model, b, x));
  PetscCall(SquaredLength(model, x, &left));
  scale = left > MERIT_ALIAS_DEPENDENT * whole ? 1.0 / sqrt(left) : 0.0;
  for (int64_t row = 0; row < model->rows.n; row++) x[row] *= scale;
  if (*value) {
    PetscCall(PetscMalloc1(model->rows.n + 1, value));
    for (int64_t row = 0; row < model->rows.n; row++) (*value)[row] = sqrt(n) * x[row];
  }
  if (scale > 0.0) b->q[b->n++] = x;
  else PetscCall(PetscFree(x));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does a class term before term k have all classes of the slope? The sum of the columns
   of its levels within a class of the slope is then the column of that class, so a
   multiple of it may be subtracted from the slope. */
static bool Covered(const MeritFormula *formula, const MeritAliasWork *work, int k, const MeritRegressorSpec *slope)
{
  for (int j = 0; j < work->n_terms; j++) {
    const MeritRegressorSpec *reg = formula->term[j].regressor;
    int                       n   = 0;

    if (work->first[j] < 0 || work->first[j] >= work->first[k] || formula->term[j].n_regressors != 1 || reg->covariate != MERIT_COVARIATE_NONE)
      continue;
    for (int a = 0; a < slope->n_class; a++)
      for (int b = 0; b < reg->n_class; b++) n += !strcmp(slope->class_column[a], reg->class_column[b]);
    if (n == slope->n_class) return true;
  }
  return false;
}

/* Subtract the mean of the covariate from slopes of term k where that is allowed
   (Covered); the mean is that of the values as the model has them, (mean - centre) /
   scale. Changed values are copies. */
static PetscErrorCode Centre(MeritModel model, MeritAliasWork *work, int k)
{
  const MeritTermSpec  *spec = &model->formula->term[k];
  const MeritModelTerm *term = &model->term[k];

  PetscFunctionBegin;
  for (int r = 0; r < spec->n_regressors; r++) {
    const MeritRegressorSpec *reg = &spec->regressor[r];
    double                    mean, *x;

    if (reg->covariate != MERIT_COVARIATE_COLUMN || !reg->n_class || !Covered(model->formula, work, k, reg)) continue;
    mean = (model->covariate[term->covariate[r]].mean - term->centre[r]) / term->scale[r];
    PetscCall(PetscMalloc1(model->rows.n + 1, &x));
    for (int64_t row = 0; row < model->rows.n; row++) x[row] = term->value[r][row] - mean;
    work->value[k][r] = x;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritAliasCovariates - See the header. Collective on the model. */
PetscErrorCode MeritAliasCovariates(MeritModel model, MeritAliasWork *work)
{
  const MeritFormula *formula = model->formula;
  int                 n       = 0;
  Basis               b       = {0};

  PetscFunctionBegin;
  for (int k = 0; k < work->n_terms; k++) n += work->first[k] >= 0 && model->term[k].view.n_levels == 1 ? formula->term[k].n_components : 0;
  PetscCall(PetscMalloc1(n, &b.q));
  for (int k = 0; k < work->n_terms; k++)
    if (work->first[k] >= 0) PetscCall(Centre(model, work, k));
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < work->n_terms; k++) {
      const MeritTermSpec *spec = &formula->term[k];

      if (work->first[k] < 0 || model->term[k].view.n_levels > 1 || spec->intercept != (pass == 0)) continue;
      for (int c = 0; c < spec->n_components; c++) {
        const int r = spec->component[c].regressor;

        if (spec->component[c].trait == work->trait && (spec->intercept || work->value[k][r]))
          PetscCall(AddColumn(model, work, &work->value[k][r], &b));
      }
    }
  for (int j = 0; j < b.n; j++) PetscCall(PetscFree(b.q[j]));
  PetscCall(PetscFree(b.q));
  PetscFunctionReturn(PETSC_SUCCESS);
}

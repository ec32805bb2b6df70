/*
  Designs: for every regressor the component slot of the level that each record has, and
  its coefficient; then observations per equation.

  A coefficient is 1 (classes alone), a covariate, or a Legendre polynomial of it.
  MeritModelDesigns() takes the moments of the covariates (Moments), decides how they
  are standardised (Standardise), and fills values, slots and offsets of each regressor.
  MeritModelCountObservations() counts by slot and adds up over ranks.
*/
#include "model_impl.h"
#include <math.h>

/* Mean and standard deviation (divisor n) of a covariate over the records in the
   analysis, in two passes over all ranks: squares of deviations from the mean lose no
   digits. Missing values are left out. INPUT error: all values tiny, whose squares would
   underflow. Collective. */
static PetscErrorCode Moments(MeritModel model, int c)
{
  const double *x      = model->rows.covariate[c];
  double        sum[2] = {0.0, 0.0}, square = 0.0, mean, most = 0.0;

  PetscFunctionBegin;
  for (int64_t row = 0; row < model->rows.n; row++)
    if (!isnan(x[row])) most = PetscMax(most, fabs(x[row]));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, model->comm));
  if (most > 0.0 && most < MERIT_SMALLEST)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, model->options.records, 0, model->covariate[c].name,
                         "all values of this covariate are below %g: choose another unit", MERIT_SMALLEST));
  for (int64_t row = 0; row < model->rows.n; row++)
    if (!isnan(x[row])) sum[0] += x[row], sum[1] += 1.0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sum, 2, MPI_DOUBLE, MPI_SUM, model->comm));
  mean = sum[1] > 0.0 ? sum[0] / sum[1] : 0.0;
  for (int64_t row = 0; row < model->rows.n; row++)
    if (!isnan(x[row])) square += (x[row] - mean) * (x[row] - mean);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &square, 1, MPI_DOUBLE, MPI_SUM, model->comm));
  model->covariate[c].mean = mean;
  model->covariate[c].sd   = sum[1] > 0.0 ? sqrt(square / sum[1]) : 0.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Does every trait that has the fixed covariate have an intercept? Only then can the mean
   be taken out, as the intercept absorbs it. */
static bool HasIntercepts(const MeritFormula *formula, const MeritTermSpec *spec)
{
  for (int c = 0; c < spec->n_components; c++) {
    bool found = false;

    for (int k = 0; k < formula->n_terms && !found; k++)
      for (int i = 0; formula->term[k].intercept && i < formula->term[k].n_components; i++)
        found = found || formula->term[k].component[i].trait == spec->component[c].trait;
    if (!found) return false;
  }
  return true;
}

/*
  Fixed covariates are used as (x - centre) / scale, which keeps C well conditioned; outputs are
  brought back. The mean can be taken out only where an intercept absorbs it. Covariates of random
  terms stay as they are: their variance refers to them.
*/
static PetscErrorCode Standardise(MeritModel model, int k)
{
  const MeritTermSpec *spec = &model->formula->term[k];
  MeritModelTerm      *term = &model->term[k];

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(spec->n_regressors, &term->centre));
  PetscCall(PetscMalloc1(spec->n_regressors, &term->scale));
  for (int r = 0; r < spec->n_regressors; r++) {
    const MeritRegressorSpec *reg = &spec->regressor[r];
    const MeritCovariate     *cov = term->covariate[r] >= 0 ? &model->covariate[term->covariate[r]] : NULL;

    term->centre[r] = 0.0;
    term->scale[r]  = 1.0;
    if (reg->covariate != MERIT_COVARIATE_COLUMN) continue;
    if (spec->fixed) {
      /* a constant covariate stays what it is: with an intercept it is aliased */
      if (!(cov->sd > 1e-12 * fabs(cov->mean))) continue;
      term->scale[r] = cov->sd;
      if (!reg->n_class && HasIntercepts(model->formula, spec)) term->centre[r] = cov->mean;
    } else if (spec->centre) {
      term->centre[r] = cov->mean;
    }
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Normalised Legendre polynomial sqrt((2k+1)/2) P_k on [-1, 1] (Kirkpatrick et al. 1990), by the
   three-term recurrence */
static double Legendre(int degree, double z)
{
  double before = 0.0, now = 1.0;

  for (int n = 0; n < degree; n++) {
    double next = ((2 * n + 1) * z * now - n * before) / (n + 1);

    before = now;
    now    = next;
  }
  return sqrt((2 * degree + 1) / 2.0) * now;
}

/* term->value[r] [rows] = coefficients of regressor r, NULL where all are 1 (classes
   alone) */
static PetscErrorCode Values(MeritModel model, int k, int r)
{
  const MeritRegressorSpec *reg  = &model->formula->term[k].regressor[r];
  MeritModelTerm           *term = &model->term[k];
  const double             *x;

  PetscFunctionBegin;
  if (reg->covariate == MERIT_COVARIATE_NONE) PetscFunctionReturn(PETSC_SUCCESS);
  x = model->rows.covariate[term->covariate[r]];
  PetscCall(PetscMalloc1(model->rows.n + 1, &term->value[r]));
  for (int64_t row = 0; row < model->rows.n; row++) {
    double v = reg->covariate == MERIT_COVARIATE_LEGENDRE ? Legendre(reg->degree, -1.0 + 2.0 * (x[row] - reg->low) / (reg->high - reg->low))
                                                          : (x[row] - term->centre[r]) / term->scale[r];

    /* a missing covariate makes its traits missing, but 0 x NaN would spoil the rest */
    term->value[r][row] = isnan(x[row]) ? 0.0 : v;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* term->slot[r] [rows] = first component slot of the level that each record has in
   regressor r, -1: none (an unknown parent) */
static PetscErrorCode Slots(MeritModel model, int k, int r)
{
  MeritModelTerm *term   = &model->term[k];
  const int64_t  *number = term->number[r] < 0 ? NULL : model->rows.number[term->number[r]];

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(model->rows.n + 1, &term->slot[r]));
  for (int64_t row = 0; row < model->rows.n; row++) {
    const int32_t level = MeritModelRecordLevel(term, number ? number[row] : model->formula->term[k].regressor[r].level);

    term->slot[r][row] = level < 0 ? -1 : MeritTermSlot(&term->view, level);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* term->offset[r] [n_traits] = component of the level that each trait uses with regressor
   r, -1: the trait does not have it. Columns of ridge() share the components of the first
   (`as`). */
static PetscErrorCode Offsets(MeritModel model, int k, int r)
{
  const MeritTermSpec *spec     = &model->formula->term[k];
  const int            n_traits = model->formula->n_traits;
  int32_t             *offset;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(n_traits, &offset));
  for (int t = 0; t < n_traits; t++) offset[t] = -1;
  for (int c = 0; c < spec->n_components; c++)
    if (spec->component[c].regressor == spec->regressor[r].as) offset[spec->component[c].trait] = c;
  model->term[k].offset[r] = offset;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritModelDesigns - Make the design arrays of every term. The view of a term gets an
   array of views of its regressors; records of a model that is set up do not move any
   more. Collective. */
PetscErrorCode MeritModelDesigns(MeritModel model)
{
  PetscFunctionBegin;
  for (int c = 0; c < model->rows.n_covariates; c++) PetscCall(Moments(model, c));
  for (int k = 0; k < model->formula->n_terms; k++) {
    MeritModelTerm *term = &model->term[k];
    const int       n    = model->formula->term[k].n_regressors;

    PetscCall(Standardise(model, k));
    PetscCall(PetscCalloc4(n, &term->design, n, &term->slot, n, &term->value, n, &term->offset));
    for (int r = 0; r < n; r++) {
      PetscCall(Values(model, k, r));
      PetscCall(Slots(model, k, r));
      PetscCall(Offsets(model, k, r));
      term->design[r] = (MeritDesignView){term->slot[r], term->value[r], term->offset[r]};
    }
    term->view.n_regressors = n;
    term->view.design       = term->design;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* count [slots] += observations of each component slot of term k from the records of this
   rank. Not collective. */
static void CountLocal(MeritModel model, int k, int64_t count[])
{
  const MeritTermView *view     = &model->term[k].view;
  const int            n_traits = model->formula->n_traits;

  for (int r = 0; r < view->n_regressors; r++) {
    const MeritDesignView *design = &view->design[r];

    for (int64_t row = 0; row < model->rows.n; row++)
      for (int t = 0; t < n_traits && design->slot[row] >= 0; t++)
        if (design->offset[t] >= 0 && model->rows.observed[row] >> t & 1) count[design->slot[row] + design->offset[t]]++;
  }
}

/* Add what other ranks counted for the levels owned here to observations [n_owned * n_comp]:
   counts of ghosts go to the owners with the position of the level there. Collective. */
static PetscErrorCode AddGhostCounts(MPI_Comm comm, const MeritModelTerm *term, const int64_t local[], int64_t observations[])
{
  const MeritTermView *view  = &term->view;
  const size_t         bytes = (size_t)view->n_comp * sizeof(*local);
  MeritExchange        ex;
  PetscMPIInt         *owner;
  int32_t             *position, *in_position;
  int64_t             *in;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2(view->n_ghost, &owner, view->n_ghost, &position));
  PetscCall(MeritLevelsLocate(&term->levels, view->n_ghost, MeritIntegersValues(term->ghosts), owner, position));
  PetscCall(MeritExchangeCreate(comm, view->n_ghost, owner, &ex));
  PetscCall(PetscMalloc2(MeritExchangeArriving(ex), &in_position, (size_t)(MeritExchangeArriving(ex) * view->n_comp), &in));
  PetscCall(MeritExchangeForward(ex, sizeof(*position), position, in_position));
  PetscCall(MeritExchangeForward(ex, bytes, local + view->slot_other, in));
  for (int64_t i = 0; i < MeritExchangeArriving(ex); i++)
    for (int c = 0; c < view->n_comp; c++) observations[(int64_t)in_position[i] * view->n_comp + c] += in[i * view->n_comp + c];
  PetscCall(MeritExchangeDestroy(&ex));
  PetscCall(PetscFree2(in_position, in));
  PetscCall(PetscFree2(owner, position));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Where rows of a factor are fed, every level (SNP) has the observations of all genotyped levels,
   as each genotyped animal with records has a value for each SNP: observations
   [n_owned * n_comp]. Collective. */
static PetscErrorCode CountGenotyped(MPI_Comm comm, const MeritModelTerm *term, const int64_t local[], int64_t observations[])
{
  const MeritTermView *view                        = &term->view;
  int64_t              total[MERIT_MAX_COMPONENTS] = {0};

  PetscFunctionBegin;
  PetscCheck(view->n_comp <= MERIT_MAX_COMPONENTS, comm, PETSC_ERR_PLIB, "more than %d components of a level", MERIT_MAX_COMPONENTS);
  for (int32_t i = 0; i < view->n_genotyped * view->n_comp; i++) total[i % view->n_comp] += local[view->slot_other + i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, total, view->n_comp, MPI_INT64_T, MPI_SUM, comm));
  for (int64_t i = 0; i < (int64_t)view->n_owned * view->n_comp; i++) observations[i] = total[i % view->n_comp];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritModelCountObservations - Observations of each owned level and component; fixed equations
  without any are absent.

  Collective.
*/
PetscErrorCode MeritModelCountObservations(MeritModel model)
{
  int64_t *local;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(model->equations.layout.n_slots + 1, &local));
  PetscCall(PetscCalloc1(model->equations.n_components + 1, &model->counts.observations));
  PetscCall(PetscCalloc1(model->equations.layout.n_owned + 1, &model->counts.state));
  for (int k = 0; k < model->formula->n_terms; k++) {
    MeritModelTerm      *term         = &model->term[k];
    const MeritTermView *view         = &term->view;
    const int64_t        n            = (int64_t)view->n_owned * view->n_comp;
    int64_t             *observations = model->counts.observations + term->first_component;

    CountLocal(model, k, local);
    if (term->genotyped) {
      PetscCall(CountGenotyped(model->comm, term, local, observations));
      continue;
    }
    PetscCall(PetscArraycpy(observations, local + view->slot_owned, n));
    PetscCall(AddGhostCounts(model->comm, term, local, observations));
    for (int64_t i = 0; view->fixed && i < n; i++)
      if (!observations[i]) model->counts.state[view->eq_owned + i] = MERIT_EQ_ABSENT;
  }
  PetscCall(PetscFree(local));
  PetscFunctionReturn(PETSC_SUCCESS);
}

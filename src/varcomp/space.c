/* The space of whitened records: the fixed effects taken out, and products with B. */
#include "spectral.h"
#include <math.h>
#include <merit/unit.h>
#include <petscblaslapack.h>
#include <string.h>

/* Fixed effects beyond which a dense X'X on every rank is no good */
enum { MOST_FIXED = 2000 };

/* Is the model of the kind that this is for? Says which of its parts is not. */
static PetscErrorCode Check(MeritVarcomp v, const char engine[], SpectralSpace *s)
{
  const MeritFormula *f = v->formula;

  PetscFunctionBegin;
  s->term = -1;
  if (f->n_traits != 1) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for one trait; use auto", engine));
  if (f->n_residuals != 1)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for one residual variance; use auto", engine));
  for (int k = 0; k < f->n_terms; k++) {
    if (f->term[k].kind == MERIT_TERM_FIXED) continue;
    if (s->term >= 0 || f->term[k].n_components != 1)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                           "engine %s is for one variance beside the residual's, `%s` makes it more; use auto", engine, f->term[k].label));
    if (f->term[k].kind == MERIT_TERM_PED)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is not available for `%s`; use auto", engine,
                           f->term[k].label));
    s->term = k;
  }
  if (s->term < 0) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for models with a random term", engine));
  if (v->n_fixed > MOST_FIXED)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                         "engine %s takes out %d fixed effects at most, here are %lld; use sampled", engine, (int)MOST_FIXED,
                         (long long)v->n_fixed));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Weights(SpectralSpace *s)
{
  const MeritRecordsView *r = s->records;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->n_records, &s->root));
  for (int32_t i = 0; i < s->n_records; i++) {
    s->root[i] = !r->observed[r->pattern[i]] ? 0.0 : r->root_weight ? r->root_weight[i] : 1.0;
    if (s->root[i] > 0.0) s->log_weight += 2.0 * log(s->root[i]);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &s->log_weight, 1, MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns of X are the fixed equations that do not depend on others, rank after rank: number[n_local] of owned and ghost equations */
static PetscErrorCode NumberColumns(SpectralSpace *s, int n_terms, const MeritTermView *term, int **number)
{
  const uint8_t *state = MeritModelEquationState(s->model);
  int32_t        n_owned, n_local;
  int            n = 0, first = 0;

  PetscFunctionBegin;
  PetscCall(MeritModelLayout(s->model, &n_owned, &n_local, NULL, NULL, NULL));
  PetscCall(PetscMalloc1(n_local + 1, number));
  for (int32_t i = 0; i < n_local; i++) (*number)[i] = -1;
  for (int k = 0; k < n_terms; k++)
    for (int32_t e = term[k].eq_owned; term[k].kind == MERIT_TERM_FIXED && e < term[k].eq_owned + term[k].n_owned * term[k].n_eq; e++)
      if (state[e] == MERIT_EQ_OK) (*number)[e] = n++;
  PetscCallMPI(MPI_Exscan(&n, &first, 1, MPI_INT, MPI_SUM, s->comm));
  for (int32_t i = 0; i < n_owned; i++)
    if ((*number)[i] >= 0) (*number)[i] += first;
  PetscCall(PetscSFBcastBegin(MeritModelHalo(s->model), MPI_INT, *number, *number + n_owned, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(MeritModelHalo(s->model), MPI_INT, *number, *number + n_owned, MPI_REPLACE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Which column of X each record meets in each regressor, and with what coefficient */
static PetscErrorCode Columns(SpectralSpace *s)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(s->model, &term);
  int                 *number, l = 0;

  PetscFunctionBegin;
  PetscCall(NumberColumns(s, n_terms, term, &number));
  for (int k = 0; k < n_terms; k++)
    if (term[k].kind == MERIT_TERM_FIXED) s->n_lists += term[k].n_regressors;
  PetscCall(PetscMalloc2(s->n_lists, &s->column, s->n_lists, &s->value));
  for (int k = 0; k < n_terms; k++)
    for (int r = 0; term[k].kind == MERIT_TERM_FIXED && r < term[k].n_regressors; r++, l++) {
      const MeritDesignView *d = &term[k].design[r];

      s->value[l] = d->value;
      PetscCall(PetscMalloc1(s->n_records, &s->column[l]));
      for (int32_t i = 0; i < s->n_records; i++) s->column[l][i] = d->slot[i] < 0 || d->offset[0] < 0 ? -1 : number[d->slot[i] + d->offset[0]];
    }
  PetscCall(PetscFree(number));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Coefficient of a record in a list of the fixed effects */
static inline double Coefficient(const SpectralSpace *s, int l, int32_t i) { return s->value[l] ? s->root[i] * s->value[l][i] : s->root[i]; }

/* The Cholesky factor of X'X, and its determinant */
static PetscErrorCode Factor(SpectralSpace *s)
{
  const size_t p = (size_t)s->p;
  PetscBLASInt n = (PetscBLASInt)s->p, info = 0;

  PetscFunctionBegin;
  PetscCall(MeritModelFixedScale(s->model, &s->log_fixed));
  PetscCall(PetscCalloc1(p * p + 1, &s->factor));
  for (int32_t i = 0; i < s->n_records; i++)
    for (int a = 0; a < s->n_lists; a++)
      for (int b = 0; b < s->n_lists; b++)
        if (s->column[a][i] >= 0 && s->column[b][i] >= 0)
          s->factor[(size_t)s->column[a][i] * p + (size_t)s->column[b][i]] += Coefficient(s, a, i) * Coefficient(s, b, i);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->factor, (PetscMPIInt)(p * p), MPI_DOUBLE, MPI_SUM, s->comm));
  if (p) PetscCallBLAS("LAPACKpotrf", LAPACKpotrf_("L", &n, s->factor, &n, &info));
  if (info) PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL, "the fixed effects depend on each other too closely to be taken out"));
  for (size_t i = 0; i < p; i++) s->log_fixed += 2.0 * log(s->factor[i * p + i]);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Where the records meet the random term */
static PetscErrorCode RandomTerm(SpectralSpace *s)
{
  const MeritTermView *term;
  int                  grid_rows, grid_cols;
  PetscMPIInt          rank;

  PetscFunctionBegin;
  MeritModelTerms(s->model, &term);
  s->view     = &term[s->term];
  s->row_comm = MPI_COMM_NULL;
  s->column_comm = s->comm;
  if (s->view->kind != MERIT_TERM_SNP) {
    PetscCall(MeritModelLayout(s->model, NULL, &s->n_slots, NULL, NULL, NULL));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  s->geno       = MeritModelGenotypes(s->model);
  s->first_slot = s->view->slot_carrier;
  s->n_slots    = s->view->n_carrier;
  PetscCall(MeritGenotypesTile(s->geno, &grid_rows, &grid_cols, NULL, &s->n_rows, NULL, &s->n_cols));
  if (grid_cols == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(s->comm, &rank));
  PetscCallMPI(MPI_Comm_split(s->comm, rank % grid_rows, rank / grid_rows, &s->row_comm));
  PetscCallMPI(MPI_Comm_split(s->comm, rank / grid_rows, rank % grid_rows, &s->column_comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SpectralSpaceCreate - The space of a model's records, or an error that says what the engine is not for. Collective. */
PetscErrorCode SpectralSpaceCreate(MeritVarcomp v, const char engine[], SpectralSpace *s)
{
  PetscFunctionBegin;
  *s = (SpectralSpace){.comm = v->comm, .model = v->model, .records = MeritModelRecords(v->model), .n = v->n_observations, .p = v->n_fixed};
  s->n_records = s->records->n_records;
  PetscCall(Check(v, engine, s));
  PetscCall(Weights(s));
  PetscCall(Columns(s));
  PetscCall(Factor(s));
  PetscCall(RandomTerm(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SpectralSpaceDestroy - Free what it holds. Collective. */
PetscErrorCode SpectralSpaceDestroy(SpectralSpace *s)
{
  PetscFunctionBegin;
  for (int l = 0; l < s->n_lists; l++) PetscCall(PetscFree(s->column[l]));
  PetscCall(PetscFree2(s->column, s->value));
  PetscCall(PetscFree(s->root));
  PetscCall(PetscFree(s->factor));
  PetscCall(PetscFree4(s->effect, s->level, s->tile, s->rows));
  if (s->row_comm != MPI_COMM_NULL) {
    PetscCallMPI(MPI_Comm_free(&s->row_comm));
    PetscCallMPI(MPI_Comm_free(&s->column_comm));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Work for k columns at once */
static PetscErrorCode Width(SpectralSpace *s, int k)
{
  const size_t width = (size_t)k;

  PetscFunctionBegin;
  if (k <= s->width) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree4(s->effect, s->level, s->tile, s->rows));
  PetscCall(PetscMalloc4((size_t)s->p * width, &s->effect, (size_t)s->n_slots * width, &s->level, (size_t)s->n_cols * width, &s->tile,
                         (size_t)s->n_rows * width, &s->rows));
  s->width = k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* effect = X'x over all ranks */
static PetscErrorCode ToFixed(SpectralSpace *s, int k, const double x[])
{
  PetscFunctionBegin;
  PetscCall(PetscArrayzero(s->effect, (size_t)s->p * (size_t)k));
  for (int32_t i = 0; i < s->n_records; i++)
    for (int l = 0; l < s->n_lists; l++) {
      const int32_t column = s->column[l][i];
      const double  c      = Coefficient(s, l, i);

      for (int j = 0; column >= 0 && j < k; j++) s->effect[(int64_t)column * k + j] += c * x[(int64_t)i * k + j];
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->effect, (PetscMPIInt)(s->p * k), MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SpectralProject - x = S x by the normal equations of the fixed effects. Collective. */
PetscErrorCode SpectralProject(SpectralSpace *s, int k, double x[])
{
  PetscBLASInt n = (PetscBLASInt)s->p, width = (PetscBLASInt)k;
  const double one = 1.0;

  PetscFunctionBegin;
  if (!n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(Width(s, k));
  PetscCall(ToFixed(s, k, x));
  PetscCallBLAS("BLAStrsm", BLAStrsm_("R", "L", "T", "N", &width, &n, &one, s->factor, &n, s->effect, &width));
  PetscCallBLAS("BLAStrsm", BLAStrsm_("R", "L", "N", "N", &width, &n, &one, s->factor, &n, s->effect, &width));
#pragma omp parallel for schedule(static) if ((int64_t)s->n_records * k > 10000)
  for (int32_t i = 0; i < s->n_records; i++)
    for (int l = 0; l < s->n_lists; l++) {
      const int32_t column = s->column[l][i];
      const double  c      = Coefficient(s, l, i);

      for (int j = 0; column >= 0 && j < k; j++) x[(int64_t)i * k + j] -= c * s->effect[(int64_t)column * k + j];
    }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Levels of the term <-> records: level += Z'x, or y = Z level */
static void ToLevels(SpectralSpace *s, int k, const double x[])
{
  memset(s->level, 0, sizeof(double) * (size_t)s->n_slots * (size_t)k);
  for (int r = 0; r < s->view->n_regressors; r++) {
    const MeritDesignView *d = &s->view->design[r];

    for (int32_t i = 0; i < s->n_records; i++) {
      const double  c  = d->value ? s->root[i] * d->value[i] : s->root[i];
      const int64_t to = (int64_t)(d->slot[i] - s->first_slot) * k;

      for (int j = 0; d->slot[i] >= 0 && j < k; j++) s->level[to + j] += c * x[(int64_t)i * k + j];
    }
  }
}

static void ToRecords(SpectralSpace *s, int k, double y[])
{
#pragma omp parallel for schedule(static) if ((int64_t)s->n_records * k > 10000)
  for (int32_t i = 0; i < s->n_records; i++) {
    double *to = y + (int64_t)i * k;

    for (int j = 0; j < k; j++) to[j] = 0.0;
    for (int r = 0; r < s->view->n_regressors; r++) {
      const MeritDesignView *d    = &s->view->design[r];
      const double           c    = d->value ? s->root[i] * d->value[i] : s->root[i];
      const int64_t          from = (int64_t)(d->slot[i] - s->first_slot) * k;

      for (int j = 0; d->slot[i] >= 0 && j < k; j++) to[j] += c * s->level[from + j];
    }
  }
}

/* level = K level for independent levels: what several ranks have of one is added up */
static PetscErrorCode ThroughHalo(SpectralSpace *s, int k)
{
  PetscSF      halo = MeritModelHalo(s->model);
  MPI_Datatype unit;
  int32_t      n_owned;
  double      *ghosts;

  PetscFunctionBegin;
  PetscCall(MeritModelLayout(s->model, &n_owned, NULL, NULL, NULL, NULL));
  ghosts = s->level + (int64_t)n_owned * k;
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCall(PetscSFReduceBegin(halo, unit, ghosts, s->level, MPI_SUM));
  PetscCall(PetscSFReduceEnd(halo, unit, ghosts, s->level, MPI_SUM));
  PetscCall(PetscSFBcastBegin(halo, unit, s->level, ghosts, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(halo, unit, s->level, ghosts, MPI_REPLACE));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* level = M M' level of the animals that local records meet */
static PetscErrorCode ThroughGenotypes(SpectralSpace *s, int k)
{
  PetscSF      carriers = MeritModelCarriers(s->model, s->term);
  MPI_Datatype unit;
  PetscMPIInt  n, n_tile, column = 0, ranks;

  PetscFunctionBegin;
  PetscCall(PetscMPIIntCast((PetscInt)(s->n_rows * k), &n));
  PetscCall(PetscMPIIntCast((PetscInt)s->n_cols * k, &n_tile));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCall(PetscArrayzero(s->rows, (size_t)n));
  PetscCall(PetscSFReduceBegin(carriers, unit, s->level, s->rows, MPI_SUM));
  PetscCall(PetscSFReduceEnd(carriers, unit, s->level, s->rows, MPI_SUM));
  if (s->row_comm != MPI_COMM_NULL) PetscCallMPI(MPI_Bcast(s->rows, n, MPI_DOUBLE, 0, s->row_comm));
  PetscCall(MeritGenotypesAdjoint(s->geno, k, s->rows, s->tile));
  PetscCallMPI(MPI_Comm_size(s->column_comm, &ranks));
  if (ranks > 1) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, s->tile, n_tile, MPI_DOUBLE, MPI_SUM, s->column_comm));
  PetscCall(MeritGenotypesForward(s->geno, k, s->tile, s->rows));
  if (s->row_comm != MPI_COMM_NULL) {
    PetscCallMPI(MPI_Comm_rank(s->row_comm, &column));
    PetscCallMPI(MPI_Reduce(column ? s->rows : MPI_IN_PLACE, s->rows, n, MPI_DOUBLE, MPI_SUM, 0, s->row_comm));
  }
  PetscCall(PetscSFBcastBegin(carriers, unit, s->rows, s->level, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(carriers, unit, s->rows, s->level, MPI_REPLACE));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SpectralCovariance - y = B x for k columns. Collective. */
PetscErrorCode SpectralCovariance(SpectralSpace *s, int k, bool single, const double x[], double y[])
{
  PetscFunctionBegin;
  PetscCall(Width(s, k));
  ToLevels(s, k, x);
  if (s->geno) {
    PetscCall(MeritGenotypesSetSingle(s->geno, single));
    PetscCall(ThroughGenotypes(s, k));
    PetscCall(MeritGenotypesSetSingle(s->geno, false));
  } else PetscCall(ThroughHalo(s, k));
  ToRecords(s, k, y);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* SpectralObservations - y[n_records]; taken out twice, since a large mean leaves rounding behind. Collective. */
PetscErrorCode SpectralObservations(SpectralSpace *s, double y[])
{
  PetscFunctionBegin;
  for (int32_t i = 0; i < s->n_records; i++) y[i] = s->root[i] > 0.0 ? s->root[i] * s->records->y[i] : 0.0;
  PetscCall(SpectralProject(s, 1, y));
  PetscCall(SpectralProject(s, 1, y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

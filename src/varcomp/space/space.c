/*
  The space of whitened records, and products with B.

  A vector of the space has a number for each record and trait of this rank, and k columns,
  column fastest. It is the observation times the root of its weight, 0 where nothing is
  observed. A product y = B x = Z K Z'x goes through the levels of the term: Z'x to slots
  (ToLevels), K by the recursion of the structure or by the genotypes, and back to records
  (RecordSpaceRecords). Genotypes are on a grid of ranks: animals of a tile are added up to the
  first rank of its row, sent along the row, multiplied by M' and summed over the column, then
  multiplied by M and summed back.
*/
#include "space.h"
#include <math.h>
#include <merit/pieces.h>
#include <merit/unit.h>
#include <string.h>

/* RecordSpaceCheck - See the header. Not collective. */
PetscErrorCode RecordSpaceCheck(MeritVarcomp v, const char engine[])
{
  const MeritFormula *f      = v->formula;
  int                 random = 0;

  PetscFunctionBegin;
  if (f->n_traits != 1) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for one trait; use auto", engine));
  if (f->n_residuals != 1)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for one residual variance; use auto", engine));
  for (int k = 0; k < f->n_terms; k++) {
    if (f->term[k].fixed) continue;
    if (random++ || f->term[k].n_components != 1)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for one random variance, and `%s` adds another; use auto",
                           engine, f->term[k].label));
  }
  if (!random) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for models with a random term; use auto", engine));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Root of the weight of each value, 0 where nothing is observed, and the sum of the logarithms
  of the weights over all ranks
*/
static PetscErrorCode Weights(RecordSpace *s)
{
  const MeritRecordsView *r = s->records;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(s->n_values, &s->sqrt_weight));
  for (int32_t x = 0; x < s->n_values; x++) {
    s->sqrt_weight[x] = !(r->observed[r->pattern[x / s->n_traits]] >> x % s->n_traits & 1) ? 0.0 : r->sqrt_weight ? r->sqrt_weight[x] : 1.0;
    if (s->sqrt_weight[x] > 0.0) s->log_weight += 2.0 * log(s->sqrt_weight[x]);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &s->log_weight, 1, MPI_DOUBLE, MPI_SUM, s->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The term, and its slots. A term that is not of genotypes has all local equations as slots. One
  of genotypes has its genotyped levels (animals of local records) only, and communicators of the rows
  and columns of the grid; with one column of the grid all ranks are one column.
*/
static PetscErrorCode RandomTerm(RecordSpace *s)
{
  const MeritTermView *term;
  int                  grid_rows, grid_cols;
  PetscMPIInt          rank;

  PetscFunctionBegin;
  MeritModelTerms(s->model, &term);
  s->view                  = &term[s->term];
  s->genotypes.row_comm    = MPI_COMM_NULL;
  s->genotypes.column_comm = s->comm;
  if (!MeritStructureFed(s->view->structure)) {
    s->n_slots = MeritModelLayout(s->model)->n_local;
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  s->genotypes.store  = MeritModelGenotypes(s->model);
  s->first_slot       = s->view->slot_other;
  s->n_slots          = s->view->n_genotyped * s->view->n_comp;
  grid_rows           = MeritGenotypesTile(s->genotypes.store)->grid_rows;
  grid_cols           = MeritGenotypesTile(s->genotypes.store)->grid_cols;
  s->genotypes.n_rows = MeritGenotypesTile(s->genotypes.store)->n_rows;
  s->genotypes.n_cols = MeritGenotypesTile(s->genotypes.store)->n_cols;
  PetscCall(MeritMarkersCreate(s->genotypes.store, NULL, &s->genotypes.markers));
  if (grid_cols == 1) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCallMPI(MPI_Comm_rank(s->comm, &rank));
  PetscCallMPI(MPI_Comm_split(s->comm, rank % grid_rows, rank / grid_rows, &s->genotypes.row_comm));
  PetscCallMPI(MPI_Comm_split(s->comm, rank / grid_rows, rank % grid_rows, &s->genotypes.column_comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RecordSpaceCreateTerm - See the header. Collective. */
PetscErrorCode RecordSpaceCreateTerm(MeritVarcomp v, const char engine[], int term, RecordSpace *s)
{
  PetscFunctionBegin;
  *s = (RecordSpace){
      .comm = v->comm, .model = v->model, .records = MeritModelRecords(v->model), .n = v->run.n_observations, .p = v->run.n_fixed, .term = term};
  s->n_records = s->records->n_records;
  s->n_traits  = s->records->n_traits;
  s->n_values  = s->n_records * s->n_traits;
  PetscCall(Weights(s));
  if (engine) PetscCall(RecordSpaceFixedCreate(s, engine));
  PetscCall(RandomTerm(s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RecordSpaceCreate - That of the only random term, or an error that says what the engine is not
  for. Collective.
*/
PetscErrorCode RecordSpaceCreate(MeritVarcomp v, const char engine[], RecordSpace *s)
{
  int term = 0;

  PetscFunctionBegin;
  PetscCall(RecordSpaceCheck(v, engine));
  while (v->formula->term[term].fixed) term++;
  PetscCall(RecordSpaceCreateTerm(v, engine, term, s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RecordSpaceDestroy - Free what it holds. Collective. */
PetscErrorCode RecordSpaceDestroy(RecordSpace *s)
{
  PetscFunctionBegin;
  PetscCall(RecordSpaceFixedDestroy(s));
  PetscCall(MeritMarkersDestroy(&s->genotypes.markers));
  PetscCall(PetscFree(s->sqrt_weight));
  PetscCall(PetscFree3(s->level, s->tile, s->rows));
  if (s->genotypes.row_comm != MPI_COMM_NULL) {
    PetscCallMPI(MPI_Comm_free(&s->genotypes.row_comm));
    PetscCallMPI(MPI_Comm_free(&s->genotypes.column_comm));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Work for k columns at once, kept for later calls. level has a number for each slot and column;
  tile and rows have one for each component of an SNP or an animal, too.
*/
static PetscErrorCode Width(RecordSpace *s, int k)
{
  const size_t width = (size_t)k, all = width * (size_t)s->view->n_comp;

  PetscFunctionBegin;
  if (k <= s->width) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscFree3(s->level, s->tile, s->rows));
  PetscCall(
      PetscMalloc3((size_t)s->n_slots * width, &s->level, (size_t)s->genotypes.n_cols * all, &s->tile, (size_t)s->genotypes.n_rows * all, &s->rows));
  s->width = k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  level = Z'x of all components, of this rank's records alone: the halo or the genotyped levels add up
  what other ranks have for the same level. The offset of a design is the component of a trait,
  below 0: none.
*/
static void ToLevels(RecordSpace *s, int k, const double x[])
{
  if (s->n_slots) memset(s->level, 0, sizeof(double) * (size_t)s->n_slots * (size_t)k);
  for (int r = 0; r < s->view->n_regressors; r++) {
    const MeritDesignView *d = &s->view->design[r];

    for (int32_t i = 0; i < s->n_records; i++)
      for (int t = 0; t < s->n_traits && d->slot[i] >= 0; t++) {
        const int64_t from = (int64_t)i * s->n_traits + t, to = (int64_t)(d->slot[i] + d->offset[t] - s->first_slot) * k;
        const double  c = d->value ? s->sqrt_weight[from] * d->value[i] : s->sqrt_weight[from];

        for (int j = 0; d->offset[t] >= 0 && j < k; j++) s->level[to + j] += c * x[from * k + j];
      }
  }
}

/* RecordSpaceRecords - See the header. Not collective. */
void RecordSpaceRecords(RecordSpace *s, int row, int column, int k, double y[])
{
#pragma omp parallel for schedule(static) if ((int64_t)s->n_values * k > 10000)
  for (int32_t x = 0; x < s->n_values; x++) {
    const int32_t i  = x / s->n_traits;
    double       *to = y + (int64_t)x * k;

    for (int j = 0; j < k; j++) to[j] = 0.0;
    for (int r = 0; r < s->view->n_regressors; r++) {
      const MeritDesignView *d     = &s->view->design[r];
      const int              own   = d->offset[x % s->n_traits];
      const int              other = own == row ? column : own == column ? row : -1; /* component that covers own's */
      const double           c     = d->value ? s->sqrt_weight[x] * d->value[i] : s->sqrt_weight[x];
      const int64_t          from  = (int64_t)(d->slot[i] + other - s->first_slot) * k;

      for (int j = 0; d->slot[i] >= 0 && own >= 0 && other >= 0 && j < k; j++) to[j] += c * s->level[from + j];
    }
  }
}

/*
  level = K level of the term's owned levels and ghosts, by the recursion of its structure.
  Collective.
*/
static PetscErrorCode ThroughRecursion(RecordSpace *s, int k)
{
  const MeritLayout *layout = MeritModelLayout(s->model);
  const MeritHalo    halo   = {s->comm, MeritModelHalo(s->model), layout->n_owned, layout->n_local};

  PetscFunctionBegin;
  PetscCall(MeritStructureProduct(s->view->structure, &halo, k, s->level));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* level = M M' level of the animals of local records. Collective. */
static PetscErrorCode ThroughGenotypes(RecordSpace *s, int k)
{
  PetscSF       genotyped = MeritModelGenotypedLink(s->model, s->term);
  MPI_Datatype  unit;
  const int     w = k * s->view->n_comp; /* numbers of an animal */
  const int64_t n = s->genotypes.n_rows * w;
  PetscMPIInt   ranks;

  PetscFunctionBegin;
  PetscCall(MeritUnitCreate(w, &unit));
  PetscCall(PetscArrayzero(s->rows, (size_t)n));
  PetscCall(PetscSFReduceBegin(genotyped, unit, s->level, s->rows, MPI_SUM));
  PetscCall(PetscSFReduceEnd(genotyped, unit, s->level, s->rows, MPI_SUM));
  if (s->genotypes.row_comm != MPI_COMM_NULL) PetscCall(MeritBroadcastFirst(s->genotypes.row_comm, n, s->rows));
  PetscCall(MeritMarkersAdjoint(s->genotypes.markers, w, s->rows, s->tile));
  PetscCallMPI(MPI_Comm_size(s->genotypes.column_comm, &ranks));
  if (ranks > 1) PetscCall(MeritSumAll(s->genotypes.column_comm, (int64_t)s->genotypes.n_cols * w, s->tile));
  PetscCall(MeritMarkersForward(s->genotypes.markers, w, s->tile, s->rows));
  if (s->genotypes.row_comm != MPI_COMM_NULL) PetscCall(MeritSumFirst(s->genotypes.row_comm, n, s->rows));
  PetscCall(PetscSFBcastBegin(genotyped, unit, s->rows, s->level, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(genotyped, unit, s->rows, s->level, MPI_REPLACE));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RecordSpaceLevels - See the header. Collective. */
PetscErrorCode RecordSpaceLevels(RecordSpace *s, int k, bool single, const double x[])
{
  PetscFunctionBegin;
  PetscCall(Width(s, k));
  ToLevels(s, k, x);
  if (s->genotypes.store) {
    PetscCall(MeritMarkersSetSingle(s->genotypes.markers, single));
    PetscCall(ThroughGenotypes(s, k));
  } else PetscCall(ThroughRecursion(s, k));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* RecordSpaceCovariance - y = B x for k columns. Collective. */
PetscErrorCode RecordSpaceCovariance(RecordSpace *s, int k, bool single, const double x[], double y[])
{
  PetscFunctionBegin;
  PetscCall(RecordSpaceLevels(s, k, single, x));
  RecordSpaceRecords(s, 0, 0, k, y);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  RecordSpaceConstant - See the header. The weights scale V, so they are in log |V| with a
  minus. Not collective.
*/
double RecordSpaceConstant(const RecordSpace *s, bool ml)
{
  const double log_two_pi = 1.8378770664093453;

  return (double)(ml ? s->n : s->n - s->p) * log_two_pi - s->log_weight + (ml ? 0.0 : s->fixed.log_determinant);
}

/*
  RecordSpaceObservations - y [n_values]. Fixed effects are taken out twice, since after the
  first time a large mean is still there as rounding. What then is rounding itself is refused.
  Collective.
*/
PetscErrorCode RecordSpaceObservations(RecordSpace *s, double y[])
{
  double square[2] = {0.0, 0.0};

  PetscFunctionBegin;
  for (int32_t i = 0; i < s->n_values; i++) {
    y[i] = s->sqrt_weight[i] > 0.0 ? s->sqrt_weight[i] * s->records->y[i] : 0.0;
    square[0] += y[i] * y[i];
  }
  PetscCall(RecordSpaceProject(s, 1, y));
  PetscCall(RecordSpaceProject(s, 1, y));
  for (int32_t i = 0; i < s->n_values; i++) square[1] += y[i] * y[i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, square, 2, MPI_DOUBLE, MPI_SUM, s->comm));
  PetscCall(VarcompCheckLeft(square[1] / (double)(s->n - s->p), square[0] / (double)s->n));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Exact engine for one variance beside the residual's: S B S is formed, the columns over the ranks, and reduced once; then the likelihood at
  any variances costs as many operations as there are observations (Kang et al. 2008 and Zhou and Stephens 2012 do so for one rank). The
  observations are sent to the first axis, so that no eigenvector is needed.
*/
#include "spectral.h"
#include <merit/memory.h>
#include <merit/unit.h>

enum { BLOCK = SPECTRAL_WIDTH };

typedef struct {
  SpectralSpace space;
  int64_t       first;    /* number of this rank's first observation */
  int32_t      *record;   /* [n_own] record of each of its observations; owned */
  int           n_own;
  PetscMPIInt  *count, *begin; /* [size] of all ranks; owned */
  Spectrum      now;
} Eigen;

/* Number the observations, rank after rank */
static PetscErrorCode Number(MeritVarcomp v, Eigen *e)
{
  const SpectralSpace *s = &e->space;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(s->n_records, &e->record, v->size, &e->count, v->size, &e->begin));
  for (int32_t i = 0; i < s->n_records; i++)
    if (s->root[i] > 0.0) e->record[e->n_own++] = i;
  PetscCallMPI(MPI_Allgather(&e->n_own, 1, MPI_INT, e->count, 1, MPI_INT, v->comm));
  for (int r = 0; r < v->size; r++) e->begin[r] = r ? e->begin[r - 1] + e->count[r - 1] : 0;
  e->first = e->begin[v->rank];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns [first, first + k) of S B S, or of B, to the rank that has them; x, y [n_records * BLOCK] and all [n * BLOCK] are work */
static PetscErrorCode FormBlock(MeritVarcomp v, Eigen *e, bool project, int first, int k, double *x, double *y, double *all, SpectralDense *a)
{
  SpectralSpace *s = &e->space;
  MPI_Datatype   unit;
  int            place;
  PetscMPIInt    owner = SpectralDenseOwner(a, first, &place);

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(x, (size_t)s->n_records * (size_t)k));
  for (int j = 0; j < k; j++)
    if (first + j >= e->first && first + j < e->first + e->n_own) x[(int64_t)e->record[first + j - e->first] * k + j] = 1.0;
  if (project) PetscCall(SpectralProject(s, k, x));
  PetscCall(SpectralCovariance(s, k, false, x, y));
  if (project) PetscCall(SpectralProject(s, k, y));
  for (int i = 0; i < e->n_own; i++) PetscCall(PetscArraycpy(x + (int64_t)i * k, y + (int64_t)e->record[i] * k, k));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCallMPI(MPI_Gatherv(x, e->n_own, unit, all, e->count, e->begin, unit, owner, v->comm));
  PetscCall(MeritUnitFree(&unit));
  for (int j = 0; owner == v->rank && j < k; j++)
    for (int i = 0; i < a->n; i++) a->column[(size_t)(place + j) * (size_t)a->n + (size_t)i] = all[(size_t)i * (size_t)k + (size_t)j];
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Form(MeritVarcomp v, Eigen *e, bool project, SpectralDense *a)
{
  const size_t size = (size_t)e->space.n_records * BLOCK;
  double      *x, *y, *all;

  PetscFunctionBegin;
  PetscCall(PetscMalloc3(size, &x, size, &y, (size_t)a->n * BLOCK, &all));
  for (int first = 0; first < a->n; first += BLOCK) {
    MeritLogProgress((double)first / a->n, "eigen: covariance matrix of the observations");
    PetscCall(FormBlock(v, e, project, first, PetscMin(BLOCK, a->n - first), x, y, all, a));
  }
  PetscCall(PetscFree3(x, y, all));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Eigenvalues of S B S or B, weighted by b (all ranks' observations; NULL: any), whose squared length is `square` */
static PetscErrorCode Decompose(MeritVarcomp v, Eigen *e, bool project, const double b[], double square, SpectralQuadrature *q)
{
  const int     n = (int)e->space.n;
  SpectralDense a;
  double       *below;

  PetscFunctionBegin;
  PetscCall(SpectralDenseCreate(v->comm, n, &a));
  PetscCall(Form(v, e, project, &a));
  PetscCall(SpectralQuadratureCreate(n, q));
  PetscCall(PetscMalloc1(n + 1, &below));
  PetscCall(SpectralDenseReduce(&a, b, q->node, below));
  PetscCall(SpectralDenseDestroy(&a));
  if (!SpectralGauss(square, below, q))
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "the eigenvalues of a matrix of order %d were not found", n));
  PetscCall(PetscFree(below));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Every eigenvalue counts once; those that S made 0 not at all */
static PetscErrorCode CountEach(const SpectralQuadrature *eigen, int64_t n_none, SpectralQuadrature *q)
{
  PetscFunctionBegin;
  PetscCall(SpectralQuadratureCreate(eigen->n + 1, q));
  for (int i = 0; i < eigen->n; i++) {
    q->node[i]   = eigen->node[i];
    q->weight[i] = 1.0;
  }
  q->weight[eigen->n] = -(double)n_none;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The observations without fixed effects, of all ranks on each */
static PetscErrorCode Observations(MeritVarcomp v, Eigen *e, double b[], double *square)
{
  double *y;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(e->space.n_records, &y));
  PetscCall(SpectralObservations(&e->space, y));
  for (int i = 0; i < e->n_own; i++) y[i] = y[e->record[i]];
  PetscCallMPI(MPI_Allgatherv(y, e->n_own, MPI_DOUBLE, b, e->count, e->begin, MPI_DOUBLE, v->comm));
  *square = 0.0;
  for (int64_t i = 0; i < e->space.n; i++) *square += b[i] * b[i];
  PetscCall(PetscFree(y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A whole matrix must find room, over all ranks */
static PetscErrorCode CheckRoom(MeritVarcomp v)
{
  const double need = 8.0 * (double)v->n_observations * (double)v->n_observations / v->size;
  double       has;
  int          on_node;

  PetscFunctionBegin;
  PetscCall(MeritMemoryAvailable(v->comm, &has, &on_node));
  if (v->n_observations > 100000 || (has > 0.0 && need > has))
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                         "engine eigen needs %.3g bytes for a matrix of %lld observations on each rank; use lanczos or more ranks", need,
                         (long long)v->n_observations));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SetUp_Eigen(MeritVarcomp v)
{
  const bool ml = v->method == MERIT_VARCOMP_ML;
  Eigen     *e;
  double    *b, square;

  PetscFunctionBegin;
  PetscCall(CheckRoom(v));
  PetscCall(PetscNew(&e));
  v->engine_data = e;
  PetscCall(SpectralSpaceCreate(v, "eigen", &e->space));
  PetscCall(Number(v, e));
  e->now = (Spectrum){.n = e->space.n, .p = e->space.p, .ml = ml, .exact = true, .n_traces = 1, .constant = SpectralConstant(&e->space, ml)};
  PetscCall(PetscCalloc1(1, &e->now.trace));
  PetscCall(PetscMalloc1(e->space.n, &b));
  PetscCall(Observations(v, e, b, &square));
  PetscCall(Decompose(v, e, true, b, square, &e->now.y));
  PetscCall(PetscFree(b));
  if (ml) {
    SpectralQuadrature all;

    PetscCall(Decompose(v, e, false, NULL, 1.0, &all));
    PetscCall(CountEach(&all, 0, e->now.trace));
    PetscCall(SpectralQuadratureDestroy(&all));
  } else PetscCall(CountEach(&e->now.y, e->space.p, e->now.trace));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Evaluate_Eigen(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  const Eigen *e = v->engine_data;

  PetscFunctionBegin;
  SpectrumEvaluate(&e->now, theta, point);
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode Destroy_Eigen(MeritVarcomp v)
{
  Eigen *e = v->engine_data;

  PetscFunctionBegin;
  PetscCall(SpectralQuadratureDestroy(&e->now.y));
  PetscCall(SpectralQuadratureDestroy(e->now.trace));
  PetscCall(PetscFree(e->now.trace));
  PetscCall(PetscFree3(e->record, e->count, e->begin));
  PetscCall(SpectralSpaceDestroy(&e->space));
  PetscCall(PetscFree(e));
  v->engine_data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Eigen = {"eigen", SetUp_Eigen, Evaluate_Eigen, Destroy_Eigen, NULL};

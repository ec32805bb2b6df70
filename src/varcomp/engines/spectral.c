/*
  Engine `eigen`, exact, for one variance beside the residual's.

  S B S is formed, the columns over the ranks, and reduced once; then the likelihood at any
  variances costs as many operations as there are observations (Kang et al. 2008 and Zhou and
  Stephens 2012 do so for one rank). The likelihood needs the eigenvalues, and the squared
  length of the observations along each eigenvector. The observations are sent to the first axis
  before the reduction, so these lengths are the first row of the eigenvectors of the
  tridiagonal matrix, and no other part of an eigenvector is needed.
*/
#include "spectrum.h"
#include <stdio.h>

enum { MOST_OBSERVATIONS = 100000 }; /* observations */

/* The engine's data: the space, the order of the observations, and what the likelihood needs */
typedef struct {
  RecordSpace      space;
  ObservationOrder order;
  Spectrum         now;
} Eigen;

/*
  Eigenvalues of S B S (project) or B as nodes of q, new; weights are the squared lengths of b
  [n] along the eigenvectors (b NULL: of any vector), `square` its squared length. The matrix is
  freed before the eigenvalues are computed. Collective.
*/
static PetscErrorCode Decompose(MeritVarcomp v, Eigen *e, bool project, const double b[], double square, SpectralQuadrature *q)
{
  const int    n = (int)e->space.n;
  ColumnMatrix a;
  double      *below;

  PetscFunctionBegin;
  PetscCall(ColumnMatrixCreate(v->comm, n, &a));
  PetscCall(ObservationMatrixForm(&e->space, &e->order, "eigen", &a));
  if (project) PetscCall(ObservationMatrixProject(&e->space, &e->order, &a));
  MeritLogProgress(0.0, "eigen: eigenvalues of order %d", n);
  PetscCall(SpectralQuadratureCreate(n, q));
  PetscCall(PetscMalloc1(n + 1, &below));
  PetscCall(ColumnMatrixReduce(&a, b, q->node, below));
  PetscCall(ColumnMatrixDestroy(&a));
  if (!SpectralGauss(square, below, q))
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "the eigenvalues of a matrix of order %d were not found", n));
  PetscCall(PetscFree(below));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Traces: every eigenvalue counts once. S makes n_none of them 0, those of the fixed effects,
  and they do not count at all: a last node of 0 has the weight -n_none.
*/
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

/*
  The observations without fixed effects, b [n] of all ranks on each, and their squared length.
  Collective.
*/
static PetscErrorCode GatherObservations(Eigen *e, double b[], double *square)
{
  double *y;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(e->space.n_records, &y));
  PetscCall(RecordSpaceObservations(&e->space, y));
  PetscCall(ObservationOrderGather(&e->space, &e->order, y, b));
  *square = 0.0;
  for (int64_t i = 0; i < e->space.n; i++) *square += b[i] * b[i];
  PetscCall(PetscFree(y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  VarcompEigenBytes - The matrix, the lower half of that between animals, and what the reduction
  works with. Not collective.
*/
double VarcompEigenBytes(MeritVarcomp v, int ranks)
{
  const double n = (double)v->run.n_observations;

  return (8.0 * n * n + 4.0 * n * n) / ranks + 8.0 * n * 16.0 * COLUMN_MATRIX_WIDTH;
}

/*
  The order of the matrix is an int; its bytes were compared with the memory when the engine was
  chosen
*/
static PetscErrorCode CheckOrder(MeritVarcomp v)
{
  PetscFunctionBegin;
  if (v->run.n_observations > MOST_OBSERVATIONS)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine eigen takes %d observations at most, not %lld; use lanczos",
                         (int)MOST_OBSERVATIONS, (long long)v->run.n_observations));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  All of the work is here. REML has data and traces from the eigenvalues of S B S; ml has the
  data from these, but the traces from the eigenvalues of B itself. Collective.
*/
static PetscErrorCode SetUp_Spectral(MeritVarcomp v)
{
  const bool ml = v->settings.method == MERIT_VARCOMP_ML;
  Eigen     *e;
  double    *b, square = 0.0;

  PetscFunctionBegin;
  PetscCall(CheckOrder(v));
  PetscCall(PetscNew(&e));
  v->run.engine_data = e;
  PetscCall(RecordSpaceCreate(v, "eigen", &e->space));
  PetscCall(ObservationOrderCreate(&e->space, &e->order));
  e->now = (Spectrum){.n = e->space.n, .p = e->space.p, .ml = ml, .exact = true, .n_traces = 1, .constant = RecordSpaceConstant(&e->space, ml)};
  PetscCall(PetscCalloc1(1, &e->now.trace));
  PetscCall(PetscMalloc1(e->space.n, &b));
  PetscCall(GatherObservations(e, b, &square));
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

/* The engine's values at theta, the same on every rank. Not collective. */
static PetscErrorCode Evaluate_Spectral(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  const Eigen *e = v->run.engine_data;

  PetscFunctionBegin;
  SpectrumEvaluate(&e->now, theta, point);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free the engine's data. Collective. */
static PetscErrorCode Destroy_Spectral(MeritVarcomp v)
{
  Eigen *e = v->run.engine_data;

  PetscFunctionBegin;
  PetscCall(SpectralQuadratureDestroy(&e->now.y));
  PetscCall(SpectralQuadratureDestroy(e->now.trace));
  PetscCall(PetscFree(e->now.trace));
  PetscCall(ObservationOrderDestroy(&e->order));
  PetscCall(RecordSpaceDestroy(&e->space));
  PetscCall(PetscFree(e));
  v->run.engine_data = NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Spectral = {.name           = "eigen",
                                              .check          = RecordSpaceCheck,
                                              .setup          = SetUp_Spectral,
                                              .evaluate       = Evaluate_Spectral,
                                              .destroy        = Destroy_Spectral,
                                              .foresee        = VarcompForeseeSpectral,
                                              .likelihood     = true,
                                              .cheap_rounds   = true,
                                              .residual_floor = 1e-6};

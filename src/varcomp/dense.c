/* Exact where observations are few, whatever the terms: REML from P itself. */
#include "forms.h"
#include <math.h>

typedef struct {
  Forms   f;
  double *P, *PA; /* [n * n] rank 0; owned */
  double *work;   /* [(m + 2) * n]; owned */
} Dense;

static PetscErrorCode Destroy_Dense(MeritVarcomp v)
{
  Dense *d = v->engine_data;

  PetscFunctionBegin;
  PetscCall(FormsDestroy(&d->f));
  PetscCall(PetscFree(d->P));
  PetscCall(PetscFree(d->PA));
  PetscCall(PetscFree(d->work));
  PetscCall(PetscFree(v->engine_data));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode SetUp_Dense(MeritVarcomp v)
{
  Dense *d;

  PetscFunctionBegin;
  for (int i = 0; i < v->n; i++)
    if (v->component[i].row || v->component[i].residual)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                           "engine dense is for one trait, terms of one component and one residual variance; use auto"));
  if (v->formula->n_traits > 1 || v->method == MERIT_VARCOMP_ML)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine dense is for reml of one trait; use auto"));
  PetscCall(PetscNew(&d));
  v->engine_data = d;
  PetscCall(FormsCreate(v, "engine dense", &d->f));
  if (v->rank) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)d->f.n * (size_t)d->f.n, &d->P));
  PetscCall(PetscMalloc1((size_t)d->f.n * (size_t)d->f.n, &d->PA));
  PetscCall(PetscMalloc1((size_t)d->f.n * (size_t)(d->f.m + 3), &d->work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

static double Dot(int n, const double *x, const double *y)
{
  double sum = 0.0;

  for (int i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/* Score and average information; components are the random terms in order, then the residual */
static void Point(Dense *d, VarcompPoint *point)
{
  const Forms *f  = &d->f;
  const int    n  = f->n, m = f->m;
  double      *Py = d->work, *Pf = Py + n, *F = Pf + n;

  FormsApply(n, d->P, f->y, Py);
  for (int k = 0; k <= m; k++) {
    const double *A = k < m ? f->A[k] : f->S;

    FormsApply(n, A, Py, F + (size_t)k * (size_t)n);
    point->score[k] = 0.5 * (Dot(n, Py, F + (size_t)k * (size_t)n) - FormsTrace(n, d->P, A));
  }
  for (int k = 0; k <= m; k++) {
    FormsApply(n, d->P, F + (size_t)k * (size_t)n, Pf);
    for (int l = 0; l <= m; l++) point->information[k * (m + 1) + l] = 0.5 * Dot(n, Pf, F + (size_t)l * (size_t)n);
  }
}

static PetscErrorCode Evaluate_Dense(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  Dense *d = v->engine_data;
  double log_determinant;
  int    definite = 1;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(point->noise, v->n * v->n));
  if (!v->rank) {
    definite = FormsInverse(&d->f, theta, d->P, &log_determinant);
    if (definite) {
      Point(d, point);
      point->log_likelihood = -0.5 * (d->f.constant + log_determinant + Dot(d->f.n, d->f.y, d->work));
    }
  }
  PetscCallMPI(MPI_Bcast(&definite, 1, MPI_INT, 0, v->comm));
  if (!definite) PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, NULL, "the covariance matrix of the observations is not definite"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_Dense = {"dense", SetUp_Dense, Evaluate_Dense, Destroy_Dense};

/*
  Engine `dense`, exact where observations are few, whatever the terms: from P itself, n x n, on
  rank 0.

  Score_k = (y'P V_k P y - tr(P V_k)) / 2, information_kl = y'P V_k P V_l P y / 2. The traces
  are those of P V_k for restricted maximum likelihood, those of V^-1 V_k for maximum
  likelihood. Other ranks take part in the forming of the matrices only; RemlEvaluate sends them
  the values.
*/
#include "projected.h"
#include <math.h>

typedef struct {
  ProjectedCovariances f;
  double              *P, *V; /* [n * n] P, V^-1 (ml); rank 0; owned */
  double              *work;  /* [(m + 3) * n]; owned */
} Dense;

/* Free the engine's data. Not collective. */
static PetscErrorCode Destroy_DenseV(MeritVarcomp v)
{
  Dense *d = v->run.engine_data;

  PetscFunctionBegin;
  PetscCall(ProjectedDestroy(&d->f));
  PetscCall(PetscFree(d->P));
  PetscCall(PetscFree(d->V));
  PetscCall(PetscFree(d->work));
  PetscCall(PetscFree(v->run.engine_data));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The models that it is for */
static PetscErrorCode Check_DenseV(MeritVarcomp v, const char name[])
{
  PetscFunctionBegin;
  for (int i = 0; i < v->n; i++)
    if (v->component[i].row || v->component[i].residual)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine",
                           "engine %s is for one trait, terms of one component and one residual variance; use auto", name));
  if (v->formula->n_traits > 1) PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.engine", "engine %s is for one trait; use auto", name));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The matrices A_k and S to rank 0. Errors: USAGE without room. Collective. */
static PetscErrorCode SetUp_DenseV(MeritVarcomp v)
{
  Dense *d;

  PetscFunctionBegin;
  PetscCall(PetscNew(&d));
  v->run.engine_data = d;
  PetscCall(ProjectedCreate(v, "engine dense", &d->f));
  if (v->rank) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)d->f.n * (size_t)d->f.n, &d->P));
  if (v->settings.method == MERIT_VARCOMP_ML) PetscCall(PetscMalloc1((size_t)d->f.n * (size_t)d->f.n, &d->V));
  PetscCall(PetscMalloc1((size_t)d->f.n * (size_t)(d->f.m + 3), &d->work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x'y */
static double DotColumns(int n, const double *x, const double *y)
{
  double sum = 0.0;

  for (int i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/*
  tr(P V_k), or for maximum likelihood tr(V^-1 V_k), where the residual's V_k is I and the trace
  the sum of the diagonal
*/
static double TraceOf(const Dense *d, int k)
{
  const ProjectedCovariances *f   = &d->f;
  double                      sum = 0.0;

  if (!d->V) return ProjectedTrace(f->n, d->P, k < f->m ? f->A[k] : f->S);
  if (k < f->m) return ProjectedTrace(f->n, d->V, f->B[k]);
  for (size_t i = 0; i < (size_t)f->n; i++) sum += d->V[i * (size_t)(f->n + 1)];
  return sum;
}

/*
  Score and average information on rank 0; components are the random terms in order, then the
  residual. Afterwards the first n numbers of d->work are P y, from which the caller has y'P y.
*/
static void Point(Dense *d, VarcompPoint *point)
{
  const ProjectedCovariances *f = &d->f;
  const int                   n = f->n, m = f->m;
  double                     *Py = d->work, *Pf = Py + n, *F = Pf + n;

  ProjectedApply(n, d->P, f->y, Py);
  for (int k = 0; k <= m; k++) {
    const double *A = k < m ? f->A[k] : f->S;

    ProjectedApply(n, A, Py, F + (size_t)k * (size_t)n);
    point->score[k] = 0.5 * (DotColumns(n, Py, F + (size_t)k * (size_t)n) - TraceOf(d, k));
  }
  for (int k = 0; k <= m; k++) {
    ProjectedApply(n, d->P, F + (size_t)k * (size_t)n, Pf);
    for (int l = 0; l <= m; l++) point->information[k * (m + 1) + l] = 0.5 * DotColumns(n, Pf, F + (size_t)l * (size_t)n);
  }
}

/* The engine's values at theta, on rank 0; whether V is definite is known to all. Collective. */
static PetscErrorCode Evaluate_DenseV(MeritVarcomp v, const double theta[], VarcompPoint *point)
{
  Dense *d = v->run.engine_data;
  double log_determinant;
  int    definite = 1;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(point->mc_covariance, v->n * v->n));
  if (!v->rank) {
    definite = ProjectedInverse(&d->f, theta, d->P, d->V ? NULL : &log_determinant);
    if (d->V) definite = definite && ProjectedCovarianceInverse(&d->f, theta, d->V, &log_determinant);
    if (definite) {
      Point(d, point);
      point->log_likelihood = -0.5 * (d->f.constant + log_determinant + DotColumns(d->f.n, d->f.y, d->work));
    }
  }
  PetscCallMPI(MPI_Bcast(&definite, 1, MPI_INT, 0, v->comm));
  if (!definite && v->run.trying) VarcompNoPoint(v, point);
  else if (!definite)
    PetscCall(MeritRaise(
        MERIT_ERROR_INPUT, NULL, 0, NULL,
        "the covariance matrix of the observations is not positive definite to rounding; the residual variance is too small beside the others"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

const VarcompEngine VarcompEngine_DenseV = {.name           = "dense",
                                            .check          = Check_DenseV,
                                            .setup          = SetUp_DenseV,
                                            .evaluate       = Evaluate_DenseV,
                                            .destroy        = Destroy_DenseV,
                                            .foresee        = VarcompForeseeDenseV,
                                            .likelihood     = true,
                                            .residual_floor = 1e-6};

/*
  Lanczos processes of a block of vectors, without their bases.

  A step with now = v_i: next = S B S v_i - beta_(i-1) v_(i-1), alpha_i = v_i'next, next -=
  alpha_i v_i, beta_i = |next|, v_(i+1) = next / beta_i. The tridiagonal matrix of alpha and
  beta is all that is kept of a step. Nothing is made orthogonal anew: rounding makes copies of
  eigenvalues then, which share their weight, and a Gauss quadrature does not mind. Each of the
  k columns is a process of its own; they are in one block since products with genotypes are
  cheaper that way.
*/
#include "spectrum.h"
#include <math.h>

/* sum [k], sum[j] = a_j'b_j over all ranks, for blocks [n_records * k]. Collective. */
static PetscErrorCode DotsOfVectors(Krylov *p, const double a[], const double b[], double sum[])
{
  const int32_t n = p->space->n_records;
  const int     k = p->k;

  PetscFunctionBegin;
  for (int j = 0; j < k; j++) sum[j] = 0.0;
  for (int32_t i = 0; i < n; i++)
    for (int j = 0; j < k; j++) sum[j] += a[(int64_t)i * k + j] * b[(int64_t)i * k + j];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sum, k, MPI_DOUBLE, MPI_SUM, p->space->comm));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* next -= c_j old_j */
static void SubtractLast(Krylov *p, const double c[], const double old[])
{
#pragma omp parallel for schedule(static) if ((int64_t)p->space->n_records * p->k > 10000)
  for (int32_t i = 0; i < p->space->n_records; i++)
    for (int j = 0; j < p->k; j++) p->next[(int64_t)i * p->k + j] -= c[j] * old[(int64_t)i * p->k + j];
}

/*
  next becomes now, of length 1, now becomes before, and before's array is next's. A process
  whose vector is nothing but rounding beside size[j] has come to its end: its length and vector
  become 0. p->sum is work.
*/
static void Advance(Krylov *p, double length[], const double size[])
{
  double *last = p->before;

  for (int j = 0; j < p->k; j++) {
    if (!(length[j] > 1e-14 * size[j])) length[j] = 0.0;
    p->sum[j] = length[j] > 0.0 ? 1.0 / length[j] : 0.0;
  }
#pragma omp parallel for schedule(static) if ((int64_t)p->space->n_records * p->k > 10000)
  for (int32_t i = 0; i < p->space->n_records; i++)
    for (int j = 0; j < p->k; j++) p->next[(int64_t)i * p->k + j] *= p->sum[j];
  p->before = p->now;
  p->now    = p->next;
  p->next   = last;
}

/* KrylovCreate - See the header. alpha and sum are work until the first step. Collective. */
PetscErrorCode KrylovCreate(RecordSpace *space, int k, bool project, bool single, const double start[], Krylov *p)
{
  const size_t size = (size_t)space->n_records * (size_t)k;

  PetscFunctionBegin;
  *p = (Krylov){.space = space, .k = k, .room = 64, .project = project, .single = single};
  PetscCall(PetscMalloc4(k, &p->square, k, &p->sum, (size_t)(p->room * k), &p->alpha, (size_t)(p->room * k), &p->beta));
  PetscCall(PetscMalloc1(size, &p->now));
  PetscCall(PetscCalloc1(size, &p->before));
  PetscCall(PetscMalloc1(size, &p->next));
  PetscCall(PetscArraycpy(p->next, start, size));
  if (project) PetscCall(RecordSpaceProject(space, k, p->next));
  PetscCall(DotsOfVectors(p, p->next, p->next, p->square));
  for (int j = 0; j < k; j++) {
    p->alpha[j] = sqrt(p->square[j]);
    p->sum[j]   = 0.0;
  }
  Advance(p, p->alpha, p->sum);
  PetscCall(PetscArrayzero(p->before, size));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* KrylovDestroy - See the header. Not collective. */
PetscErrorCode KrylovDestroy(Krylov *p)
{
  PetscFunctionBegin;
  PetscCall(PetscFree4(p->square, p->sum, p->alpha, p->beta));
  PetscCall(PetscFree(p->now));
  PetscCall(PetscFree(p->before));
  PetscCall(PetscFree(p->next));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Room for the coefficients of one more step: twice as much when it is used up */
static PetscErrorCode Grow(Krylov *p)
{
  const size_t has = (size_t)(p->room * p->k);
  Krylov       old = *p;

  PetscFunctionBegin;
  if (p->steps < p->room) PetscFunctionReturn(PETSC_SUCCESS);
  p->room *= 2;
  PetscCall(PetscMalloc4(p->k, &p->square, p->k, &p->sum, 2 * has, &p->alpha, 2 * has, &p->beta));
  PetscCall(PetscArraycpy(p->square, old.square, p->k));
  PetscCall(PetscArraycpy(p->alpha, old.alpha, has));
  PetscCall(PetscArraycpy(p->beta, old.beta, has));
  PetscCall(PetscFree4(old.square, old.sum, old.alpha, old.beta));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* KrylovStep - See the header. Collective. */
PetscErrorCode KrylovStep(Krylov *p)
{
  double *alpha, *beta;

  PetscFunctionBegin;
  PetscCall(Grow(p));
  alpha = p->alpha + p->steps * p->k;
  beta  = p->beta + p->steps * p->k;
  PetscCall(RecordSpaceCovariance(p->space, p->k, p->single, p->now, p->next));
  if (p->project) PetscCall(RecordSpaceProject(p->space, p->k, p->next));
  if (p->steps) SubtractLast(p, beta - p->k, p->before);
  PetscCall(DotsOfVectors(p, p->now, p->next, alpha));
  SubtractLast(p, alpha, p->now);
  PetscCall(DotsOfVectors(p, p->next, p->next, beta));
  for (int j = 0; j < p->k; j++) {
    beta[j]   = sqrt(beta[j]);
    p->sum[j] = fabs(alpha[j]) + (p->steps ? (beta - p->k)[j] : 0.0);
  }
  Advance(p, beta, p->sum);
  p->steps++;
  MeritLogProgress(-1, "Lanczos step %d of %s", p->steps, p->k > 1 ? "the samples" : "the observations");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  KrylovQuadrature - See the header. Errors: SYSTEM where the eigenvalues do not converge. Not
  collective.
*/
PetscErrorCode KrylovQuadrature(int steps, int stride, const double alpha[], const double beta[], double total, SpectralQuadrature *q)
{
  double *below;

  PetscFunctionBegin;
  PetscCall(SpectralQuadratureCreate(steps, q));
  PetscCall(PetscMalloc1(steps + 1, &below));
  for (int i = 0; i < steps; i++) {
    q->node[i] = alpha[i * stride];
    below[i]   = beta[i * stride];
  }
  if (!SpectralGauss(total, below, q))
    PetscCall(MeritRaise(MERIT_ERROR_SYSTEM, NULL, 0, NULL, "the eigenvalues of a tridiagonal matrix of order %d were not found", steps));
  PetscCall(PetscFree(below));
  PetscFunctionReturn(PETSC_SUCCESS);
}

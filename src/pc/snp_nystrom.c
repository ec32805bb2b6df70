/*
  A low-rank preconditioner of the equations of an SNP term. Their part of C is about D (x) A + G^-1 (x) I, A = M'WM over SNPs and D
  over traits, so with A = U Lambda U' along a few directions and lambda, the least kept, for the rest (Frangella, Tropp and Udell
  2023), and with T'G^-1 T = I, T'D T = diag(delta), its inverse is
    sum_i u_i u_i' (x) T diag(1 / (delta lambda_i + 1)) T' + (I - U U') (x) T diag(1 / (delta lambda + 1)) T'.
  Another D or G changes T and delta alone.
*/
#include "snp_impl.h"
#include <math.h>
#include <omp.h>
#include <petscblaslapack.h>

/*
  MeritSnpNystromMean - Blocks D of the genotype rows, as `MeritMMEGenotypedBlocks()`, and their mean over the rows with records.

  Collective. D is owned by the caller, PetscFree; mean [n_eq * n_eq].
*/
PetscErrorCode MeritSnpNystromMean(Mat C, int term, double **D, double mean[])
{
  MeritModel           model;
  const MeritTermView *t;
  int64_t              n_rows;
  int                  size;
  double              *sums;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(C, &model));
  MeritModelTerms(model, &t);
  size   = t[term].n_eq * t[term].n_eq;
  n_rows = MeritGenotypesTile(MeritModelGenotypes(model))->n_rows;
  PetscCall(MeritMMEGenotypedBlocks(C, term, NULL, D));
  PetscCall(PetscCalloc1(size + 1, &sums));
  /* only grid column 0 has blocks that are not 0, so each animal counts once */
  for (int64_t row = 0; row < n_rows; row++) {
    bool any = false;

    for (int i = 0; i < size; i++) {
      sums[i] += (*D)[row * size + i];
      any = any || (*D)[row * size + i] != 0.0;
    }
    sums[size] += any;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, size + 1, MPI_DOUBLE, MPI_SUM, MeritModelComm(model)));
  for (int i = 0; i < size; i++) mean[i] = sums[size] > 0.0 ? sums[i] / sums[size] : 0.0;
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* T [n * n] with T'G^-1 T = I and T'D T = diag(delta), columns of T one after another, delta
   ascending: the generalised eigenproblem D t = delta G^-1 t (LAPACK sygv). Not collective. */
static PetscErrorCode Canonical(int n, const double *D, const double *G_inverse, double *T, double *delta)
{
  double      *B, *work;
  PetscBLASInt size, info, type = 1, room;

  PetscFunctionBegin;
  PetscCall(PetscBLASIntCast(n, &size));
  room = 8 * size;
  PetscCall(PetscMalloc2((size_t)(n * n), &B, room, &work));
  PetscCall(PetscArraycpy(T, D, n * n));
  PetscCall(PetscArraycpy(B, G_inverse, n * n));
  PetscCallBLAS("LAPACKsygv", LAPACKsygv_(&type, "V", "L", &size, T, &size, B, &size, delta, work, &room, &info));
  PetscCheck(!info, PETSC_COMM_SELF, PETSC_ERR_LIB, "sygv: info %d", (int)info);
  PetscCall(PetscFree2(B, work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpNystromScale - The largest delta: what an eigenvalue of A counts over the penalty at most. Not collective. */
PetscErrorCode MeritSnpNystromScale(const MeritTermView *t, const double mean[], double *scale)
{
  double *T, *delta;

  PetscFunctionBegin;
  PetscCall(PetscMalloc2((size_t)(t->n_eq * t->n_eq), &T, t->n_eq, &delta));
  PetscCall(Canonical(t->n_eq, mean, t->G_inverse, T, delta));
  *scale = PetscMax(delta[t->n_eq - 1], 0.0);
  PetscCall(PetscFree2(T, delta));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* to [n * n] = T diag(1 / (delta lambda + 1)) T' = (lambda D + G^-1)^-1. A delta below 0 is
   rounding. */
static void Inverse(int n, const double *T, const double *delta, double lambda, double *to)
{
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      to[a * n + b] = 0.0;
      for (int c = 0; c < n; c++) to[a * n + b] += T[c * n + a] * T[c * n + b] / (PetscMax(delta[c], 0.0) * lambda + 1.0);
    }
}

/* MeritSnpNystromSetUp - Take over the present variances. Not collective; the sketch must
   outlive the result. */
PetscErrorCode MeritSnpNystromSetUp(const MeritTermView *t, const MeritSketch *sketch, const double mean[], MeritSnpNystrom *y)
{
  const int n = t->n_eq, size = n * n, rank = sketch->rank;
  double   *T, *delta;

  PetscFunctionBegin;
  y->sketch = sketch;
  PetscCall(PetscMalloc2(size, &T, n, &delta));
  PetscCall(PetscMalloc1((size_t)rank * (size_t)size + 1, &y->along));
  PetscCall(PetscMalloc1(size, &y->off));
  PetscCall(Canonical(n, mean, t->G_inverse, T, delta));
  /* off the columns, the least eigenvalue that was kept is taken for all others */
  Inverse(n, T, delta, sketch->least, y->off);
  for (int i = 0; i < rank; i++) {
    Inverse(n, T, delta, sketch->lambda[i], y->along + i * size);
    for (int j = 0; j < size; j++) y->along[i * size + j] -= y->off[j];
  }
  PetscCall(PetscFree2(T, delta));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* coeff = this rank's part of U' X, [rank * width]; `width` numbers for each SNP. Each thread
   has columns of its own, so that nothing is added across threads, and sums have the same order
   on any number of threads. */
static void Project(const MeritSketch *s, int width, const double *X, double *coeff)
{
#pragma omp parallel
  {
    const int n_threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int first = (int)((int64_t)s->rank * thread / n_threads), last = (int)((int64_t)s->rank * (thread + 1) / n_threads);

    for (int i = first * width; i < last * width; i++) coeff[i] = 0.0;
    for (int32_t snp = 0; snp < s->n_owned; snp++) {
      const float  *u = s->U + (size_t)snp * (size_t)s->rank;
      const double *x = X + (int64_t)snp * width;

      if (width == 1)
        for (int i = first; i < last; i++) coeff[i] += (double)u[i] * x[0];
      else
        for (int i = first; i < last; i++)
          for (int j = 0; j < width; j++) coeff[i * width + j] += (double)u[i] * x[j];
    }
  }
}

/* to [n * k] = B [n * n] from [n * k], for one SNP. */
static void Multiply(int n, int k, const double *B, const double *from, double *to)
{
  for (int a = 0; a < n; a++)
    for (int j = 0; j < k; j++) {
      double sum = 0.0;

      for (int b = 0; b < n; b++) sum += B[a * n + b] * from[b * k + j];
      to[a * k + j] = sum;
    }
}

/* Y = off X + U coeff over the SNPs of this rank. Along a column of U the inverse is off +
   along: `along` was applied to the coefficients before. */
static void Expand(const MeritTermView *t, const MeritSnpNystrom *y, int k, const double *X, double *Y)
{
  const MeritSketch *s     = y->sketch;
  const int          width = t->n_eq * k;

#pragma omp parallel for schedule(static)
  for (int32_t snp = 0; snp < s->n_owned; snp++) {
    const float *u  = s->U + (size_t)snp * (size_t)s->rank;
    double      *to = Y + (int64_t)snp * width;

    Multiply(t->n_eq, k, y->off, X + (int64_t)snp * width, to);
    if (width == 1) {
      double sum = 0.0;

      for (int i = 0; i < s->rank; i++) sum += (double)u[i] * y->coeff[i];
      to[0] += sum;
    } else
      for (int i = 0; i < s->rank; i++)
        for (int j = 0; j < width; j++) to[j] += (double)u[i] * y->coeff[i * width + j];
  }
}

/* *from: X [n * k] with zeros where equations are constrained, if any is; else X itself. *own is to
   be freed. */
static PetscErrorCode Unpin(int64_t n, const uint8_t state[], int k, const double X[], const double **from, double **own)
{
  int64_t first = 0;

  PetscFunctionBegin;
  *from = X;
  *own  = NULL;
  while (first < n && state[first] == MERIT_EQ_OK) first++;
  if (first == n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscMalloc1((size_t)(n * k), own));
  for (int64_t i = 0; i < n * k; i++) (*own)[i] = state[i / k] == MERIT_EQ_OK ? X[i] : 0.0;
  *from = *own;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  MeritSnpNystromApply - Y = M^-1 X over the SNPs of one term; one reduction.

  Collective. X, Y [n_owned * n_eq * k] of the term, not the same; state [n_owned * n_eq] of its equations: constrained ones are kept.
*/
PetscErrorCode MeritSnpNystromApply(const MeritTermView *t, const uint8_t state[], MPI_Comm comm, MeritSnpNystrom *y, int k, const double X[],
                                    double Y[])
{
  const int     n = t->n_eq, rank = y->sketch->rank;
  const int64_t n_owned = (int64_t)t->n_owned * n;
  const double *from;
  double       *own, block[MERIT_MAX_COMPONENTS];

  PetscFunctionBegin;
  if (y->k != k) {
    PetscCall(PetscFree(y->coeff));
    PetscCall(PetscMalloc1((size_t)rank * (size_t)(n * k) + 1, &y->coeff));
    y->k = k;
  }
  PetscCall(Unpin(n_owned, state, k, X, &from, &own));
  Project(y->sketch, n * k, from, y->coeff);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, y->coeff, rank * n * k, MPI_DOUBLE, MPI_SUM, comm));
  for (int i = 0; i < rank; i++)
    for (int j = 0; j < k; j++) {
      double *c = y->coeff + (int64_t)i * n * k + j;

      for (int a = 0; a < n; a++) {
        block[a] = 0.0;
        for (int b = 0; b < n; b++) block[a] += y->along[(i * n + a) * n + b] * c[b * k];
      }
      for (int a = 0; a < n; a++) c[a * k] = block[a];
    }
  Expand(t, y, k, from, Y);
  for (int64_t i = 0; own && i < n_owned * k; i++)
    if (state[i / k] != MERIT_EQ_OK) Y[i] = X[i];
  PetscCall(PetscFree(own));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSnpNystromFree - Free what it holds, the sketch not. Not collective. */
PetscErrorCode MeritSnpNystromFree(MeritSnpNystrom *y)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(y->along));
  PetscCall(PetscFree(y->off));
  PetscCall(PetscFree(y->coeff));
  y->k = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

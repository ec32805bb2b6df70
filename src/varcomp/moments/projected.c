/*
  Dense matrices of a model on rank 0; the ranks form them together.

  Term by term B is formed with its columns over the ranks (space/matrix.c), gathered to rank 0,
  projected and gathered again; B itself is kept for ml only. Then S, from I, and the
  observations. Room on rank 0 is asked for before. Later functions run on rank 0 alone.
*/
#include "projected.h"
#include <math.h>
#include <petscblaslapack.h>
#include <stdio.h>

enum { MOST_OBSERVATIONS = 20000 }; /* observations */

/* The matrix to rank 0's all [n * n], column by column */
static PetscErrorCode GatherMatrix(const ColumnMatrix *a, double *all)
{
  const size_t n = (size_t)a->n;

  PetscFunctionBegin;
  for (int j = 0; j < a->n; j++) {
    int               position;
    const PetscMPIInt owner = ColumnMatrixOwner(a, j, &position);
    double           *own   = a->column + (size_t)position * n;

    if (owner && !a->rank) PetscCallMPI(MPI_Recv(all + (size_t)j * n, a->n, MPI_DOUBLE, owner, j, a->comm, MPI_STATUS_IGNORE));
    else if (owner == a->rank && a->rank) PetscCallMPI(MPI_Send(own, a->n, MPI_DOUBLE, 0, j, a->comm));
    else if (!owner && !a->rank) PetscCall(PetscArraycpy(all + (size_t)j * n, own, n));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mean of the diagonal */
static double MeanDiagonalOf(int n, const double *B)
{
  double sum = 0.0;

  for (size_t i = 0; i < (size_t)n; i++) sum += B[i * (size_t)(n + 1)] / n;
  return sum;
}

/*
  B_k and A_k of one term to rank 0, of B_k the mean diagonal alone where B is NULL everywhere.
  Collective.
*/
static PetscErrorCode Term(MeritVarcomp v, const char what[], int term, int n, double *A, double *B, double *mean)
{
  const bool       ml = v->settings.method == MERIT_VARCOMP_ML;
  RecordSpace      s;
  ObservationOrder o;
  ColumnMatrix     a;

  PetscFunctionBegin;
  PetscCall(RecordSpaceCreateTerm(v, what, term, &s));
  PetscCall(ObservationOrderCreate(&s, &o));
  PetscCall(ColumnMatrixCreate(v->comm, n, &a));
  PetscCall(ObservationMatrixForm(&s, &o, what, &a));
  PetscCall(GatherMatrix(&a, ml ? B : A));
  if (!v->rank) *mean = MeanDiagonalOf(n, ml ? B : A);
  PetscCall(ObservationMatrixProject(&s, &o, &a));
  PetscCall(GatherMatrix(&a, A));
  PetscCall(ColumnMatrixDestroy(&a));
  PetscCall(ObservationOrderDestroy(&o));
  PetscCall(RecordSpaceDestroy(&s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* S, and the observations with the fixed effects taken out, to rank 0. Collective. */
static PetscErrorCode Fixed(MeritVarcomp v, const char what[], ProjectedCovariances *f)
{
  RecordSpace      s;
  ObservationOrder o;
  ColumnMatrix     a;
  double          *y;

  PetscFunctionBegin;
  PetscCall(RecordSpaceCreateTerm(v, what, f->term[0], &s));
  PetscCall(ObservationOrderCreate(&s, &o));
  PetscCall(ColumnMatrixCreate(v->comm, f->n, &a));
  PetscCall(PetscArrayzero(a.column, (size_t)a.n_own * (size_t)f->n));
  for (int j = 0; j < a.n_own; j++) a.column[(size_t)j * (size_t)f->n + (size_t)ColumnMatrixColumn(&a, j)] = 1.0;
  PetscCall(ObservationMatrixProject(&s, &o, &a));
  PetscCall(GatherMatrix(&a, f->S));
  PetscCall(PetscMalloc1(s.n_records + 1, &y));
  PetscCall(RecordSpaceObservations(&s, y));
  PetscCall(ObservationOrderGather(&s, &o, y, f->y));
  f->constant = RecordSpaceConstant(&s, v->settings.method == MERIT_VARCOMP_ML);
  PetscCall(PetscFree(y));
  PetscCall(ColumnMatrixDestroy(&a));
  PetscCall(ObservationOrderDestroy(&o));
  PetscCall(RecordSpaceDestroy(&s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ProjectedFit - See the header. Collective. */
PetscErrorCode ProjectedFit(MeritVarcomp v, int n_random, bool *fits, double *bytes)
{
  const double n = (double)v->run.n_observations, needed = 8.0 * n * n * ((v->settings.method == MERIT_VARCOMP_ML ? 3 : 2) * n_random + 8);
  double       room;

  PetscFunctionBegin;
  PetscCall(VarcompRoom(v, &room));
  *fits = n <= MOST_OBSERVATIONS && (room < 0.0 || needed <= room);
  if (bytes) *bytes = needed;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Room on rank 0, agreed on */
static PetscErrorCode CheckMatricesRoom(MeritVarcomp v, const char what[], const ProjectedCovariances *f)
{
  static const char instead[] = "use reml, ml, or mivque0";
  char              text[128];
  double            bytes = 0.0;
  bool              fits;

  PetscFunctionBegin;
  PetscCall(ProjectedFit(v, f->m, &fits, &bytes));
  snprintf(text, sizeof(text), "%s forms matrices of %d x %d observations on one rank and", what, f->n, f->n);
  if (f->n > MOST_OBSERVATIONS)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp", "%s takes %d at most; %s", text, (int)MOST_OBSERVATIONS, instead));
  PetscCall(VarcompRefuse(v, text, bytes, instead));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ProjectedCreate - See the header. Collective. */
PetscErrorCode ProjectedCreate(MeritVarcomp v, const char what[], ProjectedCovariances *f)
{
  const MeritFormula *formula = v->formula;

  PetscFunctionBegin;
  *f = (ProjectedCovariances){.n = (int)v->run.n_observations, .df = v->run.n_observations - v->run.n_fixed};
  for (int k = 0; k < formula->n_terms; k++) f->m += !formula->term[k].fixed;
  PetscCall(CheckMatricesRoom(v, what, f));
  PetscCall(PetscCalloc5(f->m + 1, &f->term, f->m + 1, &f->A, f->m + 1, &f->B, f->m + 1, &f->mean, f->n, &f->y));
  if (!v->rank) PetscCall(PetscMalloc1((size_t)f->n * (size_t)f->n, &f->S));
  f->m = 0;
  for (int k = 0; k < formula->n_terms; k++) {
    if (formula->term[k].fixed) continue;
    if (!v->rank) PetscCall(PetscMalloc1((size_t)f->n * (size_t)f->n, &f->A[f->m]));
    if (!v->rank && v->settings.method == MERIT_VARCOMP_ML) PetscCall(PetscMalloc1((size_t)f->n * (size_t)f->n, &f->B[f->m]));
    f->term[f->m] = k;
    PetscCall(Term(v, what, k, f->n, f->A[f->m], f->B[f->m], &f->mean[f->m]));
    f->m++;
  }
  PetscCall(Fixed(v, what, f));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* ProjectedDestroy - See the header. Not collective. */
PetscErrorCode ProjectedDestroy(ProjectedCovariances *f)
{
  PetscFunctionBegin;
  for (int k = 0; k < f->m; k++) {
    PetscCall(PetscFree(f->A[k]));
    PetscCall(PetscFree(f->B[k]));
  }
  PetscCall(PetscFree(f->S));
  PetscCall(PetscFree5(f->term, f->A, f->B, f->mean, f->y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The upper triangle by rows becomes that of the inverse; false if the matrix is not definite */
static bool Invert(int n, double *P, double *log_determinant)
{
  const size_t size = (size_t)n;
  PetscBLASInt N    = n, info;

  LAPACKpotrf_("L", &N, P, &N, &info); /* the lower triangle by columns is the upper by rows */
  if (info) return false;
  if (log_determinant) *log_determinant = 0.0;
  for (size_t i = 0; i < size && log_determinant; i++) *log_determinant += 2.0 * log(P[i * (size + 1)]);
  LAPACKpotri_("L", &N, P, &N, &info);
  return info == 0;
}

/*
  ProjectedInverse - See the header. The matrix that is inverted has I in the space of the fixed
  effects, which S takes out: log |.| is that of V in the space that S leaves, and I - S is
  subtracted afterwards.
*/
bool ProjectedInverse(const ProjectedCovariances *f, const double theta[], double *P, double *log_determinant)
{
  const size_t n = (size_t)f->n;

  for (size_t e = 0; e < n * n; e++) {
    P[e] = (theta[f->m] - 1.0) * f->S[e] + (e % (n + 1) == 0);
    for (int k = 0; k < f->m; k++) P[e] += theta[k] * f->A[k][e];
  }
  if (!Invert(f->n, P, log_determinant)) return false;
  for (size_t i = 0; i < n; i++)
    for (size_t j = i; j < n; j++) {
      P[i * n + j] += f->S[i * n + j] - (i == j);
      P[j * n + i] = P[i * n + j];
    }
  return true;
}

/* ProjectedCovarianceInverse - See the header. Not collective. */
bool ProjectedCovarianceInverse(const ProjectedCovariances *f, const double theta[], double *inverse, double *log_determinant)
{
  const size_t n = (size_t)f->n;

  for (size_t e = 0; e < n * n; e++) {
    inverse[e] = e % (n + 1) ? 0.0 : theta[f->m];
    for (int k = 0; k < f->m; k++) inverse[e] += theta[k] * f->B[k][e];
  }
  if (!Invert(f->n, inverse, log_determinant)) return false;
  for (size_t i = 0; i < n; i++)
    for (size_t j = i + 1; j < n; j++) inverse[j * n + i] = inverse[i * n + j];
  return true;
}

/*
  ProjectedMultiply - See the header. BLAS takes matrices by columns and so sees the transposes:
  B' A' is (A B)'.
*/
void ProjectedMultiply(int n, const double *A, const double *B, double *C)
{
  const double one = 1.0, zero = 0.0;
  PetscBLASInt N = n;

  BLASgemm_("N", "N", &N, &N, &N, &one, B, &N, A, &N, &zero, C, &N);
}

void ProjectedApply(int n, const double *A, const double *x, double *y)
{
  for (int i = 0; i < n; i++) {
    y[i] = 0.0;
    for (int j = 0; j < n; j++) y[i] += A[(size_t)i * (size_t)n + (size_t)j] * x[j];
  }
}

double ProjectedTrace(int n, const double *A, const double *B)
{
  const size_t N   = (size_t)n;
  double       sum = 0.0;

  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < N; j++) sum += A[i * N + j] * B[j * N + i];
  return sum;
}

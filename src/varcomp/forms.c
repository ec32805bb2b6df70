/* Dense matrices of a model on rank 0, by products with unit vectors. */
#include "forms.h"
#include <math.h>
#include <merit/memory.h>
#include <merit/unit.h>
#include <petscblaslapack.h>

/* Columns at once; observations at most */
enum { BLOCK = 32, MOST = 20000 };

/* Whose observations come when */
typedef struct {
  int          n_own, first;
  int32_t     *record;        /* [n_own] */
  PetscMPIInt *count, *begin; /* [size] */
} Order;

static PetscErrorCode OrderCreate(MeritVarcomp v, const SpectralSpace *s, Order *o)
{
  PetscFunctionBegin;
  *o = (Order){0};
  PetscCall(PetscMalloc3(s->n_records + 1, &o->record, v->size, &o->count, v->size, &o->begin));
  for (int32_t i = 0; i < s->n_records; i++)
    if (s->root[i] > 0.0) o->record[o->n_own++] = i;
  PetscCallMPI(MPI_Allgather(&o->n_own, 1, MPI_INT, o->count, 1, MPI_INT, v->comm));
  for (int r = 0; r < v->size; r++) o->begin[r] = r ? o->begin[r - 1] + o->count[r - 1] : 0;
  o->first = o->begin[v->rank];
  PetscFunctionReturn(PETSC_SUCCESS);
}

static PetscErrorCode OrderDestroy(Order *o)
{
  PetscFunctionBegin;
  PetscCall(PetscFree3(o->record, o->count, o->begin));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x [n_records * k] of all ranks to rows of rank 0's all [n * k] */
static PetscErrorCode Gather(MeritVarcomp v, const Order *o, int k, const double *x, double *all)
{
  MPI_Datatype unit;
  double      *own;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)o->n_own * (size_t)k + 1, &own));
  for (int i = 0; i < o->n_own; i++) PetscCall(PetscArraycpy(own + (int64_t)i * k, x + (int64_t)o->record[i] * k, k));
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCallMPI(MPI_Gatherv(own, o->n_own, unit, all, o->count, o->begin, unit, 0, v->comm));
  PetscCall(MeritUnitFree(&unit));
  PetscCall(PetscFree(own));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns by unit vectors: S (covariance false), B, or S B S */
static PetscErrorCode Columns(MeritVarcomp v, SpectralSpace *s, bool project, bool covariance, int n, double *to)
{
  double *x, *y, *all;
  Order   o;

  PetscFunctionBegin;
  PetscCall(OrderCreate(v, s, &o));
  PetscCall(PetscMalloc3((size_t)s->n_records * BLOCK + 1, &x, (size_t)s->n_records * BLOCK + 1, &y, (size_t)n * BLOCK + 1, &all));
  for (int first = 0; first < n; first += BLOCK) {
    const int k = PetscMin(BLOCK, n - first);

    PetscCall(PetscArrayzero(x, (size_t)s->n_records * (size_t)k));
    for (int j = 0; j < k; j++)
      if (first + j >= o.first && first + j < o.first + o.n_own) x[(int64_t)o.record[first + j - o.first] * k + j] = 1.0;
    if (project) PetscCall(SpectralProject(s, k, x));
    if (covariance) PetscCall(SpectralCovariance(s, k, false, x, y));
    if (covariance && project) PetscCall(SpectralProject(s, k, y));
    PetscCall(Gather(v, &o, k, covariance ? y : x, all));
    for (int i = 0; !v->rank && i < n; i++)
      for (int j = 0; j < k; j++) to[(size_t)i * (size_t)n + (size_t)(first + j)] = all[(size_t)i * (size_t)k + (size_t)j];
  }
  PetscCall(PetscFree3(x, y, all));
  PetscCall(OrderDestroy(&o));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormsTerm - See the header. Collective. */
PetscErrorCode FormsTerm(MeritVarcomp v, const char what[], int term, bool project, int n, double *B, double *mean)
{
  SpectralSpace s;

  PetscFunctionBegin;
  PetscCall(SpectralSpaceOf(v, what, term, &s));
  PetscCall(Columns(v, &s, false, true, n, B));
  if (!v->rank && mean) {
    *mean = 0.0;
    for (int i = 0; i < n; i++) *mean += B[(size_t)i * (size_t)(n + 1)] / n;
  }
  if (project) PetscCall(Columns(v, &s, true, true, n, B));
  PetscCall(SpectralSpaceDestroy(&s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormsFit - See the header. Collective. */
PetscErrorCode FormsFit(MeritVarcomp v, int n_random, bool *fits, double *bytes)
{
  const double n = (double)v->n_observations, needed = 8.0 * n * n * ((v->method == MERIT_VARCOMP_ML ? 3 : 2) * n_random + 8);
  double       available;
  int          on_node;

  PetscFunctionBegin;
  PetscCall(MeritMemoryAvailable(v->comm, &available, &on_node));
  *fits = n <= MOST && (available < 0.0 || needed <= available);
  if (bytes) *bytes = needed;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Room on rank 0, agreed on */
static PetscErrorCode Room(MeritVarcomp v, const char what[], const Forms *f)
{
  double bytes = 0.0, available;
  char   size[2][32];
  int    on_node;
  bool   fits = false;

  PetscFunctionBegin;
  PetscCall(FormsFit(v, f->m, &fits, &bytes));
  if (fits) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritMemoryAvailable(v->comm, &available, &on_node));
  MeritBytesText(bytes, sizeof(size[0]), size[0]);
  MeritBytesText(available, sizeof(size[1]), size[1]);
  PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp",
                       "%s forms matrices of %d x %d observations, %s on one rank, which has %s; use reml, ml, or mivque0", what, f->n, f->n,
                       size[0], size[1]));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* FormsCreate - See the header. Collective. */
PetscErrorCode FormsCreate(MeritVarcomp v, const char what[], Forms *f)
{
  const MeritFormula *formula = v->formula;
  const bool          ml      = v->method == MERIT_VARCOMP_ML;
  SpectralSpace       s;
  Order               o;
  double             *y;

  PetscFunctionBegin;
  *f = (Forms){.n = (int)v->n_observations, .df = v->n_observations - v->n_fixed};
  for (int k = 0; k < formula->n_terms; k++) f->m += formula->term[k].kind != MERIT_TERM_FIXED;
  PetscCall(Room(v, what, f));
  PetscCall(PetscCalloc5(f->m + 1, &f->term, f->m + 1, &f->A, f->m + 1, &f->B, f->m + 1, &f->mean, f->n, &f->y));
  if (!v->rank) PetscCall(PetscMalloc1((size_t)f->n * (size_t)f->n, &f->S));
  f->m = 0;
  for (int k = 0; k < formula->n_terms; k++) {
    if (formula->term[k].kind == MERIT_TERM_FIXED) continue;
    if (!v->rank) PetscCall(PetscMalloc1((size_t)f->n * (size_t)f->n, &f->A[f->m]));
    f->term[f->m] = k;
    PetscCall(FormsTerm(v, what, k, true, f->n, f->A[f->m], &f->mean[f->m]));
    if (!v->rank && ml) PetscCall(PetscMalloc1((size_t)f->n * (size_t)f->n, &f->B[f->m]));
    if (ml) PetscCall(FormsTerm(v, what, k, false, f->n, f->B[f->m], NULL));
    f->m++;
  }
  PetscCall(SpectralSpaceOf(v, what, f->term[0], &s));
  PetscCall(Columns(v, &s, true, false, f->n, f->S));
  PetscCall(PetscMalloc1(s.n_records + 1, &y));
  PetscCall(SpectralObservations(&s, y));
  PetscCall(OrderCreate(v, &s, &o));
  PetscCall(Gather(v, &o, 1, y, f->y));
  f->constant = SpectralConstant(&s, ml);
  PetscCall(OrderDestroy(&o));
  PetscCall(PetscFree(y));
  PetscCall(SpectralSpaceDestroy(&s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

PetscErrorCode FormsDestroy(Forms *f)
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

bool FormsInverse(const Forms *f, const double theta[], double *P, double *log_determinant)
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

bool FormsCovarianceInverse(const Forms *f, const double theta[], double *inverse, double *log_determinant)
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

void FormsMultiply(int n, const double *A, const double *B, double *C)
{
  const double one = 1.0, zero = 0.0;
  PetscBLASInt N = n;

  BLASgemm_("N", "N", &N, &N, &N, &one, B, &N, A, &N, &zero, C, &N);
}

void FormsApply(int n, const double *A, const double *x, double *y)
{
  for (int i = 0; i < n; i++) {
    y[i] = 0.0;
    for (int j = 0; j < n; j++) y[i] += A[(size_t)i * (size_t)n + (size_t)j] * x[j];
  }
}

double FormsTrace(int n, const double *A, const double *B)
{
  const size_t N   = (size_t)n;
  double       sum = 0.0;

  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < N; j++) sum += A[i * N + j] * B[j * N + i];
  return sum;
}

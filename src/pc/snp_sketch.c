/*
  A randomised Nystrom approximation U Lambda U' of A = M'WM over the SNPs of one term
  (Frangella, Tropp and Udell 2023; shifted, with Cholesky, after Tropp, Yurtsever, Udell and
  Cevher 2017).

  1. Omega [n * m]: independent standard normal numbers, drawn by SNP, so that they do not
     depend on the ranks. Y = A Omega: one product with M and one with M' for each column.
  2. With a small shift nu, Y_nu = Y + nu Omega, and Omega' Y_nu = L L' (Cholesky).
  3. A is about B B' - nu I, B = Y_nu L^-T. Its eigenvalues are those of B'B = L^-1 Y_nu' Y_nu
     L^-T less nu; U = B times eigenvectors, of unit length.

  Beside these products, only the small matrices Omega'Omega, Omega'Y and Y'Y go between ranks.
  AT_ONCE columns are made at a time, and after each lot the spectrum so far shows whether more
  columns would pay: one costs as much as an iteration.
*/
#include "snp_impl.h"
#include <math.h>
#include <merit/random.h>
#include <petscblaslapack.h>

/* Columns of a product */
enum { AT_ONCE = 8 };
/* Columns at most where as many are made as pay */
enum { MOST_AUTO = 256 };
/* Logarithm of twice the fall of the residual that iterations are predicted for, 1e-10 */
static const double FALL = 23.7;
/* Columns that pay, of the iterations to come: measured, bench/README.md */
static const double COLUMNS_PER_ITERATION = 0.1;
/*
  The shift, beside the largest eigenvalue, and the least that is kept. Y'Y is formed, so what is below the square root of epsilon is rounding; a
  preconditioner needs no more, the penalty being well above.
*/
static const double SHIFT = 1e-8, LEAST_EIGENVALUE = 1e-6;
/* Its position among the purposes of random numbers */
enum { PURPOSE = 0x534b4554 };

/* A sketch under way. Vectors over SNPs are column after column, as BLAS has them. */
typedef struct {
  MPI_Comm             comm;
  const MeritTermView *t;
  int                  most, n;   /* columns at most, so far */
  double              *omega, *Y; /* [n_owned * most] column after column; owned */
  double              *S, *G, *H; /* [most * most] omega'omega, omega'Y, Y'Y; owned */
  double              *weight;    /* [n_rows]; owned */
} Sketch;

/* Weight of each genotype row: the mean over equations of its D divided by the mean D, so that D
   is about weight (x) mean. 0 for animals without records. */
static PetscErrorCode Weigh(int64_t n_rows, int n_eq, const double D[], const double mean[], double *weight)
{
  PetscFunctionBegin;
  for (int64_t row = 0; row < n_rows; row++) {
    int n = 0;

    weight[row] = 0.0;
    for (int a = 0; a < n_eq; a++) {
      if (!(mean[a * n_eq + a] > 0.0)) continue;
      weight[row] += D[(row * n_eq + a) * n_eq + a] / mean[a * n_eq + a];
      n++;
    }
    if (n) weight[row] /= n;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Sizes, weights, and room for `most` columns, or as many as there are SNPs. */
static PetscErrorCode Begin(Mat C, int term, const double D[], const double mean[], int32_t most, Sketch *s)
{
  MeritModel model;
  int64_t    n_rows;
  size_t     n;

  PetscFunctionBegin;
  PetscCall(MeritMMEGetModel(C, &model));
  s->comm = MeritModelComm(model);
  MeritModelTerms(model, &s->t);
  s->t += term;
  s->most = (int)PetscMin((int64_t)most, s->t->n_levels);
  s->n    = 0;
  n_rows  = MeritGenotypesTile(MeritModelGenotypes(model))->n_rows;
  PetscCall(PetscMalloc1(n_rows + 1, &s->weight));
  PetscCall(Weigh(n_rows, s->t->n_eq, D, mean, s->weight));
  n = (size_t)s->t->n_owned * (size_t)s->most + 1;
  PetscCall(PetscMalloc2(n, &s->omega, n, &s->Y));
  n = (size_t)s->most * (size_t)s->most;
  PetscCall(PetscCalloc3(n, &s->S, n, &s->G, n, &s->H));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what Begin allocated. */
static PetscErrorCode End(Sketch *s)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(s->weight));
  PetscCall(PetscFree2(s->omega, s->Y));
  PetscCall(PetscFree3(s->S, s->G, s->H));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Test vectors [s->n, s->n + k): number j of the stream of a SNP is its element of column j. */
static void Draw(const Sketch *s, int k)
{
#pragma omp parallel for schedule(static)
  for (int32_t snp = 0; snp < s->t->n_owned; snp++) {
    const MeritRandomKey key = {.purpose = PURPOSE, .level = (uint64_t)s->t->canonical[snp]};

    for (int j = s->n; j < s->n + k; j++) s->omega[(size_t)j * (size_t)s->t->n_owned + (size_t)snp] = MeritRandomNormal(&key, (uint32_t)j);
  }
}

/* to [most * most], symmetric, gets columns [s->n, s->n + k) of left'right, and the mirrored
   rows. left and right have s->n + k columns. One reduction. Collective. */
static PetscErrorCode Products(Sketch *s, int k, const double *left, const double *right, double *to)
{
  const double one = 1.0, zero = 0.0;
  PetscBLASInt n, cols, rows, lead;
  double      *part;

  PetscFunctionBegin;
  PetscCall(PetscBLASIntCast(s->t->n_owned, &rows));
  PetscCall(PetscBLASIntCast(s->n + k, &n));
  PetscCall(PetscBLASIntCast(k, &cols));
  lead = PetscMax(rows, 1);
  PetscCall(PetscCalloc1((size_t)(s->n + k) * (size_t)k, &part));
  if (rows)
    PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &n, &cols, &rows, &one, left, &lead, right + (size_t)s->n * (size_t)rows, &lead, &zero, part, &n));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, part, (s->n + k) * k, MPI_DOUBLE, MPI_SUM, s->comm));
  for (int j = 0; j < k; j++)
    for (int i = 0; i < s->n + k; i++) {
      to[(size_t)(s->n + j) * (size_t)s->most + (size_t)i] = part[j * (s->n + k) + i];
      to[(size_t)i * (size_t)s->most + (size_t)(s->n + j)] = part[j * (s->n + k) + i];
    }
  PetscCall(PetscFree(part));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* k more columns: test vectors, their products with A, and the new rows and columns of the small
   matrices. MeritMMESnpGram() has right-hand sides fastest, hence the transposition. Collective. */
static PetscErrorCode Extend(Mat C, int term, int k, Sketch *s)
{
  const size_t n = (size_t)s->t->n_owned;
  double      *X, *Y;

  PetscFunctionBegin;
  Draw(s, k);
  PetscCall(PetscMalloc2(n * (size_t)k + 1, &X, n * (size_t)k + 1, &Y));
  for (size_t i = 0; i < n; i++)
    for (int j = 0; j < k; j++) X[i * (size_t)k + (size_t)j] = s->omega[(size_t)(s->n + j) * n + i];
  PetscCall(MeritMMESnpGram(C, term, k, s->weight, X, Y));
  for (int j = 0; j < k; j++)
    for (size_t i = 0; i < n; i++) s->Y[(size_t)(s->n + j) * n + i] = Y[i * (size_t)k + (size_t)j];
  PetscCall(PetscFree2(X, Y));
  PetscCall(Products(s, k, s->omega, s->omega, s->S));
  PetscCall(Products(s, k, s->omega, s->Y, s->G));
  PetscCall(Products(s, k, s->Y, s->Y, s->H));
  s->n += k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The spectrum of the approximation: lambda [n] descending, and T [n * n], column-major, with U
   = (Y + shift omega) T, so T = L^-T V Lambda_nu^-1/2. Of n columns *rank are above rounding; 0
   if Omega' Y_nu has no Cholesky factor. Not collective. */
static PetscErrorCode Spectrum(const Sketch *s, double *lambda, double *T, double *shift, int *rank)
{
  const double one   = 1.0;
  double       trace = 0.0, *L, *B, *work;
  PetscBLASInt n, info, room;

  PetscFunctionBegin;
  PetscCall(PetscBLASIntCast(s->n, &n));
  room = 8 * n;
  PetscCall(PetscMalloc3((size_t)(s->n * s->n), &L, (size_t)(s->n * s->n), &B, room, &work));
  for (int i = 0; i < s->n; i++) trace += s->H[(size_t)i * (size_t)s->most + (size_t)i];
  *shift = SHIFT * sqrt(trace / s->n);
  for (int j = 0; j < s->n; j++)
    for (int i = 0; i < s->n; i++) {
      const size_t at = (size_t)j * (size_t)s->most + (size_t)i;

      L[j * s->n + i] = s->G[at] + *shift * s->S[at];
      B[j * s->n + i] = s->H[at] + 2.0 * *shift * s->G[at] + *shift * *shift * s->S[at];
    }
  PetscCallBLAS("LAPACKpotrf", LAPACKpotrf_("L", &n, L, &n, &info));
  *rank = 0;
  if (!info) {
    /* L^-1 B L^-T */
    PetscCallBLAS("BLAStrsm", BLAStrsm_("L", "L", "N", "N", &n, &n, &one, L, &n, B, &n));
    PetscCallBLAS("BLAStrsm", BLAStrsm_("R", "L", "T", "N", &n, &n, &one, L, &n, B, &n));
    PetscCallBLAS("LAPACKsyev", LAPACKsyev_("V", "L", &n, B, &n, lambda, work, &room, &info));
  }
  if (!info) {
    const double least = lambda[s->n - 1] * LEAST_EIGENVALUE;

    for (int i = 0; i < s->n; i++) *rank += lambda[i] > least && lambda[i] > *shift;
    for (int j = 0; j < s->n; j++) { /* in descending order, U's columns of unit length */
      const double root = 1.0 / sqrt(PetscMax(lambda[s->n - 1 - j], least));

      for (int i = 0; i < s->n; i++) T[j * s->n + i] = B[(s->n - 1 - j) * s->n + i] * root;
    }
    for (int j = 0; j < s->n / 2; j++) {
      const double swap = lambda[j];

      lambda[j]            = lambda[s->n - 1 - j];
      lambda[s->n - 1 - j] = swap;
    }
    for (int j = 0; j < s->n; j++) lambda[j] = PetscMax(lambda[j] - *shift, 0.0);
    PetscCallBLAS("BLAStrsm", BLAStrsm_("L", "L", "T", "N", &n, &n, &one, L, &n, T, &n));
  }
  PetscCall(PetscFree3(L, B, work));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* U = (Y + shift omega) T of the first `rank` columns of T, in single precision, SNP by SNP: a
   preconditioner needs no more, and half as much goes through memory. Overwrites Y and omega. */
static PetscErrorCode Keep(Sketch *s, const double *T, double shift, int rank, MeritSketch *sketch)
{
  const size_t n = (size_t)s->t->n_owned, all = n * (size_t)s->n;
  const double one = 1.0, zero = 0.0;
  PetscBLASInt rows, lead, inner, cols;

  PetscFunctionBegin;
  for (size_t i = 0; i < all; i++) s->Y[i] += shift * s->omega[i];
  PetscCall(PetscBLASIntCast(s->t->n_owned, &rows));
  PetscCall(PetscBLASIntCast(s->n, &inner));
  PetscCall(PetscBLASIntCast(rank, &cols));
  lead = PetscMax(rows, 1);
  if (rows && cols) PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &rows, &cols, &inner, &one, s->Y, &lead, T, &inner, &zero, s->omega, &lead));
  PetscCall(PetscMalloc1(n * (size_t)rank + 1, &sketch->U));
  for (int j = 0; j < rank; j++)
    for (size_t i = 0; i < n; i++) sketch->U[i * (size_t)rank + (size_t)j] = (float)s->omega[(size_t)j * n + i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Iterations of conjugate gradients to come with what the sketch has so far: half the square root of the condition number times the fall
  would be the bound with the first eigenvalue left (no sketch) and with the last kept; what is measured lies between, so take the
  geometric mean.
*/
static double Predict(double scale, int n, const double lambda[])
{
  return 0.5 * FALL * sqrt(sqrt((1.0 + scale * lambda[0]) * (1.0 + scale * lambda[n - 1])));
}

/*
  MeritSketchMake - See the header. Collective.

  With a rank given, all its columns are made and the spectrum is found once. Without, columns
  are added until the next would cost more than it saves: when there are COLUMNS_PER_ITERATION of the iterations
  predicted, or when the spectrum is exhausted (kept < columns), or at MOST_AUTO.
*/
PetscErrorCode MeritSketchMake(Mat C, int term, const double D[], const double mean[], int32_t rank, double scale, MeritSketch *sketch)
{
  Sketch  s;
  double *T, shift = 0.0;
  int     kept = 0, most;

  PetscFunctionBegin;
  PetscCall(MeritSketchFree(sketch));
  PetscCall(Begin(C, term, D, mean, rank ? rank : MOST_AUTO, &s));
  most = s.most;
  PetscCall(PetscMalloc1((size_t)most * (size_t)most, &T));
  PetscCall(PetscCalloc1(most, &sketch->lambda));
  while (s.n < most) {
    PetscCall(Extend(C, term, PetscMin(AT_ONCE, most - s.n), &s));
    if (rank && s.n < most) continue;
    PetscCall(Spectrum(&s, sketch->lambda, T, &shift, &kept));
    /* all ranks have the same sums, but LAPACK may round otherwise on another machine: rank 0
       decides */
    PetscCallMPI(MPI_Bcast(&kept, 1, MPI_INT, 0, s.comm));
    PetscCallMPI(MPI_Bcast(sketch->lambda, s.n, MPI_DOUBLE, 0, s.comm));
    if (kept) sketch->predicted = Predict(scale, kept, sketch->lambda);
    if (!rank && (kept < s.n || s.n >= COLUMNS_PER_ITERATION * sketch->predicted)) break;
  }
  PetscCallMPI(MPI_Bcast(T, s.n * s.n, MPI_DOUBLE, 0, s.comm));
  sketch->n_owned  = s.t->n_owned;
  sketch->products = s.n;
  sketch->rank     = kept;
  sketch->least    = kept && kept == s.n ? sketch->lambda[kept - 1] : 0.0; /* fewer are those of all of A */
  PetscCall(Keep(&s, T, shift, kept, sketch));
  PetscCall(PetscFree(T));
  PetscCall(End(&s));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSketchFree - See the header. Not collective. */
PetscErrorCode MeritSketchFree(MeritSketch *sketch)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(sketch->U));
  PetscCall(PetscFree(sketch->lambda));
  *sketch = (MeritSketch){0};
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The SNPs' part S and the part P of all other equations one after another: P, S, P, each on the
  residual after the part before (symmetric block Gauss-Seidel with two blocks). It takes two
  more products with C for each application.

  With this order M is positive definite whenever no eigenvalue of P C among the other equations
  exceeds 2, whatever S is. P is the inverse of an incomplete factor and can have larger ones. P
  is therefore multiplied by

    damping = min(1, 1.9 / (1.15 lambda)),

  lambda being the largest eigenvalue of P C as the power method finds it. The method comes from
  below, hence 1.15.
*/
#include "ped_impl.h"
#include <math.h>
#include <merit/random.h>

/* Steps of the power method for the largest eigenvalue, at least and at most; the relative
   change at which it may end (CHANGE_SETTLED); the factor by which its value may then be too small
   (SHORT). */
enum { LEAST_STEPS = 8, MOST_STEPS = 60 };
static const double CHANGE_SETTLED = 2e-3, SHORT = 1.15;

/* Its position among the purposes of random numbers */
enum { PURPOSE = 0x434f4d42 };

/* v [n_owned * k] <- 0 at the equations of SNP terms that have a part of their own. */
static void ClearSnps(const MeritPed *p, int k, double *v)
{
  for (int i = 0; i < p->snps.n; i++) {
    const MeritTermView *t = &p->term[p->snps.part[i].term];

    for (int64_t j = 0; j < (int64_t)t->n_owned * t->n_eq * k; j++) v[(int64_t)t->eq_owned * k + j] = 0.0;
  }
}

/* to += from at the same equations. */
static void AddSnps(const MeritPed *p, int k, const double *from, double *to)
{
  for (int i = 0; i < p->snps.n; i++) {
    const MeritTermView *t  = &p->term[p->snps.part[i].term];
    const int64_t        at = (int64_t)t->eq_owned * k;

    for (int64_t j = 0; j < (int64_t)t->n_owned * t->n_eq * k; j++) to[at + j] += from[at + j];
  }
}

/* Work arrays for k right-hand sides, made anew where k changes. */
static PetscErrorCode Work(MeritPed *p, int k)
{
  PetscFunctionBegin;
  if (p->combine.k == k) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritPedCombineFree(p));
  PetscCall(PetscCalloc1((size_t)p->records->scatter->y_length * (size_t)k + 1, &p->combine.shift));
  PetscCall(PetscMalloc1((size_t)p->n_owned * (size_t)k + 1, &p->combine.residual));
  p->combine.k = k;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* p->combine.residual = X - C Y. Collective. */
static PetscErrorCode Residual(MeritPed *p, Mat C, int k, const double X[], const double Y[])
{
  PetscFunctionBegin;
  PetscCall(MeritMMEApplyBlock(C, k, Y, p->combine.residual));
  for (int64_t i = 0; i < (int64_t)p->n_owned * k; i++) p->combine.residual[i] = X[i] - p->combine.residual[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* p->combine.shift = P from; 0 at the SNPs, which MeritPedApplyOthers() leaves as they were. Collective. */
static PetscErrorCode Others(MeritPed *p, int k, const double from[])
{
  PetscFunctionBegin;
  PetscCall(PetscArraycpy(p->combine.shift, from, (size_t)p->n_owned * (size_t)k));
  PetscCall(MeritPedApplyOthers(p, k, from, p->combine.shift));
  ClearSnps(p, k, p->combine.shift);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedCombineApply - Y = M^-1 X; X, Y [n_owned * k]. Collective. */
PetscErrorCode MeritPedCombineApply(MeritPed *p, Mat C, int k, const double X[], double Y[])
{
  const int64_t n = (int64_t)p->n_owned * k;

  PetscFunctionBegin;
  PetscCall(Work(p, k));
  PetscCall(Others(p, k, X));
  for (int64_t i = 0; i < n; i++) Y[i] = p->combine.damping * p->combine.shift[i];
  PetscCall(Residual(p, C, k, X, Y));
  /* the SNPs do not overlap with the others, so their part is added to zeros */
  PetscCall(MeritPedSnpApply(p, p->combine.residual, p->combine.shift));
  AddSnps(p, k, p->combine.shift, Y);
  PetscCall(Residual(p, C, k, X, Y));
  PetscCall(Others(p, k, p->combine.residual));
  for (int64_t i = 0; i < n; i++) Y[i] += p->combine.damping * p->combine.shift[i];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* A start of the power method: uniform numbers in (-1/2, 1/2), a function of term and canonical
   level, so that they do not depend on the ranks; 0 at the SNPs. */
static void Draw(const MeritPed *p, double *x)
{
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t = &p->term[k];

    for (int32_t i = 0; i < t->n_owned * t->n_eq; i++) {
      const MeritRandomKey key = {.purpose = PURPOSE, .term = (uint32_t)k, .level = (uint64_t)t->canonical[i / t->n_eq]};

      x[t->eq_owned + i] = MeritRandomUniform(&key, (uint32_t)(i % t->n_eq)) - 0.5;
    }
  }
  ClearSnps(p, 1, x);
}

/*
  MeritPedCombineSetUp - See the header. Collective.

  The power method on P C among the other equations, in the inner product of C, in which P C is
  symmetric: with y = C x and z = P y, the Rayleigh quotient is y'z / x'y. The next x is z
  scaled by 1 / sqrt(x'y), so that numbers neither grow nor vanish.
*/
PetscErrorCode MeritPedCombineSetUp(MeritPed *p, Mat C)
{
  double *x, sums[2], most = 0.0;

  PetscFunctionBegin;
  PetscCall(Work(p, 1));
  PetscCall(PetscMalloc1((size_t)p->n_owned + 1, &x));
  Draw(p, x);
  for (int step = 0; step < MOST_STEPS; step++) {
    const double before = most;
    double       scale;

    PetscCall(MeritMMEApplyBlock(C, 1, x, p->combine.residual));
    ClearSnps(p, 1, p->combine.residual);
    PetscCall(Others(p, 1, p->combine.residual));
    sums[0] = sums[1] = 0.0;
    for (int32_t i = 0; i < p->n_owned; i++) {
      sums[0] += x[i] * p->combine.residual[i];
      sums[1] += p->combine.shift[i] * p->combine.residual[i];
    }
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, MeritModelComm(p->model)));
    if (!(sums[0] > 0.0)) break;
    most  = sums[1] / sums[0];
    scale = 1.0 / sqrt(sums[0]);
    if (step >= LEAST_STEPS && most - before < CHANGE_SETTLED * most) break;
    for (int32_t i = 0; i < p->n_owned; i++) x[i] = scale * p->combine.shift[i];
  }
  PetscCall(PetscFree(x));
  p->combine.damping = most > 0.0 ? PetscMin(1.0, 1.9 / (SHORT * most)) : 1.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedCombineFree - Free the work arrays. Not collective. */
PetscErrorCode MeritPedCombineFree(MeritPed *p)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(p->combine.shift));
  PetscCall(PetscFree(p->combine.residual));
  p->combine.k = 0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

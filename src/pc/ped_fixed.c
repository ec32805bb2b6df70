/*
  The fixed effects of merit_ped and merit_fixed, eliminated exactly. Their block of C is

    F = [D E; E' S]

  with D the blocks of the levels of the big term (the class with most levels; its X'X is block
  diagonal, as a record has one level), and S the small equations of other fixed terms, at most
  64 together. With the dense Schur complement Q = S - E' D^-1 E, which all ranks have, the
  solution is

    x_S = Q^-1 (r_S - E' D^-1 r_D),   x_D = D^-1 r_D - D^-1 E x_S.

  A solution takes one reduction of as many numbers as there are small equations. Further fixed
  terms keep their diagonal blocks. Constrained equations have 0 in D^-1 and E, and a unit row in the
  factor of Q.
*/
#include "ped_impl.h"
#include <math.h>

/* Most equations that are handled densely; further fixed terms keep their diagonal blocks */
static const int64_t MOST_SMALL = 64;
/* Columns of E made at once */
enum { AT_ONCE = 8 };

/* A class term: one regressor, whose coefficients are 1. */
static bool IsClass(const MeritTermView *t) { return t->fixed && t->n_regressors == 1 && !t->design[0].value; }

/* The big term is the class with most levels (more than one). The small terms are taken from the
   smallest up while they fit together. */
static PetscErrorCode Choose(MeritPed *p)
{
  MeritPedFixed *f     = &p->fixed;
  int64_t        total = 0;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(p->n_terms, &f->is_small));
  f->big = -1;
  for (int k = 0; k < p->n_terms; k++)
    if (IsClass(&p->term[k]) && p->term[k].n_levels > 1 && (f->big < 0 || p->term[k].n_levels > p->term[f->big].n_levels)) f->big = k;
  while (true) {
    int best = -1;

    for (int k = 0; k < p->n_terms; k++)
      if (p->term[k].fixed && k != f->big && !f->is_small[k] &&
          (best < 0 || p->term[k].n_levels * p->term[k].n_eq < p->term[best].n_levels * p->term[best].n_eq))
        best = k;
    if (best < 0 || total + p->term[best].n_levels * p->term[best].n_eq > MOST_SMALL) break;
    f->is_small[best] = true;
    total += p->term[best].n_levels * p->term[best].n_eq;
  }
  f->n_small = (int)total;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Owned small equations and their numbers, 0 .. n_small - 1 over all ranks: term after term,
   canonical level, equation. Numbers do not depend on who owns them. */
static PetscErrorCode NumberSmall(MeritPed *p)
{
  MeritPedFixed *f     = &p->fixed;
  int64_t        first = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(f->n_small + 1, &f->equation));
  PetscCall(PetscMalloc1(f->n_small + 1, &f->number));
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t = &p->term[k];

    if (!f->is_small[k]) continue;
    for (int32_t i = 0; i < t->n_owned * t->n_eq; i++) {
      f->equation[f->n_mine] = t->eq_owned + i;
      f->number[f->n_mine++] = (int32_t)(first + t->canonical[i / t->n_eq] * t->n_eq + i % t->n_eq);
    }
    first += t->n_levels * t->n_eq;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The part of the halo that the exact fixed effects need: other terms are not sent when only
   these are read. */
static PetscErrorCode LinkFixed(MeritPed *p)
{
  PetscInt *roots, n = 0;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(p->n_owned + 1, &roots));
  for (int k = 0; k < p->n_terms; k++)
    for (int32_t i = 0; InFixed(p, k) && i < p->term[k].n_owned * p->term[k].n_eq; i++) roots[n++] = p->term[k].eq_owned + i;
  PetscCall(MeritPedSubHalo(MeritModelHalo(p->model), MeritModelComm(p->model), n, roots, &p->fixed.link));
  PetscCall(PetscFree(roots));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* D^-1 of the owned levels, rows and columns of constrained equations 0, and the same on ghosts: the
   records of this rank absorb levels that others own. blocks: those of C of this term. */
static PetscErrorCode InvertBig(MeritPed *p, const double *blocks)
{
  MeritPedFixed       *f     = &p->fixed;
  const MeritTermView *t     = &p->term[f->big];
  const uint8_t       *state = p->state;
  const int            n     = t->n_eq;
  PetscSF              halo  = MeritModelHalo(p->model);
  MPI_Datatype         unit;
  bool                 definite = true;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)t->n_owned * (size_t)(n * n) + 1, &f->D_inverse));
  PetscCall(PetscArraycpy(f->D_inverse, blocks, (size_t)t->n_owned * (size_t)(n * n)));
  PetscCall(PetscCalloc1((size_t)p->n_local * (size_t)n + 1, &f->D_ghosted));
  for (int32_t level = 0; level < t->n_owned; level++) {
    double       *D     = f->D_inverse + (int64_t)level * n * n;
    const int32_t first = t->eq_owned + level * n;

    definite = MeritDenseSweep(n, NULL, D) == 0 && definite;
    for (int a = 0; a < n; a++)
      for (int b = 0; b < n; b++) {
        if (state[first + a] != MERIT_EQ_OK || state[first + b] != MERIT_EQ_OK) D[a * n + b] = 0.0;
        f->D_ghosted[(int64_t)(first + a) * n + b] = D[a * n + b];
      }
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &definite, 1, MPI_C_BOOL, MPI_LAND, MeritModelComm(p->model)));
  PetscCheck(definite, MeritModelComm(p->model), PETSC_ERR_MAT_CH_ZRPVT, "a block of the fixed effects is not definite");
  PetscCall(MeritUnitCreate(n, &unit));
  PetscCall(PetscSFBcastBegin(halo, unit, f->D_ghosted, f->D_ghosted + (int64_t)p->n_owned * n, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(halo, unit, f->D_ghosted, f->D_ghosted + (int64_t)p->n_owned * n, MPI_REPLACE));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Columns [j, j + k) of W'R^-1W over the small equations: y[n_local * k], complete on owned
   equations. x and y have room for private slots. Products with unit vectors, so that
   covariates, slopes and classes are all the same. Collective. */
static PetscErrorCode Columns(MeritPed *p, int j, int k, double *x, double *y)
{
  MeritPedFixed *f     = &p->fixed;
  const uint8_t *state = p->state;
  PetscSF        halo  = MeritModelHalo(p->model);
  const int64_t  ghost = (int64_t)p->n_owned * k;
  MPI_Datatype   unit;

  PetscFunctionBegin;
  PetscCall(PetscArrayzero(x, (size_t)p->n_local * (size_t)k));
  PetscCall(PetscArrayzero(y, (size_t)p->n_local * (size_t)k));
  for (int i = 0; i < f->n_mine; i++)
    if (f->number[i] >= j && f->number[i] < j + k && state[f->equation[i]] == MERIT_EQ_OK) x[(int64_t)f->equation[i] * k + f->number[i] - j] = 1.0;
  PetscCall(MeritUnitCreate(k, &unit));
  PetscCall(PetscSFBcastBegin(halo, unit, x, x + ghost, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(halo, unit, x, x + ghost, MPI_REPLACE));
  MeritRecordsApply(p->records, k, x, y);
  PetscCall(PetscSFReduceBegin(halo, unit, y + ghost, y, MPI_SUM));
  PetscCall(PetscSFReduceEnd(halo, unit, y + ghost, y, MPI_SUM));
  PetscCall(MeritUnitFree(&unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* E, and this rank's rows of S [n_small * n_small]; rows of other ranks remain 0. Collective. */
static PetscErrorCode FormSmall(MeritPed *p, double *S)
{
  MeritPedFixed *f     = &p->fixed;
  const uint8_t *state = p->state;
  const int      n_big = f->big < 0 ? 0 : p->term[f->big].n_owned * p->term[f->big].n_eq;
  const int32_t  first = f->big < 0 ? 0 : p->term[f->big].eq_owned;
  double        *x, *y;

  PetscFunctionBegin;
  PetscCall(PetscMalloc1((size_t)n_big * (size_t)f->n_small + 1, &f->E));
  PetscCall(PetscCalloc1((size_t)p->records->scatter->y_length * AT_ONCE + 1, &x));
  PetscCall(PetscCalloc1((size_t)p->records->scatter->y_length * AT_ONCE + 1, &y));
  for (int j = 0; j < f->n_small; j += AT_ONCE) {
    const int k = PetscMin(AT_ONCE, f->n_small - j);

    PetscCall(Columns(p, j, k, x, y));
    for (int32_t i = 0; i < n_big; i++)
      for (int c = 0; c < k; c++) f->E[(int64_t)i * f->n_small + j + c] = state[first + i] == MERIT_EQ_OK ? y[(int64_t)(first + i) * k + c] : 0.0;
    for (int i = 0; i < f->n_mine; i++)
      for (int c = 0; c < k; c++)
        S[f->number[i] * f->n_small + j + c] = state[f->equation[i]] == MERIT_EQ_OK ? y[(int64_t)f->equation[i] * k + c] : 0.0;
  }
  PetscCall(PetscFree(x));
  PetscCall(PetscFree(y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* S -= this rank's part of E' D^-1 E: the sum over ranks is then Q. */
static void TakeOutBig(const MeritPed *p, double *S)
{
  const MeritPedFixed *f = &p->fixed;
  const MeritTermView *t = &p->term[f->big];
  const int            n = t->n_eq, m = f->n_small;

  for (int32_t level = 0; level < t->n_owned; level++)
    for (int a = 0; a < n; a++)
      for (int b = 0; b < n; b++) {
        const double  d = f->D_inverse[((int64_t)level * n + a) * n + b];
        const double *r = f->E + ((int64_t)level * n + a) * m, *c = f->E + ((int64_t)level * n + b) * m;

        for (int i = 0; i < m && d != 0.0; i++)
          for (int j = 0; j < m && r[i] != 0.0; j++) S[i * m + j] -= d * r[i] * c[j];
      }
}

/* Cholesky in place, lower triangle, row-major. before[j] is the diagonal of S. An equation of
   which less than 1e-11 of that remains (constrained, or dependent but for rounding) gets a unit row,
   so that the solution leaves it as it is. */
static void Cholesky(int n, const double *before, double *S)
{
  for (int j = 0; j < n; j++) {
    double pivot = S[j * n + j];
    bool   keep;

    for (int k = 0; k < j; k++) pivot -= S[j * n + k] * S[j * n + k];
    keep         = before[j] > 0.0 && pivot > 1e-11 * before[j];
    S[j * n + j] = keep ? sqrt(pivot) : 1.0;
    for (int k = 0; k < j && !keep; k++) S[j * n + k] = 0.0;
    for (int i = j + 1; i < n; i++) {
      double sum = keep ? S[i * n + j] : 0.0;

      for (int k = 0; k < j && keep; k++) sum -= S[i * n + k] * S[j * n + k];
      S[i * n + j] = sum / S[j * n + j];
    }
  }
}

/*
  MeritPedFixedSetUp - See the header. Collective.

  S is summed over ranks twice: first as it is, for its diagonal, then with E' D^-1 E taken out,
  for its factor. All ranks factor the same sum.
*/
PetscErrorCode MeritPedFixedSetUp(MeritPed *p, const double *blocks)
{
  MeritPedFixed *f = &p->fixed;
  double        *S, *diagonal;
  const double  *at = blocks;

  PetscFunctionBegin;
  PetscCall(Choose(p));
  PetscCall(NumberSmall(p));
  PetscCall(LinkFixed(p));
  for (int k = 0; k < f->big; k++) at += (int64_t)p->term[k].n_owned * p->term[k].n_eq * p->term[k].n_eq;
  if (f->big >= 0) PetscCall(InvertBig(p, at));
  if (!f->n_small) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1((size_t)f->n_small * (size_t)f->n_small, &S));
  PetscCall(PetscMalloc1(f->n_small, &diagonal));
  PetscCall(FormSmall(p, S));
  PetscCall(PetscMalloc1((size_t)f->n_small * (size_t)f->n_small, &f->factor));
  PetscCallMPI(MPI_Allreduce(S, f->factor, f->n_small * f->n_small, MPI_DOUBLE, MPI_SUM, MeritModelComm(p->model)));
  /* diagonal of all of S, before the big term is taken out: what pivots are compared with */
  for (int j = 0; j < f->n_small; j++) diagonal[j] = f->factor[j * f->n_small + j];
  if (f->big >= 0) TakeOutBig(p, S);
  PetscCallMPI(MPI_Allreduce(S, f->factor, f->n_small * f->n_small, MPI_DOUBLE, MPI_SUM, MeritModelComm(p->model)));
  Cholesky(f->n_small, diagonal, f->factor);
  PetscCall(PetscFree(S));
  PetscCall(PetscFree(diagonal));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* z [n * k] <- (L L')^-1 z for k right-hand sides. */
static void SolveSmall(int n, int k, const double *L, double *z)
{
  for (int i = 0; i < n; i++)
    for (int j = 0; j < k; j++) {
      for (int c = 0; c < i; c++) z[i * k + j] -= L[i * n + c] * z[c * k + j];
      z[i * k + j] /= L[i * n + i];
    }
  for (int i = n - 1; i >= 0; i--)
    for (int j = 0; j < k; j++) {
      for (int c = i + 1; c < n; c++) z[i * k + j] -= L[c * n + i] * z[c * k + j];
      z[i * k + j] /= L[i * n + i];
    }
}

/* y = D^-1 y over the owned levels of the big term, [n_owned * n_eq * k], in place. */
static void SolveBig(const MeritPed *p, double *y)
{
  const MeritTermView *t = &p->term[p->fixed.big];
  const int            n = t->n_eq, k = p->work.k;
  double               block[MERIT_MAX_COMPONENTS];

  for (int32_t level = 0; level < t->n_owned; level++)
    for (int j = 0; j < k; j++) {
      double       *at = y + (int64_t)level * n * k + j;
      const double *D  = p->fixed.D_inverse + (int64_t)level * n * n;

      for (int a = 0; a < n; a++) {
        block[a] = 0.0;
        for (int b = 0; b < n; b++) block[a] += D[a * n + b] * at[b * k];
      }
      for (int a = 0; a < n; a++) at[a * k] = block[a];
    }
}

/* The most common case by itself: one equation a level, and one small equation (the intercept),
   one right-hand side. It saves the work arrays and a pass over the big term. E is a column
   then. Collective. */
static PetscErrorCode SolveOne(const MeritPed *p, double *big, double *v)
{
  const MeritPedFixed *f = &p->fixed;
  const double        *D = f->D_inverse, *E = f->E;
  const int32_t        n     = p->term[f->big].n_owned;
  double               small = f->n_mine ? v[f->equation[0]] : 0.0;

  PetscFunctionBegin;
  for (int32_t i = 0; i < n; i++) {
    big[i] *= D[i];
    small -= E[i] * big[i];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &small, 1, MPI_DOUBLE, MPI_SUM, MeritModelComm(p->model)));
  SolveSmall(1, 1, f->factor, &small);
  if (f->n_mine) v[f->equation[0]] = small;
  for (int32_t i = 0; i < n; i++) big[i] -= D[i] * E[i] * small;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedFixedSolve - v <- F^-1 v on the owned fixed equations, for p->work.k right-hand sides; one
   reduction of n_small * k numbers. Other equations are not touched. Collective. */
PetscErrorCode MeritPedFixedSolve(MeritPed *p, double *v)
{
  MeritPedFixed *f = &p->fixed;
  const int      k = p->work.k, m = f->n_small;
  const int64_t  n_big = f->big < 0 ? 0 : (int64_t)p->term[f->big].n_owned * p->term[f->big].n_eq;
  double        *big   = f->big < 0 ? NULL : v + (int64_t)p->term[f->big].eq_owned * k, *small, *change;

  PetscFunctionBegin;
  if (big && m == 1 && k == 1 && p->term[f->big].n_eq == 1) {
    PetscCall(SolveOne(p, big, v));
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  /* big = D^-1 r_D from here on */
  if (big) SolveBig(p, big);
  if (!m) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscCalloc1((size_t)(m * k), &small));
  for (int64_t i = 0; i < n_big; i++)
    for (int c = 0; c < m; c++)
      for (int j = 0; j < k && f->E[i * m + c] != 0.0; j++) small[c * k + j] -= f->E[i * m + c] * big[i * k + j];
  for (int i = 0; i < f->n_mine; i++)
    for (int j = 0; j < k; j++) small[f->number[i] * k + j] += v[(int64_t)f->equation[i] * k + j];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, small, m * k, MPI_DOUBLE, MPI_SUM, MeritModelComm(p->model)));
  SolveSmall(m, k, f->factor, small);
  for (int i = 0; i < f->n_mine; i++)
    for (int j = 0; j < k; j++) v[(int64_t)f->equation[i] * k + j] = small[f->number[i] * k + j];
  if (big) {
    PetscCall(PetscCalloc1((size_t)(n_big * k) + 1, &change));
    for (int64_t i = 0; i < n_big; i++)
      for (int c = 0; c < m; c++)
        for (int j = 0; j < k && f->E[i * m + c] != 0.0; j++) change[i * k + j] += f->E[i * m + c] * small[c * k + j];
    SolveBig(p, change);
    for (int64_t i = 0; i < n_big * k; i++) big[i] -= change[i];
    PetscCall(PetscFree(change));
  }
  PetscCall(PetscFree(small));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedFixedFree - Free what the fixed part holds. Not collective but for its halo. */
PetscErrorCode MeritPedFixedFree(MeritPedFixed *f)
{
  PetscFunctionBegin;
  PetscCall(PetscFree(f->D_inverse));
  PetscCall(PetscFree(f->D_ghosted));
  PetscCall(PetscFree(f->equation));
  PetscCall(PetscFree(f->number));
  PetscCall(PetscFree(f->E));
  PetscCall(PetscFree(f->factor));
  PetscCall(PetscFree(f->is_small));
  PetscCall(PetscSFDestroy(&f->link));
  PetscFunctionReturn(PETSC_SUCCESS);
}

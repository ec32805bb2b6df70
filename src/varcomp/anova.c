/*
  Henderson's method III (Henderson 1953; Searle 1971): each term's sum of squares is the reduction that it makes after those before it, y'Q y
  with Q the projection on what its design adds; expectations are traces of Q with every term's B. Covariances of a term's levels do not
  change the space that it reaches.
*/
#include "forms.h"
#include <math.h>
#include <petscblaslapack.h>
#include <stdlib.h>

enum { MOST = 3000 };
static const double SMALL = 1e-9; /* of the largest eigenvalue: what is reached already */

/* On rank 0; [n * n] each */
typedef struct {
  int      n;
  double  *rest;     /* projection on what no term so far reaches */
  double  *Q, *part; /* what the last term reached of it; work */
  double **B;        /* [n_terms] */
  double  *y, *left; /* [n] the observations, and what the terms so far leave of them */
} Anova;

/* Q: what B reaches of `rest`, which is taken from it; returns the dimension */
static int Reduce(Anova *a, const double *B)
{
  const size_t n = (size_t)a->n;
  const double one = 1.0, zero = 0.0;
  double      *lambda = malloc(n * sizeof(*lambda)), *work, all = 0.0;
  PetscBLASInt N = a->n, room = 66 * N, info, r = 0;

  for (size_t i = 0; i < n; i++) all += B[i * (n + 1)];
  FormsMultiply(a->n, a->rest, B, a->Q);
  FormsMultiply(a->n, a->Q, a->rest, a->part);
  work = malloc((size_t)room * sizeof(*work));
  LAPACKsyev_("V", "L", &N, a->part, &N, lambda, work, &room, &info);
  free(work);
  for (size_t i = 0; i < n; i++) r += lambda[i] > SMALL * all;
  /* eigenvalues ascend: the last r vectors */
  if (r) BLASgemm_("N", "T", &N, &N, &r, &one, a->part + (n - (size_t)r) * n, &N, a->part + (n - (size_t)r) * n, &N, &zero, a->Q, &N);
  for (size_t i = 0; i < n * n && !r; i++) a->Q[i] = 0.0;
  for (size_t i = 0; i < n * n; i++) a->rest[i] -= a->Q[i];
  free(lambda);
  return (int)r;
}

/* What the last term reached goes from `left`: a large mean of the observations is no part of what later terms reach */
static void Leave(Anova *a)
{
  FormsApply(a->n, a->Q, a->left, a->part);
  for (int i = 0; i < a->n; i++) a->left[i] -= a->part[i];
}

/* A line of the table from Q, and its coefficients of the components */
static void Line(MeritVarcomp v, const Anova *a, const double *Q, int df, MeritAnovaLine *line, double *coefficient)
{
  const size_t n = (size_t)a->n;

  line->df = df;
  line->ss = 0.0;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) line->ss += a->left[i] * Q[i * n + j] * a->left[j];
  line->ms = df ? line->ss / df : NAN;
  for (int c = 0; c < v->n; c++) {
    const int k = v->component[c].term;

    coefficient[c] = k < 0 ? 1.0 : df ? FormsTrace(a->n, Q, a->B[k]) / df : NAN;
    if (fabs(coefficient[c]) < 1e-12) coefficient[c] = 0.0; /* rounding */
  }
}

/* Everything but term k (-1: nothing) from what no term reaches */
static void Others(MeritVarcomp v, Anova *a, int k)
{
  for (size_t i = 0; i < (size_t)a->n * (size_t)a->n; i++) a->rest[i] = i % ((size_t)a->n + 1) == 0;
  for (int i = 0; i < a->n; i++) a->left[i] = a->y[i];
  for (int l = 0; l < v->formula->n_terms && k >= 0; l++) {
    if (l == k) continue;
    (void)Reduce(a, a->B[l]);
    Leave(a);
  }
}

/* Rank 0: all lines, fixed terms first, the residual's last */
static void Lines(MeritVarcomp v, Anova *a, double *coefficient)
{
  double df = 0.0;
  int    at = 0;

  Others(v, a, -1);
  for (int random = 0; random < 2; random++)
    for (int k = 0; k < v->formula->n_terms; k++) {
      int dimension;

      if ((v->first_of_term[k] >= 0) != (random == 1)) continue;
      if (random && v->order_last) Others(v, a, k);
      dimension = Reduce(a, a->B[k]);
      Line(v, a, a->Q, dimension, &v->line[at], coefficient + (size_t)at * (size_t)v->n);
      Leave(a);
      at++;
    }
  for (int i = 0; i < a->n; i++) df += a->rest[(size_t)i * (size_t)(a->n + 1)];
  Line(v, a, a->rest, (int)lround(df), &v->line[at], coefficient + (size_t)at * (size_t)v->n);
}

/* Sources in the order of the lines */
static PetscErrorCode Sources(MeritVarcomp v)
{
  int at = 0;

  PetscFunctionBegin;
  if (v->line) PetscCall(PetscFree(v->line[0].coefficient));
  PetscCall(PetscFree(v->line));
  v->n_lines = v->formula->n_terms + 1;
  PetscCall(PetscCalloc1(v->n_lines, &v->line));
  for (int random = 0; random < 2; random++)
    for (int k = 0; k < v->formula->n_terms; k++)
      if ((v->first_of_term[k] >= 0) == (random == 1)) v->line[at++].source = v->formula->term[k].label;
  v->line[at].source = "residual";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Lines of rank 0 to all, and what makes them useless */
static PetscErrorCode Share(MeritVarcomp v, double *coefficient)
{
  const int n_fixed = v->n_lines - v->n;
  double    sum[2] = {0.0, 0.0}; /* of squares that fixed effects leave, and all */

  PetscFunctionBegin;
  for (int l = 0; l < v->n_lines; l++) {
    double values[3] = {v->line[l].df, v->line[l].ss, v->line[l].ms};

    PetscCallMPI(MPI_Bcast(values, 3, MPI_DOUBLE, 0, v->comm));
    v->line[l].df          = values[0];
    v->line[l].ss          = values[1];
    v->line[l].ms          = values[2];
    v->line[l].coefficient = coefficient + (size_t)l * (size_t)v->n;
    sum[0] += l < n_fixed ? 0.0 : v->line[l].ss;
    sum[1] += v->line[l].ss;
  }
  PetscCallMPI(MPI_Bcast(coefficient, v->n_lines * v->n, MPI_DOUBLE, 0, v->comm));
  PetscCall(VarcompCheckLeft(sum[0], sum[1]));
  for (int l = n_fixed; l < v->n_lines - 1; l++)
    if (v->line[l].df == 0.0)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->line[l].source,
                           "`%s` adds nothing to the terms before it: their designs reach all that its design does, so its variance cannot be "
                           "told apart",
                           v->line[l].source));
  if (v->line[v->n_lines - 1].df == 0.0)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->line[v->n_lines - 2].source,
                         "`%s` saturates the model: with it no degree of freedom is left for the residual, so there is no analysis of variance; use "
                         "reml",
                         v->line[v->n_lines - 2].source));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mean squares = their expectations, from the last line up: eliminate */
static PetscErrorCode Solve(MeritVarcomp v)
{
  const int n = v->n, n_fixed = v->n_lines - n;
  double    A[64 * 65];
  int       singular;

  PetscFunctionBegin;
  PetscCheck(n <= 64, v->comm, PETSC_ERR_SUP, "more than 64 variances");
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) A[i * (n + 1) + j] = v->line[n_fixed + i].coefficient[j];
    A[i * (n + 1) + n] = v->line[n_fixed + i].ms;
  }
  singular = MeritDenseEliminate(n, 1, 0.0, A);
  if (singular < n)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->line[n_fixed + singular].source,
                         "the mean squares do not tell the variance of `%s` apart", v->line[n_fixed + singular].source));
  for (int i = 0; i < n; i++) {
    v->theta[i] = A[i * (n + 1) + n];
    v->state[i] = v->theta[i] < 0.0 ? MERIT_ESTIMATE_NEGATIVE : MERIT_ESTIMATE_OK;
    if (v->state[i] != MERIT_ESTIMATE_NEGATIVE || !v->nonnegative) continue;
    v->theta[i] = 0.0;
    v->state[i] = MERIT_ESTIMATE_BOUNDARY;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The matrices of all terms, and the observations as they are */
static PetscErrorCode Matrices(MeritVarcomp v, Anova *a)
{
  const size_t size = (size_t)a->n * (size_t)a->n;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(v->formula->n_terms, &a->B));
  if (!v->rank) PetscCall(PetscMalloc5(size, &a->rest, size, &a->Q, size, &a->part, a->n, &a->y, a->n, &a->left));
  for (int k = 0; k < v->formula->n_terms; k++) {
    if (!v->rank) PetscCall(PetscMalloc1(size, &a->B[k]));
    PetscCall(FormsTerm(v, "anova", k, false, a->n, a->B[k], NULL));
  }
  PetscCall(FormsObservations(v, a->y));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompAnova - See the header. Collective. */
PetscErrorCode VarcompAnova(MeritVarcomp v)
{
  Anova   a = {.n = (int)PetscMin(v->n_observations, (int64_t)MOST + 1)};
  double *coefficient;

  PetscFunctionBegin;
  if (v->n_observations > MOST)
    PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.method",
                         "anova takes the spaces that terms reach apart, for %d observations at most; there are %lld: use reml or minque", MOST,
                         (long long)v->n_observations));
  PetscCall(VarcompStart(v)); /* looks at the data, too */
  PetscCall(Sources(v));
  PetscCall(PetscCalloc1((size_t)v->n_lines * (size_t)v->n, &coefficient));
  PetscCall(Matrices(v, &a));
  if (!v->rank) Lines(v, &a, coefficient);
  PetscCall(Share(v, coefficient));
  PetscCall(Solve(v));
  for (int k = 0; k < v->formula->n_terms; k++) PetscCall(PetscFree(a.B[k]));
  PetscCall(PetscFree(a.B));
  PetscCall(PetscFree5(a.rest, a.Q, a.part, a.y, a.left));
  v->rounds = 1;
  PetscCall(VarcompReport(v, &(MeritVarcompRound){.round          = 1,
                                                  .estimate       = v->theta,
                                                  .log_likelihood = NAN,
                                                  .gradient       = NAN,
                                                  .change         = NAN,
                                                  .step           = "anova",
                                                  .seconds        = MPI_Wtime() - v->start}));
  PetscFunctionReturn(PETSC_SUCCESS);
}

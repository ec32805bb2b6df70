/*
  Henderson's method III (Henderson 1953; Searle 1971).

  Terms are fitted one after another, fixed ones first. A term's sum of squares is the reduction
  of the residual sum of squares that it makes after those before it, y'U U'y with U an
  orthonormal basis of what its design adds (henderson.c). Its degrees of freedom are the
  columns of U. The expectation has for each component the trace of U'B U, B the covariance
  matrix that the component makes with a variance of 1. Covariances between a term's levels, as
  of a pedigree, change B but not the space that its design reaches. The mean squares are set
  equal to their expectations, and this linear system is solved.
*/
#include "henderson.h"
#include "moments.h"
#include "space.h"
#include <math.h>

/* What the lines of the table are made from; n_records are those of this rank */
typedef struct {
  int32_t             n_records;
  HendersonReductions bases;
  double             *sqrt_weight, *left; /* [n_records] square root of the weight; what the terms so far leave of the observations; owned */
} Anova;

/*
  tr(U'B U) of a term's basis U, B the covariance of a pedigree term: products of B with blocks
  of columns of U. B has no factor on one rank as independent levels have. Collective.
*/
static PetscErrorCode TraceOfBasis(MeritVarcomp v, Anova *a, int term, int pedigree, double *trace)
{
  const size_t room = (size_t)a->n_records * HENDERSON_WIDTH + 1;
  RecordSpace  space;
  double      *U, *BU;
  int          k, at = a->bases.begin[term];

  PetscFunctionBegin;
  *trace = 0.0;
  PetscCall(RecordSpaceCreateTerm(v, NULL, pedigree, &space));
  PetscCall(PetscMalloc2(room, &U, room, &BU));
  while (true) {
    PetscCall(HendersonNext(&a->bases, term, &at, &k, U));
    if (!k) break;
    PetscCall(RecordSpaceCovariance(&space, k, false, U, BU));
    for (int64_t i = 0; i < (int64_t)a->n_records * k; i++) *trace += U[i] * BU[i];
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, trace, 1, MPI_DOUBLE, MPI_SUM, v->comm));
  PetscCall(PetscFree2(U, BU));
  PetscCall(RecordSpaceDestroy(&space));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  A term's line: its sum of squares, degrees of freedom, and coefficient [n] of the components
  in the expected mean square: the trace divided by the degrees of freedom, 1 for the residual.
  Terms of independent levels have their traces from the factor alone (HendersonExpectation).
  Collective.
*/
static PetscErrorCode Line(MeritVarcomp v, Anova *a, int term, MeritAnovaLine *line, double *coefficient)
{
  const MeritTermView *view;

  PetscFunctionBegin;
  MeritModelTerms(v->model, &view);
  PetscCall(HendersonReduction(&a->bases, term, a->left, &line->ss));
  for (int c = a->bases.begin[term]; c < HendersonEnd(&a->bases, term); c++) line->df += a->bases.adds[c];
  line->ms = line->ss / line->df;
  for (int c = 0; c < v->n - 1; c++) {
    const int other = v->component[c].term;

    if (MeritStructureLinked(view[other].structure)) PetscCall(TraceOfBasis(v, a, term, other, &coefficient[c]));
    else PetscCall(HendersonExpectation(&a->bases, term, other, &coefficient[c]));
    coefficient[c] /= line->df;
    if (fabs(coefficient[c]) < 1e-12) coefficient[c] = 0.0; /* rounding */
  }
  coefficient[v->n - 1] = 1.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The residual's line: what all terms together leave of the observations, with weights, and the
  degrees of freedom that are not theirs. No term reaches any of it, so its mean square expects
  the residual variance alone. Collective.
*/
static PetscErrorCode ResidualLine(MeritVarcomp v, Anova *a, MeritAnovaLine *line, double *coefficient)
{
  PetscFunctionBegin;
  PetscCall(HendersonLeave(&a->bases, a->bases.n, a->left));
  for (int32_t i = 0; i < a->n_records; i++) line->ss += pow(a->sqrt_weight[i] * a->left[i], 2.0);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &line->ss, 1, MPI_DOUBLE, MPI_SUM, v->comm));
  line->df = (double)v->run.n_observations;
  for (int i = 0; i < a->bases.n; i++) line->df -= a->bases.adds[i];
  line->ms              = line->ss / line->df;
  coefficient[v->n - 1] = 1.0;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  All lines, fixed terms first, then random ones, each in formula order, the residual's last;
  coefficient [n_lines * n]. With order_last the factor is made anew for each random term, with
  that term behind all others. Collective.
*/
static PetscErrorCode Lines(MeritVarcomp v, Anova *a, double *coefficient)
{
  MeritAnovaLine *line = v->results.line;

  PetscFunctionBegin;
  PetscCall(HendersonForm(&a->bases, "anova"));
  PetscCall(HendersonFactor(&a->bases, -1));
  for (int random = 0; random < 2; random++)
    for (int k = 0; k < v->formula->n_terms; k++) {
      if ((v->first_of_term[k] >= 0) != (random == 1)) continue;
      if (random && v->settings.order_last) PetscCall(HendersonFactor(&a->bases, k));
      line->coefficient = coefficient;
      PetscCall(Line(v, a, k, line++, coefficient));
      coefficient += v->n;
      /* a large mean of the observations is no part of what later terms reach */
      if (!(random && v->settings.order_last)) PetscCall(HendersonLeave(&a->bases, HendersonEnd(&a->bases, k), a->left));
    }
  line->coefficient = coefficient;
  PetscCall(ResidualLine(v, a, line, coefficient));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  A table of zeros with the sources in the order of the lines. Coefficients of a former run are
  freed: all are one array, that of the first line.
*/
static PetscErrorCode Sources(MeritVarcomp v)
{
  int at = 0;

  PetscFunctionBegin;
  if (v->results.line) PetscCall(PetscFree(v->results.line[0].coefficient));
  PetscCall(PetscFree(v->results.line));
  v->results.n_lines = v->formula->n_terms + 1;
  PetscCall(PetscCalloc1(v->results.n_lines, &v->results.line));
  for (int random = 0; random < 2; random++)
    for (int k = 0; k < v->formula->n_terms; k++)
      if ((v->first_of_term[k] >= 0) == (random == 1)) v->results.line[at++].source = v->formula->term[k].label;
  v->results.line[at].source = "residual";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* INPUT error: the term with this label takes the last residual degrees of freedom */
static PetscErrorCode Saturated(const char label[])
{
  PetscFunctionBegin;
  PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, label,
                       "`%s` saturates the model: with it no degree of freedom is left for the residual, so there is no analysis of variance; use "
                       "reml",
                       label));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Errors where the lines determine no variances: fixed effects explain the observations, a
  random term adds no column, or no degrees of freedom remain for the residual
*/
static PetscErrorCode CheckLines(MeritVarcomp v)
{
  const int n_fixed = v->results.n_lines - v->n;
  double    sum[2]  = {0.0, 0.0}; /* of squares that fixed effects leave, and all */

  PetscFunctionBegin;
  for (int l = 0; l < v->results.n_lines; l++) {
    sum[0] += l < n_fixed ? 0.0 : v->results.line[l].ss;
    sum[1] += v->results.line[l].ss;
  }
  PetscCall(VarcompCheckLeft(sum[0], sum[1]));
  for (int l = n_fixed; l < v->results.n_lines - 1; l++)
    if (v->results.line[l].df == 0.0)
      PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, v->results.line[l].source,
                           "`%s` adds nothing to the terms before it: its design is a combination of theirs, so its variance cannot be distinguished "
                           "from theirs; leave a term out",
                           v->results.line[l].source));
  if (v->results.line[v->results.n_lines - 1].df == 0.0) PetscCall(Saturated(v->results.line[v->results.n_lines - 2].source));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Mean squares = their expectations for the m terms of in[], from the last line up: theta[0 .. m - 1] */
static PetscErrorCode Eliminate(MeritVarcomp v, int m, const int in[], double theta[])
{
  const MeritAnovaLine *line = v->results.line + v->results.n_lines - v->n;
  double                A[MOMENTS_MAX_VARIANCES * (MOMENTS_MAX_VARIANCES + 1)];
  int                   singular;

  PetscFunctionBegin;
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < m; j++) A[i * (m + 1) + j] = line[in[i]].coefficient[in[j]];
    A[i * (m + 1) + m] = line[in[i]].ms;
  }
  singular = MeritDenseEliminate(m, 1, 0.0, A);
  if (singular < m)
    PetscCall(MeritRaise(MERIT_ERROR_INPUT, NULL, 0, line[in[singular]].source,
                         "the mean squares do not determine the variance of `%s`; leave a term out, or use reml", line[in[singular]].source));
  for (int i = 0; i < m; i++) theta[i] = A[i * (m + 1) + m];
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* The variances from the mean squares. With varcomp.nonnegative the last negative one becomes 0, and
   the lines of the others give them again, until none is negative. */
static PetscErrorCode SolveMeanSquares(MeritVarcomp v)
{
  double theta[MOMENTS_MAX_VARIANCES];
  int    in[MOMENTS_MAX_VARIANCES], m = v->n, drop;

  PetscFunctionBegin;
  PetscCheck(v->n <= MOMENTS_MAX_VARIANCES, v->comm, PETSC_ERR_SUP, "more than %d variances", MOMENTS_MAX_VARIANCES);
  for (int i = 0; i < m; i++) in[i] = i;
  do {
    PetscCall(Eliminate(v, m, in, theta));
    for (drop = m - 1; drop >= 0 && !(v->settings.nonnegative && theta[drop] < 0.0);) drop--;
    if (drop < 0) break;
    v->run.theta[in[drop]]     = 0.0;
    v->results.state[in[drop]] = MERIT_ESTIMATE_BOUNDARY;
    m--;
    for (int i = drop; i < m; i++) in[i] = in[i + 1];
  } while (m);
  for (int i = 0; i < m; i++) {
    v->run.theta[in[i]]     = theta[i];
    v->results.state[in[i]] = theta[i] < 0.0 ? MERIT_ESTIMATE_NEGATIVE : MERIT_ESTIMATE_OK;
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  A class with as many levels as observations saturates the model, which is known before the
  factor. Terms of SNPs are not counted: their columns may depend on each other.
*/
static PetscErrorCode CheckLevels(MeritVarcomp v, const Anova *a)
{
  const MeritTermView *term;
  const int            n_terms = MeritModelTerms(v->model, &term);

  PetscFunctionBegin;
  for (int k = 0; k < n_terms; k++)
    if (term[k].n_regressors == 1 && MeritStructureForm(term[k].structure) != MERIT_FORM_FACTOR &&
        a->bases.first[k + 1] - a->bases.first[k] >= v->run.n_observations)
      PetscCall(Saturated(v->formula->term[k].label));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  Variances of 1, so that the equations have designs without scales; and the observations as
  they are, weights apart, as the work of all lines. Collective.
*/
static PetscErrorCode Create(MeritVarcomp v, Anova *a)
{
  const MeritRecordsView *r = MeritModelRecords(v->model);

  PetscFunctionBegin;
  for (int c = 0; c < v->n; c++) v->run.theta[c] = 1.0;
  PetscCall(VarcompSetVariances(v, v->run.theta));
  a->n_records = r->n_records;
  PetscCall(PetscMalloc2(a->n_records + 1, &a->sqrt_weight, a->n_records + 1, &a->left));
  for (int32_t i = 0; i < a->n_records; i++) {
    a->sqrt_weight[i] = !r->observed[r->pattern[i]] ? 0.0 : r->sqrt_weight ? r->sqrt_weight[i] : 1.0;
    a->left[i]        = a->sqrt_weight[i] > 0.0 ? r->y[i] : 0.0;
  }
  PetscCall(HendersonCreate(v, "anova", &a->bases));
  PetscCall(CheckLevels(v, a));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Free what Create made. Not collective. */
static PetscErrorCode Destroy(Anova *a)
{
  PetscFunctionBegin;
  PetscCall(HendersonDestroy(&a->bases));
  PetscCall(PetscFree2(a->sqrt_weight, a->left));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompAnova - See the header. Collective. */
PetscErrorCode VarcompAnova(MeritVarcomp v)
{
  Anova   a;
  double *coefficient;

  PetscFunctionBegin;
  PetscCall(VarcompStart(v)); /* looks at the data, too */
  PetscCall(Sources(v));
  PetscCall(Create(v, &a));
  PetscCall(PetscCalloc1((size_t)v->results.n_lines * (size_t)v->n, &coefficient));
  PetscCall(Lines(v, &a, coefficient));
  PetscCall(Destroy(&a));
  PetscCall(CheckLines(v));
  PetscCall(SolveMeanSquares(v));
  v->results.rounds = 1;
  PetscCall(VarcompReport(v, &(MeritVarcompRound){.round          = 1,
                                                  .estimate       = v->run.theta,
                                                  .log_likelihood = NAN,
                                                  .gradient       = NAN,
                                                  .change         = NAN,
                                                  .step           = "anova",
                                                  .seconds        = MPI_Wtime() - v->run.began}));
  PetscFunctionReturn(PETSC_SUCCESS);
}

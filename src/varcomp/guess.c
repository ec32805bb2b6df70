/*
  Starting values by MINQUE(0), which is Haseman-Elston regression with the diagonal of the
  products (products.c): traces by a few random vectors, as far from exact as a start may be.
  Variances below a fraction of the phenotypic one are raised to it, and matrices mixed with an
  even one, so that iteration can start: from nearly singular ones it takes many rounds.
*/
#include "products.h"
#include <math.h>
#include <petscblaslapack.h>
#include <string.h>

/*
  Random vectors: at most and at least, and as many as make this many numbers with the
  observations; numbers of a component at once
*/
enum { MOST = 64, LEAST = 8, NUMBERS = 200000, AT_ONCE = 1 << 22 };
/*
  Each axis of a term's matrix, and of the residual's, has at least this fraction of the
  phenotypic variance
*/
static const double FLOOR = 0.02, FLOOR_RESIDUAL = 0.1;
/*
  Fraction of the even matrix in that of a term of several components, and its axes as fractions of
  the phenotypic variance: what takes fewest rounds in bench/rounds.sh
*/
static const double EVEN = 0.3, EVEN_AXIS = 0.2;

/*
  Do starting values by moments save more than they cost? Not for engines whose rounds cost next
  to nothing. Nor where a record has several levels of one matrix, such as an animal and its
  dam: the moments of these are too nearly collinear to save rounds. Such a term has several
  components, and regressors whose class columns differ.
*/
static bool Pays(MeritVarcomp v)
{
  if (v->run.engine->cheap_rounds) return false;
  for (int k = 0; k < v->formula->n_terms; k++) {
    const MeritTermSpec *term = &v->formula->term[k];

    for (int r = 1; v->first_of_term[k] >= 0 && term->n_components > 1 && r < term->n_regressors; r++) {
      const MeritRegressorSpec *a = &term->regressor[0], *b = &term->regressor[r];

      if (a->n_class != b->n_class) return false;
      for (int i = 0; i < a->n_class; i++)
        if (strcmp(a->class_column[i], b->class_column[i])) return false;
    }
  }
  return true;
}

/*
  *reason: why starting values by moments are not possible, NULL if they are. Nothing may be
  given or fixed by the job, a random term is needed, and fixed effects that can be taken out.
  Collective.
*/
static PetscErrorCode Possible(MeritVarcomp v, const char **reason)
{
  const MeritFormula *f = v->formula;
  bool                fits, given = false, random = false;

  PetscFunctionBegin;
  for (int r = 0; r < f->n_residuals; r++) given = given || f->residual[r].given;
  for (int k = 0; k < f->n_terms; k++) {
    given  = given || (v->first_of_term[k] >= 0 && f->term[k].given);
    random = random || v->first_of_term[k] >= 0;
  }
  PetscCall(RecordSpaceFixedFits(v, &fits));
  *reason = given ? "`variances` of the job" : !random ? "no random term" : !fits ? "too many fixed effects" : NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  A matrix of v->run.theta, whose components begin at `first`, becomes definite; returns how
  many of its axes were raised. `unit` is the standard deviation that alone would give an
  observation its variance, so that eigenvalues of the scaled matrix are fractions of the
  phenotypic variance. They are raised to the floor; those of a term of several components are
  first mixed with the even matrix. Where elements are fixed the covariances are dropped, as a
  change of the eigenvalues would change them. Every rank does so; the caller sends the numbers
  of rank 0.
*/
static int Raise(MeritVarcomp v, int first, int n, const double scale[], const double variance[])
{
  const bool   residual = v->component[first].term < 0;
  double       A[MERIT_MAX_BLOCK], unit[MERIT_MAX_COMPONENTS], lambda[MERIT_MAX_COMPONENTS], work[MERIT_MAX_COMPONENTS * (MERIT_MAX_COMPONENTS + 2)];
  PetscBLASInt N = n, room = MERIT_MAX_COMPONENTS * (MERIT_MAX_COMPONENTS + 2), info = 0;
  bool         whole  = true;
  int          raised = 0;

  for (int i = 0, c = first; i < n; i++)
    for (int j = 0; j <= i; j++, c++) {
      if (i == j) unit[i] = sqrt(variance[ProductsTrait(v, c, i)] / scale[c]);
      whole = whole && !v->component[c].fixed;
    }
  for (int i = 0, c = first; i < n; i++)
    for (int j = 0; j <= i; j++, c++) A[i * n + j] = A[j * n + i] = i == j || whole ? v->run.theta[c] / (unit[i] * unit[j]) : 0.0;
  LAPACKsyev_("V", "L", &N, A, &N, lambda, work, &room, &info); /* eigenvector k is row k */
  for (int k = 0; k < n; k++) {
    const double least = residual ? FLOOR_RESIDUAL : FLOOR;

    raised += !(lambda[k] >= least);
    if (!residual && n > 1) lambda[k] = (1.0 - EVEN) * PetscMax(lambda[k], 0.0) + EVEN * EVEN_AXIS;
    lambda[k] = PetscMax(lambda[k], least);
  }
  for (int i = 0, c = first; i < n; i++)
    for (int j = 0; j <= i; j++, c++) {
      v->run.theta[c] = 0.0;
      for (int k = 0; k < n; k++) v->run.theta[c] += A[k * n + i] * lambda[k] * A[k * n + j] * unit[i] * unit[j];
    }
  return raised;
}

/*
  Starting values by moments, if their equations can be solved: *found. Fewer random vectors do
  for more observations, as each then has more information. `width` vectors go together, a power
  of 2, so that the signs of a batch are in one word of random bits. The eigenvectors may differ
  between machines in their last bits, so all ranks take the values of rank 0. Collective.
*/
static PetscErrorCode Guess(MeritVarcomp v, const double scale[], bool *found)
{
  const MeritFormula *f         = v->formula;
  const int           n_samples = (int)PetscMin(MOST, PetscMax(LEAST, NUMBERS / v->run.n_observations));
  int                 raised = 0, width = 1;
  Products            p;

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("varcomp.start"));
  while (2 * width <= n_samples && 2 * width * v->run.n_observations <= AT_ONCE) width *= 2;
  PetscCall(ProductsCreate(v, n_samples / width * width, width, &p));
  PetscCall(ProductsSolve(v, scale, &p, v->run.theta, found));
  for (int k = 0; k < f->n_terms && *found; k++)
    if (v->first_of_term[k] >= 0 && k != v->settings.left_out) raised += Raise(v, v->first_of_term[k], f->term[k].n_components, scale, p.variance);
  for (int r = 0; r < f->n_residuals && *found; r++) raised += Raise(v, v->first_of_residual[r], f->n_traits, scale, p.variance);
  PetscCallMPI(MPI_Bcast(v->run.theta, v->n, MPI_DOUBLE, 0, v->comm));
  PetscCall(ProductsDestroy(&p));
  PetscCall(MeritPhaseEnd());
  if (*found)
    MeritLog(MERIT_LOG_INFO, "start by Haseman-Elston regression (MINQUE(0), %d random vectors)%s", n_samples / width * width,
             raised ? ", small variances raised" : "");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompGuess - See the header. Collective. */
PetscErrorCode VarcompGuess(MeritVarcomp v, const double scale[])
{
  const char *reason = NULL;
  bool        found  = false;

  PetscFunctionBegin;
  if (v->settings.method != MERIT_VARCOMP_REML && v->settings.method != MERIT_VARCOMP_ML) PetscFunctionReturn(PETSC_SUCCESS);
  if (v->settings.start_from == VARCOMP_START_HE || (v->settings.start_from == VARCOMP_START_AUTO && Pays(v))) {
    PetscCall(Possible(v, &reason));
    if (reason && v->settings.start_from == VARCOMP_START_HE)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.start", "no start by Haseman-Elston regression with %s; use auto", reason));
    if (!reason) PetscCall(Guess(v, scale, &found));
  }
  if (!found) MeritLog(MERIT_LOG_INFO, "start from `variances` where the job has them, else from fractions of the phenotypic variance");
  PetscFunctionReturn(PETSC_SUCCESS);
}

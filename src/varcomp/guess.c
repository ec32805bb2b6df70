/*
  Starting values by MINQUE(0), which is Haseman-Elston regression with the diagonal of the products: traces by a few random vectors, as far from
  exact as a start may be. What comes out below a share of the phenotypic variance is raised to it, so that there is a way on.
*/
#include "moments.h"
#include <math.h>

/* Random vectors: at most and at least, and as many as make this many numbers with the observations */
enum { MOST = 64, LEAST = 8, NUMBERS = 200000 };
/* Shares of the phenotypic variance that each term and the residual have at least */
static const double FLOOR = 0.02, FLOOR_RESIDUAL = 0.1;

/* One trait, one residual class, terms of one component, nothing given or fixed, fixed effects that can be taken out, and rounds that are dear */
static PetscErrorCode Possible(MeritVarcomp v, const char **reason)
{
  const MeritFormula *f = v->formula;
  bool                fits, given = f->residual[0].given;

  PetscFunctionBegin;
  *reason = v->n > f->n_residuals * f->n_traits * (f->n_traits + 1) / 2 ? NULL : "no random term";
  if (f->n_traits > 1 || f->n_residuals > 1) *reason = "several traits or residual classes";
  for (int i = 0; i < v->n; i++) {
    if (v->component[i].row) *reason = "a term of several components";
    given = given || (v->component[i].term >= 0 && f->term[v->component[i].term].given);
  }
  if (given) *reason = "`variances` of the job";
  if (*reason) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(SpectralFixedFits(v, &fits));
  if (!fits) *reason = "too many fixed effects";
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Estimates to v->theta, none below its share of what the observations vary about their fixed effects; how many were raised */
static int Raise(MeritVarcomp v, const Moments *e, const double scale[], double phenotypic)
{
  int raised = 0;

  for (int c = 0; c < v->n; c++) {
    const double least = (c < e->m ? FLOOR : FLOOR_RESIDUAL) * phenotypic / scale[c];

    v->theta[c] = PetscMax(e->estimate[c], least);
    raised += !(e->estimate[c] >= least) && v->component[c].term != v->left_out;
  }
  return raised;
}

/* By moments, if their equations can be solved; *found tells */
static PetscErrorCode Guess(MeritVarcomp v, const double scale[], bool *found)
{
  const int n_samples = (int)PetscMin(MOST, PetscMax(LEAST, NUMBERS / v->n_observations));
  Moments   e;
  int       fine, raised = 0;

  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("varcomp.start"));
  PetscCall(MomentsCreate(v, &e));
  PetscCall(MomentsSketch(v, n_samples, &e, NULL));
  PetscCall(MomentsCheckSketch(v, &e));
  fine = MomentsSolve(&e) == MOMENTS_FINE;
  PetscCallMPI(MPI_Bcast(&fine, 1, MPI_INT, 0, v->comm));
  PetscCallMPI(MPI_Bcast(e.estimate, v->n, MPI_DOUBLE, 0, v->comm));
  if (fine) {
    raised = Raise(v, &e, scale, e.q[e.m] / (double)(v->n_observations - v->n_fixed));
    PetscCallMPI(MPI_Bcast(v->theta, v->n, MPI_DOUBLE, 0, v->comm));
  }
  PetscCall(MomentsDestroy(&e));
  PetscCall(MeritPhaseEnd());
  *found = fine;
  if (fine)
    MeritLog(MERIT_LOG_INFO, "start by Haseman-Elston regression (MINQUE(0), %d random vectors)%s", n_samples,
             raised ? ", small variances raised" : "");
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* VarcompGuess - See the header. Collective. */
PetscErrorCode VarcompGuess(MeritVarcomp v, const double scale[])
{
  const bool  cheap  = v->engine == &VarcompEngine_Eigen || v->engine == &VarcompEngine_Lanczos; /* rounds that cost next to nothing */
  const char *reason = NULL;
  bool        found  = false;

  PetscFunctionBegin;
  if (v->method != MERIT_VARCOMP_REML && v->method != MERIT_VARCOMP_ML) PetscFunctionReturn(PETSC_SUCCESS);
  if (v->start_from == VARCOMP_START_HE || (v->start_from == VARCOMP_START_AUTO && !cheap)) {
    PetscCall(Possible(v, &reason));
    if (reason && v->start_from == VARCOMP_START_HE)
      PetscCall(MeritRaise(MERIT_ERROR_USAGE, NULL, 0, "varcomp.start", "no start by Haseman-Elston regression with %s; use auto", reason));
    if (!reason) PetscCall(Guess(v, scale, &found));
  }
  if (!found) MeritLog(MERIT_LOG_INFO, "start from `variances` where the job has them, else from shares of the phenotypic variance");
  PetscFunctionReturn(PETSC_SUCCESS);
}

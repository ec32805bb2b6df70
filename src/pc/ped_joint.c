/*
  merit_ped and the operator in one pass. With F the fixed effects' block, B its coupling to the animals, S = C_AA - B' F^-1 B and P the factor:
  where the fixed part of a residual is 0, so it is of C M^-1 r, and u_A = P^-1 r_A, u_F = -F^-1 B u_A, C u = [0; S u_A]. A start of
  x_F + F^-1 r_F makes it 0, and then an iteration needs one pass down the pedigree, one up that applies A^-1 as well and gathers B u_A
  from the animals' records, and B' u_F, which the caller adds when it next goes through C u. Sums come by the way:
  r'M^-1 r = |r_A|^2 in the factor's norm, u'C u = u_A'C_AA u_A - (B u_A)'F^-1 (B u_A).
*/
#include "ped_impl.h"

/* MeritPedFusedPassSetUp - Sort the records by animals if the model is of the kind: one pedigree
   term of plain animals (one regressor, one equation for each trait) without a permanent-environment term, and
   all other terms in F. All ranks must agree, for all go through the same messages. Collective. */
PetscErrorCode MeritPedFusedPassSetUp(MeritPed *p)
{
  MeritPedFusedPass *j = &p->joint;

  PetscFunctionBegin;
  j->fits = p->n_parts == 1 && p->part[0].permanent.term < 0;
  for (int k = 0; k < p->n_terms && j->fits; k++) j->fits = InFixed(p, k) || k == p->part[0].term;
  if (j->fits) {
    const MeritTermView *t = &p->term[p->part[0].term];

    j->fits = t->n_regressors == 1 && t->n_eq == p->records->n_traits && MeritPedigreeFactorJoins(&p->part[0].factor);
    if (j->fits) PetscCall(MeritAnimalRecordsCreate(p->records, p->first_regressor[p->part[0].term], t->eq_owned, t->n_owned, &j->records, &j->fits));
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &j->fits, 1, MPI_C_BOOL, MPI_LAND, MeritModelComm(p->model)));
  if (!j->fits) PetscCall(MeritAnimalRecordsDestroy(&j->records));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPedFusedPassGet - The joint of a merit_ped that has one, else NULL; it is the context of the
   PC under another type. Composed as "MeritPCGetFusedPass_C". Not collective. */
PetscErrorCode MeritPedFusedPassGet(PC pc, MeritFusedPass *joint)
{
  MeritPed *p;

  PetscFunctionBegin;
  PetscCall(PCShellGetContext(pc, &p));
  *joint = p->joint.fits ? (MeritFusedPass)p : NULL;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* v <- 0 at the fixed equations that are owned, and at all ghosts. */
static void ClearFixed(const MeritPed *p, double *v)
{
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t = &p->term[k];

    for (int64_t i = 0; InFixed(p, k) && i < (int64_t)t->n_owned * t->n_eq; i++) v[t->eq_owned + i] = 0.0;
  }
  for (int32_t i = p->n_owned; i < p->n_local; i++) v[i] = 0.0;
}

/*@
  MeritFusedPassStart - Make the fixed effects' part of a residual 0: x_F += F^-1 r_F, r -= C [F^-1 r_F; 0].

  Collective.

  Input/Output Parameters:
+ joint - from `MeritPCGetFusedPass()`
. v     - [room of `MeritMMEWorkLength()`] work, 0 on return
. x     - [n_owned] solution
- r     - [n_owned] its residual
@*/
PetscErrorCode MeritFusedPassStart(MeritFusedPass joint, double v[], double x[], double r[])
{
  MeritPed            *p       = (MeritPed *)joint;
  const MeritTermView *animals = &p->term[p->part[0].term];
  const uint8_t       *state   = p->state;

  PetscFunctionBegin;
  PetscCall(MeritPedBegin(p, 1, v));
  PetscCall(PetscArrayzero(v, p->n_local));
  for (int k = 0; k < p->n_terms; k++)
    if (InFixed(p, k))
      PetscCall(PetscArraycpy(v + p->term[k].eq_owned, r + p->term[k].eq_owned, (size_t)p->term[k].n_owned * (size_t)p->term[k].n_eq));
  PetscCall(MeritPedFixedSolve(p, v));
  for (int k = 0; k < p->n_terms; k++) {
    const MeritTermView *t = &p->term[k];

    for (int32_t i = t->eq_owned; InFixed(p, k) && i < t->eq_owned + t->n_owned * t->n_eq; i++) {
      /* a constrained equation is a row of the identity, without coefficients at animals */
      x[i] += state[i] == MERIT_EQ_OK ? v[i] : r[i];
      r[i] = 0.0;
      if (state[i] != MERIT_EQ_OK) v[i] = 0.0;
    }
  }
  PetscCall(MeritPedExchange(p, p->fixed.link, MPI_DOUBLE, false));
  MeritRecordsTransfer(p->records, p->down, -1.0, 1, v, v);
  for (int32_t i = animals->eq_owned; i < animals->eq_owned + animals->n_owned * animals->n_eq; i++) r[i] += v[i];
  PetscCall(PetscArrayzero(v, p->n_local));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* u_F <- -F^-1 u_F with ghosts, u_F being B u_A on entry (parts of it at ghosts). *lost = (B
   u_A)' F^-1 (B u_A) of this rank, which u' C u loses by it. Collective. */
static PetscErrorCode Eliminate(MeritPed *p, double *u, double *lost)
{
  const uint8_t *state = p->state;
  double        *kept  = p->work.kept;

  PetscFunctionBegin;
  PetscCall(MeritPedExchange(p, p->fixed.link, MPI_DOUBLE, true));
  /* the records know nothing of constrained equations; those of the big term have no part in F^-1 */
  for (int i = 0; i < p->fixed.n_mine; i++)
    if (state[p->fixed.equation[i]] != MERIT_EQ_OK) u[p->fixed.equation[i]] = 0.0;
  for (int k = 0; k < p->n_terms; k++)
    for (int32_t i = 0; InFixed(p, k) && i < p->term[k].n_owned * p->term[k].n_eq; i++) *kept++ = u[p->term[k].eq_owned + i];
  PetscCall(MeritPedFixedSolve(p, u));
  kept  = p->work.kept;
  *lost = 0.0;
  for (int k = 0; k < p->n_terms; k++)
    for (int32_t i = 0; InFixed(p, k) && i < p->term[k].n_owned * p->term[k].n_eq; i++) {
      double *at = u + p->term[k].eq_owned + i;

      *lost += *kept++ * *at;
      *at = -*at;
    }
  PetscCall(MeritPedExchange(p, p->fixed.link, MPI_DOUBLE, false));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritFusedPassApply - u = M^-1 r and w = C u but for what `MeritFusedPassFinish()` adds, for a residual whose fixed part is 0.

  Collective.

  Input Parameter:
. joint - from `MeritPCGetFusedPass()`

  Input/Output Parameters:
+ u - [room] in: r; out: u
- w - [room] out

  Output Parameter:
. sums - r'u and u'C u of this rank; they add up over ranks
@*/
PetscErrorCode MeritFusedPassApply(MeritFusedPass joint, double u[], double w[], double sums[2])
{
  MeritPed     *p    = (MeritPed *)joint;
  MeritPedPart *part = p->part;
  PetscSF       halo = MeritModelHalo(p->model);
  double        lost = 0.0;

  PetscFunctionBegin;
  PetscCall(MeritPedBegin(p, 1, u));
  ClearFixed(p, u);
  ClearFixed(p, w);
  sums[0] = sums[1] = 0.0;
  /* down the pedigree: forward substitution, and r'M^-1 r */
  for (int g = p->n_steps - 1; g >= 0; g--) {
    PetscCall(MeritPedExchange(p, part->link[g], MPI_DOUBLE, true));
    MeritPedigreeForwardSum(&part->factor, part->start[g], part->start[g + 1], u, sums);
  }
  /* up: backward substitution gives u of an animal, which is then in the cache for A^-1 u and
     for its records */
  for (int g = 0; g < p->n_steps; g++) {
    MeritPedigreeBackwardApply(&part->factor, &p->joint.records, part->start[g], part->start[g + 1], u, w, sums);
    PetscCall(MeritPedExchange(p, part->link[g], MPI_DOUBLE, false));
  }
  PetscCall(PetscSFReduceBegin(halo, MPI_DOUBLE, w + p->n_owned, w, MPI_SUM));
  PetscCall(Eliminate(p, u, &lost));
  PetscCall(PetscSFReduceEnd(halo, MPI_DOUBLE, w + p->n_owned, w, MPI_SUM));
  sums[1] -= lost;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritFusedPassTerm - The term whose animals `MeritFusedPassFinish()` counts. Not collective. */
int MeritFusedPassTerm(MeritFusedPass joint) { return ((const MeritPed *)joint)->part[0].term; }

/* MeritFusedPassFinish - w is C u at the equations of animals [first, last) after this. It adds B'
   u_F, record by record, so it reads u at the fixed effects, ghosts too. Not collective. */
void MeritFusedPassFinish(MeritFusedPass joint, int32_t first, int32_t last, const double u[], double w[])
{
  const MeritPed *p = (const MeritPed *)joint;

  MeritAnimalRecordsFinish(&p->joint.records, p->term[p->part[0].term].eq_owned, first, last, u, w);
}

/*
  Products with K itself by the recursion, K = (I - P)^-1 D (I - P)^-T, and draws of covariance K.
  Neither K nor the inverse of I - P is formed (for a pedigree, Colleau 2002).

  (I - P)^-T goes from children to parents: each level adds c times its value to each parent. (I -
  P)^-1 goes from parents to children: each level adds c times the value of each parent to its
  own. A level may be used only when it is complete, and its parents or children may be on other
  ranks. So all ranks go generation by generation, with one exchange of ghosts before each. The
  owned levels are stored by generation, so one index runs through them.
*/
#include "structure_impl.h"
#include <math.h>
#include <merit/unit.h>

/* State of one product or draw; x [n_local * k] is owned by the caller */
typedef struct {
  MPI_Comm       comm;
  MeritStructure s;
  MeritHalo      halo;
  MPI_Datatype   unit; /* the k numbers of an equation */
  int            k;    /* vectors */
  double        *x;
  int32_t        youngest; /* generation, of all ranks */
} Pass;

/* Check the rows, and find the youngest generation over all ranks. Collective. */
static PetscErrorCode Begin(MeritStructure s, const MeritHalo *halo, int k, double *x, Pass *p)
{
  PetscFunctionBegin;
  *p = (Pass){.comm = halo->comm, .s = s, .halo = *halo, .k = k, .x = x};
  PetscCheck(!s || s->rows.n_rows == s->rows.n_levels, halo->comm, PETSC_ERR_ARG_WRONG,
             "K of a recursion that has rows without a level is not at hand");
  for (int32_t i = 0; s && s->generation && i < s->n_owned; i++) p->youngest = PetscMax(p->youngest, s->generation[i]);
  if (MeritStructureLinked(s)) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &p->youngest, 1, MPI_INT32_T, MPI_MAX, p->comm));
  PetscCall(MeritUnitCreate(k, &p->unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Ghosts get the values of their owners. Collective. */
static PetscErrorCode FromOwners(Pass *p)
{
  double *ghosts = p->x + (int64_t)p->halo.n_owned * p->k;

  PetscFunctionBegin;
  PetscCall(PetscSFBcastBegin(p->halo.sf, p->unit, p->x, ghosts, MPI_REPLACE));
  PetscCall(PetscSFBcastEnd(p->halo.sf, p->unit, p->x, ghosts, MPI_REPLACE));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Ghosts give their parts to the owners, and are 0 again. Collective. */
static PetscErrorCode ToOwners(Pass *p)
{
  double *ghosts = p->x + (int64_t)p->halo.n_owned * p->k;

  PetscFunctionBegin;
  PetscCall(PetscSFReduceBegin(p->halo.sf, p->unit, ghosts, p->x, MPI_SUM));
  PetscCall(PetscSFReduceEnd(p->halo.sf, p->unit, ghosts, p->x, MPI_SUM));
  PetscCall(PetscArrayzero(ghosts, (size_t)(p->halo.n_local - p->halo.n_owned) * (size_t)p->k));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* One row: its level gives its parents c of what it has (down), or takes c of what they have
   (up) */
static void Row(const Pass *p, int32_t row, bool down)
{
  const MeritRecursion *r     = &p->s->rows;
  const int             width = r->n * p->k;
  double               *own   = p->x + (int64_t)(r->own + row * r->n) * p->k, element;

  for (int64_t i = 1; i < MeritRecursionRowLength(r, row); i++) {
    const int32_t at     = MeritRecursionElement(r, row, i, &element);
    double       *parent = p->x + (int64_t)at * p->k;

    for (int j = 0; at >= 0 && j < width; j++) *(down ? &parent[j] : &own[j]) -= element * (down ? own[j] : parent[j]);
  }
}

/* x <- (I - P)^-T x, from the youngest generation to the oldest. Collective. */
static PetscErrorCode Down(Pass *p)
{
  int32_t row = p->s ? p->s->n_owned - 1 : -1;

  PetscFunctionBegin;
  for (int32_t g = p->youngest; g >= 0; g--) {
    PetscCall(ToOwners(p));
    for (; row >= 0 && (!p->s->generation || p->s->generation[row] == g); row--) Row(p, row, true);
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x <- (I - P)^-1 x, from the oldest generation to the youngest, also for ghosts. Collective. */
static PetscErrorCode Up(Pass *p)
{
  int32_t row = 0;

  PetscFunctionBegin;
  for (int32_t g = 0; g <= p->youngest && p->youngest; g++) {
    PetscCall(FromOwners(p));
    for (; row < p->s->n_owned && p->s->generation[row] == g; row++) Row(p, row, false);
  }
  PetscCall(FromOwners(p));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* x <- D x, or D^1/2 x; a flat level has no variance to speak of: 0 */
static void Scale(const Pass *p, bool root)
{
  const MeritRecursion *r = p->s ? &p->s->rows : NULL;

  for (int32_t row = 0; r && r->d && row < r->n_levels; row++) {
    const double d = isinf(r->d[row]) ? 0.0 : root ? sqrt(r->d[row]) : r->d[row];

    for (int j = 0; j < r->n * p->k; j++) p->x[(int64_t)(r->own + row * r->n) * p->k + j] *= d;
  }
}

/*@
  MeritStructureProduct - x = K x of a recursion, each of a level's numbers by itself, k vectors fastest; K = I without a structure.

  Collective. What ranks have of one level is added up first.

  Input Parameters:
+ s    - a recursion (merit/structure.h), or NULL
. halo - of the equations that x is laid out by
- k    - vectors

  Input/Output Parameter:
. x - [n_local * k] in: parts of all levels here, ghosts too; out: K x of the same
@*/
PetscErrorCode MeritStructureProduct(MeritStructure s, const MeritHalo *halo, int k, double x[])
{
  Pass p;

  PetscFunctionBegin;
  PetscCall(Begin(s, halo, k, x, &p));
  PetscCall(Down(&p));
  Scale(&p, false);
  PetscCall(Up(&p));
  PetscCall(MeritUnitFree(&p.unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritStructureDraw - From independent standard normals to draws of covariance K: x <- (I - P)^-1 D^1/2 x; flat levels have 0.

  Collective. Arguments as of `MeritStructureProduct()`; x [n_local * k] in: those of owned levels; out: draws, of ghosts too.
@*/
PetscErrorCode MeritStructureDraw(MeritStructure s, const MeritHalo *halo, int k, double x[])
{
  Pass p;

  PetscFunctionBegin;
  PetscCall(Begin(s, halo, k, x, &p));
  Scale(&p, true);
  PetscCall(Up(&p));
  PetscCall(MeritUnitFree(&p.unit));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  The penalty K^-1 x G^-1 of a term as an operator on the equations of one rank, K^-1 = (I - P)'
  D^-1 (I - P). The data of the rows choose one of three ways:
  - No level has parents, and all have d = 1: each level is multiplied by G^-1 alone
    (MeritPenaltyApplyWithin).
  - Each row has two parents of coefficient 1/2, as in a pedigree: the kernels for pedigrees, with
    a plan by which threads write to parents without conflicts.
  - Rows have any number of parents: m = D^-1 (I - P) x, times G^-1 for each level, row by row,
    then (I - P)' m level by level. For the second step the elements of I - P are listed by level,
    so that each thread writes to levels of its own.

  In the last two, equations of ghosts get a part of the product; the caller adds it at their
  owners.
*/
#include "structure_impl.h"
#include <merit/kernels.h>

/* A penalty. `own` and `scatter` are set if rows have two parents of 1/2, `columns` if they
   have parents in lists, or none but a d; neither if the penalty of each level is G^-1. */
struct _p_MeritPenalty {
  const MeritRecursion *rows;
  const double         *G_inverse; /* borrowed */
  int32_t               room;      /* numbers of y for a right-hand side, see MeritPenaltyWorkLength */
  /* two parents of 1/2 */
  int32_t     *own; /* [n_rows] first equation of each level; owned */
  MeritScatter scatter;
  /* rows of any kind */
  MeritRecursionColumns columns;
  double               *m; /* [n_rows * n * width] work, grown on demand; owned */
  int                   width;
};

/* Is the penalty of each level G^-1? */
static bool Plain(const MeritRecursion *rows) { return !MeritRecursionLinked(rows) && !rows->d; }

/* The plan of the scatter from animals to themselves and their parents */
static PetscErrorCode PlanPedigree(MeritPenalty p, int n_threads, int32_t n_local)
{
  const MeritRecursion *r        = p->rows;
  const int32_t         width[3] = {r->n, r->n, r->n};
  const int32_t        *lists[3] = {NULL, r->sire, r->dam};

  PetscFunctionBegin;
  PetscCall(PetscMalloc1(r->n_rows + 1, &p->own));
  for (int32_t i = 0; i < r->n_rows; i++) p->own[i] = r->own + i * r->n;
  lists[0] = p->own;
  PetscCall(MeritScatterCreate(n_threads, r->n_rows, 3, lists, width, n_local, &p->scatter));
  p->room = p->scatter.y_length;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* Elements of I - P by level: count the rows of each level, make the starts, then fill.
   at[equation] is first the count, then the next free position. Rows ascend within a level, so
   sums have a fixed order. */
static PetscErrorCode PlanColumns(MeritPenalty p, int32_t n_local)
{
  const MeritRecursion  *r = p->rows;
  MeritRecursionColumns *c = &p->columns;
  int64_t               *at, n = 0;
  double                 element;
  int32_t                equation;

  PetscFunctionBegin;
  PetscCall(PetscCalloc1(n_local + 1, &at));
  for (int32_t row = 0; row < r->n_rows; row++)
    for (int64_t i = 0; i < MeritRecursionRowLength(r, row); i++)
      if ((equation = MeritRecursionElement(r, row, i, &element)) >= 0) at[equation]++, n++;
  for (int32_t e = 0; e < n_local; e++) c->n_levels += at[e] > 0;
  PetscCall(PetscMalloc4(c->n_levels + 1, &c->equation, c->n_levels + 1, &c->start, n + 1, &c->row, n + 1, &c->element));
  c->n_levels = 0;
  n           = 0;
  for (int32_t e = 0; e < n_local; e++) {
    const int64_t count = at[e];

    if (!count) continue;
    c->equation[c->n_levels] = e;
    c->start[c->n_levels++]  = n;
    at[e]                    = n;
    n += count;
  }
  c->start[c->n_levels] = n;
  for (int32_t row = 0; row < r->n_rows; row++)
    for (int64_t i = 0; i < MeritRecursionRowLength(r, row); i++) {
      if ((equation = MeritRecursionElement(r, row, i, &element)) < 0) continue;
      c->row[at[equation]]       = row;
      c->element[at[equation]++] = element;
    }
  PetscCall(PetscFree(at));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPenaltyCreate - See the header. Not collective. */
PetscErrorCode MeritPenaltyCreate(const MeritRecursion *rows, int n_threads, int32_t n_local, MeritPenalty *p)
{
  PetscFunctionBegin;
  *p = NULL;
  if (!rows || !rows->n) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(PetscNew(p));
  (*p)->rows = rows;
  (*p)->room = n_local;
  if (rows->sire) PetscCall(PlanPedigree(*p, n_threads, n_local));
  else if (!Plain(rows)) PetscCall(PlanColumns(*p, n_local));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPenaltySetInverse - See the header. Not collective. */
void MeritPenaltySetInverse(MeritPenalty p, const double *G_inverse)
{
  if (p) p->G_inverse = G_inverse;
}

/* MeritPenaltyWorkLength - See the header. Not collective. */
int32_t MeritPenaltyWorkLength(MeritPenalty p) { return p ? p->room : 0; }

/* What the kernels for pedigrees take; arrays are borrowed */
static MeritPedigreeKernel Kernel(MeritPenalty p)
{
  const MeritRecursion *r = p->rows;

  return (MeritPedigreeKernel){r->n_rows, r->n, r->own, r->sire, r->dam, r->d, p->G_inverse, &p->scatter};
}

/* MeritPenaltyOverwrites - See the header. Not collective. */
bool MeritPenaltyOverwrites(MeritPenalty p, int k)
{
  const MeritPedigreeKernel kernel = p ? Kernel(p) : (MeritPedigreeKernel){0};

  return p && p->own && MeritPedigreeOverwrites(&kernel, k);
}

/* MeritPenaltyApplyWithin - See the header. Not collective, threaded. */
void MeritPenaltyApplyWithin(MeritPenalty p, int k, const double *x, double *y)
{
  const MeritRecursion *r = p ? p->rows : NULL;

  if (!p || !Plain(r)) return;
  MeritLevelsApply(r->n_levels, r->n, p->G_inverse, k, x + (int64_t)r->own * k, y + (int64_t)r->own * k);
}

/* MeritPenaltyApplyAcross - See the header. Not collective, threaded. */
PetscErrorCode MeritPenaltyApplyAcross(MeritPenalty p, int k, const double *x, double *y)
{
  PetscFunctionBegin;
  if (!p || Plain(p->rows)) PetscFunctionReturn(PETSC_SUCCESS);
  if (p->own) {
    const MeritPedigreeKernel kernel = Kernel(p);

    MeritPedigreeApply(&kernel, k, x, y);
    PetscFunctionReturn(PETSC_SUCCESS);
  }
  if (k > p->width) {
    PetscCall(PetscFree(p->m));
    PetscCall(PetscMalloc1((size_t)p->rows->n_rows * (size_t)(p->rows->n * k) + 1, &p->m));
    p->width = k;
  }
  MeritRecursionForward(p->rows, p->G_inverse, k, x, p->m);
  MeritRecursionBackward(p->rows, &p->columns, k, p->m, y);
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritPenaltyDestroy - Free a penalty; NULL-safe. Not collective. */
PetscErrorCode MeritPenaltyDestroy(MeritPenalty *p)
{
  PetscFunctionBegin;
  if (!*p) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(MeritScatterDestroy(&(*p)->scatter));
  PetscCall(PetscFree((*p)->own));
  PetscCall(PetscFree4((*p)->columns.equation, (*p)->columns.start, (*p)->columns.row, (*p)->columns.element));
  PetscCall(PetscFree((*p)->m));
  PetscCall(PetscFree(*p));
  PetscFunctionReturn(PETSC_SUCCESS);
}

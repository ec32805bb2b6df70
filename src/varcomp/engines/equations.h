#pragma once
/*
  What the two engines on the mixed model equations share: the data's quadratic forms and the
  average information.
*/
#include "varcomp_impl.h"

/* X = C^-1 R for k right-hand sides, X holding a start; arrays [n_owned * k] */
typedef PetscErrorCode (*VarcompSolve)(MeritVarcomp v, int k, const double R[], double X[]);

typedef struct {
  VarcompMatrices m;       /* of the point */
  double        **inverse; /* [n_terms] G^-1, 0 where it is singular; owned, as are the entries */
  double        **B;       /* [n_terms] B with G^-1 = B'B and u = B^-1 v where the equations are those of v, else NULL; owned, as are the entries */
  int32_t         n_owned;
  size_t          n_values; /* records x traits */
  double         *y;        /* [n_values] observations, of which VarcompEquationsCentre takes fixed effects off; owned */
  double         *x;        /* [n_owned] solution of the data; owned */
  double         *x_work;   /* [n_owned * n] solutions of the working variates; owned */
  double         *work;     /* [n_values * n] working variates V_j P y; owned */
  double         *Py;       /* [n_values]; owned */
  double          yPy;
  bool            centred;
} VarcompEquations;

/* Arrays for the model of v->run.C, with the observations in y. Not collective. */
PetscErrorCode VarcompEquationsCreate(MeritVarcomp v, VarcompEquations *e);
/* Free what Create and Set made. Not collective. */
PetscErrorCode VarcompEquationsFree(MeritVarcomp v, VarcompEquations *e);
/* Variances of theta to the model and to e->m, e->inverse. Collective. */
PetscErrorCode VarcompEquationsSet(MeritVarcomp v, const double theta[], VarcompEquations *e);
/* Derivative of the penalty of a level, -G^-1 E G^-1; A [n * n]. Not collective. */
void VarcompTermDerivative(const MeritComponent *c, int n, const double *inverse, double *A);
/* Right-hand side of the data, W'R^-1 y; r [n_owned]. Collective. */
PetscErrorCode VarcompEquationsData(MeritVarcomp v, const VarcompEquations *e, double r[]);
/*
  Takes off y what the fixed effects of e->x explain, and those off e->x. As P X = 0 no
  quadratic form changes, but a mean of many standard deviations no longer takes their digits.
  Collective.
*/
PetscErrorCode VarcompEquationsCentre(MeritVarcomp v, VarcompEquations *e);
/* Parts of a checkpoint: the current y; two of them. Not collective. */
int VarcompEquationsState(MeritVarcomp v, VarcompEquations *e, MeritState state[]);
/*
  With e->x the solution for the data: Py, y'Py, quad[n] = y'P V_j P y and information = 1/2
  f_i' P f_j. Collective.
*/
PetscErrorCode VarcompEquationsForms(MeritVarcomp v, VarcompEquations *e, VarcompSolve solve, double quad[], double information[]);
/*
  basis.c: B = A^-1, rows and columns of a triangular matrix in some other order; false if it is
  singular. Not collective.
*/
bool VarcompInvert(int n, const double *A, double *B);
/* out = R^-1 in for k columns of record values; may be the same array. Not collective. */
void VarcompApplyR(const MeritRecordsView *records, int k, const double *in, double *out);
/*
  log |R| over all records, and tr(R^-1 V_j) of each residual component into trace[n].
  Collective.
*/
PetscErrorCode VarcompResidualPart(MeritVarcomp v, double *log_R, double trace[]);
/*
  log |K x G| over all random terms, and tr(G^-1 V_j)-parts q tr(G^-1 E) into trace[n], but for
  terms with a B. Collective.
*/
PetscErrorCode VarcompPenaltyPart(MeritVarcomp v, const VarcompEquations *e, double *log_G, double trace[]);
/* E of a component: element (row, column) and its mirror image */
static inline double VarcompPick(const MeritComponent *c, int n, const double *H)
{
  return c->row == c->column ? H[c->row * n + c->row] : H[c->row * n + c->column] + H[c->column * n + c->row];
}

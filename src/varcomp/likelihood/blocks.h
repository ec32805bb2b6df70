#pragma once
/*
  The covariance matrices as blocks of components, and the coordinates that a step is taken in.
  A matrix of which covariances stay at 0 is as many blocks as it has groups of components
  without a covariance between them, each with a state of its own (boundary.c): a diagonal one
  is as many as it has variances.
*/
#include "equations.h"

/* A pivot of a singular G, as a fraction of its variance: what rounding allows beside the others */
#define BLOCK_NEXT_TO_ZERO 1e-8

typedef enum {
  BLOCK_FREE,    /* its elements are the coordinates */
  BLOCK_ZERO,    /* 0, or for a residual class next to 0: no coordinates */
  BLOCK_SINGULAR /* singular: G = L L' with the pivots behind `free_pivots` next to 0; the columns of L before them are the coordinates */
} BlockKind;

typedef struct {
  int       term, residual;               /* as in MeritComponent */
  int       first;                        /* first component of the matrix that this is a block of */
  int       n, row[MERIT_MAX_COMPONENTS]; /* order of the block, and its rows in that matrix, ascending */
  double    count;                        /* levels, or records of the class: for steps of EM */
  bool      fixed, all_free;              /* all, none of the elements are fixed */
  BlockKind kind;
  int       free_pivots;                 /* SINGULAR */
  int       order[MERIT_MAX_COMPONENTS]; /* SINGULAR: components by pivots */
  int       n_released;                  /* how often it came back from the boundary */
  int       begin;                       /* first of its coordinates */
  int       n_beyond;                    /* rounds in a row whose step would have made it singular */
  double    refused, refused_lower;      /* its least pivot when the boundary was refused, its reach when a lower rank was; 0: never */
  double    floor[MERIT_MAX_COMPONENTS]; /* of a residual class that is not free: variance of each trait that replaces 0 */
} Block;

typedef struct {
  int     n_blocks;
  Block  *block;         /* [n_blocks]; owned */
  int     n, m;          /* components, coordinates */
  double *J;             /* [n * n] derivatives of components by coordinates, row-major with m columns used; owned */
  double *g, *H;         /* [m], [m * m] gradient and information in coordinates; owned */
  bool    singular;      /* a block is singular; EM cannot move it */
  bool    damped;        /* H is more than the information, which is not definite here: beside a singular matrix that is no maximum */
  double *em;            /* [n * n] information of complete data in components; owned */
  double *expected;      /* [n * n] expected information in components (expected.c); owned */
  double *work, *factor; /* [n * n]: products, a Cholesky factor; owned */
  double *secant;        /* [m * m] H corrected by the last steps; owned */
  int     n_pairs;
  double *pair[2][3]; /* [n] steps and falls of the gradient, newest last; owned */
} Coordinates;

/*
  Blocks of all terms and residual classes at the start v->run.theta, all free; arrays for n
  components. Collective.
*/
PetscErrorCode CoordinatesCreate(MeritVarcomp v, Coordinates *c);
/* Free what Create made. Not collective. */
PetscErrorCode CoordinatesDestroy(Coordinates *c);
/*
  Coordinates, gradient and information at a point theta [n] with the engine's values `point`.
  Not collective.
*/
void CoordinatesSet(MeritVarcomp v, Coordinates *c, const double theta[], const VarcompPoint *point);
/*
  A step was taken in coordinates that stay the same: it corrects H; step NULL: forget all, as
  where kinds change.
*/
void CoordinatesRemember(Coordinates *c, const double step[], const double fall[]);
/*
  moved [n] = theta [n] after `fraction` times step [m] along the coordinates. Not
  collective.
*/
void CoordinatesMove(MeritVarcomp v, const Coordinates *c, const double theta[], double fraction, const double step[], double moved[]);
/* step [m] = H^-1 g; false if H is not definite. Not collective. */
bool CoordinatesStep(const Coordinates *c, double step[]);
/*
  The same with the expected information, of which a fraction w is replaced by that of complete
  data (w = 1: EM).
*/
bool CoordinatesScoringStep(const Coordinates *c, double w, double step[]);
/*
  step [m] = A^-1 g with A = H corrected by the last steps; false if it is not definite. Not
  collective.
*/
bool CoordinatesSecantStep(Coordinates *c, double step[]);
/* Component of an element of the block */
static inline int BlockAt(const Block *b, int i, int j)
{
  const int row = b->row[PetscMax(i, j)], column = b->row[PetscMin(i, j)];

  return b->first + row * (row + 1) / 2 + column;
}
/* The block's matrix G [n * n] out of theta. Not collective. */
void BlockGet(const Block *b, const double theta[], double *G);
/* G [n * n] to theta, but for elements that are fixed. Not collective. */
void BlockPut(MeritVarcomp v, const Block *b, const double *G, double theta[]);
/*
  Least pivot of the correlation matrix (order 1: the variance): how far it is from singular;
  negative where it is no covariance matrix
*/
double BlockPivot(const Block *b, const double theta[]);
/*
  How far a singular matrix is from one of a lower rank, in standard errors of the last column
  of its root; infinite for others
*/
double BlockReach(const Coordinates *c, const Block *b, const double theta[]);
/*
  Make a block 0; of a residual class the variances become its `floor`, which must be set. Not
  collective.
*/
void BlockZero(Block *b, double theta[]);
/*
  Make a block singular by one more pivot: theta changes to the nearest such matrix, up to what
  replaces 0. Not collective.
*/
void BlockPin(MeritVarcomp v, Block *b, double theta[]);
/* At the end: theta of the block with what is next to 0 at exactly 0. Not collective. */
void BlockFinish(MeritVarcomp v, const Block *b, double theta[]);
/*
  expected.c: the expected information [n * n] at a point; S and half [n * n] are work. Not
  collective.
*/
void VarcompExpected(MeritVarcomp v, const Coordinates *c, const double theta[], const VarcompPoint *point, double *S, double *half,
                     double *expected);
/*
  check.c: INPUT error where the data do not distinguish components, naming them; c is that of
  v->run.theta. Logically collective.
*/
PetscErrorCode VarcompCheckInformation(MeritVarcomp v, const Coordinates *c);

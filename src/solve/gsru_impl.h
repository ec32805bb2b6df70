#pragma once
#include "solver_impl.h"
#include <merit/op.h>

/*
  The levels of a term on this rank in the order of the sweep: colour after colour, in a colour the owned ones first. No record and no
  pedigree edge meets two levels of a colour, so a colour is one block whose Gram matrix is block diagonal.
*/
typedef struct {
  int      n_colours; /* the same on all ranks */
  int32_t *first;     /* [n_colours + 1] first place of each colour; owned */
  int32_t *n_mine;    /* [n_colours] levels owned here; owned */
  int32_t *eq, *slot; /* [n_places] first equation, first component slot; owned */
  int64_t *start;     /* [n_places + 1] into entry; owned */
  int32_t *entry;     /* record i, or ~i for the pedigree edge of owned animal i; owned */
  PetscSF *halo;      /* [n_colours] ghosts of the colour, NULL for SNP terms; owned */
} GsruLevels;

/* A term whose levels all interact (SNPs, columns of ridge): blocks of columns with their Gram matrix, replicated */
typedef struct {
  int32_t  n_cols;    /* levels of the term */
  int32_t  width;     /* columns of a block */
  int64_t  n_rows;    /* here: genotyped animals, or records */
  double  *D;         /* [n_rows * n_eq^2] J' R^-1 J; owned */
  double  *weight;    /* [n_rows] of D_i = weight_i B, if it is so; owned */
  double  *B;         /* [n_eq^2]; owned */
  int      n_gram;    /* numbers of a pair of columns in gram: 1 (then times B) or n_eq^2; 0: none made yet */
  double **gram;      /* [n_blocks] [(a * n + b) * n_gram + .] of M' D M; owned */
  double  *inverse;   /* [n_cols * n_eq^2] of the diagonal blocks of C; owned */
  double  *x, *delta; /* [n_cols * n_eq] effects and rest of the right-hand side; owned */
  double  *s, *shift; /* [n_rows * n_eq] J' R^-1 e, and the change of M x in this sweep; owned */
  double  *Z;         /* RIDGE: [n_rows * width] the columns of a block; owned */
  double  *z;         /* [n_rows * n_eq] change of M x in a block; owned */
  double  *sums;      /* [n_threads * width * n_eq], equation fastest: gradients, then steps; owned */
} GsruDense;

typedef struct {
  const MeritTermView *view;
  int                  index;   /* in the model */
  const double        *inverse; /* [n_owned * n_eq^2] of the diagonal blocks; borrowed from Gsru */
  double              *m;       /* PED: [n_owned * n_eq] x_i - x_s / 2 - x_d / 2; owned */
  GsruLevels           levels;  /* all but ridge; an SNP term's are its carriers, one colour */
  GsruDense            dense;   /* SNP, RIDGE */
} GsruTerm;

/* What a thread summed of a level that another thread shares */
typedef struct {
  int32_t place; /* -1: nothing */
  double  comp[64], eq[64];
} GsruPart;

typedef struct {
  MeritSolver             solver;
  MeritModel              model;
  const MeritRecordsView *records;
  const uint8_t          *eq_state;
  PetscSF                 halo;
  int32_t                 n_owned, n_local;
  int                     n_terms, n_threads;
  uint64_t                state;  /* of the model, for which the numbers are */
  GsruTerm               *term;   /* [n_terms]; owned */
  double                 *blocks; /* inverses of all diagonal blocks; owned */
  GsruPart               *part;   /* [2 * n_threads]; owned */
  double                 *e;      /* [n_records * n_traits] y - W x; owned */
  double                 *delta;  /* [n_owned] right-hand side beyond W' R^-1 y; owned */
  double                 *before; /* [n_owned] x before a symmetric sweep; owned */
  bool                    backward; /* the sweep goes from the last term to the first, colour and column by column */
  bool                    has_y;  /* e starts from y, else from 0 */
  bool                    afresh; /* gs: e is computed from all effects before every step, and never updated */
  double                 *g, *du; /* [n_local] gradient and step; owned */
  double *
      sums; /* [2 * n_terms + 1] of a sweep: dx'dx and x'x by term, sum of squares of the gradients met; owned */
} Gsru;

/* Terms that go by blocks of columns */
static inline bool GsruIsDense(const MeritTermView *t)
{
  return t->kind == MERIT_TERM_SNP || t->kind == MERIT_TERM_RIDGE;
}

/* gsru.c: e and m from x, as if nothing were known. Collective. */
PetscErrorCode GsruRefresh(Gsru *gs, const double *x);
/* gsru_colour.c: colours of the local levels [n_owned + n_ghost]; owned by the caller. Collective. */
PetscErrorCode GsruColour(Gsru *gs, const GsruTerm *term, int *n_colours, int **colour);
/* gsru_levels.c */
PetscErrorCode GsruLevelsCreate(Gsru *gs, GsruTerm *term);
PetscErrorCode GsruLevelsDestroy(GsruLevels *levels);
/* q = R^-1 e of a record */
void GsruWeigh(const MeritRecordsView *records, int32_t record, const double *e, double *q);
/* g of the levels in places [first, last): their equations of W' R^-1 e and, in PED, of -P x; over what this rank has */
void GsruGradient(Gsru *gs, const GsruTerm *term, int32_t first, int32_t last);
/* e and m after du of the levels in places [first, last) */
void GsruUpdate(Gsru *gs, const GsruTerm *term, int32_t first, int32_t last);
/* gsru_sweep.c: one sweep over a term, adds to gs->sums. Collective. */
PetscErrorCode GsruSweepLevels(Gsru *gs, GsruTerm *term, double *x);
void           GsruInvert(int n, double *A);
/* gsru_dense.c */
PetscErrorCode GsruDenseCreate(Gsru *gs, GsruTerm *term);
PetscErrorCode GsruDenseNumbers(Gsru *gs, GsruTerm *term);
PetscErrorCode GsruDenseReplicate(Gsru *gs, GsruTerm *term, const double *owned, double *all);
PetscErrorCode GsruDenseDestroy(GsruTerm *term);
/* gsru_block.c: the sweep over the blocks of a dense term. Collective. */
PetscErrorCode GsruSweepDense(Gsru *gs, GsruTerm *term, double *x);

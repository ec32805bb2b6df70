#pragma once
/* The sweep, its terms and their working arrays. Private to src/sweep. Equations and component
   slots are numbered as on this rank (merit/layout.h); a level is named by its first equation.
   e, s and shift have the trait or equation fastest. */
#include <merit/kernels.h>
#include <merit/residual.h>
#include <merit/sweep.h>

/*
  The levels of a term on this rank in the order of the sweep: colour after colour, in a colour the owned ones first. No record and no
  row of the recursion couples two levels of a colour, so a colour is one block whose matrix is block diagonal. The records and rows of a level
  are its entries: first the records, then the rows, each ascending.
*/
typedef struct {
  int      n_colours; /* the same on all ranks */
  int32_t *first;     /* [n_colours + 1] position of the first level of each colour; owned */
  int32_t *n_mine;    /* [n_colours] levels owned here; owned */
  int32_t *eq, *slot; /* [n_positions] first equation, first component slot; owned */
  int64_t *start;     /* [n_positions + 1] first entry of each level; owned */
  int64_t *rows;      /* [n_positions] its first entry that is a row; owned */
  int32_t *entry;     /* [start[n_positions]] records and rows; owned */
  PetscSF *halo;      /* [n_colours] ghosts of the colour, NULL for genotyped levels; owned */
} SweepLevels;

/* A term whose levels all interact, a factor M of columns: blocks of columns with their Gram
   matrices, which every rank has. Rows of M are those of this rank; J goes from the equations
   of a column to the traits. */
typedef struct {
  int32_t n_cols; /* levels of the term */
  int32_t width;  /* columns of a block */
  int64_t n_rows; /* on this rank */
  double *D;      /* [n_rows * n_eq^2] J' R^-1 J of each row; owned */
  bool    ready;  /* there are Gram matrices */
  /* all D_i are weight_i B: Gram matrices have one number for a pair of columns, to be multiplied
     by B; else n_eq^2 */
  bool     multiples;
  double  *weight;    /* [n_rows]; owned */
  double  *B;         /* [n_eq^2]; owned */
  double **gram;      /* [n_blocks] [(a * n + b) * numbers + .] of M' D M; owned */
  double  *inverse;   /* [n_cols * n_eq^2] of the diagonal blocks of C; owned */
  double  *x, *delta; /* [n_cols * n_eq] effects; s->delta of the term; owned */
  double  *s, *shift; /* [n_rows * n_eq] J' R^-1 e, and the change of M x in this sweep; owned */
  double  *Z;         /* [n_rows * width] the decoded columns of a block; owned */
  double  *z;         /* [n_rows * n_eq] change of M x in a block; owned */
  double  *sums;      /* [n_threads * width * n_eq], equation fastest: gradients, then steps; owned */
} SweepColumns;

typedef struct SweepTerm SweepTerm;

/* The rows of a term that goes by columns, and how its columns act on them; s and shift are in
   SweepColumns. Only `blocks`, `sums` and `update` are collective: the last two send numbers
   to the ranks that have the rows, or to those that have the records. */
typedef struct {
  bool decoded; /* `adjoint` leaves the columns of its block in Z for `forward` */
  /* rows of this rank */
  PetscErrorCode (*count)(MeritSweep s, const SweepTerm *term, int64_t *n_rows);
  /* J' R^-1 J of each row, [n_rows * n_eq^2]; owned by the caller, PetscFree. Collective. */
  PetscErrorCode (*blocks)(MeritSweep s, const SweepTerm *term, double **blocks);
  /* gram[(a * n + b) * k + .] = sum over this rank's rows of m_a m_b weight, for columns first
     + a and first + b of M and weight[n_rows * k] */
  PetscErrorCode (*gram)(MeritSweep s, const SweepTerm *term, int32_t first, int32_t n, int k, const double *weight, double *gram);
  /* s = J' R^-1 e of each row */
  PetscErrorCode (*sums)(MeritSweep s, SweepTerm *term);
  /* sums = M' s of columns [first, first + n) over this rank's rows; threaded */
  PetscErrorCode (*adjoint)(MeritSweep s, SweepTerm *term, int32_t first, int32_t n);
  /* z = M steps of the same columns, which stand in sums; threaded */
  PetscErrorCode (*forward)(MeritSweep s, SweepTerm *term, int32_t first, int32_t n);
  /* e -= what the change `shift` of M x is in the records; threaded */
  PetscErrorCode (*update)(MeritSweep s, SweepTerm *term);
} SweepRows;

/* A term in the sweep: `levels` if it goes by levels, `rows` and `columns` if by columns */
struct SweepTerm {
  const MeritTermView  *view;
  int                   index;     /* in the model */
  double               *inverse;   /* [n_owned * n_eq^2] of the diagonal blocks, but by columns; in s->blocks */
  double               *precision; /* [n_owned or n_cols] n_eq^2 in place of G^-1 of each level, NULL: G^-1; owned */
  double               *data;      /* [n_owned * n_eq^2] blocks of C without the penalty, kept only for terms with `precision`; owned */
  const MeritRecursion *recursion; /* of the levels where it is not the identity, NULL: of independent levels, or none; borrowed */
  double               *deviation; /* [n_rows * n_eq] of the recursion: u_i - sum c u_p, the residual of the row; owned */
  SweepLevels           levels;    /* those of its equations; or the genotyped levels, one colour; none where columns stand in the records */
  const SweepRows      *rows;      /* by columns: what it has for rows; else NULL */
  SweepColumns          columns;   /* by columns */
};

/* Sums of one thread over a level whose entries several threads go through */
typedef struct {
  int32_t position; /* of the level, -1: none */
  double  comp[MERIT_MAX_COMPONENTS], eq[MERIT_MAX_COMPONENTS];
} SweepPart;

/* What the caller asks for; set by the functions of merit/sweep.h (sweep.c) alone */
typedef struct {
  int32_t         block; /* columns of a block */
  double          relaxation;
  bool            symmetric, recompute;
  MeritSweepVisit visit; /* NULL: relaxation */
  void           *visit_ctx;
} SweepSettings;

/* What one pass over the terms works on */
typedef struct {
  bool       backward; /* from the last term to the first, colour by colour and column by column */
  SweepPart *part;     /* [2 * n_threads]; owned */
  double    *before;   /* [n_owned] x before a symmetric sweep; owned */
  double    *g, *du;   /* [n_local] gradient and step; owned */
  double    *sums;     /* [n_terms + 1] squares of the steps by term, squares of the gradients; owned */
} SweepWork;

/* The sweep. Pointers without "owned" are borrowed from the model or from C. */
struct _p_MeritSweep {
  MPI_Comm                comm;
  Mat                     C; /* holds a reference */
  MeritModel              model;
  const MeritRecordsView *records;
  const uint8_t          *eq_state;
  PetscSF                 halo;
  int32_t                 n_owned, n_local;
  int                     n_terms, n_threads;
  SweepSettings           settings;
  /* of the variances */
  uint64_t        state;    /* of C, for which they are */
  bool            expanded; /* some term has L */
  SweepTerm      *term;     /* [n_terms]; owned */
  MeritBlockCache cache;    /* data parts of the blocks */
  double         *blocks;   /* inverses of all diagonal blocks; owned */
  /* of one solution */
  bool      has_y; /* e starts from y, else from 0 */
  double   *y, *e; /* [n_records * n_traits] observations and y - W x; owned */
  double   *delta; /* [n_owned] right-hand side beyond W' R^-1 y; owned */
  double   *edges; /* [n_owned] residuals of the rows of recursions, 0 elsewhere, as checkpoints have them; NULL before the first; owned */
  SweepWork work;
};

/* q = R^-1 e of a record; q and e [n_traits] are not the same array. Not collective. */
static inline void SweepWeigh(const MeritRecordsView *records, int32_t record, const double *e, double *q)
{
  const int n = records->n_traits;

  MeritRecordInverseApply(MeritRecordInverseOf(records->R_inverse, records->pattern, records->sqrt_weight, n, record), n, 1, e, q);
}

/* n_eq x n_eq prior precision of a level (owned, by position) or column; NULL: there is none,
   or levels are related and have no precision each */
static inline const double *SweepPrecision(const SweepTerm *term, int64_t level)
{
  if (term->precision) return term->precision + level * term->view->n_eq * term->view->n_eq;
  return term->recursion ? NULL : term->view->G_inverse;
}

/* Does the term go by blocks of columns? Else it goes by levels. Not collective. */
static inline bool SweepByColumns(const MeritTermView *t) { return MeritStructureForm(t->structure) == MERIT_FORM_FACTOR; }

/* colour.c: colours of the local levels [MeritTermRecordLevels]; owned by the caller,
   PetscFree. Collective. */
PetscErrorCode MeritSweepColour(MeritSweep s, const SweepTerm *term, int *n_colours, int **colour);
/* levels.c: order, entries and halos of a term. Collective. */
PetscErrorCode MeritSweepLevelsCreate(MeritSweep s, SweepTerm *term);
/* levels.c: free them; NULL-safe. Collective. */
PetscErrorCode MeritSweepLevelsDestroy(SweepLevels *levels);
/* level_sums.c: s->work.g of the levels at positions [first, last): W' R^-1 e in their equations
   and, with a recursion, minus the penalty times x; the part of this rank. Not collective,
   threaded. */
void MeritSweepGradient(MeritSweep s, const SweepTerm *term, int32_t first, int32_t last);
/* level_sums.c: residuals of records and rows after the steps du of the levels at positions
   [first, last). Not collective, threaded. */
void MeritSweepUpdate(MeritSweep s, const SweepTerm *term, int32_t first, int32_t last);
/* level_steps.c: one sweep over a term; adds to s->work.sums. Collective. */
PetscErrorCode MeritSweepRunLevels(MeritSweep s, SweepTerm *term, double *x);
/* variances.c: inverse in place of a symmetric positive semi-definite block, rows and columns
   of dependent equations 0. Not collective. */
void MeritSweepInvert(int n, double *A);
/* visit.c: new values of a block as the visitor decides, from its values before, gradient and
   inverse. Not collective. */
void MeritSweepAskVisitor(MeritSweep s, const SweepTerm *term, int64_t level, const double *x, double *gradient, const double *inverse,
                          double *value);
/* variances.c: take over new variances of the model, if it has some; *changed may be NULL.
   Collective. */
PetscErrorCode MeritSweepTakeVariances(MeritSweep s, bool *changed);
/* columns.c: memory of a term that goes by columns. Collective. */
PetscErrorCode MeritSweepColumnsCreate(MeritSweep s, SweepTerm *term);
/* columns.c: everything that depends on the variances; Gram matrices only if these change
   them. Collective. */
PetscErrorCode MeritSweepColumnsNumbers(MeritSweep s, SweepTerm *term);
/* columns.c: inverses of the diagonal blocks, from Gram matrices and precisions. Not collective. */
void MeritSweepColumnsInvert(SweepTerm *term);
/* columns.c: values of the owned equations [n_owned of the model] -> [n_cols * n_eq] on every
   rank. Collective. */
PetscErrorCode MeritSweepReplicate(MeritSweep s, SweepTerm *term, const double *owned, double *all);
/* columns.c: free them; NULL-safe. Not collective. */
PetscErrorCode MeritSweepColumnsDestroy(SweepColumns *columns);
/* column_steps.c: one sweep over the blocks of a term; adds to s->work.sums. Collective. */
PetscErrorCode MeritSweepRunColumns(MeritSweep s, SweepTerm *term, double *x);
/* genotype_columns.c, record_columns.c */
extern const SweepRows MeritSweepGenotypeRows, MeritSweepRecordRows;

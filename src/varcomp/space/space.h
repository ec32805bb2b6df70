#pragma once
/*
  The space of records: observations times the square root of their weight. There the covariance matrix
  of the observations of one trait with one random term is V = s_u B + s_e I, B = Z K Z'. S = I
  - X (X'X)^-1 X' takes the fixed effects out. Starting values use the space with several traits
  and with any one of several terms.
*/
#include "varcomp_impl.h"

/* Rows of X in that space: columns with a non-zero coefficient, and the coefficients */
typedef struct {
  int32_t   n;
  int       n_lists;
  int32_t **column;      /* [n_lists] -> [n], -1 none; owned */
  double  **coefficient; /* [n_lists] -> [n]; owned */
} FixedRows;

/* The fixed effects, of which those of the largest class are eliminated first; p in all */
typedef struct {
  FixedRows rows;              /* of the records of this rank; owned */
  int       n_class;           /* columns of the largest class, which come first */
  double   *diagonal, *border; /* [n_class] D, [(p - n_class) * p]: what is left of X'X once they are eliminated; owned */
  double    log_determinant;   /* log |X'X|, X as the user gave it */
  double   *effect;            /* work, [p * effect_width]; owned */
  int       effect_width;
} FixedEffects;

/* The genotypes of a random term of SNPs, and the tile of this rank */
typedef struct {
  MeritGenotypes store;                 /* NULL: the term is not of SNPs; borrowed */
  MeritMarkers   markers;               /* its view, in the precision of the product under way; owned */
  MPI_Comm       row_comm, column_comm; /* of the grid; NULL communicators where it has one column; owned */
  int64_t        n_rows;                /* of the tile */
  int32_t        n_cols;
} RecordGenotypes;

/* Records of this rank in that space */
typedef struct {
  MPI_Comm                comm;
  MeritModel              model; /* borrowed */
  const MeritRecordsView *records;
  int32_t                 n_records, n_values; /* its vectors are [n_values] = [n_records * n_traits] */
  int                     n_traits;            /* 1 but for starting values */
  int64_t                 n, p;                /* over all ranks: observations, independent fixed effects */
  double                 *sqrt_weight;         /* [n_values] square root of the weight, 0 where nothing is observed; owned */
  double                  log_weight;          /* sum of log weight over all */
  FixedEffects            fixed;
  /* the random term */
  int                  term;
  const MeritTermView *view;
  int32_t              first_slot, n_slots; /* component slots of its records */
  RecordGenotypes      genotypes;
  double              *level, *tile, *rows; /* work, [. * width]; owned */
  int                  width;               /* columns that there is work for */
} RecordSpace;

/*
  Is the model one of one trait, one residual variance, and one random term of one component?
  Errors: USAGE, naming what the engine is not for. Not collective.
*/
PetscErrorCode RecordSpaceCheck(MeritVarcomp v, const char engine[]);
/*
  The space of the only random term; a USAGE error that names `engine` for models that have more
  than one variance beside the residual's. Collective.
*/
PetscErrorCode RecordSpaceCreate(MeritVarcomp v, const char engine[], RecordSpace *s);
/*
  With any one term of a model; K of a fixed term is I. engine NULL: without what takes the
  fixed effects out. Collective.
*/
PetscErrorCode RecordSpaceCreateTerm(MeritVarcomp v, const char engine[], int term, RecordSpace *s);
/* Free what Create made. Collective. */
PetscErrorCode RecordSpaceDestroy(RecordSpace *s);
/* fixed.c: columns of X, and how they are taken out. Collective. */
PetscErrorCode RecordSpaceFixedCreate(RecordSpace *s, const char engine[]);
/* Can it, or would it raise an error for too many fixed effects? Collective. */
PetscErrorCode RecordSpaceFixedFits(MeritVarcomp v, bool *fits);
/* Free what FixedCreate made. Not collective. */
PetscErrorCode RecordSpaceFixedDestroy(RecordSpace *s);
/* x = S x, x[n_records * k]. Collective. */
PetscErrorCode RecordSpaceProject(RecordSpace *s, int k, double x[]);
/*
  x = S x for x[i * stride + j], j < k, of any rows, all of which this rank has (all false) or
  all ranks have together. Collective where all.
*/
PetscErrorCode RecordSpaceProjectRows(RecordSpace *s, const FixedRows *rows, bool all, int k, size_t stride, double x[]);
/* Room for n rows. Not collective. */
PetscErrorCode FixedRowsCreate(int32_t n, int n_lists, FixedRows *rows);
/* Free them. Not collective. */
PetscErrorCode FixedRowsDestroy(FixedRows *rows);
/* y = B x, single: products with genotypes in single precision. Collective. */
PetscErrorCode RecordSpaceCovariance(RecordSpace *s, int k, bool single, const double x[], double y[]);
/*
  First part of a product with a term of any components: levels = K Z'x of each component.
  Collective.
*/
PetscErrorCode RecordSpaceLevels(RecordSpace *s, int k, bool single, const double x[]);
/*
  y [n_records * k] = Z of `row` times levels of `column`, and the reverse, after
  RecordSpaceLevels. Not collective.
*/
void RecordSpaceRecords(RecordSpace *s, int row, int column, int k, double y[]);
/* The observations with the fixed effects taken out. Collective. */
PetscErrorCode RecordSpaceObservations(RecordSpace *s, double y[]);
/*
  Part of -2 log-likelihood that no variance changes: n log 2 pi, weights, and log |X'X| for
  REML (ml false). Not collective.
*/
double RecordSpaceConstant(const RecordSpace *s, bool ml);

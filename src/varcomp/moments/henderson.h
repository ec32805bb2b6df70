#pragma once
/*
  Orthonormal bases of what each term adds to the space that those before it reach, over the
  records times the square roots of their weights: columns of W L^-T, L the Cholesky factor of W'W with
  the terms in order, columns that add nothing left out. One trait, one component a term.
*/
#include "varcomp_impl.h"

/* Columns of a basis made at once */
enum { HENDERSON_WIDTH = 32 };

typedef struct {
  MeritVarcomp v;          /* borrowed */
  int          n, n_own;   /* columns of W over all ranks and of this rank: equations with a non-zero coefficient in some record */
  int32_t     *equation;   /* [n_own] theirs; owned */
  int         *number;     /* [n_own] theirs among all columns, which stand term by term; owned */
  int         *first;      /* [n_terms + 1] first column of each term; owned */
  int         *begin;      /* [n_terms] first position of each term in the order of the factor; owned */
  bool        *adds;       /* [n] by position: does the column add to those before? Every rank has them; owned */
  PetscMPIInt *count, *at; /* [size] columns of each rank as they are gathered, rank after rank; owned */
  int         *column;     /* [n] which those are, on every rank; owned */
  double      *gram, *L;   /* [n * n] W'W; its factor, lower triangle by columns. Rank 0 only; owned */
} HendersonReductions;

/* The columns of the model of v->run.C, whose variances are 1. Collective. */
PetscErrorCode HendersonCreate(MeritVarcomp v, const char what[], HendersonReductions *b);
/* Free what Create, Form and Factor made. Not collective. */
PetscErrorCode HendersonDestroy(HendersonReductions *b);
/* W'W; a USAGE error if it would need more than a rank has; `what` names the method. Collective. */
PetscErrorCode HendersonForm(HendersonReductions *b, const char what[]);
/*
  Factor with the terms in formula order, fixed ones first, but `last` (-1: none) behind all
  others. Collective.
*/
PetscErrorCode HendersonFactor(HendersonReductions *b, int last);
/*
  |U'y|^2 with U a term's basis, y the record values left[n_records] times the roots of the
  weights. Collective.
*/
PetscErrorCode HendersonReduction(HendersonReductions *b, int term, const double left[], double *squares);
/* |U'Z|^2 with U a term's basis, Z the design of another. Collective. */
PetscErrorCode HendersonExpectation(HendersonReductions *b, int term, int other, double *sum);
/*
  The next columns, at most HENDERSON_WIDTH, of a term's basis: U [n_records * *k], column
  fastest; *at, first b->begin[term], moves on; *k = 0: no more. Collective.
*/
PetscErrorCode HendersonNext(HendersonReductions *b, int term, int *at, int *k, double U[]);
/*
  What all columns before the position `end` reach goes from the record values left[n_records],
  without weights. Collective.
*/
PetscErrorCode HendersonLeave(HendersonReductions *b, int end, double left[]);
/* Positions of a term end before this one. Not collective. */
static inline int HendersonEnd(const HendersonReductions *b, int term) { return b->begin[term] + b->first[term + 1] - b->first[term]; }

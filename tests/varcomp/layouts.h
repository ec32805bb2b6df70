#pragma once
/*
  Small unbalanced data with terms of every kind that has one component, as jobs for the library and as dense matrices. Every rank has
  the same matrices.
*/
#include "real.h"
#include <merit/op.h>
#include <merit/varcomp.h>

enum { LAYOUT_RECORDS = 44, LAYOUT_TERMS = 4 };

/* Terms; the random ones are iid() of classes (EACH: of single records), ped(cow), ridge(), snp(cow) */
typedef enum { END, MEAN, CLASS_A, CLASS_B, CLASS_C, CELLS, AGE, SLOPES, PED, RIDGE, SNP, EACH, N_WORDS } LayoutWord;

typedef struct {
  LayoutWord fixed[LAYOUT_TERMS], random[LAYOUT_TERMS]; /* END behind the last */
  bool       weights;
  double     mean; /* of the trait, beside what varies */
} LayoutModel;

/* Design of a term, [n * p] by rows, and the covariance matrix that it makes of a variance of 1, [n * n] */
typedef struct {
  int   p;
  Real *Z, *V;
} LayoutTerm;

/* Records with a trait only; owned */
typedef struct {
  int        n, n_fixed, m; /* random terms */
  Real      *y, *weight;    /* weight: 1 where the model has none */
  LayoutTerm fixed[LAYOUT_TERMS], random[LAYOUT_TERMS];
} Layout;

typedef struct {
  MeritNode          job;
  MeritModel         model;
  Mat                C;
  MeritVarcomp       v;
  MeritVarcompResult result;
} LayoutRun;

/* Files for all tests of a program, in a folder that goes with them */
int LayoutsCreate(void **state);
int LayoutsRemove(void **state);

void LayoutCreate(const LayoutModel *model, Layout *layout);
void LayoutDestroy(Layout *layout);
/* Estimate with these keys of varcomp; more: other lines of the job. Collective. */
PetscErrorCode LayoutEstimate(const LayoutModel *model, const char varcomp[], const char more[], LayoutRun *run);
void           LayoutFinish(LayoutRun *run);

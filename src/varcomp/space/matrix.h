#pragma once
/* The covariance matrix of the observations, dense, with its columns spread over the ranks. */
#include "space.h"

/*
  A symmetric matrix over ranks: columns in blocks of COLUMN_MATRIX_WIDTH, block after block in
  turn, [n * n_own] each whole
*/
enum { COLUMN_MATRIX_WIDTH = 32 };
typedef struct {
  MPI_Comm    comm;
  PetscMPIInt rank, size;
  int         n, n_own;
  double     *column; /* [n_own * n] by columns; owned */
} ColumnMatrix;

/* Room for a matrix of order n; its numbers are not set. Collective. */
PetscErrorCode ColumnMatrixCreate(MPI_Comm comm, int n, ColumnMatrix *a);
/* Free it. Not collective. */
PetscErrorCode ColumnMatrixDestroy(ColumnMatrix *a);
/* Rank that owns a column, and its position there. Not collective. */
PetscMPIInt ColumnMatrixOwner(const ColumnMatrix *a, int column, int *position);
/*
  Similar tridiagonal matrix diagonal[n], below[n] on every rank, whose first unit vector was b;
  b [n] alike on all ranks, NULL: any. A is lost. Collective.
*/
PetscErrorCode ColumnMatrixReduce(ColumnMatrix *a, const double b[], double diagonal[], double below[]);
/* Column of the matrix at this rank's position. Not collective. */
int ColumnMatrixColumn(const ColumnMatrix *a, int position);
/* This rank's columns before one of the matrix. Not collective. */
int ColumnMatrixBefore(const ColumnMatrix *a, int column);

/* Observations of all ranks, rank after rank */
typedef struct {
  PetscMPIInt  rank, size;
  int          n, n_own, first; /* over all, here, number of the first here */
  int32_t     *record;          /* [n_own]; owned */
  PetscMPIInt *count, *begin;   /* [size]; owned */
} ObservationOrder;

/* Number the observations of s: those whose weight is not 0. Collective. */
PetscErrorCode ObservationOrderCreate(const RecordSpace *s, ObservationOrder *o);
/* Free what Create made. Not collective. */
PetscErrorCode ObservationOrderDestroy(ObservationOrder *o);
/* all[n] on every rank of x[n_records]. Collective. */
PetscErrorCode ObservationOrderGather(const RecordSpace *s, const ObservationOrder *o, const double x[], double all[]);
/*
  The matrix B of the observations, a of order n; `what` names the engine in reports of
  progress. Collective.
*/
PetscErrorCode ObservationMatrixForm(RecordSpace *s, const ObservationOrder *o, const char what[], ColumnMatrix *a);
/* A = S A S. Collective. */
PetscErrorCode ObservationMatrixProject(RecordSpace *s, const ObservationOrder *o, ColumnMatrix *a);
/* relation.c: B of an SNP term from products between the animals. Collective. */
PetscErrorCode ObservationMatrixFormGenomic(RecordSpace *s, const ObservationOrder *o, const char what[], ColumnMatrix *a);

#pragma once
#include <merit/kernels.h>
#include <merit/op.h>
#include <merit/unit.h>

/* Genotypes of one SNP term: how effects reach the genotype rows and back */
typedef struct {
  int          term;
  int          n_eq;
  MeritMarkers markers;     /* M in the precision of the operator; owned */
  MPI_Comm     row_comm;    /* ranks of one grid row; MPI_COMM_NULL when the grid has one column; owned */
  MPI_Comm     column_comm; /* ranks of one grid column, who own the effects of their tiles; owned if there are several */
  int          grid_rows, grid_cols;
  int64_t      n_rows; /* of the tile */
  int32_t      col_first, n_cols, n_used;
  PetscMPIInt *n_owned;              /* [grid_rows] SNPs owned by each rank of the column; owned */
  PetscMPIInt *count, *first;        /* [grid_rows] work: doubles per rank in a collective; owned */
  PetscSF      genotyped;            /* borrowed from the model */
  double      *tile, *rows, *values; /* work, grown on demand; owned */
  size_t       room_tile, room_rows, room_values;
  double      *D;       /* [n_rows * n_eq^2] J' R^-1 J of the rows' records, for one_pass; owned */
  uint64_t     D_state; /* of the model, for which D is */
} MeritSnpLink;

/* Equations that do not count in C: rows and columns of the identity (constrained.c) */
typedef struct {
  const uint8_t *state;  /* [n_owned] MeritEquationState, of the model or masked */
  uint8_t       *masked; /* [n_owned] the same with fixed equations absent, NULL while they count; owned */
  int32_t        n;
  int32_t       *equation; /* [n] owned equations that are not OK, ascending; owned */
} MeritConstrained;

/* The regressors of all terms side by side, as the record kernels take them (regressors.c) */
typedef struct {
  int              *first;          /* [n_terms + 1] first regressor of each term; owned */
  const int32_t   **slot, **offset; /* [n_regressors] arrays of the model; the lists are owned */
  const double    **value;          /* likewise */
  bool             *single;         /* [n_regressors] all records have one level; owned */
  MeritScatter      scatter;
  MeritRecordKernel kernel; /* borrows from the above and from the model */
} MeritRegressors;

/* Does an application read the genotypes once? (one_pass.c) */
typedef struct {
  MeritPasses asked;
  bool        used;
  uint8_t    *role; /* [n_regressors] from the SNP term to the others; owned */
} MeritOnePass;

/* Work arrays for k right-hand sides: equations, and component slots where some G is singular; y has
   private slots of threads behind them (work.c) */
typedef struct {
  int          k;
  int32_t      length_local, length_slots;            /* of y_local and y_slots, for one right-hand side */
  double      *x_local, *y_local, *x_slots, *y_slots; /* owned */
  MPI_Datatype unit;                                  /* k doubles */
} MeritMMEArrays;

/* Context of the MATSHELL */
typedef struct {
  MPI_Comm             comm;
  MeritModel           model;     /* borrowed */
  uint64_t             state;     /* of the model when last refreshed */
  uint64_t             n_changes; /* of C: by new variances, and by MeritMMEDropFixed */
  int                  n_terms;
  const MeritTermView *term; /* [n_terms]; borrowed */
  int32_t              n_owned, n_local, n_slots;
  PetscSF              halo;   /* borrowed */
  bool                 expand; /* some term has L: equations and component slots differ */
  MeritConstrained     constrained;
  MeritRegressors      regressors;
  MeritPenalty        *penalty; /* [n_terms] NULL for fixed terms; owned */
  int                  n_snp;
  MeritSnpLink        *snp; /* [n_snp] of the terms whose structure is fed; owned */
  MeritOnePass         one_pass;
  MeritMMEArrays       work;
} MeritMME;

/* work.c */
/* Make the work arrays for k right-hand sides; 0 frees them. Private slots of threads are 0
   after it. Not collective. */
PetscErrorCode MeritMMEWork(MeritMME *mme, int k);
/* snp.c */
/* Prepare the products of one SNP term; *link is 0 before. It borrows the genotyped levels of the model.
   Collective. */
PetscErrorCode MeritSnpLinkCreate(MeritMME *mme, int term, MeritSnpLink *link);
/* Free what a link holds, its communicators too; not the link itself. Collective. */
PetscErrorCode MeritSnpLinkDestroy(MeritSnpLink *link);
/* rows = M effects: effects [n_owned * width] of this rank's SNPs, *rows [n_rows * width] of the
   tile, summed over the grid row (on grid column 0 only). *rows belongs to the link until its
   next product. Collective. */
PetscErrorCode MeritSnpForward(MeritSnpLink *link, int width, const double *effects, double **rows);
/* effects += M' rows: rows [n_rows * width] as grid column 0 has them (the other columns receive
   them), effects [n_owned * width] of this rank's SNPs. squares: with the squares of the
   elements of M. Collective. */
PetscErrorCode MeritSnpAdjoint(MeritSnpLink *link, int width, bool squares, double *rows, double *effects);
/* Work array of the tile's rows, [n_rows * width], set to 0; belongs to the link until its next
   product. Not collective. */
PetscErrorCode MeritSnpRows(MeritSnpLink *link, int width, double **rows);
/* values = M effects, rows += D values, to += M' rows, on a grid of one column. effects, to
   [n_owned * n_eq * k]; rows [n_rows * n_eq * k]; *values the same, belongs to the link.
   Collective. */
PetscErrorCode MeritSnpNormal(MeritSnpLink *link, int k, const double *effects, double *rows, double **values, double *to);
/* one_pass.c: decide whether an application reads the genotypes once, from the sizes or
   mme->passes. Collective. */
PetscErrorCode MeritOnePassSetUp(MeritMME *mme);
/* The second half of an application in one pass, after the records went through with genomic
   values 0: adds to y_local what the genotypes and the records of the genotyped animals give.
   Collective. */
PetscErrorCode MeritOnePassApply(MeritMME *mme, int k);
/* expand.c: slots [n_slots * k] = (I x L) equations [n_local * k], for all local levels. Not
   collective. */
void MeritExpand(const MeritMME *mme, int k, const double *equations, double *slots);
/* The adjoint: equations += (I x L)' slots. Not collective. */
void MeritContract(const MeritMME *mme, int k, const double *slots, double *equations);
/* mme.c: context of C as it is. Not collective. */
PetscErrorCode MeritMMEGet(Mat C, MeritMME **mme);
/* state.c: is some G singular, so that equations and components differ? Not collective. */
bool MeritMMEExpanded(const MeritMME *mme);
/* C is another matrix: bumps its states, ours and PETSc's. Collective. */
PetscErrorCode MeritMMEChanged(Mat C, MeritMME *mme);
/* Context of C for the model's current variances: what reads L, G^-1 or R^-1 begins with it. Collective. */
PetscErrorCode MeritMMECurrent(Mat C, MeritMME **mme);
/* Y = C X with another R^-1 (NULL: the model's), for k right-hand sides; with another one the genotypes are read twice. Collective. */
PetscErrorCode MeritMMEApplyWith(Mat C, const double *R_inverse, int k, const double X[], double Y[]);
/* x [n_owned * k] -> x_local with ghosts and genotyped levels; *slots: what the record kernels read,
   x_local or x_slots. Constrained equations count as 0. Collective. */
PetscErrorCode MeritMMEDistribute(MeritMME *mme, int k, const double *x, const double **slots);
/* What the record kernels wrote, and y_local -> y [n_owned * k], summed over ranks; constrained
   equations become those of x (0 if x is NULL). Collective. */
PetscErrorCode MeritMMECollect(MeritMME *mme, int k, const double *x, double *y);
/* constrained.c: the list of equations that do not count, from their states. Not collective. */
PetscErrorCode MeritConstrainedList(int32_t n_owned, MeritConstrained *constrained);
/* regressors.c: lists of the regressors of the terms, their scatter over n_slots component slots for
   n_threads, and the record kernel. Not collective. */
PetscErrorCode MeritRegressorsCreate(const MeritRecordsView *records, int n_terms, const MeritTermView term[], int32_t n_slots, int n_threads,
                                     MeritRegressors *regressors);
/* Free the lists and the scatter. Not collective. */
PetscErrorCode MeritRegressorsDestroy(MeritRegressors *regressors);

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
  int64_t      n_rows;      /* of the tile */
  int32_t      col_first, n_cols, n_used;
  PetscMPIInt *n_owned;     /* [grid_rows] SNPs owned by each rank of the column; owned */
  PetscMPIInt *count, *first; /* [grid_rows] work: doubles per rank in a collective; owned */
  PetscSF      genotyped;    /* borrowed from the model */
  double      *tile, *rows, *values; /* work, grown on demand; owned */
  size_t       room_tile, room_rows, room_values;
  double      *D;           /* [n_rows * n_eq^2] J' R^-1 J of the rows' records, for one_pass; owned */
  uint64_t     D_state;     /* of the model, for which D is */
} MeritSnpLink;

/* Context of the MATSHELL */
typedef struct {
  MPI_Comm             comm;
  MeritModel           model; /* borrowed */
  uint64_t             state; /* of the model when last refreshed */
  uint64_t             n_changes; /* of C: by new variances, and by MeritMMEDropFixed */
  int                  n_terms;
  const MeritTermView *term;  /* [n_terms]; borrowed */
  const uint8_t       *eq_state; /* [n_owned] of the model, or masked */
  uint8_t             *masked;   /* [n_owned] the same with fixed equations absent, NULL while they count; owned */
  int32_t              n_constrained;
  int32_t             *constrained;   /* [n_constrained] owned equations that are not OK, ascending; owned */
  int32_t              n_owned, n_local, n_slots;
  PetscSF              halo;
  bool                 expand; /* some term has L: equations and component slots differ */
  /* records */
  MeritRecordKernel records;
  MeritScatter      record_scatter;
  const int32_t   **slot, **offset; /* [n_regressors]; owned */
  const double    **value;
  bool             *single; /* [n_regressors] all records meet one level; owned */
  int              *first_regressor; /* [n_terms + 1]; owned */
  MeritPenalty *penalty; /* [n_terms] NULL for fixed terms; owned */
  /* terms whose structure is fed */
  int           n_snp;
  MeritSnpLink *snp;      /* [n_snp]; owned */
  MeritPasses   passes;   /* over the genotypes, as asked for */
  bool          one_pass; /* what an application does */
  uint8_t      *role;     /* [n_regressors] from the SNP term to the others; owned */
  /* work for k right-hand sides: equations and component slots with private slots behind; owned */
  int           k;
  int32_t       length_local, length_slots;
  double       *x_local, *y_local, *x_slots, *y_slots;
  MPI_Datatype  unit; /* k doubles */
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
PetscErrorCode MeritSnpForward(MeritMME *mme, MeritSnpLink *link, int width, const double *effects, double **rows);
/* effects += M' rows: rows [n_rows * width] as grid column 0 has them (the other columns receive
   them), effects [n_owned * width] of this rank's SNPs. squares: with the squares of the
   elements of M. Collective. */
PetscErrorCode MeritSnpAdjoint(MeritMME *mme, MeritSnpLink *link, int width, bool squares, double *rows, double *effects);
/* Work array of the tile's rows, [n_rows * width], set to 0; belongs to the link until its next
   product. Not collective. */
PetscErrorCode MeritSnpRows(MeritSnpLink *link, int width, double **rows);
/* values = M effects, rows += D values, to += M' rows, on a grid of one column. effects, to
   [n_owned * n_eq * k]; rows [n_rows * n_eq * k]; *values the same, belongs to the link.
   Collective. */
PetscErrorCode MeritSnpNormal(MeritMME *mme, MeritSnpLink *link, int k, const double *effects, double *rows, double **values, double *to);
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
PetscErrorCode MeritMMEListConstrained(MeritMME *mme);

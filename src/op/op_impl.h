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
  PetscSF      carriers;    /* borrowed from the model */
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
  uint64_t             n_changes; /* of C: by new variances, and by MeritMMESetRandom */
  int                  n_terms;
  const MeritTermView *term;  /* [n_terms]; borrowed */
  const uint8_t       *eq_state; /* [n_owned] of the model, or masked */
  uint8_t             *masked;   /* [n_owned] the same with fixed equations absent, NULL while they count; owned */
  int32_t              n_pinned;
  int32_t             *pinned;   /* [n_pinned] owned equations that are not OK, ascending; owned */
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
  /* work for k right-hand sides: equations and component slots with private places behind; owned */
  int           k;
  int32_t       places_local, places_slots;
  double       *x_local, *y_local, *x_slots, *y_slots;
  MPI_Datatype  unit; /* k doubles */
} MeritMME;

/* work.c */
PetscErrorCode MeritMMEWork(MeritMME *mme, int k);
/* snp.c */
PetscErrorCode MeritSnpLinkCreate(MeritMME *mme, int term, MeritSnpLink *link);
PetscErrorCode MeritSnpLinkDestroy(MeritSnpLink *link);
/* effects of this rank's SNPs [n_owned * width] -> rows of the tile, summed along the grid row (on column 0 only) */
PetscErrorCode MeritSnpForward(MeritMME *mme, MeritSnpLink *link, int width, const double *effects, double **rows);
/* rows on grid column 0 [n_rows * width] -> effects of this rank's SNPs, added; squares: with the squares of M */
PetscErrorCode MeritSnpAdjoint(MeritMME *mme, MeritSnpLink *link, int width, bool squares, double *rows, double *effects);
PetscErrorCode MeritSnpRows(MeritSnpLink *link, int width, double **rows);
/* values = M effects, rows += D values, to += M' rows, on a grid of one column */
PetscErrorCode MeritSnpNormal(MeritMME *mme, MeritSnpLink *link, int k, const double *effects, double *rows, double **values, double *to);
/* one_pass.c */
PetscErrorCode MeritOnePassSetUp(MeritMME *mme);
PetscErrorCode MeritOnePassApply(MeritMME *mme, int k);
/* expand.c: equations <-> component slots of this rank */
void MeritExpand(const MeritMME *mme, int k, const double *equations, double *slots);
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
/* x (owned) -> x_local with ghosts and carriers, and the slots the record kernels read */
PetscErrorCode MeritMMEDistribute(MeritMME *mme, int k, const double *x, const double **slots);
/* slots the record kernels wrote + y_local -> y (owned), summed over ranks; pinned equations become those of x (0 when x is NULL) */
PetscErrorCode MeritMMECollect(MeritMME *mme, int k, const double *x, double *y);
/* pinned.c: the list of equations that do not count, from their states */
PetscErrorCode MeritMMEListPinned(MeritMME *mme);

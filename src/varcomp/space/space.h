#pragma once
/*
  Models with one variance beside the residual's: in the space of records times the root of their weight the covariance matrix of the
  observations is V = s_u B + s_e I, B = Z K Z'. S = I - X (X'X)^-1 X' takes the fixed effects out; of S B S (of B too, for ml) nothing
  but its eigenvalues and how much of the observations lies along each is needed, exactly or by quadrature.
*/
#include "varcomp_impl.h"

/* Rows of X in that space: the columns that each meets, and with what coefficient */
typedef struct {
  int32_t   n;
  int       n_lists;
  int32_t **column;      /* [n_lists] -> [n], -1 none; owned */
  double  **coefficient; /* [n_lists] -> [n]; owned */
} SpectralRows;

/* Records of this rank in that space */
typedef struct {
  MPI_Comm                comm;
  MeritModel              model;     /* borrowed */
  const MeritRecordsView *records;
  int32_t                 n_records, n_values; /* its vectors are [n_values] = [n_records * n_traits] */
  int                     n_traits;  /* 1 but for starting values */
  int64_t                 n, p;      /* over all ranks: observations, independent fixed effects */
  double                 *root;      /* [n_values] root of the weight, 0 where nothing is observed; owned */
  double                  log_weight;  /* sum of log weight over all */
  /* fixed effects */
  SpectralRows            fixed;     /* of its records; owned */
  int                     n_class;   /* columns of the largest class, which come first */
  double                 *diagonal, *border; /* [n_class] D, [(p - n_class) * p]: what is left of X'X once they are eliminated; owned */
  double                  log_fixed; /* log |X'X|, X as the user gave it */
  double                 *effect;    /* work, [p * effect_width]; owned */
  int                     effect_width;
  /* the random term */
  int                     term;
  const MeritTermView    *view;
  int32_t                 first_slot, n_slots; /* component slots that its records meet */
  MeritGenotypes          geno;      /* NULL: the term is not of SNPs */
  MPI_Comm                row_comm, column_comm; /* of the grid; NULL communicators where it has one column; owned */
  int64_t                 n_rows;    /* of the tile */
  int32_t                 n_cols;
  double                 *level, *tile, *rows; /* work, [. * width]; owned */
  int                     width;     /* columns that there is work for */
} SpectralSpace;

PetscErrorCode SpectralSpaceCreate(MeritVarcomp v, const char engine[], SpectralSpace *s);
/* With any one term of a model; K of a fixed term is I. engine NULL: without what takes the fixed effects out. Collective. */
PetscErrorCode SpectralSpaceOf(MeritVarcomp v, const char engine[], int term, SpectralSpace *s);
PetscErrorCode SpectralSpaceDestroy(SpectralSpace *s);
/* fixed.c: columns of X, and how they are taken out. Collective. */
PetscErrorCode SpectralFixedCreate(SpectralSpace *s, const char engine[]);
/* Can it, or would it raise an error for too many fixed effects? Collective. */
PetscErrorCode SpectralFixedFits(MeritVarcomp v, bool *fits);
PetscErrorCode SpectralFixedDestroy(SpectralSpace *s);
/* x = S x, x[n_records * k]. Collective. */
PetscErrorCode SpectralProject(SpectralSpace *s, int k, double x[]);
/* x = S x for x[i * stride + j], j < k, of any rows, all of which this rank has (all false) or all ranks have together. Collective where all. */
PetscErrorCode SpectralTakeOut(SpectralSpace *s, const SpectralRows *rows, bool all, int k, size_t stride, double x[]);
/* Room for n rows. Not collective. */
PetscErrorCode SpectralRowsCreate(int32_t n, int n_lists, SpectralRows *rows);
PetscErrorCode SpectralRowsDestroy(SpectralRows *rows);
/* y = B x, single: products with genotypes in single precision. Collective. */
PetscErrorCode SpectralCovariance(SpectralSpace *s, int k, bool single, const double x[], double y[]);
/* In two parts, of a term of any components: levels = K Z'x of each component; y = Z of `row` times levels of `column`, and the reverse. The first
   is collective. */
PetscErrorCode SpectralLevels(SpectralSpace *s, int k, bool single, const double x[]);
void           SpectralRecords(SpectralSpace *s, int row, int column, int k, double y[]);
/* The observations with the fixed effects taken out. Collective. */
PetscErrorCode SpectralObservations(SpectralSpace *s, double y[]);

/* Sum over i of weight[i] f(node[i]) = b' f(.) b, or a trace */
typedef struct {
  int     n;
  double *node, *weight; /* [n]; owned, one allocation behind node */
} SpectralQuadrature;

PetscErrorCode SpectralQuadratureCreate(int n, SpectralQuadrature *q);
PetscErrorCode SpectralQuadratureDestroy(SpectralQuadrature *q);
/* Gauss quadrature of a tridiagonal matrix: eigenvalues, and squares of the first components of its eigenvectors times `total`; the
   diagonal stands in node, below[n - 1] is lost. False where it does not converge. */
bool           SpectralGauss(double total, double below[], SpectralQuadrature *q);

/*
  All that the likelihood needs. Traces are known from one quadrature, exactly; or from one for each of n_traces random vectors, and for the
  first n_far of them from a better one, `far`: the mean over all is corrected by the mean difference of those (Giles 2008).
*/
typedef struct {
  int64_t             n, p;
  bool                ml, exact;
  double              constant; /* of -2 log likelihood: n log 2 pi, weights, and log |X'X| for reml */
  SpectralQuadrature  y;
  int                 n_traces, n_far;
  SpectralQuadrature *trace, *far; /* of S B S over the space that S leaves (reml), of B (ml); owned */
} Spectrum;

/* The constant for a space */
double SpectralConstant(const SpectralSpace *s, bool ml);
/* tr(PB), tr(P), log |V| at theta = {s_u, s_e} */
void   SpectralTraces(const SpectralQuadrature *q, const double theta[], double trace[3]);
/* At theta. Not collective. */
void   SpectrumEvaluate(const Spectrum *s, const double theta[], VarcompPoint *point);
/* Ratio s_u / s_e at the maximum of the likelihood, 0 at the boundary, and s_e. Not collective. */
void   SpectrumMaximum(const Spectrum *s, double theta[2]);

/*
  Lanczos processes of S B S (B, where project is false) from k vectors, in lockstep and each for itself; of the vectors only the last two
  are kept. Column j has the tridiagonal matrix alpha[. * k + j], beta[. * k + j]; a process that has come to its end goes on with zeros.
*/
typedef struct {
  SpectralSpace *space; /* borrowed */
  int            k, steps, room;
  bool           project, single;
  double        *square;      /* [k] squared lengths of the first vectors; owned */
  double        *alpha, *beta; /* [room * k]; owned */
  double        *now, *before, *next; /* [n_records * k]; owned */
  double        *sum;         /* [k]; owned */
} Krylov;

/* Begin with the vectors in start[n_records * k], projected if so asked for. Collective. */
PetscErrorCode KrylovCreate(SpectralSpace *space, int k, bool project, bool single, const double start[], Krylov *process);
PetscErrorCode KrylovDestroy(Krylov *process);
/* One step more. Collective. */
PetscErrorCode KrylovStep(Krylov *process);
/* The quadrature of the first `steps` steps of a tridiagonal matrix whose entries are `stride` apart; q is new. */
PetscErrorCode KrylovQuadrature(int steps, int stride, const double alpha[], const double beta[], double total, SpectralQuadrature *q);

/* A symmetric matrix over ranks: columns in blocks of SPECTRAL_WIDTH, block after block in turn, [n * n_own] each whole */
enum { SPECTRAL_WIDTH = 32 };
typedef struct {
  MPI_Comm    comm;
  PetscMPIInt rank, size;
  int         n, n_own;
  double     *column; /* [n_own * n] by columns; owned */
} SpectralDense;

PetscErrorCode SpectralDenseCreate(MPI_Comm comm, int n, SpectralDense *a);
PetscErrorCode SpectralDenseDestroy(SpectralDense *a);
/* Owner of a column, and its place there */
PetscMPIInt SpectralDenseOwner(const SpectralDense *a, int column, int *place);
/* Similar tridiagonal matrix diagonal[n], below[n] on every rank, whose first unit vector was b; b [n] alike on all ranks, NULL: any. A is
   lost. Collective. */
PetscErrorCode SpectralDenseReduce(SpectralDense *a, const double b[], double diagonal[], double below[]);
/* Column of the matrix at this rank's place; this rank's columns before one of the matrix. Not collective. */
int            SpectralDenseColumn(const SpectralDense *a, int place);
int            SpectralDenseBefore(const SpectralDense *a, int column);

/* matrix.c: observations of all ranks, rank after rank */
typedef struct {
  PetscMPIInt  rank, size;
  int          n, n_own, first; /* over all, here, number of the first here */
  int32_t     *record;          /* [n_own]; owned */
  PetscMPIInt *count, *begin;   /* [size]; owned */
} SpectralOrder;

PetscErrorCode SpectralOrderCreate(const SpectralSpace *s, SpectralOrder *o);
PetscErrorCode SpectralOrderDestroy(SpectralOrder *o);
/* all[n] on every rank of x[n_records]. Collective. */
PetscErrorCode SpectralOrderGather(const SpectralSpace *s, const SpectralOrder *o, const double x[], double all[]);
/* The matrix B of the observations, a of order n; what is said of it in progress. Collective. */
PetscErrorCode SpectralMatrixForm(SpectralSpace *s, const SpectralOrder *o, const char what[], SpectralDense *a);
/* A = S A S. Collective. */
PetscErrorCode SpectralMatrixProject(SpectralSpace *s, const SpectralOrder *o, SpectralDense *a);
/* relation.c: B of an SNP term from products between the animals. Collective. */
PetscErrorCode SpectralRelation(SpectralSpace *s, const SpectralOrder *o, const char what[], SpectralDense *a);

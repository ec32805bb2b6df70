#pragma once
#include <merit/cost.h>
#include <merit/config.h>
#include <merit/dict.h>

/*
  Packed SNP genotypes on a process grid Pr x Pc (rank = column * Pr + row): rows (animals in file order) cut in multiples of 256, columns (SNPs used, in
  .bim order) in nearly equal blocks. Codes 0, 1, 2 copies of the counted allele (A1), 3 missing; 2 bits each, never unpacked as a whole.
  The matrix of the model is M = (codes - 2p, missing 0) * diag(scale): [n_animals x n_snps used]; without centring (codes, missing 2p).
  The object is the store; products are those of its views (MeritMarkers).
*/
typedef struct _p_MeritGenotypes *MeritGenotypes;

typedef enum { MERIT_SCALE_NONE, MERIT_SCALE_VANRADEN, MERIT_SCALE_STANDARDISED, MERIT_SCALE_COUNT, MERIT_SCALE_TRACE } MeritScale;

/* One row per SNP of the file, for snps.tsv; replicated. */
typedef struct {
  const char *name, *chromosome, *counted, *other; /* borrowed; "." where text input has none */
  int64_t     position;
  double      frequency; /* of the counted allele over all genotyped animals; NaN if all missing */
  int64_t     n_missing;
  int32_t     column; /* column of M, or -1: not used (monomorphic or all missing) */
} MeritSnp;

/* The grid of ranks, and the part of M that this rank has. */
typedef struct {
  int     grid_rows, grid_cols;
  int64_t row_first, n_rows; /* rows (animals) [row_first, row_first + n_rows) */
  int32_t col_first, n_cols; /* columns [col_first, col_first + n_cols) */
} MeritTile;

/* Instead of a number of rows of the grid: by the cost model */
enum { MERIT_GRID_AUTO = -1 };

/* Room for the keys of all formats. */
enum { MERIT_MOST_FORMATS = 16 };

/* Keys of the job file for each format there is, at most n into keys; borrowed. Returns how many there are. Not collective. */
MERIT_EXTERN int MeritGenotypesFormats(const MeritKey *keys[], int n);
/* The key that a job file has for its genotypes (borrowed), and their path (owned, PetscFree); both NULL where it has none. Several are a USAGE
   error. Not collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesOfJob(MeritNode job, const char **key, char **path);
/* Action for one file of a job's genotypes; suffix: its ending after the path of the job file, or "". */
typedef PetscErrorCode (*MeritGenotypesAct)(const char key[], const char suffix[], const char path[], void *ctx);
/* Each file that a job's genotypes are read from. Collective if act is. */
MERIT_EXTERN PetscErrorCode MeritGenotypesEachFile(MeritNode job, MeritGenotypesAct act, void *ctx);
/* Bytes of the path's ending, if it ends like one of several files of this format, and the suffix of the first of these; else 0 and NULL. Not
   collective. */
MERIT_EXTERN size_t MeritGenotypesEnding(const char key[], const char path[], const char **first);
/* Make an empty object; nothing is read before Load. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesCreate(MPI_Comm comm, MeritGenotypes *geno);
/* Read the file, or files with this prefix, of the format with a key of MeritGenotypesFormats: "genotypes.bfile" is PLINK 1 (PREFIX.bed, .bim,
   .fam), "genotypes.text" lines "id 0 1 2 5 ..." or "id 0125...", 5 = missing. Copied. Logically collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetFile(MeritGenotypes geno, const char key[], const char path[]);
/* How columns are scaled; none by default. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetScale(MeritGenotypes geno, MeritScale scale);
/* Centre by observed frequencies (default), not at all, or by a file of frequencies ("snp frequency" lines; NULL none). */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetCentre(MeritGenotypes geno, bool centre, const char frequency_file[]);
/* Use every SNP of the file, also those that do not vary, without scale and centre: for views with another coding. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetWhole(MeritGenotypes geno, bool whole);
/* Rows of the grid; 0 (default): as many as ranks (one column); MERIT_GRID_AUTO: by the cost model. Must divide the number of ranks. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetGrid(MeritGenotypes geno, int rows);
/* The cost model: estimated seconds of M'(D M x) for one right-hand side. Not collective. */
MERIT_EXTERN double MeritGenotypesGridSeconds(int64_t n_animals, int32_t n_snps, int rows, int columns);
/* Rows of the grid with the smallest estimated time. Not collective. */
MERIT_EXTERN int MeritGenotypesGridRows(int64_t n_animals, int32_t n_snps, int size);
/* Read and check everything, count frequencies, drop monomorphic SNPs. Each rank reads just its rows. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesLoad(MeritGenotypes geno);

/* Animals, SNPs of the file, SNPs used. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSize(MeritGenotypes geno, int64_t *n_animals, int32_t *n_snps, int32_t *n_used);
/* Dictionary of the animals' ids: canonical number = row of the file. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesDict(MeritGenotypes geno, MeritDict *dict);
/* Do the SNPs have names of their own? Else they are called SNP1, SNP2, ... by their positions. Not collective. */
MERIT_EXTERN bool MeritGenotypesNamed(MeritGenotypes geno);
/* The SNP table, [n_snps], replicated; borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSnps(MeritGenotypes geno, const MeritSnp **snps);
/* The grid and this rank's tile, after Load; borrowed. Not collective. */
MERIT_EXTERN const MeritTile *MeritGenotypesTile(MeritGenotypes geno);
/* Rank of the grid's column 0 that holds a row of the file (animal). */
MERIT_EXTERN PetscMPIInt MeritGenotypesRowOwner(MeritGenotypes geno, int64_t row);
/* Scale factor of each column of M, [n_used], replicated; sum of 2pq over used SNPs; mean diagonal of MM' at scale none. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesScaling(MeritGenotypes geno, const double **scale, double *sum_2pq, double *mean_diagonal);
/* Mean diagonal of MM' as it is scaled. Not collective. */
MERIT_EXTERN double MeritGenotypesMeanDiagonal(MeritGenotypes geno);

/* Of each column of M, [n_used], replicated: the copies subtracted, and those a missing genotype counts as. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesCoding(MeritGenotypes geno, const double **centre, const double **missing);
/*
  A view of the genotypes: a matrix M of one coding over the packed columns, which are not copied. Several views of the same genotypes may be
  in use at once.
*/
typedef struct _p_MeritMarkers *MeritMarkers;

/* M_ij = scale_j (copies_ij - centre_j), a missing genotype having missing_j copies; each [n_used]. */
typedef struct {
  const double *centre, *missing, *scale;
} MeritCoding;

/* The view that the genotypes were loaded for, in double precision; borrowed, and not to be changed. Not collective. */
MERIT_EXTERN MeritMarkers MeritGenotypesMarkers(MeritGenotypes geno);
/* A new view, after Load, with another coding, which is copied (NULL: the same one). The genotypes must outlive it. Not collective. */
MERIT_EXTERN PetscErrorCode MeritMarkersCreate(MeritGenotypes geno, const MeritCoding *coding, MeritMarkers *markers);
/* Products of this view from now on in single precision (see the error in merit/packed.h), or in double (at first). Not collective. */
MERIT_EXTERN PetscErrorCode MeritMarkersSetSingle(MeritMarkers markers, bool single);
/* Free; NULL-safe. Not collective. */
MERIT_EXTERN PetscErrorCode MeritMarkersDestroy(MeritMarkers *markers);
/*
  Products with the local tile, k right-hand sides fastest, threaded.
  Forward:  g[n_rows * k]  = M_tile x[n_cols * k]   (sum over this rank's columns only; the caller reduces along the grid row)
  Adjoint:  y[n_cols * k] = M_tile' s[n_rows * k]   (sum over this rank's rows only; the caller reduces along the grid column)
*/
MERIT_EXTERN PetscErrorCode MeritMarkersForward(MeritMarkers markers, int k, const double x[], double g[]);
/* The transposed product, see above. */
MERIT_EXTERN PetscErrorCode MeritMarkersAdjoint(MeritMarkers markers, int k, const double s[], double y[]);
/* Both at once, on a grid of one column: g = M_tile x, w += D g, y = M_tile' w (the caller reduces it), D[n_rows * n * n] a block for
   each row and n * k right-hand sides; y may be x. */
MERIT_EXTERN PetscErrorCode MeritMarkersNormal(MeritMarkers markers, int n, int k, const double D[], const double x[], double g[], double w[],
                                               double y[]);
/* Forward with columns [first, first + n) of the tile only: x[n * k]. For sweeps by blocks of columns. */
MERIT_EXTERN PetscErrorCode MeritMarkersForwardRange(MeritMarkers markers, int32_t first, int32_t n, int k, const double x[], double g[]);
/* The transposed product with such columns: y[n * k]. */
MERIT_EXTERN PetscErrorCode MeritMarkersAdjointRange(MeritMarkers markers, int32_t first, int32_t n, int k, const double s[], double y[]);
/* q[n_cols * k] = sum over rows of M_ij^2 * weight[row * k + .] : the diagonal of M' D M. */
MERIT_EXTERN PetscErrorCode MeritMarkersSquares(MeritMarkers markers, int k, const double weight[], double q[]);
/* gram[(a * n + b) * k + .] = sum over rows of M_i,first+a M_i,first+b weight[row * k + .], columns of the tile. For block sweeps. */
MERIT_EXTERN PetscErrorCode MeritMarkersGram(MeritMarkers markers, int32_t first, int32_t n, int k, const double weight[], double gram[]);
/* Decode columns [first, first + n) of the tile as M (centred, scaled) into out[n_rows * n], SNP fastest. For sweeps and tests. */
MERIT_EXTERN PetscErrorCode MeritMarkersDecode(MeritMarkers markers, int32_t first, int32_t n, double out[]);
/* Genotypes of n animals, row[n] ascending and alike on all ranks, in columns [first, first + 32 n_words) of M: word[g * n + i] as in
   merit/packed.h, on every rank, whatever the grid. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesAnimals(MeritGenotypes geno, int32_t first, int32_t n_words, int32_t n, const int64_t row[],
                                                  uint64_t word[]);
/* Bytes of packed genotypes on this rank. */
MERIT_EXTERN int64_t MeritGenotypesBytes(MeritGenotypes geno);
/* Add the memory of the genotypes to b->genotypes; after Load. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesAddBytes(MeritGenotypes geno, MeritBytes *b);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritGenotypesDestroy(MeritGenotypes *geno);

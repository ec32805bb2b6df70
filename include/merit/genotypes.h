#pragma once
#include <merit/cost.h>
#include <merit/dict.h>

/*
  Packed SNP genotypes on a process grid Pr x Pc (rank = column * Pr + row): rows (animals in file order) cut in multiples of 256, columns (SNPs used, in
  .bim order) in nearly equal blocks. Codes 0, 1, 2 copies of the counted allele (A1), 3 missing; 2 bits each, never unpacked as a whole.
  The matrix of the model is M = (codes - 2p, missing 0) * diag(scale): [n_animals x n_snps used]; without centring (codes, missing 2p).
*/
typedef struct _p_MeritGenotypes *MeritGenotypes;

typedef enum { MERIT_SCALE_NONE, MERIT_SCALE_VANRADEN, MERIT_SCALE_STANDARDISED, MERIT_SCALE_COUNT, MERIT_SCALE_TRACE } MeritScale;

/* One row per SNP of the file, for snps.tsv; replicated. */
typedef struct {
  const char *name, *chromosome, *counted, *other; /* borrowed; "." where text input has none */
  int64_t     position;
  double      frequency; /* of the counted allele over all genotyped animals; NaN if all missing */
  int64_t     n_missing;
  int32_t     column;    /* column of M, or -1: not used (monomorphic or all missing) */
} MeritSnp;

/* Instead of a number of rows of the grid: by the cost model */
enum { MERIT_GRID_AUTO = -1 };

/* Make an empty object; nothing is read before Load. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesCreate(MPI_Comm comm, MeritGenotypes *geno);
/* Read PLINK 1 files PREFIX.bed, .bim, .fam. Copied. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetPlink(MeritGenotypes geno, const char prefix[]);
/* Or a text file: "id 0 1 2 5 ..." or "id 0125..."; 5 = missing. Copied. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetText(MeritGenotypes geno, const char path[]);
/* How columns are scaled; none by default. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetScale(MeritGenotypes geno, MeritScale scale);
/* Centre by observed frequencies (default), not at all, or by a file of frequencies ("snp frequency" lines; NULL none). */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetCentre(MeritGenotypes geno, bool centre, const char frequency_file[]);
/* Use every SNP of the file, whether it varies or not, unscaled and uncentred until MeritGenotypesSetCoding. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetWhole(MeritGenotypes geno, bool whole);
/* Rows of the grid; 0 (default): as many as ranks (one column); MERIT_GRID_AUTO: by the cost model. Must divide the number of ranks. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetGrid(MeritGenotypes geno, int rows);
/* The cost model: seconds foreseen of M'(D M x) for one right-hand side. Not collective. */
MERIT_EXTERN double MeritGenotypesGridSeconds(int64_t n_animals, int32_t n_snps, int rows, int columns);
/* Rows of the grid that are foreseen to be fastest. Not collective. */
MERIT_EXTERN int MeritGenotypesGridRows(int64_t n_animals, int32_t n_snps, int size);
/* Read and check everything, count frequencies, drop monomorphic SNPs. Each rank reads just its rows. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesLoad(MeritGenotypes geno);

/* Animals, SNPs of the file, SNPs used. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSize(MeritGenotypes geno, int64_t *n_animals, int32_t *n_snps, int32_t *n_used);
/* Dictionary of the animals' ids: canonical number = row of the file. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesDict(MeritGenotypes geno, MeritDict *dict);
/* The SNP table, [n_snps], replicated; borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSnps(MeritGenotypes geno, const MeritSnp **snps);
/* Grid and this rank's tile: rows [row_first, row_first + n_rows), columns of M [col_first, col_first + n_cols). */
MERIT_EXTERN PetscErrorCode MeritGenotypesTile(MeritGenotypes geno, int *grid_rows, int *grid_cols, int64_t *row_first, int64_t *n_rows,
                                               int32_t *col_first, int32_t *n_cols);
/* Rank of the grid's column 0 that holds a row of the file (animal). */
MERIT_EXTERN PetscMPIInt MeritGenotypesRowOwner(MeritGenotypes geno, int64_t row);
/* Scale factor of each column of M, [n_used], replicated; sum of 2pq over used SNPs; mean diagonal of MM' at scale none. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesScaling(MeritGenotypes geno, const double **scale, double *sum_2pq, double *mean_diagonal);
/* Mean diagonal of MM' as it is scaled. Not collective. */
MERIT_EXTERN double MeritGenotypesMeanDiagonal(MeritGenotypes geno);

/* Of each column of M, [n_used], replicated: the copies subtracted, and those a missing genotype counts as. Borrowed. */
MERIT_EXTERN PetscErrorCode MeritGenotypesCoding(MeritGenotypes geno, const double **centre, const double **missing);
/* Another coding: M_ij = scale_j (copies_ij - centre_j), a missing genotype having missing_j copies; each [n_used], copied. After Load. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetCoding(MeritGenotypes geno, const double centre[], const double missing[],
                                                    const double scale[]);

/*
  Products with the local tile, k right-hand sides fastest, threaded.
  Forward:  g[n_rows * k]  = M_tile x[n_cols * k]   (sum over this rank's columns only; the caller reduces along the grid row)
  Adjoint:  y[n_cols * k] = M_tile' s[n_rows * k]   (sum over this rank's rows only; the caller reduces along the grid column)
*/
MERIT_EXTERN PetscErrorCode MeritGenotypesForward(MeritGenotypes geno, int k, const double x[], double g[]);
/* Products from now on in single precision (merit/packed.h says how far off), or in double (at first). Not collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSetSingle(MeritGenotypes geno, bool single);
/* The transposed product, see above. */
MERIT_EXTERN PetscErrorCode MeritGenotypesAdjoint(MeritGenotypes geno, int k, const double s[], double y[]);
/* Both at once, on a grid of one column: g = M_tile x, w += D g, y = M_tile' w (the caller reduces it), D[n_rows * n * n] a block for
   each row and n * k right-hand sides; y may be x. */
MERIT_EXTERN PetscErrorCode MeritGenotypesNormal(MeritGenotypes geno, int n, int k, const double D[], const double x[], double g[],
                                                 double w[], double y[]);
/* The same with columns [first, first + n) of the tile only: x[n * k], y[n * k]. For sweeps by blocks of columns. */
MERIT_EXTERN PetscErrorCode MeritGenotypesForwardRange(MeritGenotypes geno, int32_t first, int32_t n, int k, const double x[],
                                                       double g[]);
/* The transposed product with such columns. */
MERIT_EXTERN PetscErrorCode MeritGenotypesAdjointRange(MeritGenotypes geno, int32_t first, int32_t n, int k, const double s[],
                                                       double y[]);
/* q[n_cols * k] = sum over rows of M_ij^2 * weight[row * k + .] : the diagonal of M' D M. */
MERIT_EXTERN PetscErrorCode MeritGenotypesSquares(MeritGenotypes geno, int k, const double weight[], double q[]);
/* gram[(a * n + b) * k + .] = sum over rows of M_i,first+a M_i,first+b weight[row * k + .], columns of the tile. For block sweeps. */
MERIT_EXTERN PetscErrorCode MeritGenotypesGram(MeritGenotypes geno, int32_t first, int32_t n, int k, const double weight[],
                                               double gram[]);
/* Genotypes of n animals, row[n] ascending and alike on all ranks, in columns [first, first + 32 n_words) of M: word[g * n + i] as in
   merit/packed.h, on every rank, whatever the grid. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesAnimals(MeritGenotypes geno, int32_t first, int32_t n_words, int32_t n, const int64_t row[],
                                                  uint64_t word[]);
/* Decode columns [first, first + n) of the tile as M (centred, scaled) into out[n_rows * n], SNP fastest. For sweeps and tests. */
MERIT_EXTERN PetscErrorCode MeritGenotypesDecode(MeritGenotypes geno, int32_t first, int32_t n, double out[]);
/* Bytes of packed genotypes on this rank. */
MERIT_EXTERN int64_t MeritGenotypesBytes(MeritGenotypes geno);
/* Add the memory of the genotypes to b->genotypes; after Load. Collective. */
MERIT_EXTERN PetscErrorCode MeritGenotypesAddBytes(MeritGenotypes geno, MeritBytes *b);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritGenotypesDestroy(MeritGenotypes *geno);

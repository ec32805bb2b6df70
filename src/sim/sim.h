#pragma once
#include <merit/exchange.h>
#include <merit/file.h>
#include <merit/limits.h>
#include <merit/random.h>
#include <merit/shared.h>
#include <merit/simulate.h>

/*
  Private to the simulation. Animals are numbered generation after generation; a generation is cut in nearly
  equal blocks over the ranks. Every draw is keyed by the number of the animal (record, SNP), so the result does
  not depend on ranks or threads.
*/
#define SIM_UNKNOWN   UINT32_MAX /* number of an unknown parent */
#define SIM_BASE_YEAR 2000       /* first year of birth of the founders */

/* Purpose of a random number, part of its key */
typedef enum {
  SIM_FOR_SEX = 0x5300,
  SIM_FOR_SIRE,
  SIM_FOR_DAM,
  SIM_FOR_HERD,
  SIM_FOR_YEAR,
  SIM_FOR_MENDEL,
  SIM_FOR_INDEX,
  SIM_FOR_CANDIDATE,
  SIM_FOR_COW,
  SIM_FOR_SURVIVAL,
  SIM_FOR_AGE,
  SIM_FOR_PE,
  SIM_FOR_RESIDUAL,
  SIM_FOR_MISSING,
  SIM_FOR_HERD_YEAR,
  SIM_FOR_PARITY,
  SIM_FOR_SNP_POSITION,
  SIM_FOR_SNP_ALLELE,
  SIM_FOR_QTL,
  SIM_FOR_QTL_EFFECT,
  SIM_FOR_GAMETE,
  SIM_FOR_FOUNDER,
  SIM_FOR_NO_CALL
} SimPurpose;

/* The specification, checked. Matrices are n_traits x n_traits, row-major. */
typedef struct {
  MeritNode tree;   /* borrowed */
  char     *output; /* owned */
  uint64_t  seed;
  int       n_traits;
  char    **trait;                                                                        /* owned */
  double    mean[MERIT_MAX_TRAITS], missing[MERIT_MAX_TRAITS];                            /* means; fractions missing */
  double    herd_year[MERIT_MAX_TRAITS], parity[MERIT_MAX_TRAITS], age[MERIT_MAX_TRAITS]; /* sd, sd, per day */
  bool      has_herd_year, has_parity, has_age, has_pe, has_chip;
  double   *G, *R, *PE;                 /* owned */
  double   *L_G, *L_R, *L_PE;           /* lower Cholesky factors; owned */
  int       decimals[MERIT_MAX_TRAITS]; /* decimals written of each trait */
  int       generations;
  int64_t   animals, sires, dams;             /* in all; used per generation; candidates per generation, 0: all females */
  double    males, unknown_sire, unknown_dam; /* fractions */
  bool      select_best;
  int       select_trait;
  double    select_accuracy;
  int64_t   herds, years;  /* years of birth of one generation */
  double    moved;         /* fraction that leaves the dam's herd */
  int64_t   per_cow, cows; /* most records of a cow; cows with records, -1: by `fraction` */
  double    fraction, survival;
  int32_t   snps, chromosomes, n_qtl, ancestors;
  double    length, founder_age, no_call, share; /* Morgans per chromosome; switches between ancestral haplotypes per Morgan; fraction of missing
                                                     calls; fraction of G due to the QTL */
  int64_t   genotyped;
  bool      recorded; /* only cows with records are genotyped */
} SimSpec;

/* An animal in the herd book, 16 bytes; flags are bytes, so that ranks may set them at the same time */
typedef struct {
  uint32_t sire, dam; /* numbers, SIM_UNKNOWN */
  float    F;
  uint8_t  male, used, genotyped, ancestor; /* used: sire of some animal; ancestor: of a genotyped animal, or genotyped */
} SimAnimal;

/* Herd book: pedigree of the whole population, once on each node in shared memory */
typedef struct {
  MPI_Comm    comm;
  PetscMPIInt size;
  int        *node_of; /* [size] number of each rank's node among the leaders; owned */
  MeritShared memory;
  int64_t     n;
  SimAnimal  *animal; /* [n] in the memory */
} SimBook;

/* Loci of a haplotype, one bit each: the SNPs [from, to), or those of them that are QTL (`before`) */
typedef struct {
  int32_t         from, to;
  const int32_t  *before;    /* [n_snps + 1] loci before each SNP; NULL: all SNPs are loci */
  int32_t         words;     /* 64-bit words of a haplotype */
  const uint64_t *ancestral; /* [ancestors * words]; borrowed */
} SimLoci;

/* Map of the SNPs and QTL; the same on every rank */
typedef struct {
  const SimSpec *spec;     /* borrowed */
  int32_t       *first;    /* [chromosomes + 1] first SNP; owned */
  double        *position; /* [n_snps] position within the chromosome, Morgans; owned */
  int32_t        n_qtl;
  int32_t       *qtl;       /* [n_qtl] SNPs, ascending; owned */
  int32_t       *before;    /* [n_snps + 1] QTL before each SNP; owned */
  uint64_t      *ancestral; /* [ancestors * words] alleles at the QTL; owned */
  double        *frequency; /* [n_qtl] in the base; owned */
  double        *effect;    /* [n_qtl * n_traits]; owned */
  SimLoci        loci;      /* the QTL */
} SimGenome;

/* This rank's block of a generation */
typedef struct {
  int64_t   first, n; /* the whole generation */
  int64_t   start;    /* number of the first animal here */
  int32_t   n_local;
  int32_t  *herd;      /* [n_local]; owned */
  double   *polygenic; /* [n_local * n_traits]; owned */
  double   *value;     /* [n_local * n_traits] with the QTL; owned */
  uint64_t *genes;     /* [n_local * 2 * words]; owned */
} SimGeneration;

/* The simulation */
struct _p_MeritSimulation {
  MPI_Comm            comm;
  PetscMPIInt         rank, size;
  SimSpec             spec;
  SimBook             book;
  SimGenome           genome;
  MeritOutput         out;
  uint64_t            cow_key; /* with spec.cows: a cow has records if (key, number) is not above (cow_key, cow_last) */
  int64_t             cow_last;
  MeritSimulationSize made;
};

/* Key of a draw for one purpose about animal, record or SNP `level`. Not collective. */
static inline MeritRandomKey SimKey(const SimSpec *spec, SimPurpose purpose, uint64_t level)
{
  return (MeritRandomKey){.seed = spec->seed, .purpose = (uint32_t)purpose, .level = level};
}

/* Number of the first animal of a generation. Not collective. */
static inline int64_t SimGenerationFirst(const SimSpec *spec, int generation)
{
  return MeritBlockFirst(spec->animals, spec->generations, generation);
}

/* ---- spec.c, matrices.c ---- */

/* Read and check a specification; the tree is borrowed. Not collective: the same on all ranks. Errors: USAGE with line and column. */
PETSC_INTERN PetscErrorCode SimSpecRead(MeritNode tree, SimSpec *spec);
/* Free what a specification owns. Not collective. */
PETSC_INTERN PetscErrorCode SimSpecFree(SimSpec *spec);
/* v[n] = numbers by trait at a key: a list of n, or one number if n is 1 or `spread` (then it is for all traits). Unchanged if the key is
   absent. Not collective. Errors: USAGE, also for numbers outside [least, most]. */
PETSC_INTERN PetscErrorCode SimReadVector(MeritNode tree, const char key[], int n, bool spread, double least, double most, double v[]);
/* *matrix [n * n] = a covariance matrix, *root its lower Cholesky factor; both owned by the caller, unchanged if the key is absent. Not
   collective. Errors: USAGE if it is not symmetric and positive semi-definite (`definite`: positive definite). */
PETSC_INTERN PetscErrorCode SimReadMatrix(MeritNode tree, const char key[], int n, bool definite, double **matrix, double **root);
/* L [n * n] lower with L L' = A for a positive semi-definite A, zeros in the columns of zero pivots; false if A is not. Not collective. */
PETSC_INTERN bool SimCholesky(int n, const double A[], double L[]);
/* v[n] += scale * root z, z[n] the first standard normal draws under a key. Not collective. */
PETSC_INTERN void SimNormals(const MeritRandomKey *key, int n, const double root[], double scale, double v[]);

/* ---- book.c, inbreeding.c ---- */

/* Make the herd book of n animals, all bytes 0, in memory shared by the ranks of each node. Collective. Errors: SYSTEM without memory. */
PETSC_INTERN PetscErrorCode SimBookCreate(MPI_Comm comm, int64_t n, SimBook *book);
/* Wait until all ranks of the node have written. Collective on the node. */
PETSC_INTERN PetscErrorCode SimBookWait(SimBook *book);
/* Copy animals [first, first + n), of which each rank has written its block, to all nodes. Collective. */
PETSC_INTERN PetscErrorCode SimBookShare(SimBook *book, int64_t first, int64_t n);
/* Free the herd book; safe if it was not made. Collective. */
PETSC_INTERN PetscErrorCode SimBookDestroy(SimBook *book);
/* Inbreeding of animals [start, start + n) of a generation, from that of their parents, into the book. Not collective; threaded.
   Quaas (1976), Meuwissen and Luo (1992). */
PETSC_INTERN PetscErrorCode SimInbreeding(const SimSpec *spec, SimBook *book, int generation, int64_t start, int32_t n);

/* ---- select.c ---- */

/* Select the k smallest of all ranks' candidates by (key[n], number[n]), 1 <= k <= their number: those not above (*cut, *last). Numbers
   ascend within each rank and over the ranks. Collective; the same on all ranks. */
PETSC_INTERN PetscErrorCode SimSelect(MPI_Comm comm, int64_t n, const uint64_t key[], const int64_t number[], int64_t k, uint64_t *cut,
                                      int64_t *last);
/* Is a candidate selected? Not collective. */
static inline bool SimChosen(uint64_t key, int64_t number, uint64_t cut, int64_t last) { return key < cut || (key == cut && number <= last); }

/* ---- genome.c, gametes.c ---- */

/* Map of the SNPs, and QTL with their effects; nothing without a chip. Not collective: the same on every rank. */
PETSC_INTERN PetscErrorCode SimGenomeSetUp(const SimSpec *spec, SimGenome *genome);
/* Free the arrays. Not collective. */
PETSC_INTERN PetscErrorCode SimGenomeFree(SimGenome *genome);
/* allele[ancestors] = alleles (0, 1) of the ancestral haplotypes at a SNP; returns the frequency of allele 1 among them. Not collective. */
PETSC_INTERN double SimAncestralAlleles(const SimSpec *spec, int32_t snp, uint8_t allele[]);
/* to[loci->words] = the haplotype that an animal has from its sire (side 0) or dam (side 1), whose two haplotypes are parent[2 * words];
   NULL: an unknown parent, then a mosaic of ancestral haplotypes. Not collective; thread-safe. Haldane (1919). */
PETSC_INTERN void SimHaplotype(const SimGenome *genome, const SimLoci *loci, int64_t animal, int side, const uint64_t parent[], uint64_t to[]);

/* ---- births.c, mating.c ---- */

/* Make one generation from the one before (NULL content for generation 0): mate, enter in the herd book, draw herds, genes and values.
   Collective. Errors: USAGE if there are too few candidates. */
PETSC_INTERN PetscErrorCode SimBirths(MeritSimulation sim, int generation, const SimGeneration *parents, SimGeneration *born);
/* Free the arrays of a generation; safe on a zeroed struct. Not collective. */
PETSC_INTERN PetscErrorCode SimGenerationFree(SimGeneration *generation);
/* Sires or dams of the animals born here, one item for each: SimParent, then polygenic values [n_traits], then two haplotypes */
typedef struct {
  size_t stride; /* bytes of an item */
  char  *at;     /* [n_local * stride]; owned */
} SimParents;
/* Head of an item */
typedef struct {
  uint32_t number; /* SIM_UNKNOWN: unknown parent, the rest is undefined */
  int32_t  herd;
} SimParent;
/* Parent of animal i; borrowed. Not collective, as the next two. */
static inline const SimParent *SimParentOf(const SimParents *parents, int64_t i)
{
  return (const SimParent *)(const void *)(parents->at + (size_t)i * parents->stride);
}
/* Polygenic values [n_traits] of a parent; borrowed. */
static inline const double *SimParentPolygenic(const SimParent *parent) { return (const double *)(const void *)(parent + 1); }
/* Haplotypes [2 * words] of a parent at the QTL; borrowed. */
static inline const uint64_t *SimParentGenes(const SimParent *parent, int n_traits)
{
  return (const uint64_t *)(const void *)((const char *)(parent + 1) + (size_t)n_traits * sizeof(double));
}
/* Sires (or dams) of the animals born: select candidates of generation `from`, draw one for each newborn of this rank, and fetch its values.
   parents->at is owned by the caller, PetscFree. Collective. Errors: USAGE if there are too few candidates. */
PETSC_INTERN PetscErrorCode SimMate(MeritSimulation sim, int generation, bool sires, const SimGeneration *from, const SimGeneration *born,
                                    SimParents *parents);

/* ---- names.c: nothing is collective ---- */

/* Id of an animal: COW or BULL and its number from 1, padded so that ids sort by birth; "0" if unknown. */
PETSC_INTERN void SimIdText(const SimSpec *spec, int64_t number, bool male, char text[32]);
/* Name of a herd. */
PETSC_INTERN void SimHerdText(const SimSpec *spec, int64_t herd, char text[32]);
/* Name of a SNP. */
PETSC_INTERN void SimSnpText(const SimSpec *spec, int32_t snp, char text[32]);
/* Sex of an animal, drawn by its number. */
PETSC_INTERN bool SimIsMale(const SimSpec *spec, int64_t number);
/* Year of birth: uniform over the years of the animal's generation. */
PETSC_INTERN int SimBirthYear(const SimSpec *spec, int64_t number);

/* ---- records.c, truth.c, marks.c, chip.c, chip_tables.c, job.c: files are staged in sim->out ---- */

/* With records.cows: choose exactly that many cows at random; sets sim->cow_key and cow_last. Collective. Errors: USAGE if there are too few. */
PETSC_INTERN PetscErrorCode SimChooseCows(MeritSimulation sim);
/* Has the animal records? Needs SimChooseCows and the herd book. Not collective. */
PETSC_INTERN bool SimHasRecords(MeritSimulation sim, int64_t number);
/* Append the records of a generation's cows to records.csv. Collective. Errors: SYSTEM, as of all functions that write. */
PETSC_INTERN PetscErrorCode SimWriteRecords(MeritSimulation sim, const SimGeneration *generation);
/* Number of years in which cows may calve. Not collective. */
PETSC_INTERN int64_t SimCalvingYears(const SimSpec *spec);
/* Append a generation to pedigree.csv. Collective. */
PETSC_INTERN PetscErrorCode SimWritePedigree(MeritSimulation sim, const SimGeneration *generation);
/* Append a generation's true breeding values to truth.tsv; columns .qtl are the part due to the QTL. Collective. */
PETSC_INTERN PetscErrorCode SimWriteTruth(MeritSimulation sim, const SimGeneration *generation);
/* True fixed effects, truth_fixed.tsv, also of classes without a record. Collective. */
PETSC_INTERN PetscErrorCode SimWriteFixed(MeritSimulation sim);
/* Effects of the QTL, truth_qtl.tsv; nothing without QTL. Collective. */
PETSC_INTERN PetscErrorCode SimWriteQtl(MeritSimulation sim);
/* Mark in the herd book the sires used and, with a chip, the genotyped animals and their ancestors. Collective. Errors: USAGE if none is
   genotyped. */
PETSC_INTERN PetscErrorCode SimMarkGenotyped(MeritSimulation sim);
/* Genotypes, chip.bed (SNP-major). Needs the marks. Collective. */
PETSC_INTERN PetscErrorCode SimWriteChip(MeritSimulation sim);
/* chip.bim and chip.fam, in the order of the .bed. Collective. */
PETSC_INTERN PetscErrorCode SimWriteChipTables(MeritSimulation sim);
/* job.yaml: the pedigree model with the simulated variances; with a chip also job_snp.yaml for the genotyped animals. Collective. */
PETSC_INTERN PetscErrorCode SimWriteJobs(MeritSimulation sim);
/* summary.json: version, specification, counts, size and checksum of every file. Collective. */
PETSC_INTERN PetscErrorCode SimWriteSummary(MeritSimulation sim);

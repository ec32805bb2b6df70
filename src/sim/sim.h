#pragma once
#include <merit/exchange.h>
#include <merit/file.h>
#include <merit/random.h>
#include <merit/shared.h>
#include <merit/simulate.h>

/*
  Private to the simulation. Animals are numbered generation after generation; a generation is cut in nearly
  equal blocks over the ranks. Every draw is keyed by the animal's (record's, SNP's) number, so nothing
  depends on who computes it.
*/
#define SIM_MAX_TRAITS 32
#define SIM_UNKNOWN    UINT32_MAX
#define SIM_BASE_YEAR  2000

/* What a random number is for; the third word of its key. */
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
  SIM_FOR_SNP_PLACE,
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
  char    **trait; /* owned */
  double    mean[SIM_MAX_TRAITS], missing[SIM_MAX_TRAITS];
  double    herd_year[SIM_MAX_TRAITS], parity[SIM_MAX_TRAITS], age[SIM_MAX_TRAITS]; /* sd, sd, per day */
  bool      has_herd_year, has_parity, has_age, has_pe, has_chip;
  double   *G, *R, *PE;                /* owned */
  double   *root_G, *root_R, *root_PE; /* lower Cholesky factors; owned */
  int       decimals[SIM_MAX_TRAITS];  /* written of each trait */
  int       generations;
  int64_t   animals, sires, dams; /* in all; used per generation; candidates per generation, 0: all females */
  double    males, unknown_sire, unknown_dam;
  bool      select_best;
  int       select_trait;
  double    select_accuracy;
  int64_t   herds, years; /* years of birth of one generation */
  double    moved;
  int64_t   per_cow, cows; /* records at most; cows: -1 when `fraction` rules */
  double    fraction, survival;
  int32_t   snps, chromosomes, n_qtl, ancestors;
  double    length, founder_age, no_call, share; /* Morgans per chromosome; switches per Morgan */
  int64_t   genotyped;
  bool      recorded; /* genotyped are only cows with records */
} SimSpec;

/* One animal in the herd book: 16 bytes, flags are bytes of their own so that ranks may set them side by
   side. */
typedef struct {
  uint32_t sire, dam; /* numbers, SIM_UNKNOWN */
  float    F;
  uint8_t  male, used, genotyped, ancestor;
} SimAnimal;

/* The integer pedigree of the whole population, once per node in shared memory. */
typedef struct {
  MPI_Comm    comm;
  PetscMPIInt size;
  int        *node_of; /* [size] number of each rank's node among the leaders; owned */
  MeritShared memory;
  int64_t     n;
  SimAnimal  *animal; /* [n] in the memory */
} SimBook;

/* The loci a haplotype is made of: the SNPs [from, to), or those of them that `before` counts. One bit per
   locus. */
typedef struct {
  int32_t         from, to;
  const int32_t  *before;    /* [n_snps + 1] loci before each SNP; NULL: all SNPs are loci */
  int32_t         words;     /* 64-bit words of a haplotype */
  const uint64_t *ancestral; /* [ancestors * words]; borrowed */
} SimLoci;

/* Map, ancestral haplotypes' rules, and QTL. SNP-length arrays are replicated. */
typedef struct {
  const SimSpec *spec;  /* borrowed */
  int32_t       *first; /* [chromosomes + 1] first SNP; owned */
  double        *place; /* [n_snps] Morgans; owned */
  int32_t        n_qtl;
  int32_t       *qtl;       /* [n_qtl] SNPs, ascending; owned */
  int32_t       *before;    /* [n_snps + 1]; owned */
  uint64_t      *ancestral; /* of the QTL; owned */
  double        *frequency; /* [n_qtl] in the base; owned */
  double        *effect;    /* [n_qtl * n_traits]; owned */
  SimLoci        loci;      /* the QTL */
} SimGenome;

/* One generation's share of this rank. */
typedef struct {
  int64_t   first, n; /* the whole generation */
  int64_t   start;    /* number of the first animal here */
  int32_t   n_local;
  int32_t  *herd;      /* [n_local]; owned */
  double   *polygenic; /* [n_local * n_traits]; owned */
  double   *value;     /* [n_local * n_traits] with the QTL; owned */
  uint64_t *genes;     /* [n_local * 2 * words]; owned */
} SimGeneration;

struct _p_MeritSimulation {
  MPI_Comm            comm;
  PetscMPIInt         rank, size;
  SimSpec             spec;
  SimBook             book;
  SimGenome           genome;
  MeritOutput         out;
  uint64_t            cow_key; /* with spec.cows: a cow has records if (key, number) is not above this */
  int64_t             cow_last;
  MeritSimulationSize made;
};

/* Key of a draw about `level`. */
static inline MeritRandomKey SimKey(const SimSpec *spec, SimPurpose purpose, uint64_t level)
{
  return (MeritRandomKey){.seed = spec->seed, .purpose = (uint32_t)purpose, .level = level};
}

/* First animal of a generation. */
static inline int64_t SimGenerationFirst(const SimSpec *spec, int generation)
{
  return MeritBlockFirst(spec->animals, spec->generations, generation);
}

/* spec.c, matrices.c */
PETSC_INTERN PetscErrorCode SimSpecRead(MeritNode tree, SimSpec *spec);
PETSC_INTERN PetscErrorCode SimSpecFree(SimSpec *spec);
PETSC_INTERN PetscErrorCode SimReadVector(MeritNode tree, const char key[], int n, bool spread, double least,
                                          double most, double v[]);
PETSC_INTERN PetscErrorCode SimReadMatrix(MeritNode tree, const char key[], int n, bool definite,
                                          double **matrix, double **root);
PETSC_INTERN bool           SimCholesky(int n, const double A[], double L[]);
PETSC_INTERN void SimNormals(const MeritRandomKey *key, int n, const double root[], double scale, double v[]);

/* book.c, inbreeding.c */
PETSC_INTERN PetscErrorCode SimBookCreate(MPI_Comm comm, int64_t n, SimBook *book);
PETSC_INTERN PetscErrorCode SimBookWait(SimBook *book);
PETSC_INTERN PetscErrorCode SimBookShare(SimBook *book, int64_t first, int64_t n);
PETSC_INTERN PetscErrorCode SimBookDestroy(SimBook *book);
PETSC_INTERN PetscErrorCode SimInbreeding(const SimSpec *spec, SimBook *book, int generation, int64_t start,
                                          int32_t n);

/* select.c: the k smallest (key, number) of all ranks' candidates are those not above (*cut, *last) */
PETSC_INTERN PetscErrorCode SimSelect(MPI_Comm comm, int64_t n, const uint64_t key[], const int64_t number[],
                                      int64_t k, uint64_t *cut, int64_t *last);
static inline bool          SimChosen(uint64_t key, int64_t number, uint64_t cut, int64_t last)
{
  return key < cut || (key == cut && number <= last);
}

/* genome.c, gametes.c */
PETSC_INTERN PetscErrorCode SimGenomeSetUp(const SimSpec *spec, SimGenome *genome);
PETSC_INTERN PetscErrorCode SimGenomeFree(SimGenome *genome);
PETSC_INTERN double         SimAncestralAlleles(const SimSpec *spec, int32_t snp, uint8_t allele[]);
PETSC_INTERN void SimHaplotype(const SimGenome *genome, const SimLoci *loci, int64_t animal, int side,
                               const uint64_t parent[], uint64_t to[]);

/* births.c, mating.c */
PETSC_INTERN PetscErrorCode SimBirths(MeritSimulation sim, int generation, const SimGeneration *parents,
                                      SimGeneration *born);
PETSC_INTERN PetscErrorCode SimGenerationFree(SimGeneration *generation);
/* Parents of the animals born, one packed item each: what an offspring needs to know of a parent. */
typedef struct {
  size_t stride; /* bytes of an item: SimParent, polygenic values, two haplotypes */
  char  *at;     /* owned */
} SimParents;
typedef struct {
  uint32_t number; /* SIM_UNKNOWN: the rest means nothing */
  int32_t  herd;
} SimParent;
static inline const SimParent *SimParentOf(const SimParents *parents, int64_t i)
{
  return (const SimParent *)(const void *)(parents->at + (size_t)i * parents->stride);
}
static inline const double *SimParentPolygenic(const SimParent *parent)
{
  return (const double *)(const void *)(parent + 1);
}
static inline const uint64_t *SimParentGenes(const SimParent *parent, int n_traits)
{
  return (const uint64_t *)(const void *)((const char *)(parent + 1) + (size_t)n_traits * sizeof(double));
}
PETSC_INTERN PetscErrorCode SimMate(MeritSimulation sim, int generation, bool sires,
                                    const SimGeneration *from, const SimGeneration *born,
                                    SimParents *parents);

/* names.c */
PETSC_INTERN void SimIdText(const SimSpec *spec, int64_t number, bool male, char text[32]);
PETSC_INTERN void SimHerdText(const SimSpec *spec, int64_t herd, char text[32]);
PETSC_INTERN void SimSnpText(const SimSpec *spec, int32_t snp, char text[32]);
PETSC_INTERN bool SimIsMale(const SimSpec *spec, int64_t number);
PETSC_INTERN int  SimBirthYear(const SimSpec *spec, int64_t number);

/* records.c, truth.c, marks.c, chip.c, chip_tables.c, job.c */
PETSC_INTERN PetscErrorCode SimChooseCows(MeritSimulation sim);
PETSC_INTERN bool           SimHasRecords(MeritSimulation sim, int64_t number);
PETSC_INTERN PetscErrorCode SimWriteRecords(MeritSimulation sim, const SimGeneration *generation);
PETSC_INTERN int64_t        SimCalvingYears(const SimSpec *spec);
PETSC_INTERN PetscErrorCode SimWritePedigree(MeritSimulation sim, const SimGeneration *generation);
PETSC_INTERN PetscErrorCode SimWriteTruth(MeritSimulation sim, const SimGeneration *generation);
PETSC_INTERN PetscErrorCode SimWriteFixed(MeritSimulation sim);
PETSC_INTERN PetscErrorCode SimWriteQtl(MeritSimulation sim);
PETSC_INTERN PetscErrorCode SimMarkGenotyped(MeritSimulation sim);
PETSC_INTERN PetscErrorCode SimWriteChip(MeritSimulation sim);
PETSC_INTERN PetscErrorCode SimWriteChipTables(MeritSimulation sim);
PETSC_INTERN PetscErrorCode SimWriteJobs(MeritSimulation sim);
PETSC_INTERN PetscErrorCode SimWriteSummary(MeritSimulation sim);

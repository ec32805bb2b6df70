#pragma once
/* animals.tsv: which columns there are, and how values reach the rows. Private to src/report. */
#include "report_impl.h"
#include <merit/exchange.h>

/* One `.ebv` column: a linear combination of n components of terms */
typedef struct {
  char   name[1024]; /* TRAIT.LABEL or TRAIT.LABEL.REGRESSOR or TRAIT.SUM or SUM */
  int    n;
  int    value[REPORT_PARTS];  /* indices of the values summed */
  double weight[REPORT_PARTS]; /* of each */
} AnimalColumn;

/* One value per animal: a component of a genetic term */
typedef struct {
  int term, component;
} AnimalValue;

/*
  The table: values of every genetic component for the animals of this rank's block, NaN where an animal is not
  in the term. Rows of pedigree animals and rows of genotyped ones (by line of the genotype file) are kept apart
  until written.
*/
typedef struct {
  int           n_values, n_columns, width; /* width = n_values + 1: the count of records comes first */
  AnimalValue  *value;                      /* [n_values] */
  AnimalColumn *column;                     /* [n_columns] */
  int64_t       ped_first, n_ped, geno_first, n_geno;
  double       *ped, *geno; /* [n_ped * width], [n_geno * width] */
  int64_t      *number;     /* [n_geno] pedigree number of a genotyped animal, -1 none */
  bool          numbered;   /* number is there */
  bool          counted;    /* records need not be counted */
  bool          years;      /* the pedigree has birth years */
} Animals;

PETSC_INTERN PetscErrorCode AnimalsColumns(MeritReport report, Animals *a);
/* Columns, and tables of this rank's blocks: NaN, but no records yet */
PETSC_INTERN PetscErrorCode AnimalsCreate(MeritReport report, Animals *a);
PETSC_INTERN PetscErrorCode AnimalsDestroy(Animals *a);
/* Values of pedigree terms and counts of records to the blocks */
PETSC_INTERN PetscErrorCode AnimalsPedigreeValues(MeritReport report, const double u[], Animals *a);
/* Values of SNP terms to the blocks of genotyped animals, and from there to the pedigree's */
PETSC_INTERN PetscErrorCode AnimalsGenomicValues(MeritReport report, const double *const genomic[],
                                                 Animals *a);
/* The genetic term whose id column counts records, -1 none */
PETSC_INTERN int AnimalsFirstTerm(MeritReport report);

#pragma once
/* animals.tsv: its columns, and the tables of values that its rows come from. Private to
   src/report. */
#include "report_impl.h"
#include <merit/exchange.h>

/* One `.ebv` column: a linear combination of n components of terms */
typedef struct {
  char   name[1024]; /* TRAIT.LABEL, TRAIT.LABEL.REGRESSOR, TRAIT.SUM, or SUM for a sum over traits */
  int    n;
  int    value[REPORT_PARTS];  /* indices in Animals.value */
  double weight[REPORT_PARTS]; /* their weights */
} AnimalColumn;

/* A value of each animal: a component of a genetic term */
typedef struct {
  int term, component;
} AnimalValue;

/*
  Values of every genetic component for the animals of this rank's blocks, NaN if an animal is not in the term. There are two
  tables: animals of the pedigree by canonical number, and genotyped animals by line of the genotype file. An animal in both is
  written from the first. Column 0 is the number of records, column v + 1 is value v. All arrays are owned.
*/
typedef struct {
  int           n_values, n_columns, width;           /* width = n_values + 1: columns of the tables */
  AnimalValue  *value;                                /* [n_values] */
  AnimalColumn *column;                               /* [n_columns] */
  int64_t       ped_first, n_ped, geno_first, n_geno; /* first animal and number of animals of this rank's blocks */
  double       *ped, *geno;                           /* [n_ped * width], [n_geno * width] */
  int64_t      *number;                               /* [n_geno] pedigree number of a genotyped animal, -1: not in the pedigree */
  bool          numbered;                             /* number is filled */
  bool          counted;                              /* records are counted already, or not needed */
  bool          years;                                /* the pedigree has birth years */
} Animals;

/* Fill value and column from the formula and the sums. Not collective: the same on all ranks. */
PETSC_INTERN PetscErrorCode AnimalsColumns(MeritReport report, Animals *a);
/* Columns, and the tables of this rank's blocks with values NaN and 0 records. Not collective.
   Free with AnimalsDestroy. */
PETSC_INTERN PetscErrorCode AnimalsCreate(MeritReport report, Animals *a);
/* Free the arrays. Not collective. */
PETSC_INTERN PetscErrorCode AnimalsDestroy(Animals *a);
/* Fill a->ped from the components u of all pedigree terms. Collective. */
PETSC_INTERN PetscErrorCode AnimalsPedigreeValues(MeritReport report, const double u[], Animals *a);
/* Fill a->geno from genomic[term] [n_rows * n_comp], the values of this rank's genotype rows,
   and copy them to a->ped for animals of the pedigree. Collective. */
PETSC_INTERN PetscErrorCode AnimalsGenomicValues(MeritReport report, const double *const genomic[], Animals *a);
/* First genetic term of the formula, by whose id column records are counted; -1 none. Not
   collective. */
PETSC_INTERN int AnimalsFirstTerm(MeritReport report);

#pragma once
/* Private to src/report/predict*.c. */
#include <merit/genotypes.h>
#include <merit/predict.h>
#include <merit/table.h>

struct _p_MeritPrediction {
  MPI_Comm            comm;
  PetscMPIInt         rank, size;
  char               *bfile, *text; /* genotypes, one of them; owned */
  char               *snps;         /* the table of effects; owned */
  MeritGenotypes      geno;
  int                 n_values; /* columns of effects */
  char              **name;     /* [n_values] TRAIT.TERM; owned */
  double             *effect;   /* [n_snps * n_values] of one copy of the allele that counted there; owned */
  double             *offset;   /* [n_values] what the SNPs left out add to every animal; owned */
  MeritText           excluded; /* rows of excluded.tsv, of this rank's part of the table */
  MeritPredictionSize count;
};

/* The rows of snps.tsv that this rank read */
typedef struct {
  MeritTable      table; /* owned */
  int64_t         n;
  const int32_t  *code[3]; /* snp, counted, other; -1 missing */
  MeritStrings    pool[3];
  const double   *frequency, *centre, *mean; /* NULL: no such column */
  const double  **effect;                    /* [n_values] */
} PredictTable;

/* Open and read the table; sets n_values and name. Collective. */
PETSC_INTERN PetscErrorCode PredictRead(MeritPrediction p, PredictTable *t);
PETSC_INTERN PetscErrorCode PredictTableFree(PredictTable *t);
/* Match the table with the genotypes: effects, offset, counts, exclusions, coding of the genotypes. Collective. */
PETSC_INTERN PetscErrorCode PredictMatch(MeritPrediction p, const PredictTable *t);
/* A field of a row as text, "" where it is missing */
PETSC_INTERN const char *PredictText(const PredictTable *t, int column, int64_t row);

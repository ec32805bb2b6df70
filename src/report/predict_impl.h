#pragma once
/* Private to src/report/predict*.c. */
#include <merit/genotypes.h>
#include <merit/predict.h>
#include <merit/table.h>

/* The prediction: settings, effects by SNP of the genotypes, and counts of the matching */
struct _p_MeritPrediction {
  MPI_Comm            comm;
  PetscMPIInt         rank, size;
  const char         *format;   /* key of the genotypes in the job file; borrowed */
  char               *path;     /* of the genotypes; owned */
  char               *snps;     /* the table of effects; owned */
  MeritGenotypes      geno;     /* owned */
  MeritMarkers        markers;  /* its view in the coding of the effects; owned */
  int                 n_values; /* columns of effects */
  char              **name;     /* [n_values] TRAIT.TERM; owned */
  double             *effect;   /* [n_snps * n_values] effect of one copy of the allele that snps.tsv counts; owned */
  double             *offset;   /* [n_values] contribution of SNPs that are not used, the same for every animal; owned */
  MeritText           excluded; /* rows of excluded.tsv, of this rank's part of the table */
  MeritPredictionSize count;
};

/* The rows of snps.tsv that this rank read */
typedef struct {
  MeritTable     table; /* owned */
  int64_t        n;
  const int32_t *code[3]; /* snp, counted, other; -1 missing */
  MeritStrings   pool[3];
  const double  *frequency, *centre, *mean; /* NULL: no such column */
  const double **effect;                    /* [n_values] */
} PredictTable;

/* Open and read the table; sets p->n_values and name. Collective. Errors: INPUT for a missing
   column or a malformed file. */
PETSC_INTERN PetscErrorCode PredictRead(MeritPrediction p, PredictTable *t);
/* Free the table; NULL-safe. Not collective. */
PETSC_INTERN PetscErrorCode PredictTableFree(PredictTable *t);
/* Match the table with the genotypes: sets effect, offset, count, excluded, and the view in
   their coding. Collective. Errors: INPUT. */
PETSC_INTERN PetscErrorCode PredictMatch(MeritPrediction p, const PredictTable *t);
/* Text field `column` (0 snp, 1 counted, 2 other) of a row, "" if it is missing; borrowed. Not
   collective. */
PETSC_INTERN const char *PredictText(const PredictTable *t, int column, int64_t row);

#pragma once
#include <merit/config.h>
#include <merit/file.h>

/*
  Breeding values of other genotypes from the SNP effects of an earlier result (its snps.tsv): SNPs are matched by name, alleles are
  compared and turned where the file counts the other one, and genotypes are centred as those of the earlier run were, so that its own
  animals get the values they have there.
*/
typedef struct _p_MeritPrediction *MeritPrediction;

/* What was matched, over all ranks. */
typedef struct {
  int64_t n_animals;
  int32_t n_snps;                                /* of the genotypes */
  int64_t n_rows, n_effects;                     /* of snps.tsv: all, and those with an effect */
  int64_t as_is, swapped, other_alleles, absent; /* of those with an effect */
  int64_t by_name;                               /* of as_is: no alleles to compare */
  int64_t without_effect;                        /* of the genotypes */
} MeritPredictionSize;

/* Make an empty prediction. Collective. */
MERIT_EXTERN PetscErrorCode MeritPredictionCreate(MPI_Comm comm, MeritPrediction *prediction);
/* Keys genotypes.bfile or genotypes.text, predict.snps (a snps.tsv or the folder of a result). No data are read. Collective. */
MERIT_EXTERN PetscErrorCode MeritPredictionSetFromConfig(MeritPrediction prediction, MeritNode job);
/* Read both files and match their SNPs. Collective. */
MERIT_EXTERN PetscErrorCode MeritPredictionSetUp(MeritPrediction prediction);
/* Counts, after SetUp. */
MERIT_EXTERN PetscErrorCode MeritPredictionGetSize(MeritPrediction prediction, MeritPredictionSize *size);
/* animals.tsv and excluded.tsv. Collective. */
MERIT_EXTERN PetscErrorCode MeritPredictionWrite(MeritPrediction prediction, MeritOutput out);
/* summary.json; to be staged last. Collective. */
MERIT_EXTERN PetscErrorCode MeritPredictionSummary(MeritPrediction prediction, MeritOutput out, MeritNode job, int threads);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritPredictionDestroy(MeritPrediction *prediction);

#pragma once
#include <merit/config.h>

/*
  A dairy-like population with known true values, of any size, in parallel: pedigree, records, genotypes and a
  ready job file. The bytes are the same on any number of ranks and threads.
*/
typedef struct _p_MeritSimulation *MeritSimulation;

/* What was made, over all ranks. */
typedef struct {
  int64_t n_animals, n_sires, n_records, n_cows, n_genotyped; /* n_sires: used; n_cows: with records */
  int32_t n_snps, n_qtl;
} MeritSimulationSize;

/* Keys of a specification, for MeritConfigCheck and --help; returns how many. Borrowed. */
MERIT_EXTERN int MeritSimulationKeys(const MeritKey **keys);
/* Make an empty simulation. Not collective. */
MERIT_EXTERN PetscErrorCode MeritSimulationCreate(MPI_Comm comm, MeritSimulation *sim);
/* Read and check a specification: unknown keys, ranges, matrices are USAGE errors with line:column. The tree
   must outlive the run. */
MERIT_EXTERN PetscErrorCode MeritSimulationSetFromConfig(MeritSimulation sim, MeritNode spec);
/* Make the population and write it into the folder `output` of the specification. Collective. */
MERIT_EXTERN PetscErrorCode MeritSimulationRun(MeritSimulation sim, bool overwrite);
/* Counts, after Run. */
MERIT_EXTERN PetscErrorCode MeritSimulationGetSize(MeritSimulation sim, MeritSimulationSize *size);
/* Folder written to; borrowed. */
MERIT_EXTERN const char *MeritSimulationOutput(MeritSimulation sim);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritSimulationDestroy(MeritSimulation *sim);

#pragma once
#include <merit/dict.h>

/*
  Animals, parents, inbreeding. Canonical animal number: first line of the pedigree file, then parents (and ids added) without a
  line, sorted by label. The pedigree is distributed in blocks of canonical numbers; during SetUp each node also holds (sire, dam, F) of
  all animals once, in memory shared by its ranks.
*/
typedef struct _p_MeritPedigree *MeritPedigree;

/* Bytes of an animal in the arrays of a pedigree, for those who foresee memory. */
enum { MERIT_ANIMAL_BYTES = 48 };

/* Make an empty object; nothing is read before Load. Collective. */
MERIT_EXTERN PetscErrorCode MeritPedigreeCreate(MPI_Comm comm, MeritPedigree *ped);
/* The file; names of the columns id, sire, dam, birth year, sex (NULL: found by name, else the first three; no year, no sex). Copied. */
MERIT_EXTERN PetscErrorCode MeritPedigreeSetFile(MeritPedigree ped, const char path[], const char *const columns[5], int n_header,
                                                 const char *const header[]);
/* Words for an unknown parent beside the empty field, "0", "." and "NA". */
MERIT_EXTERN PetscErrorCode MeritPedigreeSetUnknown(MeritPedigree ped, int n, const char *const words[]);
/* true: an id may be both sire and dam, and selfing is allowed; false (default): that is an INPUT error naming both lines. */
MERIT_EXTERN PetscErrorCode MeritPedigreeSetFreeSexes(MeritPedigree ped, bool free_sexes);
/* Mendelian variances 1, 3/4, 1/2 by the number of known parents, as if none were inbred; inbreeding is reported all the same. */
MERIT_EXTERN PetscErrorCode MeritPedigreeSetOutbred(MeritPedigree ped, bool outbred);
/* Were Mendelian variances set to ignore inbreeding? Not collective. */
MERIT_EXTERN bool MeritPedigreeOutbred(MeritPedigree ped);
/* Keep the animals of AddFocal and their ancestors up to `depth` generations back (by the shortest path); 0 (default): all animals. */
MERIT_EXTERN PetscErrorCode MeritPedigreeSetDepth(MeritPedigree ped, int32_t depth);
/* Ids that are kept with any depth; the pool may be empty. Copied. */
MERIT_EXTERN PetscErrorCode MeritPedigreeAddFocal(MeritPedigree ped, MeritStrings pool);
/* Ids to be added as founders if they have no line (pedigree.absent: founder); the pool may be empty. Not collective, before Load. Copied. */
MERIT_EXTERN PetscErrorCode MeritPedigreeAddFounders(MeritPedigree ped, MeritStrings pool);
/* Read and check: duplicates (same parents: counted; other parents: error naming both lines), own ancestor (names the loop's ids and
   lines), parent born after its offspring or of another sex than its line says, negative parent codes (USAGE: genetic groups are not available yet). Collective. */
MERIT_EXTERN PetscErrorCode MeritPedigreeLoad(MeritPedigree ped);
/* Compute inbreeding and Mendelian variances; a Mendelian variance below 1e-8 is an INPUT error naming the animal. Idempotent. Collective. */
MERIT_EXTERN PetscErrorCode MeritPedigreeSetUp(MeritPedigree ped);

/* Animals over all ranks, those without a line of their own, duplicate lines that were dropped. Not collective. */
MERIT_EXTERN PetscErrorCode MeritPedigreeSize(MeritPedigree ped, int64_t *n_animals, int64_t *n_no_line, int64_t *n_duplicates);
/* The dictionary of ids; borrowed. */
MERIT_EXTERN PetscErrorCode MeritPedigreeDict(MeritPedigree ped, MeritDict *dict);
/* Parents of this rank's block of animals, canonical numbers, -1 unknown; borrowed, [n_local]. */
MERIT_EXTERN PetscErrorCode MeritPedigreeParents(MeritPedigree ped, int64_t *first, int64_t *n_local, const int64_t **sire, const int64_t **dam);
/* Inbreeding and Mendelian sampling variance (of A: d_i in A = T D T', 0 < d <= 1) of this rank's block; borrowed, after SetUp. */
MERIT_EXTERN PetscErrorCode MeritPedigreeInbreeding(MeritPedigree ped, const double **F, const double **d);
/* Birth years of this rank's block, NaN unknown, where a column of the file was named for them; borrowed. */
MERIT_EXTERN PetscErrorCode MeritPedigreeYears(MeritPedigree ped, bool *any, const double **year);
/* Number of offspring (distinct pedigree animals naming it as a parent) of this rank's block; borrowed, after SetUp. */
MERIT_EXTERN PetscErrorCode MeritPedigreeOffspring(MeritPedigree ped, const int64_t **n_offspring);
/* Generation (0 for founders, else 1 + the larger of the parents') of this rank's block; borrowed, after SetUp. */
MERIT_EXTERN PetscErrorCode MeritPedigreeGeneration(MeritPedigree ped, const int32_t **generation);
/* Free; NULL-safe. */
MERIT_EXTERN PetscErrorCode MeritPedigreeDestroy(MeritPedigree *ped);

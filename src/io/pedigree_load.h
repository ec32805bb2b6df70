#pragma once
#include "pedigree_private.h"

/* A line of the file; animals by canonical number, -1 unknown */
typedef struct {
  int64_t line; /* in the file; 0: an animal without a line */
  int32_t id, sire, dam;
  double  year; /* of birth, NaN unknown */
  int8_t  sex;  /* PED_SEX_... */
} PedigreeRow;

/* Send n lines to the ranks that hold their animals and store them there; frees *rows. Collective.
   Faults go to ped->fault. */
PETSC_INTERN PetscErrorCode PedigreeDealRows(MeritPedigree ped, int64_t n, PedigreeRow **rows);
/* Free lines, parents, years and sexes of this rank's block. Not collective. */
PETSC_INTERN PetscErrorCode PedigreeBlockFree(PedigreeBlock *block);
/* Cut the pedigree to the focal animals and their ancestors up to ped->options.depth generations back, and
   number them anew; nothing is done if depth is 0. Collective. Errors: INPUT if no animal is
   left. */
PETSC_INTERN PetscErrorCode PedigreeCut(MeritPedigree ped);

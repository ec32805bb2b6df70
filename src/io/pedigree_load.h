#pragma once
#include "pedigree_private.h"

/* A line of the file with canonical numbers */
typedef struct {
  int64_t line; /* 0: an animal without one */
  int32_t id, sire, dam;
  double  year;
  int8_t  sex;
} PedigreeRow;

/* Lines go to the ranks that hold their animals; *rows are freed. Collective; faults go to ped->fault. */
PETSC_INTERN PetscErrorCode PedigreeDealRows(MeritPedigree ped, int64_t n, PedigreeRow **rows);
/* Free what DealRows made. */
PETSC_INTERN PetscErrorCode PedigreeFreeBlock(MeritPedigree ped);
/* Cut to the depth asked for. Collective. */
PETSC_INTERN PetscErrorCode PedigreeCut(MeritPedigree ped);

#pragma once
#include "pedigree_private.h"

/* Is `field` a name of a column with this role (PED_ID to PED_DAM): `column`, or a known name, in
   any case? Not collective. */
PETSC_INTERN bool PedigreeIsName(int role, const char column[], const char field[]);
/* column[PED_N_COLUMNS] = columns of id, sire, dam, birth year and sex in the table: as the job
   file names them, by known names, or the first three; -1 for no year or sex. Logically collective.
   Errors: USAGE, INPUT. */
PETSC_INTERN PetscErrorCode PedigreeFindColumns(MeritPedigree ped, MeritTable table, int column[PED_N_COLUMNS]);

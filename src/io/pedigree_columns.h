#pragma once
#include "pedigree_private.h"

/* Is a field the name of a column with this role: the column's own, or one that is known? */
PETSC_INTERN bool PedigreeIsName(int role, const char column[], const char field[]);
/* Columns of id, sire, dam, birth year and sex in the table, -1 for no year or sex. Logically collective. */
PETSC_INTERN PetscErrorCode PedigreeFindColumns(MeritPedigree ped, MeritTable table,
                                                int column[PED_N_COLUMNS]);

#pragma once
#include "pedigree_private.h"

/* Columns of id, sire, dam and birth year in the table, -1 for no year. Logically collective. */
PETSC_INTERN PetscErrorCode PedigreeFindColumns(MeritPedigree ped, MeritTable table,
                                                int column[PED_N_COLUMNS]);

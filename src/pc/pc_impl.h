#pragma once
#include <merit/kernels.h>
#include <merit/pc.h>
#include <merit/unit.h>

/* The operator takes over new variances of its model, and the preconditioner is set up anew if it did. Every application begins with it: PETSc
   compares states before it applies, but an operator that nobody has used since has still its old one. Collective. */
PetscErrorCode MeritPCReady(PC pc);
/* Creators for PCRegister: each makes a PCSHELL with functions and a context of its own, which
   the PC owns. block.c: inverse diagonal blocks of all levels. Logically collective. */
PetscErrorCode PCCreate_MeritBlock(PC pc);
/* ped.c: incomplete Cholesky of the pedigree terms, fixed effects exactly. Logically collective. */
PetscErrorCode PCCreate_MeritPed(PC pc);
/* ped.c: the same with pedigree terms by blocks of levels. Logically collective. */
PetscErrorCode PCCreate_MeritFixed(PC pc);

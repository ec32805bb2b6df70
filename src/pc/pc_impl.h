#pragma once
#include <merit/kernels.h>
#include <merit/pc.h>
#include <merit/unit.h>

/* The operator takes over new variances of its model, and the preconditioner is set up anew if it did. Every application begins with it: PETSc
   compares states before it applies, but an operator that nobody has used since has still its old one. Collective. */
PetscErrorCode MeritPCReady(PC pc);
PetscErrorCode PCCreate_MeritBlock(PC pc);
PetscErrorCode PCCreate_MeritPed(PC pc);
PetscErrorCode PCCreate_MeritFixed(PC pc);


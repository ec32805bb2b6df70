#pragma once
#include <merit/kernels.h>
#include <merit/pc.h>
#include <merit/unit.h>

PetscErrorCode PCCreate_MeritBlock(PC pc);
PetscErrorCode PCCreate_MeritPed(PC pc);
PetscErrorCode PCCreate_MeritFixed(PC pc);

/* In-place inverse of a symmetric positive definite n x n block; false if it is not definite */
bool MeritBlockInvert(int n, double *A);

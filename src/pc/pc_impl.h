#pragma once
#include <merit/kernels.h>
#include <merit/pc.h>
#include <merit/unit.h>

PetscErrorCode PCCreate_MeritBlock(PC pc);
PetscErrorCode PCCreate_MeritPed(PC pc);
PetscErrorCode PCCreate_MeritFixed(PC pc);


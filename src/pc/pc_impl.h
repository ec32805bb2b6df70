#pragma once
#include <merit/pc.h>

PetscErrorCode PCCreate_MeritBlock(PC pc);

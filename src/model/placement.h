#pragma once
#include "model_impl.h"
#include <merit/ancestry.h>

/* placement_animals.c */
PetscErrorCode MeritPlaceAnimals(MeritModel model, const int64_t number[], PetscMPIInt **owner, uint64_t **order, PetscMPIInt dest[]);

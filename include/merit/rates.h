#pragma once
#include <merit/config.h>

/* What a machine does: bytes a second through the memory of a core, genotypes a second through both products on a core, seconds of a message,
   bytes a second that a rank sends, products added to something a second in dense algebra on a core. */
typedef struct {
  double memory, genotypes, latency, network, products;
} MeritRates;

/* Those of the job (plan.rates.*); where it has none, those of a core of the machine in bench/README.md and of a network that is not slow. Not
   collective. */
MERIT_EXTERN PetscErrorCode MeritConfigRates(MeritNode job, MeritRates *rates);

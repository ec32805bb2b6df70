/* Speeds of a machine, from which costs are predicted. Defaults are those of the machine in
   bench/README.md. */
#include <merit/rates.h>

/* MeritConfigRates - See the header. Errors: USAGE with the position in the job file. Not collective. */
PetscErrorCode MeritConfigRates(MeritNode job, MeritRates *rates)
{
  PetscFunctionBegin;
  /* Bytes/s, genotypes/s, s, bytes/s, multiply-adds/s; see the header */
  *rates = (MeritRates){.memory = 1.2e10, .genotypes = 1e10, .latency = 2e-6, .network = 1e9, .products = 1e10};
  PetscCall(MeritConfigReal(job, "plan.rates.memory", 1.0, 1e18, &rates->memory));
  PetscCall(MeritConfigReal(job, "plan.rates.genotypes", 1.0, 1e18, &rates->genotypes));
  PetscCall(MeritConfigReal(job, "plan.rates.latency", 0.0, 1e3, &rates->latency));
  PetscCall(MeritConfigReal(job, "plan.rates.network", 1.0, 1e18, &rates->network));
  PetscCall(MeritConfigReal(job, "plan.rates.products", 1.0, 1e18, &rates->products));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*
  merit simulate: a population with known true values. The command reads the specification, lets
  src/sim make and write the population, and says how large it is and what to do next.
*/
#include "cli.h"
#include <merit/log.h>
#include <merit/simulate.h>

/* Settings, simulation and last messages. Collective. */
static PetscErrorCode Run(MeritSimulation sim, MeritNode spec)
{
  MeritSimulationSize made;
  bool                overwrite = false;

  PetscFunctionBegin;
  PetscCall(MeritSimulationSetFromConfig(sim, spec));
  PetscCall(MeritConfigBool(spec, "overwrite", &overwrite));
  PetscCall(MeritSimulationRun(sim, overwrite));
  PetscCall(MeritSimulationGetSize(sim, &made));
  MeritLog(MERIT_LOG_INFO, "%lld animals by %lld sires, %lld records of %lld cows", (long long)made.n_animals, (long long)made.n_sires,
           (long long)made.n_records, (long long)made.n_cows);
  if (made.n_snps)
    MeritLog(MERIT_LOG_INFO, "%lld animals genotyped at %d SNPs, %d of them QTL", (long long)made.n_genotyped, (int)made.n_snps, (int)made.n_qtl);
  MeritLog(MERIT_LOG_INFO, "written to %s; next: merit solve %s/job.yaml", MeritSimulationOutput(sim), MeritSimulationOutput(sim));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCommandSimulate - Make the population a specification asks for. Collective. */
PetscErrorCode MeritCommandSimulate(MPI_Comm comm, MeritNode spec)
{
  MeritSimulation sim;
  PetscErrorCode  error;

  PetscFunctionBegin;
  PetscCall(MeritSimulationCreate(comm, &sim));
  error = Run(sim, spec);
  /* Not all ranks may have the error: nothing collective now, the process ends */
  if (error) PetscFunctionReturn(error);
  PetscCall(MeritSimulationDestroy(&sim));
  PetscFunctionReturn(PETSC_SUCCESS);
}

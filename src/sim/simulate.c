/*
  The simulation object.

  Order of a run: genome (genome.c), herd book (book.c), cows with records (records.c); then each
  generation is born (births.c), and its pedigree, true values and records are written; at last
  genotypes (marks.c, chip.c), job files and summary (job.c). Files are staged by MeritOutput and
  appear together at the end.
*/
#include "sim.h"
#include <merit/log.h>

/*@
  MeritSimulationCreate - Make an empty simulation.

  Collective on comm, which is duplicated. Free with `MeritSimulationDestroy()`.
@*/
PetscErrorCode MeritSimulationCreate(MPI_Comm comm, MeritSimulation *simulation)
{
  MeritSimulation sim;

  PetscFunctionBegin;
  PetscCall(PetscNew(&sim));
  PetscCallMPI(MPI_Comm_dup(comm, &sim->comm));
  PetscCallMPI(MPI_Comm_rank(sim->comm, &sim->rank));
  PetscCallMPI(MPI_Comm_size(sim->comm, &sim->size));
  *simulation = sim;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritSimulationSetFromConfig - Read and check a specification.

  Not collective: all ranks have the same tree, which must outlive the run. Unknown keys, values out of range
  and what is no covariance matrix are USAGE errors that name line and column.
@*/
PetscErrorCode MeritSimulationSetFromConfig(MeritSimulation sim, MeritNode spec)
{
  PetscFunctionBegin;
  PetscCall(SimSpecRead(spec, &sim->spec));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All generations; only two are in memory at once */
static PetscErrorCode Generations(MeritSimulation sim)
{
  SimGeneration from = {0}, born = {0};

  PetscFunctionBegin;
  for (int g = 0; g < sim->spec.generations; g++) {
    PetscCall(SimBirths(sim, g, &from, &born));
    PetscCall(SimWritePedigree(sim, &born));
    PetscCall(SimWriteTruth(sim, &born));
    PetscCall(SimWriteRecords(sim, &born));
    MeritLogProgress((double)(g + 1) / sim->spec.generations, "generation %d of %d", g + 1, sim->spec.generations);
    PetscCall(SimGenerationFree(&from));
    from = born;
    born = (SimGeneration){0};
  }
  PetscCall(SimGenerationFree(&from));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All steps in order; files are staged until the end */
static PetscErrorCode Everything(MeritSimulation sim)
{
  PetscFunctionBegin;
  PetscCall(MeritPhaseBegin("animals"));
  PetscCall(SimGenomeSetUp(&sim->spec, &sim->genome));
  PetscCall(SimBookCreate(sim->comm, sim->spec.animals, &sim->book));
  sim->made.n_animals = sim->spec.animals;
  PetscCall(SimChooseCows(sim));
  PetscCall(Generations(sim));
  PetscCall(SimWriteFixed(sim));
  PetscCall(MeritPhaseEnd());
  PetscCall(MeritPhaseBegin("genotypes"));
  PetscCall(SimMarkGenotyped(sim));
  PetscCall(SimWriteQtl(sim));
  PetscCall(SimWriteChipTables(sim));
  PetscCall(SimWriteChip(sim));
  PetscCall(MeritPhaseEnd());
  PetscCall(SimWriteJobs(sim));
  PetscCall(SimWriteSummary(sim));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritSimulationRun - Make the population, generation after generation, and write it.

  Collective. a rank holds its part of two generations, one range of SNPs, and (once per node) 16 bytes per
  animal of the whole population. On an error nothing is left in the output folder.

  Input Parameters:
+ sim       - with a specification
- overwrite - replace an earlier result in the folder
@*/
PetscErrorCode MeritSimulationRun(MeritSimulation sim, bool overwrite)
{
  PetscErrorCode error;

  PetscFunctionBegin;
  PetscCall(MeritOutputOpen(sim->comm, sim->spec.output, overwrite, &sim->out));
  /* the specification may lie in the output folder; it must not be replaced */
  error = sim->spec.tree->file ? MeritOutputProtect(sim->out, sim->spec.tree->file, "its own file") : PETSC_SUCCESS;
  if (!error) error = Everything(sim);
  if (error) {
    PetscCall(MeritOutputAbandon(&sim->out));
    PetscFunctionReturn(error);
  }
  PetscCall(MeritOutputCommit(&sim->out, "summary.json"));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSimulationGetSize - Counts over all ranks, after Run. Not collective. */
PetscErrorCode MeritSimulationGetSize(MeritSimulation sim, MeritSimulationSize *size)
{
  PetscFunctionBegin;
  *size = sim->made;
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritSimulationOutput - Folder written to; borrowed. Not collective. */
const char *MeritSimulationOutput(MeritSimulation sim) { return sim->spec.output; }

/* MeritSimulationDestroy - Free; NULL-safe, sets the handle to NULL. Collective. */
PetscErrorCode MeritSimulationDestroy(MeritSimulation *simulation)
{
  MeritSimulation sim = *simulation;

  PetscFunctionBegin;
  if (!sim) PetscFunctionReturn(PETSC_SUCCESS);
  PetscCall(SimSpecFree(&sim->spec));
  PetscCall(SimGenomeFree(&sim->genome));
  PetscCall(SimBookDestroy(&sim->book));
  PetscCallMPI(MPI_Comm_free(&sim->comm));
  PetscCall(PetscFree(*simulation));
  PetscFunctionReturn(PETSC_SUCCESS);
}

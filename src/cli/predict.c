/* merit predict: breeding values of other genotypes from estimated SNP effects. */
#include "cli.h"
#include "inputs.h"
#include <merit/log.h>
#include <merit/predict.h>
#include <omp.h>

/* The lock and the staging folder come before the data, as in solve */
static PetscErrorCode OpenOutput(MPI_Comm comm, MeritNode job, MeritOutput *out)
{
  char *folder    = NULL;
  bool  overwrite = false;

  PetscFunctionBegin;
  PetscCall(MeritConfigPath(job, "output.folder", &folder));
  if (!folder) PetscCall(MeritNodeError(job, "the job file has no output: folder"));
  PetscCall(MeritConfigBool(job, "overwrite", &overwrite));
  PetscCall(MeritOutputOpen(comm, folder, overwrite, out));
  PetscCall(InputsKeep(job, *out));
  PetscCall(PetscFree(folder));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* MeritCommandPredict - merit predict JOB. Collective. */
PetscErrorCode MeritCommandPredict(MPI_Comm comm, MeritNode job)
{
  MeritPrediction prediction;
  MeritOutput     out;

  PetscFunctionBegin;
  PetscCall(MeritPredictionCreate(comm, &prediction));
  PetscCall(MeritPredictionSetFromConfig(prediction, job));
  PetscCall(OpenOutput(comm, job, &out));
  PetscCall(MeritPredictionSetUp(prediction));
  PetscCall(MeritPredictionWrite(prediction, out));
  PetscCall(MeritPredictionSummary(prediction, out, job, omp_get_max_threads()));
  PetscCall(MeritOutputCommit(&out, "summary.json"));
  PetscCall(MeritPredictionDestroy(&prediction));
  PetscFunctionReturn(PETSC_SUCCESS);
}

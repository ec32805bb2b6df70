/*
  merit predict: breeding values of other genotypes from estimated SNP effects. There is no model,
  no solver and no checkpoint: genotypes are read, multiplied with the effects, and the tables are
  written.
*/
#include "cli.h"
#include "run.h"
#include <merit/log.h>
#include <merit/predict.h>
#include <omp.h>

/* MeritCommandPredict - merit predict JOB. Collective. Errors: USAGE, INPUT, SYSTEM. */
PetscErrorCode MeritCommandPredict(MPI_Comm comm, MeritNode job)
{
  MeritPrediction prediction;
  MeritOutput     out;

  PetscFunctionBegin;
  PetscCall(MeritPredictionCreate(comm, &prediction));
  PetscCall(MeritPredictionSetFromConfig(prediction, job));
  PetscCall(RunOpenOutput(comm, job, &out)); /* before the data, as in solve */
  PetscCall(MeritPredictionSetUp(prediction));
  PetscCall(MeritPredictionWrite(prediction, out));
  PetscCall(MeritPredictionSummary(prediction, out, job, omp_get_max_threads()));
  PetscCall(MeritOutputCommit(&out, "summary.json"));
  PetscCall(MeritPredictionDestroy(&prediction));
  PetscFunctionReturn(PETSC_SUCCESS);
}
